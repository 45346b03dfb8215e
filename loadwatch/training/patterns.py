"""From labels of high load to patterns: what sets the span apart from ordinary times, and how far it reaches.

Only what the rule does not call high by itself is learned as a pattern. The reach of a pattern ends where
ordinary times begin: what operators called normal is never in it, and of all that nobody spoke of at most
``MOST_ORDINARY``, for an earlier occurrence may have gone unnamed. A label that cannot be told from ordinary
times teaches nothing, and the note says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from loadwatch.features.moments import signed_log
from loadwatch.features.recurrence import Flags
from loadwatch.features.resample import whole_minutes
from loadwatch.labels.horizons import inside
from loadwatch.model.patterns import LabelledPatterns, Pattern
from loadwatch.records import Floats, Label, Recording, Span
from loadwatch.signals import FILLING

MOST_PATTERNS: Final = 32
MOST_SIGNALS: Final = 8
LEAST_MINUTES: Final = 3
APART: Final = 3.0
"""Deviations between ordinary times and the labelled span from which on a signal tells them apart."""
ENOUGH_APART: Final = 6.0  # more weighs no more: one signal alone is not to decide
LEAST_SPREAD: Final = 0.02  # of two per cent of a rate, or two points of a ratio: less is no difference
HIGHEST, LOWEST, NARROWEST = 0.85, 0.70, 0.05
"""Likeness at which the chance is whole, at which it begins, and how near to each other they may come."""
LEAST_SIMILARITY: Final = 0.5
MOST_ORDINARY: Final = 0.01  # of the minutes that nobody spoke of: a quarter of an hour a day
ROBUST: Final = 1.4826  # median absolute deviations in a standard deviation of the normal distribution


class LearnedPatterns(NamedTuple):
    """What came of the labels: the patterns, and a note for each label that is new in the history."""

    labelled: LabelledPatterns | None
    notes: tuple[str, ...]


class _History(NamedTuple):
    """Minutes of a recording: when, what (M, J) as `signed_log`, which are ordinary, high by rule, normal."""

    signals: tuple[str, ...]
    timestamps: Floats
    x: Floats
    high: Flags
    ordinary: Flags
    normal: Flags


def learn_patterns(
    recording: Recording,
    levels: Floats,
    labels: Sequence[Label],
    masks: Iterable[Span] = (),
    before: LabelledPatterns | None = None,
) -> LearnedPatterns:
    """The patterns of the labels "high"; levels (N,) are those of the rule.

    ``before``: those of the model in use. Of a label whose rows are no longer all kept, its pattern is kept.
    """
    labelled = [label for label in labels if label.kind == "high"]
    if not labelled or not len(recording):
        return LearnedPatterns(None, ())
    history = _minutes(recording, levels, labels, masks)
    old = {} if before is None else {pattern.label: pattern for pattern in before.patterns}
    patterns, notes = [], []
    for label in labelled[-MOST_PATTERNS:]:
        if label.span.start < recording.timestamps[0] and label.identity in old:
            patterns.append(old[label.identity])  # a part of its rows would make a poorer one
            continue
        if label.span.end <= recording.timestamps[0]:
            continue
        found = _pattern(history, label)
        if isinstance(found, Pattern):
            patterns.append(found)
            found = f"known again by {', '.join(found.signals)}"
        notes.append(f"label {label.identity} (high): {found}")
    return LearnedPatterns(LabelledPatterns(tuple(patterns)) if patterns else None, tuple(notes))


def _minutes(
    recording: Recording, levels: Floats, labels: Sequence[Label], masks: Iterable[Span]
) -> _History:
    high = np.where(np.isfinite(levels), levels > 1.0, np.nan)
    t, means = whole_minutes(
        recording.timestamps,
        len(recording.signals) + 1,
        lambda rows: np.column_stack([recording.values[rows], high[rows]]),
    )
    by_rule = np.nan_to_num(means[:, -1]) > 0.5
    spoken = [label.span for label in labels]
    normal = inside(t, [label.span for label in labels if label.kind == "normal"])
    ordinary = ~by_rule & ~inside(t, [*masks, *spoken])
    return _History(recording.signals, t, signed_log(means[:, :-1]), by_rule, ordinary, normal)


def _pattern(history: _History, label: Label) -> Pattern | str:
    """The pattern of one label, or why there is none."""
    span = inside(history.timestamps, [label.span])
    mine = span & ~history.high
    if 2 * mine.sum() < span.sum():
        return "the rule itself calls it high"
    if mine.sum() < LEAST_MINUTES:
        return f"{int(mine.sum())} minutes of it are recorded, {LEAST_MINUTES} are needed to know it again"
    if history.ordinary.sum() < LEAST_MINUTES:
        return "there is no ordinary time to tell it from"
    pattern = _telling_apart(history, label, mine, history.ordinary)
    if pattern is None:
        return "no signal tells it from ordinary times"
    similarity = _similarity(history, pattern)
    alike = (history.ordinary | history.normal) & (similarity >= LOWEST)
    if alike.sum() >= LEAST_MINUTES:
        # A backup each night is half of "backup and computing": what is not in both must decide.
        deciding = _telling_apart(history, label, mine, alike, besides=pattern.signals)
        if deciding is not None:
            pattern = _both(pattern, deciding)
            similarity = _similarity(history, pattern)
    return _within_reach(pattern, similarity, mine, history)


def _telling_apart(
    history: _History, label: Label, mine: Flags, others: Flags, besides: Sequence[str] = ()
) -> Pattern | None:
    """What tells the minutes of a label from others, in signals ``besides`` these; None if nothing does."""
    usual, spread = _middle(history.x[others])
    labelled, own = _middle(history.x[mine])
    apart = np.nan_to_num(np.abs(labelled - usual) / np.hypot(spread, own), nan=0.0)
    seldom_known = np.isfinite(history.x[mine]).mean(axis=0) <= 0.5
    # What fills up tells every day from the one before.
    apart[seldom_known | np.isin(history.signals, [*besides, *FILLING])] = 0.0
    places = [place for place in np.argsort(-apart, kind="stable")[:MOST_SIGNALS] if apart[place] >= APART]
    if not places:
        return None
    weights = np.minimum(apart[places], ENOUGH_APART)
    signals = tuple(history.signals[place] for place in places)
    weights /= weights.sum()
    return Pattern(label.identity, signals, usual[places], labelled[places], weights, LOWEST, HIGHEST)


def _both(one: Pattern, other: Pattern) -> Pattern:
    """Half of the similarity to each."""
    return replace(
        one,
        signals=(*one.signals, *other.signals),
        usual=np.concatenate([one.usual, other.usual]),
        labelled=np.concatenate([one.labelled, other.labelled]),
        weights=0.5 * np.concatenate([one.weights, other.weights]),
    )


def _similarity(history: _History, pattern: Pattern) -> Floats:
    """The similarity (M,) of all minutes to a pattern."""
    places = [history.signals.index(name) for name in pattern.signals]
    similarity: Floats = pattern.shares(history.x[:, places]).sum(axis=1)
    return similarity


def _within_reach(pattern: Pattern, similarity: Floats, mine: Flags, history: _History) -> Pattern | str:
    """The pattern with a reach that holds three quarters of its own minutes, and ends before others begin."""
    highest = min(HIGHEST, float(np.quantile(similarity[mine], 0.25)))
    lowest = highest - (HIGHEST - LOWEST)
    if lowest < LEAST_SIMILARITY:
        return "its minutes are too unlike each other"
    others = [lowest, float(np.quantile(similarity[history.ordinary], 1.0 - MOST_ORDINARY))]
    if history.normal.any():
        others.append(float(similarity[history.normal].max()))
    lowest = max(others)
    # What is as near to it as its own minutes are to each other could only be told apart by chance.
    highest = max(highest, min(lowest + NARROWEST, float(np.median(similarity[mine]))))
    if highest - lowest < 0.5 * NARROWEST:
        return "it looks like times that are ordinary or were called normal"
    return replace(pattern, lowest=lowest, highest=highest)


def _middle(x: Floats) -> tuple[Floats, Floats]:
    """Median and robust deviation (J,) of known values (N, J), the latter never nothing; NaN if unknown."""
    centre, spread = np.full(x.shape[1], np.nan), np.full(x.shape[1], np.nan)
    for place, column in enumerate(x.T):
        known = column[np.isfinite(column)]
        if len(known):
            centre[place] = np.median(known)
            spread[place] = max(ROBUST * float(np.median(np.abs(known - centre[place]))), LEAST_SPREAD)
    return centre, spread
