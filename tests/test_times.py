"""Durations and points in time as people write them."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadwatch.errors import TimeFormatError, UsageError
from loadwatch.times import format_duration, format_moment, local_zone, parse_duration, parse_moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 10, 14, 30, tzinfo=BERLIN).timestamp()


def moment(text: str, **options: object) -> str:
    """The parsed moment, as Berlin's clocks show it."""
    timestamp = parse_moment(text, now=NOW, zone=BERLIN, **options)  # type: ignore[arg-type]
    return datetime.fromtimestamp(timestamp, BERLIN).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5.0),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("14d", 1_209_600.0),
        ("1w", 604_800.0),
        ("250ms", 0.25),
        ("1h30m", 5400.0),
        (" 1h 30m ", 5400.0),
        ("1.5h", 5400.0),
        ("90 minutes", 5400.0),
        ("2 Hours", 7200.0),
        ("0s", 0.0),
        ("1d2h3m4s5ms", 93_784.005),
    ],
)
def test_durations_are_read_as_written(text: str, seconds: float) -> None:
    """Short units, words, sums and decimals are read; capitals and spaces do not matter."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "s",
        "5x",
        "-5s",
        "5s5s",
        "30m1h",
        "1h30",
        "1e3s",
        "5 s ago",
        "m5",
        "\u0665s",
        "1..5s",
        "\u221es",
        "9" * 400 + "w",
    ],
)
def test_a_slip_in_a_duration_is_refused_with_the_accepted_forms(text: str) -> None:
    """What is not plainly a duration is an error that shows what was seen and how to write it."""
    with pytest.raises(TimeFormatError, match="1h30m") as caught:
        parse_duration(text)
    assert repr(text)[:100] in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_number_without_a_unit_is_told_so() -> None:
    """The commonest slip has its own hint."""
    with pytest.raises(TimeFormatError, match="needs a unit"):
        parse_duration("300")


@given(st.integers(min_value=0, max_value=10**12))
def test_a_written_duration_is_read_back(milliseconds: int) -> None:
    """Nothing is lost, to the millisecond, between writing a duration and reading it."""
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_a_usage_error(text: str) -> None:
    """No text whatever raises anything but the one error that explains itself."""
    with contextlib.suppress(UsageError):
        assert parse_duration(text) >= 0


def test_negative_durations_are_shown_with_a_sign() -> None:
    """A lead that was a lag reads so, and no zero has a sign."""
    assert [format_duration(value) for value in (-90, -0.0, -0.0001)] == ["-1m30s", "0s", "0s"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-03-10 14:30:00"),
        ("14:05", "2026-03-10 14:05:00"),
        ("9:05:30", "2026-03-10 09:05:30"),
        ("14:30", "2026-03-10 14:30:00"),
        ("23:50", "2026-03-09 23:50:00"),
        ("yesterday 14:05", "2026-03-09 14:05:00"),
        ("Yesterday at 14:05", "2026-03-09 14:05:00"),
        ("yesterday", "2026-03-09 00:00:00"),
        ("today", "2026-03-10 00:00:00"),
        ("tomorrow 3:00", "2026-03-11 03:00:00"),
        ("2 hours ago", "2026-03-10 12:30:00"),
        ("1h30m ago", "2026-03-10 13:00:00"),
        ("in 30m", "2026-03-10 15:00:00"),
        ("2026-03-01", "2026-03-01 00:00:00"),
        ("2026-03-01 14:05", "2026-03-01 14:05:00"),
        ("2026-03-01T14:05:06", "2026-03-01 14:05:06"),
        ("2026-03-01T14:05:00Z", "2026-03-01 15:05:00"),
        ("2026-03-01T14:05:00+03:00", "2026-03-01 12:05:00"),
        ("20260301T140500Z", "2026-03-01 15:05:00"),
        ("1700000000", "2023-11-14 23:13:20"),
        ("@1700000000.5", "2023-11-14 23:13:20"),
        ("@0", "1970-01-01 01:00:00"),
    ],
)
def test_moments_are_read_as_people_write_them(text: str, expected: str) -> None:
    """Times of day, named days, distances, ISO 8601 with and without an offset, and epoch seconds."""
    assert moment(text) == expected


def test_a_length_alone_lies_on_the_asked_side_of_now() -> None:
    """Every option for a moment takes what ``--since`` takes: so long ago, or ahead for who plans."""
    assert moment("2h", toward="past") == "2026-03-10 12:30:00"
    assert moment("90 minutes", toward="future") == "2026-03-10 16:00:00"


def test_a_time_of_day_alone_lies_on_the_asked_side_of_now() -> None:
    """Who labels means the last 23:50, who plans the next 14:05."""
    assert moment("23:50", toward="past") == "2026-03-09 23:50:00"
    assert moment("23:50", toward="future") == "2026-03-10 23:50:00"
    assert moment("14:05", toward="future") == "2026-03-11 14:05:00"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "25:00",
        "14:60",
        "14",
        "yesterday 25:00",
        "yesterday noon",
        "2026-02-30",
        "2026-03-01T99:00",
        "5 parsecs ago",
        "in a while",
        "ago",
        "1.3.2026",
        "0001-01-01",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59-14:00",
        "900000w ago",
        "in 900000w",
        "03/01/2026",
        "1700000000000",
        "2026",
        "-5",
    ],
)
def test_an_unreadable_moment_is_refused_and_shown(text: str) -> None:
    """A guess would label the wrong span; the error shows the text and what is wrong with it."""
    with pytest.raises(TimeFormatError, match="cannot read"):
        moment(text)


def test_a_time_that_never_was_is_refused() -> None:
    """On 29 March 2026 Berlin's clocks went from 02:00 to 03:00."""
    with pytest.raises(TimeFormatError, match="never was in Europe/Berlin"):
        moment("2026-03-29 02:30")


def test_a_time_that_was_twice_is_refused_with_both_writings() -> None:
    """On 25 October 2026 Berlin's clocks went from 03:00 back to 02:00; an offset tells which was meant."""
    with pytest.raises(TimeFormatError, match="was twice") as caught:
        moment("2026-10-25 02:30")
    first, second = "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"
    assert first in str(caught.value)
    assert second in str(caught.value)
    apart = parse_moment(second, now=NOW, zone=BERLIN) - parse_moment(first, now=NOW, zone=BERLIN)
    assert apart == 3600


@given(st.integers(min_value=0, max_value=4_000_000_000), st.sampled_from([UTC, BERLIN]))
def test_a_written_moment_is_read_back_in_any_zone(timestamp: int, zone: ZoneInfo) -> None:
    """What loadwatch prints can be pasted into its commands, doubled hours included."""
    assert parse_moment(format_moment(timestamp, zone), now=0.0, zone=BERLIN) == timestamp


@given(st.text(max_size=25))
def test_any_text_is_a_moment_or_a_usage_error(text: str) -> None:
    """No text whatever raises anything but the one error that explains itself."""
    with contextlib.suppress(UsageError):
        parse_moment(text, now=NOW, zone=BERLIN)


def test_the_local_zone_follows_tz_then_the_system_then_utc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A zone with its history, not today's offset; a host without one is on UTC."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert local_zone() == BERLIN
    monkeypatch.setenv("TZ", "No/Such/Zone")
    assert local_zone() is UTC
    monkeypatch.delenv("TZ")
    assert local_zone(tmp_path / "absent") is UTC
