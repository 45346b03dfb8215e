"""The judge as a whole: stream and bulk agree, a restart loses nothing, a sample costs little."""

import json
import time
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.evidence import (
    HORIZONS,
    START,
    batch_of,
    evidence,
    opened,
    run,
    streams,
)
from loadwatch.judge import Evidence, Judge


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(streams(), st.data())
def test_bulk_and_stream_give_the_same_verdicts(samples: list[Evidence], data: st.DataObject) -> None:
    """However a stream is cut into batches, flags, alerts and the state left behind are the same."""
    stream, bulk = Judge(HORIZONS), Judge(HORIZONS)
    judgements = run(stream, samples)
    cut = data.draw(st.integers(0, len(samples)))
    parts = [bulk.extend(batch_of(samples[:cut])), bulk.extend(batch_of(samples[cut:]))]

    def column(flags: Iterable[bool | None]) -> list[int]:
        return [-1 if flag is None else int(flag) for flag in flags]

    for place, horizon in enumerate(HORIZONS):
        expected = column(judgement.high_load.get(horizon) for judgement in judgements)
        assert np.concatenate([part.high_load[:, place] for part in parts]).tolist() == expected
    expected = column(judgement.anomaly for judgement in judgements)
    assert np.concatenate([part.anomaly for part in parts]).tolist() == expected
    assert [alert for part in parts for alert in part.opened] == opened(judgements)
    closed = [alert for judgement in judgements for alert in judgement.closed]
    assert [alert for part in parts for alert in part.closed] == closed
    assert bulk.to_state() == stream.to_state()


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(streams(), st.data())
def test_a_restart_changes_nothing(samples: list[Evidence], data: st.DataObject) -> None:
    """Flag, open alert and what is left of the budget survive; judged on, both give the same alerts."""
    whole, before = Judge(HORIZONS), Judge(HORIZONS)
    cut = data.draw(st.integers(0, len(samples)))
    run(whole, samples[:cut])
    run(before, samples[:cut])
    state = json.loads(json.dumps(before.to_state(), allow_nan=False))
    after = Judge.from_state(state, HORIZONS)
    assert after.open_alerts == whole.open_alerts
    expected, actual = run(whole, samples[cut:]), run(after, samples[cut:])
    assert [one.high_load for one in actual] == [one.high_load for one in expected]
    assert opened(actual) == opened(expected)


@pytest.mark.parametrize(
    "state", [{}, {"version": 99}, {"version": 1, "last": "x"}, {"version": 1, "last": None}]
)
def test_a_damaged_state_is_refused(state: dict[str, object]) -> None:
    """The judge says so, and its owner starts a fresh one."""
    with pytest.raises(ValueError, match="state of the judge"):
        Judge.from_state(state, HORIZONS)


def test_a_new_model_keeps_the_flags_that_are_up() -> None:
    """A swap in the middle of trouble neither drops nor raises anything by itself."""
    judge = Judge(HORIZONS)
    run(judge, (evidence(START + 5.0 * row, 0.9, (0.2, 0.9, 0.9, 0.9)) for row in range(60)))
    judge.adopt({0: 0.5, 60: 0.8, 300: 0.8, 900: 0.8})
    judgement = judge.update(evidence(START + 300, 0.9, (0.2, 0.7, 0.7, 0.7)))
    assert judgement.high_load == {0: False, 60: True, 300: True, 900: True}


def test_a_quiet_sample_costs_microseconds() -> None:
    """Four horizons and the anomaly, sample by sample; generous, for a busy machine (6 µs is the aim)."""
    judge = Judge(HORIZONS)
    values = dict.fromkeys(["cpu", "memory", "swap", "network", "cpu_pressure", "io_pressure"], 0.1)
    samples = [evidence(START + 5.0 * row, values=values) for row in range(20_000)]
    begin = time.perf_counter()
    for sample in samples:
        judge.update(sample)
    assert (time.perf_counter() - begin) / len(samples) < 30e-6
