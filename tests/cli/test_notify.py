"""Who is told of alerts, at the terminal: how it goes with each, and refusals that say what to do."""

from pathlib import Path

import pytest
from web.fake_daemon import Starter

from cli.conftest import Invoke


@pytest.mark.parametrize("command", ["notify", "status"])
def test_each_recipient_is_shown_with_its_trouble(invoke: Invoke, daemon: Starter, command: str) -> None:
    """When it was last told, what waits for it, and why the last message did not arrive."""
    output = " ".join(invoke(command, "--url", daemon("busy").server.urls[0]).output.split())
    assert "1 mailto: last told 2 d ago" in output
    assert "2 ntfys: 1 waiting, last told 9 d ago, not delivered 4" in output
    assert "ago: Connection refused" in output


def test_where_nobody_is_told_that_is_said(invoke: Invoke, daemon: Starter) -> None:
    """With the settings that change it."""
    assert "set alerts.notify" in invoke("notify", "--url", daemon("calm").server.urls[0]).output


def test_a_test_without_recipients_is_wrong_usage(invoke: Invoke, tmp_path: Path) -> None:
    """Nothing was sent, and silence would look like success."""
    end = invoke("notify", "--test", "--state-directory", tmp_path)
    assert "set alerts.notify or alerts.notify_file" in str(end.exception)
    assert getattr(end.exception, "exit_code", 0) == 2
