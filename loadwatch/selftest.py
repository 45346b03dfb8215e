"""The short proofs of the network, on the user's own machine, in a few seconds.

Whoever doubts that a network written from scratch is right, or fast enough here, runs `loadwatch selftest`.
This module finds out and returns plain data; the command line prints it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from loadwatch.nn import (
    BinaryCrossEntropy,
    Dense,
    Huber,
    MeanSquared,
    Network,
    NeuralNetwork,
    pack,
    relative_gradient_error,
    unpack,
)
from loadwatch.nn.activations import ACTIVATIONS
from loadwatch.nn.arrays import Array

XOR_SEEDS = 20
SERVER_LOAD_SEEDS = 3


@dataclass(frozen=True)
class Finding:
    """One proof: what was measured, and whether it is as it should be."""

    name: str
    value: float
    unit: str  # "ratio", "seconds", "of 20 seeds"; empty for a bare number
    expected: str
    passed: bool


def run() -> list[Finding]:
    """All findings, in the order of `findings`."""
    return list(findings())


def findings() -> Iterator[Finding]:
    """Each finding as soon as it is there, so that a person sees progress."""
    yield gradients()
    yield exclusive_or()
    yield from server_load()
    yield storage()
    yield from speed()


def gradients() -> Finding:
    """The largest relative error of any gradient: every activation with every loss."""
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(6, 3)), rng.random((6, 2))
    worst = 0.0
    for hidden in ACTIVATIONS:
        for loss in (BinaryCrossEntropy(), MeanSquared(), Huber()):
            network = Network([Dense(3, 5, hidden), Dense(5, 2, "identity")], dtype="float64", seed=1)
            worst = max(worst, relative_gradient_error(network, loss, X, T))
    return Finding("gradient against finite differences", worst, "", "below 1e-7", worst < 1e-7)


def exclusive_or() -> Finding:
    """How many random seeds learn the exclusive or with four hidden units."""
    X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    solved = 0
    for seed in range(XOR_SEEDS):
        network = NeuralNetwork([2, 4, 1], learning_rate=0.5, seed=seed)
        network.train(X, y, epochs=1000, verbose=False)
        solved += bool(np.array_equal(network.predict(X), y))
    return Finding("XOR learned", solved, f"of {XOR_SEEDS} seeds", f"{XOR_SEEDS}", solved == XOR_SEEDS)


def server_load() -> Iterator[Finding]:
    """Accuracy on rows that were held out, and time, for synthetic server metrics."""
    accuracies, times = [], []
    for seed in range(SERVER_LOAD_SEEDS):
        accuracy, seconds = learn_server_load(seed)
        accuracies.append(accuracy)
        times.append(seconds)
    mean, fastest = float(np.mean(accuracies)), min(times)
    yield Finding("server load, accuracy on held-out rows", mean, "ratio", "at least 0.97", mean >= 0.97)
    yield Finding("server load, training time", fastest, "seconds", "below 2", fastest < 2.0)


def storage() -> Finding:
    """Whether a stored network comes back, and a damaged one does not."""
    data = pack({"name": "selftest"}, {"theta": np.arange(5.0)})
    intact = bool(np.array_equal(unpack(data)[1]["theta"], np.arange(5.0)))
    refused = 0
    for place in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[place] ^= 1
        try:
            unpack(bytes(damaged))
        except ValueError:
            refused += 1
    places = len(range(0, len(data), 7))
    passed = intact and refused == places
    return Finding("damaged files refused", refused, f"of {places}", f"{places}", passed)


def speed() -> Iterator[Finding]:
    """One verdict, and one training step, as the daemon needs them."""
    network, row = NeuralNetwork([64, 32, 16, 4], seed=0), np.zeros((1, 64), np.float32)
    row_seconds = min(_seconds(lambda: network.predict_proba(row), 200) for _ in range(5))
    yield Finding("one row through 64-32-16-4", row_seconds, "seconds", "below 1e-3", row_seconds < 1e-3)
    X, y = server_rows(np.random.default_rng(0), 1600)
    learner = NeuralNetwork([3, 8, 4, 1], seed=0)
    report = learner.train(X / 100.0, y, epochs=20, verbose=False)
    step_seconds = report.seconds / report.steps
    yield Finding("one training step of 3-8-4-1", step_seconds, "seconds", "below 1e-3", step_seconds < 1e-3)


def learn_server_load(seed: int, epochs: int = 100) -> tuple[float, float]:
    """Accuracy on 400 rows that were held out, and seconds of training on 1600, of the network 3-8-4-1.

    Rows are scaled with mean and deviation of the training rows only.
    """
    rng = np.random.default_rng(seed)
    X, y = server_rows(rng, 2000)
    train, test = np.split(rng.permutation(2000), [1600])
    mean, deviation = X[train].mean(axis=0), X[train].std(axis=0)
    network = NeuralNetwork([3, 8, 4, 1], seed=seed)
    started = time.perf_counter()
    network.train((X[train] - mean) / deviation, y[train], epochs=epochs, verbose=False)
    seconds = time.perf_counter() - started
    right = network.predict((X[test] - mean) / deviation) == y[test]
    return float(right.mean()), seconds


def _seconds(call: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def server_rows(rng: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """CPU, memory and network of a server by the minute, in per cent, and whether its load is high.

    Each follows the day with noise; about every fifth row is high: CPU and memory together, or the network
    alone.
    """
    phase = 2.0 * np.pi * np.arange(rows) / 1440.0
    cpu = 50.0 + 25.0 * np.sin(phase) + rng.normal(0.0, 12.0, rows)
    memory = 55.0 + 15.0 * np.sin(phase + 1.0) + rng.normal(0.0, 8.0, rows)
    network = 40.0 + 20.0 * np.sin(phase + 2.0) + rng.exponential(15.0, rows)
    high = ((cpu > 70.0) & (memory > 60.0)) | (network > 90.0)
    return np.column_stack([cpu, memory, network]), high[:, None].astype(np.float64)
