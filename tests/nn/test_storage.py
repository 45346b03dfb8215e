"""What is stored comes back, and what is damaged never does."""

import hashlib
import json
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from loadwatch.nn import FileError, InputError, pack, unpack
from loadwatch.nn.storage import MAGIC

META = {"name": "net", "sizes": [3, 8, 1], "rate": 0.1, "note": None}
ARRAYS = {"theta": np.arange(7, dtype=np.float32), "mean": np.linspace(0.0, 1.0, 3)}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
arrays = hnp.arrays(
    st.sampled_from(["<f4", "<f8", ">f8", "<i4", "<i8", "|u1", "|b1"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@pytest.mark.slow
@given(
    meta=st.dictionaries(st.text(), json_values, max_size=4),
    table=st.dictionaries(st.text(), arrays, max_size=3),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_what_is_packed_comes_back(meta: dict[str, object], table: dict[str, np.ndarray]) -> None:
    """Meta and arrays, in value, shape and kind; big-endian ones in the machine's own order."""
    got_meta, got = unpack(pack(meta, table))
    assert got_meta == meta
    assert list(got) == list(table)
    for name, array in table.items():
        assert got[name].shape == array.shape
        assert got[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(got[name], array)
        assert got[name].flags.writeable


def test_same_content_gives_the_same_bytes() -> None:
    """Two stored models can be compared by their bytes; the order of meta does not matter."""
    assert pack({"a": 1, "b": 2}, ARRAYS) == pack({"b": 2, "a": 1}, ARRAYS)


@pytest.mark.parametrize("length", range(0, len(pack(META, ARRAYS)), 7))
def test_truncated_bytes_are_refused(length: int) -> None:
    """A file cut anywhere is refused as such."""
    with pytest.raises(FileError, match=r"truncated|not a stored network"):
        unpack(pack(META, ARRAYS)[:length])


@given(place=st.integers(0, len(pack(META, ARRAYS)) - 1), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_one_flipped_bit_is_seen(place: int, bit: int) -> None:
    """No damage is small enough to pass."""
    data = bytearray(pack(META, ARRAYS))
    data[place] ^= 1 << bit
    with pytest.raises(FileError):
        unpack(bytes(data))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_foreign_bytes_are_refused(data: bytes) -> None:
    """Anything else than our own file is a FileError, never another exception."""
    with pytest.raises(FileError):
        unpack(data)
    with pytest.raises(FileError):
        unpack(MAGIC + data)


def test_pickle_is_refused_and_not_run() -> None:
    """A pickle is a program; it is not even looked into."""
    with pytest.raises(FileError, match="not a stored network"):
        unpack(pickle.dumps(META))


def test_newer_version_says_so() -> None:
    """The reader of an old program learns that the file is newer, not that it is damaged."""
    data = bytearray(pack(META, ARRAYS))
    data[8] = 2
    with pytest.raises(FileError, match="version 2 of the format, this program reads version 1"):
        unpack(bytes(data))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ([], "the header is not one"),
        ({"meta": {}, "arrays": [{"name": "a", "dtype": "|O8", "shape": [1]}]}, "of the kind"),
        ({"meta": {}, "arrays": [{"name": "a", "dtype": "<f8", "shape": [-1]}]}, r"not one|describes"),
        ({"meta": {}, "arrays": [{"name": "a", "dtype": "<f8", "shape": [99]}]}, "not one"),
        ({"meta": {}, "arrays": []}, "describes"),
    ],
)
def test_wrong_header_with_right_checksum_is_refused(header: object, message: str) -> None:
    """A checksum proves that nothing was lost, not that the writer was right."""
    body = json.dumps(header).encode()
    content = struct.pack("<8sII", MAGIC, 1, len(body)) + body + b"\0" * 8
    with pytest.raises(FileError, match=message):
        unpack(content + hashlib.sha256(content).digest())


@pytest.mark.parametrize(
    "array", [np.array([object()]), np.array(["a"]), np.array([1j]), np.array([1.0], np.float16)]
)
def test_arrays_that_cannot_be_stored_are_refused(array: np.ndarray) -> None:
    """Only plain numbers are written."""
    with pytest.raises(InputError, match="array 'a' holds"):
        pack({}, {"a": array})


@pytest.mark.parametrize("meta", [{"a": float("nan")}, {"a": object()}, {"a": {1, 2}}])
def test_meta_that_is_no_json_is_refused(meta: dict[str, object]) -> None:
    """What another language could not read is not written."""
    with pytest.raises(InputError, match="meta cannot be written as JSON"):
        pack(meta, {})
