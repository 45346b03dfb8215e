"""The public face: one class over the parts of this package."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loadwatch.nn import diagnosis, gradcheck, schedules
from loadwatch.nn.activations import activation
from loadwatch.nn.arrays import Array, as_dtype, as_table
from loadwatch.nn.data import Data, tables
from loadwatch.nn.errors import FileError, InputError
from loadwatch.nn.layers import Dense, Dropout, Layer
from loadwatch.nn.losses import BinaryCrossEntropy, Loss, MeanSquared
from loadwatch.nn.network import Network
from loadwatch.nn.objective import loss_and_gradient
from loadwatch.nn.optimisers import optimiser as optimiser_by_name
from loadwatch.nn.reporting import audible, reporter
from loadwatch.nn.revival import Reviver
from loadwatch.nn.storage import pack, unpack
from loadwatch.nn.training import Plan, TrainingReport, train
from loadwatch.nn.weighting import weights_of

KIND = "loadwatch.nn.NeuralNetwork"


class NeuralNetwork:
    """A fully connected network that learns a 0/1 (or a real) answer from rows of numbers.

    >>> network = NeuralNetwork([2, 4, 1], learning_rate=0.5, seed=1)
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    >>> report = network.train(X, y, epochs=500, verbose=False)
    >>> network.predict(X).ravel().tolist()
    [0, 1, 1, 0]

    Args:
        layer_sizes: numbers of inputs, of units in each hidden layer, of outputs.
        learning_rate: the largest; a training warms up to it and then falls along a cosine to 2 % of it.
        hidden: activation of the hidden layers, one for all or one each.
        output: "sigmoid" learns by cross-entropy (labels 0 to 1), "identity" or "tanh" by mean squared error.
        optimiser: "adam", "adamw" or "sgd" (momentum 0.9).
        dropout: share of hidden units left out of each training step.
        l2: lambda of lambda/2 |weights|^2 in the loss.
        dtype: "float32", or "float64" for proofs.
        seed: of initial weights, shuffling and dropout; the same seed gives the same weights, bit for bit.

    It has one owner at a time: predicting from two threads at once needs two instances.
    """

    def __init__(  # noqa: PLR0913 - the public contract, one keyword a choice
        self,
        layer_sizes: Sequence[int],
        learning_rate: float = 0.02,
        *,
        hidden: str | Sequence[str] = "relu",
        output: str = "sigmoid",
        optimiser: str = "adam",
        dropout: float = 0.0,
        l2: float = 0.0,
        dtype: npt.DTypeLike = "float32",
        seed: int | None = None,
    ) -> None:
        self.layer_sizes = _sizes(layer_sizes)
        self.learning_rate = float(learning_rate)
        self.hidden = _hidden(hidden, len(self.layer_sizes) - 2)
        self.output = activation(output).name
        self.optimiser = optimiser
        self.dropout, self.l2 = float(dropout), float(l2)
        self._schedule = schedules.warm_up(schedules.cosine(self.learning_rate))
        self._optimiser = optimiser_by_name(optimiser)
        self._loss: Loss = BinaryCrossEntropy() if self.output == "sigmoid" else MeanSquared()
        self._rng = np.random.default_rng(seed)
        self.network = Network(self._layers(), link=self._loss.link, dtype=as_dtype(dtype), seed=self._rng)

    def _layers(self) -> list[Layer]:
        logits = "identity" if self._loss.link == self.output else self.output
        layers: list[Layer] = []
        for (inputs, outputs), bend in zip(pairwise(self.layer_sizes), (*self.hidden, logits), strict=True):
            if layers and self.dropout > 0.0:
                layers.append(Dropout(self.dropout))
            layers.append(Dense(inputs, outputs, bend))
        return layers

    def __repr__(self) -> str:
        bends = ", ".join(dict.fromkeys(self.hidden)) or "no hidden layer"
        sizes = "-".join(map(str, self.layer_sizes))
        return f"<NeuralNetwork {sizes}, {bends}, {self.output} output, {self.theta.size} parameters>"

    @property
    def theta(self) -> Array:
        """All parameters, flat and writable: layer by layer, W (I, O) row by row, then b (O,)."""
        return self.network.theta

    @theta.setter
    def theta(self, values: npt.ArrayLike) -> None:
        table = as_table("theta", np.reshape(values, (1, -1)), self.network.theta.size, self.network.dtype)
        self.network.theta[...] = table[0]

    def train(  # noqa: PLR0913 - the public contract, one keyword a choice
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        epochs: int = 1000,
        batch_size: int = 32,
        *,
        validation: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        patience: int | None = None,
        verbose: bool = True,
        schedule: schedules.Schedule | None = None,
        sample_weights: npt.ArrayLike | None = None,
        class_weights: tuple[float, float] | None = None,
    ) -> TrainingReport:
        """Learn y (rows, outputs) from X (rows, inputs), going on from the present weights.

        Stuck units are noticed and replaced on the way, see revival.py.

        Args:
            X: finite numbers; scale them to about -1 to 1 with statistics of the training rows.
            y: labels, 0 to 1 for a sigmoid output.
            epochs: passes over all rows, at most.
            batch_size: rows a step.
            validation: (X, y) whose loss is reported and decides on early stopping.
            patience: stop after so many epochs without a new lowest loss, and go back to the weights of it.
            verbose: report about ten times to the logger "loadwatch.nn" at INFO, which is heard on the
                error stream when the program has set up no logging.
            schedule: learning rates other than warm-up and cosine.
            sample_weights: (rows,) how much each row counts.
            class_weights: how much label 0 and label 1 count; `weighting.balanced(y)` for rare labels.

        Raises:
            InputError: before anything is computed.
            DivergenceError: the last good weights are back in place.
        """
        X, y = self._pair(X, y)
        weights = None
        if sample_weights is not None or class_weights is not None:
            weights = weights_of(y, rows=sample_weights, classes=class_weights)
        plan = Plan(
            loss=self._loss,
            optimiser=self._optimiser,
            schedule=schedule or self._schedule,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            l2=self.l2,
        )
        with audible() if verbose else nullcontext():
            return train(
                self.network,
                Data(X, y, weights),
                plan,
                seed=self._rng,
                validation=None if validation is None else Data(*validation),
                progress=reporter(epochs) if verbose else None,
                revival=Reviver(self.network, self._loss, self._optimiser, X, y, rng=self._rng),
            )

    def predict_proba(self, X: npt.ArrayLike) -> Array:
        """Probabilities (rows, outputs), as a new array; with another output than sigmoid, the estimates."""
        return self.network.predict(X)

    def predict_batched(self, X: npt.ArrayLike, batch_size: int = 1000) -> Array:
        """As `predict_proba`, by `batch_size` rows; beside the answer, memory does not grow with the rows."""
        return self.network.predict(X, batch_size)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.int8]:
        """0 or 1 (rows, outputs): 1 from a probability of one half on."""
        return (self.network.predict(X) >= 0.5).astype(np.int8)

    def loss(self, X: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """The loss that training lowers, L2 included, without dropout."""
        return loss_and_gradient(self.network, self._loss, *self._pair(X, y), l2=self.l2)[0]

    def gradient(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Array:
        """Its derivative by `theta`, flat; changes nothing."""
        return loss_and_gradient(self.network, self._loss, *self._pair(X, y), l2=self.l2)[1]

    def check_gradients(self, X: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """Relative error of the gradient against finite differences, in float64; below 1e-7 when right."""
        pair = self._pair(X, y)
        return gradcheck.relative_gradient_error(self.network, self._loss, *pair, l2=self.l2)

    def diagnose(self, X: npt.ArrayLike, y: npt.ArrayLike) -> diagnosis.Diagnosis:
        """Gradient norm and dead units of each layer, with warnings; changes nothing."""
        return diagnosis.diagnose(self.network, self._loss, *self._pair(X, y))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write shape, settings and weights to `path` (format: storage.py), replacing it in one move."""
        meta = {
            "kind": KIND,
            "layer_sizes": list(self.layer_sizes),
            "learning_rate": self.learning_rate,
            "hidden": list(self.hidden),
            "output": self.output,
            "optimiser": self.optimiser,
            "dropout": self.dropout,
            "l2": self.l2,
            "dtype": self.network.dtype.name,
        }
        target = Path(path)
        sibling = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with sibling.open("wb") as file:
                file.write(pack(meta, {"theta": self.theta}))
                file.flush()
                os.fsync(file.fileno())
            sibling.replace(target)
        finally:
            sibling.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NeuralNetwork:
        """A network as `save` left it.

        Raises:
            FileError: a foreign, damaged or unfit file, with the reason.
        """
        try:
            meta, arrays = unpack(Path(path).read_bytes())
            if meta.pop("kind", None) != KIND:
                raise FileError(f"it holds something other than a {KIND}")
            network = cls(meta.pop("layer_sizes"), **meta)
            network.theta = arrays["theta"]
        except (InputError, FileError, KeyError, TypeError) as error:
            raise FileError(f"cannot load {os.fspath(path)}: {error}") from error
        return network

    def _pair(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array]:
        rows = tables(self.network, self._loss, Data(X, y))
        return rows.X, rows.T


def _sizes(layer_sizes: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(layer_sizes)
    if len(sizes) < 2 or not all(isinstance(size, (int, np.integer)) and size > 0 for size in sizes):
        raise InputError(f"layer_sizes is {sizes}, expected two or more whole numbers above 0")
    return tuple(int(size) for size in sizes)


def _hidden(hidden: str | Sequence[str], layers: int) -> tuple[str, ...]:
    names = (hidden,) * layers if isinstance(hidden, str) else tuple(hidden)
    if len(names) != layers:
        raise InputError(
            f"hidden names {len(names)} activations, expected one or {layers}, one a hidden layer"
        )
    return tuple(activation(name).name for name in names)
