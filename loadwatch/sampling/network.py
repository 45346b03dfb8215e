"""How much the network interfaces carry, and how close the busiest is to its limit."""

import math
from pathlib import Path
from typing import Final

import psutil

from loadwatch.sampling.counters import Counters
from loadwatch.sampling.devices import interfaces

_BITS_PER_MEGABIT: Final = 1_000_000
_SPEED_REFRESH_SECONDS: Final = 60.0

# Virtual machines often state no link speed, or a wrong one. A rate this far above the stated speed proves
# the statement wrong, and it is disregarded from then on. Not sooner: some drivers count in bursts of a
# second or two, so over short intervals an honest link can seem to carry twice its speed.
_DISBELIEF: Final = 2.5

# The least that is taken for a limit while no speed is known: 100 Mbit/s. Without it an idle host whose
# largest rate so far was one ping would count that ping as a link at its limit.
_LEAST_LIMIT: Final = 100 * _BITS_PER_MEGABIT / 8


class NetworkSource:
    """Rates over physical interfaces since the previous reading.

    When the set of interfaces changes, all rates are unknown once, as for disks. ``largest_rate`` is the
    largest rate seen in one direction of one interface without a known speed, in bytes per second: the
    measure of ``network`` for such interfaces, worth keeping over restarts.
    """

    name = "network"
    signals = ("network_receive", "network_transmit", "network")

    def __init__(self, sysfs: Path) -> None:
        self._folder = sysfs / "class" / "net"
        self._selection = interfaces(sysfs)
        self._counted: tuple[str, ...] = ()
        self._counters: Counters[tuple[str, str]] = Counters()
        self._speeds: dict[str, float] = {}
        self._speeds_read = -math.inf
        self._disbelieved: set[str] = set()
        self.largest_rate = 0.0

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
            OSError, ValueError: the kernel's table cannot be read or understood.

        """
        try:
            # psutil would hide a step back of a counter (nowrap); here it makes the rate unknown.
            table = psutil.net_io_counters(pernic=True, nowrap=False)
        except FileNotFoundError:
            return {}
        counted = self._selection.choose(table)
        if counted != self._counted:
            self._counters.forget()
            self._disbelieved &= set(counted)
            self._counted = counted
            self._speeds_read = -math.inf
        if not counted:
            return {}
        if now - self._speeds_read >= _SPEED_REFRESH_SECONDS:
            self._speeds = {name: self._read_speed(name) for name in counted}
            self._speeds_read = now
        rates = self._counters.rates(
            now,
            {
                (name, field): getattr(table[name], field)
                for name in counted
                for field in ("bytes_recv", "bytes_sent")
            },
        )
        return {
            "network_receive": math.fsum(rates[name, "bytes_recv"] for name in counted),
            "network_transmit": math.fsum(rates[name, "bytes_sent"] for name in counted),
            "network": self._share_of_limit(rates),
        }

    def forget(self) -> None:
        """Drop the previous counters."""
        self._counters.forget()

    def _share_of_limit(self, rates: dict[tuple[str, str], float]) -> float:
        if any(map(math.isnan, rates.values())):
            return math.nan
        share = 0.0
        for (name, _), rate in rates.items():
            if rate > _DISBELIEF * self._speed(name) > 0:
                self._disbelieved.add(name)
            limit = self._speed(name)
            if not limit:
                self.largest_rate = max(self.largest_rate, rate)
                limit = max(self.largest_rate, _LEAST_LIMIT)
            share = max(share, rate / limit)
        return min(share, 1.0)

    def _speed(self, name: str) -> float:
        """Bytes per second in one direction, 0 where unknown."""
        return 0.0 if name in self._disbelieved else self._speeds.get(name, 0.0)

    def _read_speed(self, name: str) -> float:
        """What the driver states, in bytes per second, 0 where it states nothing.

        Read from ``/sys`` for the counted interfaces only: ``psutil.net_if_stats`` asks every interface four
        questions, a cost that grows with each container on the host.
        """
        try:
            megabits = int((self._folder / name / "speed").read_text())
        except (OSError, ValueError):
            # Asking a link that is down, or a driver without the notion, is answered by EINVAL.
            return 0.0
        return max(megabits, 0) * _BITS_PER_MEGABIT / 8
