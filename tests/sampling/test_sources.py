"""What single sources do beyond the common contract."""

import errno
import math
import os
from pathlib import Path

import pytest

from loadwatch.errors import SamplingError
from loadwatch.sampling.cpu import CpuSource
from loadwatch.sampling.disk import DiskSource
from loadwatch.sampling.load import LoadSource
from loadwatch.sampling.memory import MemorySource
from loadwatch.sampling.network import NetworkSource
from loadwatch.sampling.pressure import PressureSource, parse_some_avg10
from loadwatch.sampling.procfile import ProcFile
from loadwatch.sampling.tcp import TcpSource

from .host import FakeHost

MEGABIT = 1_000_000 / 8


def test_cpu_shares_are_of_the_time_all_cpus_had(host: FakeHost) -> None:
    """Busy is what is neither idle nor iowait; steal is busy, for nobody else can use that time."""
    source = CpuSource()
    host.write_cpus({}, {})
    source.read(1.0)
    host.write_cpus({"user": 20, "system": 10, "iowait": 60, "steal": 10}, {"idle": 100})

    assert source.read(2.0) == pytest.approx({"cpu": 0.2, "cpu_max_core": 0.4, "iowait": 0.3, "steal": 0.05})


def test_guest_time_is_counted_once(host: FakeHost) -> None:
    """The kernel has already added a virtual machine's time to user."""
    source = CpuSource()
    host.write_cpus({})
    source.read(1.0)
    host.write_cpus({"user": 50, "guest": 50, "idle": 50})

    assert source.read(2.0)["cpu"] == pytest.approx(0.5)


def test_iowait_that_wobbles_back_is_taken_as_no_wait(host: FakeHost) -> None:
    """The kernel documents that iowait may step back a little; the rest of the reading is good."""
    source = CpuSource()
    host.write_cpus({"iowait": 50})
    source.read(1.0)
    host.write_cpus({"iowait": 40, "user": 50, "idle": 50})
    values = source.read(2.0)

    assert (values["cpu"], values["iowait"]) == (0.5, 0.0)


@pytest.mark.parametrize("cpus", [1, 3])
def test_cpus_that_come_or_go_make_one_reading_unknown(host: FakeHost, cpus: int) -> None:
    """The list of CPUs holds those that are online, without their numbers: nothing can be matched."""
    source = CpuSource()
    host.write_cpus(*[{"user": 10}] * 2)
    source.read(1.0)
    host.write_cpus(*[{"user": 20, "idle": 10}] * cpus)
    at_change = source.read(2.0)
    host.write_cpus(*[{"user": 30, "idle": 20}] * cpus)

    assert all(map(math.isnan, at_change.values()))
    assert source.read(3.0)["cpu"] == pytest.approx(0.5)


def test_load_is_over_the_cpus_that_are_online(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load of 6 on 4 CPUs is a queue of 1.5 a CPU."""
    monkeypatch.setattr("psutil.cpu_count", lambda: 4)
    host.write("proc/loadavg", "6.00 1.00 1.00 1/1 1\n")

    assert LoadSource(host.procfs).read(1.0) == {"load_per_cpu": 1.5}


def test_load_without_a_number_of_cpus_is_an_error(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is missing instead of dividing by a guess."""
    monkeypatch.setattr("psutil.cpu_count", lambda: None)

    with pytest.raises(SamplingError, match="number is unknown"):
        LoadSource(host.procfs).read(1.0)


def test_memory_counts_what_is_available_as_free(host: FakeHost) -> None:
    """Caches that can be dropped are not load."""
    host.write_memory(available=250, swap_total=1000, swap_free=900)

    assert MemorySource().read(1.0) == pytest.approx({"memory": 0.75, "swap": 0.1})


def test_network_counts_physical_interfaces_once(host: FakeHost) -> None:
    """Loopback, bridges and veth pairs carry the same bytes again; a bond counts by its two slaves."""
    for name in ("eth1", "eth2"):
        host.add_interface(name)
    for name in ("docker0", "veth1", "bond0"):
        host.add_interface(name, physical=False)
    names = ("lo", "eth0", "eth1", "eth2", "docker0", "veth1", "bond0")
    source = NetworkSource(host.sysfs)
    host.write_interfaces(**dict.fromkeys(names, (0, 0)))
    source.read(1.0)
    host.write_interfaces(**dict.fromkeys(names, (100, 10)))
    values = source.read(2.0)

    assert (values["network_receive"], values["network_transmit"]) == (300.0, 30.0)


def test_network_leaves_out_the_accelerated_twin(host: FakeHost) -> None:
    """On Azure the virtual function under eth0 passes the bytes that eth0 counts."""
    host.add_interface("enP1")
    (host.sysfs / "class/net/enP1/master").symlink_to(host.sysfs / "class/net/eth0")
    source = NetworkSource(host.sysfs)
    host.write_interfaces(eth0=(0, 0), enP1=(0, 0))
    source.read(1.0)
    host.write_interfaces(eth0=(100, 0), enP1=(100, 0))

    assert source.read(2.0)["network_receive"] == 100.0


def test_network_in_a_container_takes_what_there_is_and_says_so(host: FakeHost) -> None:
    """A veth pair's inner end is all a container has; the loopback is still left out."""
    source = NetworkSource(host.root / "no-sys-here")
    host.write_interfaces(lo=(0, 0), eth0=(0, 0))
    source.read(1.0)
    host.write_interfaces(lo=(9, 9), eth0=(7, 0))

    assert source.read(2.0)["network_receive"] == 7.0
    assert "no physical interface here: counting eth0" in source.note


def test_network_is_the_busiest_direction_over_the_link_speed(host: FakeHost) -> None:
    """One link at half its speed is 0.5, however idle the other one is."""
    host.add_interface("eth0", speed=100)
    host.add_interface("eth1", speed=1000)
    source = NetworkSource(host.sysfs)
    host.write_interfaces(eth0=(0, 0), eth1=(0, 0))
    source.read(1.0)
    host.write_interfaces(eth0=(0, int(50 * MEGABIT)), eth1=(int(60 * MEGABIT), 0))

    assert source.read(2.0)["network"] == pytest.approx(0.5)
    assert source.note == ""


@pytest.mark.parametrize("speed", [None, -1, 0, 65_535])
def test_network_of_unknown_speed_is_over_the_largest_rate_seen(host: FakeHost, speed: int | None) -> None:
    """And says so; the largest rate can be kept over a restart."""
    host.add_interface("eth0", speed=speed)
    source = NetworkSource(host.sysfs)
    source.largest_rate.bytes_per_second = 800 * MEGABIT
    source.read(1.0)
    host.write_interfaces(eth0=(int(200 * MEGABIT), 0))

    assert source.read(2.0)["network"] == pytest.approx(0.25)
    assert "link speed unknown (eth0)" in source.note


def test_the_first_trickle_is_no_link_at_its_limit(host: FakeHost) -> None:
    """Below 100 Mbit/s the largest rate so far says nothing about a limit."""
    source = NetworkSource(host.sysfs)
    source.read(1.0)
    host.write_interfaces(eth0=(int(10 * MEGABIT), 0))

    assert source.read(2.0)["network"] == pytest.approx(0.1)


class Link:
    """eth0 read every five seconds, with what came in since."""

    def __init__(self, host: FakeHost, speed: int | None) -> None:
        self.host, self.received, self.now = host, 0, 0.0
        host.add_interface("eth0", speed)
        self.source = NetworkSource(host.sysfs)
        self.carry(0)

    def carry(self, megabits: float) -> dict[str, float]:
        """What is read after five seconds at so many megabits per second."""
        self.now += 5.0
        self.received += int(5 * megabits * MEGABIT)
        self.host.write_interfaces(eth0=(self.received, 0))
        return self.source.read(self.now)


def test_a_counter_that_jumps_is_one_unknown_sample(host: FakeHost) -> None:
    """A driver that adds 4 GiB at once has neither filled the link nor shown that its speed is wrong."""
    link = Link(host, speed=1000)
    jump = link.carry(6_872)
    after = link.carry(960)

    assert all(math.isnan(jump[signal]) for signal in ("network", "network_receive"))
    assert jump["network_transmit"] == 0.0
    assert after["network"] == pytest.approx(0.96)


def test_a_link_speed_that_is_plainly_wrong_is_disregarded(host: FakeHost) -> None:
    """Some virtual machines state 10 Mbit/s; otherwise they would seem at their limit for ever."""
    link = Link(host, speed=10)
    for _ in range(3):
        link.carry(500)

    assert link.carry(50)["network"] == pytest.approx(0.1, rel=1e-3)
    assert "link speed unknown (eth0)" in link.source.note


def test_a_speed_that_changed_is_read_again_before_it_is_disbelieved(host: FakeHost) -> None:
    """A cable in another port: 10 Gbit/s at once, not full for a minute."""
    link = Link(host, speed=100)
    host.add_interface("eth0", speed=10_000)

    assert link.carry(480)["network"] == pytest.approx(0.048)


def test_a_disbelieved_speed_is_believed_again_when_it_changes(host: FakeHost) -> None:
    """It was wrong while the link came up; what the driver says later has yet to be disproved."""
    link = Link(host, speed=10)
    for _ in range(3):
        link.carry(500)
    host.add_interface("eth0", speed=1000)
    for _ in range(12):
        last = link.carry(500)

    assert last["network"] == pytest.approx(0.5)


@pytest.mark.parametrize(("days", "share"), [(0.9, 40 / 500), (1.1, 0.4)])
def test_disbelief_ends_when_its_proof_is_a_day_old(host: FakeHost, days: float, share: float) -> None:
    """What a burst of a broken counter proved is not held against a link for ever."""
    link = Link(host, speed=100)
    for _ in range(3):
        link.carry(500)
    for _ in range(2):
        link.now += days * 43_200
        link.carry(0)

    assert link.carry(40)["network"] == pytest.approx(share, rel=0.1)


@pytest.mark.parametrize("speed", [65_535, 4_294_967_295])
def test_a_speed_that_means_unknown_is_no_limit(host: FakeHost, speed: int) -> None:
    """Otherwise a link that is full would seem idle: 1 of 4 295 Tbit/s."""
    link = Link(host, speed)
    for _ in range(3):
        last = link.carry(900)

    assert last["network"] == pytest.approx(1.0)


def test_an_interface_that_vanishes_and_returns_is_never_a_spike(host: FakeHost) -> None:
    """The sums are unknown when the set changes; the returned counter's past is not counted again."""
    source = NetworkSource(host.sysfs)
    host.add_interface("eth1")
    steps = [(10, 500_000), (20, None), (30, None), (40, 900_000), (50, 900_010)]
    seen = []
    for now, (first, second) in enumerate(steps):
        others = {} if second is None else {"eth1": (second, 0)}
        host.write_interfaces(eth0=(first, 0), **others)
        seen.append(source.read(float(now))["network_receive"])

    assert seen == pytest.approx([math.nan, math.nan, 10, math.nan, 20], nan_ok=True)


def test_a_disk_that_vanishes_and_returns_is_never_a_spike(host: FakeHost) -> None:
    """A stick pulled out and put back brings new counters, or its old ones: neither is a rate."""
    source = DiskSource(host.sysfs)
    host.add_disk("sdb")
    steps = [(2, 5_000_000), (4, None), (6, None), (8, 9_000_000), (10, 9_000_002)]
    seen = []
    for now, (first, second) in enumerate(steps):
        others = {} if second is None else {"sdb": (second, 0, 0)}
        host.write_disks(sda=(first, 0, 0), **others)
        seen.append(source.read(float(now))["disk_read"])

    assert seen == pytest.approx([math.nan, math.nan, 1024.0, math.nan, 2048.0], nan_ok=True)


def test_disk_counts_whole_disks_once(host: FakeHost) -> None:
    """Partitions, device mapper and loop devices pass the bytes of the disks below them."""
    host.add_disk("dm-0", physical=False)
    host.add_disk("nvme0n1")
    names = ("sda", "sda1", "nvme0n1", "nvme0n1p1", "dm-0", "loop0", "zram0")
    source = DiskSource(host.sysfs)
    host.write_disks(**dict.fromkeys(names, (0, 0, 0)))
    source.read(1.0)
    host.write_disks(**{**dict.fromkeys(names, (2, 4, 900)), "sda": (2, 4, 300), "nvme0n1": (2, 4, 500)})

    assert source.read(2.0) == pytest.approx(
        {"disk_read": 2048.0, "disk_write": 4096.0, "disk": 0.5, "disk_wait": 1.6 / 12}
    )


def test_disk_without_physical_ones_takes_what_rests_on_nothing_and_says_so(host: FakeHost) -> None:
    """Network block devices are real to their host; what is stacked on them is not counted again."""
    (host.sysfs / "block/dm-0/slaves/nbd0").mkdir(parents=True)
    names = ("nbd0", "nbd0p1", "dm-0", "loop0")
    source = DiskSource(host.sysfs)
    host.write_disks(**dict.fromkeys(names, (0, 0, 0)))
    source.read(1.0)
    host.write_disks(**dict.fromkeys(names, (2, 0, 0)))

    assert source.read(2.0)["disk_read"] == 1024.0
    assert source.note == "no physical disk here: counting nbd0"


def test_disk_wait_is_the_mean_time_of_a_request(host: FakeHost) -> None:
    """As iostat's await, over all whole disks and what ended since; nothing asked is no waiting."""
    line = "8 0 {disk} {reads} 0 0 {reading} {writes} 0 0 {writing} 0 0 0\n"

    def read(now: float, **counts: tuple[int, int, int, int]) -> float:
        names = ("reads", "reading", "writes", "writing")
        host.write(
            "proc/diskstats",
            "".join(line.format(disk=disk, **dict(zip(names, n, strict=True))) for disk, n in counts.items()),
        )
        return source.read(now)["disk_wait"]

    source = DiskSource(host.sysfs)
    host.add_disk("sdb")
    assert math.isnan(read(1.0, sda=(5, 50, 5, 50), sdb=(0, 0, 0, 0)))
    assert read(3.0, sda=(8, 50, 6, 90), sdb=(0, 0, 1, 60)) == pytest.approx(0.02)
    assert read(5.0, sda=(8, 50, 6, 90), sdb=(0, 0, 1, 60)) == 0.0
    assert math.isnan(read(7.0, sda=(1, 50, 6, 90), sdb=(0, 0, 1, 60)))


def test_a_disk_is_never_more_than_busy(host: FakeHost) -> None:
    """The kernel rounds busy time to its clock tick."""
    source = DiskSource(host.sysfs)
    source.read(1.0)
    host.write_disks(sda=(0, 0, 1_010))

    assert source.read(2.0)["disk"] == 1.0


def test_stack_counters_are_told_by_their_names(host: FakeHost) -> None:
    """Kernels add columns; lost datagrams are receive errors, which hold full buffers, and send errors."""
    host.write(
        "proc/net/snmp", "Tcp: New CurrEstab OutRsts\nTcp: 9 3 0\nUdp: SndbufErrors InErrors\nUdp: 0 0\n"
    )
    source = TcpSource(host.procfs)
    source.read(1.0)
    host.write(
        "proc/net/snmp", "Tcp: New CurrEstab OutRsts\nTcp: 9 3 8\nUdp: SndbufErrors InErrors\nUdp: 1 2\n"
    )

    assert source.read(3.0) == {
        "tcp_established": 3.0,
        "tcp_in_use": 4.0,
        "tcp_time_wait": 3.0,
        "tcp_resets": 4.0,
        "udp_errors": 1.5,
        "listen_overflows": 0.0,
        "tcp_retransmit_timeouts": 0.0,
    }


def test_pressure_that_is_switched_off_is_absent_but_unreadable_is_a_failure(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel answers EOPNOTSUPP where accounting is off; a permission problem must be seen and mended."""
    codes = iter([errno.EOPNOTSUPP, errno.EOPNOTSUPP, errno.EOPNOTSUPP, errno.EACCES])

    def refuse(descriptor: int, size: int, offset: int) -> bytes:
        raise OSError(next(codes), "refused")

    monkeypatch.setattr(os, "pread", refuse)
    source = PressureSource(host.procfs)

    assert source.read(1.0) == {}
    with pytest.raises(PermissionError):
        source.read(2.0)


@pytest.mark.parametrize("content", [b"", b"full avg10=1.00", b"some avg60=1.00", b"some avg10=x "])
def test_other_text_is_not_pressure(content: bytes) -> None:
    """A wrong file is refused, not read as zero."""
    with pytest.raises(ValueError, match=r"avg10|could not convert"):
        parse_some_avg10(content)


def test_a_kernel_file_is_read_whole_and_anew(tmp_path: Path) -> None:
    """Also when it grows beyond the buffer, and after it vanished and came back."""
    path = tmp_path / "file"
    path.write_bytes(b"a" * 100_000)
    file = ProcFile(path)
    grown = len(file.read())
    path.write_bytes(b"b")
    rewritten = file.read()
    file.close()
    path.unlink()

    assert (grown, rewritten) == (100_000, b"b")
    with pytest.raises(FileNotFoundError):
        file.read()
    path.write_bytes(b"c")
    assert file.read() == b"c"
