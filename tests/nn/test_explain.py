"""Integrated gradients: complete, exact where they can be, and without side effects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.nn import Attribution, InputError

from .examples import build


@given(
    hidden=st.sampled_from(["relu", "tanh", "sigmoid", "leaky_relu"]),
    output=st.integers(0, 1),
    rows=st.integers(1, 4),
    seed=st.integers(0, 500),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_attributions_sum_to_the_difference_of_the_logit(
    hidden: str, output: int, rows: int, seed: int
) -> None:
    """Completeness: what is attributed is exactly what changed, to the error of the midpoint rule."""
    network = build([5, 8, 6, 2], hidden, seed=seed)
    rng = np.random.default_rng(seed)
    X, baseline = rng.normal(size=(rows, 5)), rng.normal(size=(1, 5))
    attributions = Attribution(network, rows=4, steps=2000)(X, baseline, output)
    difference = network.forward(X)[:, output].copy() - network.forward(baseline)[:, output]
    assert attributions.shape == (rows, 5)
    np.testing.assert_allclose(attributions.sum(axis=1), difference, atol=5e-3)


def test_default_steps_are_enough_for_a_page() -> None:
    """With 32 steps the sum is right to a few per cent of the difference on a network of production size."""
    network = build([66, 64, 32, 9], dtype="float32", dropout=0.1, seed=3)
    X = np.random.default_rng(0).normal(size=(20, 66))
    attributions = Attribution(network, rows=20)(X, np.zeros((1, 66)))
    difference = network.forward(X)[:, 0].copy() - network.forward(np.zeros((1, 66)))[:, 0]
    assert np.abs(attributions.sum(axis=1) - difference).max() < 0.05 * np.abs(difference).max()


def test_linear_network_is_explained_exactly() -> None:
    """Of z = w x + b the part of x_i is w_i (x_i - x0_i), in one step."""
    network = build([3, 1])
    X, baseline = np.array([[1.0, 2.0, 3.0]]), np.array([[0.5, 0.5, 3.0]])
    expected = (X - baseline) * network.dense[0].W[:, 0]
    np.testing.assert_allclose(Attribution(network, steps=1)(X, baseline), expected, rtol=1e-12)


def test_input_equal_to_its_baseline_has_no_part() -> None:
    """What did not differ is not blamed."""
    X = np.array([[1.0, 2.0, 3.0]])
    baseline = np.array([[0.0, 2.0, 0.0]])
    assert Attribution(build([3, 8, 1]))(X, baseline)[0, 1] == 0.0


def test_explaining_leaves_the_parameters_alone() -> None:
    """And a smaller batch than the room for it is fine."""
    network = build([3, 8, 1], dtype="float32")
    theta = network.theta.copy()
    explain = Attribution(network, rows=8)
    X = np.random.default_rng(0).normal(size=(8, 3))
    both = explain(X, np.zeros((1, 3)))
    np.testing.assert_allclose(explain(X[:2], np.zeros((2, 3))), both[:2], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(network.theta, theta)
    assert both.dtype == np.float32


@pytest.mark.parametrize(
    ("X", "baseline", "output", "message"),
    [
        (np.zeros((1, 4)), np.zeros((1, 3)), 0, r"X has shape \(1, 4\), expected \(rows, 3\)"),
        (np.zeros((1, 3)), np.zeros((1, 2)), 0, r"baseline has shape \(1, 2\)"),
        (np.zeros((3, 3)), np.zeros((1, 3)), 0, "X has 3 rows and baseline 1, expected at most 2"),
        (np.zeros((2, 3)), np.zeros((3, 3)), 0, "baseline 3"),
        (np.full((1, 3), np.nan), np.zeros((1, 3)), 0, "X of shape .* has nan"),
        (np.zeros((1, 3)), np.zeros((1, 3)), 1, "output is 1, expected 0 to 0"),
    ],
)
def test_bad_questions_are_refused(X: np.ndarray, baseline: np.ndarray, output: int, message: str) -> None:
    """By name and shape, before anything is computed."""
    with pytest.raises(InputError, match=message):
        Attribution(build([3, 4, 1]), rows=2)(X, baseline, output)
