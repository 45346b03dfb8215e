"""The report as a page of HTML."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from html import escape
from importlib import resources

import numpy as np

from loadwatch.build import build, version_of
from loadwatch.culprits import culprit_words
from loadwatch.judge.statistics import is_false
from loadwatch.labels.rule import spelled_out
from loadwatch.records import Alert, Contribution, Floats, Span
from loadwatch.report.findings import HorizonFigures, ReportFigures, stretches
from loadwatch.report.svg import Chart, moments, thinned
from loadwatch.signals import BY_NAME

SIGNALS_SHOWN = 6
REASONS_SHOWN = 4
UNIT = Span(0.0, 1.0)
PER_CENT = [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")]


def page(findings: ReportFigures, zone: tzinfo, now: float) -> str:
    """The whole page, complete by itself."""
    style = resources.files("loadwatch.report").joinpath("report.css").read_text(encoding="utf-8")
    host = escape(findings.material.host)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>loadwatch report of {host}</title><style>{style}</style></head><body><main>"
        f"{''.join(_sections(findings, zone, now))}</main></body></html>\n"
    )


def _sections(findings: ReportFigures, zone: tzinfo, now: float) -> Iterator[str]:
    yield _head(findings, zone)
    yield _section("What happened", _overview(findings, zone))
    yield _section("Alerts", _alerts(findings, zone))
    yield _section("Signals", "".join(_signals(findings, zone)))
    yield _section("Forecasts against reality", _worth(findings))
    yield _section("Model", _model(findings, zone))
    made = datetime.fromtimestamp(now, zone).strftime("%Y-%m-%d %H:%M %Z")
    yield f"<footer>Made by loadwatch {escape(version_of(build()))} on {made}.</footer>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _head(findings: ReportFigures, zone: tzinfo) -> str:
    material, alerts = findings.material, findings.material.alerts
    known = np.isfinite(findings.high)
    share = float(findings.high[known].mean()) if known.any() else 0.0
    foretold = [alert for alert in alerts if alert.foretold and alert.end is not None]
    true = sum(alert.lead_seconds is not None for alert in foretold)
    numbers = [
        (f"{len(alerts)}", "alert" if len(alerts) == 1 else "alerts"),
        (f"{100.0 * share:.1f} %", "of the time under high load"),
        (f"{true} of {len(foretold)}" if foretold else "-", "forecast alerts came true"),
        (f"{len(material.recording):,}", "samples"),
    ]
    tiles = "".join(f"<div><strong>{number}</strong>{words}</div>" for number, words in numbers)
    span = f"{_when(material.span.start, zone)} to {_when(material.span.end, zone)}"
    return f'<header><h1>{escape(material.host)}</h1><p>{span}</p></header><div class="tiles">{tiles}</div>'


def _overview(findings: ReportFigures, zone: tzinfo) -> str:
    material, times = findings.material, findings.material.recording.timestamps
    chart = _over_time("Probability of high load, and what really was", findings, zone, height=220)
    chart.levels(PER_CENT)
    chart.bands([window.span for window in material.maintenance], "maintenance", "maintenance")
    chart.bands(stretches(times, findings.high), "high", "high load")
    chart.curve(*thinned(times, findings.shown[:, -1]), "later")
    chart.curve(*thinned(times, findings.shown[:, 0]), "now")
    alerts = [
        Span(alert.start, material.span.end if alert.end is None else alert.end) for alert in material.alerts
    ]
    shown = {"now": "probability now", "later": _ahead(findings.horizons[-1])}
    shown["high"] = "high load, by rule and labels"
    strip = ""
    if alerts:
        below = _over_time("Alerts", findings, zone, height=24)
        below.bands(alerts, "alert", "alert")
        strip, shown["alert"] = below.text(), "alert (strip at the foot)"
    if material.maintenance:
        shown["maintenance"] = "maintenance"
    marks = "".join(f'<span><i class="{kind}"></i>{words}</span>' for kind, words in shown.items())
    odd = ""
    if np.isfinite(findings.anomaly).any():
        chart_odd = _over_time("Anomaly score", findings, zone, height=110)
        chart_odd.levels([(0.0, "0"), (1.0, "1")])
        chart_odd.curve(*thinned(times, findings.anomaly), "anomaly")
        odd = f"<h3>How unlike itself</h3>{chart_odd.text()}"
    return f'<p class="legend">{marks}</p>{chart.text()}{strip}{odd}'


def _over_time(title: str, findings: ReportFigures, zone: tzinfo, *, height: int, y: Span = UNIT) -> Chart:
    chart = Chart(title, findings.material.span, y, height=height)
    if height > 40:
        chart.marks(moments(findings.material.span, zone))
    else:
        chart.bottom = chart.top = 4
    return chart


def _alerts(findings: ReportFigures, zone: tzinfo) -> str:
    if not findings.material.alerts:
        return "<p>None in this span.</p>"
    rows = "".join(_alert(alert, zone) for alert in findings.material.alerts)
    return _table(("began", "lasted", "what", "outcome", "used most by", "driven by"), rows)


def _table(header: tuple[str, ...], rows: str) -> str:
    """On a narrow screen the table is moved sideways, and not the page."""
    names = "".join(f'<th scope="col">{name}</th>' for name in header)
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{names}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _alert(alert: Alert, zone: tzinfo) -> str:
    length = "open" if alert.end is None else f"{(alert.end - alert.start) / 60:.0f} min"
    what = alert.verdict.replace("_", " ")
    if alert.foretold:
        what += f", foretold {_ahead(alert.horizon)}"
    outcome = "open" if alert.end is None else "false alarm" if is_false(alert) else "confirmed"
    if alert.lead_seconds is not None:
        outcome += f", {alert.lead_seconds / 60:.0f} min early"
    strongest = max((abs(part.value) for part in alert.signals), default=1.0) or 1.0
    reasons = "".join(_reason(part, strongest) for part in alert.signals[:REASONS_SHOWN])
    culprits = "" if alert.culprits is None else culprit_words(alert.culprits)
    cells = (_when(alert.start, zone), length, what, outcome, culprits)
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}<td>{reasons}</td></tr>"


def _reason(part: Contribution, strongest: float) -> str:
    kind, width = "towards" if part.value > 0 else "away", 60.0 * abs(part.value) / strongest
    bar = f'<b class="{kind}" style="width:{width:.0f}px"></b>'
    return f'<span class="reason">{bar}{escape(part.signal)} {part.value:+.2f}</span>'


def _signals(findings: ReportFigures, zone: tzinfo) -> Iterator[str]:
    recording = findings.material.recording
    for name in _telling(findings):
        column = recording.column(name)
        signal = BY_NAME.get(name)
        ratio = signal is not None and signal.unit == "ratio"
        top = 1.0 if ratio else float(np.nanmax(column)) or 1.0
        chart = _over_time(name, findings, zone, height=96, y=Span(0.0, top))
        chart.levels([(0.0, "0"), (top, "100 %" if ratio else _short(top))])
        chart.bands(stretches(recording.timestamps, findings.high), "high", "high load")
        chart.curve(*thinned(recording.timestamps, column), "signal")
        meaning = "" if signal is None else f" <small>{escape(signal.help)}</small>"
        yield f"<h3>{escape(name)}{meaning}</h3>{chart.text()}"


def _telling(findings: ReportFigures) -> list[str]:
    """The signals that drove alerts most often, then those the rule of most hosts looks at."""
    counts: dict[str, float] = {}
    for alert in findings.material.alerts:
        for part in alert.signals[:3]:
            counts[part.signal] = counts.get(part.signal, 0.0) + abs(part.value)
    wanted = sorted(counts, key=lambda name: -counts[name])
    wanted += ["cpu", "memory", "disk", "network", "io_pressure", *findings.material.recording.signals]
    columns = {name: findings.material.recording.column(name) for name in dict.fromkeys(wanted)}
    known = [name for name, column in columns.items() if np.isfinite(column).any()]
    # What never changes tells nothing, unless nothing else is left to show.
    return sorted(known, key=lambda name: name not in counts and _is_constant(columns[name]))[:SIGNALS_SHOWN]


def _is_constant(column: Floats) -> bool:
    return bool(np.nanmax(column) == np.nanmin(column))


def _worth(findings: ReportFigures) -> str:
    if not findings.figures:
        return "<p>Too little is known of what came after the forecasts.</p>"
    rows = "".join(
        f"<tr><td>{_ahead(each.horizon)}</td><td>{100.0 * each.share:.1f} %</td><td>{each.brier:.4f}</td>"
        f"<td>{each.baseline:.4f}</td><td>{_skill(each)}</td><td>{each.rows:,}</td></tr>"
        for each in findings.figures
    )
    seen = (
        "On samples that the model has not learned from."
        if findings.unseen
        else "The model has learned from these samples, so this table flatters it."
    )
    header = ("horizon", "came true", "Brier score", "always saying the mean", "skill", "samples")
    figures = f'<div class="pair">{_reliability(findings)}{_losses(findings)}</div>'
    return f"<p>{seen}</p>{_table(header, rows)}{figures}"


def _skill(figures: HorizonFigures) -> str:
    """1 is perfect, 0 is no better than always saying the mean."""
    return "-" if figures.baseline == 0.0 else f"{1.0 - figures.brier / figures.baseline:.2f}"


def _reliability(findings: ReportFigures) -> str:
    """Of the furthest horizon, on samples not learned: of this span, or else as held out in training."""
    furthest = findings.figures[-1]
    held_out = findings.card.figures.get("reliability", {}).get(str(furthest.horizon))
    points = furthest.reliability if findings.unseen or not held_out else held_out
    chart = Chart("Reliability of the forecasts", UNIT, UNIT, width=440, height=300)
    chart.levels([(0.0, "0 %"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "100 %")])
    chart.marks([(0.0, "0 %"), (0.5, "50 %"), (0.97, "100 %")])
    chart.curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "perfect")
    chart.curve(np.array([said for said, _, _ in points]), np.array([came for _, came, _ in points]), "now")
    words = [
        (said, came, f"said {100.0 * said:.0f} %, came true {100.0 * came:.0f} % of {count:,} samples")
        for said, came, count in points
    ]
    chart.dots(words, "dot")
    whose = "of this span" if points is furthest.reliability else "held out in training"
    caption = (
        f"Across: how likely it was said to be ({_ahead(furthest.horizon)}). Up: how often it came true. "
        f"The dashed line is perfect. Samples {whose}."
    )
    return f"<figure>{chart.text()}<figcaption>{caption}</figcaption></figure>"


def _losses(findings: ReportFigures) -> str:
    losses = [float(loss) for loss in findings.card.figures.get("losses", [])]
    if len(losses) < 2:
        return ""
    epochs = np.arange(1.0, len(losses) + 1.0)
    chart = Chart(
        "Loss of the training", Span(1.0, float(len(losses))), Span(0.0, max(losses)), width=440, height=300
    )
    chart.levels([(0.0, "0"), (max(losses), f"{max(losses):.2g}"), (losses[-1], f"{losses[-1]:.2g}")])
    chart.marks([(1.0, "epoch 1"), (float(len(losses)) - 0.3, str(len(losses)))])
    chart.curve(epochs, np.array(losses), "later")
    return f"<figure>{chart.text()}<figcaption>Loss by epoch of the last training.</figcaption></figure>"


def _model(findings: ReportFigures, zone: tzinfo) -> str:
    card = findings.card
    learned = f"{card.rows:,} training rows (synthetic)"
    if not card.is_synthetic:
        span = f"{_when(card.start_timestamp, zone)} to {_when(card.end_timestamp, zone)}"
        learned = f"{card.rows:,} rows, {span}"
    thresholds = sorted((int(horizon), value) for horizon, value in card.thresholds.items())
    facts = {
        "version": f"{card.version} ({card.origin})",
        "trained": f"{_when(card.trained_timestamp, zone)}, in {card.duration_seconds:.1f} s",
        "learned from": learned,
        "high load is": spelled_out(card.rule),
        "flagged from": ", ".join(f"{value:.2f} {_ahead(horizon)}" for horizon, value in thresholds),
        "decision": card.why,
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items() if text)
    return f"<dl>{rows}</dl>"


def _ahead(horizon: int) -> str:
    return "now" if horizon == 0 else f"within {horizon / 60:g} min"


def _short(value: float) -> str:
    """At most five characters, for the foot of an axis."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _when(timestamp: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(timestamp, zone).strftime("%a %d %b %Y %H:%M")
