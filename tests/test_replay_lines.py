"""The scores of a replay as lines of CSV."""

import numpy as np
import pytest

from loadwatch.judge import Judgements
from loadwatch.pipeline import Scores
from loadwatch.records import Recording
from loadwatch.replay import Judged, header, score_lines


@pytest.mark.parametrize("first", [1_700_000_000.0, 1_700_000_000.25])
def test_a_line_holds_what_is_known_and_leaves_the_rest_empty(first: float) -> None:
    """Numbers to six digits, flags 0 or 1, moments as they were read; what is unknown is empty."""
    times = np.array([first, first + 60.0])
    probabilities = np.array([[np.nan, np.nan], [1e-7, 0.123456789]])
    nothing = np.empty((2, 0))
    scores = Scores(np.ones(2), probabilities, probabilities, np.array([np.nan, 0.25]), *[nothing] * 3)
    flags = np.array([[-1, -1], [0, 1]], np.int8)
    judgements = Judgements(
        flags,
        np.array([-1, 1], np.int8),
        {"high_load": np.array([0, 2], np.int8), "anomaly": np.array([0, 0], np.int8)},
        (),
        (),
    )
    recording = Recording(times, ("cpu",), np.ones((2, 1)))

    lines = score_lines(Judged(recording, scores, judgements, "trained-3")).splitlines()

    names = [f"{first:.12g}" if first % 1 == 0 else repr(first), f"{first + 60:.14g}"]
    assert lines == [f"{names[0]},,,,,,,0,0,trained-3", f"{names[1]},1e-07,0.123457,0,1,0.25,1,1,0,trained-3"]
    assert all(line.count(",") == header((0, 900)).count(",") for line in lines)
