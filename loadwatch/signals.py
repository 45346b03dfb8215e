"""The one schema of signals: what a sample may hold, in which unit, and how to read it.

Ratios are 0 to 1 everywhere inside; people see per cent only on pages and terminals. A history may also hold
signals of other names (imported data, signals of an operator's own): the pipeline treats every numeric column
alike.
"""

from dataclasses import dataclass
from typing import Final, Literal

Unit = Literal["ratio", "1", "bytes", "bytes_per_second", "per_second", "connections", "seconds"]
Kind = Literal["gauge", "counter"]
Aggregate = Literal["sum", "max"]
Resource = Literal["cpu", "memory", "io"]
"""What a program can use so much of that others wait; who uses the network is not measured."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One named, measured quantity."""

    name: str
    unit: Unit
    help: str
    fills: bool = False
    """How full something is: it has limits and words of its own, and stays out of the networks."""
    resource: Resource | None = None
    """What is short where this signal is high; None for those that tell of none."""


@dataclass(frozen=True, slots=True)
class OwnSignal:
    """A signal that an operator configured: which series of which exporter it is made of.

    url: of a page in Prometheus' text format or OpenMetrics: ``http(s)://``, ``unix:///socket[:/path]`` or
    ``file:///path``; match: labels, with their values, that a series of ``metric`` must have. Of a counter
    the signal is the rate per second; ``aggregate`` makes one value of several series. allow_remote: the
    exporter may be on another host.
    """

    signal: Signal
    url: str
    metric: str
    match: tuple[tuple[str, str], ...] = ()
    kind: Kind = "gauge"
    aggregate: Aggregate = "sum"
    allow_remote: bool = False

    @property
    def name(self) -> str:
        """The name of the signal."""
        return self.signal.name


_RATE: Final = "per_second"

SIGNALS: Final[tuple[Signal, ...]] = (
    Signal(
        "cpu", "ratio", "busy share of all CPUs, not idle and not waiting for input or output", resource="cpu"
    ),
    Signal("cpu_max_core", "ratio", "busy share of the busiest single CPU", resource="cpu"),
    Signal("iowait", "ratio", "share of CPU time idle while waiting for input or output", resource="io"),
    Signal("steal", "ratio", "share of CPU time taken by the hypervisor for others"),
    Signal("load_per_cpu", "1", "one-minute load average over the number of CPUs", resource="cpu"),
    Signal("memory", "ratio", "memory not available for new work, over all memory", resource="memory"),
    Signal("swap", "ratio", "swap space in use, over all swap space", resource="memory"),
    Signal("network_receive", "bytes_per_second", "received by physical interfaces"),
    Signal("network_transmit", "bytes_per_second", "sent by physical interfaces"),
    Signal(
        "network", "ratio", "busiest interface and direction over link speed, or over the largest rate seen"
    ),
    Signal("disk_read", "bytes_per_second", "read from whole disks", resource="io"),
    Signal("disk_write", "bytes_per_second", "written to whole disks", resource="io"),
    Signal("disk", "ratio", "share of time the busiest disk was busy", resource="io"),
    Signal(
        "disk_wait",
        "seconds",
        "mean time from asking a whole disk to its answer; 0 while nothing is asked",
        resource="io",
    ),
    Signal("tcp_established", "connections", "TCP connections established or waiting to close"),
    Signal("tcp_time_wait", "connections", "closed TCP connections that wait for stragglers"),
    Signal("tcp_in_use", "connections", "TCP sockets in use over IPv4"),
    Signal("tcp_in_segments", _RATE, "TCP segments received"),
    Signal("tcp_out_segments", _RATE, "TCP segments sent"),
    Signal("tcp_retransmits", _RATE, "TCP segments sent again"),
    Signal("tcp_active_opens", _RATE, "TCP connections opened by this host"),
    Signal("tcp_passive_opens", _RATE, "TCP connections opened by others"),
    Signal("tcp_resets", _RATE, "TCP resets sent"),
    Signal("tcp_in_errors", _RATE, "TCP segments received damaged"),
    Signal("tcp_retransmit_timeouts", _RATE, "times that TCP waited in vain for an acknowledgement"),
    Signal("listen_overflows", _RATE, "connections dropped because a listen queue was full"),
    Signal("udp_in_datagrams", _RATE, "UDP datagrams received"),
    Signal("udp_out_datagrams", _RATE, "UDP datagrams sent"),
    Signal("udp_errors", _RATE, "UDP datagrams lost to errors and full buffers"),
    Signal(
        "cpu_pressure",
        "ratio",
        "share of the last 10 seconds in which some task waited for a CPU",
        resource="cpu",
    ),
    Signal(
        "memory_pressure",
        "ratio",
        "share of the last 10 seconds in which some task waited for memory",
        resource="memory",
    ),
    Signal(
        "io_pressure",
        "ratio",
        "share of the last 10 seconds in which some task waited for storage",
        resource="io",
    ),
    Signal("filesystem", "ratio", "space in use on the fullest local file system", fills=True),
    Signal(
        "filesystem_inodes", "ratio", "inodes in use on the local file system with fewest left", fills=True
    ),
    Signal("file_handles", "ratio", "open file handles over the kernel's limit", fills=True),
    Signal("threads", "ratio", "processes and threads over the kernel's limit", fills=True),
    Signal("conntrack", "ratio", "tracked connections over the kernel's limit", fills=True),
    Signal("oom_kills", _RATE, "processes killed because memory had run out", fills=True, resource="memory"),
)

JOURNAL: Final[tuple[Signal, ...]] = (
    Signal("log_errors", _RATE, "entries of the journal of priority err or worse"),
    Signal("log_warnings", _RATE, "entries of the journal of priority warning"),
    Signal("failed_logins", _RATE, "entries of the journal that say that a login failed"),
)
"""Of a source that is off by default: `sampling.journal`."""

BY_NAME: Final[dict[str, Signal]] = {signal.name: signal for signal in (*SIGNALS, *JOURNAL)}
"""Every signal whose meaning is ours, those of `JOURNAL` too."""
NAMES: Final[tuple[str, ...]] = tuple(signal.name for signal in SIGNALS)
"""Those that are sampled wherever the kernel has them."""
FILLING: Final = frozenset(signal.name for signal in SIGNALS if signal.fills)
