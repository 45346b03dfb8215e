"""The daemon itself: what is wired to what, how it starts, what signals do, how it stops."""

import logging
import math
import queue
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loadwatch.clock import Clock, SystemClock
from loadwatch.config import Config
from loadwatch.daemon.attached import AttachedSources
from loadwatch.daemon.container import container_note
from loadwatch.daemon.exposure import exposure_notes
from loadwatch.daemon.judging import LiveJudge
from loadwatch.daemon.malloc import spare_memory, trim_memory
from loadwatch.daemon.messenger import Messenger
from loadwatch.daemon.model_manager import ModelManager
from loadwatch.daemon.outbox import Outbox
from loadwatch.daemon.reporting import Reporter
from loadwatch.daemon.sampling_loop import SamplingLoop
from loadwatch.daemon.schedule import Schedule
from loadwatch.daemon.textfile import Textfile
from loadwatch.daemon.totals import Totals
from loadwatch.errors import HistoryError, LoadwatchError, ServiceError
from loadwatch.exporter import Exporter
from loadwatch.history import DeferredHistory, StateLock
from loadwatch.sampling.sampler import Sampler
from loadwatch.service_manager import ServiceManager
from loadwatch.state_directory import claim
from loadwatch.web import Board, WebServer

log = logging.getLogger(__name__)

SHORTEST_BEAT_SECONDS, LONGEST_BEAT_SECONDS = 1.0, 5.0
"""Between two turns of the main thread: as long as between two samples, but within these."""
RETENTION_SECONDS: Final = 3600.0
TEXTFILE_SECONDS: Final = 5.0
VERIFY_SECONDS: Final = 86400.0
"""How often the whole history is read for damage; the check at the start looks only for two seconds."""
REFRESH_SECONDS: Final = 10.0
"""How soon what an operator typed (a label, a maintenance window) takes effect."""
REFRESHES_A_LOOK: Final = 6
"""Where nobody wrote anything the history is read again after so many, for what time alone changes."""
REFRESHES_A_CHECKPOINT: Final = 3
"""So a power cut costs half a minute of samples at most; a checkpoint waits for the disk, and is not free."""
OUTBOX_SECONDS: Final = 5.0
FIRST_SAMPLE_SECONDS: Final = 1.0
JOBS: Final = ("sampling", "training", "refresh", "retention", "verification", "textfile")
CURVES: Final = "curves"
LARGEST_RATE: Final = "sampling.largest_rate"
HUNG_AFTER_INTERVALS: Final = 5.0
HUNG_AFTER_SECONDS: Final = 15.0
CLOCK_STEP_SECONDS: Final = 2.0
"""Wall and boot clock drifting apart by more than this in a beat means that the wall clock was set."""
NEEDS_RESTART: Final = (
    "sampling.procfs",
    "web.listen_address",
    "web.systemd_socket",
    "web.route_prefix",
    "web.textfile_directory",
)


class Daemon:
    """One loadwatch on one state directory; ``run`` blocks from start to stop.

    ``hangs`` says afterwards whether a sample is still under way, a read of the kernel that never returns.
    The process cannot end in the usual way then, which waits for all threads.

    Args:
        reload: reads the configuration anew at SIGHUP; where it raises, the old one stays.

    """

    def __init__(
        self,
        config: Config,
        state_directory: Path,
        *,
        reload: Callable[[], Config],
        clock: Clock | None = None,
        manager: ServiceManager | None = None,
    ) -> None:
        self._config = config
        self._directory = state_directory
        self._reload = reload
        self._clock = clock or SystemClock()
        self._manager = manager or ServiceManager()
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._wall_offset = self._clock.wall() - self._clock.boottime()
        self._hung = False
        self.hangs = False
        self._refreshes = 0
        self._looked_at: object = None
        self._restored = 0
        self._told: dict[str, str] = {}

    def run(self) -> None:
        """Watch until told to stop.

        Raises:
            ServiceError: the state directory or an address cannot be used; nothing was changed.
            HistoryError: the stored history cannot be used.

        """
        spare_memory()
        claim(self._directory)
        with StateLock(self._directory) as self._lock, self._manager.starting() as self._started_up:
            self._history = DeferredHistory.open(self._directory / "history.db", clock=self._clock)
            try:
                self._open()
            except HistoryError:
                if not self._history.trouble:
                    raise
                self._open()  # damage that the first reading found is being mended now
            try:
                self._serve()
            finally:
                self._close()

    def _open(self) -> None:
        """Build everything in the order in which it can be refused, cheapest first."""
        config = self._config
        self._sampler = Sampler(self._clock, procfs=config.sampling.procfs)
        self._exporter = Exporter(self._clock, config.sampling.interval)
        folder = config.web.textfile_directory
        self._textfile = None if folder is None else Textfile(folder, self._exporter.render)
        self._board = Board(self._clock, config.sampling.interval)
        self._verdicts = LiveJudge(config, self._clock, self._history, self._exporter)
        self._outbox = Outbox(
            config,
            self._clock,
            self._history,
            Messenger(),
            lambda timestamp: self._verdicts.calendar.active(timestamp) is not None,
        )
        self._verdicts.on_alert = self._outbox.note
        self._watch = SamplingLoop(
            self._clock, self._sampler, self._history, self._exporter, self._board, self._verdicts
        )
        self._schedule = Schedule(on_missed=self._exporter.scheduler_missed.inc, on_failed=self._job_failed)
        self._models = ModelManager(
            config, self._directory, self._clock, self._history, self._watch, self._schedule
        )
        self._web = WebServer(
            config.web.listen_address,
            self._board.providers(self._exporter.scrape, self._exporter.is_ready),
            config_file=config.web.config_file,
            systemd_socket=config.web.systemd_socket,
            route_prefix=config.web.route_prefix,
            allowed_hosts=config.web.allowed_hosts,
        )
        self._reporter = Reporter(self._clock, self._history, self._models, self._verdicts, self._outbox)
        self._attached = AttachedSources(self._sampler, self._history, self._exporter, self._board)
        self._attached.follow(config)
        rate = self._history.state(LARGEST_RATE)
        if isinstance(rate, int | float) and math.isfinite(rate):
            self._sampler.largest_rate = rate
        self._totals = Totals(self._directory)
        self._exporter.sample_failures.take(self._sampler.failures)
        for job in JOBS:
            self._exporter.scheduler_missed.set(0, job)
        self._models.load()
        self._count()
        self._board.refill(self._history.recording, self._history.state(CURVES))

    def _serve(self) -> None:
        self._tell()  # the first look already has the name of the host
        # Before anybody can see that we are there: who then asks us to stop is heard.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda received, _frame: self._signals.put(received))
        self._web.start()
        # The first reading only gives the rates their base; who starts a daemon waits for what it says.
        self._schedule.once("first reading", "sampling", 0.0, self._watch.tick)
        if self._config.sampling.interval > FIRST_SAMPLE_SECONDS:
            self._schedule.once("first sample", "sampling", FIRST_SAMPLE_SECONDS, self._watch.tick)
        self._schedule.every("sampling", "sampling", self._config.sampling.interval, self._watch.tick)
        if self._textfile is not None:
            seconds = max(TEXTFILE_SECONDS, self._config.sampling.interval)
            self._schedule.every("textfile", "housekeeping", seconds, self._textfile.write)
        self._schedule.every("refresh", "housekeeping", REFRESH_SECONDS, self._refresh)
        self._schedule.once("older curves", "housekeeping", 0.0, self._draw_week)
        self._follow_outbox()
        self._schedule.every("verification", "housekeeping", VERIFY_SECONDS, self._history.verify)
        self._schedule.every("retention", "housekeeping", RETENTION_SECONDS, self._retain)
        self._models.begin()
        self._watch.begin()
        self._schedule.start()
        log.info("watching, serving %s, state in %s", self._web.listening, self._directory)
        if note := container_note(procfs=self._config.sampling.procfs):
            log.info(note)
        for note in exposure_notes(self._config, self._directory):
            log.warning(note)
        for source, note in self._sampler.notes.items():
            log.info("source=%s note: %s", source, note)
        self._started_up.set()
        self._manager.send("READY=1", f"STATUS=watching, serving {self._web.listening}")
        while self._beat():
            pass

    def _beat(self) -> bool:
        """One turn of the main thread: a signal or a beat, whichever is first; False to stop."""
        beat = min(max(self._config.sampling.interval, SHORTEST_BEAT_SECONDS), LONGEST_BEAT_SECONDS)
        try:
            received = self._signals.get(timeout=beat)
        except queue.Empty:
            received = 0
        if received in {signal.SIGTERM, signal.SIGINT}:
            log.info("stopping on %s", signal.Signals(received).name)
            return False
        if received == signal.SIGHUP:
            self._take_new_configuration()
        self._renew_lock()
        self._follow_wall_clock()
        self._feed_watchdog()
        self._models.report(self._exporter)
        if self._learning_stands() != self._learning_told:
            self._tell()
        self._exporter.service_manager_failures.set(self._manager.failures)
        self._count()
        if not self._web.alive:
            raise ServiceError("the web server ended unexpectedly; restart loadwatch")
        return True

    def _count(self) -> None:
        """Show what others count; the rare things with what earlier runs counted."""
        for kind, count in self._web.faults().items():
            self._exporter.web_faults.set(count, kind)
        self._totals.follow(
            self._exporter,
            self._verdicts.opened,
            salvages=self._history.salvages,
            set_aside=self._models.set_aside,
        )

    def _feed_watchdog(self) -> None:
        """Tell systemd that we live, but only while samples really arrive."""
        limit = max(HUNG_AFTER_SECONDS, HUNG_AFTER_INTERVALS * self._config.sampling.interval)
        silence = self._watch.silence_seconds
        if silence < limit:
            self._hung = False
            self._manager.send("WATCHDOG=1")
        elif not self._hung:
            self._hung = True
            log.error("no sample for %.0f s: the sampler hangs, or gets no CPU time", silence)
            self._manager.send(f"STATUS=no sample for {silence:.0f} s")

    def _renew_lock(self) -> None:
        try:
            self._lock.renew()
        except ServiceError as error:
            if isinstance(error.__cause__, BlockingIOError):
                raise  # another daemon uses the directory now: two would train and prune beside each other
            self._say_once("lock", str(error))

    def _follow_wall_clock(self) -> None:
        offset = self._clock.wall() - self._clock.boottime()
        step = offset - self._wall_offset
        if abs(step) > CLOCK_STEP_SECONDS:
            log.warning("the wall clock was set by %+.1f s; the schedule follows", step)
            self._schedule.realign(step)
            self._wall_offset = offset

    def _take_new_configuration(self) -> None:
        self._manager.send("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1e6)}")
        try:
            self._apply(self._reload())
        except Exception as error:
            # Whatever it is, and also where it is our own fault: who watched goes on watching.
            self._exporter.reload_failures.inc()
            foreseen = isinstance(error, LoadwatchError)
            log.error("configuration refused, the old one stays: %s", error, exc_info=not foreseen)
        self._manager.send("READY=1")

    def _apply(self, config: Config) -> None:
        """All of a new configuration is in force, or nothing of it."""
        try:
            self._put_in_force(config)
        except Exception:
            self._put_in_force(self._config)
            raise
        for key in NEEDS_RESTART:
            section, _, name = key.partition(".")
            if getattr(getattr(config, section), name) != getattr(getattr(self._config, section), name):
                log.warning("%s has changed; it takes effect at the next restart", key)
        self._config = config
        log.info("configuration reloaded")

    def _put_in_force(self, config: Config) -> None:
        self._attached.follow(config)
        self._outbox.reconfigure(config)
        self._follow_outbox()
        self._verdicts.reconfigure(config)
        self._models.reconfigure(config)
        logging.getLogger().setLevel(config.log.level.upper())
        self._watch.set_interval(config.sampling.interval)
        self._schedule.every("sampling", "sampling", config.sampling.interval, self._watch.tick)

    def _refresh(self) -> None:
        """Bring the samples onto the disk, take in what operators said, renew what is told of the daemon."""
        if self._history.salvages != self._restored:
            self._restored = self._history.salvages
            self._verdicts.restore()
            self._models.restore()
            self._outbox.restore()
        self._verdicts.is_training = self._models.learning.state.running
        seen = self._history.version(), self._config, self._wall_offset, self._learning_stands()
        if seen != self._looked_at or self._refreshes % REFRESHES_A_LOOK == 0:
            self._looked_at = None
            with self._history.at_once():
                self._verdicts.refresh()
                self._models.follow()
                self._looked_at = seen if self._tell() else None
        else:
            self._models.follow(written=False)
            self._board.facts = self._reporter.renew(self._board.facts)
        if self._refreshes % REFRESHES_A_CHECKPOINT == 0 and not self._history.trouble:
            self._history.checkpoint()
        self._refreshes += 1

    def _learning_stands(self) -> tuple[object, ...]:
        """What somebody who watches a first model come should not hear of ten seconds late."""
        state = self._models.learning.state
        return self._models.card, state.running, state.waiting, state.last

    def _tell(self) -> bool:
        self._learning_told = self._learning_stands()
        try:
            self._board.facts = self._reporter.collect()
        except HistoryError as error:
            self._say_once("facts", f"what is told of the daemon is not renewed: {error}")
            return False
        return True

    def _draw_week(self) -> None:
        with self._history.at_once():
            self._board.refill_week(self._history.recording)
        trim_memory()

    def _follow_outbox(self) -> None:
        if self._outbox.recipients:  # else nobody is ever told, and each waking costs
            self._schedule.every("outbox", "housekeeping", OUTBOX_SECONDS, self._look_at_outbox)

    def _look_at_outbox(self) -> None:
        """Send what is due in a lane of its own: a server that does not answer keeps nobody else waiting."""
        if self._outbox.look():
            self._schedule.once("notification", "notification", 0.0, self._outbox.send)
        if self._outbox.recipients:
            self._exporter.notification_failures.set(self._outbox.failures)

    def _retain(self) -> None:
        """Keep the history within its retention, and what a restart wants to know."""
        removed = self._history.prune(self._config.history.keep)
        self._remember()
        if removed:
            log.debug("retention removed %d rows", removed)

    def _remember(self) -> None:
        self._verdicts.remember()
        self._history.set_state(CURVES, self._board.timeline.judged())
        if math.isfinite(self._sampler.largest_rate):
            self._history.set_state(LARGEST_RATE, self._sampler.largest_rate)

    def _job_failed(self, job: str, error: BaseException) -> None:
        self._exporter.scheduler_missed.inc(job)
        self._say_once(job, f"job {job} failed: {type(error).__name__}: {error}")

    def _say_once(self, what: str, words: str) -> None:
        """A full disk fails the same job every minute: one line tells it, the metric counts on."""
        if self._told.get(what) != words:
            self._told[what] = words
            log.error("%s", words)

    def _close(self) -> None:
        """Stop in the order that loses nothing: no new work, the child, the server, the file."""
        self._manager.send("STOPPING=1")
        self._models.stop()
        self._outbox.stop()
        self._schedule.stop(wait=False)
        self._remove_textfile()
        self._web.close()
        self.hangs = not self._watch.rest()
        self._sampler.close()
        try:
            self._count()
            self._remember()
        except HistoryError as error:
            log.error("state not saved: %s", error)
        self._history.close()

    def _remove_textfile(self) -> None:
        """Its verdicts would be served for as long as node_exporter runs."""
        try:
            if self._textfile is not None:
                self._textfile.remove()
        except OSError as error:
            log.error("the page for node_exporter stays: %s", error)
