"""Pictures of a training and of a replay. Needs the `plot` extra.

matplotlib is imported when a picture is drawn, not before: the daemon never pays for it. Figures are drawn
without pyplot, so there is no window, no global state and no choice of back end.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loadwatch.errors import UsageError
from loadwatch.nn import Array, Network
from loadwatch.records import Alert, Floats

FORMATS = (".png", ".svg", ".pdf")
BINS = 40


def draw_training(
    path: Path,
    *,
    network: Network,
    X: npt.ArrayLike,
    losses: Sequence[float],
    validation_losses: Sequence[float] = (),
) -> None:
    """Write one picture to `path`: the loss curve, and for each layer its activations on X and its weights.

    Args:
        path: ends in .png, .svg or .pdf, which is the format.
        network: as it came out of the training.
        X: normalised rows (B, I), some hundreds are enough.
        losses: one a epoch, of the training rows.
        validation_losses: the same of rows held out, if there were any.

    Raises:
        UsageError: another ending, or matplotlib is not installed.
    """
    check_drawable(path)
    figure = _figure(width=10.0, height=3.0 + 2.2 * len(network.dense))
    grid = figure.add_gridspec(1 + len(network.dense), 2)
    _loss_curve(figure.add_subplot(grid[0, :]), losses, validation_losses)
    for row, (layer, Y) in enumerate(zip(network.dense, network.activations(X), strict=True), start=1):
        name = f"layer {row}, {layer.activation.name}"
        _histogram(figure.add_subplot(grid[row, 0]), Y, f"{name}: activations", "activation")
        _histogram(figure.add_subplot(grid[row, 1]), layer.W, f"{name}: weights", "weight")
    figure.savefig(path)


def draw_replay(
    path: Path,
    *,
    timestamps: Floats,
    probabilities: Floats,
    levels: Floats,
    horizons: Sequence[int],
    alerts: Sequence[Alert],
) -> None:
    """Write one picture to `path`: the probabilities over time, the moments of high load, alerts as bands.

    Args:
        path: ends in .png, .svg or .pdf, which is the format.
        timestamps: (N,) epoch seconds, shown in UTC.
        probabilities: (N, H), NaN where unknown; a panel for each of the H horizons.
        levels: (N,) of load, high above 1.
        horizons: H seconds, 0 is now.
        alerts: each is a band from its start to its end.

    Raises:
        UsageError: another ending, or matplotlib is not installed.
    """
    check_drawable(path)
    figure = _figure(width=12.0, height=1.2 + 1.7 * len(horizons))
    panels = figure.subplots(len(horizons), 1, sharex=True, squeeze=False)[:, 0]
    moments = (timestamps * 1e9).astype("datetime64[ns]")
    high = levels > 1.0
    for panel, horizon, column in zip(panels, horizons, probabilities.T, strict=True):
        ahead = "now" if horizon == 0 else f"within {horizon / 60:g} min"
        for alert in alerts:
            end = timestamps[-1] if alert.end is None else alert.end
            edges = (np.array([alert.start, end]) * 1e9).astype("datetime64[ns]")
            panel.axvspan(*edges, color="tab:orange", alpha=0.35, linewidth=0)
        panel.fill_between(
            moments, 0.0, 1.0, where=high, step="post", color="tab:red", alpha=0.25, linewidth=0
        )
        panel.plot(moments, column, color="tab:blue", linewidth=0.8)
        panel.set(ylim=(0.0, 1.0), ylabel=ahead)
        panel.grid(visible=True, alpha=0.3)
    panels[0].set_title(
        "Probability of high load; red: high load by the rule, orange: alerts (UTC)", fontsize=10
    )
    figure.savefig(path)


def check_drawable(path: Path) -> None:
    """Refuse what cannot become a picture, before the work that it would show.

    Raises:
        UsageError: another ending than of FORMATS, or matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"cannot draw {path}: the ending is {path.suffix!r}, expected one of {', '.join(FORMATS)}"
        )
    _figure_class()


def _figure(*, width: float, height: float) -> Any:
    return _figure_class()(figsize=(width, height), layout="constrained")


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, needed for pictures only
    except ImportError as error:
        raise UsageError(
            "cannot draw: matplotlib is not installed; install it with `pip install loadwatch[plot]`"
        ) from error
    return Figure


def _loss_curve(axes: Any, losses: Sequence[float], validation_losses: Sequence[float]) -> None:
    epochs = np.arange(1, len(losses) + 1)
    axes.plot(epochs, losses, label="training")
    if len(validation_losses):
        axes.plot(epochs[: len(validation_losses)], validation_losses, label="validation")
    if min(losses) > 0.0:
        axes.set_yscale("log")
    axes.set(title="Loss", xlabel="epoch", ylabel="loss")
    axes.legend()
    axes.grid(visible=True, alpha=0.3)


def _histogram(axes: Any, values: Array, title: str, label: str) -> None:
    axes.hist(np.ravel(values), bins=BINS)
    axes.set(title=title, xlabel=label, ylabel="count")
