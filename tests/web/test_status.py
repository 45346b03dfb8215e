"""The status document says what is known, in figures and in words, and nothing else."""

import json
import math
from dataclasses import replace

import pytest
from manual_clock import ManualClock

from loadwatch.build import Build
from loadwatch.judge.statistics import AlertStatistics
from loadwatch.model.bundle import Card
from loadwatch.records import (
    Alert,
    Contribution,
    Culprit,
    Culprits,
    Filling,
    Label,
    Maintenance,
    ModelInfo,
    NoAlert,
    Sample,
    Snapshot,
    Span,
)
from loadwatch.web import Board, Facts, TrainingStatus, build_status
from loadwatch.web.wording import in_words

CALM = Snapshot(
    sample=Sample(1_700_000_000.0, 1_000.0, {"cpu": 0.25, "memory": math.nan, "queue": 3.0}),
    probabilities={300: 0.125, 0: 0.0625},
    high_load={300: False, 0: False},
    anomaly_score=0.25,
    anomaly=False,
    contributions={"high_load": (Contribution("memory", 0.01), Contribution("cpu", -0.5))},
    model=ModelInfo("v7", "trained", 1_699_990_000.0),
)
FACTS = Facts(
    host="web-1",
    card=Card(
        *("v7", "trained", 0.0, "h", "cpu > 0.9", (0,), ("cpu",), 60.0, 0.0, 10.0, 1000, 5.0),
        losses={"train": 0.125},
        thresholds={"anomaly": math.nan},
    ),
    training=TrainingStatus(last_duration_seconds=12.5, next_timestamp=1_700_000_123.5),
    worth={"high_load": AlertStatistics(2.0, 4, 1, 2.0, 0.5, 4, 0.75, 240.0)},
    budget_per_week=2.0,
    labels=(Label(Span(40.0, 50.0), "normal", "a \x1b copy", 7),),
    trainings=(Span(60.0, 70.0), Span(80.0, math.inf)),
    alerts=(Alert(1, "high_load", start=10.0, end=20.0), Alert(2, "anomaly", start=30.0)),
    maintenance=(Maintenance(Span(100.0, math.inf), "disk"),),
)


FULL = (Filling("file system /var", 0.98, 10_800.0), Filling("tracked connections", 0.999))


def document(snapshot: Snapshot | None = CALM, age: float = 1.0) -> dict:
    return build_status(snapshot, FACTS, age=age, interval=5.0, now=1_700_000_001.0)


def test_a_source_that_fails_is_told_in_words() -> None:
    """By name and reason, for the terminal and the page alike; a stale verdict says nothing of now."""
    failing = {"disk": "cannot read /proc/diskstats", "http://[::1]/metrics": "http://[::1]/metrics: refused"}
    snapshot = replace(CALM, failing=failing)
    told = document(snapshot)["verdict"]["failing"]
    assert [each["words"] for each in told] == [
        "disk: cannot read /proc/diskstats",
        "http://[::1]/metrics: refused",
    ]
    assert document(snapshot, age=100.0)["verdict"]["failing"] == []


def test_a_fresh_verdict_is_told_whole() -> None:
    """Horizons in order of time, contributions by strength, unknown values as null."""
    status = document()
    assert (status["state"], status["host"]) == ("fine", "web-1")
    assert status["verdict"]["high_load"] == [
        {"horizon_seconds": 0, "probability": 0.0625, "flag": False},
        {"horizon_seconds": 300, "probability": 0.125, "flag": False},
    ]
    assert status["verdict"]["contributions"]["high_load"][0] == {"signal": "cpu", "value": -0.5}
    assert [signal["value"] for signal in status["signals"]] == [0.25, None, 3.0]
    assert status["model"]["version"] == "v7"
    assert (status["model"]["rows"], status["model"]["losses"]) == (1000, {"train": 0.125})
    assert (status["model"]["brier"], status["model"]["thresholds"]) == (None, {"anomaly": None})
    assert status["training"]["last_duration_seconds"] == 12.5
    assert status["training"]["next_timestamp"] == 1_700_000_123.5
    assert status["worth"]["forecast_lead_time_seconds"] == 240
    assert status["worth"]["false_per_week"] == {"high_load": 0.5}
    assert [alert["start_timestamp"] for alert in status["alerts"]] == [30, 10]
    assert status["maintenance"][0]["end_timestamp"] is None
    assert status["trainings"][1] == {"start_timestamp": 80.0, "end_timestamp": None}
    assert status["labels"][0]["kind"] == "normal"
    assert "\x1b" not in status["labels"][0]["why"]


def test_what_is_nearly_certain_is_not_called_certain() -> None:
    """Page and terminal say ">99.9 %" of it; six digits would make it 100 %."""
    told = document(replace(CALM, probabilities={0: 0.9999998, 300: 1.0}))["verdict"]["high_load"]
    assert [each["probability"] for each in told] == [0.9999998, 1.0]


def test_the_document_says_how_near_the_rule_is_to_its_limit() -> None:
    """And which signals decide: why this is high load by the operator's words, or what it is short of."""
    known = document(replace(CALM, load_level=0.62, deciding=("cpu", "memory")))
    assert known["verdict"]["rule"] == {"level": 0.62, "deciding": ["cpu", "memory"]}
    assert document(replace(CALM, load_level=math.nan))["verdict"]["rule"] is None
    assert document()["verdict"]["rule"] is None


def test_the_document_names_the_build_that_runs() -> None:
    """Of a whole fleet one can ask who runs what; null where the build did not know its commit."""
    assert document()["build"] is None
    facts = replace(FACTS, build=Build("0123456789abcdef", 1_772_366_400, changed=True))
    status = build_status(CALM, facts, age=1.0, interval=5.0, now=1_700_000_001.0)
    assert status["build"] == {"commit": "0123456789abcdef", "timestamp": 1_772_366_400, "changed": True}


def test_the_document_names_who_uses_what_drives_the_verdict() -> None:
    """In words and in figures while something is flagged; of an alert as it was at its worst."""
    backup = Culprit("unit", "backup.service", 0.78, stalled=True, pressure=0.65)
    found = Culprits("io", 1_699_999_990.0, 15.0, None, (backup,))
    facts = replace(FACTS, alerts=(Alert(1, "high_load", start=10.0, culprits=found),))
    loaded = replace(CALM, culprits={"high_load": found})
    status = build_status(loaded, facts, age=1.0, interval=5.0, now=1_700_000_001.0)
    told = status["verdict"]["culprits"]
    assert told == status["alerts"][0]["culprits"]
    assert (told["resource"], told["words"]) == ("io", "backup.service: 78 % of the I/O stall")
    first = told["named"][0]
    assert (first["name"], first["share"], first["pressure"]) == ("backup.service", 0.78, 0.65)
    assert document()["verdict"]["culprits"] is None
    assert document(loaded, age=100.0)["verdict"]["culprits"] is None


def test_how_high_load_will_get_is_told_in_figures_and_words() -> None:
    """By horizon; nothing where it is not known."""
    told = document(replace(CALM, level_forecast={900: (0.7, 1.2), 60: (0.6, 1.5)}))["verdict"][
        "level_forecast"
    ]
    assert told == [
        {
            "horizon_seconds": 60,
            "quantiles": {"0.5": 0.6, "0.9": 1.5},
            "words": "peak within 1 minute: 60 % of the limit to over 150 %",
        },
        {
            "horizon_seconds": 900,
            "quantiles": {"0.5": 0.7, "0.9": 1.2},
            "words": "peak within 15 minutes: 70 to 120 % of the limit",
        },
    ]
    assert document()["verdict"]["level_forecast"] == []


def test_a_stale_verdict_is_withdrawn() -> None:
    """After three intervals the document keeps the time of the sample and nothing of what it led to."""
    status = document(age=15.001)
    assert status["state"] == "stale"
    assert status["verdict"] == {
        "timestamp": 1_700_000_000.0,
        "age_seconds": 15.001,
        "fresh": False,
        "high_load": [],
        "flagged_by": None,
        "rule": None,
        "level_forecast": [],
        "unknown": [],
        "failing": [],
        "no_alert": None,
        "filling": [],
        "anomaly": {"score": None, "flag": None},
        "contributions": {},
        "culprits": None,
    }


@pytest.mark.parametrize("snapshot", [None, CALM])
@pytest.mark.parametrize("age", [0.0, 100.0, math.inf])
def test_the_document_is_strict_json(snapshot: Snapshot | None, age: float) -> None:
    """No NaN or infinity, which browsers and jq refuse."""
    if snapshot is None or age < math.inf:
        json.dumps(document(snapshot, age), allow_nan=False)


@pytest.mark.parametrize(
    ("changes", "state", "headline"),
    [
        ({}, "fine", "All is well"),
        ({"high_load": {}}, "unknown", "No verdict yet"),
        ({"high_load": {0: True, 300: True}}, "high_load", "Under high load"),
        ({"high_load": {0: False, 300: True, 900: True}}, "expected", "High load expected within 5 minutes"),
        ({"anomaly": True}, "anomaly", "Unlike itself"),
        ({"anomaly": False, "anomaly_score": 0.9}, "fine", "All is well"),
        ({"anomaly": False, "alerts": {"anomaly": "present"}}, "anomaly", "Unlike itself"),
        ({"anomaly": True, "high_load": {0: True}}, "high_load", "Under high load"),
        ({"maintenance": True, "anomaly": True}, "maintenance", "Maintenance"),
        ({"unknown": {"cpu": "refused"}}, "unknown", "CPU is unknown: refused"),
        ({"filling": FULL}, "filling", "File system /var is 98 % full; at this rate full in 3 hours"),
        ({"filling": FULL, "anomaly": True}, "anomaly", "Unlike itself"),
        ({"filling": FULL, "unknown": {"cpu": "refused"}}, "unknown", "CPU is unknown: refused"),
        ({"unknown": {"cpu": "refused"}, "high_load": {}}, "unknown", "CPU is unknown: refused"),
        ({"unknown": {"cpu": "refused"}, "high_load": {0: True}}, "high_load", "Under high load"),
        ({"alerts": {"high_load": "expected"}, "anomaly": True}, "expected", "High load expected"),
    ],
)
def test_the_gravest_truth_is_the_headline(changes: dict, state: str, headline: str) -> None:
    """One glance says what matters most."""
    words = in_words(replace(CALM, **changes), fresh=True, age=1.0)
    assert (words.state, words.headline) == (state, headline)


@pytest.mark.parametrize("changes", [{}, {"anomaly": True}, {"unknown": {"cpu": "refused"}}])
def test_all_that_fills_up_is_said_whatever_the_headline(changes: dict) -> None:
    """Nobody looks for a full disk in vain because something graver goes on; nothing is rounded up."""
    words = in_words(replace(CALM, filling=FULL, **changes), fresh=True, age=1.0)
    said = f"{words.headline}. {words.detail}"
    assert "File system /var is 98 % full; at this rate full in 3 hours." in said
    assert "Tracked connections are at 99 % of their limit." in said
    assert document(replace(CALM, filling=FULL))["verdict"]["filling"][0]["full_in_seconds"] == 10_800


def test_a_graver_verdict_says_what_is_unknown_beside_it() -> None:
    """Whoever looks for the cause of high load hears that one signal cannot be read."""
    snapshot = replace(CALM, anomaly=True, unknown={"cpu": "refused", "io_pressure": "refused"})
    words = in_words(snapshot, fresh=True, age=1.0)
    assert "CPU and I/O pressure are unknown: refused." in words.detail
    assert document(snapshot)["verdict"]["unknown"][0] == {"signal": "cpu", "why": "refused"}


def test_the_words_name_what_drives_the_verdict() -> None:
    """Signals that speak for the verdict, strongest first; not those that speak against it."""
    parts = (Contribution("cpu", -0.9), Contribution("memory", 0.22), Contribution("cpu_pressure", 0.41))
    snapshot = replace(CALM, high_load={0: True}, contributions={"high_load": parts}, flagged_by="limit")
    assert in_words(snapshot, fresh=True, age=1.0).detail == (
        "Limits on the signals were passed; driven by cpu_pressure +0.41, memory +0.22."
    )


def test_the_words_do_not_name_what_hardly_counts() -> None:
    """Beside a signal that decides, one with a fiftieth of its weight would only distract."""
    parts = (Contribution("cpu", 0.83), Contribution("memory", 0.2), Contribution("steal", 0.02))
    snapshot = replace(CALM, high_load={0: True}, contributions={"high_load": parts}, probabilities={0: 0.9})
    assert in_words(snapshot, fresh=True, age=1.0).detail == "Driven by cpu +0.83, memory +0.20."


def test_a_rule_that_holds_is_not_called_unlikely() -> None:
    """Where the model does not know the rule yet, the rule speaks: it is the definition."""
    ruled = replace(CALM, high_load={0: True}, probabilities={0: 0.01}, load_level=1.2, deciding=("cpu",))
    assert in_words(ruled, fresh=True, age=1.0).detail.startswith("The rule says so, though the model")


def test_a_flag_that_is_only_held_says_so() -> None:
    """Beside a probability of nearly nothing, the reasons of a minute ago would be read as those of now."""
    parts = (Contribution("cpu", 0.23),)
    held = replace(CALM, high_load={0: True}, probabilities={0: 0.002}, contributions={"high_load": parts})
    assert in_words(held, fresh=True, age=1.0).detail == (
        "It has just become unlikely; the flag stays until that has lasted."
    )
    guarded = in_words(replace(held, flagged_by="limit"), fresh=True, age=1.0)
    assert guarded.detail == "Limits on the signals were passed; driven by cpu +0.23."


def test_the_board_shows_the_age_by_clocks_that_cannot_be_set() -> None:
    """The wall clock jumps a day, and a night asleep counts: the age is right in both cases."""
    clock = ManualClock()
    board = Board(clock, interval=5.0)
    assert board.status()["state"] == "unknown"
    board.publish(replace(CALM, sample=Sample(clock.wall(), clock.monotonic(), {})))
    clock.set_wall(clock.wall() + 86_400)
    clock.advance(2.0)
    assert board.status()["verdict"]["age_seconds"] == 2.0
    clock.suspend(3_600.0)
    assert board.status()["state"] == "stale"
    board.publish(None)
    assert board.status()["verdict"] is None


def test_a_flag_without_an_alert_says_since_when_and_why() -> None:
    """Status, page and top show the same sentence; a program reads its parts."""
    quiet = NoAlert("high_load", 1_700_000_000.0, "high load is usual at this hour, on about 9 of 10 days")
    snapshot = replace(CALM, high_load={0: True}, no_alert=quiet)
    status = document(snapshot)
    assert status["detail"].endswith("; no alert: high load is usual at this hour, on about 9 of 10 days.")
    assert "Flagged as high load since " in status["detail"]
    assert status["verdict"]["no_alert"] == {
        "verdict": "high_load",
        "since_timestamp": 1_700_000_000.0,
        "why": "high load is usual at this hour, on about 9 of 10 days",
    }
