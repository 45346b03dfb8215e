"""The chain of layers on one flat vector, and its passes."""

import ast
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import loadwatch.nn
from loadwatch.nn import BinaryCrossEntropy, Dense, Dropout, InputError, Network, Pass, loss_and_gradient
from loadwatch.nn.network import PASSES_KEPT, ROWS_KEPT

from .examples import build


def test_theta_is_every_parameter_and_layers_are_views() -> None:
    """Writing into `theta` is writing into W and b: layer by layer, W row by row, then b."""
    network = Network([Dense(2, 3), Dense(3, 1)], seed=0)
    network.theta[...] = np.arange(13)
    first, second = network.dense
    np.testing.assert_array_equal(first.W, [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    np.testing.assert_array_equal(first.b, [6.0, 7.0, 8.0])
    np.testing.assert_array_equal(second.W, [[9.0], [10.0], [11.0]])
    np.testing.assert_array_equal(second.b, [12.0])
    np.testing.assert_array_equal(network.weight_mask, [1.0] * 6 + [0.0] * 3 + [1.0] * 3 + [0.0])


def test_forward_is_the_chain_of_formulas() -> None:
    """relu(X W + b) W' + b', whatever the memory layout inside."""
    network = build([3, 5, 2])
    X = np.random.default_rng(0).normal(size=(4, 3))
    first, second = network.dense
    expected = np.maximum(X @ first.W + first.b, 0.0) @ second.W + second.b
    np.testing.assert_allclose(network.forward(X), expected, rtol=1e-12)
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-12)


def test_link_is_applied_when_predicting_only() -> None:
    """Training works on logits, prediction gives what they mean."""
    network = build([3, 4, 2], link="sigmoid")
    X = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(network.predict(X), 1.0 / (1.0 + np.exp(-network.forward(X))), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", ["float32", "float64", "int64", "bool"])
def test_nothing_leaves_the_number_format_of_the_network(dtype: str, given: str) -> None:
    """No hidden float64: outputs, gradients and every buffer have the format that was asked for."""
    network = build([3, 4, 2], dtype=dtype, dropout=0.2, link="sigmoid")
    X = np.ones((5, 3), given)
    assert network.predict(X).dtype == dtype
    assert network.forward(X).dtype == dtype
    assert loss_and_gradient(network, BinaryCrossEntropy(), X, np.ones((5, 2), dtype))[1].dtype == dtype
    at = Pass(network, 5)
    arrays = [getattr(slot, name) for slot in at.slots for name in ("X1T", "YT", "dYT", "scratch")]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


@pytest.mark.parametrize("order", ["C", "F"])
def test_layout_of_the_input_does_not_matter(order: str) -> None:
    """Rows or columns first, a view with steps: the same answer, and the input is left as it was."""
    network = build([3, 4, 2])
    X = np.random.default_rng(0).normal(size=(6, 3))
    given = np.array(X, order=order)  # type: ignore[call-overload]
    np.testing.assert_array_equal(network.predict(given), network.predict(X))
    np.testing.assert_array_equal(given, X)
    wide = np.zeros((12, 6))
    wide[::2, ::2] = X
    np.testing.assert_array_equal(network.predict(wide[::2, ::2]), network.predict(X))


def test_prediction_belongs_to_the_caller() -> None:
    """`predict` gives a new array each time; a later call does not change an earlier answer."""
    network = build([2, 3, 1])
    first = network.predict([[0.0, 1.0]])
    before = first.copy()
    network.predict([[5.0, -3.0]])
    np.testing.assert_array_equal(first, before)


def test_passes_are_kept_for_a_few_batch_sizes_only() -> None:
    """Predicting batches of ever new sizes does not gather buffers for ever."""
    network = build([2, 3, 1])
    for rows in range(1, 50):
        network.predict(np.zeros((rows, 2)))
    assert len(network._passes) == PASSES_KEPT


def peak_beyond_answer(network: Network, X: np.ndarray) -> int:
    network.predict(X[:2000])
    tracemalloc.start()
    answer = network.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - answer.nbytes


@pytest.mark.slow
def test_memory_of_batched_prediction_is_constant() -> None:
    """Ten times the rows need no more memory beside the answer itself."""
    network = build([32, 64, 2], dtype="float32")
    X = np.random.default_rng(0).normal(size=(100_000, 32)).astype(np.float32)
    assert peak_beyond_answer(network, X) < 100_000
    assert peak_beyond_answer(network, X) - peak_beyond_answer(network, X[:10_000]) < 4096


def test_astype_is_a_twin_of_its_own() -> None:
    """Same layers and parameters in another format; moving one leaves the other."""
    network = build([3, 4, 2], "tanh", dropout=0.3, dtype="float32", link="sigmoid")
    twin = network.astype("float64")
    X = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(twin.predict(X), network.predict(X), rtol=1e-5)
    assert [type(layer) for layer in twin.layers] == [type(layer) for layer in network.layers]
    twin.theta.fill(0.0)
    assert network.theta.any()


def test_layers_that_do_not_fit_are_refused() -> None:
    """A broken chain is named by its layers and sizes; so is an empty one."""
    with pytest.raises(InputError, match="layer 1 gives 3 numbers, but layer 2 takes 4"):
        Network([Dense(2, 3), Dense(4, 1)])
    with pytest.raises(InputError, match="at least one dense layer"):
        Network([Dropout(0.5)])


def test_a_large_number_is_no_false_alarm() -> None:
    """What is finite in the network's format is taken, also where its square would not be."""
    network = Network([Dense(1, 1, "identity")], seed=0)
    assert np.isfinite(network.predict([[1e30]])).all()


def test_the_library_needs_numpy_only() -> None:
    """Importing it brings in the standard library, numpy, and no other room of loadwatch."""
    code = "import sys, loadwatch.nn; print(*(m for m in sys.modules if m.startswith('loadwatch.')))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name.startswith("loadwatch.nn") for name in run.stdout.split())
    sources = [path.read_text() for path in Path(loadwatch.nn.__file__).parent.glob("*.py")]
    imported = {
        name.split(".")[0]
        for source in sources
        for node in ast.walk(ast.parse(source))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy", "loadwatch"}


@pytest.mark.parametrize("batch_size", [0, -5])
def test_impossible_batch_size_is_refused(batch_size: int) -> None:
    """It never comes to an answer that was not computed."""
    with pytest.raises(InputError, match=f"batch_size is {batch_size}, expected at least 1"):
        build([2, 1]).predict([[0.0, 0.0]], batch_size)


def test_a_layer_belongs_to_one_network() -> None:
    """A second network over the same layer would move the first one's weights; it is refused."""
    layer = Dense(2, 2)
    Network([layer])
    with pytest.raises(InputError, match="already belongs to a network"):
        Network([layer])
    twice = Dense(2, 2)
    with pytest.raises(InputError, match="already belongs to a network"):
        Network([twice, twice])


def test_buffers_of_a_huge_batch_are_given_back() -> None:
    """One large call does not cost memory for the rest of a daemon's life."""
    network = build([2, 3, 1])
    network.forward(np.zeros((ROWS_KEPT + 1, 2)))
    assert network._passes == {}


def test_activations_are_those_of_each_layer() -> None:
    """Copies, one a dense layer, the logits last."""
    network = build([3, 4, 2], "tanh", dropout=0.5)
    X = np.random.default_rng(0).normal(size=(5, 3))
    hidden, logits = network.activations(X)
    np.testing.assert_allclose(hidden, np.tanh(X @ network.dense[0].W + network.dense[0].b), rtol=1e-12)
    np.testing.assert_allclose(logits, network.forward(X), rtol=1e-12)
