"""The training loop: what it promises about weights, losses, memory and stopping."""

import threading
import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest

from loadwatch.nn import (
    SGD,
    Adam,
    AdamW,
    Array,
    BinaryCrossEntropy,
    Data,
    Dense,
    DivergenceError,
    Dropout,
    Epoch,
    Huber,
    InputError,
    MeanSquared,
    Network,
    Plan,
    constant,
    cosine,
    loss_and_gradient,
    mean_loss,
    normal,
    train,
    warm_up,
    weights_of,
)

from .examples import build


def line(rows: int = 64, seed: int = 0) -> Data:
    """A target that two inputs decide."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3))
    return Data(X, (X[:, :1] - X[:, 1:2] > 0.0).astype(float))


def plan(**changes: object) -> Plan:
    made = Plan(BinaryCrossEntropy(), Adam(), cosine(0.02), epochs=20, batch_size=16)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_loss_falls_and_is_told_once_an_epoch() -> None:
    """One loss an epoch, for training and validation, falling on a task that can be learned."""
    report = train(build([3, 8, 1], dtype="float32"), line(), plan(), seed=0, validation=line(seed=1))
    assert len(report.losses) == len(report.validation_losses) == 20
    assert report.losses[-1] < 0.5 * report.losses[0]
    assert report.validation_losses[-1] < report.validation_losses[0]
    assert (report.steps, report.stopped, report.best_epoch) == (80, "epochs", None)
    assert report.seconds > 0.0


def test_training_is_the_loop_of_the_textbook() -> None:
    """Full batches and plain gradient descent: exactly theta -= rate * gradient, epoch by epoch."""
    data = line()
    X, T = np.asarray(data.X), np.asarray(data.T)
    network, twin = build([3, 4, 1]), build([3, 4, 1])
    report = train(network, data, plan(optimiser=SGD(0.0), schedule=constant(0.3), batch_size=64, l2=0.01))
    for told in report.losses:
        value, gradient = loss_and_gradient(twin, BinaryCrossEntropy(), X, T, l2=0.01)
        assert told == pytest.approx(value, rel=1e-9)
        twin.theta[...] -= 0.3 * gradient
    np.testing.assert_allclose(network.theta, twin.theta, rtol=1e-9)


def test_incomplete_last_batch_counts_by_its_rows() -> None:
    """With a rate too small to move anything, the epoch's loss is the loss of all rows."""
    network = build([3, 4, 1])
    data = line(61)
    before = mean_loss(network, BinaryCrossEntropy(), np.asarray(data.X), np.asarray(data.T))
    report = train(network, data, plan(schedule=constant(1e-12), epochs=1))
    assert report.losses[0] == pytest.approx(before, rel=1e-6)


def test_early_stopping_gives_the_best_weights_back() -> None:
    """Noise cannot be learned: training ends by its patience, with the weights of the lowest loss."""
    rng = np.random.default_rng(0)
    noise = Data(rng.normal(size=(40, 3)), rng.integers(0, 2, (40, 1)))
    held_out = Data(rng.normal(size=(40, 3)), rng.integers(0, 2, (40, 1)))
    network = build([3, 32, 1])
    report = train(network, noise, plan(epochs=500, patience=10), seed=0, validation=held_out)
    assert report.stopped == "patience"
    assert report.best_epoch == len(report.losses) - 10
    best = min(report.validation_losses)
    assert report.validation_losses[report.best_epoch - 1] == best
    X, T = np.asarray(held_out.X), np.asarray(held_out.T, dtype=float)
    assert mean_loss(network, BinaryCrossEntropy(), X, T) == pytest.approx(best, rel=1e-12)


def test_patience_without_validation_watches_the_training_loss() -> None:
    """Nothing held out: the lowest training loss decides."""
    report = train(build([3, 4, 1]), line(), plan(schedule=constant(0.5), epochs=400, patience=5), seed=0)
    assert report.stopped == "patience"
    assert report.losses[report.best_epoch - 1] == min(report.losses)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("rate", "loss"), [(1e4, MeanSquared()), (1e30, MeanSquared()), (1e38, BinaryCrossEntropy())]
)
def test_divergence_stops_with_a_clear_error_and_the_last_good_weights(
    rate: float, loss: BinaryCrossEntropy | MeanSquared
) -> None:
    """No NaN is left behind, no warning is printed, and the error says what to do."""
    network = build([3, 8, 1], dtype="float32")
    start = network.theta.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            DivergenceError, match=r"diverged in epoch 1: loss .* try a smaller learning rate"
        ):
            train(network, line(), plan(loss=loss, optimiser=SGD(), schedule=constant(rate)), seed=0)
    np.testing.assert_array_equal(network.theta, start)


def test_divergence_after_good_epochs_keeps_what_they_learned() -> None:
    """A schedule that jumps: the weights are those of the last epoch before the jump."""
    kept: list[Array] = []
    network = build([3, 8, 1], dtype="float32")

    def jump(k: Array, n: int) -> Array:
        return np.where(k < 40.0, 0.05, 1e6)

    with pytest.raises(DivergenceError) as caught:
        train(
            network,
            line(),
            plan(loss=MeanSquared(), optimiser=SGD(0.0), schedule=jump),
            seed=0,
            progress=lambda _: kept.append(network.theta.copy()),
        )
    assert caught.value.epoch == len(kept) == 10
    np.testing.assert_array_equal(network.theta, kept[-1])


def test_clipping_tames_what_would_diverge() -> None:
    """The remedy that the error names works."""
    wild = plan(loss=MeanSquared(), optimiser=SGD(0.0), schedule=cosine(3.0), epochs=60)
    with pytest.raises(DivergenceError):
        train(build([3, 8, 1]), line(), wild, seed=0)
    report = train(build([3, 8, 1]), line(), replace(wild, clip=0.1), seed=0)
    assert report.losses[-1] < report.losses[0]


def test_stop_event_ends_training_in_good_order() -> None:
    """Set from another thread or from `progress`, it ends training after the epoch."""
    stop, seen = threading.Event(), list[Epoch]()

    def progress(epoch: Epoch) -> None:
        seen.append(epoch)
        if epoch.number == 3:
            stop.set()

    report = train(build([3, 4, 1]), line(), plan(), stop=stop, progress=progress, validation=line(seed=2))
    assert (report.stopped, len(report.losses)) == ("stop", 3)
    assert [epoch.loss for epoch in seen] == report.losses
    assert [epoch.validation_loss for epoch in seen] == report.validation_losses
    assert seen[0].learning_rate == pytest.approx(0.02, rel=0.01)


def test_same_seed_same_weights_bit_for_bit() -> None:
    """Shuffling and dropout included."""
    thetas = []
    for _ in range(2):
        network = build([3, 16, 1], dtype="float32", dropout=0.3, seed=4)
        train(network, line(100), plan(), seed=9)
        thetas.append(network.theta.tobytes())
    assert thetas[0] == thetas[1]


def peak_of_a_step(rows: int) -> int:
    """The most memory that training asked for beside what it holds, over epochs two and three."""
    network = build([16, 64, 32, 4], dtype="float32")
    rng = np.random.default_rng(0)
    data = Data(rng.normal(size=(rows, 16)).astype(np.float32), rng.random((rows, 4)).astype(np.float32))
    peaks = []

    def progress(epoch: Epoch) -> None:
        if epoch.number > 1:
            now, peak = tracemalloc.get_traced_memory()
            peaks.append(peak - now)
        tracemalloc.reset_peak()

    tracemalloc.start()
    train(network, data, plan(epochs=3, batch_size=256), seed=0, progress=progress)
    tracemalloc.stop()
    return max(peaks)


def test_a_step_allocates_next_to_nothing() -> None:
    """Beside the order of the rows (8 bytes each) and the rates, an epoch of many steps needs a few kB.

    One activation of this batch alone would take 64 kB; numpy's own casting buffer takes 8 to 64 kB once.
    """
    steps, order = 40, 8 * 40 * 256
    assert peak_of_a_step(steps * 256) < order + steps * 200 + 70_000
    assert peak_of_a_step(4 * steps * 256) - 4 * order < 4 * steps * 200 + 70_000


def test_targets_that_the_loss_cannot_mean_are_refused() -> None:
    """Cross-entropy takes 0 to 1, the squared error takes anything finite."""
    data = Data([[0.0, 1.0, 2.0]], [[3.0]])
    with pytest.raises(InputError, match=r"y of shape \(1, 1\) goes from 3.0 to 3.0, expected 0 to 1"):
        train(build([3, 4, 1]), data, plan())
    train(build([3, 4, 1]), data, plan(loss=MeanSquared()))


@pytest.mark.parametrize("part", ["data", "validation"])
def test_bad_rows_are_refused_by_the_name_of_their_part(part: str) -> None:
    """Validation rows are checked before training starts, not after the first epoch."""
    bad = Data([[0.0, 1.0, np.nan]], [[1.0]])
    name = "X of shape" if part == "data" else "validation X of shape"
    with pytest.raises(InputError, match=name):
        train(build([3, 4, 1]), bad if part == "data" else line(), plan(), validation=bad)


def test_weights_of_another_shape_are_refused() -> None:
    """Weights are one a target."""
    with pytest.raises(InputError, match=r"weights have shape \(3, 1\) and minimum 1.0, expected \(2, 1\)"):
        train(build([3, 4, 1]), Data(np.zeros((2, 3)), np.zeros((2, 1)), np.ones((3, 1))), plan())


@pytest.mark.parametrize(
    "changes",
    [{"epochs": 0}, {"batch_size": 0}, {"patience": 0}, {"clip": 0.0}, {"l2": -1.0}, {"l2": np.nan}],
)
def test_bad_plans_are_refused(changes: dict[str, object]) -> None:
    """A plan that exists can be carried out."""
    with pytest.raises(InputError, match=f"{next(iter(changes))} is"):
        plan(**changes)


def test_forecasting_recipe_fits() -> None:
    """66-64-32-9 with dropout, AdamW, warm-up, output weights, own last layer: the parts carry the recipe."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 66))
    T = (X[:, :1] + X[:, 1:2] > np.linspace(0.0, 2.0, 9)).astype(float)
    layers = [
        Dense(66, 64), Dropout(0.1), Dense(64, 32), Dropout(0.1),
        Dense(32, 9, "identity", normal(0.5)),
    ]  # fmt: skip
    network = Network(layers, link="sigmoid", seed=0)
    base = np.clip(T.mean(axis=0), 0.001, 0.999)
    network.dense[-1].b[...] = np.log(base / (1.0 - base))
    recipe = Plan(
        BinaryCrossEntropy(),
        AdamW(1.0),
        warm_up(cosine(0.003), length=100, share=0.1),
        epochs=12,
        batch_size=256,
        drop_last=True,
    )
    weights = weights_of(T, outputs=[0.3] + [0.0875] * 8)
    report = train(network, Data(X, T, weights), recipe, seed=0)
    assert report.steps == 12 * (3000 // 256)
    assert ((network.predict(X)[:, 0] > 0.5) == T[:, 0]).mean() > 0.9  # after 132 steps; always no gives 0.5


def test_autoencoder_recipe_fits() -> None:
    """2J-16-2J with tanh and Huber, input clipped and target not: targets need not be inputs."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 3)) @ rng.normal(size=(3, 20)) + 0.1 * rng.normal(size=(2000, 20))
    network = Network([Dense(20, 16, "tanh"), Dense(16, 20, "identity")], seed=0)
    recipe = Plan(Huber(1.0), AdamW(1e-5), warm_up(cosine(2e-3)), epochs=40, batch_size=256)
    report = train(network, Data(np.clip(z, -2.0, 2.0), z), recipe, seed=0)
    assert report.losses[-1] < 0.3 * report.losses[0]
