"""Our signals, said in PromQL over the series of node_exporter.

Each expression gives what the sampler would have measured from one scrape to the next: ``irate`` is the rate
between the last two samples, shares are shares of accounted CPU time, rates are over whole physical devices.
Three signals need memory of their own and are finished here (``finish``):

- ``network`` is over link speed; where that is unknown, over the largest rate seen so far, as in the sampler.
  (The sampler also learns to disbelieve a link speed; an import takes what passes it many times as unknown.)
- the pressures are the kernel's ``avg10``, a mean that fades with ten seconds; node_exporter has the totals,
  so the share since the last scrape is fed into such a mean. Inside one scrape the kernel's may swing wider.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from loadwatch.records import Floats
from loadwatch.sampling.plausibility import MOST_OF_SPEED, LargestRate

# Names of physical devices, for when nobody says which they are: node_exporter does not export what tells.
INTERFACES: Final = "(eth|en|wl|ww|ib|hsn|usb)[^.:]*"
DISKS: Final = "sd[a-z]+|hd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+|dasd[a-z]+"

_FADING_SECONDS: Final = 10.0
_LARGEST_GAP_SECONDS: Final = 60.0

_BUSY: Final = 'node_cpu_seconds_total{$host,mode!~"idle|iowait|guest.*"}'
_ALL: Final = 'node_cpu_seconds_total{$host,mode!~"guest.*"}'
_ALL_RATE: Final = f"sum(irate({_ALL}[$window]))"
# What drivers say that do not know: less than nothing, or all bits of a number set.
_SPEED: Final = "(node_network_speed_bytes{$host,device=~$interfaces} > 0 < 2e11 != 8191875000)"
_DIRECTIONS: Final = ("receive", "transmit")

# Not signals themselves: what the network signal is made of.
_NETWORK_PARTS: Final = {
    **{
        f"network/{direction}/share": (
            f"max(irate(node_network_{direction}_bytes_total{{$host,device=~$interfaces}}[$window]) "
            f"/ {_SPEED})"
        )
        for direction in _DIRECTIONS
    },
    **{
        f"network/{direction}/rate": (
            f"max(irate(node_network_{direction}_bytes_total{{$host,device=~$interfaces}}[$window]) "
            f"unless {_SPEED})"
        )
        for direction in _DIRECTIONS
    },
}

_WAITED: Final = (
    "(sum(irate(node_disk_read_time_seconds_total{$host,device=~$disks}[$window]))"
    " + sum(irate(node_disk_write_time_seconds_total{$host,device=~$disks}[$window])))"
)
_REQUESTS: Final = (
    "(sum(irate(node_disk_reads_completed_total{$host,device=~$disks}[$window]))"
    " + sum(irate(node_disk_writes_completed_total{$host,device=~$disks}[$window])))"
)

# Of a type that lives on this machine's disks, and writable, as the sampler takes them.
_LOCAL: Final = (
    '{$host,fstype=~"bcachefs|btrfs|exfat|ext[234]|f2fs|hfsplus|jfs|nilfs2|ntfs3|reiserfs|vfat|xfs|zfs"}'
)
_WRITABLE: Final = f"unless node_filesystem_readonly{_LOCAL} == 1"
_USED: Final = f"(node_filesystem_size_bytes{_LOCAL} - node_filesystem_free_bytes{_LOCAL})"

COUNTERS: Final = {
    "tcp_in_segments": ("Tcp_InSegs",),
    "tcp_out_segments": ("Tcp_OutSegs",),
    "tcp_retransmits": ("Tcp_RetransSegs",),
    "tcp_active_opens": ("Tcp_ActiveOpens",),
    "tcp_passive_opens": ("Tcp_PassiveOpens",),
    "tcp_resets": ("Tcp_OutRsts",),
    "tcp_in_errors": ("Tcp_InErrs",),
    "tcp_retransmit_timeouts": ("TcpExt_TCPTimeouts",),
    "listen_overflows": ("TcpExt_ListenOverflows",),
    "udp_in_datagrams": ("Udp_InDatagrams",),
    "udp_out_datagrams": ("Udp_OutDatagrams",),
    "udp_errors": ("Udp_InErrors", "Udp_SndbufErrors"),
}
_PRESSURES: Final = {"cpu_pressure": "cpu", "memory_pressure": "memory", "io_pressure": "io"}

EXPRESSIONS: Final[Mapping[str, str]] = {
    "cpu": f"sum(irate({_BUSY}[$window])) / {_ALL_RATE}",
    "cpu_max_core": f"max(sum by (cpu) (irate({_BUSY}[$window])) / sum by (cpu) (irate({_ALL}[$window])))",
    **{
        mode: f'sum(irate(node_cpu_seconds_total{{$host,mode="{mode}"}}[$window])) / {_ALL_RATE}'
        for mode in ("iowait", "steal")
    },
    "load_per_cpu": "max(node_load1{$host}) / count(count by (cpu) (node_cpu_seconds_total{$host}))",
    "memory": "1 - max(node_memory_MemAvailable_bytes{$host}) / max(node_memory_MemTotal_bytes{$host})",
    "swap": ("1 - max(node_memory_SwapFree_bytes{$host}) / max(node_memory_SwapTotal_bytes{$host} > 0)"),
    **{
        f"network_{direction}": (
            f"sum(irate(node_network_{direction}_bytes_total{{$host,device=~$interfaces}}[$window]))"
        )
        for direction in _DIRECTIONS
    },
    **_NETWORK_PARTS,
    "disk_read": "sum(irate(node_disk_read_bytes_total{$host,device=~$disks}[$window]))",
    "disk_write": "sum(irate(node_disk_written_bytes_total{$host,device=~$disks}[$window]))",
    "disk_wait": f"{_WAITED} / ({_REQUESTS} > 0) or 0 * {_REQUESTS}",
    "disk": "max(irate(node_disk_io_time_seconds_total{$host,device=~$disks}[$window]))",
    "tcp_established": "max(node_netstat_Tcp_CurrEstab{$host})",
    "tcp_in_use": "max(node_sockstat_TCP_inuse{$host})",
    "tcp_time_wait": "max(node_sockstat_TCP_tw{$host})",
    **{
        signal: " + ".join(f"max(irate(node_netstat_{field}{{$host}}[$window]))" for field in fields)
        for signal, fields in COUNTERS.items()
    },
    "filesystem": f"max({_USED} / ({_USED} + node_filesystem_avail_bytes{_LOCAL} > 0) {_WRITABLE})",
    "filesystem_inodes": (
        f"max(1 - node_filesystem_files_free{_LOCAL} / (node_filesystem_files{_LOCAL} > 0) {_WRITABLE})"
    ),
    "file_handles": "max(node_filefd_allocated{$host}) / max(node_filefd_maximum{$host} > 0)",
    "threads": (
        "max(node_processes_threads{$host})"
        ' / min({__name__=~"node_processes_max_(threads|processes)",$host} > 0)'
    ),
    "conntrack": "max(node_nf_conntrack_entries{$host}) / max(node_nf_conntrack_entries_limit{$host} > 0)",
    "oom_kills": "max(irate(node_vmstat_oom_kill{$host}[$window]))",
    **{
        signal: f"max(irate(node_pressure_{resource}_waiting_seconds_total{{$host}}[$window]))"
        for signal, resource in _PRESSURES.items()
    },
}


def expressions(
    host: str, window: str, interfaces: Sequence[str] = (), disks: Sequence[str] = ()
) -> dict[str, str]:
    """The expressions for the matchers ``host``, over a ``window`` that holds two scrapes.

    ``interfaces`` and ``disks`` are the physical devices where they are known.
    """
    places = {
        "$host": host,
        "$window": window,
        "$interfaces": _pattern(interfaces, INTERFACES),
        "$disks": _pattern(disks, DISKS),
    }
    filled = dict(EXPRESSIONS)
    for place, text in places.items():
        filled = {name: expression.replace(place, text) for name, expression in filled.items()}
    return filled


def _pattern(devices: Sequence[str], otherwise: str) -> str:
    return json.dumps("|".join(map(re.escape, devices)) or otherwise)


class Finisher:
    """Makes the signals that remember out of what was fetched; one for each import, fed in time order."""

    def __init__(self) -> None:
        self._largest = LargestRate()
        self._means: dict[str, tuple[float, float]] = {}

    def finish(self, timestamps: Floats, columns: Mapping[str, Floats]) -> dict[str, Floats]:
        """The signals for the (N,) ``timestamps`` from the fetched (N,) columns."""
        finished = {name: values for name, values in columns.items() if "/" not in name}
        parts = {name: columns[name] for name in _NETWORK_PARTS if name in columns}
        shares = [
            np.minimum(np.where(values <= MOST_OF_SPEED, values, math.nan), 1.0)
            if name.endswith("share")
            else self._over_largest(timestamps, values, name)
            for name, values in parts.items()
        ]
        if shares:
            finished["network"] = np.fmax.reduce(shares)
        for name in _PRESSURES.keys() & finished.keys():
            finished[name] = self._faded(name, timestamps, finished[name])
        return finished

    def _over_largest(self, timestamps: Floats, rates: Floats, link: str) -> Floats:
        pairs = zip(timestamps.tolist(), rates.tolist(), strict=True)
        return np.array([self._largest.share(now, rate, link) for now, rate in pairs])

    def _faded(self, name: str, timestamps: Floats, shares: Floats) -> Floats:
        then, mean = self._means.get(name, (-math.inf, math.nan))
        faded = np.full(len(shares), math.nan)
        known = np.flatnonzero(np.isfinite(shares))
        for row, now, share in zip(known, timestamps[known], np.minimum(shares[known], 1.0), strict=True):
            elapsed = now - then
            kept = math.exp(-elapsed / _FADING_SECONDS) if elapsed <= _LARGEST_GAP_SECONDS else 0.0
            mean = share if math.isnan(mean) else kept * mean + (1.0 - kept) * share
            faded[row], then = mean, now
        self._means[name] = (then, mean)
        return faded
