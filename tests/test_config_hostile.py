"""Whatever stands in a configuration, the answer is settings or one refusal with exit code 78."""

import json
import os
import re
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from loadwatch import config
from loadwatch.cli.context import CHECKS
from loadwatch.config.readers import Recurrence
from loadwatch.errors import ConfigurationError
from loadwatch.maintenance import MaintenanceCalendar

NOW = 1_790_000_000.0
KEYS = [setting.key for setting in config.reference()]
USUAL = {
    setting.key: [json.dumps(setting.default), '"1h"', '"5s"', "2", "true", '"x"']
    for setting in config.reference()
}
LONGEST = 12_000
"""Characters of a refusal: a screen or two, whatever was in the file."""


def refusal(path: Path | None, **options: object) -> str:
    """The message of a refusal, empty where the settings are accepted; any other exception fails the test."""
    message, code = "", 78
    try:
        config.load(path, **{"environment": {}, "checks": CHECKS, **options})  # type: ignore[arg-type]
    except ConfigurationError as error:
        message, code = str(error), error.exit_code
    assert (code, len(message) < LONGEST) == (78, True), message
    assert all(line.isprintable() for line in message.splitlines()), message
    return message


def toml(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "loadwatch.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'maintenance = { windows = [{ cron = "0 3 * * *", for = "2h", timezone = 2 }] }',
            "window 1: timezone",
        ),
        ('maintenance = { windows = [{ cron = 3, for = "2h" }] }', "window 1: cron"),
        ('maintenance = { windows = [{ cron = "0 3 * * *", for = 7200 }] }', "window 1: for"),
        ('maintenance = { windows = [{ cron = "0 3 * * *", for = "2h", why = [] }] }', "window 1: why"),
        ('maintenance = { windows = [{ cron = "0 3 * * *", for = "2h", why = "a\\nb" }] }', "printable"),
        ('maintenance = { windows = [{ cron = "0 3 31 2 *", for = "2h" }] }', "cron"),
        ('maintenance = { windows = [[{ cron = "0 3 * * *" }]] }', "window 1: expected a table"),
        ("maintenance = { windows = " + "[" * 200 + "]" * 200 + " }", "window 1"),
        ("x = " + "[" * 5000, "brackets"),
        ("x = " + "{ a = " * 5000, "brackets"),
        ("alerts.budget_per_week = " + "9" * 5000, "4300"),
        ("alerts.budget_per_week = 0x" + "f" * 9000, "too large to show"),
        ("alerts.budget_per_week = nan", "from 0.1"),
        ("alerts.budget_per_week = 1979-05-27", "from 0.1"),
        ("log.level" + ".a" * 2000 + " = 1", "too large to show"),
        ("log.level = [1]", "one of"),
        ("sampling.interval = 1e999", "duration"),
        ('sampling.interval = "' + "9" * 9000 + 's"', "cannot read the duration"),
        ('sampling.procfs = "\\u0000"', "printable"),
        ('web.config_file = "a\\u0000b"', "printable"),
        ('web.listen_address = ["127.0.0.1:10074", "nowhere"]', "HOST:PORT"),
        ('web.listen_address = "h:' + "1" * 5000 + '"', "HOST:PORT"),
        ('web.listen_address = "' + "a" * 70 + ':80"', "HOST:PORT"),
        ('web.route_prefix = "/a\\u0007"', "printable"),
        ('web.route_prefix = "/schön"', "letters"),
        ('web.route_prefix = "/a/../b"', "letters"),
        ('"sampling.interval" = "1s"', "outside of any section; did you mean \\[sampling\\]"),
        ('"\\u001b[2J" = 1', "outside of any section"),
        ('["a\\nb"]\n"c\\u001b" = 1', "unknown key"),
        ("\n".join(f"[a{number}]\nx = 1" for number in range(1500)), "and 1450 more"),
        ('high_load.when = "' + " or ".join(["cpu>1"] * 3000) + '"', "more than 1000 words"),
        ('high_load.when = "cpu > 1/0"', "no finite result"),
        ('high_load.when = "cpu > 1e999"', "too large"),
        ('high_load.when = "cpu > 1e300 * 1e300"', "no finite result"),
        ('high_load.when = "cpu > ' + "9" * 400 + '"', "too large"),
        ("high_load.when = 'avg(cpu, \"400d\") > 0.1'", "at most a day"),
        ('high_load.when = "cpu > \u0663"', "means nothing here"),
        ("x = 1 # " + "x" * 40_000, "larger than"),
        (b"x = '\xff'", "utf-8"),
        (b"\x00", "not valid TOML"),
    ],
)
def test_each_wrong_value_is_refused_in_words(tmp_path: Path, text: str | bytes, words: str) -> None:
    """A wrong type, size, nesting or character is a refusal that names the place, never a traceback."""
    message = refusal(toml(tmp_path, text))
    assert re.search(words, message), message


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe that nobody writes, a device without an end, a directory, a socket: none is waited for."""
    pipe, folder, listener = tmp_path / "pipe", tmp_path / "folder", tmp_path / "socket"
    os.mkfifo(pipe)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(listener))
        for path in (pipe, folder, listener, Path("/dev/zero"), Path("/dev/null"), Path("/proc/self/mem")):
            assert "cannot read configuration file" in refusal(path)
    for path in (Path("a\0b"), tmp_path / ("x" * 300), pipe / "below"):
        assert "configuration file" in refusal(path)


def test_a_pipe_at_the_default_place_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies there and cannot be read is an error; the defaults would be a silent surprise."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "loadwatch").mkdir()
    place = tmp_path / "loadwatch" / "loadwatch.toml"
    os.mkfifo(place)
    assert "it is a pipe" in refusal(None)
    place.unlink()
    place.symlink_to(tmp_path / "gone")
    assert "does not exist" in refusal(None)


def test_an_unknown_variable_is_refused_but_not_what_a_cluster_sets() -> None:
    """A slip in a name is named; Kubernetes sets variables of its own beside a service of our name."""
    assert "sampling.interval?" in refusal(None, environment={"LOADWATCH_SAMPLING_INTERVAL": "1s"})
    assert "unknown key" in refusal(None, environment={"LOADWATCH_STATE_DIR": "/x"})
    links = {
        "LOADWATCH_CONFIG": "x",
        "LOADWATCH_STATE_DIRECTORY": "x",
        "LOADWATCH_URL": "x",
        "LOADWATCH_SERVICE_HOST": "10.0.0.1",
        "LOADWATCH_SERVICE_PORT": "10074",
        "LOADWATCH_SERVICE_PORT_METRICS": "10074",
        "LOADWATCH_PORT": "tcp://10.0.0.1:10074",
        "LOADWATCH_PORT_10074_TCP": "tcp://10.0.0.1:10074",
        "LOADWATCH_PORT_10074_TCP_ADDR": "10.0.0.1",
    }
    assert refusal(None, environment=links) == ""


def test_a_variable_cannot_bring_in_a_second_setting() -> None:
    """A line break in a value stays in the value."""
    assert "sampling.interval" in refusal(None, overrides=['sampling.interval="1s"\nx = 2'])
    assert "UTF-8" in refusal(None, environment={"LOADWATCH_HIGH_LOAD__WHEN": "cpu > \udcff"})


scalars = st.one_of(
    st.sampled_from(["nan", "-inf", "true", "1979-05-27", "07:32:00", "0x" + "f" * 6000, "-0.0", "1e400"]),
    st.integers(-(10**25), 10**25).map(str),
    st.text(max_size=30).map(lambda text: "'''" + text.replace("'", "").replace("\r", "") + "'''"),
    st.sampled_from(['"5s"', '"1h30m"', '"cpu > 0.9"', '"0 3 * * sun"', '"UTC"', '"127.0.0.1:1"', '""']),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["cron", "for", "timezone", "why", "x"]), inner, max_size=4).map(
            lambda items: "{" + ", ".join(f"{key} = {value}" for key, value in items.items()) + "}"
        ),
    ),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    document=st.lists(
        st.sampled_from(KEYS).flatmap(
            lambda key: st.tuples(
                st.sampled_from([key, key, key, "a.b"]), st.one_of(st.sampled_from(USUAL[key]), values)
            )
        ),
        max_size=3,
    ).map(dict)
)
def test_any_value_under_any_key(tmp_path: Path, document: dict[str, str]) -> None:
    """Every type that TOML has, at every key, nested in one another: settings or a refusal."""
    text = "\n".join(f"{key} = {value}" for key, value in document.items())
    event("refused" if refusal(toml(tmp_path, text)) else "accepted")


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 40), st.binary(max_size=12)), max_size=6))
def test_a_mutated_example(tmp_path: Path, cuts: list[tuple[int, int, bytes]]) -> None:
    """The shipped file with bytes cut out and put in, as a slip or a torn disk leaves it."""
    content = config.example().replace("# interval", "interval").replace("# when", "when").encode()
    for place, length, bytes_in in cuts:
        content = content[:place] + bytes_in + content[place + length :]
    event("refused" if refusal(toml(tmp_path, content)) else "accepted")


@settings(max_examples=200, deadline=None)
@given(
    name=st.text(st.characters(exclude_characters="\0=", codec="utf-8"), max_size=20),
    value=st.text(st.characters(exclude_characters="\0"), max_size=40),
    key=st.sampled_from(KEYS),
)
def test_any_variable_and_option(name: str, value: str, key: str) -> None:
    """What the environment and the command line can hold, bytes that are no UTF-8 included."""
    environment = {f"LOADWATCH_{name}": value, "LOADWATCH_" + key.upper().replace(".", "__"): value}
    event(
        "refused"
        if refusal(None, environment=environment, overrides=[value, f"{key}={value}"])
        else "accepted"
    )


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    cron=st.lists(st.text("0123456789*/,-LW#sunjan?", min_size=1, max_size=6), min_size=4, max_size=6),
    zone=st.sampled_from(
        ["UTC", "Europe/Amsterdam", "America/Scoresbysund", "Antarctica/Troll", "../UTC", "x"]
    ),
)
def test_any_cron_expression(cron: list[str], zone: str) -> None:
    """What is accepted as a window can also be asked for; it neither raises nor searches for ever."""
    try:
        calendar = MaintenanceCalendar([Recurrence(" ".join(cron), 3600.0, zone)])
    except ConfigurationError:
        event("refused")
        return
    event("accepted")
    assert calendar.active(NOW) is None or calendar.spans(NOW - 86_400.0, NOW + 86_400.0)
