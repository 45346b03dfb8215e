"""Maintenance windows begin and end when the clocks on the wall say so."""

import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadwatch.config.readers import Recurrence
from loadwatch.errors import ConfigurationError
from loadwatch.maintenance import MaintenanceCalendar
from loadwatch.records import Maintenance, Span

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0


def utc(text: str) -> float:
    """Epoch seconds of a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def windows(cron: str, hours: float, day: str, *, days: float = 1, zone: str = "Europe/Berlin") -> list[str]:
    """The windows of a day (in UTC), as begin and end in UTC."""
    calendar = MaintenanceCalendar([Recurrence(cron, hours * HOUR, zone)])
    start = utc(day)
    return [
        f"{datetime.fromtimestamp(span.start, UTC):%d %H:%M}-{datetime.fromtimestamp(span.end, UTC):%H:%M}"
        for span in calendar.spans(start, start + days * 24 * HOUR)
    ]


def test_a_window_comes_back_by_the_clock_of_its_zone() -> None:
    """Three in the night in Berlin is two in UTC in winter, one in summer."""
    assert windows("0 3 * * *", 2, "2026-01-10") == ["10 02:00-04:00"]
    assert windows("0 3 * * *", 2, "2026-07-10") == ["10 01:00-03:00"]
    assert windows("0 3 * * sun", 2, "2026-07-05", days=14) == ["05 01:00-03:00", "12 01:00-03:00"]


def test_a_begin_that_the_clocks_skip_comes_when_the_gap_is_over() -> None:
    """On 29 March 2026 Berlin has no half past two; the window begins at three, and lasts its hour."""
    assert windows("30 2 * * *", 1, "2026-03-29") == ["29 01:00-02:00"]


def test_a_begin_that_comes_twice_counts_once() -> None:
    """On 25 October 2026 half past two comes twice; the window is the first, and not the second as well."""
    assert windows("30 2 * * *", 1, "2026-10-25") == ["25 00:30-01:30"]


def test_a_window_across_the_change_lasts_its_true_length() -> None:
    """Two hours are two hours, though the clocks show one or three between begin and end."""
    assert windows("30 1 29 * *", 2, "2026-03-29") == ["29 00:30-02:30"]
    assert windows("30 1 * * sun", 2, "2026-10-24", days=2) == ["24 23:30-01:30"]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_hourly_windows_go_on_through_the_change(day: str) -> None:
    """A window of ten minutes an hour is there in every real hour of the odd day."""
    assert len(windows("0 * * * *", 1 / 6, day)) == 24


@pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "0 * * * *", "*/30 1-3 * * *", "15 0 * * sun"])
def test_asking_moment_by_moment_and_for_a_span_agree(day: str, cron: str) -> None:
    """``active`` at every minute of three days around the change is what ``spans`` says."""
    calendar = MaintenanceCalendar([Recurrence(cron, 0.4 * HOUR, "Europe/Berlin")])
    start = utc(day)
    spans = calendar.spans(start, start + 72 * HOUR)
    for minute in range(72 * 60):
        moment = start + 60.0 * minute
        assert (calendar.active(moment) is not None) == any(moment in span for span in spans)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(int(utc("2026-01-01")), int(utc("2026-12-31"))),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Africa/Casablanca"]),
    st.sampled_from(["0 3 * * *", "30 2 * * *", "*/20 * * * *", "0 0 1 * *", "45 1 * * 0"]),
    st.floats(60.0, 100_000.0),
)
def test_active_does_not_depend_on_what_was_asked_before(
    moment: int, zone: str, cron: str, seconds: float
) -> None:
    """Forwards, backwards or out of the blue: the same moment has the same answer."""
    recurrence = Recurrence(cron, seconds, zone)
    asked = MaintenanceCalendar([recurrence])
    for step in (-7200.0, -60.0, 90_000.0, 0.0, -86_400.0, 30.0, 0.0):
        expected = MaintenanceCalendar([recurrence]).active(moment + step)
        assert (asked.active(moment + step) is None) == (expected is None)


def test_a_window_tells_its_span_and_reason() -> None:
    """Begin inclusive, end exclusive; the metric, the page and the log can say why."""
    calendar = MaintenanceCalendar([Recurrence("0 3 * * *", HOUR, "UTC", "backup")])
    begin = utc("2026-05-05T03:00")
    assert calendar.active(begin - 1) is None
    assert calendar.active(begin) == Maintenance(Span(begin, begin + HOUR), "backup")
    assert calendar.active(begin + HOUR - 1) is not None
    assert calendar.active(begin + HOUR) is None


def test_windows_announced_once_are_merged_with_those_that_recur() -> None:
    """Training is told of each moment once; an announced window goes first where both hold."""
    begin = utc("2026-05-05T03:00")
    announced = Maintenance(Span(begin - 600, begin + 600), "disk swap", 7)
    calendar = MaintenanceCalendar([Recurrence("0 3 * * *", HOUR)], [announced])
    assert calendar.active(begin) == announced
    assert calendar.spans(begin - 300, begin + 86_400) == [
        Span(begin - 300, begin + HOUR),
    ]
    assert calendar.with_windows([]).spans(begin - 300, begin + 86_400) == [Span(begin, begin + HOUR)]


def test_a_date_that_never_comes_has_no_windows() -> None:
    """The thirtieth of February is a slip that cron refuses."""
    with pytest.raises(ConfigurationError, match="30 2"):
        MaintenanceCalendar([Recurrence("0 0 30 2 *", HOUR)])


@pytest.mark.parametrize("cron", ["", "soon", "0 3 * *", "61 3 * * *", "0 3 * * sundays"])
def test_a_wrong_cron_expression_is_refused_with_an_example(cron: str) -> None:
    """At the start, not at the first window."""
    with pytest.raises(ConfigurationError, match="for example"):
        MaintenanceCalendar([Recurrence(cron, HOUR)])


def test_an_unknown_zone_is_refused_with_the_nearest() -> None:
    """Nobody should have to look up how the tz database spells a town."""
    with pytest.raises(ConfigurationError, match="Europe/Amsterdam"):
        MaintenanceCalendar([Recurrence("0 3 * * *", HOUR, "Europe/Amsterdm")])


def test_cron_is_imported_only_for_windows_that_recur() -> None:
    """Who has none pays nothing for it."""
    code = (
        "import sys; from loadwatch.maintenance import MaintenanceCalendar; "
        "MaintenanceCalendar(); assert 'cronsim' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
