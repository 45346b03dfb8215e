"""Values of the activations, against formulas written independently; their slopes are in test_gradcheck."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.nn import InputError, activation, sigmoid
from loadwatch.nn.activations import ACTIVATIONS

FORMULAS = {
    "identity": lambda z: z,
    "relu": lambda z: np.where(z > 0.0, z, 0.0),
    "leaky_relu": lambda z: np.where(z > 0.0, z, 0.01 * z),
    "tanh": lambda z: 2.0 / (1.0 + np.exp(-2.0 * z)) - 1.0,
    "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_is_that_of_the_formula(name: str, dtype: str) -> None:
    """Each activation computes what its name says, in place and in the format it was given."""
    z = np.linspace(-8.0, 8.0, 161).reshape(7, 23).astype(dtype)
    Y = z.copy()
    activation(name).apply(Y, np.empty_like(Y))
    assert Y.dtype == dtype
    np.testing.assert_allclose(Y, FORMULAS[name](z.astype(np.float64)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_is_handed_on(name: str) -> None:
    """An activation never turns NaN into a number that looks healthy."""
    Y = np.array([[np.nan, 1.0]])
    activation(name).apply(Y, np.empty_like(Y))
    assert np.isnan(Y[0, 0])
    assert not np.isnan(Y[0, 1])


@given(z=st.floats(-1000.0, 1000.0, width=32))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_sigmoid_is_exact_in_float32_at_any_input(z: float) -> None:
    """To a few units in the last place of float32, far into both tails."""
    exact = (
        np.exp(np.longdouble(z)) / (1 + np.exp(np.longdouble(z)))
        if z < 0
        else 1 / (1 + np.exp(-np.longdouble(z)))
    )
    got = sigmoid(np.array([z], np.float32))[0]
    np.testing.assert_allclose(got, float(exact), rtol=4e-7, atol=1e-44)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_of_extremes_warns_of_nothing(dtype: str) -> None:
    """Any input, infinite ones too, gives a number from 0 to 1, in silence."""
    z = np.array([-np.inf, -3e38, -1e4, -100.0, 0.0, 100.0, 1e4, 3e38, np.inf], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = sigmoid(z)
    assert p.dtype == dtype
    np.testing.assert_allclose(p, [0.0, 0.0, 0.0, np.exp(-100.0), 0.5, 1.0, 1.0, 1.0, 1.0], atol=1e-44)


def test_unknown_activation_is_refused_with_the_choices() -> None:
    """The refusal lists what there is; `linear` is another word for `identity`."""
    with pytest.raises(
        InputError, match="'swish', expected one of identity, relu, leaky_relu, tanh, sigmoid"
    ):
        activation("swish")
    assert activation("linear").name == "identity"
