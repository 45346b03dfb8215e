"""What of a foreign recording can be believed, and how much of it there is: one gate for every import.

Few rows or values that cannot be are left out, with a word; many of them mean that the source is not what it
seems, and nothing is taken. Nor is a history in which a signal that the rule of high load needs is mostly
missing: a model would learn from it that load never was high.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from loadwatch.errors import HistoryError
from loadwatch.records import Floats, Recording, Span
from loadwatch.sampling.plausibility import MOST_OF_TIME, largest, plausible
from loadwatch.signals import BY_NAME

EARLIEST: Final = 946_684_800.0
"""The year 2000: an earlier row was stamped by a clock that had not been set."""
SKEW_SECONDS: Final = 60.0
"""How far two clocks that are set may differ."""

_FEW: Final = 20
_SHARE: Final = 0.05
_MOSTLY: Final = 0.5
_OUTLIER_SECONDS: Final = 6 * 3600.0
_GAP_SECONDS: Final = 600.0
_CHUNK_ROWS: Final = 20_000


@dataclass(slots=True)
class Screening:
    """Passes on the sound part of each recording, and counts.

    now: epoch seconds; zoned: False where the times do not say which moment they mean and were read as UTC;
    rows: those passed on; known, impossible: values by signal.
    """

    now: float
    zoned: bool = True
    rows: int = 0
    left_out: int = 0
    known: Counter[str] = field(default_factory=Counter)
    impossible: Counter[str] = field(default_factory=Counter)
    _times: list[Floats] = field(default_factory=list)

    def admitted(self, recordings: Iterable[Recording]) -> Iterator[Recording]:
        """The sound part of each recording.

        Raises:
            HistoryError: too much of it cannot be.

        """
        for recording in recordings:
            for first in range(0, len(recording), _CHUNK_ROWS):
                part = self._sound_values(self._sound_rows(recording.rows(first, first + _CHUNK_ROWS)))
                self.rows += len(part)
                self._times.append(part.timestamps)
                yield part
        if self.left_out > self.rows:
            raise HistoryError(self._wrong_clock(self.rows + self.left_out))

    def missing(self, needed: Collection[str], *, always: Collection[str] = ()) -> list[str]:
        """Those of the ``needed`` signals that most rows do not have, with how many have them.

        A signal that never came is one that the host does not have, unless it is among ``always``.
        """
        return [
            f"{name} ({self.share(name):.0%} of the rows)"
            for name in sorted(needed)
            if (self.known[name] or name in always) and self.share(name) < _MOSTLY
        ]

    def share(self, signal: str) -> float:
        """The share of the rows in which a signal is known, 0 to 1."""
        return self.known[signal] / self.rows if self.rows else 0.0

    def span(self) -> Span:
        """From the first row to the last; there must be one."""
        times = np.concatenate(self._times)
        return Span(float(times.min()), float(times.max()))

    def gap_seconds(self) -> float:
        """How much of the span lies in gaps of over ten minutes."""
        steps = np.diff(np.sort(np.concatenate(self._times)))
        return float(steps[steps > _GAP_SECONDS].sum())

    def words(self) -> list[str]:
        """What was left out, in sentences."""
        words = []
        if self.left_out:
            words.append(f"left out {self.left_out:,} rows of the future, or of before the year 2000")
        if self.impossible:
            names = ", ".join(f"{name} ({count:,})" for name, count in self.impossible.most_common())
            words.append(f"took values that cannot be as unknown: {names}")
        return words

    def _sound_rows(self, recording: Recording) -> Recording:
        times = recording.timestamps
        ahead = times > self.now + SKEW_SECONDS
        wrong: npt.NDArray[np.bool_] = ahead | ~(times >= EARLIEST)
        if not wrong.any():
            return recording
        self.left_out += int(wrong.sum())
        if ahead.any() and not self.zoned:
            self._refuse_local_time(times, ahead)
        if self.left_out > max(_FEW, _SHARE * (self.rows + len(times))):
            raise HistoryError(self._wrong_clock(self.rows + len(times)))
        return Recording(times[~wrong], recording.signals, recording.values[~wrong])

    def _wrong_clock(self, rows: int) -> str:
        return (
            f"{self.left_out:,} rows of {rows:,} are of the future, or of before the year 2000: "
            "check the clocks of this host and of the one that recorded them"
        )

    def _refuse_local_time(self, times: Floats, ahead: npt.NDArray[np.bool_]) -> None:
        """Times of a zone east of Greenwich run on past now; a lone row far off does not speak for that."""
        before = times[~ahead]
        alone = len(before) and times[ahead].min() - before.max() > _OUTLIER_SECONDS
        if alone and ahead.sum() <= _FEW:
            return
        hours = (times[ahead].max() - self.now) / 3600.0
        raise HistoryError(
            f"the times have no zone, so they are read as UTC, and {int(ahead.sum()):,} rows would lie up to "
            f"{hours:.1f} h in the future: they are probably local time; write the zone to each, "
            "as in 2026-03-01T14:05:00+01:00, or seconds since 1970"
        )

    def _sound_values(self, recording: Recording) -> Recording:
        values = np.empty_like(recording.values)
        for place, name in enumerate(recording.signals):
            column = recording.values[:, place]
            values[:, place] = plausible(name, column)
            known, sound = (int(np.isfinite(each).sum()) for each in (column, values[:, place]))
            if known > sound:
                self._refuse_other_unit(name, column, known)
                self.impossible[name] += known - sound
            self.known[name] += sound
        return Recording(recording.timestamps, recording.signals, values)

    def _refuse_other_unit(self, name: str, column: Floats, known: int) -> None:
        """Many values that are too large: not accidents, but another unit. What is negative is unknown."""
        most = largest(name)
        large = column[np.isfinite(column) & (column > most)]
        if len(large) <= min(max(_FEW, _SHARE * known), _MOSTLY * known):
            return
        per_cent = name in BY_NAME and BY_NAME[name].unit == "ratio" and large.max() <= 100.0
        advice = "are these per cent? then divide by 100" if per_cent else "check the unit of this signal"
        raise HistoryError(
            f"{len(large):,} of {known:,} values of {name} cannot be, such as {large[0]:g}; expected 0 to "
            f"{1.0 if most == MOST_OF_TIME else most:g}: {advice}"
        )
