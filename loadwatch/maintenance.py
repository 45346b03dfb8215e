"""Maintenance windows, those that come back and those announced once: when nothing is flagged nor learned."""

import difflib
import functools
import math
import zoneinfo
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from loadwatch.config.readers import Recurrence
from loadwatch.errors import ConfigurationError
from loadwatch.records import Maintenance, Span

if TYPE_CHECKING:
    from cronsim import CronSim


class RecurringWindow:
    """The windows of one recurrence. It begins by its zone's clocks and lasts for its seconds by any clock.

    As Debian's cron has it: a begin that a change of clocks skips comes when the gap is over, and one that
    the clocks show twice counts the first time.

    Raises:
        ConfigurationError: the cron expression or the zone is wrong.

    """

    def __init__(self, recurrence: Recurrence) -> None:
        self._recurrence = recurrence
        self._zone = _zone(recurrence.timezone)
        self._read_from(0.0)  # refuse a bad expression now, not at its first window
        self._known_from, self._next = math.inf, math.inf

    def active(self, timestamp: float) -> Maintenance | None:
        """The window that holds ``timestamp``, if any; where several overlap, the earliest."""
        seconds, why = self._recurrence.seconds, self._recurrence.why
        # Good until the next window is over: cron is asked once a window, and not once a sample.
        if not self._known_from <= timestamp < self._next + seconds:
            self._known_from = timestamp
            self._next = next(self._begins(timestamp - seconds), math.inf)
        if timestamp < self._next:
            return None
        return Maintenance(Span(self._next, self._next + seconds), why)

    def spans(self, start: float, end: float) -> Iterator[Span]:
        """The windows that touch ``[start, end)``, in order of their begin."""
        seconds = self._recurrence.seconds
        for begin in self._begins(start - seconds):
            if begin >= end:
                return
            yield Span(begin, begin + seconds)

    def _begins(self, after: float) -> Iterator[float]:
        """The begins later than ``after``, in order."""
        last = after
        for moment in self._read_from(after):
            begin = moment.timestamp()
            # When the clocks go back, cron reckons from the hour as shown, and may name one that is over.
            if begin > last:
                last = begin
                yield begin

    def _read_from(self, timestamp: float) -> "CronSim":
        from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only who has such windows pays for it

        moment = datetime.fromtimestamp(max(timestamp, 0.0), self._zone)
        try:
            return CronSim(self._recurrence.cron, moment)
        except CronSimError as error:
            raise ConfigurationError(
                f"the maintenance window {self._recurrence.cron!r} is no cron expression: {error}; write "
                'minute, hour, day, month and weekday, for example "0 3 * * sun" for Sundays at three'
            ) from error


class MaintenanceCalendar:
    """All windows together; immutable, but for what it remembers of the answers already found.

    Raises:
        ConfigurationError: a recurrence has a wrong cron expression or zone.

    """

    def __init__(self, recurring: Iterable[Recurrence] = (), windows: Iterable[Maintenance] = ()) -> None:
        self._recurring = tuple(map(RecurringWindow, recurring))
        self._windows = tuple(sorted(windows, key=lambda window: window.span.start))

    def with_windows(self, windows: Iterable[Maintenance]) -> "MaintenanceCalendar":
        """The same recurrences with other windows announced once."""
        calendar = MaintenanceCalendar(windows=windows)
        calendar._recurring = self._recurring  # what they found so far holds
        return calendar

    def active(self, timestamp: float) -> Maintenance | None:
        """The window that holds ``timestamp``, if any; one that was announced goes before one that recurs."""
        for announced in self._windows:
            if timestamp in announced.span:
                return announced
        found = (recurring.active(timestamp) for recurring in self._recurring)
        return next((window for window in found if window is not None), None)

    def spans(self, start: float, end: float) -> list[Span]:
        """The time under maintenance within ``[start, end)``: in order, apart from each other, cut to it."""
        announced = [window.span for window in self._windows]
        recurring = [span for one in self._recurring for span in one.spans(start, end)]
        return _union([*announced, *recurring], start, end)


def _union(spans: Sequence[Span], start: float, end: float) -> list[Span]:
    union: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        first, last = max(span.start, start), min(span.end, end)
        if first >= last:
            continue
        if union and first <= union[-1].end:
            union[-1] = Span(union[-1].start, max(union[-1].end, last))
        else:
            union.append(Span(first, last))
    return union


@functools.cache
def _zone(name: str) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(
            f"the time zone {name!r} of a maintenance window is unknown{hint} "
            '(write a name such as "Europe/Amsterdam")'
        ) from error
