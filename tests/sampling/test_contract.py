"""What every source of signals promises, held against each of them."""

import math
from collections.abc import Callable

import pytest

from loadwatch.sampling import Source, default_sources
from loadwatch.signals import BY_NAME
from loadwatch.signals import NAMES as SIGNALS

from .host import FakeHost

NAMES = [source.name for source in default_sources()]
LEVELS = {
    "load_per_cpu",
    "memory",
    "swap",
    "tcp_established",
    "tcp_in_use",
    "tcp_time_wait",
    "cpu_pressure",
    "memory_pressure",
    "io_pressure",
    "filesystem",
    "filesystem_inodes",
    "file_handles",
    "threads",
    "conntrack",
}


@pytest.fixture(params=NAMES)
def source(request: pytest.FixtureRequest, host: FakeHost) -> Source:
    """Each source in turn, reading the host of files."""
    return next(source for source in default_sources(host.procfs) if source.name == request.param)


def test_every_signal_of_the_schema_has_one_source() -> None:
    """What the schema promises is measured, once."""
    given = [signal for source in default_sources() for signal in source.signals]

    assert sorted(given) == sorted(SIGNALS)


def test_a_source_gives_only_what_it_declares(source: Source, host: FakeHost) -> None:
    """A failing source can therefore be told apart signal by signal."""
    host.write_memory(swap_total=100, swap_free=50)

    assert set(source.read(1.0)) == set(source.signals)


def test_the_first_reading_gives_levels_but_no_rates(source: Source) -> None:
    """There is nothing to subtract from yet: NaN, not zero and not the count since boot."""
    values = source.read(1.0)

    assert all(math.isnan(value) != (signal in LEVELS) for signal, value in values.items())


def test_values_keep_the_bounds_of_their_unit(source: Source, host: FakeHost) -> None:
    """Ratios lie between 0 and 1, and nothing is ever negative."""
    source.read(1.0)
    host.advance(1)
    host.write_pressure(100.0)
    values = source.read(2.0)

    assert values
    for signal, value in values.items():
        assert value >= 0
        assert BY_NAME[signal].unit != "ratio" or value <= 1


@pytest.mark.parametrize("step_back", [0, 4_000_000])
def test_counters_that_step_back_are_unknown_once(source: Source, host: FakeHost, step_back: int) -> None:
    """A reset, or a wrap at 32 bits, makes neither a negative rate nor a spike; then all is right again."""
    host.advance(5_000_000)
    source.read(1.0)
    host.advance(step_back)
    after_reset = source.read(2.0)
    host.advance(step_back + 1)
    recovered = source.read(3.0)

    assert all(math.isnan(value) for signal, value in after_reset.items() if signal not in LEVELS)
    assert not any(math.isnan(value) for value in recovered.values())


def test_forgetting_starts_afresh(source: Source, host: FakeHost) -> None:
    """After a suspension no rate spans the sleep."""
    source.read(1.0)
    source.forget()
    host.advance(1)

    assert all(math.isnan(value) for signal, value in source.read(2.0).items() if signal not in LEVELS)


def test_a_file_of_nonsense_is_an_error_not_a_value(source: Source, host: FakeHost) -> None:
    """The sampler counts it; it must not become a number."""
    names = ["loadavg", "meminfo", "stat", "net/dev", "diskstats", "net/snmp", "net/netstat", "net/sockstat"]
    names += ["self/mountinfo", "sys/fs/file-nr", "vmstat"]
    for name in [*names, "pressure/cpu", "pressure/memory", "pressure/io"]:
        host.write(f"proc/{name}", "Tcp: a\nTcp: b\nTcp: InSegs\nTcp: many\ncpu x y z\neth0: lots\n")

    with pytest.raises(Exception):  # noqa: B017, PT011 - which one is the source's affair
        source.read(1.0)


def _nothing(host: FakeHost) -> None:
    host.write_interfaces(lo=(1, 1))
    host.write_disks(loop0=(1, 1, 1), ram0=(1, 1, 1))
    host.write_memory(swap_total=0)
    host.write_mounts("1 0 0:5 / /proc rw - proc proc rw")
    for name in ("net/snmp", "net/netstat", "net/sockstat", "pressure/cpu", "pressure/memory", "pressure/io"):
        (host.procfs / name).unlink()
    for name in ("sys/fs/file-nr", "sys/net/netfilter/nf_conntrack_count", "vmstat"):
        (host.procfs / name).unlink()


def _no_files(host: FakeHost) -> None:
    _nothing(host)
    (host.procfs / "net/dev").unlink()


@pytest.mark.parametrize("take_away", [_nothing, _no_files])
def test_what_a_host_does_not_have_is_quietly_absent(
    source: Source, host: FakeHost, take_away: Callable[[FakeHost], None]
) -> None:
    """No swap, disk, interface or pressure information is not a failure, and not a zero."""
    take_away(host)

    left = {"cpu": 4, "load": 1, "memory": 1, "limits": 1}
    assert len(source.read(1.0)) == left.get(source.name, 0)
