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


def test_incidents_of_real_servers_are_found_quietly_and_their_signals_named():
    """Learned on one half of each machine: precise, quiet at the threshold of the model, and soon over.

    Contributions name a signal that the publishers named more often than the largest deviations do. One test,
    because the training takes half a minute and workers share no fixture.
    """
    tool, machines = bench.scoring_tool(), bench.cases("smd")
    judged = [bench.judged(case) for case in machines]
    found = [
        bench.measure(case, each.scores, tool, flags=True)
        for case, each in zip(machines, judged, strict=True)
    ]
    assert np.mean([figures.ap for figures in found]) >= 0.555
    assert np.mean([figures.recall for figures in found]) >= 0.87
    assert max(figures.false_episodes for figures in found) <= 3.0
    assert np.median([figures.flagged for figures in found]) <= 0.02
    assert np.median([figures.clear for figures in found]) <= 20.0
    named = bench.named_metrics()
    shares = np.array(
        [
            bench.attributions(case, each.contributions, named[case.name])
            for case, each in zip(machines, judged, strict=True)
        ]
    )
    ours, plain = (shares[:, k] @ shares[:, 2] / shares[:, 2].sum() for k in (0, 1))
    assert ours >= plain


def test_incidents_of_every_kind_are_found_on_hosts_with_days_and_weeks():
    """Laid into real recordings: above every baseline, and no kind is unseen."""
    hosts, (inject, laid) = bench.injected_cases()
    ap, recall, kinds = inject.judge(laid, [bench.frozen(case) for case in hosts])
    assert ap >= 0.27
    assert recall >= 0.33
    assert min(kinds.values()) >= 0.14
    for baseline in (bench.time_of_day_smoothed, bench.principal_components):
        other = inject.judge(laid, [baseline(case) for case in hosts])
        assert ap > other[0]
        assert recall > other[1]


def test_what_is_called_the_daemons_is_what_it_samples():
    """The figures on its own columns rest on signals that a sampler reads, each for one recorded column."""
    assert set(bench.SAMPLED.values()) <= set(NAMES)
    assert len(set(bench.SAMPLED.values())) == len(bench.SAMPLED)
    first = min((bench.SHARED / "data" / "smd").glob("*.csv.gz"))
    assert set(bench.SAMPLED) <= set(bench.load(first).recording.signals)
