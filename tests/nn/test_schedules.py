"""Learning rates by step."""

import numpy as np
import pytest

from loadwatch.nn import InputError, constant, cosine, exponential, steps, warm_up

K = np.arange(0.0, 1000.0)


def test_schedules_are_their_formulas() -> None:
    """Start, middle and end of each."""
    assert constant(0.1)(K, 1000)[[0, 999]].tolist() == [0.1, 0.1]
    assert steps(0.1, every=400)(K, 1000)[[0, 399, 400, 999]].tolist() == [0.1, 0.1, 0.05, 0.025]
    assert exponential(0.1, 0.01)(K, 1000)[[0, 500]] == pytest.approx([0.1, 0.01])
    assert cosine(0.1, 0.02)(K, 1000)[[0, 500, 999]] == pytest.approx([0.1, 0.051, 0.002], rel=1e-3)


def test_warm_up_is_at_most_its_share() -> None:
    """The k-th of the first w steps has k / w of the rate; w is `length`, or the share if that is less."""
    long = warm_up(cosine(0.003), length=100, share=0.1)(np.arange(0.0, 5000.0), 5000)
    short = warm_up(constant(1.0), length=100, share=0.1)(np.arange(0.0, 50.0), 50)
    assert long[49] == pytest.approx(0.5 * 0.003, rel=1e-3)
    assert short[:6].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert warm_up(constant(1.0))(np.zeros(1), 1).tolist() == [1.0]


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate: float) -> None:
    """A rate is a finite number above 0."""
    for make in (constant, cosine, exponential, lambda r: steps(r, 10)):
        with pytest.raises(InputError, match="learning rate is"):
            make(rate)
