"""What stays unknown is said, and only that."""

import math
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from manual_clock import ManualClock

from loadwatch import config as configuration
from loadwatch.daemon.judging import LiveJudge
from loadwatch.daemon.sampling_loop import SamplingLoop
from loadwatch.daemon.unknown import UnknownSignals
from loadwatch.exporter import Exporter
from loadwatch.history import History
from loadwatch.records import Recording, Sample
from loadwatch.sampling import Sampler
from loadwatch.web import Board

NEEDED = frozenset({"cpu", "memory"})


def said(*cpu: float | None, interval: float = 5.0, why: str = "refused") -> dict[str, str]:
    """What is said after samples with these values of ``cpu``; None: the host has no such signal."""
    unknown = UnknownSignals(lambda _: why)
    told: dict[str, str] = {}
    for number, value in enumerate(cpu):
        values = {"swap": math.nan} if value is None else {"cpu": value, "swap": math.nan}
        told = unknown.update(Sample(0.0, number * interval, values), NEEDED)
    return told


def test_a_needed_signal_that_stays_unknown_is_said_with_the_reason() -> None:
    """Half a minute is enough; what neither rule nor limits look at is nobody's worry."""
    assert said(*[math.nan] * 7) == {"cpu": "refused"}
    assert "steps back" in said(*[math.nan] * 7, why="")["cpu"]


@pytest.mark.parametrize(
    "cpu",
    [[math.nan] * 6, [None] * 9, [*[math.nan] * 6, 0.1, math.nan], [*[math.nan] * 9, 0.1]],
    ids=["not for long", "not on this host", "a new beginning", "known again"],
)
def test_what_is_known_or_missing_is_not_unknown(cpu: list[float | None]) -> None:
    """Neither a disk that came and went nor a host without pressure information worries anybody."""
    assert said(*cpu) == {}


def test_at_a_long_interval_it_takes_three_samples() -> None:
    """One unknown minute may be a device that came."""
    assert said(math.nan, math.nan, interval=60.0) == {}
    assert said(math.nan, math.nan, math.nan, interval=60.0) == {"cpu": "refused"}


@pytest.mark.parametrize("rule", ["cpuu > 0.9", "cpu > 0.1 or io_presure > 0.4"])
def test_a_misspelled_signal_of_the_rule_is_a_headline(tmp_path: Path, rule: str) -> None:
    """Half of a rule that can never hold is said at once, with the name that was probably meant."""
    config = configuration.load(None, environment={}, overrides=[f"high_load.when={rule}"])
    clock = ManualClock()
    board, exporter = Board(clock, 5.0), Exporter(clock, 5.0)
    with closing(History.open(tmp_path / "history.db", clock=clock)) as history:
        judge = LiveJudge(config, clock, history, exporter)
        loop = SamplingLoop(clock, Sampler(clock, sources=[Calm()]), history, exporter, board, judge)
        for _ in range(3):
            clock.advance(5.0)
            loop.tick()
        headline = board.status()["headline"]
        assert "no signal is called" in headline
        assert "did you mean 'cpu'?" in headline or "did you mean 'io_pressure'?" in headline
        assert "loadwatch_ready 0.0" in exporter.render().decode()
        history.merge(Recording(np.array([1.0]), ("cpuu", "io_presure"), np.array([[0.5, 0.5]])))
        judge.refresh()
        assert judge.misnamed == {}


class Calm:
    """A host that does nothing."""

    name = "cpu"
    signals = ("cpu",)
    note = ""

    def read(self, now: float) -> dict[str, float]:
        return {"cpu": 0.1}

    def forget(self) -> None:
        """Nothing is remembered."""


class Unreadable:
    """The CPUs of a host whose kernel refuses to say how busy they are."""

    name = "cpu"
    signals = ("cpu",)
    note = ""

    def read(self, now: float) -> dict[str, float]:
        raise PermissionError(13, "Permission denied", "/proc/stat")

    def forget(self) -> None:
        """Nothing is remembered."""


def test_a_host_whose_cpus_cannot_be_read_is_not_called_well(tmp_path: Path) -> None:
    """The headline names the signal and the reason, and the daemon does not call itself ready."""
    config = configuration.load(None, environment={}, overrides=[])
    clock = ManualClock()
    board, exporter = Board(clock, 5.0), Exporter(clock, 5.0)
    with closing(History.open(tmp_path / "history.db", clock=clock)) as history:
        judge = LiveJudge(config, clock, history, exporter)
        sampler = Sampler(clock, sources=[Unreadable()])
        loop = SamplingLoop(clock, sampler, history, exporter, board, judge)
        for _ in range(10):
            clock.advance(5.0)
            loop.tick()

    headline = board.status()["headline"]
    assert headline.startswith("CPU is unknown: [Errno 13] Permission denied: '/proc/stat'")
    assert "loadwatch_ready 0.0" in exporter.render().decode()
