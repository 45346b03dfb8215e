"""A real shell completes commands and options with the scripts that are shipped."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.conftest import program
from loadwatch.assets import FILES


@pytest.fixture
def on_path(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``loadwatch`` is this checkout."""
    command = tmp_path / "bin" / "loadwatch"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m loadwatch "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": os.getcwd()}  # noqa: PTH109


def bash(line: str, environment: dict[str, str]) -> list[str]:
    """What bash offers after this line, with the script that is shipped."""
    words = line.split(" ")
    script = (
        f"source {FILES / 'completion/loadwatch.bash'}; "
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_loadwatch_completion loadwatch; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    end = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        env=environment, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return end.stdout.split()


@pytest.mark.slow
def test_bash_completes_commands_and_options(on_path: dict[str, str]) -> None:
    """Commands, their subcommands, their options, and the values of choices."""
    assert bash("loadwatch st", on_path) == ["status"]
    assert bash("loadwatch model ro", on_path) == ["rollback"]
    assert bash("loadwatch status --ins", on_path) == ["--insecure"]
    assert bash("loadwatch history export --format ", on_path) == ["csv", "openmetrics", "sqlite"]


def typed(command: list[str], setup: str, line: str, expected: str, environment: dict[str, str]) -> str:
    """What a shell at a terminal shows after this line and a Tab, up to what is expected."""
    if not shutil.which(command[0]):
        pytest.skip(f"needs {command[0]}")
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(command[0], command, {**environment, "TERM": "xterm", "HISTFILE": "/dev/null"})
    try:
        # Written in two parts, so that the echo of the line is not taken for its answer.
        os.write(terminal, f"{setup}; echo REA''DY\r".encode())
        read_until(terminal, "READY")
        os.write(terminal, f"{line}\t".encode())
        return read_until(terminal, expected)
    finally:
        os.close(terminal)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def read_until(terminal: int, expected: str, seconds: float = 30.0) -> str:
    shown, deadline = "", time.monotonic() + seconds
    while expected not in shown and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 65_536).decode(errors="replace")
    return shown


def test_bash_at_a_terminal_completes_a_word(on_path: dict[str, str]) -> None:
    """A Tab and not only the function behind it."""
    source = f"source {FILES / 'completion/loadwatch.bash'}"
    expected = "loadwatch maintenance "
    assert expected in typed(["bash", "--norc", "-i"], source, "loadwatch maint", expected, on_path)


def test_zsh_at_a_terminal_completes_a_word(on_path: dict[str, str]) -> None:
    """From a folder of $fpath, as its users have it."""
    setup = f"fpath=({FILES / 'completion'} $fpath); autoload -Uz compinit; compinit -u -D"
    expected = "loadwatch maintenance"
    assert expected in typed(["zsh", "-f", "-i"], setup, "loadwatch maint", expected, on_path)


def test_fish_completes_a_word_with_its_whole_help(on_path: dict[str, str]) -> None:
    """A comma in the help does not cut it off."""
    if not shutil.which("fish"):
        pytest.skip("needs fish")
    script = f"source {FILES / 'completion/loadwatch.fish'}; complete -C 'loadwatch stat'"
    end = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=on_path, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert end.stdout == "status\tIs this host fine, why, and can I trust that?\n"


@pytest.mark.parametrize(
    ("shell", "name"), [("bash", "loadwatch.bash"), ("zsh", "_loadwatch"), ("fish", "loadwatch.fish")]
)
def test_scripts_are_valid(shell: str, name: str, tmp_path: Path) -> None:
    """The shell itself finds nothing wrong with its script, the printed one and the shipped one."""
    path = tmp_path / "script"
    path.write_text(program("completion", shell).stdout)
    for script in (path, FILES / "completion" / name):
        assert f"_LOADWATCH_COMPLETE={shell}_complete" in script.read_text()
        valid(shell, script)


def valid(shell: str, path: Path) -> None:
    if shutil.which(shell):
        subprocess.run([shell, "-n", path], check=True, timeout=60)
