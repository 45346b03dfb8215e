"""The tables ``[[signals]]``: an operator's own signals, each from a series of an exporter on this host."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast, get_args

from loadwatch.config.readers import Reader, choice, part_reader, read_flag, read_name
from loadwatch.errors import UsageError
from loadwatch.escaping import quoted
from loadwatch.http_client import is_local, page_location
from loadwatch.signals import BY_NAME, Aggregate, Kind, OwnSignal, Signal, Unit

MOST_SIGNALS: Final = 20
MOST_MATCHED: Final = 8
LONGEST_TEXT: Final = 200

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_METRIC: Final = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]{0,199}")
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words of the rule's grammar, and columns of an exported history that are no signals.
_TAKEN: Final = {"default", "and", "or", "not", "avg", "max", "min", "timestamp", "split", "label"}
_NEEDED: Final = {"name", "url", "metric"}


def read_own_signals(value: object) -> tuple[OwnSignal, ...]:
    """A list of tables; each name once."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("expected tables [[signals]], each with name, url and metric")
    if len(value) > MOST_SIGNALS:
        raise ValueError(f"expected at most {MOST_SIGNALS} signals, found {len(value)}")
    signals: list[OwnSignal] = []
    for number, item in enumerate(value, start=1):
        try:
            signal = _read(item)
            if any(signal.name == other.name for other in signals):
                raise ValueError(f"the name {signal.name} is taken by another")
        except (ValueError, UsageError) as error:
            raise ValueError(f"signal {number}: {error}") from error
        signals.append(signal)
    return tuple(signals)


def as_written(own: OwnSignal) -> dict[str, object]:
    """The table of a signal with every key, as ``read_own_signals`` takes it."""
    return {
        "name": own.name,
        "url": own.url,
        "metric": own.metric,
        "match": dict(own.match),
        "kind": own.kind,
        "aggregate": own.aggregate,
        "unit": own.signal.unit,
        "help": own.signal.help,
        "allow_remote": own.allow_remote,
    }


def _read(item: Mapping[str, Any]) -> OwnSignal:
    if not _NEEDED <= item.keys() <= _READERS.keys():
        raise ValueError(
            f"expected name, url, metric, and perhaps {', '.join(sorted(_READERS.keys() - _NEEDED))}, "
            f"not {quoted(item)}"
        )
    read = {key: _READERS[key](value) for key, value in item.items()}
    location = page_location(read["url"])
    remote: bool = read.get("allow_remote", False)
    if not (isinstance(location, Path) or is_local(location) or remote):
        raise ValueError(
            f"url = {quoted(read['url'])} is another host, or may be one; an exporter of this host is asked "
            "at 127.0.0.1 or [::1]; allow_remote = true takes this one all the same"
        )
    kind: Kind = read.get("kind", "gauge")
    unit: Unit = read.get("unit", "per_second" if kind == "counter" else "1")
    signal = Signal(read["name"], unit, read.get("help", ""))
    aggregate: Aggregate = read.get("aggregate", "sum")
    return OwnSignal(signal, read["url"], read["metric"], read.get("match", ()), kind, aggregate, remote)


def _read_signal_name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("expected a name of small letters, digits and _, at most 40, such as requests")
    if value in BY_NAME:
        raise ValueError("loadwatch has a signal of that name itself")
    if value in _TAKEN:
        raise ValueError("the name has a meaning of its own in rules or in exported files")
    return value


def _read_metric(value: object) -> str:
    if not isinstance(value, str) or not _METRIC.fullmatch(value):
        raise ValueError(
            "expected the name of a series as it stands on the page, such as http_requests_total; labels go "
            "into match"
        )
    return value


def _read_match(value: object) -> tuple[tuple[str, str], ...]:
    if (
        not isinstance(value, dict)
        or len(value) > MOST_MATCHED
        or not all(_LABEL.fullmatch(name) and isinstance(text, str) for name, text in value.items())
    ):
        raise ValueError(f'expected at most {MOST_MATCHED} labels such as {{ code = "500" }}')
    return tuple(sorted(value.items()))


def _read_help(value: object) -> str:
    return "" if value == "" else _short(read_name)(value)


def _short(read: Callable[[object], str]) -> Reader:
    def read_short(value: object) -> str:
        text = read(value)
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"expected at most {LONGEST_TEXT} characters")
        return text

    return read_short


_READERS: Final[Mapping[str, Reader]] = {
    key: part_reader(key, read)
    for key, read in cast(
        "Mapping[str, Reader]",
        {
            "name": _read_signal_name,
            "url": _short(read_name),
            "metric": _read_metric,
            "match": _read_match,
            "kind": choice(*get_args(Kind)),
            "aggregate": choice(*get_args(Aggregate)),
            "unit": choice(*get_args(Unit)),
            "help": _read_help,
            "allow_remote": read_flag,
        },
    ).items()
}
