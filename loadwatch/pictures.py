"""Pictures of a training and of a replay. Needs the `plot` extra.

matplotlib is imported when a picture is drawn, not before: the daemon never pays for it. Figures are drawn
without pyplot, so there is no window, no global state and no choice of back end.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loadwatch.errors import UsageError
from loadwatch.nn import Array, Network
from loadwatch.records import Alert, Floats

FORMATS = (".png", ".svg", ".pdf")
BINS = 40
ALERTS_SHOWN = 12
SIGNALS_SHOWN = 3
Reliability = Sequence[tuple[float, float, int]]


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
    anomaly: Floats | None = None,
    reliability: Mapping[int, Reliability] | None = None,
) -> None:
    """Write one picture to `path`: what was said over time above what really was, and how far to trust it.

    Args:
        path: ends in .png, .svg or .pdf, which is the format.
        timestamps: (N,) epoch seconds, shown in UTC.
        probabilities: (N, H), NaN where unknown; a panel for each of the H horizons.
        levels: (N,) of load, high above 1.
        horizons: H seconds, 0 is now.
        alerts: each is a mark from its start to its end; the newest are listed with what drove them.
        anomaly: (N,) scores, NaN where unknown.
        reliability: by horizon, mean forecast, share that came true, and rows, of each tenth.

    Raises:
        UsageError: another ending, or matplotlib is not installed.
    """
    check_drawable(path)
    names = [_ahead(horizon) for horizon in horizons]
    curves = list(zip(names, probabilities.T, strict=True))
    if anomaly is not None:
        curves.append(("unlike itself", anomaly))
    figure = _figure(width=12.0, height=5.6 + 1.25 * len(curves))
    heights = [*([1.25] * len(curves)), 0.7, 3.4]
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    moments = (timestamps * 1e9).astype("datetime64[ns]")
    first = None
    for row, (name, column) in enumerate(curves):
        panel = figure.add_subplot(grid[row, :], sharex=first)
        first = first or panel
        panel.plot(moments, column, color="tab:purple" if row >= len(names) else "tab:blue", linewidth=0.9)
        panel.set(ylim=(-0.02, 1.04), yticks=(0.0, 0.5, 1.0), ylabel=name)
        panel.tick_params(labelbottom=False)
        panel.grid(visible=True, alpha=0.3)
    figure.axes[0].set_title("Probability of high load (UTC), and what really was", fontsize=11)
    strip = figure.add_subplot(grid[len(curves), :], sharex=first)
    _reality(strip, timestamps, levels > 1.0, alerts)
    _reliability_curves(figure.add_subplot(grid[-1, 0]), reliability or {})
    _reasons(figure.add_subplot(grid[-1, 1]), alerts)
    figure.savefig(path)


def _ahead(horizon: int) -> str:
    return "now" if horizon == 0 else f"within {horizon / 60:g} min"


def _reality(axes: Any, timestamps: Floats, high: npt.NDArray[np.bool_], alerts: Sequence[Alert]) -> None:
    """Three lanes on the same time: high load, its alerts, alerts of what is unlike itself."""
    lanes = ("high load", "alert: high load", "alert: anomaly")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], high.astype(np.int8), [0]]))).reshape(-1, 2)
    last = len(timestamps) - 1
    spans = [(0, timestamps[start], timestamps[min(end, last)]) for start, end in edges]
    for alert in alerts:
        end = timestamps[-1] if alert.end is None else alert.end
        spans.append((1 if alert.verdict == "high_load" else 2, alert.start, end))
    least = 0.0015 * (timestamps[-1] - timestamps[0])  # else it would be thinner than a pixel
    for lane, start, end in spans:
        ends = np.array([start, max(end, start + least)])
        begin, until = (ends * 1e9).astype("datetime64[ns]")
        color = ("tab:red", "tab:orange", "tab:purple")[lane]
        axes.fill_between([begin, until], lane - 0.38, lane + 0.38, color=color, linewidth=0)
    axes.set(ylim=(2.5, -0.5), yticks=range(3), yticklabels=lanes)
    axes.grid(visible=True, axis="x", alpha=0.3)


def _reliability_curves(axes: Any, reliability: Mapping[int, Reliability]) -> None:
    axes.plot([0.0, 1.0], [0.0, 1.0], color="grey", linestyle="--", linewidth=0.8)
    for horizon, points in reliability.items():
        said, came, _ = np.array(points).T
        axes.plot(said, came, marker="o", markersize=3.5, linewidth=1.0, label=_ahead(horizon))
    axes.set(title="Does it happen as often as it is said?", xlabel="said", ylabel="came true")
    if reliability:
        axes.legend(fontsize=8)
    axes.grid(visible=True, alpha=0.3)


def _reasons(axes: Any, alerts: Sequence[Alert]) -> None:
    """The newest alerts, newest first, each with the share that its strongest signals have in it."""
    shown = [alert for alert in sorted(alerts, key=lambda alert: -alert.start) if alert.signals][
        :ALERTS_SHOWN
    ]
    for row, alert in enumerate(shown):
        parts = [part for part in alert.signals[:SIGNALS_SHOWN] if part.value > 0.0]
        total, left = sum(part.value for part in parts) or 1.0, 0.0
        for place, part in enumerate(parts):
            width = part.value / total
            axes.barh(row, width, left=left, height=0.75, color=f"C{place}", alpha=0.55)
            if width > 0.2:
                axes.text(left + 0.01, row, part.signal, va="center", fontsize=8)
            left += width
    kinds = {"high_load": "high load", "anomaly": "anomaly"}
    names = [
        f"{str(np.datetime64(int(alert.start), 's'))[5:16].replace('T', ' ')}, {kinds[alert.verdict]}"
        for alert in shown
    ]
    if not shown:
        axes.text(0.5, 0.5, "no alerts", transform=axes.transAxes, ha="center", color="tab:gray")
    axes.set(title="What drove the alerts", xlim=(0.0, 1.0), xticks=())
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)


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
