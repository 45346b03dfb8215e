"""Times on the command line are read before anything is done, everywhere in the same forms."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from documents import commands

from cli import hosts
from cli.conftest import Invoke
from loadwatch.cli.time_options import MOMENT_AHEAD, SINCE, Duration, Moment, Since, SinceType

# Options whose value is free text: everything else that takes one is checked while the command is parsed.
FREE_TEXT = {
    *("--header", "--set", "--url", "--prometheus", "--instance", "--username", "--job", "--label"),
    *("--grafana-url", "--project-url", "--web.listen-address", "--web.config.file", "--write-textfile"),
}
ARGUMENTS = {"--for": "1h", "--from": "1h ago", "--to": "now", "-o": "page.html"}
"""What other required options are given, so that only the wrong time is wrong."""


def valued_options() -> Iterator[tuple[str, click.Command, click.Option]]:
    for name, command in commands():
        for option in command.params:
            if isinstance(option, click.Option) and not option.is_flag and not option.hidden:
                yield name, command, option


def times() -> list[tuple[str, str]]:
    return [
        (name, option.opts[0])
        for name, _, option in valued_options()
        if isinstance(option.type, Duration | Moment | SinceType)
    ]


def test_no_option_leaves_its_value_unread() -> None:
    """Numbers, files, choices and times are refused by the parser; what is free text is named above."""
    unread = {
        option.opts[-1]
        for _, _, option in valued_options()
        if isinstance(option.type, click.types.StringParamType)
    }
    assert unread == FREE_TEXT


def test_every_command_with_times_is_among_them() -> None:
    """So that the next test does not become empty in silence."""
    assert {option for _, option in times()} == {
        *("--interval", "--since", "--until", "--from", "--to", "--for"),
    }


@pytest.mark.parametrize(("name", "option"), times())
@pytest.mark.parametrize("value", ["nonsense", "5", ""])
def test_a_time_nobody_can_read_is_refused_at_once(
    invoke: Invoke, tmp_path: Path, name: str, option: str, value: str
) -> None:
    """Exit code 2, the option and the right forms are named; no daemon is asked, no history looked for."""
    command = dict(commands())[name]
    needed = [each for each in command.params if each.required and each.opts[0] != option]
    words = []
    for each in needed:
        if isinstance(each, click.Option):
            words += [each.opts[0], ARGUMENTS[each.opts[0]]]
        else:
            words.append("high")
    end = invoke(*name.split()[1:], option, value, *words, "--state-directory", tmp_path / "state")
    assert end.exit_code == 2, end.output
    assert re.search(rf"Invalid value for '{option}'", end.output), end.output
    assert "1h30m" in end.output or "2 hours ago" in end.output
    assert not (tmp_path / "state").exists()


def test_since_is_a_length_or_a_moment() -> None:
    """``7d`` is seven days before the end of the span, wherever that is; the rest is a moment."""
    assert SINCE.convert("7d", None, None) == Since("before the end", 604_800.0)
    assert SINCE.convert("7d", None, None).start(1_700_000_000.0) == 1_699_395_200.0
    assert SINCE.convert("@1600000000", None, None).start(1_700_000_000.0) == 1_600_000_000.0
    hour_ago = SINCE.convert("1 hour ago", None, None).start(0.0)
    assert hour_ago == pytest.approx(time.time() - 3_600.0, abs=60.0)


@pytest.mark.parametrize("name", ["alerts", "report", "history export"])
def test_a_span_that_ends_before_it_begins_is_wrong_usage(invoke: Invoke, tmp_path: Path, name: str) -> None:
    """Who mistypes a date hears so, instead of being told that nothing happened."""
    output = ("-o", tmp_path / "page.html") if name == "report" else ()
    end = invoke(*name.split(), "--since", "tomorrow", *output, "--state-directory", tmp_path)
    assert "check --since" in str(end.exception)
    assert getattr(end.exception, "exit_code", 0) == 2


def test_a_time_of_day_is_the_next_one_for_who_plans() -> None:
    """``--at 22:00`` never means yesterday evening."""
    assert MOMENT_AHEAD.convert("22:00", None, None) > time.time()


@pytest.mark.parametrize("words", [("--to", "2h"), ("--for", "2h"), ("--at", "now", "--for", "2h")])
def test_a_window_goes_to_a_moment_or_for_a_length(invoke: Invoke, tmp_path: Path, words: tuple[str]) -> None:
    """Both are one window; ``--at``, as it was once called, still says when it begins."""
    assert "maintenance 1: " in invoke("maintenance", "start", *words, "--state-directory", tmp_path).output
    listed = json.loads(invoke("maintenance", "list", "--json", "--state-directory", tmp_path).output)
    (window,) = listed["maintenance"]
    assert window["end_timestamp"] - window["start_timestamp"] == pytest.approx(7200.0, abs=5.0)


@pytest.mark.parametrize("command", [("label",), ("history", "forget"), ("maintenance", "start")])
def test_a_span_is_read_alike_by_all_commands(
    invoke: Invoke, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """``--from`` with ``--to`` or with ``--for``; both, or an end before the beginning, are refused."""
    hosts.fill(tmp_path, hosts.recording(3, end=time.time()))
    ahead = command[0] == "maintenance"
    first, last = ("1h", "2h") if ahead else ("2h", "1h")
    kind = ("normal",) if command == ("label",) else ()
    where = ("--state-directory", tmp_path)
    for end in (("--to", last), ("--for", "1h")):
        assert invoke(*command, "--from", first, *end, *kind, *where).exit_code == 0
    both = invoke(*command, "--from", first, "--to", last, "--for", "1h", *kind, *where)
    assert "either --to with its end, or --for with its length" in str(both.exception)
    backwards = invoke(*command, "--from", last, "--to", first, *kind, *where)
    assert "ends before it begins" in str(backwards.exception)
