"""When a history has grown enough to learn from it again, and from what weights that begins."""

import numpy as np
import pytest

from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Card
from loadwatch.records import Recording
from loadwatch.training.candidate import TrainingInput, goes_on
from loadwatch.training.order import next_interval

HOUR = 3600.0
RULE = Rule.parse("cpu > 0.8")


@pytest.mark.parametrize(
    ("history", "interval"),
    [
        (0.0, 0.25),  # at first the least that is learned from
        (1.0, 1.0),  # then whenever it has doubled
        (5.0, 5.0),
        (6.0, 6.0),  # then as often as configured
        (36.0, 6.0),
        (60.0, 10.0),  # and at last when it has grown by a sixth
        (2160.0, 360.0),
    ],
)
def test_a_young_history_is_learned_often_and_an_old_one_seldom(history: float, interval: float) -> None:
    """Configured are a quarter of an hour at least, and every six hours; all numbers are hours."""
    assert next_interval(history * HOUR, 6.0 * HOUR, 0.25 * HOUR) == pytest.approx(interval * HOUR)


@pytest.mark.parametrize(
    ("card", "rewritten", "judged_from", "expected"),
    [
        ({}, -np.inf, 22.0, True),
        ({"origin": "bootstrap"}, -np.inf, 22.0, False),
        ({"rule": "cpu > 0.7"}, -np.inf, 22.0, False),
        ({}, 19.0, 22.0, True),  # the label before the model was learned with it
        ({}, 21.0, 22.0, False),
        ({}, -np.inf, 19.0, False),  # it would be judged on rows that its start has learned
        ({"cold": 10.0}, -np.inf, 22.0, True),
        ({"cold": 9.0}, -np.inf, 22.0, False),
        ({"cold": 0.0}, -np.inf, 22.0, False),  # of a version that kept no such time
    ],
)
def test_a_training_goes_on_from_weights_of_what_is_stored_still(card, rewritten, judged_from, expected):
    """Not from another rule's, nor past a label or a removal, nor for ever; all numbers are hours of 24."""
    times = np.arange(0.0, 24.0 * HOUR + 1.0, 300.0)
    material = TrainingInput(
        Recording(times, ("cpu",), np.zeros((len(times), 1))), rewritten=rewritten * HOUR
    )
    old = Card(
        version="v",
        origin=card.get("origin", "trained"),
        trained_timestamp=0.0,
        host="host",
        rule=card.get("rule", RULE.text),
        horizons=(0, 60),
        signals=("cpu",),
        row_seconds=300.0,
        start_timestamp=0.0,
        end_timestamp=20.0 * HOUR,
        rows=240,
        duration_seconds=1.0,
        cold_start_timestamp=card.get("cold", 20.0) * HOUR,
    )
    assert goes_on(material, RULE, old, judged_from * HOUR) == expected
