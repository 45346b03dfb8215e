import math
import resource
from collections.abc import Mapping
from pathlib import Path

import pytest
from manual_clock import ManualClock

from loadwatch.clock import SystemClock
from loadwatch.records import Sample
from loadwatch.sampling import Sampler, default_sources
from loadwatch.sampling.sampler import SHORTEST_INTERVAL_SECONDS
from loadwatch.signals import BY_NAME

from .host import FakeHost


class Scripted:
    """A source that answers, or fails, as told; each answer in turn."""

    note = ""

    def __init__(self, name: str, *answers: Mapping[str, float] | Exception) -> None:
        self.name = name
        self.signals = ("cpu", "memory")
        self.answers = list(answers)

    def read(self, now: float) -> Mapping[str, float]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def forget(self) -> None:
        self.answers.insert(0, {"cpu": math.nan})


def samples(sampler: Sampler, clock: ManualClock, count: int) -> list[Sample | None]:
    """Take samples a second apart."""
    taken = []
    for _ in range(count):
        clock.advance(1.0)
        taken.append(sampler.sample())
    return taken


def test_the_first_sample_is_not_used() -> None:
    """It only gives the rates their base."""
    clock = ManualClock()
    sampler = Sampler(clock, sources=[Scripted("a", {"cpu": 0.1}, {"cpu": 0.2})])
    first, second = samples(sampler, clock, 2)

    assert first is None
    assert second == Sample(clock.wall(), clock.monotonic(), {"cpu": 0.2})


def test_two_calls_at_once_give_one_sample() -> None:
    """A late job followed by the next one must not judge shares of a few clock ticks."""
    clock = ManualClock()
    sampler = Sampler(clock, sources=[Scripted("a", {}, {}, {})])
    samples(sampler, clock, 2)
    clock.advance(SHORTEST_INTERVAL_SECONDS / 2)

    assert sampler.sample() is None


def test_a_failing_source_is_counted_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    """Its signals are unknown while it fails; the log has one line when it begins and one when it ends."""
    clock = ManualClock()
    broken = Scripted("broken", {"cpu": 0.1}, OSError("gone"), ValueError("odd"), {"cpu": 0.3})
    good = Scripted("good", *[{"memory": 0.5}] * 4)
    sampler = Sampler(clock, sources=[broken, good])
    with caplog.at_level("INFO"):
        values = [dict(sample.values) for sample in samples(sampler, clock, 4) if sample]

    assert values == [
        {"cpu": pytest.approx(math.nan, nan_ok=True), "memory": 0.5},
        {"cpu": pytest.approx(math.nan, nan_ok=True), "memory": 0.5},
        {"cpu": 0.3, "memory": 0.5},
    ]
    assert sampler.failures == {"broken": 2, "good": 0}
    assert [record.message for record in caplog.records] == [
        "source fails source=broken error=OSError('gone')",
        "source recovered source=broken",
    ]


def test_a_source_that_never_worked_leaves_all_its_signals_unknown() -> None:
    """Whether this host has them is not known either."""
    clock = ManualClock()
    sampler = Sampler(clock, sources=[Scripted("a", OSError(), OSError())])
    _, second = samples(sampler, clock, 2)

    assert second is not None
    assert {signal: math.isnan(value) for signal, value in second.values.items()} == {
        "cpu": True,
        "memory": True,
    }


@pytest.mark.parametrize("impossible", [math.inf, -math.inf, -0.1])
def test_a_number_that_cannot_be_is_unknown_and_counted(impossible: float) -> None:
    """Neither infinity nor a negative value reaches the model."""
    clock = ManualClock()
    sampler = Sampler(clock, sources=[Scripted("a", {}, {"cpu": impossible, "memory": 0.5})])
    _, second = samples(sampler, clock, 2)

    assert second is not None
    assert math.isnan(second.values["cpu"])
    assert sampler.failures["a"] == 1


def test_unknown_values_are_counted_apart_from_failures() -> None:
    """NaN is a source's honest word for not knowing."""
    clock = ManualClock()
    sampler = Sampler(clock, sources=[Scripted("a", {}, {"cpu": math.nan})])
    samples(sampler, clock, 2)

    assert sampler.failures["a"] == 0


def test_after_a_suspension_rates_are_unknown_once(host: FakeHost) -> None:
    """The counters of a machine that slept an hour say nothing about the last seconds; levels do."""
    clock = ManualClock()
    sampler = Sampler(clock, procfs=host.procfs)
    taken = []
    for step in range(5):
        clock.advance(1.0)
        if step == 3:
            clock.suspend(3600.0)
        host.advance(step * (10_000 if step == 3 else 1))
        taken.append(sampler.sample())
    before, at_wake = taken[2], taken[3]

    assert before is not None
    assert at_wake is not None
    assert before.values["cpu"] == pytest.approx(0.35 / 2)
    assert math.isnan(at_wake.values["cpu"])
    assert math.isnan(at_wake.values["network_receive"])
    assert at_wake.values["memory"] == pytest.approx(0.75)


def test_a_wall_clock_that_jumps_changes_no_rate(host: FakeHost) -> None:
    """Intervals are monotonic; only the row's stamp follows the wall."""
    clock = ManualClock()
    sampler = Sampler(clock, procfs=host.procfs)
    rates = []
    for step, wall in enumerate([1e9, 2e9, 1e9 - 86_400, 1e9 + 86_400]):
        clock.advance(1.0)
        clock.set_wall(wall)
        host.advance(step)
        if sample := sampler.sample():
            rates.append((sample.timestamp, sample.values["network_receive"]))

    assert rates == [(2e9, 1000.0), (1e9 - 86_400, 1000.0), (1e9 + 86_400, 1000.0)]


def test_the_largest_rate_is_kept_by_whoever_owns_the_state(host: FakeHost) -> None:
    """Set after a restart, read before the end; nonsense is not taken."""
    sampler = Sampler(ManualClock(), procfs=host.procfs)
    sampler.largest_rate = 5e6
    sampler.largest_rate = math.nan

    assert sampler.largest_rate == 5e6
    assert math.isnan(Sampler(ManualClock(), sources=[]).largest_rate)


def test_notes_say_what_is_unusual(host: FakeHost) -> None:
    """A page can tell its reader that link speed is guessed."""
    clock = ManualClock()
    sampler = Sampler(clock, procfs=host.procfs)
    samples(sampler, clock, 1)

    assert sampler.notes == {"network": "link speed unknown (eth0): network is over the largest rate seen"}


def test_sampling_goes_on_without_free_descriptors(host: FakeHost) -> None:
    """The kernel's files are kept open: a program that leaks descriptors does not blind the daemon."""
    clock = ManualClock()
    sampler = Sampler(clock, procfs=host.procfs)
    samples(sampler, clock, 2)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        (starved,) = samples(sampler, clock, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    (fed,) = samples(sampler, clock, 1)

    assert starved is not None
    assert starved.values["tcp_established"] == 7.0
    assert starved.values["cpu_pressure"] == 0.0
    assert starved.values["memory"] == pytest.approx(0.75)
    assert fed is not None
    assert not math.isnan(fed.values["disk_read"])


def test_this_machine_is_sampled_within_the_schema() -> None:
    """The real kernel, whatever it has: known names, bounds kept; no failure."""
    clock = SystemClock()
    sampler = Sampler(clock)
    sampler.sample()
    deadline = clock.monotonic() + SHORTEST_INTERVAL_SECONDS * 1.2
    while clock.monotonic() < deadline:
        pass  # busy on purpose: CPU time must pass, and a test does not sleep
    sample = sampler.sample()

    assert sample is not None
    assert {"cpu", "memory", "load_per_cpu"} <= sample.values.keys() <= BY_NAME.keys()
    for signal, value in sample.values.items():
        assert math.isnan(value) or 0 <= value <= (1 if BY_NAME[signal].unit == "ratio" else math.inf)
    assert set(sampler.failures.values()) == {0}


def test_sys_is_looked_for_beside_proc(host: FakeHost, tmp_path: Path) -> None:
    """A container sees its host under /host/proc and /host/sys."""
    host.add_interface("eth0", speed=1000)
    network = next(source for source in default_sources(host.procfs) if source.name == "network")
    network.read(1.0)

    assert network.note == ""
