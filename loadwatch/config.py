"""Settings: typed, documented where they are declared, and refused all together when some are wrong.

Strength, weakest first: defaults, the TOML file, the environment (``LOADWATCH_SAMPLING__INTERVAL=1s``), the
command line (``--set sampling.interval=1s``).
"""

import dataclasses
import difflib
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loadwatch.errors import ConfigurationError
from loadwatch.records import Recurrence
from loadwatch.times import parse_duration

Reader = Callable[[object], Any]
Check = Callable[[Any], object]
PREFIX: Final = "LOADWATCH_"


def _duration(minimum: str, maximum: str) -> Reader:
    low, high = parse_duration(minimum), parse_duration(maximum)

    def read(value: object) -> float:
        if not isinstance(value, str):
            raise ValueError(f'expected a duration such as "{minimum}" (in quotes, with a unit)')
        seconds = parse_duration(value)
        if not low <= seconds <= high:
            raise ValueError(f"expected {minimum} to {maximum}")
        return seconds

    return read


def _number(minimum: float, maximum: float) -> Reader:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise ValueError(f"expected a number from {minimum:g} to {maximum:g}")
        return float(value)

    return read


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected some text in quotes")
    return value


def _choice(*choices: str) -> Reader:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return str(value)

    return read


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _path(value: object) -> Path:
    return Path(_text(value))


def _optional_path(value: object) -> Path | None:
    return None if value == "" else _path(value)


def _texts(value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise ValueError('expected text, or a list such as ["a", "b"]')
    return tuple(_text(item) for item in items)


def _horizons(value: object) -> tuple[int, ...]:
    read = _duration("0s", "1d")
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or not 1 <= len(items) <= 6:
        raise ValueError('expected one to six durations such as ["0s", "1m", "15m"]')
    seconds = [read(item.strip() if isinstance(item, str) else item) for item in items]
    if any(number != int(number) for number in seconds) or sorted(set(seconds)) != seconds:
        raise ValueError("expected whole seconds, each once, in rising order")
    return tuple(int(number) for number in seconds)


def _recurrences(value: object) -> tuple[Recurrence, ...]:
    if not isinstance(value, list):
        raise ValueError('expected a list such as [{ cron = "0 3 * * sun", for = "2h" }]')
    read = _duration("1m", "7d")
    windows = []
    for item in value:
        if not isinstance(item, dict) or not {"cron", "for"} <= item.keys() <= _RECURRENCE_KEYS:
            raise ValueError(f"expected tables with cron, for, and perhaps timezone and why, got {item!r}")
        windows.append(
            Recurrence(
                _text(item["cron"]), read(item["for"]), item.get("timezone", "UTC"), str(item.get("why", ""))
            )
        )
    return tuple(windows)


_RECURRENCE_KEYS: Final = {"cron", "for", "timezone", "why"}


def _setting(default: object, read: Reader, help_text: str) -> Any:
    """A field that knows its default as written in a file, how to read it, and what it is for."""
    return field(default=read(default), metadata={"written": default, "read": read, "help": help_text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the host is measured."""

    interval: float = _setting("5s", _duration("100ms", "10m"), "time between two samples")
    procfs: Path = _setting("/proc", _path, "where the host's /proc is mounted (for a container)")


@dataclass(frozen=True, slots=True, kw_only=True)
class HighLoad:
    """What is high load, and how far ahead to look."""

    when: str = _setting(
        "default", _text, 'what high load is, e.g. "cpu > 0.9 or avg(io_pressure, \\"1m\\") > 0.4"'
    )
    horizons: tuple[int, ...] = _setting(
        ["0s", "1m", "5m", "15m"], _horizons, "forecast: any high load within these times; 0s is now"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """When and on what the daemon learns."""

    every: float = _setting("6h", _duration("1m", "30d"), "time between two trainings")
    history: float = _setting("90d", _duration("10m", "366d"), "how much of the newest history is learned")
    minimum: float = _setting("15m", _duration("1m", "30d"), "history needed before the first real training")
    patience: float = _setting(
        "2h", _duration("0s", "7d"), "how long a training waits while the host suffers"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """How many alerts a person should have to read."""

    budget_per_week: float = _setting(2, _number(0.1, 1000), "alerts a week this host may raise")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWindows:
    """Windows that come back, in which nothing is flagged and nothing is learned."""

    windows: tuple[Recurrence, ...] = _setting(
        [], _recurrences, 'e.g. [{ cron = "0 3 * * sun", for = "2h", timezone = "Europe/Amsterdam" }]'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryKeeping:
    """How long samples are kept."""

    keep: float = _setting("30d", _duration("1h", "3660d"), "older samples are deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """Where metrics and the status page are served."""

    listen_address: tuple[str, ...] = _setting(
        "127.0.0.1:10074", _texts, 'host:port, or a list of them; "[::1]:10074" for IPv6'
    )
    config_file: Path | None = _setting(
        "", _optional_path, "TLS and passwords, in the format of Prometheus' exporter-toolkit"
    )
    systemd_socket: bool = _setting(False, _flag, "use the sockets systemd hands over instead")
    textfile_directory: Path | None = _setting(
        "", _optional_path, "also write loadwatch.prom there, for node_exporter's textfile collector"
    )
    route_prefix: str = _setting("/", _text, "path under which everything is served")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What goes to standard error."""

    level: str = _setting(
        "info", _choice("debug", "info", "warning", "error"), "least severity that is logged"
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


@dataclass(frozen=True, slots=True)
class Setting:
    """One key as documentation shows it."""

    key: str
    default: object
    help: str


_SECTIONS: Final = {section.name: section.default_factory for section in dataclasses.fields(Config)}


def _fields(section: str) -> dict[str, "dataclasses.Field[Any]"]:
    factory: Any = _SECTIONS[section]
    return {entry.name: entry for entry in dataclasses.fields(factory)}


def reference() -> Iterator[Setting]:
    """Every key with its default and purpose, in the order of the file: the source of the documentation."""
    for section in _SECTIONS:
        for name, entry in _fields(section).items():
            yield Setting(f"{section}.{name}", entry.metadata["written"], entry.metadata["help"])


def example() -> str:
    """A configuration file with every setting as a comment: its purpose and its default."""
    lines = [
        "# loadwatch: every setting with its default. Copy to /etc/loadwatch/loadwatch.toml and change what",
        "# you need; `loadwatch check-config` names mistakes, `systemctl reload loadwatch` takes changes up.",
    ]
    shown = ""
    for setting in reference():
        section, _, name = setting.key.partition(".")
        if section != shown:
            lines += ["", f"[{section}]"]
            shown = section
        lines += [f"# {setting.help}", f"# {name} = {json.dumps(setting.default)}"]
    return "\n".join(lines) + "\n"


def default_path() -> Path | None:
    """The configuration file used when none is named: the system's, or the user's, or none."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    candidates = [Path("/etc/loadwatch/loadwatch.toml"), home / "loadwatch" / "loadwatch.toml"]
    return next((path for path in candidates if path.is_file()), None)


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
        _file_layer(path or default_path()),
        _environment_layer(os.environ if environment is None else environment),
        _override_layer(overrides, faults),
    ]
    values: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    for layer in layers:
        for key, (origin, raw) in layer.items():
            fault = _place(values, key, raw, checks or {})
            if fault:
                faults.append(f"{origin}: {fault}")
    if faults:
        lines = "\n  ".join(faults)
        raise ConfigurationError(f"the configuration has {len(faults)} fault(s):\n  {lines}")
    sections: dict[str, Any] = {}
    for section, factory in _SECTIONS.items():
        build: Any = factory
        sections[section] = build(**values[section])
    return Config(**sections)


Layer = dict[str, tuple[str, object]]


def _file_layer(path: Path | None) -> Layer:
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"configuration file {path} does not exist; name another with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read configuration file {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"configuration file {path} is not valid TOML: {error}") from error
    layer: Layer = {}
    for section, content in document.items():
        if isinstance(content, dict):
            layer.update({f"{section}.{name}": (str(path), value) for name, value in content.items()})
        else:
            layer[section] = (str(path), content)
    return layer


def _environment_layer(environment: Mapping[str, str]) -> Layer:
    return {
        name.removeprefix(PREFIX).lower().replace("__", ".", 1): (name, _value_of(text))
        for name, text in sorted(environment.items())
        if name.startswith(PREFIX) and "__" in name
    }


def _override_layer(overrides: Sequence[str], faults: list[str]) -> Layer:
    layer: Layer = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if equals:
            layer[key.strip()] = ("--set", _value_of(text))
        else:
            faults.append(f"--set {override}: expected section.key=value")
    return layer


def _value_of(text: str) -> object:
    """Read a value as TOML would (numbers, lists, booleans), anything else as plain text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _place(values: dict[str, dict[str, Any]], key: str, raw: object, checks: Mapping[str, Check]) -> str:
    """Read one value into ``values``; answer the fault, or an empty text."""
    section, _, name = key.partition(".")
    if section not in _SECTIONS or name not in _fields(section):
        known = [setting.key for setting in reference()]
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        return f"unknown key {key}" + (f"; did you mean {near[0]}?" if near else "")
    try:
        value = _fields(section)[name].metadata["read"](raw)
        if key in checks:
            checks[key](value)
    except (ValueError, ConfigurationError) as error:
        return f"{key} = {raw!r}: {error}"
    values[section][name] = value
    return ""


def in_force(config: Config) -> dict[str, object]:
    """Every key with its value as read (durations in seconds), in the order of the file."""
    return {
        setting.key: getattr(getattr(config, section), name)
        for setting in reference()
        for section, _, name in [setting.key.partition(".")]
    }
