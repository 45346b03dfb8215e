"""The promises of the public face."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.nn import FileError, InputError, NetworkError, NeuralNetwork, constant, loss_and_gradient, pack
from loadwatch.nn.losses import BinaryCrossEntropy

from .examples import XOR_X, XOR_Y


def trained(**settings: object) -> NeuralNetwork:
    network = NeuralNetwork([2, 4, 1], learning_rate=0.5, seed=7, **settings)  # type: ignore[arg-type]
    network.train(XOR_X, XOR_Y, epochs=60, verbose=False)
    return network


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "settings"), [(100, {"learning_rate": 0.5}), (20, {})], ids=["0.5", "default"]
)
def test_xor_is_solved_for_every_seed(seeds: int, settings: dict[str, float]) -> None:
    """2-4-1, 2000 epochs: 100 of 100 seeds at rate 0.5, and every seed at the default rate."""
    failed = []
    for seed in range(seeds):
        network = NeuralNetwork([2, 4, 1], seed=seed, **settings)
        report = network.train(XOR_X, XOR_Y, epochs=2000, verbose=False)
        assert len(report.losses) == 2000
        if not np.array_equal(network.predict(XOR_X), XOR_Y):
            failed.append(seed)
    assert failed == []


def test_one_step_is_the_one_worked_by_hand() -> None:
    """1-1-1, one row, plain gradient descent: every number below was worked out with pencil and paper.

    x = 2, w1 = 0.5, b1 = 0, w2 = 1, b2 = -1, t = 1:  h = relu(1) = 1, z = 0, p = 1/2, loss = ln 2,
    dz = p - t = -1/2,  dw2 = dz h = -1/2,  db2 = -1/2,  dh = dz w2 = -1/2,  dw1 = dh x = -1,  db1 = -1/2.
    """
    network = NeuralNetwork([1, 1, 1], optimiser="sgd", dtype="float64", seed=0)
    network.theta = [0.5, 0.0, 1.0, -1.0]
    assert network.loss([[2.0]], [[1.0]]) == pytest.approx(np.log(2.0), rel=1e-15)
    np.testing.assert_allclose(network.gradient([[2.0]], [[1.0]]), [-1.0, -0.5, -0.5, -0.5], rtol=1e-15)
    network.train([[2.0]], [[1.0]], epochs=1, schedule=constant(0.1), verbose=False)
    np.testing.assert_allclose(network.theta, [0.6, 0.05, 1.05, -0.95], rtol=1e-15)


@pytest.mark.parametrize("hidden", ["relu", "leaky_relu", "tanh", "sigmoid", "identity"])
@pytest.mark.parametrize("output", ["sigmoid", "identity", "tanh"])
def test_gradients_check_for_every_activation(hidden: str, output: str) -> None:
    """`check_gradients` is below 1e-7 for every hidden and output activation, also of a float32 network."""
    network = NeuralNetwork([2, 5, 3, 1], hidden=hidden, output=output, l2=0.01, seed=3)
    assert network.check_gradients(XOR_X, XOR_Y) < 1e-7


def test_hidden_activation_is_chosen_per_layer() -> None:
    """One name for all hidden layers, or one each."""
    network = NeuralNetwork([2, 4, 3, 1], hidden=["tanh", "relu"], seed=0)
    assert [layer.activation.name for layer in network.network.dense] == ["tanh", "relu", "identity"]
    with pytest.raises(InputError, match="hidden names 1 activations, expected one or 2"):
        NeuralNetwork([2, 4, 3, 1], hidden=["tanh"])


def test_same_seed_gives_the_same_weights_bit_for_bit() -> None:
    """Initial weights, shuffling, dropout and revival all come from the one seed."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 3)), rng.integers(0, 2, (100, 1))
    networks = [NeuralNetwork([3, 8, 1], dropout=0.2, seed=11) for _ in range(2)]
    for network in networks:
        network.train(X, y, epochs=20, verbose=False)
    assert networks[0].theta.tobytes() == networks[1].theta.tobytes()
    assert not np.array_equal(
        NeuralNetwork([3, 8, 1], seed=12).theta, NeuralNetwork([3, 8, 1], seed=11).theta
    )


def test_float32_and_float64_training_agree() -> None:
    """The production format learns what the format of the proofs learns, to its own precision."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(256, 4))
    y = (X[:, :1] + X[:, 1:2] > 0.3).astype(float)
    reports, predictions = [], []
    for dtype in ("float32", "float64"):
        network = NeuralNetwork([4, 8, 1], hidden="tanh", dtype=dtype, seed=2)
        reports.append(network.train(X, y, epochs=30, verbose=False))
        predictions.append(network.predict_proba(X))
    # 240 steps of Adam; each rounds at 6e-8, and tanh keeps the error from growing much.
    np.testing.assert_allclose(reports[0].losses, reports[1].losses, rtol=1e-4)
    np.testing.assert_allclose(predictions[0], predictions[1], atol=1e-3)


@given(rows=st.integers(1, 70), batch_size=st.integers(1, 80), seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_batched_prediction_equals_row_by_row(rows: int, batch_size: int, seed: int) -> None:
    """How rows are put together never changes what is said of one."""
    network = NeuralNetwork([3, 6, 2], seed=seed)
    X = np.random.default_rng(seed).normal(size=(rows, 3))
    each = np.concatenate([network.predict_proba(row[None]) for row in X])
    np.testing.assert_allclose(network.predict_batched(X, batch_size), each, rtol=1e-5)
    np.testing.assert_allclose(network.predict_proba(X), each, rtol=1e-5)


def test_predict_is_zero_or_one() -> None:
    """`predict` answers 0 or 1 in the shape of y, 1 from a half on."""
    network = NeuralNetwork([2, 1], seed=0)
    network.theta = [1.0, 0.0, 0.0]
    answer = network.predict([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    assert answer.tolist() == [[0], [1], [1]]


def test_loss_gradient_and_diagnose_change_nothing() -> None:
    """Looking never trains."""
    network = trained()
    theta = network.theta.copy()
    network.loss(XOR_X, XOR_Y)
    network.gradient(XOR_X, XOR_Y)[:] = 0.0
    network.check_gradients(XOR_X, XOR_Y)
    network.diagnose(XOR_X, XOR_Y)
    np.testing.assert_array_equal(network.theta, theta)


def test_loss_is_the_cross_entropy_of_the_probabilities() -> None:
    """The loss that is reported is the one its name says."""
    network = trained(dtype="float64")
    p = network.predict_proba(XOR_X)
    expected = -np.mean(XOR_Y * np.log(p) + (1.0 - XOR_Y) * np.log(1.0 - p))
    assert network.loss(XOR_X, XOR_Y) == pytest.approx(expected, rel=1e-9)


def test_l2_is_part_of_loss_and_gradient() -> None:
    """L2 counts weights, not biases."""
    plain, heavy = (NeuralNetwork([2, 3, 1], l2=l2, dtype="float64", seed=5) for l2 in (0.0, 0.5))
    weights = np.concatenate([layer.W.ravel() for layer in plain.network.dense])
    assert heavy.loss(XOR_X, XOR_Y) - plain.loss(XOR_X, XOR_Y) == pytest.approx(0.25 * weights @ weights)


def test_dropout_is_off_when_predicting() -> None:
    """Two predictions of a network with dropout are the same, and the mean of training ones."""
    network = NeuralNetwork([2, 64, 1], dropout=0.5, seed=0)
    np.testing.assert_array_equal(network.predict_proba(XOR_X), network.predict_proba(XOR_X))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((4, 3)), XOR_Y, r"X has shape \(4, 3\), expected \(rows, 2\)"),
        (np.zeros(4), XOR_Y, r"X has shape \(4,\), expected \(rows, 2\)"),
        (
            np.zeros((0, 2)),
            np.zeros((0, 1)),
            r"X has shape \(0, 2\), expected \(rows, 2\) with at least one row",
        ),
        (XOR_X, XOR_Y[:3], "X has 4 rows, but y has 3"),
        (XOR_X, XOR_Y[:, 0], r"y has shape \(4,\).*did you mean y.reshape\(-1, 1\)"),
        (
            XOR_X,
            XOR_Y * 2.0,
            r"y of shape \(4, 1\) goes from 0.0 to 2.0, expected 0 to 1 for the loss cross_entropy",
        ),
        (np.where(XOR_X == 1.0, np.nan, XOR_X), XOR_Y, r"X of shape \(4, 2\) has nan at row 1, column 1"),
        (XOR_X * 1e300, XOR_Y, r"X of shape \(4, 2\) has inf at row 1, column 1"),
        (XOR_X, np.full((4, 1), np.inf), r"y of shape \(4, 1\) has inf at row 0, column 0"),
        (np.array([["a", "b"]] * 4), XOR_Y, "X holds <U1, expected real numbers"),
        (XOR_X * 1j, XOR_Y, "X holds complex128, expected real numbers"),
    ],
)
def test_bad_data_is_refused_by_name_and_shape(X: np.ndarray, y: np.ndarray, message: str) -> None:
    """Wrong shape, NaN, infinity, empty, foreign labels: refused before a weight moves."""
    network = NeuralNetwork([2, 4, 1], seed=0)
    theta = network.theta.copy()
    with pytest.raises(InputError, match=message):
        network.train(X, y, verbose=False)
    np.testing.assert_array_equal(network.theta, theta)


@pytest.mark.parametrize(
    "X", [np.full((1, 2), np.nan), np.full((5, 2), -np.inf), np.zeros((2, 3)), np.zeros(2)]
)
def test_bad_input_is_refused_when_predicting(X: np.ndarray) -> None:
    """No probability is made up for a row that has none."""
    with pytest.raises(InputError, match="X"):
        NeuralNetwork([2, 4, 1], seed=0).predict_proba(X)


@pytest.mark.parametrize(
    "settings",
    [
        {"layer_sizes": [2]},
        {"layer_sizes": [2, 0, 1]},
        {"layer_sizes": [2.5, 1]},
        {"hidden": "softplus"},
        {"output": "softmax"},
        {"optimiser": "lbfgs"},
        {"dropout": 1.0},
        {"dtype": "float16"},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object]) -> None:
    """A constructor that returns has understood every setting."""
    with pytest.raises(NetworkError, match="expected"):
        NeuralNetwork(**{"layer_sizes": [2, 4, 1], **settings})  # type: ignore[arg-type]


def test_class_weights_move_the_answer_to_the_rare_label() -> None:
    """A label that counts nine times as much is predicted nine times as likely where rows do not tell."""
    X, y = np.zeros((100, 1)), np.zeros((100, 1))
    y[:10] = 1.0
    network = NeuralNetwork([1, 1], seed=0)
    network.train(X, y, epochs=300, class_weights=(1.0, 9.0), verbose=False)
    assert network.predict_proba(X[:1])[0, 0] == pytest.approx(0.5, abs=0.02)


def test_sample_weight_of_zero_leaves_a_row_out() -> None:
    """Rows of weight 0 do not move the gradient at all."""
    network = NeuralNetwork([2, 3, 1], dtype="float64", seed=0)
    other = NeuralNetwork([2, 3, 1], dtype="float64", seed=0)
    y = XOR_Y.copy()
    y[3] = 1.0
    for one, labels in ((network, XOR_Y), (other, y)):
        one.train(XOR_X, labels, epochs=5, sample_weights=[1.0, 1.0, 1.0, 0.0], verbose=False)
    np.testing.assert_array_equal(network.theta, other.theta)


def test_save_and_load_give_the_same_network(tmp_path: Path) -> None:
    """Weights bit for bit, and every setting."""
    network = trained(hidden=["tanh"], dropout=0.1, l2=0.01, optimiser="adamw", dtype="float64")
    network.save(tmp_path / "net")
    loaded = NeuralNetwork.load(tmp_path / "net")
    assert loaded.theta.tobytes() == network.theta.tobytes()
    assert loaded.predict_proba(XOR_X).tobytes() == network.predict_proba(XOR_X).tobytes()
    for name in ("layer_sizes", "learning_rate", "hidden", "output", "optimiser", "dropout", "l2"):
        assert getattr(loaded, name) == getattr(network, name)
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_foreign_file_is_refused_with_its_name_and_the_reason(tmp_path: Path) -> None:
    """Whatever is wrong with a file, the error says which file and what."""
    path = tmp_path / "net"
    for content, reason in (
        (b"", "not a stored network"),
        (b"\x80\x04K\x01.", "not a stored network"),
        (pack({}, {}), "something other than a"),
        (pack({"kind": "loadwatch.nn.NeuralNetwork"}, {}), "layer_sizes"),
        (pack({"kind": "loadwatch.nn.NeuralNetwork", "layer_sizes": [2, 1]}, {}), "theta"),
        (
            pack({"kind": "loadwatch.nn.NeuralNetwork", "layer_sizes": [2, 1]}, {"theta": np.zeros(4)}),
            r"theta has shape \(1, 4\), expected \(rows, 3\)",
        ),
        (
            pack(
                {"kind": "loadwatch.nn.NeuralNetwork", "layer_sizes": [2, 1]}, {"theta": np.full(3, np.nan)}
            ),
            "nan",
        ),
    ):
        path.write_bytes(content)
        with pytest.raises(FileError, match=f"cannot load {path}: .*{reason}"):
            NeuralNetwork.load(path)


def test_theta_is_live_and_writable() -> None:
    """Writing into `theta` changes the next prediction; it holds W row by row, then b, layer by layer."""
    network = NeuralNetwork([2, 1], output="identity", seed=0)
    network.theta[:] = [1.0, 2.0, 3.0]
    np.testing.assert_allclose(network.predict_proba([[10.0, 100.0]]), [[213.0]])


def test_verbose_training_is_heard_through_logging(caplog: pytest.LogCaptureFixture) -> None:
    """With logging set up, progress goes where the program sends it; silent when not wanted."""
    caplog.set_level(logging.INFO, logger="loadwatch.nn")
    network = NeuralNetwork([2, 4, 1], seed=0)
    network.train(XOR_X, XOR_Y, epochs=50, validation=(XOR_X, XOR_Y))
    assert 10 <= len(caplog.records) <= 12
    assert "epoch=50 of=50 loss=" in caplog.text
    assert "validation_loss=" in caplog.text
    caplog.clear()
    network.train(XOR_X, XOR_Y, epochs=5, verbose=False)
    assert caplog.records == []


def test_gradient_is_that_of_the_parts() -> None:
    """The face adds nothing to the parts under it."""
    network = NeuralNetwork([2, 4, 1], dtype="float64", seed=0)
    expected = loss_and_gradient(network.network, BinaryCrossEntropy(), XOR_X, XOR_Y)
    assert network.loss(XOR_X, XOR_Y) == expected[0]
    np.testing.assert_array_equal(network.gradient(XOR_X, XOR_Y), expected[1])


def test_verbose_training_is_heard_where_no_logging_is_set_up() -> None:
    """A person at a prompt sees progress on the error stream; standard output stays clean."""
    code = (
        "from loadwatch.nn import NeuralNetwork\n"
        "NeuralNetwork([2, 4, 1], seed=0).train([[0, 1]], [[1]], epochs=20)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "epoch=20 of=20 loss=" in run.stderr
    assert run.stdout == ""
