"""Text files from elsewhere: plain or compressed, never more of them in memory than a line."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TextIO, cast

from loadwatch.errors import HistoryError

_LONGEST_LINE: Final = 1 << 20


class FaultError(Exception):
    """What is wrong with a file, beginning with the line."""


@contextmanager
def opened_bytes(path: Path) -> Iterator[BinaryIO]:
    """The content of a plain or compressed file; which one it is, its first bytes say.

    Raises:
        HistoryError: the file cannot be read, or the block found a fault in it.

    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if compressed else raw
    except FaultError as fault:
        raise HistoryError(f"cannot read {path}, {fault}") from fault
    except UnicodeDecodeError as error:
        raise HistoryError(f"cannot read {path}: it is not UTF-8 text ({error.reason})") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise HistoryError(f"cannot read {path}: its gzip compression is damaged ({error})") from error
    except OSError as error:
        raise HistoryError(f"cannot read {path}: {error.strerror or error}") from error


@contextmanager
def opened(path: Path, *, newline: str = "") -> Iterator[TextIO]:
    """The same as text; ``newline`` is what ends a line, empty for whatever may."""
    with (
        opened_bytes(path) as content,
        io.TextIOWrapper(content, encoding="utf-8-sig", newline=newline) as stream,
    ):
        yield stream


def lines(stream: TextIO) -> Iterator[str]:
    """The lines of a stream, none so long that it could fill the memory.

    Raises:
        FaultError: one is.

    """
    number = 0
    while line := stream.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise FaultError(f"line {number}: more than {_LONGEST_LINE:,} characters; no row is that long")
        yield line
