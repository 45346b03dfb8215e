"""The first model is there at once and sane on hosts it has never seen."""

import numpy as np
import pytest

from loadwatch.labels.rule import DEFAULT_RULE, Rule
from loadwatch.records import Recording
from loadwatch.training.bootstrap import train_bootstrap
from loadwatch.training.forecast import Lesson

HORIZONS = (0, 60, 300, 900)


def host(step: float, base: float, *, stress: slice = slice(0, 0), rows: int = 2_000) -> Recording:
    """A real host's few signals: level with noise, then all CPUs at work."""
    rng = np.random.default_rng(7)
    cpu = np.clip(base + 0.01 * rng.standard_normal(rows), 0.0, 1.0)
    cpu[stress] = 1.0
    return Recording(
        1.7e9 + step * np.arange(rows), ("cpu", "memory"), np.column_stack([cpu, np.full(rows, 0.4)])
    )


def forecast(model, rule: Rule, recording: Recording) -> np.ndarray:
    values = recording.with_signals(model.spec.signals).values
    features = model.features().extend(recording.timestamps, values, rule.levels(recording))
    return model.probabilities(features)


@pytest.mark.slow
@pytest.mark.parametrize("text", [DEFAULT_RULE, "cpu > 0.8", "requests > 5000"])
@pytest.mark.parametrize("step", [1.0, 5.0, 60.0, 300.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_host_without_history_is_judged_sanely(text, step, seed):
    """Idle or half busy: improbable at every horizon. When the rule holds: now is certain, within samples."""
    rule = Rule.parse(text)
    model, _ = train_bootstrap(rule, HORIZONS, step=step, seed=seed)
    for base in (0.02, 0.4):
        recording = host(step, base, stress=slice(1_500, 1_600))
        levels = rule.levels(recording)
        probabilities = forecast(model, rule, recording)
        assert probabilities[200:1_500, :3].max() < 0.2
        assert probabilities[200:1_500].mean() < 0.2
        assert (probabilities[levels > 1.0, 0] > 0.9).all()
        assert (probabilities[levels <= 1.0, 0] < 0.1).all()


@pytest.mark.slow
@pytest.mark.parametrize("rows", [180, 4_000])
def test_a_model_learned_from_a_quiet_host_still_knows_high_load(rows):
    """A quarter of an hour, or a day, without high load does not make it unthinkable."""
    rule = Rule.parse(DEFAULT_RULE)
    model, _ = Lesson(host(5.0, 0.02, rows=rows), rule, HORIZONS).earlier()
    recording = host(5.0, 0.02, stress=slice(rows, rows + 100), rows=rows + 150)
    high = rule.levels(recording) > 1.0
    probabilities = forecast(model, rule, recording)
    assert (probabilities[high, 0] > 0.8).all()
    assert (probabilities[~high, 0] < 0.1).all()


@pytest.mark.slow
@pytest.mark.parametrize("step", [1.0, 5.0, 60.0])
def test_a_host_that_was_high_from_the_start_is_expected_to_stay_so(step):
    """The daemon may start in the middle of the trouble: all horizons beyond the next sample say so."""
    rule = Rule.parse(DEFAULT_RULE)
    model, _ = train_bootstrap(rule, HORIZONS, step=step)
    beyond = np.array(HORIZONS) > step
    assert forecast(model, rule, host(step, 1.0, rows=1_000))[5:, beyond].min() > 0.5
