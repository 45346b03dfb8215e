"""Keeps a model at work: loads the current one, makes the next one when due, swaps them in one step."""

import base64
import contextlib
import logging
from pathlib import Path
from typing import Final

from loadwatch.clock import Clock
from loadwatch.config import Config
from loadwatch.daemon.backfill import Backfill
from loadwatch.daemon.malloc import trim_memory
from loadwatch.daemon.orders import order_for
from loadwatch.daemon.retraining import FIRST_RETRY_SECONDS, Retraining
from loadwatch.daemon.sampling_loop import SamplingLoop
from loadwatch.daemon.schedule import Schedule
from loadwatch.daemon.training_child import TrainingChild
from loadwatch.errors import LoadwatchError, ServiceError
from loadwatch.exporter import Exporter
from loadwatch.history import History
from loadwatch.labels.rule import Rule
from loadwatch.model.bundle import Card, Model
from loadwatch.model.host import host_identity
from loadwatch.model.store import ModelStore
from loadwatch.pipeline import Scorer, warm_up
from loadwatch.training.order import Order, Outcome

log = logging.getLogger(__name__)

MODELS: Final = "models"
JOB: Final = "training"
SETTLE_SECONDS: Final = 5.0
"""Delay of a training after a change of configuration, so that several changes become one training."""


class ModelManager:
    """The model side of the daemon. ``load`` and ``begin`` are called once, in this order."""

    def __init__(
        self,
        config: Config,
        directory: Path,
        clock: Clock,
        history: History,
        watch: SamplingLoop,
        schedule: Schedule,
    ) -> None:
        self._config = config
        self._directory = directory
        self._clock = clock
        self._history = history
        self._watch = watch
        self._schedule = schedule
        self._store = ModelStore(directory / MODELS)
        self._backfills = Backfill(history)
        self._host = host_identity()
        self._unstored: Model | None = None
        self.card: Card | None = None
        self.set_aside = 0
        self.learning = Retraining(
            config,
            clock,
            history,
            TrainingChild(),
            order=self._order,
            adopt=self._adopt,
            suffering=lambda: watch.is_suffering,
        )

    def load(self) -> None:
        """Take up the current model; a damaged one, or another host's, is set aside for the one before."""
        loaded = self._store.load_current(accept=self._why_foreign)
        for words in loaded.set_aside:
            self.set_aside += 1
            log.error("model set aside: %s", words)
        if loaded.model is None:
            return
        if loaded.model.card.horizons != self._config.high_load.horizons:
            log.warning("the current model forecasts other horizons; a new first model is made")
            return
        self._put_to_work(loaded.model)

    def begin(self) -> None:
        """Plan the first training."""
        self.learning.begin()
        if self.card is None:
            self._schedule.once(JOB, JOB, 0.0, self._bootstrap)
        else:
            delay = self.learning.first_delay(synthetic=self.card.origin == "bootstrap")
            self._schedule.once(JOB, JOB, delay, self._train)

    def reconfigure(self, config: Config) -> None:
        """Judge by the new settings at once and learn them soon."""
        old, self._config = self._config, config
        self.learning.reconfigure(config)
        if config.high_load == old.high_load or self.card is None:
            return
        if config.high_load.horizons != old.high_load.horizons:
            self._schedule.once(JOB, JOB, 0.0, self._bootstrap)
            return
        try:
            self._put_to_work(self._store.load(self.card.version))
        except LoadwatchError as error:
            log.error("the new settings wait for the next model: %s", error)
        self._schedule.once(JOB, JOB, SETTLE_SECONDS, self._train)

    def restore(self) -> None:
        """Show the model at work the past, now that it can be read.

        Raises:
            ModelError: its file is damaged; the model at work goes on.

        """
        if self.card is not None and self._unstored is None:
            self._put_to_work(self._store.load(self.card.version))

    def follow(self, *, written: bool = True) -> None:
        """Do what other processes ask for: a training, as ``history import`` does, or another model.

        ``train`` and ``model rollback`` change which model is current; it is taken up here. With ``written``
        false nobody has written into the history since the last time.

        Raises:
            ModelError: its file is damaged; the model at work goes on.

        """
        if self._unstored is not None and self._store.current() is None:
            with contextlib.suppress(OSError, ServiceError):  # still no room: it is tried again
                self._store.publish(self._unstored)
                self._unstored = None
        version = self._store.current()
        learning = self.learning.state.running
        if written and not learning and self.card is not None and self.learning.is_asked_for():
            log.info("training now: another process asked for it, as an import does")
            self._schedule.once(JOB, JOB, 0.0, self._train)
        if self.card is not None and version not in {None, self.card.version} and not learning:
            self._put_to_work(self._store.load(str(version)))

    @property
    def next_training_seconds(self) -> float | None:
        """Seconds until the next training, None while one runs or none is planned."""
        return self._schedule.seconds_until(JOB)

    def report(self, exporter: Exporter) -> None:
        """Show how learning goes."""
        state = self.learning.state
        exporter.training_runs.set(state.runs)
        exporter.training_failures.set(state.failures)
        exporter.training_rejections.set(state.rejections)
        exporter.training_waiting.set(state.waiting)
        exporter.last_training_success.set(state.last_success_timestamp)
        exporter.model_brier.set(None if self.card is None else self.card.brier)
        if state.last is not None and state.last.version:
            exporter.training_duration.set(state.last.duration_seconds)
            exporter.training_samples.set(state.last.rows)
            for split, loss in state.last.losses.items():
                exporter.training_loss.set(loss, split)

    def stop(self) -> None:
        """End a running training; no other begins."""
        self.learning.stop()

    def _bootstrap(self) -> None:
        delay = FIRST_RETRY_SECONDS
        try:
            delay = self.learning.bootstrap()
        finally:
            # Whatever went wrong, the chain goes on: without any model the same is tried again, with one the
            # host's own history is next.
            self._schedule.once(JOB, JOB, delay, self._train if self.card else self._bootstrap)
        # Who has just installed it waits for the first verdict: not an interval more.
        self._schedule.once("first verdict", "sampling", 0.0, self._watch.tick)

    def _train(self) -> None:
        delay = FIRST_RETRY_SECONDS
        try:
            delay = self.learning.train()
        finally:
            self._schedule.once(JOB, JOB, delay, self._train)

    def _order(self, bootstrap: bool) -> Order:
        return order_for(self._config, self._directory, self._clock.wall(), bootstrap=bootstrap)

    def _adopt(self, outcome: Outcome) -> None:
        if outcome.unstored:
            self._unstored = Model.from_bytes(base64.b64decode(outcome.unstored))
            log.error("the first model waits in memory: the disk has no room for it")
            self._put_to_work(self._unstored)
            return
        loaded = self._store.load_current()
        if loaded.model is not None:
            self._put_to_work(loaded.model)

    def _put_to_work(self, model: Model) -> None:
        scorer = Scorer(Rule.parse(self._config.high_load.when), model)
        warmed_until = warm_up(scorer, self._history, self._clock.wall())
        past = self._backfills.for_model(
            model, self._config, self._clock.wall(), judged_since=self._watch.judged_since
        )
        trim_memory()
        self._watch.adopt(scorer, warmed_until, past)
        self.card = model.card
        log.info("model version=%s origin=%s at work", model.card.version, model.card.origin)

    def _why_foreign(self, card: Card) -> str | None:
        if card.host == self._host:
            return None
        return f"it was trained on host {card.host}, this is {self._host}"
