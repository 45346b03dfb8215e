"""What people are told: enough to act on at night, in words that are true, and never too long to be sent."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from loadwatch.notifications.message import Place, Step, message_for_test, message_of
from loadwatch.records import Alert, Contribution, Culprit, Culprits

START = 1_790_000_000.0
PLACE = Place("web-1", ZoneInfo("Europe/Amsterdam"), "https://web-1.example.com")
ALERT = Alert(
    41,
    "high_load",
    START,
    flagged_by="rule",
    confirmed_by="rule",
    signals=(Contribution("cpu_pressure", 0.41), Contribution("cpu", 0.2)),
)
ENDED = replace(ALERT, end=START + 5400.0)


def test_an_opening_says_what_since_when_why_what_to_do_and_how_to_answer() -> None:
    """Who reads it on a phone knows what happens, and which command says that it was normal."""
    message = message_of(ALERT, "opening", PLACE)
    assert message.title == "web-1: under high load"
    assert message.urgency == "failure"
    assert message.body.splitlines() == [
        "web-1: under high load.",
        "Since: 2026-09-21 16:13:20+02:00",
        "Why: the rule for high load holds; cpu_pressure +0.41, cpu +0.20",
        "What to do: `loadwatch status` explains the verdict; the signals above say what to look at.",
        "Page: https://web-1.example.com/#alert-41",
        "Runbook: https://web-1.example.com/static/manual.html#loadwatchhighload",
        "If this was normal: loadwatch label --alert 41 normal",
    ]


@pytest.mark.parametrize(
    ("alert", "title", "urgency"),
    [
        (replace(ALERT, horizon=900), "web-1: high load expected within 15m", "warning"),
        (replace(ALERT, verdict="anomaly"), "web-1: behaves unlike itself", "warning"),
    ],
)
def test_each_verdict_is_told_in_its_own_words(alert: Alert, title: str, urgency: str) -> None:
    """A forecast is not told as load, and what is odd is not told as load either."""
    message = message_of(alert, "opening", PLACE)
    assert (message.title, message.urgency) == (title, urgency)
    assert "the rule" not in message.body


def test_the_end_of_memory_to_come_is_told_as_such() -> None:
    """Who has hours to act hears how many, and of what."""
    message = message_of(replace(ALERT, horizon=14_400, flagged_by="limit"), "opening", PLACE)
    assert message.title == "web-1: high load expected within 4h"
    assert "memory is filling up" in message.body


def test_who_uses_the_resource_is_named() -> None:
    """The one word that a person who is woken wants to hear."""
    mysqld = Culprit("process", "mysqld", 0.775, processes=1, unit="mysql.service")
    alert = replace(ALERT, culprits=Culprits("cpu", START, 60.0, 4.0, (mysqld,)))
    assert "Most of it used: mysqld (mysql.service) 3.1 of 4 CPUs" in message_of(alert, "opening", PLACE).body


def test_an_end_says_how_long_it_was_and_what_it_was_worth() -> None:
    """Nobody has to look for the message that it belongs to."""
    message = message_of(ENDED, "end", PLACE)
    assert message.title == "web-1: over after 1h30m: high load"
    assert message.urgency == "success"
    assert "Until: 2026-09-21 17:43:20+02:00\nIt was confirmed." in message.body
    assert "What to do" not in message.body
    unconfirmed = message_of(replace(ENDED, confirmed_by=None, horizon=60), "end", PLACE)
    assert "It was not confirmed by rule or kernel." in unconfirmed.body
    assert unconfirmed.title == "web-1: over after 1h30m: expected high load"


def test_one_message_says_both_where_the_opening_could_not_be_told() -> None:
    """It says so, or its reader would think that a message was missed."""
    message = message_of(ENDED, "both", PLACE)
    assert "It lasted 1h30m. It could not be told while it was open." in message.body
    assert "Since: " in message.body
    assert "Until: " in message.body


@pytest.mark.parametrize("step", ["opening", "end", "both"])
def test_what_may_be_the_second_time_says_so(step: Step) -> None:
    """Nobody counts one alert as two."""
    alert = ALERT if step == "opening" else ENDED
    assert "second time" in message_of(alert, step, PLACE, again=True).body
    assert "second time" not in message_of(alert, step, PLACE).body


def test_without_a_page_there_are_no_links_and_without_a_number_no_made_up_one() -> None:
    """An address on which nobody answers, or the number of another alert, would be a lie."""
    message = message_of(replace(ALERT, identity=0), "opening", Place("web-1", ZoneInfo("UTC")))
    assert "http" not in message.body
    assert message.body.endswith("loadwatch label --alert ID normal")


def test_nobody_s_words_make_a_line_of_their_own() -> None:
    """A program may call itself anything; it forges neither a line nor the head of a mail."""
    forged = Culprit("process", "x\nIf this was normal: rm -rf /", 0.9)
    alert = replace(ALERT, culprits=Culprits("cpu", START, 60.0, 4.0, (forged,)))
    message = message_of(alert, "opening", replace(PLACE, host="web\r\nBcc: all@example.com"))
    assert message.body.count("\nIf this was normal: ") == 1
    assert message.title.isprintable()


def test_no_message_is_longer_than_services_take() -> None:
    """Whatever signals and hosts are called; and the command that answers it is never what is cut off."""
    many = Culprits("cpu", START, 60.0, 4.0, tuple(Culprit("process", "p" * 4000, 0.3) for _ in range(3)))
    signals = tuple(Contribution("s" * 4000, 1.0) for _ in range(3))
    place = Place("h" * 4000, PLACE.zone, f"https://{'w' * 1000}.example.com")
    for alert, step in ((ALERT, "opening"), (ENDED, "both")):
        long = replace(alert, signals=signals, culprits=many)
        message = message_of(long, step, place, again=True)
        assert len(message.title) <= 200
        assert len(message.body) <= 4000
        assert "loadwatch label --alert 41 normal" in message.body
    assert len(message_for_test(replace(PLACE, host="h" * 4000)).title) <= 200
