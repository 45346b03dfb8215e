"""What a host is used to raises no alert, whether lived through or learned from a past."""

import json
from collections.abc import Mapping

import numpy as np
import pytest

from judge.evidence import (
    HORIZONS,
    START,
    evidence,
    run,
)
from loadwatch.judge import EvidenceBatch, Judge
from loadwatch.judge.seasonality import Profile
from loadwatch.records import Alert


def days(count: int, busy: Mapping[int, tuple[float, float]], step: float = 60.0) -> EvidenceBatch:
    """Days with one stretch of high load each, all alike but for ``busy``: day to (hour it begins, hours)."""
    rows = int(count * 86_400 / step)
    midnight = START // 86_400 * 86_400
    times = midnight + step * np.arange(rows)
    level = np.full(rows, 0.3)
    for day in range(count):
        hour, hours = busy.get(day, (9.0, 3.0))
        begin = midnight + day * 86_400 + hour * 3600
        level[(times >= begin) & (times < begin + hours * 3600)] = 1.1
    soon = np.array([level[row : row + 16].max() > 1.0 for row in range(rows)])
    chance = np.where(soon, 0.97, 0.02)
    return EvidenceBatch(
        times, level, np.column_stack([(level > 1.0) * 1.0, chance, chance, chance]), np.full(rows, 0.1)
    )


def day_of(alert: Alert) -> int:
    """Number of the day an alert began, from 0."""
    return int((alert.start - START // 86_400 * 86_400) // 86_400)


def part(batch: EvidenceBatch, first: int, last: int) -> EvidenceBatch:
    """Some rows of a batch."""
    rows = slice(first, last)
    return EvidenceBatch(
        batch.timestamps[rows], batch.levels[rows], batch.probabilities[rows], batch.anomaly_scores[rows]
    )


@pytest.mark.slow
def test_the_everyday_busy_hours_do_not_alert_every_day() -> None:
    """Once known, a host busy every morning raises no alert for it, though it is flagged each time."""
    judgements = Judge(HORIZONS).extend(days(42, {}))
    assert [alert for alert in judgements.opened if day_of(alert) >= 14] == []
    assert judgements.high_load[-86_400 // 60 * 7 :, 0].mean() == pytest.approx(3 / 24, abs=0.01)


@pytest.mark.slow
def test_a_backfilled_past_spares_the_pages_for_what_is_ordinary() -> None:
    """With two weeks of history a new judge raises no alert for the everyday morning, not even at first."""
    past, future = days(28, {}), 14 * 1440
    halves = [
        EvidenceBatch(
            past.timestamps[part], past.levels[part], past.probabilities[part], past.anomaly_scores[part]
        )
        for part in (slice(future), slice(future, None))
    ]
    judge = Judge(HORIZONS)
    judge.backfill(halves[0])
    assert judge.open_alerts == ()
    assert judge.extend(halves[1]).opened == ()
    assert Judge(HORIZONS).extend(halves[1]).opened != ()
    with pytest.raises(ValueError, match="backfill"):
        judge.backfill(halves[0])


@pytest.mark.slow
def test_a_judge_at_work_takes_over_a_past_that_was_imported() -> None:
    """It keeps its tokens and what is open, and raises no alert for the mornings that the past is full of."""
    whole, known, seen = days(28, {}), 14 * 1440, 14 * 1440 + 300
    running, unaware = Judge(HORIZONS), Judge(HORIZONS)
    for judge in (running, unaware):
        judge.extend(part(whole, known, seen))
    before = running.to_state()
    backfilled = Judge(HORIZONS)
    for first in range(0, seen, 1000):
        backfilled.backfill(part(whole, first, min(first + 1000, seen)))
    running.take_past(backfilled)
    assert running.since == whole.timestamps[0] < unaware.since
    after = running.to_state()
    assert (after["pager"]["purse"], after["pager"]["open"]) == (
        before["pager"]["purse"],
        before["pager"]["open"],
    )
    assert running.extend(part(whole, seen, len(whole))).opened == ()
    assert unaware.extend(part(whole, seen, len(whole))).opened != ()


@pytest.mark.slow
def test_a_judge_that_starts_from_a_past_can_be_stored() -> None:
    """In the half hour in which the backfill ended, or after a gap: nothing in its state is unknown."""
    past = days(14, {})
    end = float(past.timestamps[-1])
    for later in (1.0, 400.0, 90_000.0):
        judge, backfilled = Judge(HORIZONS), Judge(HORIZONS)
        backfilled.backfill(past)
        judge.take_past(backfilled)
        run(judge, (evidence(end + later + second) for second in range(10)))
        restored = Judge.from_state(json.loads(json.dumps(judge.to_state(), allow_nan=False)), HORIZONS)
        assert restored.since == past.timestamps[0]


def test_what_is_more_than_usual_still_alerts() -> None:
    """On the same host, a morning that goes on until the evening and a busy night each raise an alert."""
    judgements = Judge(HORIZONS).extend(days(42, {30: (9.0, 9.0), 36: (23.0, 0.9)}))
    assert sorted({day_of(alert) for alert in judgements.opened if day_of(alert) >= 14}) == [30, 36]


def test_what_a_half_hour_is_used_to_its_neighbours_are_used_to() -> None:
    """A job that comes ten minutes early or late, across the border of a half hour, is no news."""
    profile = Profile(48, rate=0.12, rise=0.3, fall=0.1)
    for _ in range(10):
        profile.learn(10, 900.0)
    used_to = profile.usual(10)
    assert used_to > 800.0
    assert [profile.usual(slot) for slot in (8, 9, 11, 12)] == [0.0, used_to, used_to, 0.0]
