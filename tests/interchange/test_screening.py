"""What cannot be is left out with a word, and where it is much, nothing is taken."""

import math

import numpy as np
import pytest

from loadwatch.errors import HistoryError
from loadwatch.interchange.screening import Screening
from loadwatch.records import Recording

NOW = 1_800_000_000.0


def recording(times: np.ndarray, *, cpu: object = 0.5, **others: object) -> Recording:
    columns = {"cpu": cpu, **others}
    values = np.column_stack(
        [np.broadcast_to(np.asarray(column, float), len(times)) for column in columns.values()]
    )
    return Recording(np.asarray(times, float), tuple(columns), values)


def minutes(count: int, *, end: float = NOW) -> np.ndarray:
    return end - 60.0 * np.arange(count)[::-1]


def screened(*parts: Recording, zoned: bool = True) -> tuple[Screening, list[Recording]]:
    screening = Screening(NOW, zoned)
    return screening, list(screening.admitted(parts))


def test_what_is_sound_passes_untouched() -> None:
    """To the digit, and nothing is said."""
    rows = recording(minutes(30_000), memory=1 / 3, anything=-5e9)
    screening, parts = screened(rows)

    np.testing.assert_array_equal(np.concatenate([part.values for part in parts]), rows.values)
    np.testing.assert_array_equal(np.concatenate([part.timestamps for part in parts]), rows.timestamps)
    assert (screening.words(), screening.rows, screening.gap_seconds()) == ([], 30_000, 0.0)


@pytest.mark.parametrize("wrong", [0.0, 86_400.0, NOW + 86_400, 4e9, 2.5e11, math.inf, math.nan])
def test_a_row_of_an_impossible_year_goes_with_a_word(wrong: float) -> None:
    """Of before clocks were set, or of the future; the rest stays."""
    screening, parts = screened(recording(np.append(minutes(50, end=NOW - 9e4), wrong)))

    assert sum(map(len, parts)) == 50
    assert screening.words() == ["left out 1 rows of the future, or of before the year 2000"]


@pytest.mark.parametrize("shift", [86_400.0, -NOW])
@pytest.mark.parametrize(("sound", "wrong"), [(70, 30), (0, 1), (3, 4)])
def test_many_rows_of_an_impossible_year_are_a_wrong_clock(shift: float, sound: int, wrong: int) -> None:
    """Nothing is taken of such a source; of a few rows the most are many."""
    with pytest.raises(HistoryError, match=rf"{wrong} rows of {sound + wrong} are .*: check the clocks"):
        screened(recording(np.append(minutes(sound), minutes(wrong) + shift)))


def test_local_time_taken_for_utc_is_refused_with_the_likely_reason() -> None:
    """A zone east of Greenwich shows as rows that run on past now, however few of a month they are."""
    month = minutes(43_200, end=NOW + 3_600)
    with pytest.raises(HistoryError, match=r"no zone, so .* 59 rows .* 1\.0 h in the future: .*local time"):
        screened(recording(month), zoned=False)


def test_a_lone_row_far_ahead_is_no_zone() -> None:
    """It goes with a word, also where the times have no zone."""
    screening, parts = screened(recording(np.append(minutes(50), NOW + 86_400)), zoned=False)
    assert (sum(map(len, parts)), screening.left_out) == (50, 1)


@pytest.mark.parametrize("wrong", [-0.2, 1e308, 7.0, -math.inf])
def test_values_that_cannot_be_are_unknown(wrong: float) -> None:
    """By the same judgement as the sampler's; counted by signal where they were numbers."""
    cpu = np.full(100, 0.5)
    cpu[7] = wrong
    screening, (part,) = screened(recording(minutes(100), cpu=cpu, memory=0.5))

    assert np.flatnonzero(np.isnan(part.column("cpu"))).tolist() == [7]
    assert bool(screening.words()) == math.isfinite(wrong)
    assert screening.share("cpu") == 0.99


def test_per_cent_where_a_ratio_is_expected_is_named() -> None:
    """A quiet host in per cent is mostly below one: the few above already tell."""
    cpu = np.where(np.arange(1_000) % 10, 0.6, 30.0)
    with pytest.raises(
        HistoryError, match=r"100 of 1,000 values of cpu .* such as 30; .* are these per cent"
    ):
        screened(recording(minutes(1_000), cpu=cpu))
    with pytest.raises(HistoryError, match=r"2 of 3 values of cpu .* are these per cent"):
        screened(recording(minutes(3), cpu=[35.0, 0.4, 36.0]))
    with pytest.raises(HistoryError, match=r"network_receive .* check the unit"):
        screened(recording(minutes(100), network_receive=1e15))


def test_a_signal_of_the_rule_that_is_mostly_missing_is_named() -> None:
    """One that the host never had is no fault, unless every host has it."""
    memory = np.full(100, math.nan)
    memory[:40] = 0.5
    screening, _ = screened(recording(minutes(100), memory=memory, disk=math.nan))

    assert screening.missing({"cpu", "memory", "disk", "io_pressure"}) == ["memory (40% of the rows)"]
    assert screening.missing({"cpu", "iowait"}, always={"iowait"}) == ["iowait (0% of the rows)"]


def test_gaps_are_measured_whatever_the_order_of_the_parts() -> None:
    """A second source may fill what the first one missed."""
    times = minutes(300)
    screening, _ = screened(recording(times[:100]), recording(times[200:]), recording(times[120:200]))
    assert screening.gap_seconds() == 21 * 60.0
    assert (screening.span().start, screening.span().end) == (times[0], times[-1])
