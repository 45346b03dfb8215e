"""Only what is no worse is published, and a refusal says why."""

from dataclasses import replace

import numpy as np
import pytest

from loadwatch.labels.rule import Rule
from loadwatch.model.forecast import ForecastModel
from loadwatch.records import Recording, Span
from loadwatch.training.evaluation import held_out_start, judge_forecast
from loadwatch.training.forecast import Lesson
from loadwatch.training.synthetic import synthetic_recording

RULE = Rule.parse("cpu > 0.8")
START = 5_600


@pytest.fixture(scope="module")
def recording() -> Recording:
    return synthetic_recording(60.0, 7_000, seed=3)


@pytest.fixture(scope="module")
def model(recording) -> ForecastModel:
    return Lesson(recording.rows(0, START), RULE, (0, 300)).earlier()[0]


def spoilt(model: ForecastModel, shift: float) -> ForecastModel:
    """The model with all its logits shifted."""
    return replace(model, calibration=model.calibration + np.array([0.0, shift]))


@pytest.mark.parametrize("ago", [86_400.0 * 10, 86_400.0 * 9000])
def test_rows_of_a_wrong_clock_hold_nothing_more_back(ago):
    """The newest fifth of what was measured judges the candidate, with or without a few rows of long ago."""
    good = 1_700_000_000.0 + 5.0 * np.arange(6_000)
    wrong = good[0] - ago + 5.0 * np.arange(10)
    start = held_out_start(np.concatenate([wrong, good]), None)
    assert start == pytest.approx(held_out_start(good, None), abs=20.0)
    assert good[0] < start < good[-1]


@pytest.mark.slow
def test_a_fair_candidate_is_published(recording, model):
    """Against itself and the plain forecasters it is no worse; the figures cover all of them."""
    decision = judge_forecast(model, model, recording, RULE.levels(recording), recording.timestamps[START])
    assert decision.published
    assert set(decision.figures["brier"]) == {"candidate", "incumbent", "persistence", "static threshold"}
    assert decision.figures["rows"] == 7_000 - START


@pytest.mark.slow
def test_a_worse_candidate_is_refused_with_the_reason(recording, model):
    """The refusal names who was better, and by how much."""
    decision = judge_forecast(
        spoilt(model, 4.0), model, recording, RULE.levels(recording), recording.timestamps[START]
    )
    assert not decision.published
    assert "worse than that of the incumbent by" in decision.why


def test_a_candidate_worse_than_no_learning_is_refused(recording, model):
    """Even where the incumbent is as bad."""
    bad = spoilt(model, 4.0)
    decision = judge_forecast(bad, bad, recording, RULE.levels(recording), recording.timestamps[START])
    assert "persistence" in decision.why


def test_masked_rows_do_not_count(recording, model):
    """Maintenance is judged as little as it is learned; without any row left nothing is replaced."""
    start = recording.timestamps[START]
    everything = [Span(start, recording.timestamps[-1] + 1.0)]
    decision = judge_forecast(model, model, recording, RULE.levels(recording), start, masks=everything)
    assert not decision.published
    assert "known future" in decision.why
    assert judge_forecast(model, None, recording, RULE.levels(recording), start, masks=everything).published


def test_a_small_difference_is_no_reason(recording, model):
    """Chance decides nothing: a hair's breadth worse is no worse."""
    assert judge_forecast(
        spoilt(model, 0.01), model, recording, RULE.levels(recording), recording.timestamps[START]
    ).published


@pytest.mark.parametrize(
    ("learned", "expected"),
    [
        (None, 80.0),
        (Span(0.0, 20.0), 80.0),
        (Span(-9.0, 90.0), 95.0),
        (Span(-9.0, -5.0), 80.0),
        (Span(40.0, 90.0), 80.0),  # an import has brought the hours before
    ],
)
def test_what_is_held_out_is_new_to_both(learned, expected):
    """A fifth at most, and never more than half of what the incumbent has not learned, here in hours."""
    hours = None if learned is None else Span(3600.0 * learned.start, 3600.0 * learned.end)
    assert held_out_start(3600.0 * np.arange(101.0), hours) == pytest.approx(3600.0 * expected)


@pytest.mark.parametrize(("length", "expected"), [(100.0, 3.0), (5.0, 1.0), (0.25, 0.05)])
def test_hours_are_held_out_where_little_is_new(length, expected):
    """A training right after another is judged on three hours, or on a fifth of a young history."""
    times = np.linspace(0.0, 3600.0 * length, 200)
    learned = Span(0.0, times[-2])
    assert times[-1] - held_out_start(times, learned) == pytest.approx(3600.0 * expected)


@pytest.mark.slow
def test_what_is_worse_within_chance_is_said_so(recording, model):
    """No candidate is called no worse where its score is: by how much is in words and figures."""
    recent = recording.rows(0, START + 400)
    decision = judge_forecast(
        spoilt(model, 0.3), model, recent, RULE.levels(recent), recording.timestamps[START]
    )
    difference, error = decision.figures["difference"]["incumbent"]
    assert decision.published
    assert 2e-4 < difference <= error
    words = f"worse, but within chance, than incumbent by {difference:.4f} (standard error {error:.4f})"
    assert words in decision.why
    assert "incumbent" not in decision.why.split(";")[0]


def test_an_incumbent_is_not_compared_on_what_it_has_learned(recording, model):
    """There it would be flattered; those without learning still judge the candidate, and it is said."""
    start, end = recording.timestamps[START], recording.timestamps[-1]
    decision = judge_forecast(model, model, recording, RULE.levels(recording), start, learned=Span(0.0, end))
    assert decision.published
    assert "these the incumbent has learned, so it was not compared" in decision.why
    assert "incumbent" not in decision.figures["brier"]
    bad = judge_forecast(
        spoilt(model, 4.0), model, recording, RULE.levels(recording), start, learned=Span(0.0, end)
    )
    assert not bad.published


def test_an_incumbent_is_compared_on_the_rows_that_are_new_to_it(recording, model):
    """Of a span that it has learned in part, only the rest counts for it, and the figures say how much."""
    start, half = recording.timestamps[START], recording.timestamps[-701]
    decision = judge_forecast(model, model, recording, RULE.levels(recording), start, learned=Span(0.0, half))
    assert decision.published
    assert decision.figures["incumbent_rows"] == 700
    assert "incumbent (on 700)" in decision.why


def test_a_handful_of_rows_judges_nobody(recording, model):
    """What cannot be told apart from chance replaces nothing, and the reason says how few there were."""
    decision = judge_forecast(model, model, recording, RULE.levels(recording), recording.timestamps[-9])
    assert not decision.published
    assert decision.why.startswith("kept the old model: only 9 rows")


def test_a_few_half_hours_refuse_no_one_for_a_trifle(recording, model):
    """An hour and a half is no evidence for a thousandth: a tie goes to the model of this very host."""
    start = recording.timestamps[-90]
    decision = judge_forecast(spoilt(model, 0.3), model, recording, RULE.levels(recording), start)
    assert decision.published
    brier = decision.figures["brier"]
    assert any(brier["candidate"][horizon] > brier["incumbent"][horizon] for horizon in brier["candidate"])


def test_even_a_single_half_hour_refuses_what_is_plainly_worse(recording, model):
    """A forecaster that cries wolf all the time does not need a day to be found out."""
    start = recording.timestamps[-20]
    assert not judge_forecast(spoilt(model, 9.0), model, recording, RULE.levels(recording), start).published


@pytest.mark.parametrize(("shift", "published"), [(0.2, True), (1.0, False)])
def test_worse_by_more_than_a_standard_error_is_worse(recording, model, shift, published):
    """Half a standard error is chance and replaces the model; two and a half are not, and do not."""
    decision = judge_forecast(
        spoilt(model, shift), model, recording, RULE.levels(recording), recording.timestamps[START]
    )
    difference, error = decision.figures["difference"]["incumbent"]
    assert 0.3 * error < difference < 4.0 * error
    assert decision.published is published
