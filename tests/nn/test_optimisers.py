"""The optimisers against their papers' pseudo-code, written out number by number."""

import math

import numpy as np
import pytest

from loadwatch.nn import SGD, Adam, AdamW, Array, InputError, clip_by_norm
from loadwatch.nn.optimisers import L2, Optimiser, optimiser

GRADIENTS = np.random.default_rng(0).normal(size=(20, 5))
MASK = np.array([1.0, 1.0, 1.0, 0.0, 0.0])


def run(opt: Optimiser, dtype: str = "float64", rates: float | list[float] = 0.1) -> Array:
    theta, gradient = np.linspace(-1.0, 1.0, 5).astype(dtype), np.zeros(5, dtype)
    opt.bind(theta, gradient, MASK.astype(dtype))
    for k, g in enumerate(GRADIENTS):
        gradient[...] = g
        opt.step(rates if isinstance(rates, float) else rates[k])
    assert theta.dtype == dtype
    return theta


def adam_of_the_paper(rates: list[float], decay: float = 0.0) -> Array:
    """Kingma and Ba, algorithm 1, with the decay of Loshchilov and Hutter, algorithm 2."""
    theta, m, v = np.linspace(-1.0, 1.0, 5), np.zeros(5), np.zeros(5)
    for t, (g, rate) in enumerate(zip(GRADIENTS, rates, strict=True), start=1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        theta = theta - rate * decay * MASK * theta
        theta = theta - rate * (m / (1.0 - 0.9**t)) / (np.sqrt(v / (1.0 - 0.999**t)) + 1e-8)
    return theta


def test_adam_is_the_one_of_the_paper() -> None:
    """Factors drawn out of the moments change the speed, not the steps; also with a rate that changes."""
    rates = [0.1 / (1.0 + k) for k in range(20)]
    np.testing.assert_allclose(run(Adam()), adam_of_the_paper([0.1] * 20), rtol=1e-12)
    np.testing.assert_allclose(run(Adam(), rates=rates), adam_of_the_paper(rates), rtol=1e-12)
    np.testing.assert_allclose(run(Adam(), "float32"), adam_of_the_paper([0.1] * 20), rtol=1e-5)


def test_adamw_decays_weights_and_not_biases() -> None:
    """W *= 1 - lr decay each step, beside the step of Adam, where the mask says weight."""
    np.testing.assert_allclose(run(AdamW(1.0)), adam_of_the_paper([0.1] * 20, 1.0), rtol=1e-12)
    np.testing.assert_array_equal(run(AdamW(0.0)), run(Adam()))


def test_sgd_is_gradient_descent_with_momentum() -> None:
    """V = mu v + g, theta -= lr v."""
    theta, v = np.linspace(-1.0, 1.0, 5), np.zeros(5)
    for g in GRADIENTS:
        v = 0.8 * v + g
        theta = theta - 0.1 * v
    np.testing.assert_allclose(run(SGD(0.8)), theta, rtol=1e-12)
    np.testing.assert_allclose(
        run(SGD(0.0)), np.linspace(-1.0, 1.0, 5) - 0.1 * GRADIENTS.sum(axis=0), rtol=1e-12
    )


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_optimisers_find_the_bottom_of_a_bowl(name: str) -> None:
    """A quadratic of condition 100 is minimised."""
    theta, gradient, scale = np.ones(5), np.zeros(5), np.logspace(0.0, 2.0, 5)
    opt = optimiser(name)
    opt.bind(theta, gradient, np.zeros(5))
    for k in range(2000):
        gradient[...] = scale * theta
        opt.step(0.005 * (1.0 - k / 2000))
    assert np.abs(theta).max() < 1e-3


@pytest.mark.parametrize("opt", [SGD(0.9), Adam(), AdamW(0.1)])
def test_forgotten_places_start_afresh(opt: Optimiser) -> None:
    """A replaced parameter is not pushed by the gradients of its predecessor; the others go on."""
    theta, gradient = np.zeros(2), np.ones(2)
    opt.bind(theta, gradient, np.zeros(2))
    opt.step(0.1)
    opt.forget(np.array([1.0, 0.0]))
    before = theta.copy()
    gradient[...] = 0.0
    opt.step(0.1)
    assert theta[0] == before[0]
    assert theta[1] < before[1]


def test_binding_again_forgets_everything() -> None:
    """A second training starts as the first did."""
    opt = Adam()
    np.testing.assert_array_equal(run(opt), run(opt))


def test_clipping_shortens_and_keeps_the_direction() -> None:
    """A long gradient gets the length of the limit, a short one is left alone; the old length is returned."""
    gradient = np.array([3.0, 4.0])
    assert clip_by_norm(gradient, 10.0) == 5.0
    np.testing.assert_array_equal(gradient, [3.0, 4.0])
    assert clip_by_norm(gradient, 1.0) == 5.0
    np.testing.assert_allclose(gradient, [0.6, 0.8], rtol=1e-15)


def test_l2_gives_value_and_gradient_of_weights_only() -> None:
    """lambda/2 |w|^2 and lambda w, zero for biases."""
    gradient = np.zeros(5)
    value = L2(0.5, np.array([1.0, 2.0, 2.0, 7.0, 7.0]), MASK)(gradient)
    assert value == pytest.approx(0.25 * 9.0)
    np.testing.assert_allclose(gradient, [0.5, 1.0, 1.0, 0.0, 0.0])


def test_first_step_of_adam_is_the_rate() -> None:
    """Whatever the size of the gradient: this is what makes a rate of 0.5 a large one."""
    theta, gradient = np.zeros(3), np.array([1e-3, 1.0, -1e3])
    opt = Adam()
    opt.bind(theta, gradient, np.zeros(3))
    opt.step(0.01)
    np.testing.assert_allclose(theta, [-0.01, -0.01, 0.01], rtol=1e-4)
    assert math.isclose(opt.steps, 1)


def test_bad_settings_are_refused() -> None:
    """Momentum and betas of 1 or more would never forget; a negative decay would grow."""
    for wrong in (lambda: SGD(1.0), lambda: Adam(beta1=1.0), lambda: Adam(beta2=-0.1), lambda: AdamW(-1.0)):
        with pytest.raises(InputError, match="expected"):
            wrong()
    with pytest.raises(InputError, match="optimiser is 'rmsprop', expected one of sgd, adam, adamw"):
        optimiser("rmsprop")
