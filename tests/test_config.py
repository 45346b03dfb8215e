"""Settings: layers, clear refusals, and documentation that cannot drift."""

import json
import os
import re
from pathlib import Path

import pytest

from loadwatch import config
from loadwatch.config.addresses import parse_address
from loadwatch.config.own_signals import as_written
from loadwatch.errors import ConfigurationError

# Read at import, because no inherited setting reaches a test.
UPDATE_GOLDEN = "LOADWATCH_UPDATE_GOLDEN" in os.environ


def write(folder: Path, text: str) -> Path:
    path = folder / "loadwatch.toml"
    path.write_text(text)
    return path


def test_defaults_need_no_file() -> None:
    """Without any file, variable or option the documented defaults hold."""
    settings = config.load(None, environment={})
    assert settings.sampling.interval == 5.0
    assert settings.high_load.horizons == (0, 60, 300, 900)
    assert settings.web.listen_address == ("127.0.0.1:10074",)


def test_stronger_layers_win(tmp_path: Path) -> None:
    """The command line beats the environment, the environment beats the file."""
    path = write(tmp_path, '[sampling]\ninterval = "2s"\n[training]\nevery = "1h"\nhistory = "3d"\n')
    settings = config.load(
        path,
        environment={"LOADWATCH_SAMPLING__INTERVAL": "3s", "LOADWATCH_TRAINING__EVERY": "2h"},
        overrides=["sampling.interval=4s"],
    )
    assert settings.sampling.interval == 4.0
    assert settings.training.every == 7200.0
    assert settings.training.history == 3 * 86400.0


def test_all_faults_come_in_one_message_with_the_nearest_key(tmp_path: Path) -> None:
    """A person mends a wrong file in one go."""
    path = write(tmp_path, '[sampling]\nintervall = "5s"\n[alerts]\nbudget_per_week = -1\n[webb]\nx = 1\n')
    with pytest.raises(ConfigurationError) as refused:
        config.load(path, environment={"LOADWATCH_TRAINING__EVERY": "often"})
    message = str(refused.value)
    assert "4 fault(s)" in message
    assert "did you mean sampling.interval?" in message
    assert "alerts.budget_per_week = -1.0" in message or "alerts.budget_per_week = -1" in message
    assert "LOADWATCH_TRAINING__EVERY" in message
    assert refused.value.exit_code == 78


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sampling = [", "not valid TOML"),
        ("[sampling]\ninterval = 5\n", "duration"),
        ('[sampling]\ninterval = "1ms"\n', "expected 100ms to 10m"),
        ('[high_load]\nhorizons = ["5m", "1m"]\n', "rising order"),
        ("[high_load]\nhorizons = []\n", "one to six"),
        ('[log]\nlevel = "loud"\n', "one of debug, info"),
        ('[maintenance]\nwindows = [{ cron = "0 3 * * *" }]\n', "cron, for"),
    ],
)
def test_a_bad_value_says_what_was_expected(tmp_path: Path, text: str, words: str) -> None:
    """Each refusal names the expected form."""
    with pytest.raises(ConfigurationError, match=words):
        config.load(write(tmp_path, text), environment={})


def test_a_missing_file_is_refused() -> None:
    """A file that was named but is not there is not the same as no file."""
    with pytest.raises(ConfigurationError, match="does not exist"):
        config.load(Path("/nonexistent/loadwatch.toml"), environment={})


def test_recurring_windows_are_read(tmp_path: Path) -> None:
    """A maintenance window that comes back has a start rule, a length and a time zone."""
    path = write(
        tmp_path,
        '[maintenance]\nwindows = [{ cron = "0 3 * * sun", for = "2h", timezone = "Europe/Amsterdam" }]\n',
    )
    (window,) = config.load(path, environment={}).maintenance.windows
    assert (window.cron, window.seconds, window.timezone) == ("0 3 * * sun", 7200.0, "Europe/Amsterdam")


def test_higher_rooms_add_checks(tmp_path: Path) -> None:
    """The rule is checked with everything else, in the same message."""

    def refuse(_: object) -> None:
        raise ValueError("no such signal")

    with pytest.raises(ConfigurationError, match="no such signal"):
        config.load(
            write(tmp_path, '[high_load]\nwhen = "cpux > 1"\n'),
            environment={},
            checks={"high_load.when": refuse},
        )


def test_every_setting_is_documented() -> None:
    """The reference lists each key once, with its default as a person would write it."""
    settings = list(config.reference())
    assert len({setting.key for setting in settings}) == len(settings)
    assert all(setting.help for setting in settings)


def test_the_example_file_shows_every_setting_at_its_default(tmp_path: Path) -> None:
    """The shipped example is what the code documents; LOADWATCH_UPDATE_GOLDEN=1 rewrites it."""
    shipped = Path(__file__).parents[1] / "systemd" / "loadwatch.toml"
    if UPDATE_GOLDEN:
        shipped.write_text(config.example())
    assert shipped.read_text() == config.example()
    uncommented = re.sub(r"(?m)^# (\w+ = )", r"\1", config.example())
    assert config.load(write(tmp_path, uncommented), environment={}) == config.Config()


@pytest.mark.parametrize(
    "address",
    ["host name:1", "1.2.3.4.5:1", "999.1.1.1:1", "[::g]:1", "[1.2.3.4]:1", "a\tb:1", "a/b:1", "x:1:2"],
)
def test_what_nobody_can_listen_on_is_refused_with_the_forms_that_work(address: str) -> None:
    """Already by the check: no daemon is started to find out."""
    with pytest.raises(ConfigurationError, match=r"HOST:PORT, \[IPV6\]:PORT or :PORT"):
        parse_address(address)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (":1", ""),
        ("localhost:1", "localhost"),
        ("web-1.example.com:1", "web-1.example.com"),
        ("0.0.0.0:1", "0.0.0.0"),
        ("[fe80::1%eth0]:1", "fe80::1%eth0"),
        ("b\u00fccher.example:1", "b\u00fccher.example"),
    ],
)
def test_names_and_addresses_of_every_kind_are_taken(address: str, host: str) -> None:
    """Of all interfaces, of one, by name, with a zone, and names in other scripts."""
    assert parse_address(address) == (host, 1)


OWN = 'name = "requests"\nurl = "http://127.0.0.1:9113/metrics"\nmetric = "requests_total"\n'


def test_signals_of_your_own_are_read(tmp_path: Path) -> None:
    """A table each; what is left out has a plain default, and the unit of a counter is that of a rate."""
    more = 'kind = "counter"\naggregate = "max"\nmatch = { path = "/", code = "500" }\nhelp = "answers"\n'
    gauge = '[[signals]]\nname = "queue"\nurl = "unix:///run/a.sock"\nmetric = "q"\nunit = "ratio"\n'
    settings = config.load(write(tmp_path, f"[[signals]]\n{OWN}{more}{gauge}"), environment={})

    first, second = settings.signals
    assert (first.name, first.kind, first.aggregate, first.signal.unit) == (
        "requests",
        "counter",
        "max",
        "per_second",
    )
    assert first.match == (("code", "500"), ("path", "/"))
    assert (second.kind, second.aggregate, second.signal.unit, second.match) == ("gauge", "sum", "ratio", ())
    assert settings.measured[-2:] == ("requests", "queue")
    assert settings.described["requests"].help == "answers"


def test_signals_of_your_own_may_come_from_the_environment() -> None:
    """As every setting may, and are shown as they are written."""
    tables = json.dumps([{"name": "q", "url": "file:///run/q.prom", "metric": "q"}])
    settings = config.load(None, environment={"LOADWATCH_SIGNALS": tables.replace('":', '" =')})
    assert config.load(
        None, environment={}, overrides=[f"signals={toml_of(as_written(settings.signals[0]))}"]
    ) == (settings)


def toml_of(table: dict[str, object]) -> str:
    """A table in a list, on one line."""
    inner = ", ".join(
        f"{key} = {{}}" if value == {} else f"{key} = {json.dumps(value)}" for key, value in table.items()
    )
    return f"[{{{inner}}}]"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (OWN.replace("requests", "cpu", 1), "a signal of that name itself"),
        (OWN.replace("requests", "and", 1), "a meaning of its own"),
        (OWN.replace("requests", "Requests", 1), "small letters"),
        (OWN.replace("requests", "1st", 1), "small letters"),
        (f"{OWN}[[signals]]\n{OWN}", "signal 2: the name requests is taken"),
        (OWN.replace("127.0.0.1", "192.0.2.1"), "allow_remote = true"),
        (OWN.replace("127.0.0.1", "example.com"), "allow_remote = true"),
        (OWN.replace("127.0.0.1", "me:secret@127.0.0.1"), "password"),
        (OWN.replace("http://127.0.0.1:9113", "ftp://127.0.0.1"), "no place of a page"),
        (OWN.replace("http://127.0.0.1:9113", "unix:///a:b"), "no place of a page"),
        (OWN.replace("http://127.0.0.1:9113", "file://a"), "no place of a page"),
        (OWN.replace("requests_total", "requests{a}"), "labels go into match"),
        (f'{OWN}kind = "histogram"', "one of gauge, counter"),
        (f'{OWN}match = {{ "a b" = "c" }}', "labels such as"),
        (f"{OWN}match = {{ code = 500 }}", "labels such as"),
        (f'{OWN}interval = "5s"', "and perhaps"),
        ('name = "a"', "expected name, url, metric"),
        (f'{OWN}help = "{"x" * 300}"', "at most 200"),
        (f"{OWN}[[signals]]\n".join([""] * 22), "at most 20"),
    ],
)
def test_a_signal_of_your_own_that_cannot_be_is_refused(tmp_path: Path, table: str, words: str) -> None:
    """Which one, what was seen, and what is expected; no password is quoted."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        config.load(write(tmp_path, f"[[signals]]\n{table}"), environment={})
    assert "secret@" not in str(refused.value).partition("signal 1:")[2]


def test_an_exporter_elsewhere_is_asked_when_that_is_wanted(tmp_path: Path) -> None:
    """It is one word more."""
    table = OWN.replace("127.0.0.1", "example.com") + "allow_remote = true\n"
    (own,) = config.load(write(tmp_path, f"[[signals]]\n{table}"), environment={}).signals
    assert own.url == "http://example.com:9113/metrics"
