"""Training at the terminal: what was learned, how it was judged, and a picture of it."""

import contextlib
import json
import math
import sys
import time
from pathlib import Path

import pytest

from cli import hosts
from cli.conftest import Invoke
from loadwatch.cli.train import words_of
from loadwatch.daemon.retraining import ASKED
from loadwatch.history import History, StateLock
from loadwatch.interchange.csv import write_csv
from loadwatch.model.store import ModelStore
from loadwatch.training.order import Outcome

OPTIONS = ("--set", f"high_load.when={hosts.RULE}", "--set", f"sampling.interval={hosts.STEP:.0f}s")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of a made-up host, enough for a candidate to win its place; no model yet."""
    state = tmp_path_factory.mktemp("host") / "state"
    hosts.fill(state, hosts.recording(72, end=time.time()))
    return state


@pytest.mark.slow
def test_training_ends_with_a_judgement(invoke: Invoke, filled: Path, tmp_path: Path) -> None:
    """Rows, a table of the model beside what it had to beat, the decision, and the picture asked for."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "training.png"
    end = invoke("train", "--state-directory", filled, *OPTIONS, "--plot", picture)
    assert end.exit_code == 0, end.output
    assert end.output.startswith("published: no worse than")
    assert "learned from 8," in end.output
    assert "now  within 1 min  within 5 min within 15 min" in end.output
    assert all(name in end.output for name in ("candidate", "incumbent", "persistence", "static threshold"))
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = invoke("model", "show", "--state-directory", filled).output
    assert "judged on" in shown
    assert "loss  " in shown
    assert invoke("model", "list", "--state-directory", filled).output.splitlines()[-1].startswith("* ")
    rolled = invoke("model", "rollback", "--state-directory", filled)
    assert rolled.output.startswith("current model is now ")


@pytest.mark.slow
def test_a_training_is_warm_until_somebody_says_what_was(invoke: Invoke, tmp_path: Path) -> None:
    """The model's card tells which it was; after a label the weights are learned anew."""
    state, host = tmp_path / "state", hosts.recording(72, end=time.time() - 60.0)
    starts, cut = [], host.timestamps[-1] - 12 * 3_600.0
    for part in (host.between(-math.inf, cut), host.between(cut, math.inf), None):
        if part is None:
            span = ("--from", "5 hours ago", "--for", "10m")
            assert invoke("label", "--state-directory", state, *span, "normal").exit_code == 0
        else:
            hosts.fill(state, part)
        assert invoke("train", "--state-directory", state, *OPTIONS).exit_code == 0
        shown = invoke("model", "show", "--state-directory", state).output
        starts += [line.split()[1] for line in shown.splitlines() if line.startswith("start ")]
    assert starts == ["cold", "warm,", "cold"]


def written(path: Path, hours: float) -> Path:
    """The made-up host's past as a CSV file."""
    with path.open("w") as file:
        write_csv(hosts.recording(hours, end=time.time()), file)
    return path


@pytest.mark.slow
def test_an_import_ends_with_a_trained_model(invoke: Invoke, tmp_path: Path) -> None:
    """A host with a past has a real model after one command; a second import of the same has nothing new."""
    past, state = written(tmp_path / "past.csv", 72), tmp_path / "state"
    end = invoke("history", "import", past, "--state-directory", state, *OPTIONS)
    assert end.exit_code == 0, end.output
    assert "8640 of 8640 rows added" in end.output
    assert "published: no worse than" in end.output
    store = ModelStore(state / "models")
    assert store.card(str(store.current())).origin == "trained"
    again = invoke("history", "import", past, "--state-directory", state, *OPTIONS)
    assert again.output == "0 of 8640 rows added\n"


@pytest.mark.slow
def test_an_import_leaves_the_training_on_demand(invoke: Invoke, tmp_path: Path) -> None:
    """``--no-train`` stores the rows and nothing else; too short a past is told and is no failure."""
    past, state = written(tmp_path / "past.csv", 0.1), tmp_path / "state"
    end = invoke("history", "import", past, "--no-train", "--state-directory", state, *OPTIONS)
    assert end.output.startswith("12 of 12 rows added\n")
    assert not (state / "models").exists()
    more = written(tmp_path / "more.csv", 0.2)
    end = invoke("history", "import", more, "--state-directory", state, *OPTIONS)
    assert end.exit_code == 0, end.output
    assert "not yet enough to learn from" in end.output


def test_where_a_daemon_watches_the_import_asks_it_to_learn(invoke: Invoke, tmp_path: Path) -> None:
    """No second training beside the daemon's: it finds the wish in the history."""
    with StateLock(tmp_path):
        end = invoke(
            "history", "import", written(tmp_path / "past.csv", 1), "--state-directory", tmp_path, *OPTIONS
        )
    assert "the running daemon learns from them now" in end.output
    assert not (tmp_path / "models").exists()
    with contextlib.closing(History.read(tmp_path / "history.db")) as history:
        assert history.state(ASKED) is not None


@pytest.mark.slow
def test_a_training_without_new_rows_is_judged_on_the_newest_hours(invoke: Invoke, tmp_path: Path) -> None:
    """Twice in a row: the second is judged on hours, not on the row in between, and says what it left out."""
    hosts.fill(tmp_path, hosts.recording(24, end=time.time()))
    first = invoke("train", "--state-directory", tmp_path, *OPTIONS).output
    assert first.startswith("published: no worse than"), first
    again = invoke("train", "--state-directory", tmp_path, *OPTIONS).output
    verdict = again.splitlines()[0]
    assert verdict.startswith(("published: no worse than", "kept the old model: ")), again
    assert "on 361 new rows" in verdict
    assert "judged on 361 rows it had not seen" in again


def test_a_refusal_begins_with_the_verdict() -> None:
    """Who reads the first words knows that nothing has changed."""
    why = "kept the old model: on 90 new rows the Brier score of the new one is worse"
    first, second = words_of(Outcome("rejected", why, "v2", 1.0, 500))
    assert first == why
    assert second == "v2: what is usual was learned from 500 rows in 1.0 s"


@pytest.mark.slow
def test_json_is_the_outcome(invoke: Invoke, filled: Path) -> None:
    """Nothing but one document on standard output."""
    outcome = json.loads(invoke("train", "--json", "--state-directory", filled, *OPTIONS).output)["training"]
    assert outcome["result"] in {"published", "rejected"}
    assert outcome["rows"] > 2_000


def test_too_little_history_is_an_error(invoke: Invoke, tmp_path: Path) -> None:
    """It says how much there is and how much is needed."""
    hosts.fill(tmp_path, hosts.recording(0.1, end=time.time()))
    end = invoke("train", "--state-directory", tmp_path, *OPTIONS)
    assert end.exit_code == 1
    assert "855 s in 60 rows are needed" in str(end.exception)


def test_a_picture_that_cannot_be_is_refused_before_the_work(
    invoke: Invoke, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a training to learn of a wrong ending or a missing library."""
    before = sorted((filled / "models").glob("*"))
    wrong = invoke("train", "--state-directory", filled, *OPTIONS, "--plot", tmp_path / "a.gif")
    assert "expected one of .png, .svg, .pdf" in str(wrong.exception)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    missing = invoke("train", "--state-directory", filled, *OPTIONS, "--plot", tmp_path / "a.png")
    assert "pip install loadwatch[plot]" in str(missing.exception)
    assert sorted((filled / "models").glob("*")) == before


def test_history_shows_span_rows_and_gaps(invoke: Invoke, tmp_path: Path) -> None:
    """Where nothing was recorded is as telling as what was."""
    rows = hosts.recording(6, end=1_700_000_000.0)
    hosts.fill(tmp_path, rows.rows(0, 200))
    hosts.fill(tmp_path, rows.rows(400, 720))
    shown = invoke("history", "--state-directory", tmp_path, *OPTIONS).output
    assert "520 rows, 2023-11-14 16:13:50+00:00 to 2023-11-14 22:13:20+00:00" in shown
    assert "1 gap longer than ten sampling intervals" in shown
    assert "1h40m30s" in shown


@pytest.mark.slow
def test_the_status_document_of_a_trained_model_is_whole(invoke: Invoke, filled: Path) -> None:
    """The card's score is one number, whichever of the two models won, or none before any judgement."""
    invoke("train", "--state-directory", filled, *OPTIONS)
    store = ModelStore(filled / "models")
    cards = [store.card(version) for version in store.versions()]
    assert cards[0].brier is None
    assert all(0.0 <= (card.brier or 0.0) < 0.25 for card in cards)
    assert cards[-1].brier is not None
