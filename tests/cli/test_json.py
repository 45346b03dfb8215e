"""JSON for scripts: one form for all commands, so that what reads one reads them all."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documents import commands
from web.fake_daemon import Starter

from cli import hosts
from cli.conftest import Invoke
from loadwatch.clock import SystemClock
from loadwatch.culprits import culprit_words
from loadwatch.history import History
from loadwatch.json_documents import SCHEMA, of_alert
from loadwatch.records import Alert, Contribution, Culprit, Culprits, Label, Maintenance, Span

NOW = time.time()
CULPRITS = Culprits("cpu", NOW, 60.0, 4.0, (Culprit("process", "mysqld", 0.775, processes=1),))
ALERT = Alert(
    1,
    "high_load",
    NOW - 7200.0,
    NOW - 3600.0,
    horizon=300,
    signals=(Contribution("cpu", 0.5), Contribution("memory", math.nan)),
    culprits=CULPRITS,
)
PAGE = "# TYPE app_lag_seconds gauge\napp_lag_seconds 3\n"

with_json = [name for name, command in commands() if any("--json" in each.opts for each in command.params)]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory that has everything that a command could list."""
    folder = tmp_path / "state"
    hosts.fill(folder, hosts.recording(3, end=NOW))
    history = History.open(folder / "history.db", clock=SystemClock())
    history.keep_alert(ALERT)
    history.add_label(Label(Span(NOW - 7000.0, NOW - 6000.0), "high", "deploy\x1b[2J"))
    history.add_maintenance(Maintenance(Span(NOW, NOW + 600.0), "upgrade"))
    history.close()
    return folder


def lists_and_fields(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a document with the name under which it stands."""
    yield key, value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from lists_and_fields(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from lists_and_fields(each, "")


@pytest.mark.slow
@pytest.mark.parametrize("name", with_json)
def test_every_command_writes_the_same_form(
    name: str, invoke: Invoke, daemon: Starter, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One object with its schema; moments and horizons are named as such; lists are of one kind."""
    (tmp_path / "app.prom").write_text(PAGE, encoding="utf-8")
    monkeypatch.setenv("LOADWATCH_STATE_DIRECTORY", str(state))
    monkeypatch.setenv("LOADWATCH_URL", daemon().server.urls[0])
    windows = '[{ cron = "0 3 * * sun", for = "2h" }]'
    shared = ("--set", f"maintenance.windows={windows}", "--set", 'training.minimum="10m"')
    arguments = {
        "loadwatch signals try": [f"file://{tmp_path / 'app.prom'}"],
    }.get(name, [])
    if name.startswith("loadwatch model"):
        assert invoke("train", *shared).exit_code == 0
    options = () if name == "loadwatch selftest" else shared
    end = invoke(*name.split()[1:], *arguments, "--json", *options)
    assert end.exit_code == 0, end.output + repr(end.exception)
    document = json.loads(end.stdout, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert isinstance(document, dict)
    assert document["schema"] == SCHEMA
    fields = list(lists_and_fields(document))
    for key, value in fields:
        assert "\x1b" not in str(value)
        assert key not in {"start", "end", "horizon", "span_seconds", "timestamps"} or value is None, key
        assert not key.isdigit(), f"{key}: what stands under a number belongs into a list"
        if isinstance(value, list):
            kinds = {type(each) for each in value}
            assert len(kinds) <= 1, f"{key} mixes {kinds}"
            assert list not in kinds, f"{key} has lists in a list"
        if key.endswith("_timestamp") and value is not None:
            assert 1e9 < value < 1e10, f"{key} = {value} is no moment"


def test_all_commands_with_json_are_tried() -> None:
    """So that the test above does not become empty in silence."""
    assert {"loadwatch alerts", "loadwatch label list", "loadwatch status", "loadwatch train"} <= set(
        with_json
    )
    assert len(with_json) >= 11


def test_an_alert_is_the_same_everywhere(invoke: Invoke, daemon: Starter, state: Path) -> None:
    """What reads the alerts of the status document reads those of ``alerts``."""
    listed = json.loads(invoke("alerts", "--json", "--state-directory", state).output)["alerts"]
    shown = json.loads(invoke("status", "--json", "--url", daemon("busy").server.urls[0]).output)["alerts"]
    assert [sorted(each) for each in listed] == [sorted(shown[0])]
    (alert,) = listed
    assert alert["horizon_seconds"] == 300
    assert (alert["start_timestamp"], alert["end_timestamp"]) == (ALERT.start, ALERT.end)
    assert alert["contributions"] == [{"signal": "cpu", "value": 0.5}]
    assert alert["culprits"]["words"] == culprit_words(CULPRITS)
    assert (alert["judged"], alert["outcome"]) == ("right", "confirmed")
    assert of_alert(ALERT)["outcome"] == "false"
