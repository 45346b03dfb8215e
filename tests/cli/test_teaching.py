"""After one label the same pattern is judged differently; the documents show these figures."""

import re
from collections import Counter
from pathlib import Path

import documents
import numpy as np
import pytest

from cli.conftest import Invoke, invoke  # noqa: F401 - a fixture
from loadwatch.clock import SystemClock
from loadwatch.history import History
from loadwatch.judge import EvidenceBatch, Judge
from loadwatch.labels.rule import DEFAULT_WORD, Rule
from loadwatch.model.store import ModelStore
from loadwatch.pipeline import Scorer, Scores
from loadwatch.records import Alert, Recording

STEP = 30.0
LENGTH = 2_400.0
QUARTER = 900.0
OPTIONS = ("--set", f"sampling.interval={STEP:.0f}s")


def host(start: float, hours: float, backup: float, *, seed: int, length: float = LENGTH) -> Recording:
    """A quiet host whose disk, and somewhat its CPU, is busy for ``length`` seconds from ``backup`` on."""
    rng = np.random.default_rng(seed)
    times = np.arange(start, start + 3_600.0 * hours, STEP)
    count, busy = len(times), (times >= backup) & (times < backup + length)
    day = np.sin(times / 86_400.0 * 2.0 * np.pi)
    cpu = 0.25 + 0.1 * day + rng.normal(0.0, 0.03, count) + 0.25 * busy
    memory = 0.4 + 0.05 * day + rng.normal(0.0, 0.005, count)
    disk = 0.05 + rng.normal(0.0, 0.01, count) + 0.8 * busy
    writes = 1e6 * rng.lognormal(0.0, 0.3, count) * np.where(busy, 60.0, 1.0)
    sent = 2e5 * rng.lognormal(0.0, 0.3, count)
    signals = ("cpu", "memory", "disk", "disk_write", "network_transmit")
    return Recording(times, signals, np.clip(np.column_stack([cpu, memory, disk, writes, sent]), 0.0, None))


def scorer_after(state: Path, past: Recording) -> Scorer:
    """The model in use, which has seen the past."""
    store = ModelStore(state / "models")
    version = store.current()
    assert version is not None
    scorer = Scorer(Rule.parse(DEFAULT_WORD), store.load(version))
    scorer.extend(past)
    return scorer


def score_of(state: Path, past: Recording, coming: Recording, backup: float) -> float:
    """Mean anomaly score of the coming backup, by the model in use, from its sixth minute on."""
    scores = scorer_after(state, past).extend(coming).anomaly
    during = (coming.timestamps >= backup + 300.0) & (coming.timestamps < backup + LENGTH)
    return float(scores[during].mean())


def flags_of(scorer: Scorer, coming: Recording, scores: Scores) -> np.ndarray:
    """Flags (N, H) of a fresh judge with the thresholds of the model."""
    forecast = scorer.model.forecast
    judge = Judge(forecast.horizons)
    judge.adopt(forecast.by_horizon())
    batch = EvidenceBatch(coming.timestamps, scores.levels, scores.probabilities, scores.anomaly)
    return judge.extend(batch).high_load


@pytest.mark.slow
def test_what_was_labelled_normal_is_judged_as_normal(invoke: Invoke, tmp_path: Path) -> None:  # noqa: F811
    """A flagged backup stays odd until an operator says otherwise; then the next one is ordinary."""
    now = SystemClock().wall() // 86_400.0 * 86_400.0 - 43_200.0  # yesterday noon, whatever the hour
    backup = now - 5 * 3_600.0
    past = host(now - 72 * 3_600.0, 72, backup, seed=0)
    coming = host(now, 3, now + 3_600.0, seed=7)
    history = History.open(tmp_path / "history.db", clock=SystemClock())
    history.merge(past)
    history.keep_alert(Alert(1, "anomaly", backup + 120.0, backup + LENGTH))
    history.close()

    assert invoke("train", "--state-directory", tmp_path, *OPTIONS).exit_code == 0
    before = score_of(tmp_path, past, coming, now + 3_600.0)
    span = ("--from", f"{backup:.0f}", "--to", f"{backup + LENGTH:.0f}")
    assert invoke("label", "--state-directory", tmp_path, *span, "normal").exit_code == 0
    assert invoke("train", "--state-directory", tmp_path, *OPTIONS).exit_code == 0
    after = score_of(tmp_path, past, coming, now + 3_600.0)

    assert before > 0.9
    assert after < 0.5
    shown = documents.block("labelled-normal")
    assert [before, after] == pytest.approx(
        [float(cell) for cell in re.findall(r"\| (0\.\d+) \|", shown)], abs=0.1
    )


@pytest.mark.slow
def test_what_was_labelled_high_is_flagged_when_it_comes_again(invoke: Invoke, tmp_path: Path) -> None:  # noqa: F811
    """One label, whatever the rule says: the pattern is flagged in minutes, and nothing else is raised."""
    now = SystemClock().wall() // 86_400.0 * 86_400.0 - 43_200.0
    told, again = now - 5 * 3_600.0, now + 3_600.0
    past = host(now - 72 * 3_600.0, 72, told, seed=0, length=QUARTER)
    coming = host(now, 6, again, seed=7, length=QUARTER)
    history = History.open(tmp_path / "history.db", clock=SystemClock())
    history.merge(past)
    history.close()
    times = coming.timestamps
    during = (times >= again + 180.0) & (times < again + QUARTER)
    # What follows the end within the minute that is being gathered, and what may be foretold, is neither.
    elsewhere = (times < again - QUARTER) | (times > again + QUARTER + 120.0)

    assert invoke("train", "--state-directory", tmp_path, *OPTIONS).exit_code == 0
    unaware = scorer_after(tmp_path, past)
    before = unaware.extend(coming)
    span = ("--from", f"{told:.0f}", "--to", f"{told + QUARTER:.0f}")
    assert invoke("label", "--state-directory", tmp_path, *span, "high").exit_code == 0
    said = invoke("train", "--state-directory", tmp_path, *OPTIONS).output
    assert "label 1 (high): known again by disk" in said
    aware = scorer_after(tmp_path, past)
    after = aware.extend(coming)

    flags = flags_of(aware, coming, after)
    assert not flags_of(unaware, coming, before).any()
    assert (flags[during] == 1).all()
    assert not (flags[elsewhere] == 1).any()
    rise = after.probabilities[elsewhere] - before.probabilities[elsewhere]
    assert rise.max() < 0.01
    # On the whole: on which signal the network leans in one row depends on the day's load under the pattern.
    totals: Counter[str] = Counter()
    for row in np.flatnonzero(during):
        totals.update({part.signal: part.value for part in aware.contributions(int(row))["high_load"]})
    assert {signal for signal, _ in totals.most_common(2)} == {"disk", "disk_write"}
    shown = documents.block("labelled-high")
    measured = [
        value
        for scores in (before, after)
        for value in (scores.probabilities[during, 0].mean(), scores.probabilities[elsewhere].max())
    ]
    assert measured == pytest.approx([float(cell) for cell in re.findall(r"\| (\d\.\d+) ", shown)], abs=0.02)
