"""How much the network interfaces carry, and how close the busiest is to its limit."""

import math
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from loadwatch.errors import SamplingError
from loadwatch.records import Floats
from loadwatch.sampling.counters import CounterTable
from loadwatch.sampling.devices import interfaces
from loadwatch.sampling.plausibility import FASTEST_LINK, MOST_OF_SPEED, LargestRate, link_speed
from loadwatch.sampling.procfile import OddLines, ProcFile

_SPEED_REFRESH_SECONDS: Final = 60.0
# Columns of /proc/net/dev after the name.
_RECEIVED, _SENT = 0, 8

# Virtual machines often state no link speed, or a wrong one. What passes the stated speed many times in two
# readings one after the other proves it wrong; a single time is a counter that jumped. Older proof is none.
_PROOF_SECONDS: Final = 86_400.0


class _Links(NamedTuple):
    """Of N interfaces, bytes per second.

    most: (N, 1) more than this is doubted; speeds: (N, 1) infinite where unknown; unknown: which those are.
    """

    most: Floats
    speeds: Floats
    unknown: list[int]


class NetworkSource:
    """Rates over physical interfaces since the previous reading.

    When the set of interfaces changes, all rates are unknown once, as for disks; so they are when one passes
    more than its link can carry. ``largest_rate``: of one direction of the interfaces of unknown speed, the
    measure of ``network`` for them, worth keeping over restarts.
    """

    name = "network"
    signals = ("network_receive", "network_transmit", "network")

    def __init__(self, procfs: Path, sysfs: Path) -> None:
        self._file = ProcFile(procfs / "net" / "dev", in_pieces=True)
        self._odd = OddLines(procfs / "net" / "dev")
        self._folder = sysfs / "class" / "net"
        self._selection = interfaces(sysfs)
        self._names: list[bytes] = []
        self._counted: tuple[str, ...] = ()
        self._rows: list[int] = []
        self._counters = CounterTable()
        self._speeds: dict[str, float] = {}
        self._speeds_read = -math.inf
        self._suspects: set[str] = set()
        self._disproved: dict[str, float] = {}
        self.largest_rate = LargestRate()

    @property
    def note(self) -> str:
        """Says so when no interface is a physical one, and where the link speed is unknown."""
        notes = []
        if self._selection.only_virtual:
            notes.append(f"no physical interface here: counting {', '.join(self._counted)}")
        if unknown := [name for name in self._counted if not self._speed(name)]:
            notes.append(f"link speed unknown ({', '.join(unknown)}): network is over the largest rate seen")
        return "; ".join(notes)

    def read(self, now: float) -> dict[str, float]:
        """Bytes received and sent per second, share of the limit (0 to 1); nothing without interfaces.

        Raises:
            OSError: the kernel's table cannot be read.
            SamplingError: it cannot be understood.

        """
        try:
            content = self._file.read()
        except FileNotFoundError:
            return {}
        lines = content.split(b"\n")
        names = [line.rpartition(b":")[0] for line in lines]
        if names != self._names:
            self._choose(lines)
        if not self._counted:
            return {}
        try:
            counts = self._counts(lines)
        except (IndexError, ValueError):
            self._choose(lines)  # a line that was one of an interface is none any more
            if not self._counted:
                return {}
            counts = self._counts(lines)
        self._names = names
        if now - self._speeds_read >= _SPEED_REFRESH_SECONDS:
            self._speeds_read = now
            for name in self._counted:
                self._read_speed(name)
        rates = self._counters.rates(now, counts)
        self._doubt(now, rates)
        received, sent = np.add.reduce(rates, axis=0).tolist()
        return {"network_receive": received, "network_transmit": sent, "network": self._share(now, rates)}

    def _choose(self, lines: list[bytes]) -> None:
        """Find out which interfaces count, where the lines are other ones than before."""
        places: dict[str, int] = {}
        for place, line in enumerate(lines):
            name, colon, counts = line.rpartition(b":")
            words = counts.split()
            if colon and len(words) > _SENT:
                places[name.strip().decode("utf-8", "surrogateescape")] = place
            elif words and b"|" not in line:  # the head of the table
                self._odd.skip(line)
        if not places and any(lines):
            raise SamplingError(
                f"cannot read {self._file.path}: expected a line an interface, found {lines[0][:40]!r}"
            )
        counted = self._selection.choose(places)
        if counted != self._counted:
            self.forget()
            self._counted = counted
            self._speeds = {name: self._speeds[name] for name in counted if name in self._speeds}
            self._speeds_read = -math.inf
            self._forget_links()
        self._rows = [places[name] for name in counted]

    def _counts(self, lines: list[bytes]) -> Floats:
        """(N, 2) bytes received and sent by each interface."""
        words = [lines[row].rpartition(b":")[2].split(None, _SENT + 1) for row in self._rows]
        return np.array([(int(each[_RECEIVED]), int(each[_SENT])) for each in words], np.float64)

    def forget(self) -> None:
        """Drop the previous counters."""
        self._counters.forget()
        self.largest_rate.forget()

    def _doubt(self, now: float, rates: Floats) -> None:
        """Make unknown what no link of the stated speed carries, or disbelieve the speed where it goes on."""
        suspects: set[str] = set()
        for row, way in np.argwhere(rates > self._links.most).tolist():
            name, rate = self._counted[row], float(rates[row, way])
            if rate > FASTEST_LINK:
                rates[row, way] = math.nan
                continue
            if name in self._disproved:
                self._disproved[name] = now
                continue
            self._read_speed(name)  # it may have been negotiated anew since
            if not rate > MOST_OF_SPEED * self._speeds[name] > 0:
                continue
            suspects.add(name)
            if name in self._suspects:
                self._disproved[name] = now
                self._forget_links()
            else:
                rates[row, way] = math.nan
        self._suspects = suspects
        if old := [name for name, proved in self._disproved.items() if now - proved >= _PROOF_SECONDS]:
            for name in old:
                del self._disproved[name]
            self._forget_links()

    def _share(self, now: float, rates: Floats) -> float:
        """How full the busiest direction is, 0 to 1; NaN where one of them is not known."""
        links = self._links
        shares = [float((rates / links.speeds).max())] if len(links.unknown) < len(rates) else []
        for row in links.unknown:
            for way, rate in enumerate(rates[row].tolist()):
                shares.append(self.largest_rate.share(now, rate, (self._counted[row], way)))
        return math.nan if any(map(math.isnan, shares)) else min(max(shares), 1.0)

    @cached_property
    def _links(self) -> _Links:
        stated = np.array([self._speeds.get(name, 0.0) for name in self._counted])[:, None]
        speeds = np.array([self._speed(name) for name in self._counted])[:, None]
        most = np.minimum(np.where(stated > 0.0, MOST_OF_SPEED * stated, math.inf), FASTEST_LINK)
        unknown = np.flatnonzero(speeds == 0.0).tolist()
        return _Links(most, np.where(speeds > 0.0, speeds, math.inf), unknown)

    def _forget_links(self) -> None:
        self.__dict__.pop("_links", None)

    def _speed(self, name: str) -> float:
        """Bytes per second in one direction, 0 where unknown."""
        return 0.0 if name in self._disproved else self._speeds.get(name, 0.0)

    def _read_speed(self, name: str) -> None:
        """Take what the driver states now; another speed than before has yet to be disproved.

        Read from ``/sys`` for the counted interfaces only: ``psutil.net_if_stats`` asks every interface four
        questions, a cost that grows with each container on the host.
        """
        try:
            speed = link_speed(int((self._folder / name / "speed").read_text()))
        except (OSError, ValueError):
            # Asking a link that is down, or a driver without the notion, is answered by EINVAL.
            speed = 0.0
        if speed != self._speeds.get(name):
            self._disproved.pop(name, None)
            self._forget_links()
        self._speeds[name] = speed
