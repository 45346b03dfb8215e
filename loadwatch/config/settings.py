"""Settings: typed, documented where they are declared, and refused all together when some are wrong.

Strength, weakest first: defaults, the TOML file, the environment (``LOADWATCH_SAMPLING__INTERVAL=1s``), the
command line (``--set sampling.interval=1s``).
"""

import dataclasses
import difflib
import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from loadwatch.config.layers import read_environment, read_file, read_overrides, shown_key
from loadwatch.config.own_signals import read_own_signals
from loadwatch.config.readers import (
    Reader,
    Recurrence,
    SecretUrl,
    choice,
    duration,
    number,
    read_addresses,
    read_flag,
    read_horizons,
    read_hosts,
    read_optional_page,
    read_optional_path,
    read_path,
    read_recurrences,
    read_route,
    read_secret_urls,
    read_text,
)
from loadwatch.errors import ConfigurationError
from loadwatch.escaping import quoted
from loadwatch.signals import BY_NAME, JOURNAL, NAMES, OwnSignal, Signal, Unit

Check = Callable[[Any], object]
MOST_FAULTS: Final = 50
"""Shown in one message."""


def _setting(default: object, read: Reader, help_text: str, *, secret: bool = False) -> Any:
    """A field that knows its default as written in a file, how to read it, and what it is for.

    What is ``secret`` is never quoted, whatever is wrong with it.
    """
    metadata = {"written": default, "read": read, "help": help_text, "secret": secret}
    return field(default=read(default), metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the host is measured."""

    interval: float = _setting("5s", duration("100ms", "10m"), "time between two samples")
    procfs: Path = _setting("/proc", read_path, "where the host's /proc is mounted (for a container)")
    journal: bool = _setting(
        False, read_flag, "also count errors, warnings and failed logins in systemd's journal"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HighLoad:
    """What is high load, and how far ahead to look."""

    when: str = _setting(
        "default", read_text, 'what high load is, e.g. "cpu > 0.9 or avg(io_pressure, \\"1m\\") > 0.4"'
    )
    horizons: tuple[int, ...] = _setting(
        ["0s", "1m", "5m", "15m"], read_horizons, "forecast: any high load within these times; 0s is now"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """When and on what the daemon learns."""

    every: float = _setting("6h", duration("1m", "30d"), "time between two trainings")
    history: float = _setting("90d", duration("10m", "366d"), "how much of the newest history is learned")
    minimum: float = _setting("15m", duration("1m", "30d"), "history needed before the first real training")
    patience: float = _setting("2h", duration("0s", "7d"), "how long a training waits while the host suffers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """How many alerts a person should have to read."""

    budget_per_week: float = _setting(2, number(0.1, 1000), "alerts a week this host may raise")
    notify: tuple[SecretUrl, ...] = _setting(
        [],
        read_secret_urls,
        'who is told of them, as URLs of Apprise such as "mailto://user:password@example.com"; '
        "needs loadwatch[notify]",
        secret=True,
    )
    notify_file: Path | None = _setting(
        "", read_optional_path, "more of these URLs, one a line, in a file that nobody else may read"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWindows:
    """Windows that come back, in which nothing is flagged and nothing is learned."""

    windows: tuple[Recurrence, ...] = _setting(
        [], read_recurrences, 'e.g. [{ cron = "0 3 * * sun", for = "2h", timezone = "Europe/Amsterdam" }]'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryKeeping:
    """How long samples are kept."""

    keep: float = _setting("30d", duration("1h", "3660d"), "older samples are deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """Where metrics and the status page are served."""

    listen_address: tuple[str, ...] = _setting(
        "127.0.0.1:10074", read_addresses, 'host:port, or a list of them; "[::1]:10074" for IPv6'
    )
    allowed_hosts: tuple[str, ...] = _setting(
        [],
        read_hosts,
        'names by which this server may be asked beside its own, such as "web-3.example.com", or '
        '".example.com" for all below; not needed with TLS or a password',
    )
    config_file: Path | None = _setting(
        "", read_optional_path, "TLS and passwords, in the format of Prometheus' exporter-toolkit"
    )
    systemd_socket: bool = _setting(False, read_flag, "use the sockets systemd hands over instead")
    textfile_directory: Path | None = _setting(
        "", read_optional_path, "also write loadwatch.prom there, for node_exporter's textfile collector"
    )
    external_url: str = _setting(
        "", read_optional_page, "under which people reach the page, for the links in messages"
    )
    route_prefix: str = _setting("/", read_route, "path under which everything is served")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What goes to standard error."""

    level: str = _setting(
        "info", choice("debug", "info", "warning", "error"), "least severity that is logged"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of one daemon."""

    sampling: Sampling = field(default_factory=Sampling)
    high_load: HighLoad = field(default_factory=HighLoad)
    training: Training = field(default_factory=Training)
    alerts: Alerts = field(default_factory=Alerts)
    maintenance: MaintenanceWindows = field(default_factory=MaintenanceWindows)
    history: HistoryKeeping = field(default_factory=HistoryKeeping)
    web: Web = field(default_factory=Web)
    log: Log = field(default_factory=Log)
    signals: tuple[OwnSignal, ...] = _setting(
        [], read_own_signals, "signals of your own, at most twenty, each a table [[signals]]"
    )

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of all signals that a daemon with these settings samples, where the kernel has them."""
        journal = tuple(signal.name for signal in JOURNAL) if self.sampling.journal else ()
        return (*NAMES, *journal, *(own.name for own in self.signals))

    @property
    def described(self) -> dict[str, Signal]:
        """Unit and meaning of each signal that has them, by name."""
        return {**BY_NAME, **{own.name: own.signal for own in self.signals}}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key as documentation shows it."""

    key: str
    default: object
    help: str


_SECTIONS: Final = {
    section.name: section.default_factory for section in dataclasses.fields(Config) if not section.metadata
}


def _settings() -> "Iterator[tuple[str, dataclasses.Field[Any]]]":
    """Every key with its field, in the order of the file; those outside of any section last."""
    for section, factory in _SECTIONS.items():
        build: Any = factory
        yield from ((f"{section}.{entry.name}", entry) for entry in dataclasses.fields(build))
    yield from ((entry.name, entry) for entry in dataclasses.fields(Config) if entry.metadata)


_FIELDS: Final = dict(_settings())


def reference() -> Iterator[Setting]:
    """Every key with its default and purpose, in the order of the file: the source of the documentation."""
    for key, entry in _FIELDS.items():
        yield Setting(key, entry.metadata["written"], entry.metadata["help"])


_SIGNALS_EXAMPLE: Final = (
    "# Signals of your own, at most twenty, from exporters on this host; `loadwatch signals try URL` shows",
    "# what one offers. match, kind, aggregate, unit and help may be left out.",
    "#   [[signals]]",
    '#   name = "requests"',
    '#   url = "http://127.0.0.1:9113/metrics"  # or unix:///path/of.socket:/metrics, file:///path/of/file.prom',
    '#   metric = "nginx_http_requests_total"',
    "#   match = { }  # labels and their values",
    '#   kind = "counter"  # a rate per second; or gauge, as it stands',
    '#   aggregate = "sum"  # or max, over all series that match',
    f'#   unit = "per_second"  # or {", ".join(unit for unit in get_args(Unit) if unit != "per_second")}',
    '#   help = "requests that nginx answered"',
)


def example() -> str:
    """A configuration file with every setting as a comment: its purpose and its default."""
    lines = [
        "# loadwatch: every setting with its default. Copy to /etc/loadwatch/loadwatch.toml and change what",
        "# you need; `loadwatch check-config` names mistakes, `systemctl reload loadwatch` takes changes up.",
    ]
    shown = ""
    for setting in reference():
        section, dot, name = setting.key.partition(".")
        if not dot:
            lines += ["", *_SIGNALS_EXAMPLE]
            continue
        if section != shown:
            lines += ["", f"[{section}]"]
            shown = section
        lines += [f"# {setting.help}", f"# {name} = {json.dumps(setting.default)}"]
    return "\n".join(lines) + "\n"


def default_path() -> Path | None:
    """The configuration file used when none is named: the system's, or the user's, or none.

    Whatever lies there counts, so that one that cannot be read is an error and not the same as none.
    """
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    candidates = [Path("/etc/loadwatch/loadwatch.toml"), home / "loadwatch" / "loadwatch.toml"]
    return next((path for path in candidates if _lies_at(path)), None)


def _lies_at(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def load(
    path: Path | None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
    checks: Mapping[str, Check] | None = None,
) -> Config:
    """Read all layers and answer the settings, or refuse with every fault in one message.

    Args:
        path: the TOML file; None for the one at the default place, if any.
        environment: the process environment, by default the real one.
        overrides: ``section.key=value`` from the command line.
        checks: further checks by key, each raising ``ValueError`` or ``ConfigurationError``; a higher room
            passes them (the rule's parser, for example).

    Raises:
        ConfigurationError: the file is missing or not TOML, or any key or value is wrong.

    """
    faults: list[str] = []
    layers = [
        read_file(path or default_path(), faults),
        read_environment(os.environ if environment is None else environment),
        read_overrides(overrides, faults),
    ]
    values: dict[str, Any] = {}
    for layer in layers:
        for key, (origin, raw) in layer.items():
            # A file of nonsense is told by its first lines: to look for the nearest key takes a while.
            fault = _place(values, key, raw, checks or {}) if len(faults) < MOST_FAULTS else "not looked at"
            if fault:
                faults.append(f"{origin}: {fault}")
    if faults:
        more = len(faults) - MOST_FAULTS
        shown = [*faults[:MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])]
        lines = "\n  ".join(shown)
        raise ConfigurationError(f"the configuration has {len(faults)} fault(s):\n  {lines}")
    parts: dict[str, Any] = {key: value for key, value in values.items() if "." not in key}
    for section, factory in _SECTIONS.items():
        build: Any = factory
        own = {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}
        parts[section] = build(**own)
    return Config(**parts)


def _place(values: dict[str, Any], key: str, raw: object, checks: Mapping[str, Check]) -> str:
    """Read one value into ``values``; answer the fault, or an empty text."""
    if key not in _FIELDS:
        known = [setting.key for setting in reference()]
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        return f"unknown key {shown_key(key)}" + (f"; did you mean {near[0]}?" if near else "")
    metadata = _FIELDS[key].metadata
    try:
        value = metadata["read"](raw)
        if key in checks:
            checks[key](value)
    except (ValueError, ConfigurationError) as error:
        return f"{key}: {error}" if metadata["secret"] else f"{key} = {quoted(raw)}: {error}"
    values[key] = value
    return ""


def in_force(config: Config) -> dict[str, object]:
    """Every key with its value as read (durations in seconds), in the order of the file."""
    return {key: functools.reduce(getattr, key.split("."), config) for key in _FIELDS}
