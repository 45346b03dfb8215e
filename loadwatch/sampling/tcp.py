"""What the network stack counts about itself: segments, connections, errors.

psutil would list every socket to count connections; the kernel's own sums in ``/proc/net/snmp``,
``/proc/net/netstat`` and ``/proc/net/sockstat`` cost microseconds and need no rights. TCP is counted over
IPv4 and IPv6 together, UDP and the sockets in use over IPv4.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from loadwatch.errors import SamplingError
from loadwatch.sampling.counters import Counters
from loadwatch.sampling.procfile import ProcFile
from loadwatch.sampling.source import Faults

# Signal to (protocol, field) of the kernel; several fields are added.
_SNMP: Final = {
    "tcp_in_segments": (("Tcp", "InSegs"),),
    "tcp_out_segments": (("Tcp", "OutSegs"),),
    "tcp_retransmits": (("Tcp", "RetransSegs"),),
    "tcp_active_opens": (("Tcp", "ActiveOpens"),),
    "tcp_passive_opens": (("Tcp", "PassiveOpens"),),
    "tcp_resets": (("Tcp", "OutRsts"),),
    "tcp_in_errors": (("Tcp", "InErrs"),),
    "udp_in_datagrams": (("Udp", "InDatagrams"),),
    "udp_out_datagrams": (("Udp", "OutDatagrams"),),
    # InErrors already holds what full receive buffers and bad checksums cost; what full send buffers cost
    # is counted apart.
    "udp_errors": (("Udp", "InErrors"), ("Udp", "SndbufErrors")),
}
_NETSTAT: Final = {
    "listen_overflows": (("TcpExt", "ListenOverflows"),),
    "tcp_retransmit_timeouts": (("TcpExt", "TCPTimeouts"),),
}
_SOCKETS: Final = {b"inuse": "tcp_in_use", b"tw": "tcp_time_wait"}
_ESTABLISHED: Final = "tcp_established"


class TcpSource:
    """Connections now, and rates of the stack's counters since the previous reading."""

    name = "tcp"
    signals = (_ESTABLISHED, *_SOCKETS.values(), *_SNMP, *_NETSTAT)
    note = ""

    def __init__(self, procfs: Path) -> None:
        self._snmp = _Table(procfs / "net" / "snmp", {_ESTABLISHED: (("Tcp", "CurrEstab"),), **_SNMP})
        self._netstat = _Table(procfs / "net" / "netstat", _NETSTAT)
        self._sockets = ProcFile(procfs / "net" / "sockstat")
        self._counters: Counters[str] = Counters()

    def read(self, now: float) -> dict[str, float]:
        """Connections and rates per second; nothing of a file or field that this kernel does not have.

        Raises:
            PartlyFailedError: a file is there but cannot be read, or a line is not what it should be; the
                others are read.

        """
        faults = Faults()
        counts = {**self._snmp.read(faults), **self._netstat.read(faults)}
        established = {_ESTABLISHED: counts.pop(_ESTABLISHED)} if _ESTABLISHED in counts else {}
        sockets = faults.attempt(self._count_sockets, dict.fromkeys(_SOCKETS.values(), math.nan))
        return faults.told_with({**established, **sockets, **self._counters.rates(now, counts)})

    def _count_sockets(self) -> dict[str, float]:
        """Sockets now, of a line ``TCP: inuse 4 orphan 0 tw 0 alloc 4 mem 237``."""
        try:
            lines = self._sockets.read().split(b"\n")
        except FileNotFoundError:
            return {}
        words = next((line.split()[1:] for line in lines if line.startswith(b"TCP:")), [])
        try:
            pairs = zip(words[::2], words[1::2], strict=True)
            return {_SOCKETS[name]: float(int(count)) for name, count in pairs if name in _SOCKETS}
        except ValueError as error:
            raise SamplingError(
                f"cannot read {self._sockets.path}: expected names and numbers after TCP: ({error})"
            ) from error

    def forget(self) -> None:
        """Drop the previous counters."""
        self._counters.forget()


class _Table:
    """A file of line pairs, ``Tcp: names...`` then ``Tcp: numbers...``.

    The places of the wanted columns are kept for as long as the line of names stays the same, which is until
    the next boot.
    """

    def __init__(self, path: Path, wanted: Mapping[str, tuple[tuple[str, str], ...]]) -> None:
        self._file = ProcFile(path)
        self._wanted = wanted
        self._unknown: dict[bytes, dict[str, float]] = {}
        for signal, fields in wanted.items():
            for protocol, _ in fields:
                self._unknown.setdefault(protocol.encode(), {})[signal] = math.nan
        self._places: dict[bytes, list[tuple[str, int]]] = {}

    def read(self, faults: Faults) -> dict[str, float]:
        """Signal to its count now, NaN where its lines or the file cannot be read."""
        try:
            lines = self._file.read().split(b"\n")
        except FileNotFoundError:
            return {}
        except OSError as error:
            faults.note(error)
            return dict.fromkeys(self._wanted, math.nan)
        pairs: dict[bytes, list[bytes]] = {}
        for line in lines:
            protocol = line.partition(b":")[0]
            if protocol in self._unknown:
                pairs.setdefault(protocol, []).append(line)
        counts: dict[str, float] = {}
        for protocol, pair in pairs.items():
            counts.update(faults.attempt(partial(self._count, pair), self._unknown[protocol]))
        return counts

    def _count(self, pair: list[bytes]) -> dict[str, float]:
        if len(pair) != 2:
            raise SamplingError(
                f"cannot read {self._file.path}: expected two lines each, found {pair[0][:40]!r}"
            )
        header, line = pair
        places = self._places.get(header)
        if places is None:
            places = self._places[header] = self._find(header)
        numbers = line.split()[1:]
        counts: dict[str, float] = {}
        try:
            for signal, place in places:
                counts[signal] = counts.get(signal, 0) + int(numbers[place])
        except (ValueError, IndexError) as error:
            raise SamplingError(
                f"cannot read {self._file.path}: expected numbers under each line of names ({error})"
            ) from error
        return counts

    def _find(self, header: bytes) -> list[tuple[str, int]]:
        protocol, _, names = header.decode("ascii", "replace").partition(":")
        columns = {name: place for place, name in enumerate(names.split())}
        return [
            (signal, columns[field])
            for signal, fields in self._wanted.items()
            for wanted_protocol, field in fields
            if wanted_protocol == protocol and field in columns
        ]
