"""What is left out of a long history is what says least, and shares stay true."""

import numpy as np

from loadwatch.records import Recording
from loadwatch.training.rows import choose_rows
from loadwatch.training.selection import choose_signals

T = 5.0 * np.arange(50_000)
LEVEL = np.where((T % 50_000 > 20_000) & (T % 50_000 < 20_600), 1.2, 0.3)


def test_rows_near_changes_are_kept_and_weights_make_up_for_the_rest():
    """All that is near an onset, a share of the calm; the weighted share of high rows is that of all."""
    usable = np.ones(len(T), dtype=bool)
    rows, weights = choose_rows(T, LEVEL, usable, 900.0, 6_000, np.random.default_rng(0))
    assert len(rows) <= 6_000
    assert (np.diff(rows) > 0).all()
    onset = np.flatnonzero(np.diff(LEVEL) > 0)
    assert set(range(onset[0] - 150, onset[0] + 50)) <= set(rows.tolist())
    # The sample of calm rows is a random one.
    np.testing.assert_allclose(
        np.average(LEVEL[rows] > 1.0, weights=weights), (LEVEL > 1.0).mean(), rtol=0.02
    )
    np.testing.assert_allclose(weights.mean(), 1.0)


def test_a_short_history_is_kept_whole():
    """Every usable row, each with weight 1."""
    usable = T < 1_000.0
    rows, weights = choose_rows(T, LEVEL, usable, 900.0, 6_000, np.random.default_rng(0))
    np.testing.assert_array_equal(rows, np.flatnonzero(usable))
    assert (weights == 1.0).all()


def test_signals_are_chosen_by_what_they_say():
    """The signal that foretells comes first; constants, gaps, and copies of the level are left out."""
    rng = np.random.default_rng(0)
    level = np.clip(rng.normal(0.5, 0.2, 3_000), 0.0, 2.0)
    future = (np.roll(level, -1) > 0.7).astype(float)
    columns = {
        "noise": rng.random(3_000),
        "foretells": np.exp(3.0 * np.roll(level, -1)) + rng.random(3_000),
        "constant": np.full(3_000, 8.0),
        "missing": np.full(3_000, np.nan),
        "copy": 0.1 * level,
        "seldom": (np.arange(3_000) > 2_000).astype(float),
    }
    columns["mostly missing"] = np.where(rng.random(3_000) < 0.6, np.nan, np.roll(level, -1))
    recording = Recording(100.0 * np.arange(3_000), tuple(columns), np.column_stack(list(columns.values())))
    assert choose_signals(recording, level, future) == ("foretells", "noise")


def test_a_young_history_chooses_no_signals():
    """Two days tell more about which host this is than about what comes before high load."""
    rng = np.random.default_rng(0)
    level = np.clip(rng.normal(0.5, 0.2, 3_000), 0.0, 2.0)
    future = (np.roll(level, -1) > 0.7).astype(float)
    recording = Recording(57.6 * np.arange(3_000), ("foretells",), np.roll(level, -1)[:, None])
    assert choose_signals(recording, level, future) == ()
