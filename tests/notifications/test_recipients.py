"""Who is told: read strictly, and nothing of an URL but its scheme is ever shown."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import Invoke, invoke  # noqa: F401 - a fixture

from loadwatch import config
from loadwatch.config.readers import SecretUrl
from loadwatch.errors import ConfigurationError
from loadwatch.notifications.recipients import Recipient, read_file, recipients_of

SECRET = "hunter2"
MAIL = f"mailto://alice:{SECRET}@mail.example.com?to=ops@example.com"
SLACK = "slack://TOKENA/TOKENB/TOKENC"


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "notify"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_urls_come_from_the_setting_and_from_the_file(tmp_path: Path) -> None:
    """In this order, none twice; names show the scheme, keys stay the same through restarts."""
    path = write(tmp_path, f"# who is on call\n\n{SLACK}\n  {MAIL}  \n")
    recipients = recipients_of((SecretUrl(MAIL),), path)
    assert [(recipient.name, recipient.url) for recipient in recipients] == [
        ("1 mailto", MAIL),
        ("2 slack", SLACK),
    ]
    assert [recipient.key for recipient in recipients] == [
        recipient.key for recipient in recipients_of((), path)
    ][::-1]
    assert SECRET not in repr(recipients)


@pytest.mark.parametrize("mode", [0o604, 0o606, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """It holds passwords; the message says what to type."""
    path = write(tmp_path, MAIL, mode)
    with pytest.raises(ConfigurationError, match=f"chmod o-rwx {path}") as refused:
        read_file(path)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has 0 URLs"),
        ("\n".join(f"{MAIL}&n={number}" for number in range(21)), "has 21 URLs"),
        (f"{SLACK}\n{SECRET} no URL\n", "line 2"),
        ("json://" + "h" * 3000, "at most 2000 characters"),
        ("x" * 70_000, "larger than"),
    ],
)
def test_a_wrong_file_is_refused_without_quoting_it(tmp_path: Path, text: str, words: str) -> None:
    """The line is named, and nothing of it is shown."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        read_file(write(tmp_path, text))
    assert SECRET not in str(refused.value)


def test_a_file_that_is_not_there_is_refused() -> None:
    """As at the start, so at the check."""
    with pytest.raises(ConfigurationError, match="cannot read /nonexistent/notify"):
        recipients_of((), Path("/nonexistent/notify"))


@pytest.mark.parametrize(
    "value", [f'["{SECRET}"]', f'"{SECRET}"', f'["{MAIL}\\u0007"]', f'{{ a = "{MAIL}" }}']
)
def test_a_wrong_setting_is_refused_without_quoting_it(value: str) -> None:
    """What stands in a log or on a screen is no secret any more."""
    with pytest.raises(ConfigurationError, match=r"alerts\.notify: ") as refused:
        config.load(None, environment={}, overrides=[f"alerts.notify={value}"])
    assert SECRET not in str(refused.value)


def test_without_the_library_a_recipient_is_a_clear_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody finds out in the night of the first alert."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'loadwatch\[notify\]'"):
        recipients_of((SecretUrl(MAIL),), None)
    assert recipients_of((), None) == ()


def test_what_was_said_of_a_delivery_is_shown_without_the_secrets() -> None:
    """Also where a library quotes the URL, in pieces, unquoted or in capitals."""
    recipient = Recipient("tgram://123456:AbC%2Fdef/987654?to=bob@x.org", "1 tgram", "k")
    said = "POST https://api/bot123456:ABC/def/send to 987654 (bob@x.org)\nfailed\x1b[2J: 401 Unauthorized"
    shown = recipient.masked(said)
    for part in ("123456", "abc/def", "987654", "bob"):
        assert part not in shown.lower()
    assert shown.endswith("failed\\x1b[2J: 401 Unauthorized")
    assert len(recipient.masked("y " * 5000)) <= 300


@pytest.mark.slow
def test_the_check_shows_schemes_alone(invoke: Invoke, tmp_path: Path) -> None:  # noqa: F811
    """``check-config`` prints what is in force, on the screen of whoever looks over the shoulder."""
    pytest.importorskip("apprise")
    options = ("--state-directory", tmp_path, "--set", f'alerts.notify="{MAIL}"')
    for flags in ((), ("--json",)):
        end = invoke("check-config", *options, *flags)
        assert end.exit_code == 0, end.output
        assert SECRET not in end.output
        assert "example.com" not in end.output
        assert "mailto://" in end.output


@pytest.mark.slow
def test_an_url_that_the_library_cannot_use_is_refused_at_the_check(invoke: Invoke, tmp_path: Path) -> None:  # noqa: F811
    """A slip in the name of a service is found when it is typed, and not when the first alert comes."""
    pytest.importorskip("apprise")
    path = write(tmp_path, f"{MAIL}\nmialto://alice:{SECRET}@mail.example.com\n")
    end = invoke("check-config", "--set", f"alerts.notify_file={path}")
    assert getattr(end.exception, "exit_code", None) == 78
    assert "Apprise cannot use URL 2 mialto" in str(end.exception)
    assert SECRET not in str(end.exception) + end.output


@pytest.mark.slow
def test_the_memory_of_the_daemon_holds_no_library_that_sends() -> None:
    """It is loaded by the child that sends, and goes with it."""
    pytest.importorskip("apprise")
    code = (
        "import sys; import loadwatch.daemon.service; from loadwatch.config.readers import SecretUrl; "
        "from loadwatch.notifications.recipients import recipients_of; "
        "recipients_of((SecretUrl('json://h'),), None); "
        "sys.exit('apprise' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
