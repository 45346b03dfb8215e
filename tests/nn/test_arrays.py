"""The border: what is taken and what is refused, in which words."""

import numpy as np
import pytest

from loadwatch.nn import InputError, NetworkError
from loadwatch.nn.arrays import as_dtype, as_table


def test_a_fitting_array_is_not_copied() -> None:
    """What already has the right format is used as it is."""
    X = np.ones((3, 2), np.float32)
    assert as_table("X", X, 2, np.dtype("float32")) is X


def test_lists_integers_and_booleans_are_numbers() -> None:
    """Anything numpy reads as real numbers is taken."""
    np.testing.assert_array_equal(as_table("X", [[1, 0]], 2, np.dtype("float32")), [[1.0, 0.0]])
    np.testing.assert_array_equal(as_table("X", [[True, False]], 2, np.dtype("float64")), [[1.0, 0.0]])


def test_refusals_are_value_errors_of_one_family() -> None:
    """A caller may catch ValueError, or everything of this library, or one kind."""
    with pytest.raises(NetworkError) as caught:
        as_dtype("int32")
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, ValueError)
