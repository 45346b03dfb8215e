"""The sampling loop: take a sample, judge it, publish the verdict, store the sample.

``tick`` runs in the sampling lane only. Other lanes hand things over (a new scorer) and never touch what the
tick works on.
"""

import logging
import threading
from collections import deque
from dataclasses import replace
from typing import Final

from loadwatch.clock import Clock
from loadwatch.daemon.judging import LiveJudge
from loadwatch.daemon.unknown import UnknownSignals
from loadwatch.exporter import Exporter
from loadwatch.history import History
from loadwatch.judge import Judge
from loadwatch.judge.filling import FillingWatch
from loadwatch.pipeline import Scorer
from loadwatch.records import STALE_AFTER_INTERVALS, Sample, Snapshot
from loadwatch.sampling.sampler import Sampler
from loadwatch.web import Board

log = logging.getLogger(__name__)

CATCH_UP_SAMPLES: Final = 400
"""Newest samples kept for a scorer that was warmed up on the history while they came in."""
LATE_INTERVALS: Final = 1.5


class SamplingLoop:
    """Everything that happens once a sample."""

    def __init__(
        self,
        clock: Clock,
        sampler: Sampler,
        history: History,
        exporter: Exporter,
        board: Board,
        verdicts: LiveJudge,
    ) -> None:
        self._clock = clock
        self._sampler = sampler
        self._history = history
        self._exporter = exporter
        self._board = board
        self._verdicts = verdicts
        self._unknown = UnknownSignals(sampler.why_unknown)
        self._filling = FillingWatch()
        self._scorer: Scorer | None = None
        self._waiting: tuple[Scorer, float, Judge | None] | None = None
        self._recent: deque[Sample] = deque(maxlen=CATCH_UP_SAMPLES)
        self._handing_over = threading.Lock()
        self._ticking = threading.Lock()
        self._interval = exporter.interval
        self._last_tick: float | None = None
        self._last_sample = clock.monotonic()
        self._judging_fails = False
        self.snapshot: Snapshot | None = None

    @property
    def judged_since(self) -> float:
        """From when on the judge knows this host; infinity before its first sample."""
        return self._verdicts.judged_since

    def adopt(self, scorer: Scorer, warmed_until: float, backfilled: Judge | None = None) -> None:
        """Let ``scorer`` judge from the next sample on; it has seen every sample up to a wall time.

        backfilled: a judge that knows the past better than ours.
        """
        with self._handing_over:
            if backfilled is None and self._waiting is not None:
                backfilled = self._waiting[2]  # of a model that never came to work
            self._waiting = (scorer, warmed_until, backfilled)

    def set_interval(self, seconds: float) -> None:
        """Expect samples this often from now on."""
        self._interval = self._exporter.interval = self._board.interval = seconds
        self._last_tick = None

    def begin(self) -> None:
        """Expect samples from now on: what came before, such as reading a long history, is no silence."""
        self._last_sample = self._clock.monotonic()

    def tick(self) -> None:
        """Sample, judge, publish, store; late or failing parts are counted and never stop the others."""
        with self._ticking:
            self._notice_lateness()
            started = self._clock.monotonic()
            sample = self._sampler.sample()
            self._sampler.follow_usage(closely=self._is_flagged)
            sampled = self._clock.monotonic()
            self._exporter.sample_failures.take(self._sampler.failures)
            if sample is None:
                return
            self._last_sample = sampled
            self._exporter.sample_duration.observe(sampled - started)
            self._exporter.samples.inc()
            self._swap()
            self._publish(sample)
            self._exporter.inference_duration.observe(self._clock.monotonic() - sampled)
            self._recent.append(sample)
            self._history.append(sample)
            self._exporter.history_unsaved.set(self._history.unsaved)
            self._exporter.history_lost.set(self._history.lost)

    @property
    def is_suffering(self) -> bool:
        """Whether the newest verdict, unless it is stale, says that the host is under high load right now."""
        snapshot = self.snapshot
        if snapshot is None or self.silence_seconds > STALE_AFTER_INTERVALS * self._interval:
            return False
        return bool(snapshot.high_load.get(0, False))

    @property
    def _is_flagged(self) -> bool:
        snapshot = self.snapshot
        return snapshot is not None and (any(snapshot.high_load.values()) or bool(snapshot.anomaly))

    @property
    def silence_seconds(self) -> float:
        """Seconds since the last sample arrived (since ``begin`` before the first)."""
        return self._clock.monotonic() - self._last_sample

    def rest(self, timeout_seconds: float = 1.0) -> bool:
        """Wait until no tick is under way; after it, none may be started. False where one does not end."""
        rested = self._ticking.acquire(timeout=timeout_seconds)
        if not rested:
            log.error("the last sample did not end within %.0f s", timeout_seconds)
        return rested

    def _publish(self, sample: Sample) -> None:
        try:
            snapshot = self._judged(sample)
        except Exception as error:
            self._exporter.inference_failures.inc()
            if not self._judging_fails:
                self._judging_fails = True
                log.exception("no verdict: %s", error)
            snapshot = Snapshot(sample)
        else:
            self._judging_fails = False
        unknown = self._unknown.update(sample, self._verdicts.needed) | self._verdicts.misnamed
        filling = self._filling.update(sample.monotonic, self._sampler.levels)
        failing = self._sampler.failing
        if unknown or filling or failing:
            snapshot = replace(snapshot, unknown=unknown, failing=failing, filling=filling)
        self.snapshot = snapshot
        self._exporter.publish(snapshot)
        self._board.publish(snapshot)

    def _judged(self, sample: Sample) -> Snapshot:
        if self._scorer is None:
            return Snapshot(sample)
        return self._verdicts.judge(sample, self._scorer, self._sampler.culprits)

    def _swap(self) -> None:
        """Take over a waiting scorer after showing it the samples it missed."""
        with self._handing_over:
            waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        scorer, warmed_until, backfilled = waiting
        for sample in self._recent:
            if sample.timestamp > warmed_until:
                scorer.update(sample)
        self._scorer = scorer
        self._verdicts.adopt(scorer.model, backfilled)

    def _notice_lateness(self) -> None:
        now = self._clock.monotonic()
        if self._last_tick is not None:
            behind = (now - self._last_tick) / self._interval
            if behind > LATE_INTERVALS:
                self._exporter.scheduler_missed.inc("sampling", by=round(behind) - 1)
        self._last_tick = now
