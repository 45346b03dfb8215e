"""What ails a network: gradient norms, units that are out of work, and a warning where the signal gets lost.

    vanishing    the gradient of the first layer is under 1e-4 of that of the last, number by number
    exploding    it is over 1e4 of it, or the gradient is not finite
    dead         slope f'(z) nearly zero on every row: a ReLU that is off, a tanh or sigmoid that is saturated

Glorot and Bengio (2010), section 4, compare the layers in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadwatch.nn.arrays import Array
from loadwatch.nn.losses import Loss
from loadwatch.nn.network import Network, Pass
from loadwatch.nn.objective import Objective

DEAD_SLOPE = 1e-3  # of a slope that is at most 1
VANISHING = 1e-4
EXPLODING = 1e4


@dataclass(frozen=True)
class LayerDiagnosis:
    """One dense layer, counted from 1 at the input."""

    layer: int
    activation: str
    weight_norm: float
    gradient_norm: float  # of its weights and biases together
    gradient_rms: float  # the same by the number: comparable between layers of different size
    units: int
    dead: int


@dataclass(frozen=True)
class Diagnosis:
    """The whole network; without warnings, all is well."""

    loss: float
    layers: tuple[LayerDiagnosis, ...]
    warnings: tuple[str, ...]


def diagnose(network: Network, loss: Loss, X: Array, T: Array) -> Diagnosis:
    """Look at `network` on the rows X (B, I), T (B, O), without dropout; parameters are left alone."""
    at = Pass(network, len(X), training=False)
    at.load(X)
    objective = Objective(loss, network.outputs, len(X), network.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        value = objective(at.forward(), np.ascontiguousarray(T.T), at.dZT)
        at.backward()
        layers = _layers(network, at)
    return Diagnosis(value, tuple(layers), tuple(_warnings(layers)))


def _layers(network: Network, at: Pass) -> list[LayerDiagnosis]:
    layers = []
    for number, (layer, dead) in enumerate(zip(network.dense, dead_units(network, at), strict=True), start=1):
        norm = float(np.linalg.norm(layer.dWb))
        layers.append(
            LayerDiagnosis(
                layer=number,
                activation=layer.activation.name,
                weight_norm=float(np.linalg.norm(layer.W)),
                gradient_norm=norm,
                gradient_rms=norm / layer.size**0.5,
                units=layer.outputs,
                dead=len(dead),
            )
        )
    return layers


def dead_units(network: Network, at: Pass) -> list[list[int]]:
    """For each dense layer the units whose slope is nearly zero on every row of a pass that went forward.

    `at` is a pass without dropout; its gradients are overwritten.
    """
    found = []
    for layer, slot in zip(network.dense, at.slots, strict=True):
        slope = np.ones_like(slot.YT)
        layer.activation.pull_back(slot.YT, slope, np.empty_like(slope))
        found.append([int(unit) for unit in np.flatnonzero(slope.max(axis=1) < DEAD_SLOPE)])
    return found


def _warnings(layers: list[LayerDiagnosis]) -> list[str]:
    first, last = layers[0], layers[-1]
    warnings = []
    if not all(np.isfinite(layer.gradient_norm) for layer in layers):
        warnings.append("exploding gradient: it is not finite")
    elif first.gradient_rms > EXPLODING * last.gradient_rms:
        warnings.append(f"exploding gradient: {_compared(first, last)}")
    elif first.gradient_rms < VANISHING * last.gradient_rms:
        warnings.append(f"vanishing gradient: {_compared(first, last)}")
    warnings += [
        f"layer {layer.layer}: {layer.dead} of {layer.units} {layer.activation} units are dead on every row"
        for layer in layers
        if layer.dead
    ]
    return warnings


def _compared(first: LayerDiagnosis, last: LayerDiagnosis) -> str:
    return (
        f"root mean square {first.gradient_rms:.2e} in layer {first.layer} "
        f"against {last.gradient_rms:.2e} in layer {last.layer}"
    )
