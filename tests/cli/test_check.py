"""The check speaks to Nagios, Icinga and cron: one line and an exit code, and never OK out of ignorance."""

import os
import re
import subprocess
import sys
from pathlib import Path

import documents
import pytest
from conftest import eventually
from web.fake_daemon import FakeDaemon, Starter

from cli.conftest import Invoke, program
from loadwatch.cli import check

# After the guidelines: 'label'=value[UOM];[warn];[crit];[min];[max]
FIGURE = re.compile(r"\w{1,19}=(U|-?\d+(\.\d+)?s?)(;[-\d.:~]*){0,4}")


def url(fake: FakeDaemon) -> str:
    return fake.server.urls[0]


@pytest.mark.parametrize(
    ("scenario", "code", "words"),
    [
        ("calm", 0, "LOADWATCH OK: All is well."),
        ("maintenance", 0, "LOADWATCH OK: Maintenance. Nothing is flagged"),
        ("expected", 1, "LOADWATCH WARNING: High load expected within 5 minutes."),
        ("anomaly", 1, "LOADWATCH WARNING: Unlike itself."),
        ("busy", 2, "LOADWATCH CRITICAL: Under high load."),
        ("starting", 3, "LOADWATCH UNKNOWN: No verdict yet."),
    ],
)
def test_every_state_has_its_exit_code(
    invoke: Invoke, daemon: Starter, scenario: str, code: int, words: str
) -> None:
    """The status, what it is, and why, in one line; maintenance is said to be one."""
    end = invoke("check", "--url", url(daemon(scenario)))
    assert (end.exit_code, end.output.startswith(words)) == (code, True), end.output
    assert end.output.count("\n") == 1


@pytest.mark.slow
def test_a_stale_verdict_is_unknown(invoke: Invoke, daemon: Starter) -> None:
    """What was fine before the sampler hung says nothing of now."""
    fake = daemon("calm")
    fake.scenario = "stale"
    eventually(lambda: fake.board.status()["state"] == "stale", seconds=20, what="the verdict is withdrawn")
    end = invoke("check", "--url", url(fake))
    assert end.exit_code == 3
    assert end.output.startswith("LOADWATCH UNKNOWN: No fresh verdict.")
    assert "anomaly=U;;;0;1" in end.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "http://127.0.0.1:1"], "Connection refused"),
        (["--url", "ftp://host"], "expected http://host:port"),
        (["--no-such-option"], "--no-such-option"),
        (["--set", "sampling.intervall=1s"], "did you mean sampling.interval?"),
    ],
)
def test_whatever_goes_wrong_is_unknown(arguments: list[str], words: str) -> None:
    """Not 1 and not 2, which would be a warning and an alarm; said where the monitoring reads it."""
    end = program("check", *arguments)
    assert (end.returncode, end.stderr) == (3, "")
    assert end.stdout.startswith("LOADWATCH UNKNOWN: ")
    assert words in end.stdout
    assert end.stdout.count("\n") == 1


def test_a_stranger_s_answer_is_unknown(invoke: Invoke, daemon: Starter) -> None:
    """JSON or not: what is no loadwatch has no verdict."""
    end = invoke("check", "--url", f"{url(daemon())}metrics")
    assert (end.exit_code, "not as a loadwatch does" in end.output) == (3, True)


def test_every_state_of_the_daemon_is_known() -> None:
    """A new state gets an exit code by decision."""
    from typing import get_args  # noqa: PLC0415 - beside its use

    from loadwatch.web.wording import State  # noqa: PLC0415

    assert check.EXIT_CODES.keys() == set(get_args(State))


def test_performance_data_are_those_of_the_guidelines(invoke: Invoke, daemon: Starter) -> None:
    """Labels without quotes in 19 characters, units known to all, no exponents; one bar in the line."""
    line = invoke("check", "--url", url(daemon("busy"))).output.strip()
    _, figures = line.split("|")
    names = []
    for figure in figures.split():
        assert FIGURE.fullmatch(figure), figure
        names.append(figure.split("=")[0])
    horizons = [f"high_load_{horizon}s" for horizon in (0, 60, 300, 900)]
    assert names == [*horizons, "anomaly", "rule", "age"]
    assert re.search(r"rule=1\.05\d+;;~:1 ", line)


@pytest.mark.parametrize(
    ("value", "figure"),
    [(1e-9, "0.0000"), (1e20, "1" + "0" * 20 + ".0000"), (float("nan"), "U"), (None, "U")],
)
def test_figures_are_digits(value: float | None, figure: str) -> None:
    """What a graph cannot read is never written; an unknown value is U, never 0."""
    verdict = {"high_load": [], "anomaly": {"score": value}, "rule": None, "age_seconds": 1.0}
    assert next(check.performance_data(verdict)) == f"anomaly={figure};;;0;1"


def test_a_bar_in_the_text_begins_no_performance_data(
    invoke: Invoke, daemon: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system may be mounted on ``/a|b``, and break nobody's graphs."""
    fake = daemon("calm")
    genuine = fake.board.status()
    told = {**genuine, "state": "filling", "headline": "File system /a|b\nis 98 % full"}
    monkeypatch.setattr("loadwatch.cli.remote.Remote.status", lambda _remote: told)
    end = invoke("check", "--url", url(fake))
    assert end.exit_code == 1
    assert end.output.startswith(r"LOADWATCH WARNING: File system /a\x7cb is 98 % full. No high load now")
    assert end.output.count("|") == 1


def shown(name: str, pattern: str) -> str:
    """What a document shows, with the program of this checkout in the place of the installed one."""
    found = re.search(pattern, documents.block(name), re.MULTILINE)
    assert found is not None
    return found[1].replace("/opt/loadwatch/bin/loadwatch", f"{sys.executable} -m loadwatch")


@pytest.mark.parametrize(
    ("scenario", "words"), [("calm", ""), ("busy", "LOADWATCH CRITICAL: Under high load.")]
)
def test_cron_mails_only_what_is_not_ok(daemon: Starter, scenario: str, words: str) -> None:
    """The line of the manual, as cron hands it to a shell: silence while all is well."""
    line = shown("cron", r"^\*/5 \* \* \* \* (.*)$")
    environment = {**os.environ, "LOADWATCH_URL": url(daemon(scenario))}
    end = subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert (end.stdout[: len(words) or None], end.stderr) == (words, "")


def test_icinga_s_command_is_the_check(daemon: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of the manual's CheckCommand run."""
    monkeypatch.setenv("LOADWATCH_URL", url(daemon("expected")))
    words = re.findall(r'"([^"]+)"', shown("icinga", r"command = \[(.*)\]"))
    assert Path(words[0].split()[0]) == Path(sys.executable)
    assert program(*words[1:]).returncode == 1
