"""Who uses most between two pictures, on hosts made of files and on this one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manual_clock import ManualClock

from loadwatch.clock import SystemClock
from loadwatch.culprits import culprit_words
from loadwatch.records import Culprits
from loadwatch.sampling import Sampler, processes
from loadwatch.sampling.meter import CLOSE_SECONDS, CONTAINED, HIDDEN, LONGEST_SECONDS, UsageMeter
from loadwatch.sampling.processes import MOST_PROCESSES, ProcessReading, parse_stat, shown_name
from loadwatch.sampling.source import FaultLog
from loadwatch.sampling.units import MOST_UNITS, shown_unit, unit_of
from loadwatch.signals import Resource

from .host import FakeHost

SECOND = 100  # ticks
MINUTE = 60 * SECOND


class Watched:
    """A host of files with a meter and a clock; the host was booted a thousand seconds ago."""

    def __init__(self, host: FakeHost) -> None:
        self.host, self.clock = host, ManualClock()
        self.faults = FaultLog(self.clock, UsageMeter.sources)
        self.meter = UsageMeter(self.clock, host.procfs, host.sysfs, self.faults)
        host.write_process(1, b"systemd")
        host.write_process(2, b"kthreadd", kernel=True, parent=0)

    def picture(self, seconds: float = 60.0, *, closely: bool = True) -> None:
        self.meter.follow(closely=closely)
        self.clock.advance(seconds)

    def compare(self, change: Callable[[], object], resource: Resource = "cpu") -> Culprits:
        """What is found between a picture now and one a minute after, with a change meanwhile."""
        self.picture()
        change()
        self.meter.follow(closely=True)
        found = self.meter.culprits(resource)
        assert found is not None
        return found


@pytest.fixture
def watched(host: FakeHost) -> Watched:
    """With processes of a whole host and no units."""
    return Watched(host)


def named(found: Culprits, kind: str = "process") -> list[tuple[str, float]]:
    return [(each.name, round(each.share, 3)) for each in found.named if each.kind == kind]


def test_the_program_that_used_most_cpu_is_named_first(watched: Watched) -> None:
    """By what it used between the two pictures, whatever it used before; of all CPUs, here two."""
    write = watched.host.write_process
    write(10, b"old", ticks=9_000_000)
    write(11, b"mysqld", ticks=5, unit="/system.slice/mysql.service")

    def work() -> None:
        write(10, b"old", ticks=9_000_000 + MINUTE // 2)
        write(11, b"mysqld", ticks=5 + MINUTE, unit="/system.slice/mysql.service")

    found = watched.compare(work)
    assert named(found) == [("mysqld", 0.5), ("old", 0.25)]
    assert culprit_words(found) == "mysqld (mysql.service) 1 of 2 CPUs; old 0.5 of 2 CPUs"
    assert (found.seconds, found.total) == (60.0, 2.0)


def test_processes_of_one_name_are_one_culprit(watched: Watched) -> None:
    """Twenty workers that use a little each are told as what they are together."""
    write = watched.host.write_process

    def work() -> None:
        for number in range(20):
            write(100 + number, b"php-fpm", ticks=MINUTE // 20, start=200_000)
        write(99, b"single", ticks=MINUTE // 2, start=200_000)

    found = watched.compare(work)
    assert named(found) == [("php-fpm", 0.5), ("single", 0.25)]
    assert found.named[0].processes == 20


def test_a_number_that_was_given_to_another_process_counts_from_its_start(watched: Watched) -> None:
    """What its predecessor used is not held against it, and no use is below zero."""
    watched.host.write_process(10, b"predecessor", ticks=9_000, start=50)
    found = watched.compare(lambda: watched.host.write_process(10, b"successor", ticks=SECOND, start=101_000))
    assert named(found) == [("successor", round(1 / 120, 3))]


def test_processes_that_vanish_are_no_failure(watched: Watched) -> None:
    """Between two pictures, and between the list and the reading."""
    watched.host.write_process(10, b"short")
    (watched.host.procfs / "11").mkdir()  # its files are gone already

    def end() -> None:
        shutil.rmtree(watched.host.procfs / "10")

    assert named(watched.compare(end)) == []
    assert set(watched.faults.failures.values()) == {0}


def test_kernel_threads_are_named_as_ps_names_them(watched: Watched) -> None:
    """All of one kind together: nobody knows the number of a worker."""
    write = watched.host.write_process

    def work() -> None:
        write(20, b"kworker/0:1-events", ticks=MINUTE // 2, start=200_000, kernel=True, parent=2)
        write(21, b"kworker/u8:2", ticks=MINUTE // 2, start=200_000, kernel=True, parent=2)

    assert named(watched.compare(work)) == [("[kworker]", 0.5)]


def test_memory_is_that_in_use_and_what_is_shared_counts_once(watched: Watched) -> None:
    """Fifty processes that share a segment are not fifty times its size."""
    write = watched.host.write_process
    write(10, b"postgres", pages=60, shared=50)
    write(11, b"postgres", pages=60, shared=50)
    found = watched.compare(lambda: None, "memory")
    assert found.total == 1000 * 1024
    assert found.named[0].share == pytest.approx(70 * 4096 / (1000 * 1024))


def test_storage_by_process_is_told_only_where_all_can_be_seen(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever may be looked at, ourselves, would seem to be who moves most."""
    write = watched.host.write_process
    write(10, b"dd", start=1)
    write(11, b"cp", start=1)

    def work() -> None:
        write(10, b"dd", moved=3_000, start=1)
        write(11, b"cp", moved=1_000, start=1)

    assert named(watched.compare(work, "io")) == [("dd", 0.75), ("cp", 0.25)]

    real = processes.read_in

    def closed(folder: int, name: str) -> bytes:
        if name.endswith("/io") and not name.startswith("11/"):
            raise PermissionError(name)
        return real(folder, name)

    monkeypatch.setattr(processes, "read_in", closed)
    watched.clock.advance(60)
    assert named(watched.compare(work, "io")) == []


def test_units_are_measured_by_the_kernels_own_accounts(watched: Watched) -> None:
    """Also what ended meanwhile counts: a build of thousands of short programs has one name."""
    write = watched.host.write_unit
    for path in ("system.slice/build.service", "user.slice/user-1.slice/session-3.scope"):
        write(path)

    def work() -> None:
        write("system.slice/build.service", cpu=90_000_000, waited=30_000_000)
        write("user.slice/user-1.slice/session-3.scope", cpu=30_000_000)

    found = watched.compare(work)
    assert named(found, "unit") == [("build.service", 0.75), ("session-3.scope", 0.25)]
    assert found.named[0].pressure == 0.5


def test_the_cache_of_files_is_nobodys_memory(watched: Watched) -> None:
    """A backup that reads every file holds no memory: the kernel takes it back when asked."""
    write = watched.host.write_unit
    write("system.slice/backup.service", memory=1_000, cache=900_000)
    write("system.slice/java.service", memory=512_000)
    assert named(watched.compare(lambda: None, "memory"), "unit")[0] == ("java.service", 0.5)


def test_storage_is_measured_in_bytes_where_the_kernel_accounts_them(watched: Watched) -> None:
    """And what is accounted for a whole slice only is told of the slice."""
    write = watched.host.write_unit
    write("user.slice", moved=0, inner="memory")

    def work() -> None:
        write("system.slice/backup.service", moved=700)
        write("user.slice", moved=300, inner="memory")
        write("user.slice/session-3.scope", waited=9_000_000)

    write("system.slice/backup.service", moved=0)
    write("user.slice/session-3.scope")
    found = watched.compare(work, "io")
    assert named(found, "unit") == [("backup.service", 0.7), ("user.slice", 0.3)]

    watched.host.write("sys/fs/cgroup/io.stat", "8:0 rbytes=0 wbytes=0\n")
    watched.clock.advance(60)
    watched.picture()
    watched.host.write("sys/fs/cgroup/io.stat", "8:0 rbytes=500 wbytes=500\n")
    write("system.slice/backup.service", moved=1_200)
    watched.meter.follow(closely=True)
    by_all = watched.meter.culprits("io")
    assert by_all is not None
    assert named(by_all, "unit") == [("backup.service", 0.5)]


def test_storage_is_measured_by_the_wait_where_bytes_are_not_accounted(watched: Watched) -> None:
    """As on a systemd without IOAccounting=: of the time in which anybody waited, for two may at once."""
    write = watched.host.write_unit
    for name in ("backup", "mysql"):
        write(f"system.slice/{name}.service")

    def work() -> None:
        write("system.slice/backup.service", waited=39_000_000)
        write("system.slice/mysql.service", waited=21_000_000)
        watched.host.write("proc/pressure/io", "some avg10=9.99 total=50000001\nfull total=0\n")

    found = watched.compare(work, "io")
    assert (
        culprit_words(found) == "backup.service: 78 % of the I/O stall; mysql.service: 42 % of the I/O stall"
    )
    assert found.named[0].pressure == 0.65


def test_without_the_right_to_see_others_it_says_so(watched: Watched) -> None:
    """Instead of naming itself, the only one it sees; units are named all the same."""
    shutil.rmtree(watched.host.procfs / "1")
    shutil.rmtree(watched.host.procfs / "2")
    watched.host.write_unit("system.slice/web.service")
    watched.host.write_process(4711, b"loadwatch", ticks=1)

    def work() -> None:
        watched.host.write_unit("system.slice/web.service", cpu=60_000_000)
        watched.host.write_process(4711, b"loadwatch", ticks=MINUTE)

    found = watched.compare(work)
    assert found.note == HIDDEN
    assert named(found) == []
    assert culprit_words(found) == f"web.service 1 of 2 CPUs ({HIDDEN})"


def test_inside_a_container_it_says_that_it_sees_no_more(watched: Watched) -> None:
    """Neither units nor the kernel's own threads are there."""
    shutil.rmtree(watched.host.procfs / "2")
    watched.host.write("sys/fs/cgroup/cgroup.controllers", "cpu\n")
    watched.host.write("sys/fs/cgroup/cpu.stat", "usage_usec 1\n")
    found = watched.compare(lambda: watched.host.write_process(10, b"app", ticks=MINUTE, start=200_000))
    assert culprit_words(found) == f"app 1 of 2 CPUs ({CONTAINED})"


def test_cpus_that_nobody_seems_to_use_are_said(watched: Watched) -> None:
    """Programs too short to be in two pictures, on a host without units."""
    host = watched.host

    def work() -> None:
        host.write("proc/stat", f"cpu {2 * MINUTE} 0 0 0 0 0 0 0 0 0\ncpu0 0\ncpu1 0\nintr 1\n")
        host.write_process(10, b"make", ticks=MINUTE // 10, start=200_000)

    found = watched.compare(work)
    assert found.note == "0.1 of 2.0 busy CPUs are seen; the rest ended meanwhile or is elsewhere"


def test_pictures_are_rare_in_calm_and_closer_while_something_is_flagged(watched: Watched) -> None:
    """Each minute, each quarter of a minute; and what is old tells nothing of now."""
    watched.picture(CLOSE_SECONDS, closely=False)
    watched.meter.follow(closely=False)
    assert watched.meter.culprits("cpu") is None
    watched.meter.follow(closely=True)
    found = watched.meter.culprits("cpu")
    assert found is not None
    assert found.seconds == CLOSE_SECONDS
    watched.clock.advance(LONGEST_SECONDS + 1)
    assert watched.meter.culprits("cpu") is None
    watched.meter.follow(closely=True)
    assert watched.meter.culprits("cpu") is None


@pytest.mark.slow
def test_of_ten_thousand_processes_a_part_is_read_at_a_time(watched: Watched) -> None:
    """Which moves on, so that the one that uses most is found, and stays found."""
    count = 5 * MOST_PROCESSES
    watched.host.write_process(10, b"idle")
    line = (watched.host.procfs / "10/stat").read_bytes()
    for number in range(11, 10 + count):
        folder = watched.host.procfs / str(number)
        folder.mkdir()
        (folder / "stat").write_bytes(line)
    firsts = []
    for turn in range(14):
        watched.host.write_process(count - 5, b"busy", ticks=turn * MINUTE)
        watched.picture()
        found = watched.meter.culprits("cpu")
        firsts.append(found is not None and named(found) == [("busy", 0.5)])
    assert firsts == [False] * 9 + [True] * 5
    assert found is not None
    assert found.note == f"2,000 of {count + 2:,} processes were looked at"
    assert len(watched.meter._processes.read().readings) <= MOST_PROCESSES + 1


@pytest.mark.slow
def test_of_a_thousand_units_so_many_are_read_and_it_is_said(watched: Watched) -> None:
    """The work of a picture is bounded, and nothing is silently left out."""
    for number in range(MOST_UNITS + 5):
        watched.host.write_unit(f"system.slice/u{number}.service", waited=None)
    found = watched.compare(lambda: None)
    assert found.note == f"the first {MOST_UNITS} units were looked at"


def test_files_of_an_unknown_form_are_counted_and_cost_only_themselves(watched: Watched) -> None:
    """As with any other source; counting ends when they are whole again."""
    watched.host.write("proc/10/stat", "10 no brackets\n")
    watched.host.write_unit("system.slice/odd.service")
    watched.host.write("sys/fs/cgroup/system.slice/odd.service/cpu.stat", "")
    found = watched.compare(lambda: watched.host.write_process(11, b"app", ticks=MINUTE, start=200_000))
    assert named(found) == [("app", 0.5)]
    assert watched.faults.failures == {"processes": 2, "units": 2}
    assert "unknown form" in watched.faults.present["processes"]


def test_what_fails_when_somebody_is_to_be_named_costs_no_verdict(watched: Watched) -> None:
    """It is counted as a failure of its source, once a picture; nobody is named."""
    for _ in range(2):
        watched.picture()
    watched.host.write("proc/meminfo", "")
    assert [watched.meter.culprits("memory") for _ in range(3)] == [None] * 3
    assert watched.faults.failures["processes"] == 1
    assert watched.meter.culprits("cpu") is not None


def test_without_the_files_of_the_kernel_nobody_is_named(tmp_path: Path) -> None:
    """The failure is counted, and sampling goes on."""
    clock = ManualClock()
    faults = FaultLog(clock, UsageMeter.sources)
    meter = UsageMeter(clock, tmp_path / "none", tmp_path / "none", faults)
    for _ in range(2):
        meter.follow(closely=True)
        clock.advance(60)
    found = meter.culprits("cpu")
    assert found is None or not found.named
    assert faults.failures["processes"] == 2


@given(st.binary(min_size=1, max_size=63).filter(lambda name: b"\0" not in name), st.booleans())
def test_any_name_is_shown_in_one_short_printable_line(name: bytes, is_kernel: bool) -> None:
    """A program may call itself what it likes: brackets, line breaks, escape sequences, no text at all."""
    fields = " ".join(["0"] * 49)
    reading = parse_stat(b"7 (" + name + b") S " + fields.encode() + b"\n")
    assert reading.name == name
    shown = shown_name(reading._replace(is_kernel=is_kernel))
    assert shown.isprintable()
    assert 0 < len(shown) <= 40


@given(st.text(max_size=300))
def test_any_name_of_a_unit_is_short_and_printable(name: str) -> None:
    """A folder may have any name, and is a label of a metric."""
    assert shown_unit(name).isprintable()
    assert len(shown_unit(name)) <= 64


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/system.slice/mysql.service", "mysql.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service", "app-x.service"),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope"),
        (
            "/system.slice/docker-" + 64 * "b" + ".scope/system.slice/inner.service",
            "docker-bbbbbbbbbbbb.scope",
        ),
        ("/docker/" + 64 * "b" + "/init", "bbbbbbbbbbbb"),
        ("/machine.slice/systemd-nspawn@a.service/payload", "systemd-nspawn@a.service"),
        ("/", ""),
    ],
)
def test_a_process_belongs_to_a_unit_that_people_know(path: str, unit: str) -> None:
    """Services of users one by one; what is inside a container is the container's."""
    assert unit_of(path) == unit


def test_this_process_is_named_as_what_it_is() -> None:
    """If loadwatch itself is the culprit, it says so."""
    clock = SystemClock()
    sampler = Sampler(clock)
    meter = sampler._meter
    assert meter is not None
    names = meter._names(meter._picture(storage=False))
    assert names[meter._processes.own_number()] == "loadwatch"
    assert sampler.failures["processes"] == 0


def test_readings_are_of_what_the_kernel_says() -> None:
    """The fields by their place in proc(5), here those of a real line."""
    line = (
        b"1 (a) b) S 0 1 1 0 -1 4194560 36199 393743 0 138 42 66 1194 252 20 0 11 0 9 46948352 4440 "
        b"18446744073709551615 1 1 0 0 0 0 0 4096 1256 0 0 0 17 1 0 0 77 0 0 0 0 0 0 0 0 0 0\n"
    )
    assert parse_stat(line) == ProcessReading(9, 108, 4440, 77, b"a) b", 0, is_kernel=False)
