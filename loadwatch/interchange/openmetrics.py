"""Recordings as OpenMetrics, for a Prometheus-compatible store, and back from such a file.

The series are those of the exporter: ``loadwatch_signal`` by signal and unit, and the time of each sample as
``loadwatch_last_sample_timestamp_seconds``, to its last digit, which a store that keeps milliseconds rounds.
"""

import re
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from loadwatch.errors import UsageError
from loadwatch.interchange.targets import ambiguity, matches
from loadwatch.interchange.text_file import FaultError, lines, opened
from loadwatch.interchange.timestamps import plain, plain_number, shown
from loadwatch.records import Floats, Recording
from loadwatch.signals import BY_NAME, Signal

LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SIGNALS: Final = "loadwatch_signal"
_MOMENTS: Final = "loadwatch_last_sample_timestamp_seconds"
_LARGEST_BYTES: Final = 1 << 30
_BYTES_OF_SERIES: Final = 1000  # two empty arrays, and the labels

_SERIES: Final = re.compile(rf"({_SIGNALS}|{_MOMENTS})(?:\{{(.*)\}})?")
_PAIR: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')
_ESCAPED: Final = re.compile(r"\\(.)")

_Identity = tuple[tuple[str, str], ...]
_Column = tuple["array[float]", "array[float]"]


def write_openmetrics(
    recordings: Recording | Iterable[Recording],
    stream: TextIO,
    labels: Mapping[str, str],
    described: Mapping[str, Signal] = BY_NAME,
) -> None:
    """Write recordings for ``promtool tsdb create-blocks-from openmetrics``, under ``labels``.

    Each recording holds other signals of the same rows, for a file has series after series. Unknown values
    are left out. described: the signals that have a unit, by name.

    Raises:
        UsageError: a label cannot have that name.

    """
    for name in labels:
        if name in ("signal", "unit") or not LABEL_NAME.fullmatch(name):
            raise UsageError(
                f"cannot use {name!r} as a label: expected letters, digits and underscores, "
                "and neither 'signal' nor 'unit'"
            )
    moments: Floats = np.empty(0)
    stream.write(f"# HELP {_SIGNALS} What the model saw of this signal, in the unit of the label.\n")
    stream.write(f"# TYPE {_SIGNALS} gauge\n")
    for recording in [recordings] if isinstance(recordings, Recording) else recordings:
        moments = recording.timestamps
        for signal in recording.signals:
            unit = described[signal].unit if signal in described else "1"
            _write_series(
                stream,
                _SIGNALS,
                {"signal": signal, "unit": unit, **labels},
                moments,
                recording.column(signal),
            )
    stream.write(f"# HELP {_MOMENTS} Unix time of the last sample, in seconds.\n")
    stream.write(f"# TYPE {_MOMENTS} gauge\n")
    _write_series(stream, _MOMENTS, labels, moments, moments)
    stream.write("# EOF\n")


def _write_series(
    stream: TextIO, name: str, labels: Mapping[str, str], moments: Floats, values: Floats
) -> None:
    pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    series = f"{name}{{{pairs}}}" if pairs else name
    known = np.isfinite(values)
    stream.writelines(
        f"{series} {value!r} {plain(moment)}\n"
        for moment, value in zip(moments[known].tolist(), values[known].tolist(), strict=True)
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def read_openmetrics(
    path: Path, labels: Mapping[str, str] | None = None, *, largest_bytes: int = _LARGEST_BYTES
) -> Recording:
    """Read what ``write_openmetrics`` wrote of the one host that has ``labels``; other metrics do not count.

    Its values may take ``largest_bytes`` of memory.

    Raises:
        UsageError: several hosts have these labels.
        HistoryError: the file cannot be read, is cut off, or has no series of loadwatch.

    """
    with opened(path, newline="\n") as stream:
        series = _Series(largest_bytes)
        for number, line in enumerate(lines(stream), 1):
            if series.ended:
                raise FaultError(f"line {number}: there is more after the end")
            series.take(number, line)
        return series.of_host(labels or {})


class _Series:
    """Takes lines, and keeps the points of each series of ours."""

    def __init__(self, largest_bytes: int) -> None:
        self.ended = False
        self._largest_bytes = self._room = largest_bytes
        self._hosts: dict[_Identity, dict[str, _Column]] = {}
        self._text = ""
        self._column: _Column | None = None

    def take(self, number: int, line: str) -> None:
        """Read one line."""
        line = line.rstrip("\n")
        if line.startswith("#"):
            self.ended = line == "# EOF"
            return
        try:
            text, value, moment = line.rsplit(" ", 2)
            if text != self._text:
                self._text, self._column = text, self._column_of(text)
            if self._column is None:
                return
            time, known = plain_number(moment), plain_number(value)
        except ValueError:
            raise FaultError(
                f"line {number}: {shown(line)} is no sample; expected a series, a value and a time"
            ) from None
        self._column[0].append(time)
        self._column[1].append(known)
        self._room -= 16 + 8  # and its place among the rows
        if self._room < 0:
            raise FaultError(f"line {number}: what the file holds up to here fills the memory allowed")

    def of_host(self, wanted: Mapping[str, str]) -> Recording:
        """The rows of the one host with these labels."""
        if not self.ended:
            raise FaultError("at its end: there is no '# EOF'; it was cut off")
        hosts = sorted(host for host in self._hosts if matches(host, wanted))
        if not hosts:
            which = (
                f" with {', '.join(f'{name}={value}' for name, value in wanted.items())}" if wanted else ""
            )
            raise FaultError(f"at its end: there was no series {_SIGNALS}{which}")
        if len(hosts) > 1:
            raise UsageError(f"the history may be {ambiguity(hosts)}")
        columns = {
            name: (np.frombuffer(moments), np.frombuffer(values))
            for name, (moments, values) in self._hosts[hosts[0]].items()
        }
        rows = np.unique(np.concatenate([moments for moments, _ in columns.values()]))
        signals = tuple(name for name in columns if name)
        if 8 * len(rows) * len(signals) > self._largest_bytes:
            raise FaultError("at its end: its rows and signals fill the memory allowed; read it in parts")
        values = np.full((len(rows), len(signals)), np.nan)
        for place, name in enumerate(signals):
            moments, known = columns[name]
            values[np.searchsorted(rows, moments), place] = known
        return Recording(rows, signals, values)

    def _column_of(self, text: str) -> _Column | None:
        """Where the points of a series go, None where it is none of ours."""
        series = _SERIES.fullmatch(text)
        if series is None:
            return None
        labels: dict[str, str] = {}
        at, pairs = 0, series[2] or ""
        while at < len(pairs):
            pair = _PAIR.match(pairs, at)
            if pair is None:
                raise ValueError(text)
            labels[pair[1]] = _ESCAPED.sub(lambda sign: "\n" if sign[1] == "n" else sign[1], pair[2])
            at = pair.end()
        signal = labels.pop("signal", "")
        labels.pop("unit", None)
        if bool(signal) != (series[1] == _SIGNALS):
            raise ValueError(text)
        self._room -= _BYTES_OF_SERIES
        columns = self._hosts.setdefault(tuple(sorted(labels.items())), {})
        return columns.setdefault(signal, (array("d"), array("d")))
