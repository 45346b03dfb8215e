"""The child that sends: it ends in time, says why it failed, and shows nothing of the URL."""

import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from loadwatch.config.readers import SecretUrl
from loadwatch.daemon.messenger import Messenger, UnknownDeliveryError
from loadwatch.errors import ConfigurationError, NotificationError
from loadwatch.notifications.message import Message
from loadwatch.notifications.recipients import Recipient, recipients_of

pytest.importorskip("apprise", reason="loadwatch[notify]")
pytestmark = pytest.mark.slow

MESSAGE = Message("web-1: under high load", "It is.", "failure")
TOKEN = "tok3n-of-the-hook"


def recipient(url: str) -> Recipient:
    (one,) = recipients_of((SecretUrl(url),), None)
    return one


@pytest.fixture
def silent() -> Iterator[int]:
    """A server that takes connections and never says a word; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_service_that_never_answers_is_left_at_the_deadline(silent: int) -> None:
    """Whatever patience its URL asks for; whether it heard us is then not known."""
    started = time.monotonic()
    with pytest.raises(UnknownDeliveryError, match="took longer than 6 s"):
        Messenger(6.0).deliver(recipient(f"json://127.0.0.1:{silent}/{TOKEN}?rto=120"), MESSAGE)
    assert time.monotonic() - started < 15


def test_who_refuses_is_told_apart_from_who_may_have_heard() -> None:
    """Nobody listens there, so nobody was told; the reason shows nothing of the URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotificationError, match="onnection") as refused:
        Messenger().deliver(recipient(f"json://127.0.0.1:{port}/{TOKEN}"), MESSAGE)
    assert not isinstance(refused.value, UnknownDeliveryError)
    assert TOKEN not in str(refused.value)
    assert "127.0.0.1" not in str(refused.value)


def test_stopping_ends_what_is_under_way(silent: int) -> None:
    """A daemon that is told to stop waits for no server, and starts nothing new."""
    messenger = Messenger()
    told = recipient(f"json://127.0.0.1:{silent}/{TOKEN}?rto=120")
    threading.Timer(2.0, messenger.stop).start()
    started = time.monotonic()
    with pytest.raises(UnknownDeliveryError):
        messenger.deliver(told, MESSAGE)
    assert time.monotonic() - started < 10
    with pytest.raises(NotificationError, match="stopping") as refused:
        messenger.deliver(told, MESSAGE)
    assert not isinstance(refused.value, UnknownDeliveryError)


def test_what_never_began_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that was killed before it could send, for want of memory perhaps, told nobody anything."""
    monkeypatch.setattr("loadwatch.daemon.child.sys.executable", "/bin/false")
    with pytest.raises(NotificationError, match="sending process ended with status 1") as refused:
        Messenger().deliver(recipient(f"json://127.0.0.1:1/{TOKEN}"), MESSAGE)
    assert not isinstance(refused.value, UnknownDeliveryError)


def test_urls_are_checked_without_sending() -> None:
    """Only those that the library cannot use are named, and by their scheme."""
    good, wrong = SecretUrl(f"json://127.0.0.1:1/{TOKEN}"), SecretUrl(f"mialto://a:{TOKEN}@x.org")
    Messenger().check(recipients_of((good,), None))
    with pytest.raises(ConfigurationError, match="cannot use URL 2 mialto: ") as refused:
        Messenger().check(recipients_of((good, wrong), None))
    assert TOKEN not in str(refused.value)


def test_a_check_that_cannot_be_made_refuses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A host under load is the last that should go without its daemon; the log says what was left out."""
    messenger = Messenger()
    messenger.stop()
    with caplog.at_level(logging.WARNING):
        messenger.check([recipient(f"json://127.0.0.1:1/{TOKEN}")])
    assert "are not checked" in caplog.text
    assert TOKEN not in caplog.text
