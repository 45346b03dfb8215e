"""What is still to be told to whom: alerts that opened or ended, until each recipient was told, or for a day.

The alerts themselves are what is to be told; kept beside them is only what has been (``STATE``). So what a
kill interrupts is told by the next daemon: at least once, and not twice what is known to have arrived. Before
a message is sent it is noted as under way; one of which nobody knows whether it arrived is sent again, and
says so.
"""

import contextlib
import logging
import math
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple

from loadwatch.clock import Clock
from loadwatch.config import Config
from loadwatch.daemon.messenger import Messenger, UnknownDeliveryError
from loadwatch.errors import HistoryError, NotificationError
from loadwatch.history import History
from loadwatch.notifications.message import Place, Step, message_of
from loadwatch.notifications.recipients import Recipient, recipients_of
from loadwatch.records import Alert, Span, Verdict
from loadwatch.times import local_zone
from loadwatch.web import RecipientStatus

log = logging.getLogger(__name__)

STATE: Final = "notifications"
FIRST_RETRY_SECONDS: Final = 10.0
LONGEST_RETRY_SECONDS: Final = 900.0
MOST_DOUBLINGS: Final = 10
GIVE_UP_SECONDS: Final = 86400.0
"""After the end of an alert nobody wants to hear of it any more."""
FORGET_SECONDS: Final = 2 * GIVE_UP_SECONDS
HUSH_SECONDS: Final = 60.0
"""After maintenance: whether an alert that it suspended goes on is seen by then."""

STOP_SECONDS: Final = 2.0

Told = Literal["under way", "told", "given up"]
Key = tuple[Verdict, float]
"""Which alert: verdict and start."""


class Due(NamedTuple):
    """One thing to tell one recipient."""

    recipient: Recipient
    alert: Alert
    step: Step
    again: bool

    @property
    def attempt(self) -> tuple[Key, str]:
        """What is attempted, whatever became of the alert meanwhile."""
        return (self.alert.verdict, self.alert.start), self.recipient.key


@dataclass(slots=True)
class _Delivery:
    """How it goes with one recipient: configured ``since`` a wall time; ``retry`` is by the boot clock."""

    since: float
    last_success: float | None = None
    last_failure: float | None = None
    trouble: str = ""
    failures: int = 0
    retry: float = 0.0


@dataclass(slots=True)
class _Record:
    """What of an alert each recipient was told, by its key."""

    opening: dict[str, Told] = field(default_factory=dict)
    end: dict[str, Told] = field(default_factory=dict)

    def of(self, step: Step) -> Iterator[dict[str, Told]]:
        if step != "end":
            yield self.opening
        if step != "opening":
            yield self.end


class Outbox:
    """Fed by the sampling lane (``note``), emptied in a lane of its own (``send``).

    Args:
        is_maintenance: whether a wall time lies in a window, in which nobody is told anything.

    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        history: History,
        messenger: Messenger,
        is_maintenance: Callable[[float], bool],
    ) -> None:
        self._clock = clock
        self._history = history
        self._messenger = messenger
        self._is_maintenance = is_maintenance
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._stopped = False
        self._alerts: dict[Key, Alert] = {}
        self._records: dict[Key, _Record] = {}
        self._deliveries: dict[str, _Delivery] = {}
        self._attempts: dict[tuple[Key, str], int] = {}
        self._kept: dict[str, Any] | None = None
        self._trouble = ""
        self.failures = 0
        self.recipients: tuple[Recipient, ...] = ()
        self.restore()
        self.reconfigure(config)

    def reconfigure(self, config: Config) -> None:
        """Tell these recipients from now on.

        Raises:
            ConfigurationError: see `recipients_of`.

        """
        recipients = recipients_of(config.alerts.notify, config.alerts.notify_file)
        now = self._clock.wall()
        with self._lock:
            self._page = config.web.external_url
            self.recipients = recipients
            self._deliveries = {
                recipient.key: self._deliveries.get(recipient.key) or _Delivery(now)
                for recipient in recipients
            }
        self._remember()

    def restore(self) -> None:
        """Take up from the history what a daemon before this one had still to tell."""
        now = self._clock.wall()
        stored = self._kept = self._history.state(STATE)
        alerts = self._history.alerts(Span(now - FORGET_SECONDS, float("inf")))
        with self._lock:
            self._alerts = {(alert.verdict, alert.start): alert for alert in alerts} | self._alerts
            try:
                self._take(stored or {"recipients": {}, "alerts": []})
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                log.error("what people were told is not known, some may hear it twice: %s", error)

    def note(self, alert: Alert) -> None:
        """Take in that an alert opened, changed or ended."""
        with self._lock:
            self._alerts[alert.verdict, alert.start] = alert

    def status(self) -> tuple[RecipientStatus, ...]:
        """How it goes with each recipient."""
        with self._lock:
            waiting = [due.recipient.key for due in self._due()]
            return tuple(
                RecipientStatus(
                    recipient.name,
                    waiting.count(recipient.key),
                    delivery.last_success,
                    delivery.last_failure,
                    delivery.trouble,
                )
                for recipient in self.recipients
                for delivery in [self._deliveries[recipient.key]]
            )

    def look(self) -> bool:
        """Let go of what is too old; whether there is something to send now."""
        if self._sending.locked():
            return False
        self._give_up()
        return self._next() is not None

    def send(self) -> None:
        """Send all that is due, one after the other; where one fails its recipient is left alone a while."""
        with self._sending:
            while not self._stopped and (due := self._next()):
                self._tell(due)

    def stop(self) -> None:
        """Send nothing any more; what is under way is taken up by the next daemon."""
        self._stopped = True
        self._messenger.stop()
        if self._sending.acquire(timeout=STOP_SECONDS):
            self._sending.release()

    def _next(self) -> Due | None:
        """What was tried least among what may be tried now, the oldest of that; None in maintenance."""
        now = self._clock.wall()
        if self._is_maintenance(now) or self._is_maintenance(now - HUSH_SECONDS):
            return None
        with self._lock:
            ready = [
                due
                for due in self._due()
                if self._deliveries[due.recipient.key].retry <= self._clock.boottime()
            ]
        return min(ready, key=lambda due: (self._attempts.get(due.attempt, 0), due.alert.start), default=None)

    def _due(self) -> Iterator[Due]:
        """All that is to be told; the lock is held."""
        for key, alert in self._alerts.items():
            record = self._records.get(key) or _Record()
            for recipient in self.recipients:
                opening, end = record.opening.get(recipient.key), record.end.get(recipient.key)
                if alert.end is None:
                    if opening != "told":
                        yield Due(recipient, alert, "opening", opening is not None)
                elif end not in {"told", "given up"} and self._deliveries[recipient.key].since <= alert.end:
                    step: Step = "end" if opening == "told" else "both"
                    mark = end if step == "end" else opening
                    yield Due(recipient, alert, step, mark is not None)

    def _tell(self, due: Due) -> None:
        recipient, delivery = due.recipient, self._deliveries.get(due.recipient.key)
        if delivery is None:
            return  # taken out of the configuration meanwhile
        self._attempts[due.attempt] = self._attempts.get(due.attempt, 0) + 1
        self._mark(due, "under way")
        place = Place(socket.gethostname(), local_zone(), self._page)
        message = message_of(self._named(due.alert), due.step, place, again=due.again)
        try:
            self._messenger.deliver(recipient, message)
        except NotificationError as error:
            if not isinstance(error, UnknownDeliveryError) and not due.again:
                self._mark(due, None)
            self._failed(delivery, recipient, str(error))
            return
        with self._lock:
            delivery.last_success, delivery.failures, delivery.retry = self._clock.wall(), 0, 0.0
            delivery.trouble = ""
        self._mark(due, "told")
        log.info("told recipient=%s verdict=%s step=%s", recipient.name, due.alert.verdict, due.step)

    def _failed(self, delivery: _Delivery, recipient: Recipient, why: str) -> None:
        if self._stopped:
            return  # it was us who ended it
        wait = min(FIRST_RETRY_SECONDS * 2.0**delivery.failures, LONGEST_RETRY_SECONDS)
        with self._lock:
            self.failures += 1
            delivery.failures = min(delivery.failures + 1, MOST_DOUBLINGS)
            delivery.retry = self._clock.boottime() + wait
            delivery.last_failure = self._clock.wall()
            told, delivery.trouble = delivery.trouble, why
        if told != why:
            log.error(
                "message not delivered, tried again in %.0f s recipient=%s: %s", wait, recipient.name, why
            )

    def _give_up(self) -> None:
        """Leave untold what ended a day ago, and forget all of it after another day."""
        now = self._clock.wall()
        with self._lock:
            old = [due for due in self._due() if due.alert.end is not None]
            old = [due for due in old if (due.alert.end or now) < now - GIVE_UP_SECONDS]
            self.failures += len(old)
            for key, alert in list(self._alerts.items()):
                if alert.end is not None and alert.end < now - FORGET_SECONDS:
                    del self._alerts[key]
            gone = self._records.keys() - self._alerts.keys()
            for key in gone:
                del self._records[key]
            self._attempts = {each: count for each, count in self._attempts.items() if each[0] not in gone}
        if gone:
            self._remember()
        for due in old:
            log.error("given up after a day recipient=%s verdict=%s", due.recipient.name, due.alert.verdict)
            self._mark(due, "given up")

    def _named(self, alert: Alert) -> Alert:
        """The alert with the identity by which an operator calls it, 0 where the history does not say."""
        span = Span(alert.start, math.nextafter(alert.start, math.inf))
        stored: list[Alert] = []
        with contextlib.suppress(HistoryError):  # a message without the number is better than none
            stored = self._history.alerts(span, verdict=alert.verdict)
        numbers = [each.identity for each in stored if each.start == alert.start]
        return replace(alert, identity=numbers[0] if numbers else 0)

    def _mark(self, due: Due, told: Told | None) -> None:
        """Note how far it is with one step, on the disk before anything else happens."""
        key, recipient = due.attempt
        with self._lock:
            if key not in self._alerts:
                return
            record = self._records.setdefault(key, _Record())
            for marks in record.of(due.step):
                if told is None:
                    marks.pop(recipient, None)
                else:
                    marks[recipient] = told
        self._remember()

    def _remember(self) -> None:
        with self._lock:
            state = self._to_state() if self.recipients else None
        if state == self._kept:
            return
        try:
            self._history.set_state(STATE, state)
        except HistoryError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("what people were told is not stored, a restart may tell it twice: %s", error)
        else:
            self._kept, self._trouble = state, ""

    def _to_state(self) -> dict[str, Any]:
        return {
            "recipients": {
                recipient.key: {"since": delivery.since, "last_success": delivery.last_success}
                for recipient in self.recipients
                for delivery in [self._deliveries[recipient.key]]
            },
            "alerts": [
                [*key, dict(record.opening), dict(record.end)] for key, record in self._records.items()
            ],
        }

    def _take(self, stored: Mapping[str, Any]) -> None:
        for key, delivery in stored["recipients"].items():
            self._deliveries.setdefault(key, _Delivery(float(delivery["since"]), delivery["last_success"]))
        for verdict, start, opening, end in stored["alerts"]:
            self._records.setdefault((verdict, float(start)), _Record(dict(opening), dict(end)))
