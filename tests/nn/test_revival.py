"""Stuck units are seen and replaced; working ones are left alone."""

import numpy as np
import pytest

from loadwatch.nn import Adam, BinaryCrossEntropy, Network, NeuralNetwork, Reviver, mean_loss

from .examples import XOR_X, XOR_Y, build


def reviver(network: Network, window: int = 3) -> Reviver:
    optimiser = Adam()
    optimiser.bind(network.theta, network.gradient, network.weight_mask)
    rng = np.random.default_rng(0)
    return Reviver(network, BinaryCrossEntropy(), optimiser, XOR_X, XOR_Y, rng=rng, window=window)


def test_dead_unit_is_replaced_without_changing_the_output() -> None:
    """The new unit answers to the data, and the network says what it said before."""
    network = build([2, 4, 1])
    network.dense[0].b[1] = -100.0
    watcher, before = reviver(network), network.forward(XOR_X).copy()
    assert watcher.stuck() == [(0, 1)]
    assert [watcher.after_epoch(0.6) for _ in range(4)] == [0, 0, 0, 1]
    np.testing.assert_allclose(network.forward(XOR_X), before, rtol=1e-12)
    assert watcher.stuck() == []


@pytest.mark.parametrize("hidden", ["tanh", "sigmoid"])
def test_saturated_unit_is_replaced_without_changing_the_output(hidden: str) -> None:
    """What a saturated unit gave as a constant is kept in the bias of the next layer."""
    network = build([2, 4, 1], hidden)
    network.dense[0].b[2] = 50.0
    watcher, before = reviver(network), network.forward(XOR_X).copy()
    assert watcher.stuck() == [(0, 2)]
    assert sum(watcher.after_epoch(0.6) for _ in range(4)) == 1
    np.testing.assert_allclose(network.forward(XOR_X), before, rtol=1e-9)
    assert watcher.stuck() == []


def test_falling_loss_is_left_alone() -> None:
    """A dead unit in a network that still learns is not touched."""
    network = build([2, 4, 1])
    network.dense[0].b[1] = -100.0
    watcher, theta = reviver(network), network.theta.copy()
    assert sum(watcher.after_epoch(0.9**k) for k in range(20)) == 0
    np.testing.assert_array_equal(network.theta, theta)


def test_solved_task_is_left_alone() -> None:
    """A loss that stands still near zero has arrived."""
    network = build([2, 4, 1])
    network.dense[0].b[1] = -100.0
    watcher = reviver(network)
    assert sum(watcher.after_epoch(0.001) for _ in range(20)) == 0


def test_noise_is_no_reason_to_replace_working_units() -> None:
    """With more targets than parameters, a loss above zero is what cannot be known."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 3)), rng.integers(0, 2, (500, 1))
    network = NeuralNetwork([3, 4, 1], hidden="tanh", seed=0)
    assert network.train(X, y, epochs=300, verbose=False).revived == 0


def test_replacements_that_do_not_pay_are_undone() -> None:
    """The weights handed back are never worse than those from before the first replacement."""
    network = build([2, 4, 1])
    watcher = reviver(network)
    for _ in range(5):
        watcher.after_epoch(0.6)
    assert watcher.kept is not None
    network.theta[...] = 5.0
    watcher.finish()
    assert mean_loss(network, BinaryCrossEntropy(), XOR_X, XOR_Y) == pytest.approx(watcher.kept[0])


def test_network_without_hidden_units_has_nothing_to_replace() -> None:
    """Logistic regression on XOR stays at ln 2 and ends in peace."""
    network = NeuralNetwork([2, 1], seed=0)
    report = network.train(XOR_X, XOR_Y, epochs=300, verbose=False)
    assert report.revived == 0
    assert report.losses[-1] == pytest.approx(np.log(2.0), abs=1e-3)
