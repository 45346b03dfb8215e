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
from loadwatch.sampling.source import PartlyFailedError
from loadwatch.sampling.tcp import TcpSource

from .host import FakeHost

MEGABIT = 1_000_000 / 8


def test_cpu_shares_are_of_the_time_all_cpus_had(host: FakeHost) -> None:
    """Busy is what is neither idle nor iowait; steal is busy, for nobody else can use that time."""
    source = CpuSource(host.procfs)
    host.write_cpus({}, {})
    source.read(1.0)
    host.write_cpus({"user": 20, "system": 10, "iowait": 60, "steal": 10}, {"idle": 100})

    assert source.read(2.0) == pytest.approx({"cpu": 0.2, "cpu_max_core": 0.4, "iowait": 0.3, "steal": 0.05})


def test_guest_time_is_counted_once(host: FakeHost) -> None:
    """The kernel has already added a virtual machine's time to user."""
    source = CpuSource(host.procfs)
    host.write_cpus({})
    source.read(1.0)
    host.write_cpus({"user": 50, "guest": 50, "idle": 50})

    assert source.read(2.0)["cpu"] == pytest.approx(0.5)


STATES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
BUSY = {"user": 400, "system": 50, "softirq": 25, "idle": 25}
SINCE_BOOT = 10**12


def write_stat(host: FakeHost, **cpus: dict[str, int]) -> None:
    """Ticks by state of each CPU by its name; what is not given stands where it stood since the boot."""
    lines = [
        f"{name} {' '.join(str(SINCE_BOOT + ticks.get(state, 0)) for state in STATES)} 0 0\n"
        for name, ticks in cpus.items()
    ]
    host.write("proc/stat", "cpu 1 1 1 1\n" + "".join(lines) + "intr 1 2 3\n")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("ticks", "known"), [(-1, True), (-290, True), (-400, False), (-SINCE_BOOT, False), (10**10, False)]
)
def test_what_one_state_counts_wrongly_costs_that_state_only(
    host: FakeHost, state: str, ticks: int, known: bool
) -> None:
    """On migrated hosts steal steps back, under lxcfs any state may; how busy the CPU was is known still."""
    source = CpuSource(host.procfs)
    write_stat(host, cpu0={}, cpu1={})
    source.read(0.0)
    spent = {**dict.fromkeys(STATES, 0), "system": 475, "idle": 25}
    if state in {"system", "idle"}:
        spent = {**spent, "user": 475, "iowait": 25, "system": 0, "idle": 0}
    write_stat(host, cpu0={**spent, state: ticks}, cpu1={**spent, state: ticks})
    values = source.read(5.0)

    assert values["cpu"] == pytest.approx(0.95)
    assert values["cpu_max_core"] == pytest.approx(0.95)
    for share in ("iowait", "steal"):
        assert math.isnan(values[share]) == (share == state and not known)


def test_a_cpu_of_which_nothing_is_known_is_left_out(host: FakeHost) -> None:
    """All its counters were reset: the others say how busy the host is."""
    source = CpuSource(host.procfs)
    write_stat(host, cpu0={}, cpu1={})
    source.read(0.0)
    write_stat(host, cpu0=BUSY, cpu1=dict.fromkeys(STATES, -SINCE_BOOT))

    assert source.read(5.0)["cpu"] == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("cpu0", "cpu1"), ("cpu0",)),  # one goes
        (("cpu0",), ("cpu0", "cpu1")),  # one comes
        (("cpu0", "cpu1"), ("cpu0", "cpu2")),  # another one, and as many as before
        (("cpu0", "cpu2", "cpu5"), ("cpu0", "cpu5")),  # with holes
    ],
)
def test_cpus_are_told_by_their_number(
    host: FakeHost, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    """What came or went is not subtracted from another CPU; those that stayed say how busy the host is."""
    source = CpuSource(host.procfs)
    write_stat(host, **{name: {} for name in before})
    source.read(0.0)
    stayed = set(before) & set(after)
    write_stat(host, **{name: BUSY if name in stayed else {"idle": 10**9} for name in after})
    at_change = source.read(5.0)["cpu"]
    twice = {state: 2 * ticks for state, ticks in BUSY.items()}
    write_stat(host, **{name: twice if name in stayed else {"idle": 10**9 + 500} for name in after})

    assert at_change == pytest.approx(0.95)
    assert source.read(10.0)["cpu"] == pytest.approx(0.95 * len(stayed) / len(after))


def test_other_cpus_than_before_are_unknown_once(host: FakeHost) -> None:
    """None stayed, so nothing can be compared."""
    source = CpuSource(host.procfs)
    write_stat(host, cpu0={})
    source.read(0.0)
    write_stat(host, cpu1=BUSY)

    assert all(map(math.isnan, source.read(5.0).values()))


def test_a_line_in_an_unknown_form_costs_that_line(host: FakeHost, caplog: pytest.LogCaptureFixture) -> None:
    """The other CPUs, disks and interfaces are read; the odd line is told once."""
    host.add_disk("sdb")
    sources = [
        CpuSource(host.procfs),
        DiskSource(host.procfs, host.sysfs),
        NetworkSource(host.procfs, host.sysfs),
    ]
    values: dict[str, float] = {}
    for step in range(3):
        host.advance(step)
        for name, odd in (("stat", "cpu2 many\n"), ("diskstats", "8 0 sdb 1\n"), ("net/dev", "eth1: 7\n")):
            file = host.procfs / name
            file.write_text(odd + file.read_text().removeprefix("cpu 0 0 0 0 0 0 0 0 0 0\n"))
        for source in sources:
            values.update(source.read(float(step)))

    assert values["cpu"] == pytest.approx(0.35 / 2)
    assert (values["disk_read"], values["network_receive"]) == (51_200.0, 1_000.0)
    assert len(caplog.records) == 3


def test_a_disk_whose_counters_are_no_numbers_costs_itself(host: FakeHost) -> None:
    """The other disks are measured on."""
    host.add_disk("sdb")
    source = DiskSource(host.procfs, host.sysfs)
    for step in range(2):
        host.write(
            "proc/diskstats",
            f"8 0 sda 1 0 {100 * step} 0 0 0 0 0 0 0 0\n8 16 sdb 1 0 many 0 0 0 0 0 0 0 0\n",
        )
        values = source.read(float(step))

    assert values["disk_read"] == 100 * 512


@pytest.mark.parametrize("columns", [11, 14, 15, 17, 25])
def test_kernels_may_append_columns_to_diskstats(host: FakeHost, columns: int) -> None:
    """Eleven are documented; four and two came later, some kernels have other numbers of them."""
    source = DiskSource(host.procfs, host.sysfs)
    for step in range(2):
        host.write("proc/diskstats", f"8 0 sda 1 0 {100 * step} 0 0 0 0 0 0 0 0{' 9' * (columns - 11)}\n")
        values = source.read(float(step))

    assert values["disk_read"] == 51_200.0


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

    assert MemorySource(host.procfs).read(1.0) == pytest.approx({"memory": 0.75, "swap": 0.1})


GIBIBYTE = 1 << 20
MEMORY = {"MemTotal": 64 * GIBIBYTE, "MemFree": GIBIBYTE, "MemAvailable": 4 * GIBIBYTE}


def write_meminfo(host: FakeHost, **fields: object) -> None:
    """Kibibytes, and pages where the field is of pages."""
    host.write(
        "proc/meminfo",
        "".join(
            f"{name}: {value}{'' if name.startswith('HugePages_') else ' kB'}\n"
            for name, value in fields.items()
        ),
    )


def write_arc(host: FakeHost, size: int, least: int) -> None:
    """ZFS's cache, in gibibytes."""
    host.write(
        "proc/spl/kstat/zfs/arcstats",
        f"9 1 0x01 98 26656 1 2\nname type data\nhits 4 77\nc_min 4 {least << 30}\nsize 4 {size << 30}\n",
    )


@pytest.mark.parametrize(
    ("size", "least", "used"),
    [(52, 4, 12 / 64), (52, 60, 60 / 64), (0, 2, 60 / 64), (500, 2, 60 / 64)],
    ids=["given back", "below its least", "empty", "that of a host around us"],
)
def test_the_cache_of_zfs_is_no_used_memory(host: FakeHost, size: int, least: int, used: float) -> None:
    """It gives back all but its least size, and the kernel does not count it as available."""
    write_meminfo(host, **MEMORY)
    write_arc(host, size, least)

    assert MemorySource(host.procfs).read(1.0)["memory"] == pytest.approx(used)


@pytest.mark.parametrize(
    "pool",
    [
        {"Hugetlb": 56 * GIBIBYTE, "HugePages_Total": 1, "Hugepagesize": GIBIBYTE},
        {"HugePages_Total": 28_672, "HugePages_Free": 28_672, "Hugepagesize": 2048},
        {"HugePages_Total": 30_720, "HugePages_Surp": 2_048, "Hugepagesize": 2048},
    ],
    ids=["all sizes", "an old kernel", "surplus pages are no reserve"],
)
def test_memory_in_static_huge_pages_is_judged_apart(host: FakeHost, pool: dict[str, int]) -> None:
    """A database has set 56 of 64 GiB aside: of the other eight a half is in use."""
    write_meminfo(host, **MEMORY, **pool)

    assert MemorySource(host.procfs).read(1.0)["memory"] == pytest.approx(0.5)


def test_an_old_kernel_without_available_memory_gets_an_estimate(host: FakeHost) -> None:
    """Before Linux 3.14: what is free, and the caches but for shared memory."""
    write_meminfo(host, MemTotal=1000, MemFree=100, Buffers=50, Cached=200, Shmem=50)

    assert MemorySource(host.procfs).read(1.0)["memory"] == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("fields", "memory", "swap"),
    [
        ({"MemTotal": 0, "MemAvailable": 0}, math.nan, None),
        ({"MemTotal": 1000, "MemAvailable": 400, "SwapTotal": 1000, "SwapFree": 1004}, 0.6, 0.0),
        ({"MemTotal": 1000, "MemAvailable": 1200, "SwapTotal": 0, "SwapFree": 0}, 0.0, None),
        ({"MemTotal": 1000, "Hugetlb": 1000, "MemAvailable": 0}, math.nan, None),
    ],
    ids=["no memory", "more swap free than there is", "more available than there is", "all of it reserved"],
)
def test_odd_sizes_make_no_odd_shares(
    host: FakeHost, fields: dict[str, int], memory: float, swap: float | None
) -> None:
    """Nothing is divided by zero, and no share is negative; what cannot be said is unknown."""
    write_meminfo(host, **fields)
    values = MemorySource(host.procfs).read(1.0)

    assert values["memory"] == pytest.approx(memory, nan_ok=True)
    assert values.get("swap") == swap


def test_an_odd_field_costs_its_own_signal(host: FakeHost) -> None:
    """Swap goes on where the total of memory is no number, and memory where swap says only half."""
    write_meminfo(host, MemTotal="?", SwapTotal=1000, SwapFree=750)
    with pytest.raises(PartlyFailedError, match="MemTotal") as caught:
        MemorySource(host.procfs).read(1.0)
    assert caught.value.values == pytest.approx({"memory": math.nan, "swap": 0.25}, nan_ok=True)

    write_meminfo(host, MemTotal=1000, MemAvailable=400, SwapTotal=1000)
    with pytest.raises(PartlyFailedError, match="SwapFree") as caught:
        MemorySource(host.procfs).read(1.0)
    assert caught.value.values == pytest.approx({"memory": 0.6, "swap": math.nan}, nan_ok=True)


def test_network_counts_physical_interfaces_once(host: FakeHost) -> None:
    """Loopback, bridges and veth pairs carry the same bytes again; a bond counts by its two slaves."""
    for name in ("eth1", "eth2"):
        host.add_interface(name)
    for name in ("docker0", "veth1", "bond0"):
        host.add_interface(name, physical=False)
    names = ("lo", "eth0", "eth1", "eth2", "docker0", "veth1", "bond0")
    source = NetworkSource(host.procfs, host.sysfs)
    host.write_interfaces(**dict.fromkeys(names, (0, 0)))
    source.read(1.0)
    host.write_interfaces(**dict.fromkeys(names, (100, 10)))
    values = source.read(2.0)

    assert (values["network_receive"], values["network_transmit"]) == (300.0, 30.0)


def test_network_leaves_out_the_accelerated_twin(host: FakeHost) -> None:
    """On Azure the virtual function under eth0 passes the bytes that eth0 counts."""
    host.add_interface("enP1")
    (host.sysfs / "class/net/enP1/master").symlink_to(host.sysfs / "class/net/eth0")
    source = NetworkSource(host.procfs, host.sysfs)
    host.write_interfaces(eth0=(0, 0), enP1=(0, 0))
    source.read(1.0)
    host.write_interfaces(eth0=(100, 0), enP1=(100, 0))

    assert source.read(2.0)["network_receive"] == 100.0


def test_network_in_a_container_takes_what_there_is_and_says_so(host: FakeHost) -> None:
    """A veth pair's inner end is all a container has; the loopback is still left out."""
    source = NetworkSource(host.procfs, host.root / "no-sys-here")
    host.write_interfaces(lo=(0, 0), eth0=(0, 0))
    source.read(1.0)
    host.write_interfaces(lo=(9, 9), eth0=(7, 0))

    assert source.read(2.0)["network_receive"] == 7.0
    assert "no physical interface here: counting eth0" in source.note


def test_network_is_the_busiest_direction_over_the_link_speed(host: FakeHost) -> None:
    """One link at half its speed is 0.5, however idle the other one is."""
    host.add_interface("eth0", speed=100)
    host.add_interface("eth1", speed=1000)
    source = NetworkSource(host.procfs, host.sysfs)
    host.write_interfaces(eth0=(0, 0), eth1=(0, 0))
    source.read(1.0)
    host.write_interfaces(eth0=(0, int(50 * MEGABIT)), eth1=(int(60 * MEGABIT), 0))

    assert source.read(2.0)["network"] == pytest.approx(0.5)
    assert source.note == ""


@pytest.mark.parametrize("speed", [None, -1, 0, 65_535])
def test_network_of_unknown_speed_is_over_the_largest_rate_seen(host: FakeHost, speed: int | None) -> None:
    """And says so; the largest rate can be kept over a restart."""
    host.add_interface("eth0", speed=speed)
    source = NetworkSource(host.procfs, host.sysfs)
    source.largest_rate.bytes_per_second = 800 * MEGABIT
    source.read(1.0)
    host.write_interfaces(eth0=(int(200 * MEGABIT), 0))

    assert source.read(2.0)["network"] == pytest.approx(0.25)
    assert "link speed unknown (eth0)" in source.note


def test_the_first_trickle_is_no_link_at_its_limit(host: FakeHost) -> None:
    """Below 100 Mbit/s the largest rate so far says nothing about a limit."""
    source = NetworkSource(host.procfs, host.sysfs)
    source.read(1.0)
    host.write_interfaces(eth0=(int(10 * MEGABIT), 0))

    assert source.read(2.0)["network"] == pytest.approx(0.1)


class Link:
    """eth0 read every five seconds, with what came in since."""

    def __init__(self, host: FakeHost, speed: int | None) -> None:
        self.host, self.received, self.now = host, 0, 0.0
        host.add_interface("eth0", speed)
        self.source = NetworkSource(host.procfs, host.sysfs)
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
    source = NetworkSource(host.procfs, host.sysfs)
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
    source = DiskSource(host.procfs, host.sysfs)
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
    source = DiskSource(host.procfs, host.sysfs)
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
    source = DiskSource(host.procfs, host.sysfs)
    host.write_disks(**dict.fromkeys(names, (0, 0, 0)))
    source.read(1.0)
    host.write_disks(**dict.fromkeys(names, (2, 0, 0)))

    assert source.read(2.0)["disk_read"] == 1024.0
    assert source.note == "no physical disk here: counting nbd0"


def test_paths_count_for_a_disk_that_does_not_count_itself(host: FakeHost) -> None:
    """Before Linux 6.1 an NVMe disk with several paths counted nothing: its hidden paths did."""
    host.add_disk("nvme0n1")
    for path in ("nvme0c0n1", "nvme0c1n1"):
        host.add_disk(path)
        host.write(f"sys/block/{path}/hidden", "1\n")
    source = DiskSource(host.procfs, host.sysfs)
    for step in (1, 2):
        host.write_disks(nvme0n1=(0, 0, 0), nvme0c0n1=(2 * step, 0, 0), nvme0c1n1=(4 * step, 0, 0))
        values = source.read(float(step))

    assert values["disk_read"] == 6 * 512.0


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

    source = DiskSource(host.procfs, host.sysfs)
    host.add_disk("sdb")
    assert math.isnan(read(1.0, sda=(5, 50, 5, 50), sdb=(0, 0, 0, 0)))
    assert read(3.0, sda=(8, 50, 6, 90), sdb=(0, 0, 1, 60)) == pytest.approx(0.02)
    assert read(5.0, sda=(8, 50, 6, 90), sdb=(0, 0, 1, 60)) == 0.0
    assert math.isnan(read(7.0, sda=(1, 50, 6, 90), sdb=(0, 0, 1, 60)))


@pytest.mark.parametrize(
    "jump", [(2**32, 0, 0), (0, 2**32, 0), (0, 0, 2**32)], ids=["read", "written", "busy"]
)
def test_a_disk_counter_that_jumps_is_one_unknown_sample(host: FakeHost, jump: tuple[int, int, int]) -> None:
    """No disk moves two terabytes in seconds, nor is it busy for weeks in them; the next sample is right."""
    source = DiskSource(host.procfs, host.sysfs)
    source.read(0.0)
    host.write_disks(sda=jump)
    at_jump = source.read(5.0)
    read, written, busy = jump
    host.write_disks(sda=(read + 100, written, busy + 1_000))
    after = source.read(10.0)

    assert all(map(math.isnan, at_jump.values()))
    assert (after["disk_read"], after["disk"]) == (10_240.0, 0.2)


def test_no_link_is_faster_than_the_fastest(host: FakeHost) -> None:
    """Also where no speed is stated a counter that jumps by terabytes is unknown, and nothing is learned."""
    link = Link(host, speed=None)
    jump = link.carry(2e6)
    after = link.carry(50)

    assert math.isnan(jump["network_receive"])
    assert math.isnan(jump["network"])
    assert after["network"] == pytest.approx(0.5)


def test_a_disk_is_never_more_than_busy(host: FakeHost) -> None:
    """The kernel rounds busy time to its clock tick."""
    source = DiskSource(host.procfs, host.sysfs)
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


def test_pressure_that_is_switched_off_is_absent(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel answers EOPNOTSUPP where accounting is off: that is no failure."""

    def refuse(descriptor: int, size: int, offset: int) -> bytes:
        raise OSError(errno.EOPNOTSUPP, "refused")

    monkeypatch.setattr(os, "pread", refuse)

    assert PressureSource(host.procfs).read(1.0) == {}


@pytest.mark.parametrize("content", ["", "full avg10=1.00 avg60=0.00 avg300=0.00 total=1\n", None])
def test_one_pressure_file_costs_its_own_signal(host: FakeHost, content: str | None) -> None:
    """The failure is counted, and the other two are known."""
    path = host.procfs / "pressure/io"
    path.unlink()
    if content is None:
        path.mkdir()  # reading it is an error for root as well
    else:
        path.write_text(content)

    with pytest.raises(PartlyFailedError) as caught:
        PressureSource(host.procfs).read(1.0)
    assert caught.value.values == pytest.approx(
        {"cpu_pressure": 0.0, "memory_pressure": 0.0, "io_pressure": math.nan}, nan_ok=True
    )


def test_one_line_of_the_network_stack_costs_its_own_signals(host: FakeHost) -> None:
    """UDP that cannot be read leaves TCP known."""
    source = TcpSource(host.procfs)
    source.read(0.0)
    snmp = (host.procfs / "net/snmp").read_text()
    host.write("proc/net/snmp", snmp.replace("Udp: 0", "Udp: many"))

    with pytest.raises(PartlyFailedError, match="expected numbers") as caught:
        source.read(1.0)
    unknown = {signal for signal, value in caught.value.values.items() if math.isnan(value)}
    assert unknown == {"udp_in_datagrams", "udp_out_datagrams", "udp_errors"}


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
