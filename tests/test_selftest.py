"""The proofs that a user can run pass here too, and would not pass for a wrong network."""

import time

import numpy as np
import pytest

from loadwatch import selftest
from loadwatch.nn import MeanSquared


@pytest.fixture(scope="module")
def found() -> list[selftest.Finding]:
    return selftest.run()


@pytest.mark.slow
def test_every_finding_passes(found: list[selftest.Finding]) -> None:
    """On a sound machine the self-test is green, and each finding says what was expected."""
    assert [finding for finding in found if not finding.passed] == []
    assert all(finding.name and finding.expected for finding in found)


@pytest.mark.slow
def test_it_covers_what_it_promises(found: list[selftest.Finding]) -> None:
    """Gradients, XOR, the server-load task, files and speed."""
    names = " ".join(finding.name for finding in found)
    for word in ("gradient", "XOR", "server load", "files", "one row", "training step"):
        assert word in names


def test_wrong_gradient_fails_the_selftest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding is a measurement, not a compliment."""
    right = MeanSquared.terms

    def wrong(self: MeanSquared, *arrays: np.ndarray) -> None:
        right(self, *arrays)
        arrays[3][...] *= 0.9

    monkeypatch.setattr(MeanSquared, "terms", wrong)
    finding = selftest.gradients()
    assert not finding.passed
    assert finding.value > 0.01


@pytest.mark.slow
def test_server_load_is_learned_for_twenty_seeds() -> None:
    """3-8-4-1 on 1600 of 2000 rows: at least 0.985 on average, none under 0.97, in a blink.

    Always saying no scores about 0.8. Time is processor time, the best of twenty, 0.2 to 0.35 s
    by the machine.
    """
    accuracies, times = [], []
    for seed in range(20):
        started = time.process_time()
        accuracies.append(selftest.learn_server_load(seed)[0])
        times.append(time.process_time() - started)
    assert np.mean(accuracies) >= 0.985
    assert min(accuracies) >= 0.97
    assert min(times) < 1.0


def test_server_rows_are_mostly_calm() -> None:
    """About one row in five is high, so that accuracy means something."""
    _, y = selftest.server_rows(np.random.default_rng(0), 20_000)
    assert 0.15 < y.mean() < 0.25
