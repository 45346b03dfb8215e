"""When things happen: APScheduler with every default that could drop work silently set on purpose.

APScheduler 3 gives a late job one second of grace and then drops it with a log line. Here a late job always
runs (``misfire_grace_time=None``), a pile of late runs becomes one (``coalesce``), no job overlaps itself
(``max_instances=1``), and whatever was missed, skipped or failed reaches a callback that counts it.
"""

import contextlib
import datetime
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from apscheduler import events
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.date import DateTrigger

# One thread each, so that a long training, a slow disk or a mail server never delays a sample, and so that
# CPU times are always read by the same thread. A lane without work has no thread.
LANES: Final = ("sampling", "training", "housekeeping", "notification")

_TROUBLE: Final = events.EVENT_JOB_MISSED | events.EVENT_JOB_MAX_INSTANCES | events.EVENT_JOB_ERROR


@dataclass(frozen=True, slots=True)
class _Plan:
    lane: str
    function: Callable[[], None]
    seconds: float | None


class Pace(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no type information
    """Every so many seconds, on a grid that does not drift, and never in the past.

    APScheduler's own interval walks through every run that was missed: after a wall clock without battery is
    set from 1970 to today that is a list of a billion entries.
    """

    def __init__(self, seconds: float) -> None:
        self._step = datetime.timedelta(seconds=seconds)

    def get_next_fire_time(
        self, previous_fire_time: datetime.datetime | None, now: datetime.datetime
    ) -> datetime.datetime:
        """The first moment of the grid after ``now``, whatever was missed; called by APScheduler."""
        previous = now if previous_fire_time is None else previous_fire_time
        return previous + max(1, (now - previous) // self._step + 1) * self._step


class Schedule:
    """Runs functions every so often or once, each in the lane of its kind.

    Args:
        on_missed: called with the job's name when a run was skipped.
        on_failed: called with the job's name and the exception it raised; the job stays scheduled.

    """

    def __init__(
        self, *, on_missed: Callable[[str], None], on_failed: Callable[[str, BaseException], None]
    ) -> None:
        self._plans: dict[str, _Plan] = {}
        self._planning = threading.Lock()
        self._on_missed = on_missed
        self._on_failed = on_failed
        self._scheduler = BackgroundScheduler(
            timezone=datetime.UTC,
            executors={lane: ThreadPoolExecutor(1) for lane in LANES},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.add_listener(self._hear, _TROUBLE)

    def every(self, name: str, lane: str, seconds: float, function: Callable[[], None]) -> None:
        """Run ``function`` every ``seconds``, for the first time one interval from now."""
        self._add(name, _Plan(lane, function, seconds), Pace(seconds))

    def once(self, name: str, lane: str, delay_seconds: float, function: Callable[[], None]) -> None:
        """Run ``function`` once after a delay; a run of this name that still waits is replaced."""
        when = _now() + datetime.timedelta(seconds=max(0.0, delay_seconds))
        self._add(name, _Plan(lane, function, None), DateTrigger(when, timezone=datetime.UTC))

    def seconds_until(self, name: str) -> float | None:
        """Seconds until the next run of a job, or None where it is not scheduled."""
        job = self._scheduler.get_job(name)
        due = getattr(job, "next_run_time", None)
        return None if due is None else float((due - _now()).total_seconds())

    def realign(self, shift_seconds: float) -> None:
        """Move every waiting run after the wall clock was set by ``shift_seconds`` (new minus old).

        APScheduler waits for wall times: without this, a clock set back by a day stops sampling for a day.
        What becomes due meanwhile runs; nobody plans anything anew until all is moved.
        """
        shift = datetime.timedelta(seconds=shift_seconds)
        with self._planning:
            for job in self._scheduler.get_jobs():
                seconds = self._plans[job.id].seconds
                later = (
                    DateTrigger(job.next_run_time + shift, timezone=datetime.UTC)
                    if seconds is None
                    else Pace(seconds)
                )
                # A run of its own is gone once it has begun, and moving the one before wakes whoever runs it.
                with contextlib.suppress(JobLookupError):
                    job.reschedule(later)

    def start(self) -> None:
        """Begin to run jobs."""
        self._scheduler.start()

    def stop(self, *, wait: bool) -> None:
        """Run nothing any more; with ``wait``, return only when running jobs have ended."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=wait)

    def _add(self, name: str, plan: _Plan, trigger: Any) -> None:
        with self._planning:
            self._plans[name] = plan
            self._scheduler.add_job(
                plan.function, trigger, id=name, name=name, executor=plan.lane, replace_existing=True
            )

    def _hear(self, event: events.JobExecutionEvent | events.JobSubmissionEvent) -> None:
        if event.code == events.EVENT_JOB_ERROR:
            self._on_failed(event.job_id, event.exception)
        else:
            self._on_missed(event.job_id)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
