"""Our gradients beside those of libraries that half the world relies on, at the same weights."""

from itertools import pairwise

import numpy as np
import pytest

from loadwatch.nn import BinaryCrossEntropy, Dense, Huber, MeanSquared, Network, loss_and_gradient
from loadwatch.nn.arrays import Array
from loadwatch.nn.losses import Loss

SIZES = [5, 8, 6, 3]
AGREE = 1e-6  # relative to the largest entry; measured: about 1e-15


def example(hidden: str, loss: Loss, outputs: int = 3) -> tuple[Network, Array, Array]:
    sizes = [*SIZES[:-1], outputs]
    layers = [Dense(i, o, hidden if k < 2 else "identity") for k, (i, o) in enumerate(pairwise(sizes))]
    network = Network(layers, dtype="float64", seed=0)
    rng = np.random.default_rng(1)
    network.theta += rng.normal(0.0, 0.2, network.theta.size)
    X = rng.normal(size=(40, 5))
    T = rng.integers(0, 2, (40, outputs)) if loss.link == "sigmoid" else rng.normal(0.0, 3.0, (40, outputs))
    return network, X, T.astype(float)


def assert_agree(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, atol=AGREE * np.abs(expected).max(), rtol=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_gradient_agrees_with_scikit_learn(hidden: str, kind: str) -> None:
    """One full-batch step of its plain SGD at rate r moves the weights by r times its gradient.

    It divides by rows only: times O against our mean over outputs. Its squared error is halved.
    """
    library = pytest.importorskip("sklearn.neural_network")
    loss: Loss = BinaryCrossEntropy() if kind == "classifier" else MeanSquared()
    network, X, T = example(hidden, loss, outputs=3 if kind == "classifier" else 1)
    rate = 1e-3
    Model = library.MLPClassifier if kind == "classifier" else library.MLPRegressor
    model = Model(
        hidden_layer_sizes=SIZES[1:-1],
        activation={"sigmoid": "logistic"}.get(hidden, hidden),
        solver="sgd",
        momentum=0.0,
        alpha=0.0,
        learning_rate_init=rate,
        batch_size=40,
    )
    targets = T.astype(int) if kind == "classifier" else T[:, 0]
    fit = {"classes": [0, 1, 2]} if kind == "classifier" else {}
    model.partial_fit(X, targets, **fit)
    for W, b, layer in zip(model.coefs_, model.intercepts_, network.dense, strict=True):
        W[...], b[...] = layer.W, layer.b
    model.partial_fit(X, targets)
    after = [np.vstack([W, b]).ravel() for W, b in zip(model.coefs_, model.intercepts_, strict=True)]
    theirs = (network.theta - np.concatenate(after)) / rate
    factor = 3.0 if kind == "classifier" else 0.5
    assert_agree(factor * loss_and_gradient(network, loss, X, T)[1], theirs)


@pytest.mark.bench
@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid", "leaky_relu"])
@pytest.mark.parametrize(
    "loss", [BinaryCrossEntropy(), MeanSquared(), Huber(0.7)], ids=lambda loss: loss.name
)
def test_loss_and_gradient_agree_with_pytorch(hidden: str, loss: Loss) -> None:
    """Value and gradient by automatic differentiation, for every hidden activation and loss."""
    torch = pytest.importorskip("torch")
    network, X, T = example(hidden, loss)
    nn = torch.nn
    bends = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "leaky_relu": nn.LeakyReLU}
    layers = []
    for layer in network.dense:
        linear = nn.Linear(layer.inputs, layer.outputs, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(layer.W.T.copy()))
            linear.bias.copy_(torch.from_numpy(layer.b.copy()))
        layers += [linear, bends[hidden]()]
    losses = {
        "cross_entropy": nn.BCEWithLogitsLoss(),
        "squared_error": nn.MSELoss(),
        "huber": nn.HuberLoss(delta=0.7),
    }
    value = losses[loss.name](nn.Sequential(*layers[:-1])(torch.from_numpy(X)), torch.from_numpy(T))
    value.backward()
    theirs = np.concatenate(
        [np.vstack([part.weight.grad.numpy().T, part.bias.grad.numpy()]).ravel() for part in layers[::2]]
    )
    ours = loss_and_gradient(network, loss, X, T)
    assert ours[0] == pytest.approx(value.item(), rel=1e-12)
    assert_agree(ours[1], theirs)
