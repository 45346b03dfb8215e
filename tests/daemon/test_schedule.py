"""The pace of jobs when the wall clock does what wall clocks do."""

import datetime
import threading

import pytest
from conftest import eventually

from loadwatch.daemon.schedule import Pace, Schedule

NOON = datetime.datetime(2026, 3, 29, 12, tzinfo=datetime.UTC)


def test_a_pace_keeps_its_grid_and_never_answers_the_past() -> None:
    """The next moment is the first of the grid after now, however many were missed, at no cost."""
    pace = Pace(5.0)
    assert pace.get_next_fire_time(None, NOON) == NOON + datetime.timedelta(seconds=5)
    late = NOON + datetime.timedelta(seconds=7)
    assert pace.get_next_fire_time(NOON, late) == NOON + datetime.timedelta(seconds=10)
    years = NOON + datetime.timedelta(days=56 * 365, seconds=1)
    following = pace.get_next_fire_time(NOON, years)
    assert years < following <= years + datetime.timedelta(seconds=5)


def test_a_pace_waits_a_whole_step_where_the_clock_went_back() -> None:
    """The last run may lie in the future then."""
    earlier = NOON - datetime.timedelta(days=1)
    assert Pace(5.0).get_next_fire_time(NOON, earlier) == NOON + datetime.timedelta(seconds=5)


@pytest.fixture
def schedule() -> Schedule:
    troubles: list[str] = []
    return Schedule(on_missed=troubles.append, on_failed=lambda job, _error: troubles.append(job))


def test_a_failing_job_stays_on_schedule() -> None:
    """It is reported each time, and runs again."""
    failed: list[str] = []
    schedule = Schedule(on_missed=lambda _: None, on_failed=lambda job, _error: failed.append(job))

    def fail() -> None:
        raise ValueError("on purpose")

    schedule.every("failing", "housekeeping", 0.05, fail)
    schedule.start()
    try:
        eventually(lambda: failed.count("failing") >= 3, seconds=20, what="it failed three times")
    finally:
        schedule.stop(wait=True)


def test_a_job_that_hangs_holds_up_no_other_lane(schedule: Schedule) -> None:
    """A slow disk or a long training never delays a sample."""
    release, sampled = threading.Event(), threading.Event()
    schedule.once("slow", "training", 0.0, release.wait)
    schedule.every("sampling", "sampling", 0.05, sampled.set)
    schedule.start()
    try:
        assert sampled.wait(20)
    finally:
        release.set()
        schedule.stop(wait=True)


def test_what_runs_while_the_clock_is_set_is_neither_lost_nor_moved(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that begins after the waiting ones were listed is no error, and what it plans keeps its time."""
    runs: list[str] = []
    listed = schedule._scheduler.get_jobs
    planned = threading.Event()

    def plan_anew() -> None:
        runs.append("training")
        schedule.once("training", "training", 500.0, planned.set)
        planned.set()

    def listed_while_it_runs() -> list[object]:
        found = listed()
        schedule._scheduler.remove_job("training")  # as the scheduler does when it hands a single run over
        threading.Thread(target=plan_anew).start()
        return list(found)

    schedule.once("training", "training", 855.0, plan_anew)
    schedule.every("sampling", "sampling", 10.0, lambda: None)
    schedule.start()
    try:
        monkeypatch.setattr(schedule._scheduler, "get_jobs", listed_while_it_runs)
        schedule.realign(3600.0)
        assert planned.wait(20)
        assert runs == ["training"]
        assert schedule.seconds_until("training") == pytest.approx(500.0, abs=60)
    finally:
        schedule.stop(wait=True)


def test_realigning_moves_what_waits(schedule: Schedule) -> None:
    """A run planned in an hour stays an hour away when the wall clock is set."""
    schedule.once("later", "training", 3600.0, lambda: None)
    schedule.every("sampling", "sampling", 10.0, lambda: None)
    schedule.start()
    try:
        schedule.realign(-86400.0)
        remaining = schedule.seconds_until("later")
        assert remaining is not None
        assert remaining == pytest.approx(3600.0 - 86400.0, abs=60)
        soon = schedule.seconds_until("sampling")
        assert soon is not None
        assert 0 < soon <= 10.0
    finally:
        schedule.stop(wait=True)
