"""The curves: means over slots of time, true through gaps, restarts and clocks that are set."""

import contextlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manual_clock import ManualClock

from loadwatch.history import History
from loadwatch.records import Recording, Sample, Snapshot
from loadwatch.signals import NAMES
from loadwatch.web import Board
from loadwatch.web.timeline import RINGS, Timeline, _Ring, _rounded

NOW = 1_700_000_000.0


def snapshot(timestamp: float, **values: float) -> Snapshot:
    return Snapshot(Sample(timestamp, timestamp, values), {0: 0.5}, anomaly_score=0.25)


def test_a_slot_holds_the_mean_of_its_samples() -> None:
    """Ten seconds a slot in the last hour."""
    timeline = Timeline()
    for second, value in ((0, 0.25), (5, 0.75), (10, 1.0)):
        timeline.add(snapshot(NOW + second, cpu=value))
    series = timeline.series("hour")
    assert series["signals"]["cpu"][-2:] == [0.5, 1.0]
    assert series["probabilities"]["0"][-1] == 0.5
    assert series["anomaly"][-1] == 0.25
    assert series["start_timestamp"] + 360 * series["resolution_seconds"] == NOW + 20


def test_a_gap_is_null_and_so_is_an_unknown_value() -> None:
    """Nothing is drawn where nothing was known."""
    timeline = Timeline()
    timeline.add(snapshot(NOW, cpu=0.5))
    timeline.add(snapshot(NOW + 30, cpu=math.nan, memory=0.5))
    assert timeline.series("hour")["signals"]["cpu"][-4:] == [0.5, None, None, None]
    assert timeline.series("hour")["signals"]["memory"][-4:] == [None, None, None, 0.5]


def test_what_is_older_than_the_span_is_forgotten() -> None:
    """The ring turns: after an hour the first sample is gone, from the day it is not."""
    timeline = Timeline()
    timeline.add(snapshot(NOW, cpu=1.0))
    timeline.add(snapshot(NOW + 3_600, cpu=0.5))
    assert [value for value in timeline.series("hour")["signals"]["cpu"] if value] == [0.5]
    assert [value for value in timeline.series("day")["signals"]["cpu"] if value] == [1.0, 0.5]


def test_a_clock_set_back_leaves_no_curve_in_the_future() -> None:
    """An hour back by hand: what was drawn after the new now is dropped, what lies before stays."""
    timeline = Timeline()
    for minute in range(120):
        timeline.add(snapshot(NOW + 60 * minute, cpu=0.5))
    timeline.add(snapshot(NOW + 3_600, cpu=1.0))
    series = timeline.series("hour")
    assert series["signals"]["cpu"][-1] == 0.75
    assert series["start_timestamp"] + 360 * series["resolution_seconds"] == NOW + 3_610


def test_the_rings_take_little_memory() -> None:
    """All rings with every signal and horizon stay under three quarters of a megabyte."""
    timeline = Timeline()
    timeline.add(snapshot(NOW, **dict.fromkeys(NAMES, 0.5)))
    size = sum(ring._totals.nbytes + ring._counts.nbytes for ring in timeline._rings.values())
    assert size < 768 * 1024


def test_older_rows_may_come_later() -> None:
    """The days before the last are read while the daemon is at work already; the newest stays the newest."""
    timeline = Timeline()
    timeline.add(snapshot(NOW, cpu=1.0))
    timeline.load(Recording(np.array([NOW - 7_200.0]), ("cpu",), np.array([[0.5]])))
    assert [value for value in timeline.series("hour")["signals"]["cpu"] if value] == [1.0]
    assert [value for value in timeline.series("six_hours")["signals"]["cpu"] if value] == [0.5, 1.0]


@pytest.mark.slow
@given(
    steps=st.lists(st.floats(0.5, 400.0), min_size=1, max_size=60),
    values=st.data(),
)
def test_a_restart_refills_the_curves_it_had(steps: list[float], values: st.DataObject) -> None:
    """Loading the history gives the very curves that the samples gave one by one."""
    timestamps = NOW + np.cumsum(steps)
    drawn = values.draw(
        st.lists(st.floats(0, 1) | st.just(math.nan), min_size=len(steps), max_size=len(steps))
    )
    live, loaded = Timeline(), Timeline()
    for timestamp, value in zip(timestamps, drawn, strict=True):
        live.add(Snapshot(Sample(float(timestamp), 0.0, {"cpu": value})))
    loaded.load(Recording(timestamps, ("cpu",), np.array(drawn)[:, None]))
    for span in RINGS:
        assert loaded.series(span) == live.series(span)


def test_a_board_refills_the_last_day_hour_by_hour() -> None:
    """A restart draws the day again, from pieces that never hold a day of samples at once."""
    clock = ManualClock(NOW)
    timestamps = np.arange(NOW - 100_000.0, NOW, 60.0)
    history = Recording(timestamps, ("cpu",), np.linspace(0.0, 1.0, len(timestamps))[:, None])
    spans = []

    def read(start: float, end: float) -> Recording:
        spans.append(end - start)
        return history.between(start, end)

    board = Board(clock, interval=60.0)
    board.refill(read)
    assert set(spans) == {3_600.0}
    whole = Timeline()
    whole.load(history.between(NOW - 86_400.0, NOW))
    for span in RINGS:
        assert board.timeline.series(span) == whole.series(span)
    assert None not in board.timeline.series("day")["signals"]["cpu"]


def test_a_board_refills_the_week_in_pieces(tmp_path: Path) -> None:
    """From means of five minutes, each in the slot it was measured in, beside what is drawn already."""
    clock = ManualClock(NOW)
    timestamps = np.arange(NOW - 8 * 86_400.0, NOW, 60.0)
    rows = Recording(timestamps, ("cpu",), (timestamps[:, None] // 1_800.0) % 7.0)
    with contextlib.closing(History.open(tmp_path / "history.db", clock=clock)) as history:
        history.merge(rows)
        board = Board(clock, interval=60.0)
        board.refill(history.recording)
        board.refill_week(history.recording)
    series = board.timeline.series("week")
    slots = series["start_timestamp"] // 1_800.0 + np.arange(336)
    assert series["signals"]["cpu"][1:] == (slots % 7.0).tolist()[1:]


def test_what_was_judged_outlives_a_restart() -> None:
    """The history has the samples but not the verdicts: their curves are kept with the state, as JSON."""
    before, after = Timeline(), Timeline()
    for minute in range(600):
        before.add(snapshot(NOW + 60.0 * minute, cpu=0.5))
    after.restore(json.loads(json.dumps(before.judged(), allow_nan=False)), NOW + 36_000.0)
    for span in RINGS:
        assert after.series(span) == before.series(span) | {"signals": {}}
    assert len(json.dumps(before.judged())) < 64 * 1024
    future = Timeline()
    future.restore(before.judged(), NOW - 1e6)
    assert future.series("week")["probabilities"] == {}


SHORT = {"start_timestamp": 0, "probabilities": {"0": [1]}, "anomaly": []}
ODD = {"start_timestamp": "x", "probabilities": {"a": 1}, "anomaly": 3}


@pytest.mark.parametrize(
    "wrong", [[], {}, "x", {"hour": None}, dict.fromkeys(RINGS, SHORT), dict.fromkeys(RINGS, ODD)]
)
def test_a_damaged_state_costs_the_curves_and_no_more(wrong: object) -> None:
    """The daemon starts, and the curves of the verdicts begin anew."""
    board = Board(ManualClock(NOW), interval=60.0)
    board.refill(lambda _start, _end: Recording(np.array([]), (), np.empty((0, 0))), wrong)
    assert board.timeline.series("hour")["probabilities"] == {}


def test_an_empty_history_changes_nothing() -> None:
    """A first start has nothing to refill from."""
    timeline = Timeline()
    timeline.load(Recording(np.array([]), ("cpu",), np.empty((0, 1))))
    assert timeline.series("hour")["signals"] == {}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-9, max_value=1e12), min_size=1))
def test_rounding_keeps_four_digits(numbers: list[float]) -> None:
    """The error is under one in the fourth digit, and numbers stay short."""
    for rounded, number in zip(_rounded(np.array(numbers)), numbers, strict=True):
        assert rounded is not None
        assert abs(rounded - number) <= 0.5001e-3 * abs(number)


def test_what_is_nearly_certain_is_not_rounded_to_certainty() -> None:
    """A curve says 1 only of what was 1."""
    assert _rounded(np.array([0.99997, 1.0])) == [0.99997, 1.0]


def test_a_ring_keeps_its_size_whatever_the_clock_does() -> None:
    """Jumps in both directions, longer than the ring."""
    ring = _Ring(10.0, 6)
    for timestamp in (1e9, 2e9, 5.0, 1e9, 1e9 + 30, 1e9 + 10):
        ring.add(timestamp, ("a",), np.ones(1), np.ones(1, np.bool_))
        _, curves = ring.curves()
        assert len(curves["a"]) == 6
        assert curves["a"][-1] == 1.0
    assert np.isfinite(curves["a"]).sum() == 2


def test_the_load_level_is_kept_with_what_was_forecast_of_it() -> None:
    """For the longest horizon; a slot in which it was not known is null."""
    timeline, told = Timeline(), {60: (0.5, 0.6), 900: (0.7, 0.9)}
    timeline.add(Snapshot(Sample(1_000.0, 0.0, {"cpu": 0.5}), load_level=0.5, level_forecast=told))
    timeline.add(Snapshot(Sample(1_010.0, 0.0, {"cpu": 0.5})))
    series = timeline.series("hour")
    assert series["level"][-2:] == [0.5, None]
    assert {name: values[-2:] for name, values in series["level_forecast"].items()} == {
        "0.5": [0.7, None],
        "0.9": [0.9, None],
    }
