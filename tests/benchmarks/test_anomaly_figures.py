"""The promises about anomalies hold on the recordings they were measured on."""

import sys
from pathlib import Path

import numpy as np
import pytest

from loadwatch.signals import NAMES

sys.path.insert(0, str(Path(__file__).parent))
bench = pytest.importorskip("bench_anomaly", reason="needs scikit-learn")
if not bench.SHARED.exists():
    pytest.skip("the recordings are not beside the repository", allow_module_level=True)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def machines():
    return bench.cases("smd")


def test_incidents_of_real_servers_are_found_quietly(machines):
    """Learned on one half of each machine: precise, and quiet at the threshold of the model itself."""
    tool, settings = bench.scoring_tool(), bench.AnomalySettings()
    found = [bench.measure(case, bench.frozen(case, settings), tool, threshold=0.5) for case in machines]
    episodes = [figures.false_episodes for figures in found]
    assert np.mean([figures.ap for figures in found]) >= 0.54
    assert np.mean([figures.recall for figures in found]) >= 0.86
    assert 0.3 <= np.mean(episodes) <= 1.5
    assert max(episodes) <= 3.0


def test_contributions_name_a_signal_that_the_publishers_named(machines):
    """More often than the largest deviations do."""
    named = bench.named_metrics()
    found = np.array([bench.attributions(case, named[case.name]) for case in machines])
    ours, plain = (found[:, k] @ found[:, 2] / found[:, 2].sum() for k in (0, 1))
    assert ours >= plain


def test_what_is_called_the_daemons_is_what_it_samples(machines):
    """The figures on its own columns rest on signals that a sampler reads, each for one recorded column."""
    assert set(bench.SAMPLED.values()) <= set(NAMES)
    assert len(set(bench.SAMPLED.values())) == len(bench.SAMPLED)
    assert set(bench.SAMPLED) <= set(machines[0].recording.signals)
