"""Recordings as CSV.

The file's first column is ``timestamp``: seconds since 1970, or ISO 8601 (without a zone it is taken as UTC),
one of the two throughout. Every other column is a signal of its name, save ``split`` and ``label``, which are
handed on beside the recording. An empty cell, or NaN, NA, null or None, is an unknown value. Files may be
compressed with gzip; they are read as a stream, and refused when the values would not fit the given memory.

Rows whose time does not fit between those around them are dropped and counted, so that the most are kept: one
that leaps ahead goes, not those after it; of rows that repeat a time the first is kept. Such rows are few in
honest recordings (a clock set back in autumn); a file in which they are many is out of order and refused.
"""

import csv
import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final, TextIO

import numpy as np
import numpy.typing as npt

from loadwatch.interchange.text_file import FaultError, lines, opened
from loadwatch.interchange.timestamps import TimeFormat, plain, plain_number, shown, time_format
from loadwatch.records import Floats, Recording

TIMESTAMP: Final = "timestamp"
SPLIT: Final = "split"
LABEL: Final = "label"

_UNKNOWN: Final = frozenset({"", "nan", "na", "n/a", "null", "none"})
_LARGEST_BYTES: Final = 1 << 30
_SHARE_OUT_OF_ORDER: Final = 0.05
_FEW_OUT_OF_ORDER: Final = 20
_BYTES_OF_TEXT: Final = 200  # of a Python string and its place in a dictionary


@dataclass(frozen=True, slots=True)
class CsvFile:
    """What a file held.

    recording: the signals; split: text of each row, None without such a column; labels: (N,) number of each
    row, NaN where empty, None without such a column; warnings: what was not as it should be but was handled,
    in sentences; zoned: whether the times say themselves which moment they mean.
    """

    recording: Recording
    split: tuple[str, ...] | None = None
    labels: Floats | None = None
    warnings: tuple[str, ...] = ()
    zoned: bool = True


def read_csv(path: Path, *, largest_bytes: int = _LARGEST_BYTES) -> CsvFile:
    """Read a recording; what it holds may take ``largest_bytes`` of memory (8 a value, and its texts).

    Raises:
        HistoryError: the file cannot be read, is no such CSV, or is too large; the message names the line,
            and the column where there is one.

    """
    with opened(path) as stream:
        rows = csv.reader(lines(stream), strict=True)
        parser: _Parser | None = None
        try:
            parser = _Parser(rows, largest_bytes)
            return parser.read()
        except (csv.Error, UnicodeDecodeError) as error:
            line = parser.line if parser else 1
            raise FaultError(f"near line {line}: this is not CSV text ({error})") from error


def write_csv(recordings: Recording | Iterable[Recording], stream: TextIO) -> None:
    """Write recordings of the same signals so that ``read_csv`` gives the same numbers; unknown is empty."""
    writer = csv.writer(stream, lineterminator="\n")
    parts = [recordings] if isinstance(recordings, Recording) else recordings
    for number, recording in enumerate(parts):
        if number == 0:
            writer.writerow([TIMESTAMP, *recording.signals])
        for part in _parts(recording):
            writer.writerows(
                [plain(timestamp), *["" if math.isnan(value) else value for value in values]]
                for timestamp, values in zip(part.timestamps.tolist(), part.values.tolist(), strict=True)
            )


class _Layout:
    """Which column holds what."""

    def __init__(self, header: Sequence[str]) -> None:
        beside = (TIMESTAMP, SPLIT, LABEL)
        self.header = tuple(header)
        self.places = [place for place, name in enumerate(header) if name not in beside]
        self.signals = tuple(header[place] for place in self.places)
        self.split = header.index(SPLIT) if SPLIT in header else None
        self.label = header.index(LABEL) if LABEL in header else None
        adjacent = self.places == list(range(self.places[0], self.places[-1] + 1))
        self.pick: Callable[[list[str]], Sequence[str]] = (
            itemgetter(slice(self.places[0], self.places[-1] + 1)) if adjacent else itemgetter(*self.places)
        )


class _Parser:
    """Reads rows into flat arrays, a number at a time but at the speed of ``float``."""

    def __init__(self, rows: Iterator[list[str]], largest_bytes: int) -> None:
        self._rows = rows
        self._room = largest_bytes
        self._timestamps = array("d")
        self._lines = array("q")
        self._values = array("d")
        self._labels = array("d")
        self._split: list[str] = []
        self._split_names: dict[str, str] = {}
        self._time_format: TimeFormat | None = None

    @property
    def line(self) -> int:
        """The line last read, from 1."""
        return max(int(self._rows.line_num), 1)  # type: ignore[attr-defined]

    def read(self) -> CsvFile:
        """The whole file."""
        layout = _Layout(self._header())
        for row in self._rows:
            if row:
                self._take(row, layout)
        return self._result(layout)

    def _take(self, row: list[str], layout: _Layout) -> None:
        if len(row) != len(layout.header):
            raise self._fault(f"{len(row)} cells under {len(layout.header)} column names")
        if self._time_format is None:
            self._time_format = time_format(row[0])
        try:
            timestamp = self._time_format.read(row[0])
        except ValueError as error:
            raise self._fault(f"column '{TIMESTAMP}': {error}") from error
        self._timestamps.append(timestamp)
        self._lines.append(self.line)
        self._values.extend(self._numbers(layout.pick(row), layout.places, layout.header))
        self._room -= 8 * (2 + len(layout.places))
        if layout.split is not None:
            text = row[layout.split]
            if text not in self._split_names:
                self._room -= _BYTES_OF_TEXT + 4 * len(text)
            self._split.append(self._split_names.setdefault(text, text))
            self._room -= 8
        if layout.label is not None:
            self._labels.extend(self._numbers([row[layout.label]], [layout.label], layout.header))
            self._room -= 8
        if self._room < 0:
            raise self._fault("what the file holds up to here fills the memory allowed; read it in parts")

    def _header(self) -> list[str]:
        header = [name.strip() for name in next(self._rows, [])]
        if not header:
            raise self._fault(f"the file is empty; expected a header '{TIMESTAMP},<signal>,...'")
        if header[0] != TIMESTAMP:
            raise self._fault(
                f"the first column is {shown(header[0])}, expected '{TIMESTAMP}' and then signals, "
                "separated by commas"
            )
        if "" in header:
            raise self._fault(f"column {header.index('') + 1} has no name")
        ((name, times),) = Counter(header).most_common(1)
        if times > 1:
            raise self._fault(f"column {shown(name)} comes twice")
        if not set(header) - {TIMESTAMP, SPLIT, LABEL}:
            raise self._fault("there is no column of a signal")
        return header

    def _numbers(self, cells: Sequence[str], places: Sequence[int], header: Sequence[str]) -> list[float]:
        joined = "".join(cells)
        if joined.isascii() and "_" not in joined:
            try:
                return list(map(float, cells))
            except ValueError:
                pass
        return [self._number(cell, header[place]) for cell, place in zip(cells, places, strict=True)]

    def _number(self, cell: str, column: str) -> float:
        try:
            return plain_number(cell)
        except ValueError:
            if cell.strip().lower() in _UNKNOWN:
                return math.nan
            raise self._fault(f"column {shown(column)}: {shown(cell)} is not a number") from None

    def _result(self, layout: _Layout) -> CsvFile:
        if not self._timestamps:
            raise self._fault("there is no row below the header")
        warnings = []
        timestamps = np.frombuffer(self._timestamps, dtype=np.float64)
        values = np.frombuffer(self._values, dtype=np.float64).reshape(len(timestamps), len(layout.signals))
        labels = np.frombuffer(self._labels, dtype=np.float64)
        if (np.diff(timestamps) <= 0).any():
            kept = longest_rise(self._timestamps)
            warnings.append(self._out_of_order(kept))
            timestamps, values = timestamps[kept], values[kept]
            if layout.label is not None:
                labels = labels[kept]
            if layout.split is not None:
                self._split = [self._split[place] for place in kept]
        infinite = np.isinf(values)
        if infinite.any():
            values[infinite] = math.nan
            warnings.append(f"took {int(infinite.sum())} infinite values as unknown")
        return CsvFile(
            Recording(timestamps, layout.signals, values),
            tuple(self._split) if layout.split is not None else None,
            labels if layout.label is not None else None,
            tuple(warnings),
            self._time_format is None or self._time_format.zoned,
        )

    def _out_of_order(self, kept: npt.NDArray[np.intp]) -> str:
        dropped = np.setdiff1d(np.arange(len(self._timestamps)), kept)
        if len(dropped) > max(_FEW_OUT_OF_ORDER, _SHARE_OUT_OF_ORDER * len(kept)):
            step_back = int(np.flatnonzero(np.diff(self._timestamps) <= 0)[0]) + 1
            raise FaultError(
                f"line {self._lines[step_back]}: time does not go on here, nor in {len(dropped) - 1} other "
                "rows; sort the file by its timestamps"
            )
        return (
            f"dropped {len(dropped)} rows whose time repeats, steps back or leaps ahead, "
            f"the first at line {self._lines[dropped[0]]}"
        )

    def _fault(self, what: str) -> FaultError:
        return FaultError(f"line {self.line}: {what}")


def longest_rise(times: Sequence[float]) -> npt.NDArray[np.intp]:
    """The places of the most numbers that rise strictly from each to the next; of equal ones the first.

    >>> longest_rise([1.0, 2.0, 9.0, 3.0, 3.0, 4.0])
    array([0, 1, 3, 5])
    """
    # Patience sorting: for each length of a rise, where the one with the lowest end ends.
    ends: list[float] = []
    places: list[int] = []
    before = array("q")
    for place, moment in enumerate(times):
        length = bisect_left(ends, moment)
        before.append(places[length - 1] if length else -1)
        if length == len(ends):
            ends.append(moment)
            places.append(place)
        elif moment < ends[length]:
            ends[length], places[length] = moment, place
    rise, place = [], places[-1] if places else -1
    while place >= 0:
        rise.append(place)
        place = before[place]
    return np.array(rise[::-1], np.intp)


def _parts(recording: Recording) -> Iterator[Recording]:
    """The recording in pieces, so that few of its numbers are Python objects at a time."""
    for first in range(0, len(recording), 1000):
        yield recording.rows(first, first + 1000)
