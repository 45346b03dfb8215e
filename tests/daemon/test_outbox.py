"""Alerts are told: at least once, not twice what arrived, through outages, kills and maintenance."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from manual_clock import ManualClock

from loadwatch import config as configuration
from loadwatch.daemon.messenger import Messenger, UnknownDeliveryError
from loadwatch.daemon.outbox import GIVE_UP_SECONDS, Outbox
from loadwatch.errors import HistoryError, NotificationError
from loadwatch.history import History
from loadwatch.notifications.message import Message
from loadwatch.notifications.recipients import Recipient
from loadwatch.records import Alert

pytest.importorskip("apprise", reason="loadwatch[notify]")
MAIL, HOOK = "mailto://a:b@mail.example.com", "json://hook.example.com"


class Killed(BaseException):
    """The daemon is killed at this very instruction."""


class Services(Messenger):
    """The services outside: each takes messages unless it is down; ``kill`` is pulled after it took one."""

    def __init__(self) -> None:
        super().__init__()
        self.down: set[str] = set()
        self.kill = False
        self.taken: list[tuple[str, str]] = []
        self.bodies: list[str] = []
        self.attempts = 0

    def deliver(self, recipient: Recipient, message: Message) -> None:
        self.attempts += 1
        scheme = recipient.url.partition(":")[0]
        if scheme in self.down:
            raise NotificationError("connection refused")
        self.taken.append((scheme, message.title.partition(": ")[2]))
        self.bodies.append(message.body)
        if self.kill:
            raise Killed

    def titles(self, scheme: str = "json") -> list[str]:
        return [title for name, title in self.taken if name == scheme]


class Host:
    """An outbox on a clock that a test turns, with the history of a real daemon beside it."""

    def __init__(self, folder: Path, *urls: str) -> None:
        self.clock = ManualClock()
        self.history = History.open(folder / "history.db", clock=self.clock)
        self.services = Services()
        self.windows: list[tuple[float, float]] = []
        self.start(*urls)

    def start(self, *urls: str) -> None:
        """Start a daemon, be it the first or one after a kill."""
        settings = configuration.load(
            None, environment={"LOADWATCH_ALERTS__NOTIFY": f"[{', '.join(f'{url!r}' for url in urls)}]"}
        )
        self.outbox = Outbox(settings, self.clock, self.history, self.services, self.is_maintenance)

    def is_maintenance(self, timestamp: float) -> bool:
        return any(start <= timestamp < end for start, end in self.windows)

    def alert(self, alert: Alert) -> Alert:
        """What the judge does when an alert opens, changes or ends."""
        self.outbox.note(alert)
        self.history.keep_alert(alert)
        return alert

    def open(self) -> Alert:
        return self.alert(Alert(7, "high_load", self.clock.wall(), flagged_by="rule", confirmed_by="rule"))

    def end(self, alert: Alert) -> Alert:
        return self.alert(replace(alert, end=self.clock.wall()))

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass as the daemon does: look every five seconds, send what is due."""
        for _ in range(int(seconds / 5)):
            self.clock.advance(5.0)
            if self.outbox.look():
                self.outbox.send()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path, HOOK)
    yield made
    made.history.close()


def test_opening_and_end_are_told_once_each(host: Host) -> None:
    """However long it stays open, and with the number by which an operator answers it."""
    host.pass_seconds(60)
    alert = host.open()
    host.pass_seconds(600)
    assert host.services.titles() == ["under high load"]
    assert host.services.bodies[0].endswith("If this was normal: loadwatch label --alert 1 normal")
    host.end(alert)
    host.pass_seconds(600)
    assert host.services.titles() == ["under high load", "over after 10m: high load"]
    assert host.outbox.failures == 0


def test_a_restart_tells_nothing_twice_and_forgets_nothing(host: Host) -> None:
    """What was told stays told; what opened a moment before a kill is told by the next daemon."""
    told = host.open()
    host.pass_seconds(10)
    host.clock.advance(5.0)
    host.alert(Alert(8, "anomaly", host.clock.wall()))
    host.start(HOOK)
    host.pass_seconds(60)
    host.start(HOOK)
    host.end(told)
    host.pass_seconds(60)
    assert host.services.titles() == [
        "under high load",
        "behaves unlike itself",
        "over after 1m: high load",
    ]


def test_killed_between_sending_and_remembering_it_is_told_again_and_says_so(host: Host) -> None:
    """At least once: nobody can know whether it arrived, and no alert is lost for that."""
    host.open()
    host.services.kill = True
    with pytest.raises(Killed):
        host.pass_seconds(10)
    host.services.kill = False
    host.start(HOOK)
    host.pass_seconds(60)
    assert host.services.titles() == ["under high load"] * 2
    assert "second time" not in host.services.bodies[0]
    assert "second time" in host.services.bodies[1]
    host.start(HOOK)
    host.pass_seconds(60)
    assert len(host.services.taken) == 2


def test_an_answer_that_never_came_counts_as_not_known(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that was killed at its deadline may have been heard."""

    def never(_recipient: Recipient, _message: Message) -> None:
        raise UnknownDeliveryError("it took longer than 60 s")

    host.open()
    with monkeypatch.context() as patch:
        patch.setattr(host.services, "deliver", never)
        host.pass_seconds(10)
    host.pass_seconds(60)
    assert "second time" in host.services.bodies[0]
    assert host.outbox.failures == 1


def test_a_server_that_is_down_for_an_hour_is_tried_ever_more_rarely(host: Host) -> None:
    """A dozen attempts and one line in the log, and within a quarter of an hour of its return it is told."""
    host.services.down.add("json")
    host.open()
    host.pass_seconds(3600)
    assert 8 <= host.services.attempts <= 14
    assert host.outbox.failures == host.services.attempts
    (status,) = host.outbox.status()
    assert (status.name, status.waiting, status.trouble) == ("1 json", 1, "connection refused")
    host.services.down.clear()
    host.pass_seconds(900)
    assert host.services.titles() == ["under high load"]
    (status,) = host.outbox.status()
    assert (status.waiting, status.trouble) == (0, "")
    assert status.last_success_timestamp is not None


def test_what_ended_while_it_could_not_be_told_is_told_in_one_message(host: Host) -> None:
    """Not two stale ones."""
    host.services.down.add("json")
    alert = host.open()
    host.pass_seconds(1800)
    host.end(alert)
    host.pass_seconds(1800)
    host.services.down.clear()
    host.pass_seconds(1000)
    assert host.services.titles() == ["over after 30m: high load"]
    assert "could not be told while it was open" in host.services.bodies[0]


def test_one_recipient_that_is_down_holds_up_no_other(tmp_path: Path) -> None:
    """Nor is the other told again when the first is tried again."""
    host = Host(tmp_path, MAIL, HOOK)
    host.services.down.add("mailto")
    host.open()
    host.pass_seconds(600)
    assert host.services.titles("json") == ["under high load"]
    host.services.down.clear()
    host.pass_seconds(900)
    assert host.services.titles("mailto") == ["under high load"]
    assert len(host.services.taken) == 2
    host.history.close()


def test_a_message_that_is_never_taken_holds_up_no_other(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two alerts of which a service refuses one, it hears the other."""
    deliver = host.services.deliver

    def picky(recipient: Recipient, message: Message) -> None:
        if "unlike" in message.title:
            raise NotificationError("spam")
        deliver(recipient, message)

    monkeypatch.setattr(host.services, "deliver", picky)
    host.alert(Alert(8, "anomaly", host.clock.wall()))
    host.pass_seconds(10)
    host.open()
    host.pass_seconds(60)
    assert host.services.titles() == ["under high load"]


def test_maintenance_hushes(host: Host) -> None:
    """Inside a window nobody is told anything; of what goes on after it its end is told once, after it."""
    alert = host.open()
    host.pass_seconds(10)
    host.clock.advance(5.0)
    now = host.clock.wall()
    host.windows.append((now, now + 600.0))
    suspended = host.end(alert)  # as the judge does with all that is open
    host.pass_seconds(600)
    host.alert(replace(suspended, end=None))  # and goes on with it after the window
    host.pass_seconds(300)
    assert host.services.titles() == ["under high load"]
    host.end(alert)
    host.pass_seconds(60)
    assert host.services.titles() == ["under high load", "over after 15m: high load"]


def test_who_is_added_hears_of_what_is_open_and_not_of_what_is_over(tmp_path: Path) -> None:
    """The first start with a new recipient is no flood of old messages."""
    host = Host(tmp_path)
    over = host.open()
    host.pass_seconds(600)
    host.end(over)
    host.clock.advance(5.0)
    host.alert(Alert(8, "anomaly", host.clock.wall()))
    host.pass_seconds(60)
    assert host.history.state("notifications") is None
    host.start(HOOK)
    host.pass_seconds(60)
    assert host.services.titles() == ["behaves unlike itself"]
    host.history.close()


def test_after_a_day_an_end_is_given_up(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and said; who comes back to a mail server after a week finds no heap."""
    host.services.down.add("json")
    alert = host.open()
    host.pass_seconds(60)
    host.end(alert)
    host.clock.advance(GIVE_UP_SECONDS)
    failures = host.outbox.failures
    with caplog.at_level(logging.ERROR):
        host.pass_seconds(20)
    assert "given up after a day recipient=1 json" in caplog.text
    assert host.outbox.failures > failures
    host.services.down.clear()
    host.pass_seconds(1000)
    assert host.services.taken == []
    host.clock.advance(2 * GIVE_UP_SECONDS)
    host.pass_seconds(10)
    assert host.history.state("notifications")["alerts"] == []


def test_a_full_disk_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be stored an alert is still told, once; that is when it is needed most."""

    def full(*_values: object) -> None:
        raise HistoryError("database or disk is full")

    monkeypatch.setattr(host.history, "keep_alert", full)
    monkeypatch.setattr(host.history, "set_state", full)
    with pytest.raises(HistoryError):
        host.open()
    host.pass_seconds(600)
    assert host.services.titles() == ["under high load"]
    assert host.services.bodies[0].endswith("loadwatch label --alert ID normal")


def test_a_state_that_makes_no_sense_is_left(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody may hear a thing twice then; the daemon starts all the same."""
    host.open()
    host.history.set_state("notifications", {"recipients": [1], "alerts": 3})
    host.start(HOOK)
    assert "some may hear it twice" in caplog.text
    host.pass_seconds(10)
    assert host.services.titles() == ["under high load"]


def test_no_secret_is_stored(host: Host) -> None:
    """What is kept of a recipient tells it from others and no more."""
    host.open()
    host.pass_seconds(10)
    stored = str(host.history.state("notifications"))
    assert "hook" not in stored
    assert "told" in stored


def test_stopping_sends_no_more(host: Host) -> None:
    """What is due is left to the next daemon."""
    host.open()
    host.outbox.stop()
    host.pass_seconds(60)
    assert host.services.taken == []
