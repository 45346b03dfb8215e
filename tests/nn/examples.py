"""Small networks and data that several test modules use; every random number has a seed."""

from itertools import pairwise

import numpy as np

from loadwatch.nn import Array, BinaryCrossEntropy, Dense, Dropout, Huber, MeanSquared, Network
from loadwatch.nn.layers import Layer
from loadwatch.nn.losses import Loss

XOR_X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_Y = np.array([[0.0], [1.0], [1.0], [0.0]])

LOSSES: list[Loss] = [BinaryCrossEntropy(), MeanSquared(), Huber(0.5)]


def build(
    sizes: list[int],
    hidden: str = "relu",
    *,
    dropout: float = 0.0,
    dtype: str = "float64",
    seed: int = 0,
    link: str = "identity",
) -> Network:
    """A network of these sizes whose last layer is linear, with random biases."""
    layers: list[Layer] = []
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=2):
        if layers and dropout:
            layers.append(Dropout(dropout))
        layers.append(Dense(inputs, outputs, hidden if number < len(sizes) else "identity"))
    network = Network(layers, link=link, dtype=dtype, seed=seed)
    rng = np.random.default_rng(seed + 1)
    for layer in network.dense:
        layer.b[...] = rng.normal(0.0, 0.3, layer.outputs)
    return network


def data(loss: Loss, inputs: int, outputs: int, rows: int = 7, seed: int = 5) -> tuple[Array, Array]:
    """Random X (rows, inputs) and targets (rows, outputs) that fit the loss."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, inputs))
    T = rng.random((rows, outputs)) if loss.link == "sigmoid" else rng.normal(0.0, 2.0, (rows, outputs))
    return X, T
