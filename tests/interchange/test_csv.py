import gzip
import io
import math
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadwatch.errors import HistoryError
from loadwatch.interchange import read_csv, write_csv
from loadwatch.interchange.csv import longest_rise
from loadwatch.records import Recording


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its CSV."""
    return tmp_path / "recording.csv"


def test_signals_split_and_label_come_apart(file: Path) -> None:
    """The pipeline sees only the recording; what was said about its rows lies beside it."""
    file.write_text("timestamp,cpu,split,load 1,label\n100,0.5,train,1,\n160,,test,1e-3,1\n")
    read = read_csv(file)

    assert read.recording.signals == ("cpu", "load 1")
    np.testing.assert_array_equal(read.recording.timestamps, [100.0, 160.0])
    np.testing.assert_array_equal(read.recording.values, [[0.5, 1.0], [math.nan, 0.001]])
    assert read.split == ("train", "test")
    np.testing.assert_array_equal(read.labels, [math.nan, 1.0])
    assert read.warnings == ()


def test_without_split_and_label_there_are_none(file: Path) -> None:
    """An absent column is not an empty one."""
    file.write_text("timestamp,cpu\n1,2\n")

    assert (read_csv(file).split, read_csv(file).labels) == (None, None)


@pytest.mark.parametrize("name", ["recording.csv", "recording.csv.gz", "no-suffix"])
def test_compression_is_known_by_the_content(tmp_path: Path, name: str) -> None:
    """Whatever the file is called."""
    (tmp_path / name).write_bytes(gzip.compress(b"timestamp,cpu\n1,2\n"))

    assert read_csv(tmp_path / name).recording.values == [[2.0]]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T14:05:00Z",
        "2026-03-01T15:05:00+01:00",
        "2026-03-01 14:05:00",
        "2026-03-01T14:05:00.000",
        "1772373900",
        "1772373900.0",
        "1.7723739e9",
    ],
)
def test_times_are_epoch_seconds_or_iso_8601(file: Path, text: str) -> None:
    """Without a zone they are UTC."""
    file.write_text(f"timestamp,cpu\n{text},1\n")

    assert read_csv(file).recording.timestamps == [1_772_373_900.0]


@pytest.mark.parametrize(
    "cell", ["", " ", "nan", "NaN", "NA", "n/a", "null", "None", "-inf", "Infinity", "1e999"]
)
def test_unknown_values_are_nan(file: Path, cell: str) -> None:
    """However the writer said so; infinity is taken as unknown, with a warning."""
    file.write_text(f"timestamp,cpu,memory\n1,{cell},0.5\n")
    read = read_csv(file)

    np.testing.assert_array_equal(read.recording.values, [[math.nan, 0.5]])
    assert bool(read.warnings) == cell.strip("-").startswith(("inf", "Inf", "1e999"))


def test_other_dialects_of_a_text_file_are_read(file: Path) -> None:
    """A byte order mark, carriage returns, quotes, blank lines, spaces about names."""
    file.write_bytes(b'\xef\xbb\xbf"timestamp", cpu \r\n"1","2"\r\n\r\n3,4\r\n')
    read = read_csv(file)

    assert read.recording.signals == ("cpu",)
    np.testing.assert_array_equal(read.recording.values, [[2.0], [4.0]])


def test_few_rows_out_of_order_are_dropped_and_said(file: Path) -> None:
    """The first of rows that repeat a time is kept."""
    file.write_text("timestamp,cpu,split,label\n1,1,a,0\n2,2,a,0\n2,3,b,1\n1,4,b,1\n3,5,a,0\n")
    read = read_csv(file)

    np.testing.assert_array_equal(read.recording.column("cpu"), [1.0, 2.0, 5.0])
    assert read.split == ("a", "a", "a")
    np.testing.assert_array_equal(read.labels, [0.0, 0.0, 0.0])
    assert read.warnings == (
        "dropped 2 rows whose time repeats, steps back or leaps ahead, the first at line 4",
    )


def test_constant_and_missing_columns_are_fine(file: Path) -> None:
    """What to make of them is for the learning to decide."""
    file.write_text("timestamp,constant,missing\n" + "".join(f"{second},7,\n" for second in range(5)))
    values = read_csv(file).recording.values

    assert (values[:, 0] == 7).all()
    assert np.isnan(values[:, 1]).all()


FAULTS = {
    "empty": ("", "line 1: the file is empty; expected a header 'timestamp,<signal>,...'"),
    "blank": ("\n\n", "line 1: the file is empty"),
    "other first column": ("time,cpu\n1,2\n", "line 1: the first column is 'time', expected 'timestamp'"),
    "semicolons": ("timestamp;cpu\n1;2\n", "the first column is 'timestamp;cpu', expected .* commas"),
    "no signals": ("timestamp,label\n1,2\n", "line 1: there is no column of a signal"),
    "no name": ("timestamp,cpu,\n1,2,3\n", "line 1: column 3 has no name"),
    "same name": ("timestamp,cpu,cpu\n1,2,3\n", "line 1: column 'cpu' comes twice"),
    "no rows": ("timestamp,cpu\n", "line 1: there is no row below the header"),
    "short row": ("timestamp,cpu\n1,2\n3\n", "line 3: 1 cells under 2 column names"),
    "long row": ("timestamp,cpu\n1,2,3\n", "line 2: 3 cells under 2 column names"),
    "decimal comma": ("timestamp,cpu\n1,2\n2,0,5\n", "line 3: 3 cells under 2 column names"),
    "text": ("timestamp,a,b\n1,2,3\n2,3,high\n", "line 3: column 'b': 'high' is not a number"),
    "other digits": ("timestamp,a\n1,٣\n", "line 2: column 'a': '٣' is not a number"),
    "other digits in a time": ("timestamp,a\n٣,3\n", "line 2: column 'timestamp': '٣' is no time"),
    "underscores": ("timestamp,a\n1,1_000\n", "line 2: column 'a': '1_000' is not a number"),
    "text label": ("timestamp,a,label\n1,2,yes\n", "line 2: column 'label': 'yes' is not a number"),
    "milliseconds": ("timestamp,cpu\n1372629804000,1\n", "line 2: column 'timestamp': .*milliseconds"),
    "negative time": ("timestamp,cpu\n-5,1\n", "line 2: column 'timestamp': '-5' is no time"),
    "unknown time": ("timestamp,cpu\nnan,1\n", "line 2: column 'timestamp': 'nan' is no time"),
    "no time": ("timestamp,cpu\nnoon,1\n", "line 2: column 'timestamp': 'noon' is no time; expected seconds"),
    "mixed": ("timestamp,cpu\n1,1\n2026-01-01,2\n", "line 3: column 'timestamp': '2026-01-01' is no time"),
    "mixed back": ("timestamp,cpu\n2026-01-01,2\n1,1\n", "line 3: column 'timestamp': '1' is not ISO 8601"),
    "mixed zones": (
        "timestamp,cpu\n2026-01-01T00:00:00Z,2\n2026-01-02T00:00:00,1\n",
        "line 3: .*either all times have a zone or none",
    ),
    "descending": (
        "timestamp,cpu\n" + "".join(f"{1000 - second},1\n" for second in range(100)),
        "line 3: time does not go on here, nor in 98 other rows; sort the file",
    ),
    "open quote": ('timestamp,cpu\n1,"2\n', "near line 2: this is not CSV text"),
    "long cell": ("timestamp,cpu\n1," + "9" * 200_000 + "\n", "near line 2: this is not CSV text .*limit"),
    "long line": ("timestamp,cpu\n" + "1," * 600_000, "line 2: more than 1,048,576 characters"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_said_with_its_line(file: Path, fault: str) -> None:
    """And the column, where there is one; never a traceback of something else."""
    content, message = FAULTS[fault]
    file.write_text(content)

    with pytest.raises(HistoryError, match=message) as raised:
        read_csv(file)
    assert str(raised.value).startswith(f"cannot read {file}, ")
    assert len(str(raised.value)) < 400


@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Noise, other formats, cut files: a recording or one clear error."""
    file = tmp_path_factory.mktemp("noise") / "file"
    for start in (b"", b"timestamp,cpu\n1,2\n", b"\x1f\x8b"):
        file.write_bytes(start + content)
        try:
            recording = read_csv(file).recording
        except HistoryError as error:
            assert str(error).startswith("cannot read")  # noqa: PT017 - either way is right
        else:
            assert (np.diff(recording.timestamps) > 0).all()


def test_a_cut_gzip_file_is_named_as_such(file: Path) -> None:
    """An interrupted download is not mistaken for a short recording."""
    rows = "".join(f"{second},{second * 0.37}\n" for second in range(5_000))
    file.write_bytes(gzip.compress(b"timestamp,cpu\n" + rows.encode())[:-500])

    with pytest.raises(HistoryError, match="gzip compression is damaged"):
        read_csv(file)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    """With what the system says about it."""
    with pytest.raises(HistoryError, match="No such file"):
        read_csv(file)
    with pytest.raises(HistoryError, match="Is a directory"):
        read_csv(file.parent)


def test_a_gigantic_file_is_refused_before_it_fills_the_memory(file: Path) -> None:
    """Also one that is small while compressed."""
    rows = b"".join(b"%d,1,2,3,4,5,6,7\n" % second for second in range(10_000))
    file.write_bytes(gzip.compress(b"timestamp,a,b,c,d,e,f,g\n" + rows))

    with pytest.raises(HistoryError, match=r"line 1113: .* fills the memory allowed; read it in parts"):
        read_csv(file, largest_bytes=80_000)


def test_texts_count_towards_the_memory_too(file: Path) -> None:
    """A column ``split`` of ever new words is no way around the limit."""
    file.write_text("timestamp,a,split\n" + "".join(f"{row},1,{row}{'x' * 1_000}\n" for row in range(100)))

    with pytest.raises(HistoryError, match="fills the memory allowed"):
        read_csv(file, largest_bytes=100_000)
    assert len(read_csv(file).recording) == 100


def test_a_wide_file_is_read_in_time_that_grows_with_its_width(file: Path) -> None:
    """40 000 columns took two minutes once; here, seconds on the slowest machine."""
    wide = ",".join(f"s{number}" for number in range(40_000))
    file.write_text(f"timestamp,{wide}\n1{',0' * 40_000}\n2{',1' * 40_000}\n")
    before = time.process_time()
    read = read_csv(file)

    assert read.recording.values.shape == (2, 40_000)
    assert time.process_time() - before < 2.0


@pytest.mark.parametrize("leap", [86_400.0, -86_400.0, 3e9])
@pytest.mark.parametrize("place", [0, 2, 50, 98])
def test_a_row_of_another_time_goes_and_not_those_after_it(file: Path, leap: float, place: int) -> None:
    """Once, one row a day ahead dropped all that came until that day."""
    times = [1e9 + 60 * row for row in range(100)]
    times[place] += leap
    file.write_text("timestamp,cpu\n" + "".join(f"{moment},{row}\n" for row, moment in enumerate(times)))
    read = read_csv(file)

    expected = [float(row) for row in range(100) if row != place or (place == 0 and leap < 0)]
    assert read.recording.column("cpu").tolist() == expected
    assert len(read.warnings) == (len(expected) < 100)


@given(times=st.lists(st.integers(0, 12), max_size=14))
def test_the_most_rows_that_rise_are_kept(times: list[int]) -> None:
    """As trying every choice of rows finds it; and no choice of as many begins earlier."""
    kept = longest_rise([float(moment) for moment in times]).tolist()
    chosen = [times[place] for place in kept]
    best = [0] * (len(times) + 1)
    for place in range(len(times)):
        best[place] = 1 + max(
            (best[other] for other in range(place) if times[other] < times[place]), default=0
        )

    assert kept == sorted(kept)
    assert chosen == sorted(set(chosen))
    assert len(kept) == max(best)


@pytest.mark.slow
@given(
    start=st.floats(0, 2e9),
    steps=st.lists(st.floats(0.001, 1e6), min_size=1, max_size=20),
    data=st.data(),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, start: float, steps: list[float], data: st.DataObject
) -> None:
    """To the last digit, names with commas and quotes included."""
    signals = ("cpu", 'odd, "name"', "load 1")
    timestamps = start + np.cumsum(steps)
    value = st.floats(allow_infinity=False)
    values = np.array([data.draw(st.lists(value, min_size=3, max_size=3)) for _ in steps])
    file = tmp_path_factory.mktemp("written") / "file.csv"
    with file.open("w", newline="") as stream:
        write_csv(Recording(timestamps, signals, values), stream)
    read = read_csv(file).recording

    assert read.signals == signals
    np.testing.assert_array_equal(read.timestamps, timestamps)
    np.testing.assert_array_equal(read.values, values)


def test_whole_seconds_are_written_as_such() -> None:
    """A person can read the file."""
    stream = io.StringIO()
    write_csv(Recording(np.array([60.0, 60.5]), ("cpu",), np.array([[0.25], [math.nan]])), stream)

    assert stream.getvalue() == "timestamp,cpu\n60,0.25\n60.5,\n"


@pytest.mark.slow
def test_a_month_of_five_minute_rows_is_read_at_once(file: Path) -> None:
    """25 000 rows of 10 columns in under 0.3 seconds of CPU time on a slow core; here, twice that at most."""
    numbers = np.random.default_rng(1).random((25_000, 10))
    with file.open("w") as stream:
        write_csv(Recording(np.arange(25_000.0), tuple("abcdefghij"), numbers), stream)
    before = time.process_time()
    read_csv(file)

    assert time.process_time() - before < 0.6
