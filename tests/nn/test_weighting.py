"""How much each target counts."""

import numpy as np
import pytest

from loadwatch.nn import InputError, balanced, weights_of

T = np.array([[0.0, 1.0], [1.0, 0.5], [0.0, 0.0]])


def test_unweighted_is_the_plain_mean() -> None:
    """Without weights each number counts 1 / O."""
    np.testing.assert_array_equal(weights_of(T), 0.5)


def test_weights_multiply() -> None:
    """Row, output and class weights multiply; a target between the classes counts between them."""
    got = weights_of(T, rows=[1.0, 2.0, 0.0], outputs=[0.3, 0.7], classes=(1.0, 3.0))
    np.testing.assert_allclose(got, [[0.3 * 1.0, 0.7 * 3.0], [0.6 * 3.0, 1.4 * 2.0], [0.0, 0.0]])


def test_balanced_classes_count_the_same() -> None:
    """Both labels get half of the whole weight, however rare one is."""
    y = np.zeros((200, 1))
    y[:10] = 1.0
    weights = weights_of(y, classes=balanced(y))
    assert weights[:10].sum() == pytest.approx(100.0)
    assert weights[10:].sum() == pytest.approx(100.0)


def test_one_class_only_has_finite_weights() -> None:
    """No label of one kind at all is no reason for an infinite weight."""
    assert np.isfinite(balanced(np.zeros((5, 1)))).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": [1.0]}, r"sample weights have shape \(1,\), expected \(3,\)"),
        ({"outputs": [1.0, -1.0]}, "output weights hold .*-1"),
        ({"classes": (1.0, np.nan)}, "class weights hold .*nan"),
        ({"rows": [np.inf, 1.0, 1.0]}, "sample weights hold .*inf"),
    ],
)
def test_bad_weights_are_refused(settings: dict[str, object], message: str) -> None:
    """Wrong size, negative, NaN or infinite weights are named."""
    with pytest.raises(InputError, match=message):
        weights_of(T, **settings)  # type: ignore[arg-type]
