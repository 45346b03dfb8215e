"""A network in a file: a readable header, raw numbers, a checksum. No pickle: reading a file runs no code.

    magic       8 bytes   89 'L' 'W' 'N' 'N' 0D 0A 1A  (a copy in text mode or to 7 bits shows)
    version     4 bytes   little-endian; 1
    length      4 bytes   little-endian; bytes of the header
    header      JSON      {"meta": anything, "arrays": [{"name", "dtype", "shape"}, ...]}
    arrays      raw       little-endian, C order, one after another
    checksum    32 bytes  SHA-256 of all before it

The idea of the magic is PNG's (RFC 2083, section 12.11), the rest is that of safetensors with a checksum.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from loadwatch.nn.errors import FileError, InputError

MAGIC = b"\x89LWNN\r\n\x1a"
VERSION = 1
KINDS = ("<f4", "<f8", "<i4", "<i8", "|u1", "|b1")

_FRONT = struct.Struct("<8sII")
_CHECKSUM = hashlib.sha256().digest_size

JSON = Any
"""None, bool, int, float, str, and lists and string-keyed mappings of them."""


def pack(meta: Mapping[str, JSON], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Bytes from which `unpack` gives back both; the same input gives the same bytes.

    Raises:
        InputError: for an array of another kind than float, int, byte or bool, or meta that is no JSON
            (NaN and infinity are not: a reader in another language would stumble).
    """
    table, bodies = [], []
    for name, array in arrays.items():
        little = np.asarray(array)
        little = little.astype(little.dtype.newbyteorder("<"), copy=False)
        if little.dtype.str not in KINDS:
            raise InputError(f"array {name!r} holds {little.dtype}, expected one of {', '.join(KINDS)}")
        table.append({"name": name, "dtype": little.dtype.str, "shape": list(little.shape)})
        bodies.append(little.tobytes(order="C"))
    try:
        header = json.dumps({"meta": dict(meta), "arrays": table}, allow_nan=False, sort_keys=True).encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"meta cannot be written as JSON: {error}") from error
    content = b"".join([_FRONT.pack(MAGIC, VERSION, len(header)), header, *bodies])
    return content + hashlib.sha256(content).digest()


def unpack(data: bytes) -> tuple[dict[str, JSON], dict[str, npt.NDArray[Any]]]:
    """Meta and arrays (writable copies) of what `pack` wrote.

    Raises:
        FileError: foreign, truncated, damaged, or written by a newer version; the message says which.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise FileError(f"not a stored network: it starts with {data[:8]!r}, expected {MAGIC!r}")
    if len(data) < _FRONT.size + _CHECKSUM:
        raise FileError(
            f"truncated: {len(data)} bytes, a stored network has at least {_FRONT.size + _CHECKSUM}"
        )
    _, version, length = _FRONT.unpack_from(data)
    if version != VERSION:
        raise FileError(f"version {version} of the format, this program reads version {VERSION}")
    content = data[:-_CHECKSUM]
    if hashlib.sha256(content).digest() != data[-_CHECKSUM:]:
        raise FileError(f"damaged or truncated: the checksum of its {len(data)} bytes does not match")
    # From here on the bytes are those that some `pack` wrote; what follows guards against other writers.
    try:
        header = json.loads(content[_FRONT.size : _FRONT.size + length], parse_constant=_refuse_constant)
        return dict(header["meta"]), _arrays(header["arrays"], content, _FRONT.size + length)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"the header is not one of a stored network: {str(error)[:200]!r}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise FileError(f"the header holds {name}, which is no JSON")


def _arrays(table: list[dict[str, Any]], content: bytes, start: int) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for entry in table:
        if entry["dtype"] not in KINDS:
            raise FileError(
                f"array {entry['name']!r} is of the kind {entry['dtype']!r}, expected one of {KINDS}"
            )
        if any(type(length) is not int or length < 0 for length in entry["shape"]):
            raise FileError(f"the header describes an array of the shape {str(entry['shape'])[:80]}")
        count = math.prod(entry["shape"])
        kind = np.dtype(entry["dtype"])
        arrays[entry["name"]] = (
            np.frombuffer(content, kind, count, start).reshape(entry["shape"]).astype(kind.newbyteorder("="))
        )
        start += count * kind.itemsize
    if start != len(content):
        raise FileError(f"the header describes {start} bytes, but there are {len(content)}")
    return arrays
