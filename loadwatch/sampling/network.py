"""How much the network interfaces carry, and how close the busiest is to its limit."""

import math
from pathlib import Path
from typing import Final

from loadwatch.errors import SamplingError
from loadwatch.sampling.counters import Counters
from loadwatch.sampling.devices import interfaces
from loadwatch.sampling.plausibility import FASTEST_LINK, MOST_OF_SPEED, LargestRate, link_speed
from loadwatch.sampling.procfile import OddLines, ProcFile

_SPEED_REFRESH_SECONDS: Final = 60.0
# Columns of /proc/net/dev after the name.
_DIRECTIONS: Final = {"received": 0, "sent": 8}

# Virtual machines often state no link speed, or a wrong one. What passes the stated speed many times in two
# readings one after the other proves it wrong; a single time is a counter that jumped. Older proof is none.
_PROOF_SECONDS: Final = 86_400.0


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
        self._counted: tuple[str, ...] = ()
        self._counters: Counters[tuple[str, str]] = Counters()
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
            table = self._parse(self._file.read())
        except FileNotFoundError:
            return {}
        counted = self._selection.choose(table)
        if counted != self._counted:
            self.forget()
            self._counted = counted
            self._speeds = {name: self._speeds[name] for name in counted if name in self._speeds}
            self._speeds_read = -math.inf
        if not counted:
            return {}
        if now - self._speeds_read >= _SPEED_REFRESH_SECONDS:
            self._speeds_read = now
            for name in counted:
                self._read_speed(name)
        rates = self._counters.rates(
            now,
            {(name, way): self._number(name, table[name][way]) for name in counted for way in _DIRECTIONS},
        )
        self._doubt(now, rates)
        shares = [self._share(now, name, field, rate) for (name, field), rate in rates.items()]
        return {
            "network_receive": math.fsum(rates[name, "received"] for name in counted),
            "network_transmit": math.fsum(rates[name, "sent"] for name in counted),
            "network": math.nan if any(map(math.isnan, shares)) else max(shares),
        }

    def _parse(self, content: bytes) -> dict[str, dict[str, bytes]]:
        """The counts of each interface as they stand."""
        table = {}
        for line in content.split(b"\n"):
            name, colon, counts = line.rpartition(b":")
            words = counts.split()
            if colon and len(words) > max(_DIRECTIONS.values()):
                table[name.strip().decode("utf-8", "surrogateescape")] = {
                    way: words[place] for way, place in _DIRECTIONS.items()
                }
            elif words and b"|" not in line:  # the head of the table
                self._odd.skip(line)
        if not table and content.strip():
            raise SamplingError(
                f"cannot read {self._file.path}: expected a line an interface, found {content[:40]!r}"
            )
        return table

    def _number(self, name: str, count: bytes) -> int:
        try:
            return int(count)
        except ValueError as error:
            raise SamplingError(
                f"cannot read {self._file.path}: expected numbers in the line of {name} ({error})"
            ) from error

    def forget(self) -> None:
        """Drop the previous counters."""
        self._counters.forget()
        self.largest_rate.forget()

    def _doubt(self, now: float, rates: dict[tuple[str, str], float]) -> None:
        """Make unknown what no link of the stated speed carries, or disbelieve the speed where it goes on."""
        suspects: set[str] = set()
        for (name, field), rate in rates.items():
            if rate > FASTEST_LINK:
                rates[name, field] = math.nan
                continue
            if not rate > MOST_OF_SPEED * self._speeds[name] > 0:
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
            else:
                rates[name, field] = math.nan
        self._suspects = suspects
        self._disproved = {
            name: proved for name, proved in self._disproved.items() if now - proved < _PROOF_SECONDS
        }

    def _share(self, now: float, name: str, field: str, rate: float) -> float:
        """How full one direction is, 0 to 1."""
        if speed := self._speed(name):
            return rate if math.isnan(rate) else min(rate / speed, 1.0)
        return self.largest_rate.share(now, rate, (name, field))

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
        self._speeds[name] = speed
