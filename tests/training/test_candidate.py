"""What the daemon and a replay leave out of what is usual is the same, by one function."""

import numpy as np

from loadwatch.records import Alert, Label, Recording, Span
from loadwatch.training.candidate import TrainingInput

TIMES = 1e9 + 60.0 * np.arange(100)


def suspect(levels, *, alerts=(), labels=()):
    """The rows that are not taken for usual."""
    recording = Recording(TIMES, ("cpu",), np.zeros((100, 1)))
    spans = TrainingInput(recording, labels, alerts=alerts).suspect(levels)
    return [row for row, at in enumerate(TIMES.tolist()) if any(at in span for span in spans)]


def test_high_load_by_the_rule_is_not_usual():
    """From its first row to its last; an unknown level is not high."""
    levels = np.full(100, 0.5)
    levels[10:14], levels[99], levels[50] = 1.2, 1.1, np.nan
    assert suspect(levels) == [10, 11, 12, 13, 99]


def test_a_label_has_the_last_word_on_high_load():
    """Said to be high is high, said to be normal is not."""
    levels = np.full(100, 0.5)
    levels[10:20] = 1.2
    labels = [
        Label(Span(TIMES[10], TIMES[18]), "normal"),
        Label(Span(TIMES[40], TIMES[42]), "high"),
    ]
    assert suspect(levels, labels=labels) == [18, 19, 40, 41]


def test_anomaly_alerts_are_not_usual_and_an_open_one_has_no_end():
    """Other alerts are the rule's business."""
    alerts = [
        Alert(1, "anomaly", TIMES[5], TIMES[8]),
        Alert(2, "high_load", TIMES[20], TIMES[30]),
        Alert(3, "anomaly", TIMES[97]),
    ]
    assert suspect(np.full(100, 0.5), alerts=alerts) == [5, 6, 7, 97, 98, 99]
