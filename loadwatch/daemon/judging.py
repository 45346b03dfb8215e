"""From scores to what people are told: judge, maintenance, reasons, and the log of alerts."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from loadwatch.clock import Clock
from loadwatch.config import Config
from loadwatch.culprits import culprit_words, driving_resource, is_worse
from loadwatch.errors import HistoryError
from loadwatch.exporter import ALERT_STAGES, Exporter
from loadwatch.history import History
from loadwatch.judge import Evidence, Judge, Judgement
from loadwatch.judge.limits import WATCHED
from loadwatch.judge.statistics import AlertStatistics, summarise, with_labels
from loadwatch.labels.rule import Rule, no_such_signal
from loadwatch.maintenance import MaintenanceCalendar
from loadwatch.model.bundle import Model
from loadwatch.pipeline import Scorer, reasons
from loadwatch.records import (
    VERDICTS,
    Alert,
    Contribution,
    Culprits,
    Maintenance,
    NoAlert,
    Sample,
    Snapshot,
    Span,
    Stage,
    Verdict,
)
from loadwatch.signals import Resource

log = logging.getLogger(__name__)

UsedBy = Callable[[Resource], Culprits | None]

STATE: Final = "judge"
REASONS_EVERY_SECONDS: Final = 5.0
"""Reasons are worked out this often while anything is flagged, and at once when that changes."""
CALM_REASONS_SECONDS: Final = 30.0
"""And this often while nothing is: they cost two fifths of scoring, and hardly anybody asks then."""
WORTH_SECONDS: Final = 28 * 86400.0
CALENDAR_SECONDS: Final = 8 * 86400.0
SHOWN_SECONDS: Final = 86400.0


class LiveJudge:
    """Owned by the sampling lane; ``refresh`` and ``remember`` may be called from another.

    ``on_alert`` hears of each alert that opens, changes or ends, whether or not it can be stored.
    """

    def __init__(self, config: Config, clock: Clock, history: History, exporter: Exporter) -> None:
        self._config = config
        self._clock = clock
        self._history = history
        self._exporter = exporter
        self._thresholds: dict[int, float] = {}
        self._judge = self._restored()
        self._judgement = Judgement(alerts=self._judge.stages)
        self._reasons: dict[Verdict, tuple[Contribution, ...]] = {}
        self._reasons_at = -np.inf
        self._no_alert: NoAlert | None = None
        self._blamed: dict[Verdict, Stage] = {}
        self._follow_rule()
        self.misnamed: dict[str, str] = {}
        self.is_training = False
        self.alerts: tuple[Alert, ...] = ()
        self.opened: dict[str, int] = dict.fromkeys(VERDICTS, 0)
        self.maintenance: tuple[Maintenance, ...] = ()
        self._announced: tuple[Maintenance, ...] = ()
        self.calendar = MaintenanceCalendar(config.maintenance.windows)
        self.worth: dict[Verdict, AlertStatistics] = {}
        self.raised_bars: dict[Verdict, float] = dict.fromkeys(VERDICTS, 0.0)
        self.on_alert: Callable[[Alert], None] = lambda _alert: None
        self._end_forgotten()
        self._show_open()
        self.refresh()
        exporter.is_maintenance = lambda timestamp: self.calendar.active(timestamp) is not None

    @property
    def budget_per_week(self) -> float:
        """Alerts a week that the configuration allows."""
        return self._config.alerts.budget_per_week

    def alerts_this_week(self) -> dict[Verdict, int]:
        """Alerts of the last seven days, by verdict."""
        since = self._clock.wall() - 7 * 86400.0
        return {
            verdict: sum(alert.verdict == verdict and alert.start >= since for alert in self.alerts)
            for verdict in VERDICTS
        }

    def reconfigure(self, config: Config) -> None:
        """Judge by these settings from now on."""
        # What operators announced stays until the next refresh: an unreadable history refuses no settings.
        self.calendar = MaintenanceCalendar(config.maintenance.windows, self._announced)
        self._config = config
        self._follow_rule()

    @property
    def judged_since(self) -> float:
        """From when on the judge knows this host; infinity before its first sample."""
        return self._judge.since

    def adopt(self, model: Model, backfilled: Judge | None = None) -> None:
        """Take the thresholds of a new model, and what a backfill of the past with it has shown."""
        self._thresholds = model.forecast.by_horizon()
        self._judge.adopt(self._thresholds)
        self._reasons_at = -np.inf
        if backfilled is not None:
            self._judge.take_past(backfilled)

    def judge(self, sample: Sample, scorer: Scorer, used_by: UsedBy = lambda _: None) -> Snapshot:
        """The verdict on one sample; ``used_by`` tells who uses most of a resource."""
        scores = scorer.update(sample)
        window = self.calendar.active(sample.timestamp)
        score, level = float(scores.anomaly[0]), float(scores.levels[0])
        before = self._judgement
        judgement = self._judgement = self._judge.update(
            Evidence(
                sample.timestamp,
                level,
                tuple(scores.probabilities[0].tolist()),
                score,
                sample.values,
                window is not None,
                self.is_training,
            )
        )
        self._find_reasons(sample, scorer, changed=judgement is not before)
        if judgement.budget_spent != before.budget_spent:
            state = (
                "overspent, only what is worse than ever alerts" if judgement.budget_spent else "holds again"
            )
            log.warning("alert budget %s budget_per_week=%g", state, self.budget_per_week)
        limits = [name for name in self._judge.limits_reached if name in sample.values]
        culprits = self._find_culprits(sample, limits, scorer.deciding if level > 1.0 else (), used_by)
        self._log_alerts(judgement, scorer.model, culprits)
        self._follow_culprits(culprits)
        if judgement.alerts != before.alerts:
            self._show_open()
            self._keep_open()
        return Snapshot(
            sample,
            _known(scorer.model.forecast.horizons, scores.shown[0].tolist()),
            judgement.high_load,
            None if np.isnan(score) else score,
            judgement.anomaly,
            self._reasons,
            scorer.model.card.info,
            window is not None,
            judgement.flagged_by.get(0),
            None if np.isnan(level) else level,
            scorer.deciding,
            _known_levels(scorer.model.forecast.ahead, scorer.level_forecast().tolist()),
            limits={name: sample.values[name] for name in limits},
            alerts=judgement.alerts,
            no_alert=self._no_alert,
            culprits=culprits,
        )

    def refresh(self) -> None:
        """Read what operators said since: maintenance windows, labels that judge past alerts."""
        now = self._clock.wall()
        windows = self._history.maintenance(Span(now - CALENDAR_SECONDS, now + CALENDAR_SECONDS))
        self._announced = tuple(windows)
        self.calendar = self.calendar.with_windows(windows)
        shown = self.calendar.spans(now - SHOWN_SECONDS, now + SHOWN_SECONDS)
        self.maintenance = tuple(windows) or tuple(Maintenance(span) for span in shown)
        span = Span(now - WORTH_SECONDS, now)
        labels = self._history.labels(span)
        self.alerts = tuple(with_labels(alert, labels) for alert in self._history.alerts(span))
        self._show_worth(span)
        self._find_misnamed()

    def restore(self) -> None:
        """Go on from what a daemon before this one remembered, now that it can be read."""
        judge = self._restored()
        if self._thresholds:  # at once: samples are judged while the model at work is shown the past
            judge.adopt(self._thresholds)
        self._judge = judge

    def remember(self) -> None:
        """Keep what a restart must not forget: flags, open alerts, the spent budget.

        Raises:
            HistoryError: it cannot be written.

        """
        self._history.set_state(STATE, self._judge.to_state())

    def _follow_rule(self) -> None:
        """Know the signals without which rule and limits say nothing for sure."""
        self._rule_signals = Rule.parse(self._config.high_load.when).signals
        self.needed = self._rule_signals | WATCHED

    def _find_misnamed(self) -> None:
        """Signals of the rule that this host neither measures nor has stored, each with the nearest name."""
        known = {*self._config.measured, *self._history.signals()}
        self.misnamed = {name: no_such_signal(name, known) for name in sorted(self._rule_signals - known)}

    def _restored(self) -> Judge:
        horizons, budget = self._config.high_load.horizons, self._config.alerts.budget_per_week
        state = self._history.state(STATE)
        if state is not None:
            try:
                return Judge.from_state(state, horizons, budget_per_week=budget)
            except ValueError as error:
                log.error("the judge starts afresh: %s", error)
        return Judge(horizons, budget_per_week=budget)

    def _find_reasons(self, sample: Sample, scorer: Scorer, *, changed: bool) -> None:
        flagged = any(self._judgement.high_load.values()) or self._judgement.anomaly
        last = REASONS_EVERY_SECONDS if flagged or self._judgement.alerts else CALM_REASONS_SECONDS
        if changed or not 0.0 <= sample.monotonic - self._reasons_at < last:
            self._reasons = scorer.contributions()
            self._reasons_at = sample.monotonic
            self.raised_bars = self._judge.raised_bars()
            self._no_alert = self._judge.why_no_alert()
            self._exporter.threshold_raise.set(max(self.raised_bars.values()))

    def _find_culprits(
        self, sample: Sample, limits: Sequence[str], deciding: Sequence[str], used_by: UsedBy
    ) -> dict[Verdict, Culprits]:
        """Who uses what drives each verdict that is flagged, or alerted just now; high load first."""
        judgement = self._judgement
        found: dict[Verdict, Culprits] = {}
        told = {alert.verdict for alert in judgement.opened}
        flagged = {"high_load": any(judgement.high_load.values()), "anomaly": bool(judgement.anomaly)}
        for verdict in VERDICTS:
            if not flagged[verdict] and verdict not in told:
                continue
            is_load = verdict == "high_load"
            resource = driving_resource(
                limits if is_load else (),
                deciding if is_load else (),
                self._reasons.get(verdict, ()),
                sample.values,
            )
            if resource is not None and (culprits := used_by(resource)) is not None:
                found[verdict] = culprits
        return found

    def _follow_culprits(self, culprits: Mapping[Verdict, Culprits]) -> None:
        """Keep with each open alert who used most when that was at its worst."""
        for alert in self._judge.open_alerts:
            now, before = culprits.get(alert.verdict), alert.culprits
            stage = self._judgement.alerts.get(alert.verdict, "present")
            has_come = stage != self._blamed.get(alert.verdict, stage)
            if now is not None and now.named and (has_come or is_worse(now, before)):
                self._judge.name_culprits(alert.verdict, now)
                self._blamed[alert.verdict] = stage
                self._keep(replace(alert, culprits=now))

    def _log_alerts(self, judgement: Judgement, model: Model, culprits: Mapping[Verdict, Culprits]) -> None:
        """Write opened and closed alerts into the history, with what drove them."""
        for alert in judgement.opened:
            named = reasons(self._reasons.get(alert.verdict, ()))
            told = self._judge.annotate(alert.verdict, named, model.card.version) or alert
            self.opened[alert.verdict] += 1
            words = " ".join(f"{part.signal}={part.value:+.2f}" for part in told.signals[:3])
            who = culprit_words(culprits[alert.verdict]) if alert.verdict in culprits else "not known yet"
            log.warning(
                "alert verdict=%s horizon=%ds %s used_most_by=%r", alert.verdict, alert.horizon, words, who
            )
            self._keep(told)
        for alert in judgement.closed:
            log.info("alert over verdict=%s", alert.verdict)
            self._keep(alert)

    def _show_open(self) -> None:
        """Export which alerts are open, also those that a restart took up."""
        stages = self._judge.stages
        for verdict, stage in ALERT_STAGES:
            self._exporter.alert.set(stages.get(verdict) == stage, verdict, stage)

    def _keep_open(self) -> None:
        """Bring what changed onto the disk at once: no kill may leave an alert that nobody ever closes."""
        for alert in self._judge.open_alerts:  # one that maintenance had closed is open again
            self._keep(alert)
        try:
            self.remember()
        except HistoryError as error:
            log.error("open alerts not stored: %s", error)

    def _end_forgotten(self) -> None:
        """Close what the history holds as open and the judge, after a kill or without its state, does not."""
        stored = self._history.span()
        known = {(alert.verdict, alert.start) for alert in self._judge.open_alerts}
        for alert in self._history.alerts(Span(-np.inf, np.inf)):
            if alert.end is None and (alert.verdict, alert.start) not in known:
                last = alert.start if stored is None else max(alert.start, stored.end)
                self._keep(replace(alert, end=last))

    def _keep(self, alert: Alert) -> None:
        self.on_alert(alert)
        try:
            self._history.keep_alert(alert)
        except HistoryError as error:
            log.error("alert not stored: %s", error)

    def _show_worth(self, span: Span) -> None:
        """Measure what the alerts of the last four weeks were worth, and export it."""
        self._exporter.alert_budget.set(self.budget_per_week)
        first = self._history.span(span)
        if first is None:
            return
        period = Span(first.start, span.end)
        self.worth = {verdict: summarise(self.alerts, period, verdict=verdict) for verdict in VERDICTS}
        for verdict, worth in self.worth.items():
            self._exporter.false_alarms.set(worth.false_per_week, verdict)
        self._exporter.forecast_hits.set(self.worth["high_load"].hit_rate)
        self._exporter.forecast_lead.set(self.worth["high_load"].median_lead_seconds)


def _known(horizons: tuple[int, ...], probabilities: list[float]) -> dict[int, float]:
    return {h: p for h, p in zip(horizons, probabilities, strict=True) if not np.isnan(p)}


def _known_levels(ahead: tuple[int, ...], quantiles: list[list[float]]) -> dict[int, tuple[float, float]]:
    return {h: (low, high) for h, (low, high) in zip(ahead, quantiles, strict=True) if not np.isnan(high)}
