"""Our network beside scikit-learn and PyTorch: same network, data, batch size and number of Adam steps.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_nn.py [--quick]

One thread each, in processor time, the best of several interleaved runs: a busy machine disturbs that least.
The limit by matrix products (GEMM) is measured in the same run, with numpy's own `dot`, on the same shapes. A
contestant that is not installed is named and left out (`pip install loadwatch[bench]`).
"""

import os

# ruff: noqa: E402 - the threads are set before numpy is imported
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # before numpy reads it

import argparse
import platform
import time
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

from loadwatch.nn import Adam, BinaryCrossEntropy, Data, Dense, Network, NeuralNetwork, Plan, constant, train

RATE = 0.001
TUTORIAL_SECONDS = {"from scratch": 2.3, "scikit-learn": 0.8, "TensorFlow": 1.2, "PyTorch": 0.3}

Seconds = float


class Ours:
    """loadwatch.nn."""

    name, version = "loadwatch", f"numpy {np.__version__}"

    def network(self, sizes: Sequence[int]) -> Network:
        layers = [
            Dense(i, o, "relu" if k < len(sizes) - 2 else "identity")
            for k, (i, o) in enumerate(pairwise(sizes))
        ]
        return Network(layers, link="sigmoid", seed=0)

    def train(self, sizes: Sequence[int], X: np.ndarray, T: np.ndarray, batch: int, epochs: int) -> Seconds:
        network = self.network(sizes)
        plan = Plan(BinaryCrossEntropy(), Adam(), constant(RATE), epochs, batch)
        start = time.process_time()
        train(network, Data(X, T), plan, seed=0)
        return time.process_time() - start

    def predictor(self, sizes: Sequence[int], X: np.ndarray) -> Callable[[], Any]:
        network = self.network(sizes)
        return lambda: network.predict(X)


class ScikitLearn:
    """MLPClassifier with its own Adam; early ends switched off."""

    name = "scikit-learn"

    def __init__(self) -> None:
        self.module = import_module("sklearn.neural_network")
        self.version = import_module("sklearn").__version__

    def fitted(self, sizes: Sequence[int], X: np.ndarray, T: np.ndarray, batch: int, epochs: int) -> Any:
        model = self.module.MLPClassifier(
            sizes[1:-1],
            batch_size=batch,
            max_iter=epochs,
            learning_rate_init=RATE,
            alpha=0.0,
            tol=0.0,
            n_iter_no_change=10**9,
            random_state=0,
        )
        return model.fit(X, T if T.shape[1] > 1 else T[:, 0])

    def train(self, sizes: Sequence[int], X: np.ndarray, T: np.ndarray, batch: int, epochs: int) -> Seconds:
        start = time.process_time()
        model = self.fitted(sizes, X, T, batch, epochs)
        seconds = time.process_time() - start
        assert model.t_ == epochs * len(X), "it ended early"
        return seconds

    def predictor(self, sizes: Sequence[int], X: np.ndarray) -> Callable[[], Any]:
        rng = np.random.default_rng(0)
        T = rng.integers(0, 2, (200, sizes[-1]))
        model = self.fitted(sizes, rng.normal(size=(200, sizes[0])).astype(np.float32), T, 100, 1)
        return lambda: model.predict_proba(X)


class PyTorch:
    """The usual loop: rows permuted once an epoch, batches as views, the fused Adam."""

    name = "PyTorch"

    def __init__(self) -> None:
        self.torch = import_module("torch")
        self.version = self.torch.__version__
        self.torch.set_num_threads(1)

    def model(self, sizes: Sequence[int]) -> Any:
        nn, layers = self.torch.nn, []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def train(self, sizes: Sequence[int], X: np.ndarray, T: np.ndarray, batch: int, epochs: int) -> Seconds:
        torch, model = self.torch, self.model(sizes)
        adam = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
        loss = torch.nn.BCEWithLogitsLoss()
        inputs, targets = torch.from_numpy(X), torch.from_numpy(T)
        start = time.process_time()
        for _ in range(epochs):
            order = torch.randperm(len(X))
            shuffled, wanted = inputs[order], targets[order]
            for first in range(0, len(X), batch):
                adam.zero_grad()
                loss(model(shuffled[first : first + batch]), wanted[first : first + batch]).backward()
                adam.step()
        return time.process_time() - start

    def predictor(self, sizes: Sequence[int], X: np.ndarray) -> Callable[[], Any]:
        torch, model, inputs = self.torch, self.model(sizes), self.torch.from_numpy(X)

        def predict() -> Any:
            with torch.inference_mode():
                return torch.sigmoid(model(inputs))

        return predict


Contestant = Ours | ScikitLearn | PyTorch


def contestants() -> list[Contestant]:
    """Those that are installed, ours first."""
    present: list[Contestant] = [Ours()]
    for kind in (ScikitLearn, PyTorch):
        try:
            present.append(kind())
        except ImportError:
            print(f"{kind.name} is not installed and left out")
    return present


def best_of(runs: Sequence[Callable[[], Seconds]], rounds: int) -> list[Seconds]:
    """The shortest of each, in turn, so that all meet the same weather."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        best = [min(shortest, run()) for shortest, run in zip(best, runs, strict=True)]
    return best


def timed(call: Callable[[], Any], times: int) -> Callable[[], Seconds]:
    def run() -> Seconds:
        start = time.process_time()
        for _ in range(times):
            call()
        return (time.process_time() - start) / times

    return run


def table(
    title: str, entries: Sequence[Contestant], seconds: Sequence[Seconds], unit: str, scale: float
) -> None:
    print(f"\n{title}")
    for entry, value in zip(entries, seconds, strict=True):
        ratio = "" if value == seconds[0] else f"{value / seconds[0]:8.1f} times as long as ours"
        print(f"  {entry.name:14s}{value * scale:10.1f} {unit}{ratio}")


def rows_of(rows: int, inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, inputs)).astype("f"), rng.integers(0, 2, (rows, outputs)).astype("f")


def gemm_seconds(sizes: Sequence[int], batch: int, *, training: bool) -> Seconds:
    """One step's (or one prediction's) matrix products alone."""
    total = 0.0
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        X, W, Y = (np.ones(shape, "f") for shape in ((batch, inputs), (inputs, outputs), (batch, outputs)))
        dW, dX = np.empty_like(W), np.empty_like(X)
        products = [timed(lambda X=X, W=W, Y=Y: np.dot(X, W, out=Y), 200)]
        if training:
            products.append(timed(lambda X=X, dW=dW, Y=Y: np.dot(X.T, Y, out=dW), 200))
        if training and number > 0:
            products.append(timed(lambda W=W, dX=dX, Y=Y: np.dot(Y, W.T, out=dX), 200))
        total += sum(best_of(products, 15))
    return total


def bench_training(
    entries: list[Contestant], sizes: list[int], rows: int, batch: int, epochs: int, rounds: int
) -> None:
    X, T = rows_of(rows, sizes[0], sizes[-1])
    steps = epochs * -(-rows // batch)
    limit = gemm_seconds(sizes, batch, training=True)
    seconds = best_of([lambda e=e: e.train(sizes, X, T, batch, epochs) / steps for e in entries], rounds)
    name = "-".join(map(str, sizes))
    table(f"training {name}, {rows} rows, batch {batch}: microseconds a step", entries, seconds, "us", 1e6)
    limit = min(limit, gemm_seconds(sizes, batch, training=True))
    print(f"  {'GEMM alone':14s}{limit * 1e6:10.1f} us   we reach {limit / seconds[0]:.0%} of its rate")


def bench_tutorial(entries: list[Contestant], rounds: int) -> None:
    X, T = rows_of(1000, 3, 1)
    seconds = best_of([lambda e=e: e.train([3, 8, 4, 1], X, T, 32, 100) for e in entries], rounds)
    table(
        "the tutorial's task: 1000 rows, 3-8-4-1, 100 epochs of batches of 32 (assumed)",
        entries,
        seconds,
        "s",
        1.0,
    )
    print(f"  published there, on another machine: {TUTORIAL_SECONDS}; ours takes {seconds[0]:.3f} s")


def bench_one_row(entries: list[Contestant], rounds: int) -> None:
    sizes = [64, 32, 16, 4]
    X = rows_of(1, 64, 4)[0]
    seconds = best_of([timed(e.predictor(sizes, X), 1000) for e in entries], rounds)
    table("one row through 64-32-16-4: microseconds", entries, seconds, "us", 1e6)
    face = NeuralNetwork(sizes, seed=0)
    whole = best_of([timed(lambda: face.predict_proba(X), 1000)], rounds)[0]
    print(f"  through NeuralNetwork.predict_proba {whole * 1e6:.1f} us")


def bench_batched(entries: list[Contestant], rounds: int) -> None:
    sizes, rows = [64, 128, 64, 4], 100_000
    X = rows_of(rows, 64, 4)[0]
    seconds = best_of([timed(e.predictor(sizes, X), 1) for e in entries], rounds)
    table(f"{rows} rows through 64-128-64-4: milliseconds", entries, seconds, "ms", 1e3)
    limit = gemm_seconds(sizes, 1000, training=False) * rows / 1000
    print(f"  {'GEMM alone':14s}{limit * 1e3:10.1f} ms   we reach {limit / seconds[0]:.0%} of its rate")
    network = Ours().network(sizes)
    network.predict(X[:2000])
    for part in (10_000, rows):
        tracemalloc.start()
        answer = network.predict(X[:part])
        beyond = tracemalloc.get_traced_memory()[1] - answer.nbytes
        tracemalloc.stop()
        print(f"  memory beside the answer, {part} rows: {beyond / 1024:.1f} kB")


def main() -> None:
    """Run everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two rounds instead of seven")
    rounds = 2 if parser.parse_args().quick else 7
    warnings.simplefilter("ignore")  # scikit-learn warns that it has not converged, which is the point
    entries = contestants()
    print(f"Python {platform.python_version()} on {platform.machine()}, one thread each:", end=" ")
    print(", ".join(f"{entry.name} ({entry.version})" for entry in entries))
    bench_training(entries, [3, 8, 4, 1], 1600, 32, 20, rounds)
    bench_tutorial(entries, rounds)
    bench_training(entries, [64, 128, 64, 4], 100_000, 256, 1, rounds)
    bench_one_row(entries, rounds)
    bench_batched(entries, rounds)


if __name__ == "__main__":
    main()
