"""The judge: a sample becomes flags, which tell the state, and alerts, which notify people."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from loadwatch.judge.alerting import Alerter, AlertInput
from loadwatch.judge.budget import TokenBucket
from loadwatch.judge.exhaustion import Exhaustion
from loadwatch.judge.explanation import why_no_anomaly_alert, why_no_high_load_alert
from loadwatch.judge.flags import ANOMALOUS, AnomalyFlag, Hysteresis, NowFlag, clear_line, horizon_flag
from loadwatch.judge.limits import StaticLimits
from loadwatch.judge.seasonality import SLOT_SECONDS, log_odds
from loadwatch.judge.types import Evidence, EvidenceBatch, Judgement, Judgements
from loadwatch.records import Alert, Contribution, Culprits, FlagSource, NoAlert, Stage, Verdict

STATE_VERSION: Final = 1
Places = npt.NDArray[np.intp]
GAP_SECONDS: Final = 1300.0
"""After a longer silence nothing goes on as before: two samples at the slowest interval, and a little."""


class Judge:
    """Judges sample after sample; one owner, no clock of its own, no input or output.

    horizons: seconds, rising, 0 is now. Until ``adopt`` brings the thresholds of a model, each is 0.5.

    Most samples are quiet: nothing is up, nothing is near. Such a sample changes nothing but the time of the
    last one, and the seasonality where a half hour turns.
    """

    def __init__(self, horizons: Sequence[int], *, budget_per_week: float = 2.0) -> None:
        self._alerter = Alerter(budget_per_week)
        self._limit_checks = StaticLimits()
        self._exhaustion = Exhaustion()
        self._anomaly = AnomalyFlag()
        self._now = NowFlag(0.5)
        self._ahead: dict[int, Hysteresis] = {}
        self._last = math.nan
        self._spent = False
        self._backfilling = False
        self._quiet = False  # the last sample left everything at rest, and all forecasts known
        self._judgement = Judgement()
        self._seen: AlertInput | None = None
        self._since: dict[Verdict, float] = {}
        self.horizons: tuple[int, ...] = ()
        self.adopt(dict.fromkeys(horizons, 0.5))

    def adopt(self, thresholds: Mapping[int, float]) -> None:
        """Take over the horizons and thresholds of a new model; flags that are up stay up.

        thresholds: probability, in (0, 1), from which each horizon is flagged; training chose it.
        """
        self.horizons = tuple(sorted(thresholds))
        now = thresholds.get(0, 0.5)
        self._now.model.raise_at, self._now.model.clear_at = now, clear_line(now)
        before = self._ahead
        self._ahead = {h: horizon_flag(h, thresholds[h]) for h in self.horizons if h > 0}
        for horizon, flag in self._ahead.items():
            if horizon in before:
                flag.restore(before[horizon].to_state())
        self._alerter.adopt({h: thresholds[h] for h in self._ahead})
        lines = dict(zip(self._ahead, self._alerter.lines, strict=True))
        self._limits = tuple(min(thresholds[h], lines.get(h, 1.0)) for h in self.horizons)
        self._quiet = False

    def update(self, evidence: Evidence) -> Judgement:
        """Judge one sample. The same object comes back as long as nothing changes."""
        self._backfilling = False
        ends = self._exhaustion.update(evidence.timestamp, evidence.values.get("memory", math.nan))
        if self._quiet and ends is None and self._is_quiet(evidence, evidence.timestamp - self._last):
            self._pass_quietly((evidence.timestamp,))
            return self._judgement
        return self._judge(evidence, ends)

    def extend(self, batch: EvidenceBatch) -> Judgements:
        """Judge N samples: ``update`` on each, but for stretches of quiet ones, which are passed at once."""
        self._backfilling = False
        changes: list[tuple[int, Judgement]] = []
        rows, times = len(batch), batch.timestamps
        elapsed = np.diff(times, prepend=self._last)
        turns = np.flatnonzero(np.diff(times // SLOT_SECONDS)) + 1
        ends = self._exhaustion.extend(times, batch.values.get("memory"))
        ending = np.array([left is not None for left in ends], bool)
        loud: dict[bool, Places] = {}  # where a sample is not quiet, by whether the anomaly is known
        row, samples = 0, batch.samples(0)
        while row < rows:
            end = row
            if self._quiet:
                known = self._judgement.anomaly is not None
                if known not in loud:
                    quiet = self._is_quiet(batch.columns, elapsed) & ~ending
                    loud[known] = np.append(np.flatnonzero(~quiet), rows)
                end = int(loud[known][np.searchsorted(loud[known], row)])
            if end == row:
                judgement = self._judge(next(samples), ends[row])
                row += 1
                if not changes or judgement is not changes[-1][1]:
                    changes.append((row - 1, judgement))
                continue
            # One by one only where a half hour turns.
            edges = [row, *turns[np.searchsorted(turns, row, "right") : np.searchsorted(turns, end)].tolist()]
            for start, stop in pairwise([*edges, end]):
                self._pass_quietly((float(times[start]), float(times[stop - 1])))
                if not changes or self._judgement is not changes[-1][1]:
                    changes.append((start, self._judgement))
            row, samples = end, batch.samples(end)
        return Judgements.of(changes, rows, self.horizons)

    def backfill(self, batch: EvidenceBatch) -> None:
        """Learn from a past that comes before all samples judged so far what is ordinary; no alert is raised.

        So that imported history, or the training set of the first model, spares the operator alerts for the
        everyday busy hours that a judge without a past has yet to get used to.

        May be called slice after slice.

        Raises:
            ValueError: the judge has seen samples already.

        """
        if not (math.isnan(self._last) or self._backfilling):
            raise ValueError("only a judge that has seen nothing yet can backfill the past")
        tokens, self._alerter.tokens = self._alerter.tokens, TokenBucket(0.0)
        self.extend(batch)
        self._backfilling = True
        self._alerter.tokens = tokens
        if len(batch):
            tokens.begin(self._last)

    def take_past(self, backfilled: Self) -> None:
        """Take over what another judge learned of the same host in a backfill that ends about now.

        Flags, open alerts and the tokens stay: what is going on, and what was spent, is no backfill.
        """
        self._alerter.take_past(backfilled._alerter)
        self._exhaustion = backfilled._exhaustion
        if math.isnan(self._last):
            self._last = backfilled._last  # or time lost since then would be unknown to the seasonality
        self._quiet = False

    @property
    def since(self) -> float:
        """From when on this judge knows the host; infinity while it has seen nothing."""
        return self._alerter.since

    def annotate(self, verdict: Verdict, signals: tuple[Contribution, ...], model: str) -> Alert | None:
        """Write into the open alert what drove it and which model saw it; None where none is open."""
        return self._alerter.annotate(verdict, signals, model)

    def name_culprits(self, verdict: Verdict, culprits: Culprits) -> None:
        """Write into the open alert who uses what drives it.

        Raises:
            KeyError: no alert of this verdict is open.

        """
        self._alerter.name_culprits(verdict, culprits)

    @property
    def open_alerts(self) -> tuple[Alert, ...]:
        """The alerts open now, as far as they got."""
        return tuple(running.alert for running in self._alerter.open.values())

    def why_no_alert(self) -> NoAlert | None:
        """Why what is flagged now is no alert; None where nothing is flagged or an alert is open for it."""
        alerter, seen = self._alerter, self._seen
        if seen is None:
            return None
        for verdict, since in sorted(self._since.items(), reverse=True):
            if verdict in alerter.open:
                continue
            if verdict == "high_load":
                why = why_no_high_load_alert(alerter, self._last, seen)
            else:
                why = why_no_anomaly_alert(alerter, self._last, log_odds(seen.anomaly_score))
            return NoAlert(verdict, since, why)
        return None

    @property
    def stages(self) -> Mapping[Verdict, Stage]:
        """The verdicts of which an alert is open now, each with its stage."""
        return self._alerter.stages()

    @property
    def limits_reached(self) -> tuple[str, ...]:
        """The signals that are over their plain limits."""
        return self._limit_checks.raised

    def raised_bars(self) -> dict[Verdict, float]:
        """How far the budget now keeps the bar for an alert above the model's own threshold, in log odds."""
        if math.isnan(self._last):
            return {"high_load": 0.0, "anomaly": 0.0}
        alerter = self._alerter
        return {
            "high_load": alerter.forecast.raise_of_bar(self._last, alerter.tokens),
            "anomaly": alerter.anomaly.raise_of_bar(self._last, alerter.tokens),
        }

    def _is_quiet(self, evidence: Evidence, elapsed: Any) -> Any:
        """Whether nothing is near, ``elapsed`` seconds after the last sample, while nothing is up.

        A bool for one sample; of evidence with columns (N,) in place of numbers, and ``elapsed`` (N,), (N,)
        bool. No ``and``, so that it is both.
        """
        _, level, probabilities, score, values, maintenance, training = evidence
        quiet: Any = (elapsed >= 0.0) & (elapsed <= GAP_SECONDS) & (level <= 1.0) & (maintenance ^ True)
        for probability, limit in zip(probabilities, self._limits, strict=True):
            quiet = quiet & (probability < limit)
        if self._judgement.anomaly is None:
            quiet = quiet & (training | (score != score))  # noqa: PLR0124 - NaN
        else:
            quiet = quiet & (training ^ True) & (score < ANOMALOUS)
        return quiet & self._limit_checks.is_quiet(values)

    def _pass_quietly(self, timestamps: Sequence[float]) -> None:
        """What quiet samples of one half hour change: the time, and what a half hour changes that turns."""
        now = timestamps[0]
        if not self._alerter.seasonality.is_within(now):
            self._alerter.seasonality.enter(now, self._last)
            self._last = now
            said = self._judgement
            self._conclude(said.high_load, said.flagged_by, said.anomaly, [], [])
        self._last = timestamps[-1]

    def _judge(self, evidence: Evidence, ends: int | None) -> Judgement:
        now = evidence.timestamp
        elapsed, closed = self._pass_time(now)
        if evidence.maintenance:
            self._quiet = False
            self._alerter.seasonality.lose(elapsed)
            self._reset_flags()
            closed += self._alerter.suspend(now)
            return self._conclude(dict.fromkeys(self.horizons, False), {}, False, [], closed)
        ahead = evidence.probabilities[len(self.horizons) - len(self._ahead) :]
        high_load, flagged_by = self._flag_high_load(evidence, ahead, elapsed)
        score = math.nan if evidence.training else evidence.anomaly_score
        anomaly = self._anomaly.update(now, score, elapsed)
        seen = AlertInput(
            level=evidence.level,
            probabilities=ahead,
            anomaly_score=score,
            # Not the flag alone: an anomaly that lasts for days is flagged no longer, and a slow leak is one.
            anomalous=score >= ANOMALOUS or bool(anomaly),
            origin=self._now.flagged_by,
            values=evidence.values,
            limits=self._limit_checks.raised,
            memory_ends_within=ends,
        )
        self._seen = seen
        opened, over = self._alerter.update(now, elapsed, seen)
        known = len(high_load) == len(self.horizons) and not math.isnan(evidence.level)
        self._quiet = known and self._alerter.resting and all(part.resting for part in self._parts())
        return self._conclude(high_load, flagged_by, anomaly, opened, closed + over)

    def _flag_high_load(
        self, evidence: Evidence, ahead: Sequence[float], elapsed: float
    ) -> tuple[dict[int, bool], dict[int, FlagSource]]:
        high_load: dict[int, bool] = {}
        flagged_by: dict[int, FlagSource] = {}
        limited = self._limit_checks.update(evidence.values, elapsed)
        speaks_of_now = len(ahead) < len(self.horizons)
        chance = evidence.probabilities[0] if speaks_of_now else math.nan
        now = self._now.update(evidence.level, chance, limited, elapsed)
        origin = self._now.flagged_by
        if now is not None and speaks_of_now:
            high_load[0] = now
            if origin is not None:
                flagged_by[0] = origin
        # From near to far: high within a minute is high within a quarter of an hour, whoever says so.
        for (horizon, flag), probability in zip(self._ahead.items(), ahead, strict=True):
            high = flag.update(probability, elapsed, implied=origin is not None)
            if high is not None:
                high_load[horizon] = high
            if high:
                flagged_by[horizon] = origin = origin or "model"
        return high_load, flagged_by

    def _parts(self) -> Iterator[NowFlag | AnomalyFlag | Hysteresis | StaticLimits]:
        """Everything that has a flag of its own."""
        yield self._now
        yield self._anomaly
        yield self._limit_checks
        yield from self._ahead.values()

    def _pass_time(self, now: float) -> tuple[float, list[Alert]]:
        """Seconds since the last sample, 0 where nothing goes on as before; and what a gap closed."""
        alerter, seasonality = self._alerter, self._alerter.seasonality
        elapsed, closed = now - self._last, []
        if not 0.0 <= elapsed <= GAP_SECONDS:  # also at the first sample, where it is NaN
            alerter.begin(now)
            self._reset_flags()
            closed = alerter.silence(self._last)
            if seasonality.is_within(now):
                seasonality.lose(elapsed)
            elapsed = 0.0
        if not seasonality.is_within(now):
            seasonality.enter(now, self._last)
        self._last = now
        return elapsed, closed

    def _reset_flags(self) -> None:
        for part in self._parts():
            part.reset()

    def _conclude(
        self,
        high_load: Mapping[int, bool],
        flagged_by: Mapping[int, FlagSource],
        anomaly: bool | None,
        opened: list[Alert],
        closed: list[Alert],
    ) -> Judgement:
        alerter = self._alerter
        flags: dict[Verdict, bool] = {"high_load": any(high_load.values()), "anomaly": bool(anomaly)}
        for verdict, flag in flags.items():
            if flag:
                self._since.setdefault(verdict, self._last)
            else:
                self._since.pop(verdict, None)
        # Apart, so that it does not flicker around the moment when the tokens pays its debt.
        self._spent = alerter.tokens.content(self._last) < (0.5 if self._spent else 0.0)
        state = (high_load, flagged_by, anomaly, alerter.stages(), self._spent)
        said = self._judgement
        if opened or closed:
            self._quiet = False  # an event is told once
        elif not (said.opened or said.closed) and state == said.state:
            return said
        self._judgement = Judgement(*state, tuple(opened), tuple(closed))
        return self._judgement

    def to_state(self) -> dict[str, Any]:
        """What a restart must not forget, as JSON can hold it."""
        return {
            "version": STATE_VERSION,
            "last": None if math.isnan(self._last) else self._last,
            "spent": self._spent,
            "since": self._since,
            "now": self._now.to_state(),
            "ahead": {str(horizon): machine.to_state() for horizon, machine in self._ahead.items()},
            "anomaly": self._anomaly.to_state(),
            "guard": self._limit_checks.to_state(),
            "exhaustion": self._exhaustion.to_state(),
            "pager": self._alerter.to_state(),
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], horizons: Sequence[int], *, budget_per_week: float = 2.0
    ) -> Self:
        """A judge that goes on where another stopped; the budget and the horizons may have changed.

        Raises:
            ValueError: the state is damaged, or of a version unknown here.

        """
        judge = cls(horizons, budget_per_week=budget_per_week)
        try:
            if state["version"] != STATE_VERSION:
                raise ValueError(f"its version is {state['version']!r}, not {STATE_VERSION}")
            judge._restore(state)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise ValueError(f"cannot take up the state of the judge: {error!r}") from error
        return judge

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._last = math.nan if state["last"] is None else float(state["last"])
        self._spent = bool(state["spent"])
        self._since = dict(state.get("since", {}))
        self._now.restore(state["now"])
        for horizon, machine in self._ahead.items():
            if str(horizon) in state["ahead"]:
                machine.restore(state["ahead"][str(horizon)])
        self._anomaly.restore(state["anomaly"])
        self._limit_checks.restore(state["guard"])
        if "exhaustion" in state:  # not before 2026-12
            self._exhaustion.restore(state["exhaustion"])
        self._alerter.restore(state["pager"])
