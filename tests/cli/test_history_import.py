"""``loadwatch history import`` gives a host a past, and a model and a judge that know it."""

import time
from pathlib import Path

import pytest

from cli import hosts
from cli.conftest import Invoke, invoke  # noqa: F401 - a fixture
from loadwatch import config as configuration
from loadwatch.clock import SystemClock
from loadwatch.daemon.verdicts import Verdicts
from loadwatch.exporter import Exporter
from loadwatch.history import History
from loadwatch.importers.csv import write_csv
from loadwatch.labels.rule import Rule
from loadwatch.model.store import ModelStore
from loadwatch.pipeline import Scorer

OPTIONS = ("--set", f"high_load.when={hosts.RULE}", "--set", f"sampling.interval={hosts.STEP:.0f}s")


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """Three days of a host that is busy every few hours, as CSV."""
    path = tmp_path / "past.csv"
    with path.open("w", encoding="utf-8") as stream:
        write_csv(hosts.recording(72, end=time.time()), stream)
    return path


@pytest.mark.slow
def test_an_import_is_learned_from(invoke: Invoke, past: Path, tmp_path: Path) -> None:  # noqa: F811
    """A machine with a history starts with a real model, and its judge calls nobody for the everyday."""
    state = tmp_path / "state"
    end = invoke("history", "import", "--state-directory", state, *OPTIONS, past)
    assert end.exit_code == 0, end.output
    assert "8640 of 8640 rows added" in end.output
    store = ModelStore(state / "models")
    version = store.current()
    assert version is not None
    model = store.load(version)
    assert model.card.origin == "trained"

    settings = configuration.load(None, environment={}, overrides=[OPTIONS[1], OPTIONS[3]])
    history = History.open(state / "history.db", clock=SystemClock())
    verdicts = Verdicts(settings, SystemClock(), history, Exporter(SystemClock(), hosts.STEP))
    verdicts.rehearse(Scorer(Rule.parse(hosts.RULE), model))
    known = verdicts._judge.to_state()
    assert known["last"] == pytest.approx(time.time(), abs=300.0)
    assert known["pager"]["open"] == []
    assert history.alerts() == []
    history.close()


def test_an_import_without_training_makes_no_model(invoke: Invoke, past: Path, tmp_path: Path) -> None:  # noqa: F811
    """Who wants to import several files learns once, at the end."""
    state = tmp_path / "state"
    end = invoke("history", "import", "--no-train", "--state-directory", state, *OPTIONS, past)
    assert end.exit_code == 0, end.output
    assert ModelStore(state / "models").current() is None
