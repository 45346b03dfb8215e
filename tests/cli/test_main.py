"""Every end of the command line has its exit code and says in one or two lines what to do."""

import importlib
import inspect
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import Result

from cli.conftest import Invoke, program
from loadwatch.build import build, version_of
from loadwatch.cli.main import COMMANDS, cli
from loadwatch.clock import SystemClock
from loadwatch.errors import ConfigurationError
from loadwatch.history import History
from loadwatch.records import Recording


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--help"], 0, "Is this host fine, why, and can I trust that?"),
        (["status", "--url", "http://127.0.0.1:1"], 1, "start `loadwatch run`, or name another with --url"),
        (["history", "--state-directory", "{empty}"], 1, "no history there; has the daemon run yet?"),
        (["model", "show", "--state-directory", "{empty}"], 1, "the daemon makes the first one"),
        (["stauts"], 2, "no such command 'stauts'; did you mean status?"),
        (["label", "add"], 2, "missing argument"),
        (["maintenance", "start"], 2, "either --to with its end, or --for"),
        (["report"], 2, "missing option '-o'"),
        (["status", "--jsno"], 2, "loadwatch status --help"),
        (["status", "--url", "ftp://host"], 2, "expected http://host:port"),
        (["maintenance", "start", "--for", "soon"], 2, "soon"),
        (
            ["top", "--interval", "nonsense", "--url", "http://127.0.0.1:1"],
            2,
            "invalid value for '--interval'",
        ),
        (["check-config", "--set", "sampling.procfs=/nonexistent"], 78, "no file stat in it"),
        (["check-config", "--set", "sampling.intervall=1s"], 78, "did you mean sampling.interval?"),
        (["run", "--config", "{empty}/none.toml"], 78, "does not exist"),
    ],
)
def test_exit_codes(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    """0 done, 1 failed, 2 wrong usage, 78 wrong configuration; errors are short and name what to do."""
    end = program(*(argument.format(empty=tmp_path) for argument in arguments))
    assert (end.returncode, words in end.stdout + end.stderr) == (code, True), end
    assert "Traceback" not in end.stderr
    if code:
        assert len(end.stderr.splitlines()) <= 2
        assert end.stderr.startswith("loadwatch: ")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """Who asks for it gets everything, for any error."""
    end = program("history", "--state-directory", tmp_path, "--debug")
    assert end.returncode == 1
    assert "Traceback" in end.stderr


def test_a_reader_who_leaves_is_no_error() -> None:
    """``loadwatch ... | head -1`` ends quietly."""
    command = f"{sys.executable} -m loadwatch check-config | head -1"
    end = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert end.stderr == ""


def test_version_says_what_runs() -> None:
    """A report of a fault needs no second question."""
    end = program("--version")
    version = re.escape(version_of(build()))
    assert re.fullmatch(
        rf"loadwatch {version} \(commit (unknown|[0-9a-f]{{12}} of [-0-9]+( with changes)?); "
        r"Python 3\.\d+\.\S+, numpy \S+, psutil \S+\)\n",
        end.stdout,
    )


def test_listing_commands_imports_none() -> None:
    """Help and completion answer at once: they load no scheduler, no server, no database."""
    code = (
        "import sys; from loadwatch.cli.main import cli; cli.main(['--help'], standalone_mode=False); "
        "print({'rich', 'tornado', 'apscheduler', 'sqlite3', 'psutil'} & sys.modules.keys())"
    )
    end = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert end.stdout.endswith("set()\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(invoke: Invoke, name: str) -> None:
    """Its module answers to its name, and every option of it and of what is below has a help text."""
    module = importlib.import_module(f"loadwatch.cli.{COMMANDS[name][0]}")
    assert inspect.getdoc(module)
    assert module.command.name == name
    assert invoke(name, "--help").exit_code == 0
    for command in every_command(cli.get_command(click.Context(cli), name)):
        options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
        assert [option.name for option in options if not option.help] == []
        assert command.help


def every_command(command: click.Command | None) -> list[click.Command]:
    assert command is not None
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return [command, *(each for child in below for each in every_command(child))]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/other:/x"}, "/var/lib/other"),
        ({"XDG_STATE_HOME": "/home/me/state"}, "/home/me/state/loadwatch"),
        ({"HOME": "/home/me"}, "/home/me/.local/state/loadwatch"),
        ({"LOADWATCH_STATE_DIRECTORY": "/srv/lw", "STATE_DIRECTORY": "/var/lib/other"}, "/srv/lw"),
    ],
)
def test_a_user_s_state_lies_where_users_keep_it(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    """Option or variable first, then systemd's directory, then the XDG base directories."""
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert invoke("check-config").output.splitlines()[-1] == f"state directory: {expected}"


def test_root_s_state_lies_where_services_keep_it(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place a Debian administrator looks first."""
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    assert invoke("check-config").output.splitlines()[-1] == "state directory: /var/lib/loadwatch"


def test_the_terminal_gets_the_same_words(tmp_path: Path) -> None:
    """On a real terminal an error is no different from one in a pipe."""
    leader, follower = pty.openpty()
    process = subprocess.run(
        [sys.executable, "-m", "loadwatch", "history", "--state-directory", tmp_path],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        check=False,
        timeout=60,
    )
    os.close(follower)
    output = os.read(leader, 4096).decode()
    os.close(leader)
    assert process.returncode == 1
    assert output.startswith("loadwatch: cannot open")


@pytest.mark.parametrize("name", [name for name, module in COMMANDS.items()])
def test_no_line_of_a_listing_breaks_off(invoke: Invoke, name: str) -> None:
    """What a command of a group does is said to its end, in the 80 columns of a terminal."""
    group = cli.get_command(click.Context(cli), name)
    if isinstance(group, click.Group):
        assert "..." not in invoke(name, "--help").output.partition("Commands:")[2]


def test_what_is_in_force_is_shown_as_it_is_written(invoke: Invoke) -> None:
    """Each line can be copied into the file: durations with their units, what is not set as empty."""
    lines = invoke("check-config", "--set", "training.every=90m").output.splitlines()
    assert 'training.every = "1h30m"' in lines
    assert 'high_load.horizons = ["0s", "1m", "5m", "15m"]' in lines
    assert 'web.config_file = ""' in lines
    assert "alerts.budget_per_week = 2.0" in lines
    for line in lines[:-1]:
        key, _, value = line.partition(" = ")
        if not key.startswith("#") and value != '""':
            assert invoke("check-config", "--set", f"{key}={value}").exit_code == 0, line


def test_check_config_shows_a_maintenance_window_as_it_is_written(invoke: Invoke, tmp_path: Path) -> None:
    """The documented example passes, and its lines could be pasted back."""
    path = tmp_path / "loadwatch.toml"
    window = '{"cron": "0 3 * * sun", "for": "2h", "timezone": "Europe/Amsterdam", "why": "backup"}'
    path.write_text(f"[maintenance]\nwindows = [{window.replace(': ', ' = ')}]\n")
    shown = invoke("check-config", "--config", path, "--state-directory", tmp_path)
    assert shown.exit_code == 0, shown.output
    assert f"maintenance.windows = [{window}]" in shown.output
    as_json = invoke("check-config", "--json", "--config", path, "--state-directory", tmp_path)
    assert '"seconds": 7200.0' in as_json.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("web.listen_address=nowhere", "HOST:PORT"),
        ("web.config_file=/nonexistent/web.yml", "/nonexistent/web.yml"),
        ("web.route_prefix=/schön", "letters"),
        ("high_load.when=cpu > 1/0", "no finite result"),
        ("sampling.intervall=1s", "sampling.interval?"),
    ],
)
def test_what_the_daemon_refuses_is_refused_by_the_check(tmp_path: Path, setting: str, words: str) -> None:
    """Both say the same, and both end with 78."""
    ends = [
        program(command, "--state-directory", tmp_path, "--set", setting)
        for command in ("check-config", "run")
    ]
    assert [end.returncode for end in ends] == [78, 78]
    assert ends[0].stderr == ends[1].stderr
    assert words in ends[0].stderr


def test_the_check_knows_the_signals_of_this_host(invoke: Invoke, tmp_path: Path) -> None:
    """A misspelled signal is refused with the nearest name; one that was imported is known."""
    history = History.open(tmp_path / "history.db", clock=SystemClock())
    history.merge(Recording(np.array([1.0]), ("queue_length",), np.array([[2.0]])))
    history.close()

    def check(rule: str) -> Result:
        return invoke(
            "check-config", "--quiet", "--state-directory", tmp_path, "--set", f"high_load.when={rule}"
        )

    assert (check("queue_length > 3").exit_code, check("queue_length > 3").output) == (0, "")
    wrong = check("cpu > 0.1 or io_presure > 0.4")
    assert isinstance(wrong.exception, ConfigurationError)
    assert "did you mean 'io_pressure'?" in str(wrong.exception)


@pytest.mark.slow
def test_an_option_before_the_command_beats_the_environment(tmp_path: Path) -> None:
    """The later the stronger: file, environment, option, wherever the option stands."""
    for arguments in (
        ("--state-directory", tmp_path / "option", "check-config"),
        ("check-config", "--state-directory", tmp_path / "option"),
    ):
        end = program(*arguments, LOADWATCH_STATE_DIRECTORY=str(tmp_path / "variable"))
        assert f"state directory: {tmp_path / 'option'}" in end.stdout
    end = program("check-config", LOADWATCH_STATE_DIRECTORY=str(tmp_path / "variable"))
    assert f"state directory: {tmp_path / 'variable'}" in end.stdout
