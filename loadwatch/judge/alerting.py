"""Alerts: of all trouble, foretold or present, the few stretches a week that are worth somebody's time.

There are three reasons for one, each with a severity of its own and a line below which it never counts:

forecast   log odds of the probability over its line, less what the clock alone foretells (`seasonality`)
present    seconds of high load beyond what this half hour is used to, weighted by how far over the rule
anomaly    log odds of the anomaly score

What passes its line must also pass the bar of its severity history (`budget`). What then opens an alert
keeps it open; shorter interruptions belong to the same alert, maintenance too. A forecast alerts
only out of calm: during trouble it tells nobody anything new. Where an alert of the other verdict is open for
the same trouble, a second would be one too many: it joins.

The budget is one for all three, and there is what it never silences, whatever was spent:

- high load that is worse, half as much again, than all of the last four weeks;
- the kernel's own distress: memory at its end, memory or storage stalled (`limits`), for its time and beyond
  what this half hour is used to. Where it comes back within hours and the budget is overdrawn, that is the
  same alert. It begins where the end of memory is foretold (`exhaustion`), unless the anomaly has been told.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from loadwatch.judge.budget import TokenBucket, finite_or_none, value_or
from loadwatch.judge.limits import DISTRESS, is_suffering
from loadwatch.judge.seasonality import Seasonality, log_odds
from loadwatch.judge.trigger import MERGE_SECONDS, AlertTrigger
from loadwatch.records import Alert, Confirmation, Contribution, Culprits, FlagSource, Stage, Verdict

DISTRESS_MERGE_SECONDS: Final = 6 * 3600.0
"""The same for distress while the budget is overdrawn: memory that fills every hour is one trouble."""
JOIN_SECONDS: Final = 3600.0
SETTLED_SECONDS: Final = 900.0
PRESENT_LINE: Final = 600.0  # Netdata, too, averages CPU over ten minutes before it says anything
HEIGHT_LIMIT: Final = 2.0  # twice the rule's line counts double, more no more: levels of ratios can explode
RECOVERY: Final = 0.5  # seconds of excess forgotten in a second of calm
LOWEST_LINE: Final = 0.2
HIGHEST_LINE: Final = 0.5
CERTAIN: Final = 0.98
"""A forecast likelier than this is no more severe: a job that comes each night grows surer, not worse."""


class AlertInput(NamedTuple):
    """What one sample shows, as far as alerts care.

    probabilities: for each horizon of the alerter, in its order; origin: what raised the flag of
    now, None where it is not up; values: the raw signals; limits: those over their plain limits;
    memory_ends_within: seconds, None where that is not soon.
    """

    level: float
    probabilities: Sequence[float]
    anomaly_score: float
    anomalous: bool
    origin: FlagSource | None
    values: Mapping[str, float]
    limits: tuple[str, ...] = ()
    memory_ends_within: int | None = None


@dataclass(slots=True)
class OpenAlert:
    """An alert that is open, and when it last had reason to be."""

    alert: Alert
    active: float
    stage: Stage = "present"
    distressed: bool = False

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

    def to_state(self) -> list[Any]:
        """What a restart must not forget."""
        return [self.alert.to_plain(), self.active, self.stage, self.distressed]


class Alerter:
    """Decides what is an alert; see the module."""

    def __init__(self, per_week: float) -> None:
        self.tokens = TokenBucket(per_week)
        self.seasonality = Seasonality()
        # Shares and margin were measured on Bitbrains and SMD (bench_alerts.py). Forecasts come first, for
        # they come in time. Odd scores creep: without a margin every small record of a drift would alert.
        self.forecast = AlertTrigger(0.0, share=1.0)
        self.present = AlertTrigger(PRESENT_LINE, share=0.25)
        self.anomaly = AlertTrigger(0.0, share=0.4, margin=math.log(2.0))
        self.lines: tuple[float, ...] = ()
        self.open: dict[Verdict, OpenAlert] = {}
        self.suspended: dict[Verdict, OpenAlert] = {}
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
    def excess(self) -> float:
        """Seconds of high load of late, weighted, beyond what this time is used to."""
        return self._excess

    def foretold(self, now: float, seen: AlertInput) -> float | None:
        """Severity of the forecasts, minus infinity where none counts; None where they are not asked."""
        return self._foretold(now, seen)[0] if self._is_settled(now, seen) else None

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
        odd = log_odds(seen.anomaly_score) if seen.anomalous else -math.inf
        excess = -math.inf if seen.origin is None else self._excess
        wanted = (
            self.present.update(now, elapsed, excess, self.tokens),
            self.forecast.update(now, elapsed, foretold, self.tokens),
            self.anomaly.update(now, elapsed, odd, self.tokens),
        )
        must = self._must_alert(now, seen)
        ending = seen.memory_ends_within is not None and self._is_settled(now, seen)
        opened: list[Alert] = []
        closed: list[Alert] = []
        active: dict[Verdict, bool] = {
            "high_load": seen.origin is not None or foretold > 0.0 or ending,
            "anomaly": seen.anomalous,
        }
        if self.suspended:
            self._resume(now, active)
        if self.open:
            self._observe(now, seen, active)
            closed = self._close(now)
        if seen.origin is not None and (wanted[0] or must):
            confirmation: Confirmation | None = "rule" if seen.origin == "rule" else None
            over = _limited(seen.limits) if seen.origin == "limit" else ()
            alert = Alert(
                0, "high_load", now, flagged_by=seen.origin, confirmed_by=confirmation, signals=over
            )
            self._open(now, alert, seen, opened, must=must)
        elif ending and not self._joins(now, "high_load"):
            ahead, memory = seen.memory_ends_within or 0, _limited(("memory",))
            alert = Alert(0, "high_load", now, horizon=ahead, flagged_by="limit", signals=memory)
            self._open(now, alert, seen, opened, must=True)
        elif wanted[1]:
            self._open(now, Alert(0, "high_load", now, horizon=horizon), seen, opened)
        if wanted[2]:
            self._open(now, Alert(0, "anomaly", now), seen, opened)
        if "high_load" in self.open:
            self.present.note_alert()
        return opened, closed

    def _must_alert(self, now: float, seen: AlertInput) -> bool:
        """Whether this is what no budget silences."""
        if seen.origin is None:
            return False
        distressed = any(self._excess >= DISTRESS[name] for name in seen.limits if name in DISTRESS)
        return distressed or self.present.is_worst(now, self._excess)

    def _recover(self, now: float) -> None:
        """Forget excess for the calm since the last sample that came here; quiet ones do not."""
        if self._excess > 0.0:
            self._excess = max(0.0, self._excess - RECOVERY * max(0.0, now - self._recovered_until))
        self._recovered_until = now

    def _is_settled(self, now: float, seen: AlertInput) -> bool:
        """Whether it is calm, and has been for long enough to listen to a forecast."""
        return seen.origin is None and now - self._last_flagged >= SETTLED_SECONDS

    def _foretold(self, now: float, seen: AlertInput) -> tuple[float, int]:
        """Severity of the forecasts, and the horizon that has it; minus infinity where none counts."""
        worst, horizon = -math.inf, 0
        if not self._is_settled(now, seen):
            return worst, horizon
        for probability, (line, line_odds, ahead) in zip(seen.probabilities, self._looks, strict=True):
            if probability >= line:
                odds = log_odds(min(probability, CERTAIN)) - line_odds
                severity = odds - self.seasonality.familiarity(now, ahead)
                if severity > worst:
                    worst, horizon = severity, ahead
        return worst, horizon

    def _observe(self, now: float, seen: AlertInput, active: Mapping[Verdict, bool]) -> None:
        # A forecast that stood for hours until it came true was wrong first: no hit, no lead to be proud of.
        reach = max((ahead for _, _, ahead in self._looks), default=0)
        for verdict, running in self.open.items():
            if verdict == "high_load":
                peak = 1.0 if seen.level > 1.0 else max(filter(_known, seen.probabilities), default=None)
                running.distressed = running.distressed or not DISTRESS.keys().isdisjoint(seen.limits)
            else:
                peak = seen.anomaly_score if _known(seen.anomaly_score) else None
            if active[verdict]:
                running.active = now
            running.observe(now, peak, self._excess, seen, max(reach, running.alert.horizon))
            if seen.origin is not None:
                running.stage = "present"

    def _close(self, now: float) -> list[Alert]:
        over = [verdict for verdict, running in self.open.items() if now > self._closes_at(now, running)]
        return [self._end(verdict, now) for verdict in over]

    def _closes_at(self, now: float, running: OpenAlert) -> float:
        overdrawn = running.distressed and self.tokens.content(now) < 0.0
        return running.active + (DISTRESS_MERGE_SECONDS if overdrawn else MERGE_SECONDS)

    def _end(self, verdict: Verdict, end: float) -> Alert:
        running = self.open.pop(verdict)
        self.joined.clear()
        return dataclasses.replace(running.alert, end=end)

    def _resume(self, now: float, active: Mapping[Verdict, bool]) -> None:
        """Open again what maintenance closed in the middle of a trouble that still goes on."""
        for verdict, running in list(self.suspended.items()):
            goes_on = running.alert.start <= now <= self._closes_at(now, running)
            if not goes_on or verdict in self.open:
                del self.suspended[verdict]
            elif active[verdict]:
                self.open[verdict] = self.suspended.pop(verdict)

    def _open(
        self, now: float, alert: Alert, seen: AlertInput, opened: list[Alert], *, must: bool = False
    ) -> None:
        """Open this alert, unless one for the same trouble is open, or nothing is left to pay it.

        must: whatever was spent, and whatever it could join.
        """
        if alert.verdict in self.open or not self.tokens.capacity:
            return
        if not must and (self._joins(now, alert.verdict) or not self._may_open(now, alert.verdict)):
            return
        self.tokens.pay(now)
        stage: Stage = "expected" if alert.foretold else "present"
        running = OpenAlert(dataclasses.replace(alert, identity=self._next_identity), now, stage)
        self._next_identity += 1
        self.open[alert.verdict] = running
        self.joined.discard(alert.verdict)
        self._observe(now, seen, dict.fromkeys(self.open, False))
        opened.append(running.alert)

    def _joins(self, now: float, verdict: Verdict) -> bool:
        """Whether an alert of the other verdict is open for the same trouble; it then knows."""
        if verdict in self.joined:
            return True
        for running in self.open.values():
            # High load explains whatever is odd meanwhile. But an anomaly may stand for days, at a new level
            # not yet learned, and must not swallow the high load that comes then.
            if running.alert.verdict == "high_load" or now - running.alert.start <= JOIN_SECONDS:
                running.alert = dataclasses.replace(running.alert, joined=True)
                self.joined.add(verdict)
                return True
        return False

    def _may_open(self, now: float, verdict: Verdict) -> bool:
        # Every hour of a first day is unlike all that was seen before it.
        return self.tokens.can_pay(now) and (verdict == "high_load" or self.seasonality.has_seen_a_day)

    def stages(self) -> dict[Verdict, Stage]:
        """The verdicts of which an alert is open, each with its stage."""
        return {verdict: running.stage for verdict, running in self.open.items()}

    def annotate(self, verdict: Verdict, signals: tuple[Contribution, ...], model: str) -> Alert | None:
        """Write into the open alert what drove it and which model saw it; None where none is open."""
        running = self.open.get(verdict)
        if running is None:
            return None
        running.alert = dataclasses.replace(running.alert.driven_by(signals), model=model)
        return running.alert

    def name_culprits(self, verdict: Verdict, culprits: Culprits) -> None:
        """Write into the open alert who uses what drives it."""
        running = self.open[verdict]
        running.alert = dataclasses.replace(running.alert, culprits=culprits)

    def suspend(self, end: float) -> list[Alert]:
        """Maintenance: close what is open until it proves to go on, forget what is going on."""
        suspended = self.suspended | self.open
        closed = self.silence(end)
        self.suspended = suspended
        return closed

    def silence(self, end: float) -> list[Alert]:
        """A long gap, in which nobody saw whether it went on: close what is open, forget what is going on."""
        self.suspended.clear()
        closed = [self._end(verdict, end) for verdict in list(self.open)]
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
            "open": [running.to_state() for running in self.open.values()],
            "suspended": [running.to_state() for running in self.suspended.values()],
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
        self.open = _by_verdict(state["open"])
        self.suspended = _by_verdict(state.get("suspended", ()))
        self.joined = set(state["joined"])
        self._excess, self._recovered_until = state["excess"]
        self._last_flagged = value_or(state["last_flagged"], -math.inf)
        self._next_identity = state["next_identity"]


def _by_verdict(states: Sequence[Sequence[Any]]) -> dict[Verdict, OpenAlert]:
    # What was stored before stages were has none: taken for present, as the load that matters more.
    running = [OpenAlert(Alert.from_plain(plain), *rest) for plain, *rest in states]
    return {one.alert.verdict: one for one in running}


def _limited(limits: Sequence[str]) -> tuple[Contribution, ...]:
    """The signals of limits as what drove an alert: each as certain as a forecast may be."""
    return tuple(Contribution(name, log_odds(CERTAIN)) for name in limits)


def _known(value: float) -> bool:
    return not math.isnan(value)
