"""A labelled pattern lifts the forecast where the present looks like it, and nowhere else."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Card, Model
from loadwatch.model.patterns import TOP, LabelledPatterns, Pattern, explained, lifted
from loadwatch.pipeline import Scorer
from loadwatch.records import Contribution, Recording
from loadwatch.training.bootstrap import train_bootstrap

HORIZONS = (0, 60, 900)
PATTERN = Pattern(
    7, ("disk", "io"), np.array([0.1, 0.0]), np.array([0.6, 0.3]), np.array([0.5, 0.5]), 0.7, 0.85
)
LABELLED = LabelledPatterns((PATTERN,))


def recording(rows: int = 400, *, busy: tuple[int, int] = (200, 300), step: float = 5.0) -> Recording:
    """A host whose disk is busy between two rows, in noise."""
    rng = np.random.default_rng(0)
    busy_rows = (np.arange(rows) >= busy[0]) & (np.arange(rows) < busy[1])
    disk = 0.1 + 0.9 * busy_rows + rng.normal(0.0, 0.01, rows)
    return Recording(
        1.7e9 + step * np.arange(rows),
        ("cpu", "disk", "io"),
        np.column_stack([0.3 + rng.normal(0.0, 0.05, rows), disk, 0.5 * busy_rows]),
    )


@pytest.fixture(scope="module")
def plain() -> Model:
    """A model without anything labelled."""
    forecast, _ = train_bootstrap(Rule.parse("cpu > 0.9"), HORIZONS, step=5.0, seed=0)
    card = Card("v", "bootstrap", 0.0, "host", "cpu > 0.9", HORIZONS, ("cpu",), 5.0, 0.0, 0.0, 0, 0.0)
    return Model(card, forecast)


@pytest.fixture(scope="module")
def model(plain: Model) -> Model:
    """The same with one pattern."""
    return Model(plain.card, plain.forecast, None, LABELLED)


def scores(model: Model, rows: Recording) -> np.ndarray:
    """Probabilities (N, H)."""
    return Scorer(Rule.parse("cpu > 0.9"), model).extend(rows).probabilities


@given(st.lists(st.integers(1, 399), max_size=6))
def test_how_the_samples_are_cut_changes_no_number(cuts: list[int]) -> None:
    """The daemon's single samples and the replay's thousands agree."""
    rows = recording()
    whole = LABELLED.stream().extend(rows)
    stream, edges = LABELLED.stream(), [0, *sorted(cuts), len(rows)]
    parts = [stream.extend(rows.rows(first, last)) for first, last in pairwise(edges)]
    np.testing.assert_allclose(np.concatenate([part.chances for part in parts]), whole.chances, atol=1e-9)
    np.testing.assert_allclose(np.concatenate([part.shares for part in parts]), whole.shares, atol=1e-9)
    np.testing.assert_allclose(whole.shares.sum(axis=1), whole.chances, atol=1e-12)


def test_it_survives_a_file(model: Model, plain: Model) -> None:
    """Written and read it gives the same; a model of before, without patterns, is read as ever."""
    restored = Model.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(scores(restored, recording()), scores(model, recording()))
    assert Model.from_bytes(plain.to_bytes()).labelled is None


def test_outside_its_reach_not_a_bit_changes(model: Model, plain: Model) -> None:
    """Ordinary rows have exactly the probabilities they would have without the label."""
    rows = recording()
    with_it, without = scores(model, rows), scores(plain, rows)
    changed = (with_it != without).any(axis=1)
    assert changed.any()
    assert set(np.flatnonzero(changed)) <= set(range(200, 312))  # the busy rows, and the minute they end in
    assert (with_it >= without).all()


def test_a_nearly_certain_forecast_is_lifted_at_every_horizon_alike(model: Model) -> None:
    """What is high now is high within any time: the order of the horizons stays, none falls."""
    during = scores(model, recording())[230:300]
    assert (during > 0.95).all()  # the highest threshold that training chooses
    assert (during[:, 0] < 0.98).all()  # what the rule itself is worth
    p = np.array([[0.1, 0.2, 0.9], [math.nan, 0.5, 0.5]])
    answer = lifted(p, np.array([0.5, 0.5]))
    assert (np.diff(answer[0]) > 0).all()
    assert np.isnan(answer[1, 0])
    assert lifted(p, np.zeros(2)) is p


@given(st.floats(1e-4, 0.999), st.floats(0.01, TOP))
def test_contributions_still_add_up(forecast: float, chance: float) -> None:
    """What the similarity adds is the difference of the two logits, shared by the signals that are alike."""
    lifted_to = float(lifted(np.array([[forecast]]), np.array([chance]))[0, 0])
    parts = explained([Contribution("cpu", 1.5)], ("disk", "io"), chance * np.array([0.75, 0.25]), lifted_to)
    logit = math.log(lifted_to / (1.0 - lifted_to)) - math.log(forecast / (1.0 - forecast))
    assert sum(part.value for part in parts) == pytest.approx(1.5 + logit, abs=1e-6)
    by_signal = {part.signal: part.value for part in parts}
    assert by_signal["disk"] == pytest.approx(3.0 * by_signal["io"])


def test_the_reason_names_what_was_labelled(model: Model) -> None:
    """While the pattern is there its signals lead the contributions; afterwards they are not mentioned."""
    rows = recording()
    scorer = Scorer(Rule.parse("cpu > 0.9"), model)
    assert {"disk", "io"} <= set(scorer.signals)
    scorer.extend(rows.rows(0, 290))
    during = scorer.contributions()["high_load"]
    assert {part.signal for part in during[:2]} == {"disk", "io"}
    scorer.extend(rows.rows(290, 400))
    assert not {"disk", "io"} & {part.signal for part in scorer.contributions()["high_load"]}


def test_an_unknown_signal_makes_nothing_more_likely() -> None:
    """A source that fails in the middle of the pattern adds nothing; the other signal alone is too little."""
    rows = recording()
    values = rows.values.copy()
    values[:, 2] = math.nan
    assert not LABELLED.stream().extend(Recording(rows.timestamps, rows.signals, values)).chances.any()


def test_parts_that_do_not_fit_are_refused() -> None:
    """A damaged pattern is an error, never a verdict."""
    meta = LABELLED.to_meta()
    meta["patterns"][0]["weights"] = [1.0]
    with pytest.raises(ValueError, match="other lengths"):
        LabelledPatterns.from_meta(meta)
