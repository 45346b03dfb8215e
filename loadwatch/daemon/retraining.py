"""When and how the daemon learns: order a training, wait for a calm moment, adopt what it brings.

All of this runs in the training lane; the sampling lane goes on meanwhile.
"""

import contextlib
import logging
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from loadwatch.clock import Clock
from loadwatch.config import Config
from loadwatch.daemon.training_child import TrainingChild
from loadwatch.errors import HistoryError, LoadwatchError
from loadwatch.history import History
from loadwatch.records import Span
from loadwatch.training.order import ENOUGH, Order, Outcome, next_interval

log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 1800.0
"""A training that takes longer is killed: ten times what the largest history needs on a slow core."""
SETTLE_SECONDS: Final = 20.0
"""How long to look again while the host suffers."""
DUE: Final = "training.due"
ASKED: Final = "training.asked"
"""Written by another process that wants a training now; read, cleared and obeyed by the daemon."""
LAST_SUCCESS: Final = "training.last_success"
FIRST_RETRY_SECONDS: Final = 10.0
SHORTFALL_SECONDS: Final = 20.0
# A little more of the minimum than a training asks for, so that the first attempt finds enough.
PUNCTUAL: Final = (1.0 + ENOUGH) / 2
FLEET_JITTER: Final = 0.1
"""Trainings spread over this share of the interval, so that a fleet does not train at once."""


@dataclass(slots=True)
class RetrainingState:
    """What the metrics tell about learning."""

    runs: int = 0
    failures: int = 0
    rejections: int = 0
    postponed: int = 0
    waiting: bool = False
    running: bool = False
    last: Outcome | None = None
    last_success_timestamp: float | None = None
    last_failure: str = ""


class Retraining:
    """Trains when due and hands the outcome on.

    Args:
        order: makes the order of the next training; True asks for a first model from synthetic metrics.
        adopt: called in this lane after a model was published.
        suffering: whether the host is under high load right now.

    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        history: History,
        child: TrainingChild,
        *,
        order: Callable[[bool], Order],
        adopt: Callable[[Outcome], None],
        suffering: Callable[[], bool],
    ) -> None:
        self._config = config.training
        self._clock = clock
        self._history = history
        self._child = child
        self._order = order
        self._adopt = adopt
        self._suffering = suffering
        self._stopped = threading.Event()
        self._random = random.Random()  # noqa: S311 - spreads a fleet, guards no secret
        self._retry_seconds = FIRST_RETRY_SECONDS
        self.state = RetrainingState()
        success = history.state(LAST_SUCCESS)
        self.state.last_success_timestamp = float(success) if isinstance(success, int | float) else None

    def begin(self) -> None:
        """Close the mark of a training that was killed together with the daemon before this one."""
        try:
            self._history.end_trainings(self._clock.wall())
        except HistoryError as error:
            log.warning("the time of an interrupted training stays unlearned: %s", error)

    def first_delay(self, *, synthetic: bool) -> float:
        """Seconds from a start of the daemon with a model until its first training.

        Where that model is only the synthetic one: when the history is long enough. Otherwise when the last
        plan said, and soon but spread out where that moment has passed.
        """
        if synthetic:
            return self._until_enough()
        due = self._history.state(DUE)
        remaining = due - self._clock.wall() if isinstance(due, int | float) else 0.0
        # A due time further away than one interval was written by a clock that has since stepped back.
        remaining = min(remaining, self._config.every)
        return remaining if remaining > 0 else self._random.uniform(1.0, FLEET_JITTER * self._config.every)

    def is_asked_for(self) -> bool:
        """Whether another process wants a training now; true once for each time it asks.

        Whoever asks has stored its rows before. Cleared before it is obeyed: one who asks again in between
        has its rows in the training that follows, one who asks later is seen later.
        """
        if self._history.state(ASKED) is None:
            return False
        self._history.set_state(ASKED, None)
        return True

    def reconfigure(self, config: Config) -> None:
        """Plan by the new settings from the next training on."""
        self._config = config.training

    def bootstrap(self) -> float:
        """Make the first model from synthetic metrics; answer the seconds until the next training."""
        outcome = self._train(first=True)
        if outcome is None:
            return self._next_retry()
        return self._until_enough()

    def train(self) -> float:
        """Train on the host's own history; answer the seconds until the next training."""
        if not self._wait_for_calm():
            if self._stopped.is_set():  # still due: the next start sees to it
                return self._next_retry()
            self.state.postponed += 1
            log.warning(
                "training postponed: the host stayed under high load for %.0f s", self._config.patience
            )
            return self._plan(self._config.every)
        outcome = self._train(first=False)
        if outcome is None:
            return self._plan(self._next_retry())
        self._retry_seconds = FIRST_RETRY_SECONDS
        if outcome.result == "too_little":
            return self._plan(max(SHORTFALL_SECONDS, self._until_enough()))
        interval = next_interval(self._history_seconds(), self._config.every, self._config.minimum)
        return self._plan(interval * (1 + self._random.uniform(0, FLEET_JITTER)))

    def stop(self) -> None:
        """Give up waiting and end a running training."""
        self._stopped.set()
        self._child.stop()

    def _train(self, *, first: bool) -> Outcome | None:
        state = self.state
        state.runs += 1
        state.running = True
        # Marked to its latest possible end beforehand, so that a kill leaves no unmarked training.
        start = self._clock.wall()
        try:
            with self._marked(Span(start, start + TIMEOUT_SECONDS)):
                outcome = self._child.run(
                    self._order(first), timeout_seconds=TIMEOUT_SECONDS, progress=log.debug
                )
            if outcome.version:
                self._adopt(outcome)
        except Exception as error:
            if not self._stopped.is_set():
                state.failures += 1
                state.last_failure = str(error) or type(error).__name__
                foreseen = isinstance(error, LoadwatchError | OSError)
                log.error("training failed: %s", state.last_failure, exc_info=not foreseen)
            return None
        finally:
            state.running = False
        self._note(outcome)
        return outcome

    @contextlib.contextmanager
    def _marked(self, span: Span) -> Iterator[None]:
        """Mark the time of a training in the history, so that its own load is not learned as usual."""
        try:
            mark = self._history.add_training(span)
        except HistoryError as error:
            log.warning("the time of this training is not marked: %s", error)
            yield
            return
        try:
            yield
        finally:
            # Whatever became of it: a mark left open would keep the next half hour from being learned.
            self._history.end_training(mark, self._clock.wall())

    def _note(self, outcome: Outcome) -> None:
        self.state.last = outcome
        if outcome.result == "too_little":
            log.info("training waits for more history: %s", outcome.why)
            return
        self.state.last_success_timestamp = self._clock.wall()
        self._remember(LAST_SUCCESS, self.state.last_success_timestamp)
        if outcome.result == "rejected":
            self.state.rejections += 1
        # The reason begins with the verdict: "published: ..." or "kept the old model: ...".
        log.info("training %s version=%s rows=%d", outcome.why, outcome.version, outcome.rows)
        for words in outcome.figures.get("taught", ()):
            log.info("training %s", words)

    def _wait_for_calm(self) -> bool:
        waited = 0.0
        try:
            while self._suffering():
                if not self.state.waiting:
                    log.info("training waits: the host is under high load")
                self.state.waiting = True
                if waited >= self._config.patience or self._stopped.wait(SETTLE_SECONDS):
                    return False
                waited += SETTLE_SECONDS
        finally:
            self.state.waiting = False
        return not self._stopped.is_set()

    def _next_retry(self) -> float:
        delay = min(self._retry_seconds, self._config.every)
        self._retry_seconds *= 2
        return delay

    def _until_enough(self) -> float:
        """Seconds until the history is long enough, with time left to be at work when the minimum is over."""
        return max(1.0, PUNCTUAL * self._config.minimum - self._history_seconds())

    def _history_seconds(self) -> float:
        """What a training now would learn from: no rows of another century, none from the future."""
        now = self._clock.wall()
        return self._history.measured_seconds(Span(now - self._config.history, now))

    def _plan(self, seconds: float) -> float:
        self._remember(DUE, self._clock.wall() + seconds)
        return seconds

    def _remember(self, key: str, timestamp: float) -> None:
        """Keep a time for the next start; a full disk costs only that."""
        try:
            self._history.set_state(key, timestamp)
        except HistoryError as error:
            log.warning("%s is not kept for the next start: %s", key, error)
