"""One label of high load is enough to know its pattern again, and nothing else is taken for it."""

import numpy as np
import pytest

from loadwatch.labels.horizons import inside
from loadwatch.model.patterns import TOP, LabelledPatterns
from loadwatch.records import Label, Recording, Span
from loadwatch.training.patterns import learn_patterns

START, STEP, HOURS = 1.7e9, 30.0, 72
SIGNALS = ("cpu", "memory", "disk", "disk_write", "network_transmit")
QUIET = np.full(HOURS * 120, 0.5)


def host(*episodes: tuple[float, float, float, float], hours: float = HOURS, seed: int = 0) -> Recording:
    """A quiet host. episodes: hour it begins, minutes, how much more CPU, and how much more disk."""
    rng = np.random.default_rng(seed)
    times = START + STEP * np.arange(int(hours * 3600 / STEP))
    count, cpu, disk = len(times), np.zeros(len(times)), np.zeros(len(times))
    for hour, minutes, more_cpu, more_disk in episodes:
        mine = inside(times, [span(hour, minutes)])
        cpu[mine] += more_cpu
        disk[mine] += more_disk
    day = np.sin(times / 86_400.0 * 2.0 * np.pi)
    columns = [
        0.25 + 0.05 * day + rng.normal(0.0, 0.02, count) + cpu,
        0.4 + 0.05 * day + rng.normal(0.0, 0.005, count),
        0.05 + np.abs(rng.normal(0.0, 0.01, count)) + disk,
        1e6 * rng.lognormal(0.0, 0.3, count) * (1.0 + 70.0 * disk),
        2e5 * rng.lognormal(0.0, 0.3, count),
    ]
    return Recording(times, SIGNALS, np.column_stack(columns))


def span(hour: float, minutes: float) -> Span:
    """A span of the host's time."""
    return Span(START + 3600.0 * hour, START + 3600.0 * hour + 60.0 * minutes)


def high(hour: float = 50.0, minutes: float = 15.0, identity: int = 1) -> Label:
    """The operator's word."""
    return Label(span(hour, minutes), "high", identity=identity)


def labelled_by(recording: Recording, *labels: Label) -> LabelledPatterns:
    """The patterns, of which there must be some."""
    labelled, notes = learn_patterns(recording, QUIET, labels)
    assert labelled is not None, notes
    return labelled


def chances(labelled: LabelledPatterns, recording: Recording) -> np.ndarray:
    """The chance at each row."""
    return labelled.stream().extend(recording).chances


EPISODE = (50.0, 15.0, 0.3, 0.8)


def test_signals_far_from_ordinary_weigh_the_same() -> None:
    """A disk that is dozens of deviations away does not decide alone where the CPU is eight away."""
    (pattern,) = labelled_by(host((50.0, 15.0, 0.5, 0.8)), high()).patterns
    assert set(pattern.signals) == {"cpu", "disk", "disk_write"}
    np.testing.assert_allclose(pattern.weights, 1.0 / 3.0)


def test_the_same_pattern_is_known_again_and_nothing_else_is() -> None:
    """It comes back on another day and is as good as certain; not one ordinary row is touched."""
    past, coming = host(EPISODE), host((10.0, 15.0, 0.3, 0.8), seed=1)
    labelled = labelled_by(past, high())
    again = inside(coming.timestamps, [Span(span(10.0, 0).start + 120.0, span(10.0, 15).end)])
    assert np.median(chances(labelled, coming)[again]) == TOP
    for recording, hour in ((past, 50.0), (coming, 10.0)):
        ordinary = ~inside(recording.timestamps, [span(hour, 16.0)])
        assert not chances(labelled, recording)[ordinary].any()


@pytest.mark.parametrize(("share", "known"), [(0.9, True), (1.3, True), (0.5, False)])
def test_a_little_less_is_known_and_more_is_as_high_but_half_is_not(share: float, known: bool) -> None:
    """Patterns never come back exactly; that a host does half as much is another matter."""
    labelled = labelled_by(host(EPISODE), high())
    coming = host((10.0, 15.0, share * 0.3, share * 0.8), seed=2)
    # Writes are judged by their logarithm, so half of them is most of the way: disk and CPU hold against it.
    mine = inside(coming.timestamps, [Span(span(10.0, 0).start + 120.0, span(10.0, 15).end)])
    assert (np.median(chances(labelled, coming)[mine]) > 0.5) == known


def test_what_was_called_normal_is_never_taken_for_it() -> None:
    """The nightly backup is as hard on the disk, but was called normal: with CPU as well it is high."""
    night, both = (26.0, 40.0, 0.0, 0.8), EPISODE
    normal = Label(span(26.0, 40.0), "normal", identity=2)
    labelled = labelled_by(host(night, both), normal, high())
    backup, storm = host((10.0, 40.0, 0.0, 0.8), seed=3), host((10.0, 15.0, 0.3, 0.8), seed=4)
    assert chances(labelled, backup).max() < 0.5
    assert chances(labelled, storm).max() > 0.9


def test_what_only_looks_alike_is_told_apart_by_what_differs() -> None:
    """Short backups at night, of which nobody spoke, are not flagged for a label on one with CPU."""
    nights = [(hour, 15.0, 0.0, 0.8) for hour in (2.0, 26.0, 52.0)]
    labelled = labelled_by(host(*nights, (50.0, 15.0, 0.15, 0.8)), high())
    assert set(labelled.signals) == {"cpu", "disk", "disk_write"}
    backup, both = host((10.0, 15.0, 0.0, 0.8), seed=3), host((10.0, 15.0, 0.15, 0.8), seed=4)
    assert chances(labelled, backup).max() < 0.5
    assert chances(labelled, both).max() > 0.9


def test_an_earlier_time_that_nobody_named_does_not_hide_it() -> None:
    """The operator labelled the third occurrence only; silence about the others is no contradiction."""
    labelled = labelled_by(host((2.0, 15.0, 0.3, 0.8), (26.0, 15.0, 0.3, 0.8), EPISODE), high())
    assert chances(labelled, host((10.0, 15.0, 0.3, 0.8), seed=1)).max() == TOP


@pytest.mark.parametrize(
    ("episodes", "label", "why"),
    [
        ((), high(), "no signal tells it from ordinary times"),
        ([(hour, 240.0, 0.3, 0.8) for hour in range(0, 72, 12)], high(48.0), "ordinary"),
        ([EPISODE], high(50.0, 1.0), "are needed to know it again"),
        ([EPISODE], high(-3.0), "are needed to know it again"),
        ([(50.0, 10.0, 0.5, 0.0), (50.0 + 1 / 6, 5.0, 0.2, 0.0)], high(), "too unlike each other"),
    ],
)
def test_a_label_that_cannot_be_told_apart_teaches_nothing_and_says_why(episodes, label, why) -> None:
    """An ordinary hour, what never ends, two rows, none, a third of it much weaker: no chance is raised."""
    label = label if label.span.end > START else Label(span(71.99, 9.0), "high", identity=1)
    labelled, notes = learn_patterns(host(*episodes), QUIET, [label])
    assert labelled is None
    assert len(notes) == 1
    assert notes[0].startswith("label 1 (high): ")
    assert why in notes[0]


def test_what_the_rule_calls_high_needs_no_teaching() -> None:
    """Otherwise the way up to the rule's own limit would be taken for high."""
    past = host(EPISODE)
    levels = np.where(inside(past.timestamps, [EPISODE_SPAN]), 1.2, 0.5)
    labelled, notes = learn_patterns(past, levels, [high()])
    assert labelled is None
    assert notes == ("label 1 (high): the rule itself calls it high",)


EPISODE_SPAN = span(50.0, 15.0)


def test_a_pattern_outlives_its_rows_but_not_its_label() -> None:
    """A label of last month counts though its samples are deleted; taken back, it counts no more."""
    labelled = labelled_by(host(EPISODE), high())
    later = host().rows(0, 4_000)
    later = Recording(later.timestamps + 90 * 3600.0, later.signals, later.values)
    edge = host(EPISODE).between(span(50.0, 14.0).end, np.inf)  # one minute of it is left
    for rows in (edge, later):
        kept, _ = learn_patterns(rows, QUIET[: len(rows)], [high()], before=labelled)
        assert kept is not None
        assert kept.patterns == labelled.patterns
    assert learn_patterns(later, QUIET[:4_000], [], before=labelled).labelled is None


def test_without_a_label_there_is_nothing() -> None:
    """No label of high load: no pattern, no note, and so not one changed number."""
    other = [Label(EPISODE_SPAN, "normal"), Label(EPISODE_SPAN, "incident")]
    assert learn_patterns(host(EPISODE), QUIET, other) == (None, ())
