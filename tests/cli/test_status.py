"""The status answers on one screen whether the host is fine, why, and how far to trust that."""

import json
import re
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from conftest import eventually
from web.certificates import make_authority
from web.fake_daemon import FakeDaemon, Starter

from cli.conftest import Invoke, program
from loadwatch.cli.screen import since_the_first
from loadwatch.cli.status_text import facts


def url(fake: FakeDaemon) -> str:
    return fake.server.urls[0]


def test_the_screen_answers_the_three_questions(invoke: Invoke, daemon: Starter) -> None:
    """Verdict by horizon, what moves it, and model, training, alerts and history; within 24 lines of 80."""
    shown = invoke("status", "--url", url(daemon("busy"))).output
    assert max(map(len, shown.splitlines())) <= 80
    for words in (
        "web-03.example.net  Under high load",
        r"now +█+[▏▎▍▌▋▊▉█]?─* +\d+ % +flagged",
        r"within 15 min",
        r"signals +cpu_pressure .* load \+0\.41",
        r"rule +over its limit, 1\.06 times; cpu decides",
        r"expected +peak within 15 minutes: 106 % of the limit to over 150 %",
        r"culprits +mysqld \(mysql\.service\) 3\.1 of 4 CPUs; backup\.service 0\.6 of 4",
        r"model +20260412T031500-12 \(trained\), 5 h old",
        r"next in (59|60) min",
        r"alerts +3 in seven days \(budget 2\)",
        r"high load foretold within 5 min +confirmed",
        r"482,113 rows over 28 d",
    ):
        assert re.search(words, shown), (words, shown)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"level": 0.9, "deciding": ["cpu"]}, "at 90 % of its limit; cpu decides"),
        ({"level": 0.3, "deciding": ["network_receive", "network_transmit"]}, "network_transmit decide"),
        ({"level": -4.0, "deciding": ["cpu"]}, "at 0 % of its limit"),
        ({"level": 1.0, "deciding": ["cpu"]}, "at 99.9 % of its limit"),
        ({"level": 1.0000001, "deciding": ["cpu"]}, "over its limit; cpu decides"),
        ({"level": 20.0, "deciding": []}, "over its limit, 20 times"),
    ],
)
def test_the_rule_is_explained(rule: dict[str, Any], words: str) -> None:
    """CPU at 99 % and yet no high load: the screen says what the rule is short of."""
    verdict = {"rule": rule}
    calm = {"model": None, "alerts": [], "maintenance": [], "history": {"rows": 0}, "now_timestamp": 0.0}
    training = dict.fromkeys(("next_timestamp", "last_success_timestamp", "failures", "rejections"))
    worth = {"alerts_this_week": {}, "budget_per_week": None}
    worth |= dict.fromkeys(("forecast_hit_ratio", "forecast_lead_time_seconds"))
    document = calm | {"verdict": verdict, "worth": worth, "training": training | {"state": "idle"}}
    document["training"]["last_message"] = ""
    assert words in next(facts(document)).text


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("starting", "No verdict yet"),
        ("stale", "No verdict yet"),
        ("maintenance", "Maintenance"),
        ("calm", "All is well"),
    ],
)
def test_every_state_has_its_screen(invoke: Invoke, daemon: Starter, scenario: str, words: str) -> None:
    """Also where there is nothing to say yet."""
    end = invoke("status", "--url", url(daemon(scenario)))
    assert end.exit_code == 0
    assert words in end.output


@pytest.mark.slow
def test_without_a_fresh_verdict_nothing_is_called_unlikely(invoke: Invoke, daemon: Starter) -> None:
    """The line for high load stays and says that it is unknown."""
    fake = daemon("calm")
    fake.scenario = "stale"
    eventually(lambda: fake.board.status()["state"] == "stale", seconds=20, what="the verdict is withdrawn")
    assert re.search(r"high load +now +unknown", invoke("status", "--url", url(fake)).output)


def test_json_is_the_whole_document(invoke: Invoke, daemon: Starter) -> None:
    """What a program needs, in the schema of the API."""
    document = json.loads(invoke("status", "--json", "--url", url(daemon())).output)
    assert (document["schema"], document["host"]) == (2, "web-03.example.net")


def test_check_is_an_exit_code(invoke: Invoke, daemon: Starter) -> None:
    """For health checks: silent, 0 with a fresh verdict, 1 without."""
    ends = [invoke("status", "--check", "--url", url(daemon(scenario))) for scenario in ("calm", "starting")]
    assert [(end.exit_code, end.output) for end in ends] == [(0, ""), (1, "")]


def test_a_pipe_gets_plain_text(daemon: Starter) -> None:
    """No colours, no control characters, no spaces at the ends of lines."""
    end = program("status", "--url", url(daemon("busy")), FORCE_COLOR="", TERM="xterm-256color")
    assert "\x1b" not in end.stdout
    assert [line for line in end.stdout.splitlines() if line != line.rstrip()] == []


def test_a_terminal_without_unicode_gets_ascii(daemon: Starter) -> None:
    """A serial console shows the same bars in characters it has."""
    end = program("status", "--url", url(daemon("busy")), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert end.stdout.isascii(), end.stdout
    assert re.search(r"now +#+-* +\d+ % +flagged", end.stdout)


@pytest.mark.slow
def test_a_password_goes_into_the_url(invoke: Invoke, daemon: Starter, tmp_path: Path) -> None:
    """Without one, or with a wrong one, the message says so and how to give it; it is never shown."""
    users = tmp_path / "web.yml"
    users.write_text(f"basic_auth_users:\n  me: {bcrypt.hashpw(b's:cret', bcrypt.gensalt(4)).decode()}\n")
    users.chmod(0o600)
    address = url(daemon(config_file=users)).removeprefix("http://")
    assert invoke("status", "--url", f"http://me:s%3Acret@{address}").exit_code == 0
    without = program("status", "--url", f"http://{address}")
    assert (without.returncode, "wants a password" in without.stderr) == (1, True)
    wrong = program("status", "--url", f"http://me:guess@{address}")
    assert "the password of 'me' is not accepted" in wrong.stderr
    assert "guess" not in wrong.stderr


def test_tls_is_checked_unless_told_otherwise(invoke: Invoke, daemon: Starter, tmp_path: Path) -> None:
    """A private authority is named with --cacert; --insecure accepts any; else the refusal says both."""
    authority = make_authority(tmp_path / "authority")
    certificate, key = authority.issue("daemon")
    settings = tmp_path / "web.yml"
    settings.write_text(f"tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\n")
    address = url(daemon(config_file=settings))
    assert address.startswith("https://")
    assert invoke("status", "--url", address, "--cacert", authority.certificate).exit_code == 0
    assert invoke("status", "--url", address, "--insecure").exit_code == 0
    refused = program("status", "--url", address)
    assert (refused.returncode, "--cacert, or accept any with --insecure" in refused.stderr) == (1, True)


def test_the_configured_daemon_is_asked(invoke: Invoke, daemon: Starter) -> None:
    """Without --url it is the one of this host's configuration, under its prefix."""
    address = url(daemon(route_prefix="/lw")).removeprefix("http://").split("/")[0]
    end = invoke("status", "--set", f"web.listen_address={address}", "--set", "web.route_prefix=/lw")
    assert "web-03.example.net" in end.output


def test_something_else_there_is_told_apart(invoke: Invoke, daemon: Starter) -> None:
    """A page that is no loadwatch is not shown as one."""
    end = program("status", "--url", f"{url(daemon())}metrics")
    assert (end.returncode, "not as a loadwatch does" in end.stderr) == (1, True)


@pytest.mark.slow
def test_waiting_for_a_start_needs_no_loop_of_one_s_own(daemon: Starter) -> None:
    """A stopped daemon is an error that a script can retry on."""
    fake = daemon()
    address = url(fake)
    eventually(
        lambda: program("status", "--check", "--url", address).returncode == 0, seconds=20, what="fresh"
    )


def test_sixty_columns_keep_every_reason_whole(daemon: Starter) -> None:
    """A narrow window loses the bars and not what drives the verdict."""
    shown = program("status", "--url", url(daemon("anomaly")), COLUMNS="60").stdout
    assert "anomaly 46 %" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 60


def test_lines_of_history_begin_with_the_daemon() -> None:
    """Of an hour with five minutes lived the empty rest is not drawn; of a full hour nothing is cut."""
    empty = [None] * 330
    young = {
        "start_timestamp": 1_000.0,
        "resolution_seconds": 10.0,
        "probabilities": {"0": [*empty, *[0.5] * 30]},
        "signals": {"cpu": [*empty, *[0.1] * 30]},
        "anomaly": [None] * 360,
    }
    cut = since_the_first(young)
    assert cut["probabilities"]["0"] == [0.5] * 30
    assert (len(cut["signals"]["cpu"]), len(cut["anomaly"])) == (30, 30)
    assert cut["start_timestamp"] == 4_300.0
    full = {"probabilities": {"0": [0.5] * 360}, "signals": {}, "anomaly": [0.1] * 360}
    assert since_the_first(full) == full
    assert since_the_first({}) == {}
