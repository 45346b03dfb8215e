"""Draws the figures of the document on the neural network: ``python .dev/figures.py``.

It needs loadwatch[plot]. They change only when the network does, so that they are committed and not drawn by
every build.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from loadwatch.nn import NeuralNetwork
from loadwatch.nn.activations import activation
from loadwatch.selftest import server_rows

DOCS = Path(__file__).resolve().parents[1] / "loadwatch" / "docs"
# The same bytes wherever they are drawn.
mpl.rcParams.update(
    {
        "svg.hashsalt": "loadwatch",
        "svg.fonttype": "none",
        "font.size": 9,
        "axes.grid": True,
        "grid.alpha": 0.3,
    }
)


def learning() -> Figure:
    """Loss by epoch of the network 3-8-4-1, on the rows it learns from and on rows held out."""
    rng = np.random.default_rng(0)
    X, y = server_rows(rng, 2000)
    train, test = np.split(rng.permutation(2000), [1600])
    scaled = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
    report = NeuralNetwork([3, 8, 4, 1], seed=0).train(
        scaled[train], y[train], epochs=100, validation=(scaled[test], y[test]), verbose=False
    )
    figure, axes = plt.subplots(figsize=(6.4, 3.0), layout="constrained")
    axes.plot(report.losses, label="1600 rows it learns from")
    axes.plot(report.validation_losses, label="400 rows held out")
    axes.set(xlabel="epoch", ylabel="cross-entropy (nats)", title="Learning the server-load task")
    axes.set_yscale("log")
    axes.legend()
    return figure


def activations() -> Figure:
    """Each activation with its slope."""
    names = ("relu", "leaky_relu", "tanh", "sigmoid")
    figure, panels = plt.subplots(1, len(names), figsize=(8.0, 2.2), layout="constrained", sharex=True)
    z = np.linspace(-4.0, 4.0, 201).reshape(1, -1)
    for axes, name in zip(panels, names, strict=True):
        bend = activation(name)
        value = z.copy()
        bend.apply(value, np.empty_like(value))
        slope = np.ones_like(z)
        bend.pull_back(value, slope, np.empty_like(slope))
        axes.plot(z[0], value[0], label="f(z)")
        axes.plot(z[0], slope[0], label="f'(z)", linestyle="--")
        axes.set(title=name, xlabel="z", ylim=(-1.3, 2.2))
    panels[0].legend()
    return figure


for draw in (learning, activations):
    draw().savefig(DOCS / f"{draw.__name__}.svg", metadata={"Date": None})
