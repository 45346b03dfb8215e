"""Rows of samples found in the bare pages of a damaged file, without the help of SQLite.

When the first page is lost, or an inner page of a tree, SQL cannot reach rows that lie unharmed in pages of
their own. The format is SQLite's (https://www.sqlite.org/fileformat2.html, sections 1.6 and 2.1). A row too
long for one page, of some 450 signals, is not found.

Only samples are looked for: they are the one table whose rows begin with a number, since a row's
``INTEGER PRIMARY KEY`` is stored as NULL.
"""

import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAGIC: Final = b"SQLite format 3\x00"
_FILE_HEADER: Final = 100
_LOG_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_DEFAULT_PAGE_SIZE: Final = 4096
_TABLE_LEAF: Final = 0x0D
_LEAF_HEADER: Final = 8
_NULL, _ZERO, _ONE = 0, 8, 9
# Floats, and the integers of 1, 2, 3, 4, 6 and 8 bytes that SQLite makes of floats without a fraction.
_STORED: Final = {7: "d", 1: "b", 2: "h", 3: "3s", 4: "i", 5: "6s", 6: "q"}
_LAST_SECOND: Final = 1e11
_SMALLEST, _LARGEST = 1e-18, 1e18

Row = tuple[float | None, ...]


def find_samples(path: Path) -> Iterator[Row]:
    """Every row that reads like a sample in the file and in its write-ahead log, some perhaps twice.

    A row is a timestamp and its values in the order of the columns; a shorter one is from before the last
    columns were added. Rows that were deleted but not yet overwritten come too.

    Raises:
        OSError: a file cannot be read.

    """
    yield from _find(path, start=0, gap=0)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        yield from _find(log, start=_LOG_HEADER, gap=_FRAME_HEADER)


def _find(path: Path, *, start: int, gap: int) -> Iterator[Row]:
    with path.open("rb") as stream:
        header = stream.read(_FILE_HEADER)
        size = _DEFAULT_PAGE_SIZE
        if header.startswith(_MAGIC):
            (size,) = struct.unpack_from(">H", header, 16)
            size = 65_536 if size == 1 else max(size, 512)
        stream.seek(start)
        while page := stream.read(gap + size)[gap:]:
            yield from _rows(page)


def _rows(page: bytes) -> Iterator[Row]:
    """The samples of one page; nothing of a page of another kind, or of noise."""
    if len(page) < _LEAF_HEADER or page[0] != _TABLE_LEAF:
        return
    (count,) = struct.unpack_from(">H", page, 3)
    if _LEAF_HEADER + 2 * count > len(page):
        return
    for cell in struct.unpack_from(f">{count}H", page, _LEAF_HEADER):
        try:
            row = _sample(page, cell)
        except (IndexError, struct.error):
            continue  # what looked like a row leads out of the page: noise
        if row is not None:
            yield row


def _sample(page: bytes, position: int) -> Row | None:
    """The row of one cell, None if it is no sample; IndexError or struct.error if it is nonsense."""
    payload_size, position = _varint(page, position)
    _, position = _varint(page, position)  # the row number
    header_size, at = _varint(page, position)
    end = position + header_size
    plan = _plan(page[at:end])
    if plan is None or header_size + plan.numbers.size != payload_size:
        return None
    values = list(plan.constants)
    for place, stored in zip(plan.places, plan.numbers.unpack_from(page, end), strict=True):
        values[place] = float(int.from_bytes(stored, "big", signed=True) if type(stored) is bytes else stored)
    timestamp = values[0]
    if timestamp is None or not 0 <= timestamp < _LAST_SECOND or not all(map(_is_plausible, values)):
        return None
    return tuple(values)


def _is_plausible(value: float | None) -> bool:
    """Whether a number may have been measured: floats made of noise are mostly far too large or small."""
    return not value or _SMALLEST < abs(value) < _LARGEST


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to read rows of one kind: what is stored, for which places; the rest is constant."""

    numbers: struct.Struct
    places: tuple[int, ...]
    constants: tuple[float | None, ...]


@functools.lru_cache(maxsize=4096)
def _plan(types: bytes) -> _Plan | None:
    """The plan for a row of these types, None if a sample cannot have them."""
    if len(types) < 2 or types[0] == _NULL or max(types) > _ONE:
        return None
    places = tuple(place for place, kind in enumerate(types) if kind in _STORED)
    return _Plan(
        struct.Struct(">" + "".join(_STORED[types[place]] for place in places)),
        places,
        tuple(float(kind - _ZERO) if kind in (_ZERO, _ONE) else None for kind in types),
    )


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """An integer of 1 to 9 bytes, seven bits each, and where the next begins."""
    number = 0
    for place in range(at, at + 8):
        number = number << 7 | page[place] & 0x7F
        if page[place] < 0x80:
            return number, place + 1
    return number << 8 | page[at + 8], at + 9
