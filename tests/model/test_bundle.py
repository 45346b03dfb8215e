"""A model file that was cut or changed anywhere is never taken for a model."""

from pathlib import Path

import numpy as np
import pytest

from loadwatch.errors import ModelError
from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Card, Model
from loadwatch.model.store import ModelStore
from loadwatch.nn import storage
from loadwatch.training.bootstrap import train_bootstrap

OLDER, NEWER = "20260101T000000Z", "20260102T000000Z"


def model_called(version: str) -> Model:
    forecast, _ = train_bootstrap(Rule.parse("cpu > 0.9"), (0, 60), step=60.0, seed=0)
    card = Card(version, "bootstrap", 0.0, "host", "cpu > 0.9", (0, 60), ("cpu",), 60.0, 0.0, 0.0, 0, 0.0)
    return Model(card, forecast)


@pytest.fixture(scope="module")
def content() -> bytes:
    """A model as it lies on the disk."""
    return model_called(NEWER).to_bytes()


def test_a_file_cut_at_any_offset_is_refused(content: bytes) -> None:
    """Every one of the first bytes, and a hundred places over the rest."""
    for length in (*range(64), *np.linspace(64, len(content) - 1, 100).astype(int).tolist()):
        with pytest.raises(ModelError):
            Model.from_bytes(content[:length])


def test_a_flipped_bit_anywhere_is_refused(content: bytes) -> None:
    """Two hundred single bits, in the header, the card, the weights and the checksum."""
    random = np.random.default_rng(0)
    places = [
        *range(32),
        *random.integers(0, len(content), 150).tolist(),
        *range(len(content) - 18, len(content)),
    ]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << int(random.integers(8))
        with pytest.raises(ModelError):
            Model.from_bytes(bytes(changed))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.999])
def test_a_cut_file_gives_way_to_the_model_before(tmp_path: Path, content: bytes, share: float) -> None:
    """The store goes back by itself, keeps what was there under another name, and says why."""
    store = ModelStore(tmp_path)
    for version in (OLDER, NEWER):
        store.publish(model_called(version))
    (tmp_path / f"{NEWER}.model").write_bytes(content[: int(share * len(content))])
    loaded = store.load_current()
    assert loaded.model is not None
    assert loaded.model.card.version == OLDER == store.current()
    assert len(loaded.set_aside) == 1
    assert NEWER in loaded.set_aside[0]
    assert (tmp_path / f"{NEWER}.damaged").exists()


@pytest.mark.slow
def test_a_model_from_before_the_load_level_was_told_forecasts_on() -> None:
    """A file of format 1 gives the same probabilities, and says nothing of the level to come."""
    new = model_called(NEWER)
    meta, arrays = storage.unpack(new.to_bytes())
    forecast = {key: value for key, value in meta["parts"]["forecast"].items() if key != "limits"}
    last = new.forecast.network.dense[-1]
    kept = (last.W[:, :2].ravel(), last.b[:2])
    before = new.forecast.network.theta[: -last.W.size - last.b.size]
    old_arrays = {key: value for key, value in arrays.items() if key != "forecast/level"}
    old_arrays["forecast/theta"] = np.concatenate([before, *kept])
    old_meta = {**meta, "format": 1, "parts": {**meta["parts"], "forecast": forecast}}
    old = Model.from_bytes(storage.pack(old_meta, old_arrays)).forecast
    features = np.random.default_rng(0).random((20, len(new.forecast.spec.names)))
    chances, logits = old.look_ahead(features)
    np.testing.assert_allclose(chances, new.forecast.look_ahead(features)[0], rtol=1e-5)
    assert np.isnan(old.peaks(features, logits)).all()


def test_the_anomaly_model_of_an_earlier_version_is_left_out() -> None:
    """The forecast of such a file goes on working; the next training puts an anomaly model beside it."""
    meta, arrays = storage.unpack(model_called(NEWER).to_bytes())
    parts = {**meta["parts"], "anomaly": {"format": 1, "signals": ["cpu"], "threshold": 2.0, "hidden": [16]}}
    old = Model.from_bytes(storage.pack({**meta, "parts": parts}, arrays))
    assert old.anomaly is None
    assert old.forecast.horizons == (0, 60)
