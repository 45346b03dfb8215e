"""Maintenance, gaps and a clock set back: nothing is claimed that was not seen."""

from judge.evidence import HORIZONS, START, evidence, opened, run
from loadwatch.judge import Judge


def test_maintenance_silences_everything_and_closes_what_is_open() -> None:
    """No flag, no alert; the one that was open ends with the first sample in the window."""
    judge = Judge(HORIZONS)
    before = run(judge, (evidence(START + 5.0 * row, level=1.8) for row in range(400)))
    during = run(judge, (evidence(START + 2000 + 5.0 * row, 1.8, maintenance=True) for row in range(400)))
    assert len(opened(before)) == 1
    assert during[0].closed[0].end == START + 2000
    assert not any(any(judgement.high_load.values()) or judgement.anomaly for judgement in during)
    assert opened(during) == []


def test_a_long_gap_ends_what_was_going_on() -> None:
    """After an hour without samples nothing of before is claimed, and the alert is closed."""
    judge = Judge(HORIZONS)
    run(judge, (evidence(START + 5.0 * row, level=1.8) for row in range(400)))
    judgement = judge.update(evidence(START + 5600.0))
    assert [alert.end for alert in judgement.closed] == [START + 5.0 * 399]
    assert judgement.high_load[0] is False


def test_a_clock_set_back_does_not_upset_the_judge() -> None:
    """Time that runs again is judged again, without flags from the future."""
    judge = Judge(HORIZONS)
    run(judge, (evidence(START + 5.0 * row, level=1.8) for row in range(100)))
    judgements = run(judge, (evidence(START - 90_000 + 5.0 * row) for row in range(100)))
    assert not any(judgements[-1].high_load.values())
