"""Pictures are files of the kind their name says; without matplotlib the refusal says what to install."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from loadwatch import pictures
from loadwatch.errors import UsageError
from loadwatch.nn import NeuralNetwork
from loadwatch.records import Alert, Contribution

NETWORK = NeuralNetwork([3, 8, 4, 1], seed=0).network
X = np.random.default_rng(0).normal(size=(50, 3))


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_picture_has_the_format_of_its_name(tmp_path: Path, ending: str, start: bytes) -> None:
    """PNG, SVG or PDF, by the ending of the path."""
    pytest.importorskip("matplotlib")
    path = tmp_path / f"training{ending}"
    pictures.draw_training(
        path, network=NETWORK, X=X, losses=[0.7, 0.5, 0.4], validation_losses=[0.8, 0.6, 0.6]
    )
    assert path.read_bytes().startswith(start)


@pytest.mark.slow
def test_picture_shows_losses_activations_and_weights(tmp_path: Path) -> None:
    """The text of an SVG names each part; a loss of zero is drawn too."""
    pytest.importorskip("matplotlib").rcParams["svg.fonttype"] = "none"
    path = tmp_path / "training.svg"
    pictures.draw_training(path, network=NETWORK, X=X, losses=[0.7, 0.0])
    text = path.read_text()
    for words in ("Loss", "layer 1, relu: activations", "layer 3, identity: weights", "epoch"):
        assert words in text


def test_unknown_ending_is_refused(tmp_path: Path) -> None:
    """Before anything is drawn, with the endings there are."""
    with pytest.raises(UsageError, match=r"ending is '.gif', expected one of .png, .svg, .pdf"):
        pictures.draw_training(tmp_path / "a.gif", network=NETWORK, X=X, losses=[1.0])


def test_missing_matplotlib_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `plot` extra is optional; asking for a picture without it says so."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pip install loadwatch\[plot\]"):
        pictures.draw_training(tmp_path / "a.png", network=NETWORK, X=X, losses=[1.0])


def test_importing_the_module_does_not_import_matplotlib() -> None:
    """The daemon never pays for a picture nobody asked for."""
    code = "import sys, loadwatch.pictures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_a_replay_is_drawn_by_horizon(tmp_path: Path) -> None:
    """A panel for each horizon; unknown values and an open alert are no obstacle."""
    pytest.importorskip("matplotlib").rcParams["svg.fonttype"] = "none"
    path = tmp_path / "replay.svg"
    times = 1_700_000_000.0 + 60.0 * np.arange(200)
    chances = np.column_stack([np.linspace(0.0, 1.0, 200), np.full(200, np.nan)])
    pictures.draw_replay(
        path,
        timestamps=times,
        probabilities=chances,
        levels=np.linspace(0.5, 1.5, 200),
        horizons=(0, 900),
        alerts=[
            Alert(1, "high_load", times[50], None, signals=(Contribution("memory", 0.4),)),
            Alert(2, "anomaly", times[10], times[12]),
        ],
        anomaly=np.full(200, 0.3),
        reliability={0: ((0.1, 0.05, 90), (0.9, 0.8, 40))},
    )
    text = path.read_text()
    assert all(
        words in text
        for words in ("now", "within 15 min", "unlike itself", "alert: anomaly", "came true", "memory")
    )
