"""A small host made of files, whose counters a test can turn."""

from pathlib import Path

CPU = "cpu{number} {user} 0 {system} {idle} {iowait} 0 0 {steal} {guest} 0\n"
SNMP = """\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs \
OutSegs RetransSegs InErrs OutRsts InCsumErrors
Tcp: 1 200 120000 -1 {count} {count} 0 0 7 {count} {count} {count} {count} {count} 0
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
Udp: {count} 0 {count} {count} {count} {count} 0
"""
NETSTAT = """\
TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPTimeouts
TcpExt: 0 {count} 0 {count}
IpExt: InOctets
IpExt: 1
"""
SOCKSTAT = "sockets: used 17\nTCP: inuse 4 orphan 0 tw 3 alloc 4 mem 237\nUDP: inuse 0 mem 0\n"
NET_HEADER = (
    "Inter-|   Receive                  |  Transmit\n face |bytes packets errs ...|bytes packets ...\n"
)
NET = "{name}: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n"
# A request for each sector; reads and writes each wait as long as the disk is busy.
DISK = "   8       0 {name} {read} 0 {read} {busy} {written} 0 {written} {busy} 0 {busy} 0\n"
PRESSURE = (
    "some avg10={share:.2f} avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
)


class FakeHost:
    """``proc`` and ``sys`` under one folder; every ``write_*`` replaces what the kernel would say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.procfs = root / "proc"
        self.sysfs = root / "sys"
        self.write("proc/net/sockstat", SOCKSTAT)
        self.write("proc/loadavg", "0.50 0.40 0.30 1/100 4242\n")
        self.write_memory()
        self.write("sys/class/net/lo/mtu", "65536\n")
        self.add_interface("eth0")
        self.add_disk("sda")
        self.write_pressure(0.0)
        self.write_limits()
        self.write_mounts(f"1 0 8:1 / {root} rw - ext4 /dev/sda1 rw")
        self.advance(0)

    def write(self, path: str, content: str) -> None:
        """Write a file in place, as the kernel's files keep their inode."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def write_cpus(self, *cpus: dict[str, int]) -> None:
        """Ticks by state of each CPU; what is not given is 0."""
        states = dict.fromkeys(("user", "system", "idle", "iowait", "steal", "guest"), 0)
        lines = [CPU.format(number=number, **{**states, **cpu}) for number, cpu in enumerate(cpus)]
        self.write("proc/stat", "cpu 0 0 0 0 0 0 0 0 0 0\n" + "".join(lines) + "intr 1 2 3\nbtime 1\n")

    def write_memory(self, available: int = 250, swap_total: int = 0, swap_free: int = 0) -> None:
        """Kibibytes; the total is 1000."""
        self.write(
            "proc/meminfo",
            f"MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: {available} kB\nBuffers: 10 kB\n"
            "Cached: 90 kB\nShmem: 1 kB\nActive: 1 kB\nInactive: 1 kB\n"
            f"SwapTotal: {swap_total} kB\nSwapFree: {swap_free} kB\n",
        )

    def add_interface(self, name: str, speed: int | None = None, *, physical: bool = True) -> None:
        """Known to ``/sys``; the speed in megabits per second."""
        self.write(f"sys/class/net/{name}/mtu", "1500\n")
        if physical:
            (self.sysfs / "class/net" / name / "device").mkdir(parents=True, exist_ok=True)
        if speed is not None:
            self.write(f"sys/class/net/{name}/speed", f"{speed}\n")

    def write_interfaces(self, **counts: tuple[int, int]) -> None:
        """Bytes (received, sent) by interface."""
        lines = [NET.format(name=name, received=r, sent=s) for name, (r, s) in counts.items()]
        self.write("proc/net/dev", NET_HEADER + "".join(lines))

    def add_disk(self, name: str, *, physical: bool = True) -> None:
        """Known to ``/sys``."""
        (self.sysfs / "block" / name).mkdir(parents=True, exist_ok=True)
        if physical:
            (self.sysfs / "block" / name / "device").mkdir(exist_ok=True)

    def write_disks(self, **counts: tuple[int, int, int]) -> None:
        """(sectors read, sectors written, busy milliseconds) by block device."""
        lines = [DISK.format(name=name, read=r, written=w, busy=b) for name, (r, w, b) in counts.items()]
        self.write("proc/diskstats", "".join(lines))

    def write_stack(self, count: int) -> None:
        """One number for every counter of the network stack."""
        self.write("proc/net/snmp", SNMP.format(count=count))
        self.write("proc/net/netstat", NETSTAT.format(count=count))

    def write_pressure(self, share: float) -> None:
        """Per cent, the same for CPU, memory and storage."""
        for kind in ("cpu", "memory", "io"):
            self.write(f"proc/pressure/{kind}", PRESSURE.format(share=share))

    def write_limits(self, handles: int = 300, tracked: int = 10) -> None:
        """Handles of 1000, connections of 40; threads are in the load average, 100 of 400."""
        self.write("proc/sys/fs/file-nr", f"{handles}\t0\t1000\n")
        self.write("proc/sys/kernel/threads-max", "4000\n")
        self.write("proc/sys/kernel/pid_max", "400\n")
        self.write("proc/sys/net/netfilter/nf_conntrack_count", f"{tracked}\n")
        self.write("proc/sys/net/netfilter/nf_conntrack_max", "40\n")

    def write_mounts(self, *lines: str) -> None:
        """Lines of mountinfo."""
        self.write("proc/self/mountinfo", "".join(f"{line}\n" for line in lines))

    def write_process(
        self,
        number: int,
        name: bytes,
        *,
        ticks: int = 0,
        start: int = 0,
        pages: int = 0,
        shared: int = 0,
        moved: int = 0,
        parent: int = 1,
        kernel: bool = False,
        unit: str = "",
    ) -> None:
        """A process as the kernel shows it; times in ticks since boot, ``moved`` in bytes read."""
        fields = [0] * 50
        fields[1], fields[6], fields[11], fields[19], fields[21] = (
            parent,
            0x200000 * kernel,
            ticks,
            start,
            pages,
        )
        folder = self.procfs / str(number)
        folder.mkdir(exist_ok=True)
        line = b"%d (%s) S %s\n" % (number, name, " ".join(map(str, fields[1:])).encode())
        (folder / "stat").write_bytes(line)
        self.write(f"proc/{number}/statm", f"9999 {pages} {shared} 1 0 1 0\n")
        self.write(f"proc/{number}/cgroup", f"0::{unit or '/'}\n")
        self.write(
            f"proc/{number}/io", f"rchar: 1\nread_bytes: {moved}\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"
        )

    def write_unit(
        self,
        path: str,
        *,
        cpu: int = 0,
        memory: int = 0,
        cache: int = 0,
        moved: int | None = None,
        waited: int | None = 0,
        inner: str = "cpu io memory",
    ) -> None:
        """A control group below the root: microseconds, bytes; what is None is not accounted."""
        group = f"sys/fs/cgroup/{path}"
        self.write("sys/fs/cgroup/cgroup.controllers", "cpu io memory\n")
        self.write(f"{group}/cpu.stat", f"usage_usec {cpu}\nuser_usec {cpu}\n")
        self.write(f"{group}/memory.current", f"{memory + cache}\n")
        self.write(f"{group}/memory.stat", f"anon {memory}\nfile {cache}\nshmem 0\n")
        self.write(f"{group}/cgroup.subtree_control", f"{inner}\n")
        if moved is not None:
            self.write(f"{group}/io.stat", f"8:0 rbytes={moved} wbytes=0 rios=1 wios=0 dbytes=7 dios=0\n")
        for kind in ("cpu", "memory", "io") if waited is not None else ():
            self.write(
                f"{group}/{kind}.pressure",
                f"some avg10=0.00 avg60=0.00 avg300=0.00 total={waited}\nfull avg10=0.00 total=0\n",
            )

    def advance(self, step: int) -> None:
        """Turn every counter ``step`` further, a second's worth of ordinary work each."""
        cpu = {"user": 30 * step, "idle": 60 * step, "iowait": 5 * step, "steal": 5 * step}
        self.write_cpus(cpu, {"idle": 100 * step})
        self.write_interfaces(lo=(9 * step, 9 * step), eth0=(1_000 * step, 500 * step))
        self.write_disks(
            sda=(100 * step, 50 * step, 250 * step), sda1=(100 * step, 0, 0), loop0=(7 * step, 0, 0)
        )
        self.write_stack(10 * step)
        self.write("proc/vmstat", f"pswpin 0\noom_kill {step}\n")


def turn_large(host: FakeHost, second: int, *, cpus: int, interfaces: int, disks: int) -> None:
    """Let a host of any size do a second's worth of work; all its devices are physical and counted."""
    if second == 0:
        for number in range(interfaces):
            host.add_interface(f"net{number}", 1000)
        for number in range(disks):
            host.add_disk(f"disk{number}x")
    host.write_cpus(*[{"user": 10**6 + 50 * second, "idle": 10**7 + 50 * second + n} for n in range(cpus)])
    host.write_interfaces(**{f"net{n}": (10**9 + 1_000 * second * n, 10**8) for n in range(interfaces)})
    host.write_disks(**{f"disk{n}x": (10**6 + second * n, 10**5, 10**5 + second) for n in range(disks)})
