"""Whatever lies in the folder of models, the daemon finds a good one or none, in bounded time."""

import copy
import hashlib
import json
import math
import os
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from loadwatch.errors import ModelError
from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Card, Model
from loadwatch.model.patterns import LabelledPatterns, Pattern
from loadwatch.model.store import KEPT, ModelStore, new_version
from loadwatch.nn import storage
from loadwatch.pipeline import Scorer
from loadwatch.records import Recording, Sample
from loadwatch.training.anomaly import train_anomaly
from loadwatch.training.bootstrap import train_bootstrap

SIGNALS = ("cpu", "memory", "disk")
VERSION = "20260101T000000Z"
HORIZONS = (0, 60, 900)


def made() -> Model:
    """A small model with every part that a model can have."""
    rng = np.random.default_rng(0)
    times = 1.7e9 + np.arange(0.0, 86_400.0, 60.0)
    recording = Recording(times, SIGNALS, rng.gamma(2.0, 0.1, (len(times), len(SIGNALS))))
    forecast, _ = train_bootstrap(Rule.parse("cpu > 0.9"), HORIZONS, step=60.0, seed=0)
    pattern = Pattern(1, ("disk",), np.array([0.1]), np.array([0.6]), np.array([1.0]), 0.7, 0.85)
    figures = {"winner": "network", "brier": {"network": {"0": 0.1, "60": None}}}
    card = Card(
        VERSION,
        "trained",
        1.0,
        "host",
        "cpu > 0.9",
        HORIZONS,
        SIGNALS,
        60.0,
        0.0,
        1.0,
        9,
        1.0,
        figures=figures,
    )
    return Model(card, forecast, train_anomaly(recording)[0], LabelledPatterns((pattern,)))


@pytest.fixture(scope="module")
def model() -> Model:
    """Made once; its file is what the tests damage."""
    return made()


def packed(meta: object, arrays: dict[str, Any]) -> bytes:
    """As `storage.pack`, with the checksum that fits, also of what that would refuse to write."""
    table = [{"name": n, "dtype": a.dtype.str, "shape": list(a.shape)} for n, a in arrays.items()]
    header = json.dumps({"meta": meta, "arrays": table}).encode()
    bodies = b"".join(array.tobytes() for array in arrays.values())
    content = storage._FRONT.pack(storage.MAGIC, storage.VERSION, len(header)) + header + bodies
    return content + hashlib.sha256(content).digest()


def works(content: bytes) -> bool:
    """Whether the bytes are a model; one that is can score, and its verdict is a number."""
    try:
        found = Model.from_bytes(content)
    except ModelError:
        return False
    scorer = Scorer(Rule.parse(found.card.rule), found) if found.card.rule == "cpu > 0.9" else None
    for minute in range(5 if scorer else 0):
        scores = scorer.update(Sample(1.7e9 + 60.0 * minute, 60.0 * minute, dict.fromkeys(SIGNALS, 0.2)))
        assert np.isfinite(scores.probabilities).all()
    assert found.card.brier is None or math.isfinite(found.card.brier)
    return True


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("array", ["forecast/theta", "forecast/mean", "forecast/scale", "anomaly/season"])
def test_no_number_under_a_good_checksum(model: Model, array: str, value: float) -> None:
    """A model that would never say anything is set aside: "all is well" of a blind one is a lie."""
    meta, arrays = storage.unpack(model.to_bytes())
    arrays[array][...] = value
    with pytest.raises(ModelError, match="no numbers"):
        Model.from_bytes(packed(meta, arrays))


@pytest.mark.parametrize("array", ["spread", "factor", "step_floors", "size_floors"])
def test_nothing_that_divides_is_zero(model: Model, array: str) -> None:
    """A spread of 0 would make the least deviation endless, and one below 0 an odd one usual."""
    meta, arrays = storage.unpack(model.to_bytes())
    arrays[f"anomaly/{array}"].flat[0] = 0.0
    with pytest.raises(ModelError, match="not all above 0"):
        Model.from_bytes(packed(meta, arrays))


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.just([[[[]]]]),
    st.just(10**400),
)


def leaves(node: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a document, containers included."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [way, *(found for key, value in inner for found in leaves(value, (*way, key)))]


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_value_in_the_header_is_a_model_or_refused(model: Model, data: st.DataObject) -> None:
    """One value anywhere is exchanged for another, or taken away, under a good checksum."""
    meta, arrays = storage.unpack(model.to_bytes())
    meta = copy.deepcopy(meta)
    *way, last = data.draw(st.sampled_from(leaves(meta)[1:]))
    node: Any = meta
    for key in way:
        node = node[key]
    if data.draw(st.booleans()):
        node[last] = data.draw(LEAVES)
    else:
        del node[last]
    event("a model" if works(packed(meta, arrays)) else "refused")


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_array_is_a_model_or_refused(model: Model, data: st.DataObject) -> None:
    """Arrays of other sizes, kinds and values, or none, under a good checksum."""
    meta, arrays = storage.unpack(model.to_bytes())
    name = data.draw(st.sampled_from(sorted(arrays)))
    change = data.draw(st.sampled_from(["gone", "short", "flat", "whole", "one value"]))
    if change == "gone":
        del arrays[name]
    elif change == "short":
        arrays[name] = arrays[name][: len(arrays[name]) // 2]
    elif change == "flat":
        arrays[name] = arrays[name].reshape(-1, 1)
    elif change == "whole":
        with np.errstate(invalid="ignore"):  # no number is some whole number
            arrays[name] = arrays[name].astype("<i4")
    else:
        whole = arrays[name].dtype.kind == "i"
        odd = [-1, 0, 2**62] if whole else [np.nan, np.inf, -np.inf, 1e38, 0.0]
        arrays[name].flat[0] = data.draw(st.sampled_from(odd))
    event(f"{change}: {'a model' if works(packed(meta, arrays)) else 'refused'}")


@settings(max_examples=200, deadline=None)
@given(header=st.binary(max_size=200) | st.text(max_size=60).map(str.encode), body=st.binary(max_size=64))
def test_any_header_is_refused(header: bytes, body: bytes) -> None:
    """What no `pack` wrote, under a good checksum."""
    content = storage._FRONT.pack(storage.MAGIC, storage.VERSION, len(header)) + header + body
    assert not works(content + hashlib.sha256(content).digest())


@pytest.mark.parametrize(
    "table",
    [
        [{"name": "a", "dtype": "<f4", "shape": [-1]}],
        [{"name": "a", "dtype": "<f4", "shape": [10**30]}],
        [{"name": "a", "dtype": "<f4", "shape": [True]}],
        [{"name": [], "dtype": "<f4", "shape": [1]}],
        {"a": 1},
        None,
    ],
)
def test_a_table_of_nonsense_is_refused(table: object) -> None:
    """Sizes below zero, beyond all memory, or of another type."""
    header = json.dumps({"meta": {"format": 1}, "arrays": table}).encode()
    content = storage._FRONT.pack(storage.MAGIC, storage.VERSION, len(header)) + header + bytes(4)
    assert not works(content + hashlib.sha256(content).digest())


def test_brackets_in_brackets_are_refused() -> None:
    """A header nested deeper than Python's stack."""
    header = b'{"meta": ' + b"[" * 100_000
    content = storage._FRONT.pack(storage.MAGIC, storage.VERSION, len(header)) + header
    assert not works(content + hashlib.sha256(content).digest())


@pytest.mark.parametrize("place", ["current", "20990101T000000Z.model"])
@pytest.mark.parametrize("thing", ["folder", "pipe", "socket", "link to a device", "endless", "brackets"])
def test_what_is_no_file_is_passed_by(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch, place: str, thing: str
) -> None:
    """At once, and the model that is there goes to work; a stray model is set aside."""
    store = ModelStore(tmp_path / "models")
    store.publish(model)
    path = store.folder / place
    path.unlink(missing_ok=True)
    if thing == "folder":
        path.mkdir()
    elif thing == "pipe":
        os.mkfifo(path)
    elif thing == "socket":
        monkeypatch.chdir(path.parent)  # a socket's path is at most 107 bytes, wherever the suite runs
        socket.socket(socket.AF_UNIX).bind(path.name)
    elif thing == "link to a device":
        path.symlink_to("/dev/zero")
    elif thing == "endless":
        with path.open("wb") as stream:
            stream.truncate(10**12)
    else:
        path.write_bytes(b"[" * 4000)
    if place != "current":
        (store.folder / "current").write_text(json.dumps({"version": place.removesuffix(".model")}))
    loaded = store.load_current()
    assert loaded.model is not None
    assert loaded.model.card.version == VERSION
    assert len(loaded.set_aside) == (place != "current")
    assert store.versions() == [VERSION]


@pytest.mark.slow
def test_ten_thousand_files_cost_no_start(tmp_path: Path, model: Model) -> None:
    """Files that nobody here made are looked at a few at a time; the next model clears them away."""
    folder = tmp_path / "models"
    folder.mkdir()
    for number in range(10_000):
        (folder / f"20990101T000000Z.{number:05d}.model").touch()
    (folder / "anything.model").touch()
    store, started = ModelStore(folder), time.process_time()
    assert store.load_current().model is None
    assert time.process_time() - started < 5.0
    newest = Model(
        model.card.__class__(**{**_fields(model.card), "version": new_version(0.0, store)}), model.forecast
    )
    store.publish(newest)
    assert store.current() == newest.card.version
    assert len(list(folder.iterdir())) <= 2 * KEPT + 2


def _fields(card: Card) -> dict[str, Any]:
    return {name: getattr(card, name) for name in card.__slots__}


def test_a_model_under_another_name_is_refused(tmp_path: Path, model: Model) -> None:
    """A copied file would be taken up anew every few seconds, as it never is what it is called."""
    store = ModelStore(tmp_path)
    store.publish(model)
    (tmp_path / f"{VERSION}.model").rename(tmp_path / "20990101T000000Z.model")
    with pytest.raises(ModelError, match="calls itself"):
        store.load("20990101T000000Z")
