"""The command line in this process and as a program, and daemons to ask."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result
from web.fake_daemon import Starter, fake_daemons

from loadwatch.cli.main import cli

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run the command line in this process; an unexpected exception fails the test with its traceback."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: object, **options: object) -> Result:
        return CliRunner().invoke(
            cli, [str(argument) for argument in arguments], prog_name="loadwatch", **options
        )

    return run


def program(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m loadwatch`` as somebody at a terminal would."""
    return subprocess.run(
        [sys.executable, "-m", "loadwatch", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TZ": "UTC", **environment},
    )


@pytest.fixture
def daemon() -> Iterator[Starter]:
    """Start web servers that show a made-up host; all are closed afterwards."""
    with fake_daemons() as begin:
        yield begin
