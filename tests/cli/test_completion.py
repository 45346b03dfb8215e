"""A real shell completes commands and options with the scripts that are shipped."""

import os
import shutil
import subprocess
import sys
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


def test_bash_completes_commands_and_options(on_path: dict[str, str]) -> None:
    """Commands, their subcommands, their options, and the values of choices."""
    assert bash("loadwatch st", on_path) == ["status"]
    assert bash("loadwatch model ro", on_path) == ["rollback"]
    assert bash("loadwatch status --ins", on_path) == ["--insecure"]
    assert bash("loadwatch history export --format ", on_path) == ["csv", "openmetrics"]


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
