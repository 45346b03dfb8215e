"""What an operator says reaches the daemon that runs, or is refused; never another database, in silence."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from conftest import eventually
from processes import Daemon
from web.fake_daemon import Starter

from cli.conftest import Invoke
from loadwatch.errors import LoadwatchError, ServiceError
from loadwatch.history import History

COMMANDS = [
    ("label", "--from", "1h ago", "normal"),
    ("label", "list"),
    ("maintenance", "start", "--for", "1h"),
    ("maintenance", "list"),
    ("alerts",),
    ("train",),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A real daemon that keeps its state where it was told to."""
    with Daemon(tmp_path_factory.mktemp("service") / "loadwatch") as daemon:
        eventually(lambda: "state_identity" in page(daemon), seconds=60, what="the daemon answers")
        yield daemon


def page(daemon: Daemon) -> str:
    try:
        return daemon.get("/api/v1/status")
    except OSError:
        return ""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of an ordinary user."""
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("LOADWATCH_STATE_DIRECTORY", raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    return tmp_path / "loadwatch"


def beside(daemon: Daemon) -> tuple[str, str]:
    return "--set", f"web.listen_address=127.0.0.1:{daemon.port}"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_ordinary_user_is_sent_to_the_service(
    invoke: Invoke, service: Daemon, home: Path, words: tuple[str, ...]
) -> None:
    """Refused before anything is written or read, with the command that does what was meant."""
    end = invoke(*words, *beside(service))
    assert isinstance(end.exception, ServiceError)
    said = str(end.exception)
    assert f"{home} would be used" in said
    assert f"{service.url} keeps its state elsewhere" in said
    assert f"sudo loadwatch {words[0]}" in said
    assert "--state-directory" in said
    assert not home.exists()


def test_root_is_told_to_name_the_directory(
    invoke: Invoke, service: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody's own daemon runs and no service, sudo would be no help."""
    monkeypatch.delenv("LOADWATCH_STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    said = str(invoke("alerts", *beside(service)).exception)
    assert "/var/lib/loadwatch would be used" in said
    assert "sudo" not in said


@pytest.mark.usefixtures("home")
def test_a_named_directory_is_used(
    invoke: Invoke, service: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By option or environment, whatever runs."""
    named = tmp_path / "named"
    words = ("label", "--from", "1h ago", "normal", *beside(service))
    assert invoke(*words, "--state-directory", named).exit_code == 0
    monkeypatch.setenv("LOADWATCH_STATE_DIRECTORY", str(named))
    assert invoke(*words).exit_code == 0
    with contextlib.closing(History.read(named / "history.db")) as history:
        assert len(history.labels()) == 2


def test_the_daemon_s_own_directory_by_another_name_is_the_right_one(
    invoke: Invoke, service: Daemon, home: Path
) -> None:
    """As systemd's, which is a link; what was said is then in the history of the daemon."""
    home.symlink_to(service.state)
    assert invoke("maintenance", "start", "--for", "1h", *beside(service)).exit_code == 0
    with contextlib.closing(History.read(service.state / "history.db")) as history:
        assert len(history.maintenance()) == 1


def test_without_a_daemon_nobody_is_asked(invoke: Invoke, home: Path) -> None:
    """To label a history that is only looked at needs no daemon."""
    nobody = ("--set", "web.listen_address=127.0.0.1:1")
    assert invoke("label", "--from", "1h ago", "normal", *nobody).exit_code == 0
    assert (home / "history.db").exists()


def test_who_cannot_know_does_not_write(
    invoke: Invoke,
    home: Path,
    daemon: Starter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind a password the question has no answer: an ordinary user is refused, root is the service's."""
    users = tmp_path / "web.yml"
    users.write_text(f"basic_auth_users:\n  me: {bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    users.chmod(0o600)
    address = daemon(config_file=users).server.urls[0].removeprefix("http://").rstrip("/")
    words = ("alerts", "--set", f"web.listen_address={address}")
    assert "wants a password" in str(invoke(*words).exception)
    assert not home.exists()
    monkeypatch.setattr(os, "getuid", lambda: 0)
    end = invoke(*words)
    assert not isinstance(end.exception, ServiceError), end.exception
    assert isinstance(end.exception, LoadwatchError | None), end.exception


@pytest.mark.slow
def test_an_older_daemon_is_no_obstacle(invoke: Invoke, home: Path, daemon: Starter) -> None:
    """One that does not say where its state is forbids nothing."""
    address = daemon().server.urls[0].removeprefix("http://").rstrip("/")
    end = invoke("label", "--from", "1h ago", "normal", "--set", f"web.listen_address={address}")
    assert end.exit_code == 0
    assert (home / "history.db").exists()
