"""Alerts: of all trouble, foretold or present, the few stretches a week that somebody should be called for.

There are three reasons to call, each with a severity of its own and a line below which it never counts:

forecast   log odds of the probability over its line, less what the clock alone foretells (`seasonality`)
present    seconds of high load beyond what this half hour is used to, weighted by how far over the rule
anomaly    log odds of the anomaly score

What passes its line must also pass the bar of its severity history (`budget`). What then opens an alert
keeps it open; shorter interruptions belong to the same alert. A forecast only calls out of calm: during
trouble it tells nobody anything new. Where the other verdict has just called for the same trouble, a second
call would be one too many: it joins.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from loadwatch.judge.budget import SeverityHistory, TokenBucket, finite_or_none, value_or
from loadwatch.judge.limits import is_suffering
from loadwatch.judge.seasonality import Seasonality, log_odds
from loadwatch.records import Alert, Confirmation, Contribution, FlagSource, Stage, Verdict

MERGE_SECONDS: Final = 1800.0
"""Interruptions up to this belong to the same trouble."""
HOLD_SECONDS: Final = 30.0
"""How long a severity must stay over the bar: one odd sample calls nobody."""
JOIN_SECONDS: Final = 3600.0
SETTLED_SECONDS: Final = 900.0
PRESENT_LINE: Final = 600.0  # Netdata, too, averages CPU over ten minutes before it says anything
HEIGHT_LIMIT: Final = 2.0  # twice the rule's line counts double, more no more: levels of ratios can explode
RECOVERY: Final = 0.5  # seconds of excess forgotten in a second of calm
LOWEST_LINE: Final = 0.2
HIGHEST_LINE: Final = 0.5


class AlertTrigger:
    """One kind of reason to call: follows its troubles, and knows whether this one is worth it.

    ``share``: of the budget, how much this kind may use while the others use theirs. ``margin``: by how much
    a trouble must stand out above those that the budget lets pass.
    """

    def __init__(self, line: float, share: float, margin: float = 0.0) -> None:
        self.severities = SeverityHistory()
        self._line, self._share, self._margin = line, share, margin
        self._worst = self._last = -math.inf
        self._held_seconds = 0.0

    @property
    def resting(self) -> bool:
        """No trouble of this kind is going on."""
        return self._worst == -math.inf

    def bar(self, now: float, tokens: TokenBucket) -> float:
        """The severity to exceed for an alert now: the line, or what the budget makes of it."""
        # Twice the share while the bucket is full, nothing but records once it is empty; half is balance.
        per_week = 2.0 * self._share * tokens.per_week * tokens.fullness(now)
        return max(self._line, self.severities.bar(now, per_week) + self._margin)

    def raise_of_bar(self, now: float, tokens: TokenBucket) -> float:
        """How far the budget has raised the bar above the line."""
        return self.bar(now, tokens) - self._line

    def calls(self, now: float, elapsed: float, severity: float, tokens: TokenBucket) -> bool:
        """Follow the trouble; whether it has been over the bar long enough to call somebody."""
        if severity > self._line:
            self._worst = max(self._worst, severity)
            self._last = now
            if severity > self.bar(now, tokens):
                self._held_seconds += elapsed
                return self._held_seconds >= HOLD_SECONDS
        elif self._worst > -math.inf and now - self._last > MERGE_SECONDS:
            self.end(now)
        self._held_seconds = 0.0
        return False

    def end(self, now: float) -> None:
        """The trouble is over: into the severity history with it."""
        if not self.resting:
            self.severities.add(now, self._worst)
        self.drop()

    def drop(self) -> None:
        """Forget the trouble that is going on: it was maintenance."""
        self._worst = self._last = -math.inf
        self._held_seconds = 0.0

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget."""
        running = None if self.resting else [self._worst, self._last, self._held_seconds]
        return {"ledger": self.severities.to_state(), "running": running}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self.severities.restore(state["ledger"])
        if state["running"] is not None:
            self._worst, self._last, self._held_seconds = state["running"]


class AlertInput(NamedTuple):
    """What one sample shows, as far as alerts care.

    probabilities: for each horizon of the alerter, in its order; origin: who raised the flag of
    now, None where it is not up; values: the raw signals.
    """

    level: float
    probabilities: Sequence[float]
    anomaly_score: float
    anomaly_flag: bool
    origin: FlagSource | None
    values: Mapping[str, float]


@dataclass(slots=True)
class OpenAlert:
    """An alert that is open, and when it last had reason to be."""

    alert: Alert
    active: float
    stage: Stage = "present"

    def observe(self, now: float, peak: float | None, excess: float, seen: AlertInput, reach: float) -> None:
        """Take in what one more sample shows; ``reach`` is how far the forecasts look ahead, in seconds."""
        alert = self.alert
        rule = seen.level > 1.0
        confirmed = alert.confirmed_by
        if confirmed is None and (rule or is_suffering(seen.values)):
            confirmed = "rule" if rule else "pressure"
        lead = (
            now - alert.start
            if alert.foretold and rule and alert.lead_seconds is None and now - alert.start <= reach
            else alert.lead_seconds
        )
        worst = alert.peak if peak is None else peak if alert.peak is None else max(alert.peak, peak)
        excess = max(alert.excess_seconds, excess)
        if (confirmed, lead, worst, excess) != (
            alert.confirmed_by,
            alert.lead_seconds,
            alert.peak,
            alert.excess_seconds,
        ):
            self.alert = dataclasses.replace(
                alert, confirmed_by=confirmed, lead_seconds=lead, peak=worst, excess_seconds=excess
            )


class Alerter:
    """Decides who is called for what; see the module."""

    def __init__(self, per_week: float) -> None:
        self.tokens = TokenBucket(per_week)
        self.seasonality = Seasonality()
        # Shares and margin were measured on Bitbrains and SMD (bench_alerts.py). Forecasts come first, for
        # they come in time. Odd scores creep: without a margin every small record of a drift would call.
        self.forecast = AlertTrigger(0.0, share=1.0)
        self.present = AlertTrigger(PRESENT_LINE, share=0.25)
        self.anomaly = AlertTrigger(0.0, share=0.4, margin=math.log(2.0))
        self.lines: tuple[float, ...] = ()
        self.open: dict[Verdict, OpenAlert] = {}
        self.joined: set[Verdict] = set()
        self._looks: tuple[tuple[float, float, int], ...] = ()  # line, its log odds, horizon
        self._excess = 0.0
        self._recovered_until = 0.0
        self._last_flagged = -math.inf
        self._next_identity = 1

    def adopt(self, thresholds: Mapping[int, float]) -> None:
        """Take the forecast horizons (> 0) with the probabilities from which the model would flag them.

        A threshold that training chose high, because the past was busy, does not keep a forecast that is more
        likely right than wrong from being weighed; one chosen very low does not let in what mostly fails.
        """
        self.lines = tuple(min(max(value, LOWEST_LINE), HIGHEST_LINE) for value in thresholds.values())
        self._looks = tuple(
            (line, log_odds(line), ahead) for line, ahead in zip(self.lines, thresholds, strict=True)
        )

    @property
    def resting(self) -> bool:
        """No trouble is going on and no alert is open."""
        return not self.open and self.forecast.resting and self.present.resting and self.anomaly.resting

    @property
    def since(self) -> float:
        """From when on the severity histories count, infinity before the first sample."""
        return self.present.severities.since

    def take_past(self, other: "Alerter") -> None:
        """Take over seasonality and severity histories of ``other``; its tokens and alerts stay its own."""
        self.seasonality = other.seasonality
        self.forecast.severities = other.forecast.severities
        self.present.severities = other.present.severities
        self.anomaly.severities = other.anomaly.severities

    def begin(self, now: float) -> None:
        """The first sample, or the first after the clock was set back."""
        self.tokens.begin(now)
        self._last_flagged = min(self._last_flagged, now)
        for reason in (self.forecast, self.present, self.anomaly):
            reason.severities.begin(now)

    def update(self, now: float, elapsed: float, seen: AlertInput) -> tuple[list[Alert], list[Alert]]:
        """The alerts opened and closed by a sample ``elapsed`` seconds after the last."""
        foretold, horizon = self._foretold(now, seen)
        if seen.origin is not None:
            self._last_flagged = now
            self.forecast.end(now)
            height = min(seen.level, HEIGHT_LIMIT) if seen.level > 1.0 else 1.0
            self._recover(now - elapsed)
            self._excess += self.seasonality.spend(elapsed * height)
            self._recovered_until = now
        else:
            self._recover(now)
        odd = log_odds(seen.anomaly_score) if seen.anomaly_flag else -math.inf
        calls = (
            self.present.calls(now, elapsed, -math.inf if seen.origin is None else self._excess, self.tokens),
            self.forecast.calls(now, elapsed, foretold, self.tokens),
            self.anomaly.calls(now, elapsed, odd, self.tokens),
        )
        opened: list[Alert] = []
        closed: list[Alert] = []
        if self.open:
            self._observe(now, seen, keep_high=seen.origin is not None or foretold > 0.0)
            closed = self._close(now)
        if calls[0] and seen.origin is not None:
            confirmation: Confirmation | None = "rule" if seen.origin == "rule" else None
            alert = Alert(0, "high_load", now, raised_by=seen.origin, confirmed_by=confirmation)
            self._call(now, alert, seen, opened)
        elif calls[1]:
            self._call(now, Alert(0, "high_load", now, horizon=horizon), seen, opened)
        if calls[2]:
            self._call(now, Alert(0, "anomaly", now), seen, opened)
        return opened, closed

    def _recover(self, now: float) -> None:
        """Forget excess for the calm since the last sample that came here; quiet ones do not."""
        if self._excess > 0.0:
            self._excess = max(0.0, self._excess - RECOVERY * max(0.0, now - self._recovered_until))
        self._recovered_until = now

    def _foretold(self, now: float, seen: AlertInput) -> tuple[float, int]:
        """Severity of the forecasts, and the horizon that has it; minus infinity where none counts."""
        worst, horizon = -math.inf, 0
        if seen.origin is not None or now - self._last_flagged < SETTLED_SECONDS:
            return worst, horizon
        for probability, (line, line_odds, ahead) in zip(seen.probabilities, self._looks, strict=True):
            if probability >= line:
                odds = log_odds(probability) - line_odds
                severity = odds - self.seasonality.familiarity(now, ahead)
                if severity > worst:
                    worst, horizon = severity, ahead
        return worst, horizon

    def _observe(self, now: float, seen: AlertInput, keep_high: bool) -> None:
        # A forecast that stood for hours until it came true was wrong first: no hit, no lead to be proud of.
        reach = max((ahead for _, _, ahead in self._looks), default=0)
        for verdict, running in self.open.items():
            if verdict == "high_load":
                peak = 1.0 if seen.level > 1.0 else max(filter(_known, seen.probabilities), default=None)
                if keep_high:
                    running.active = now
            else:
                peak = seen.anomaly_score if _known(seen.anomaly_score) else None
                if seen.anomaly_flag:
                    running.active = now
            running.observe(now, peak, self._excess, seen, reach)
            if seen.origin is not None:
                running.stage = "present"

    def _close(self, now: float) -> list[Alert]:
        over = [verdict for verdict, running in self.open.items() if now - running.active > MERGE_SECONDS]
        return [self._end(verdict) for verdict in over]

    def _end(self, verdict: Verdict) -> Alert:
        running = self.open.pop(verdict)
        self.joined.clear()
        return dataclasses.replace(running.alert, end=running.active)

    def _call(self, now: float, alert: Alert, seen: AlertInput, opened: list[Alert]) -> None:
        """Open this alert, unless one for the same trouble is open, or nothing is left to pay it."""
        if alert.verdict in self.open or alert.verdict in self.joined:
            return
        for running in self.open.values():
            # High load explains whatever is odd meanwhile. But an anomaly may stand for days, at a new level
            # not yet learned, and must not swallow the high load that comes then.
            if running.alert.verdict == "high_load" or now - running.alert.start <= JOIN_SECONDS:
                running.alert = dataclasses.replace(running.alert, joined=True)
                self.joined.add(alert.verdict)
                return
        if not self.tokens.can_pay(now):
            return
        self.tokens.pay(now)
        stage: Stage = "expected" if alert.foretold else "present"
        running = OpenAlert(dataclasses.replace(alert, identity=self._next_identity), now, stage)
        self._next_identity += 1
        self.open[alert.verdict] = running
        self._observe(now, seen, keep_high=False)
        opened.append(running.alert)

    def stages(self) -> dict[Verdict, Stage]:
        """The verdicts of which an alert is open, each with its stage."""
        return {verdict: running.stage for verdict, running in self.open.items()}

    def annotate(self, verdict: Verdict, signals: tuple[Contribution, ...], model: str) -> Alert | None:
        """Write into the open alert what drove it and which model saw it; None where none is open."""
        running = self.open.get(verdict)
        if running is None:
            return None
        running.alert = dataclasses.replace(running.alert, signals=signals, model=model)
        return running.alert

    def silence(self) -> list[Alert]:
        """Maintenance, or a long gap: end what is open, forget what is going on."""
        closed = [self._end(verdict) for verdict in list(self.open)]
        for reason in (self.forecast, self.present, self.anomaly):
            reason.drop()
        self._excess = 0.0
        return closed

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget."""
        return {
            "purse": self.tokens.to_state(),
            "habit": self.seasonality.to_state(),
            "forecast": self.forecast.to_state(),
            "present": self.present.to_state(),
            "anomaly": self.anomaly.to_state(),
            "open": [
                [running.alert.to_plain(), running.active, running.stage] for running in self.open.values()
            ],
            "joined": sorted(self.joined),
            "excess": [self._excess, self._recovered_until],
            "last_flagged": finite_or_none(self._last_flagged),
            "next_identity": self._next_identity,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self.tokens.restore(state["purse"])
        self.seasonality.restore(state["habit"])
        self.forecast.restore(state["forecast"])
        self.present.restore(state["present"])
        self.anomaly.restore(state["anomaly"])
        # What was stored before stages were has none: taken for present, as the load that matters more.
        running = [OpenAlert(Alert.from_plain(plain), *rest) for plain, *rest in state["open"]]
        self.open = {one.alert.verdict: one for one in running}
        self.joined = set(state["joined"])
        self._excess, self._recovered_until = state["excess"]
        self._last_flagged = value_or(state["last_flagged"], -math.inf)
        self._next_identity = state["next_identity"]


def _known(value: float) -> bool:
    return not math.isnan(value)
