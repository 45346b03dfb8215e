"""Changes one tuned constant at a time and says which no test notices: ``python .dev/mutants.py [WORD]``.

Each is tried on the tests of its module first, then on the quick ones of its room, on the golden figures, and
on the slow ones of the room; with a word, only those whose file or pattern has it. It edits the checkout and
puts it back, so start from a clean one. Ends with 1 where a mutant survives.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = "tests/golden"
# file, what stands there, what it becomes
MUTANTS: tuple[tuple[str, str, str], ...] = (
    ("judge/alerting.py", r"(RECOVERY: Final = )0\.5", r"\g<1>5.0"),
    ("judge/alerting.py", r"(JOIN_SECONDS: Final = )3600\.0", r"\g<1>60.0"),
    ("judge/alerting.py", r"(HEIGHT_LIMIT: Final = )2\.0", r"\g<1>20.0"),
    ("judge/alerting.py", r"(SETTLED_SECONDS: Final = )900\.0", r"\g<1>9.0"),
    ("judge/alerting.py", r"(PRESENT_LINE: Final = )600\.0", r"\g<1>6000.0"),
    ("judge/alerting.py", r"(CERTAIN: Final = )0\.98", r"\g<1>0.9999"),
    ("judge/trigger.py", r"(MERGE_SECONDS: Final = )1800\.0", r"\g<1>180.0"),
    ("judge/trigger.py", r"(HOLD_SECONDS: Final = )30\.0", r"\g<1>3000.0"),
    ("judge/alerting.py", r"(DISTRESS_MERGE_SECONDS: Final = )6 \* 3600\.0", r"\g<1>1800.0"),
    ("judge/trigger.py", r"(WORSE: Final = )1\.5", r"\g<1>1.0"),
    ("judge/trigger.py", r"(WORSE: Final = )1\.5", r"\g<1>3.0"),
    ("judge/limits.py", r"(\"memory_pressure\": )60\.0", r"\g<1>600.0"),
    ("judge/limits.py", r"(\"io_pressure\": )300\.0", r"\g<1>3000.0"),
    ("judge/seasonality.py", r"usual\[\(slot - 1\) % slots\], (usual\[slot % slots\]), .*?\)$", r"\1, 0.0)"),
    ("judge/budget.py", r"(CREDIT: Final = )1\.0", r"\g<1>10.0"),
    ("training/evaluation.py", r"(UNSEEN: Final = )0\.05", r"\g<1>0.0"),
    ("training/evaluation.py", r"(SURE: Final = )1\.0", r"\g<1>4.0"),
    ("training/order.py", r"(GROWTH: Final = )6\.0", r"\g<1>60.0"),
    ("features/lookback.py", r"(PROFILE_RATES = )\(0\.1, 0\.3\)", r"\g<1>(0.2, 0.6)"),
    ("exporter/selection.py", r"(MARGIN: Final = )1\.5", r"\g<1>1.0"),
    ("training/linear.py", r"(FEW_ONSETS: Final = )6\.0", r"\g<1>60.0"),
    ("training/learner.py", r"(REPEATS_FLOOR: Final = )1\.0", r"\g<1>0.001"),
    ("training/learner.py", r"(MOVED_SHARE: Final = )0\.4", r"\g<1>0.0"),
    ("daemon/judging.py", r"(CALM_REASONS_SECONDS: Final = )30\.0", r"\g<1>5.0"),
    ("training/learner.py", r"(WARM_SHARE: Final = )1 / 6", r"\g<1>1 / 12"),
    ("training/learner.py", r"(FOLD_SHARE: Final = )1 / 2", r"\g<1>1 / 12"),
    ("training/learner.py", r"(RESCALED: Final = )10\.0", r"\g<1>1000.0"),
    ("training/candidate.py", r"(RENEWED: Final = )0\.6", r"\g<1>6.0"),
    (
        "features/lookback.py",
        r"_fading_share\(weeks, 0\.85, daily, 0\.7\)",
        "_fading_share(weeks, 0.5, daily, 3.0)",
    ),
    ("training/learner.py", r"(OWN_SHARE: Final = )0\.3", r"\g<1>0.9"),
    ("training/robust.py", r"(DEVIATION_SHARE: Final = )0\.3", r"\g<1>0.9"),
    ("training/anomaly.py", r"(REACH: Final = )5\.0", r"\g<1>50.0"),
    ("training/anomaly.py", r"(LEAST_VARIABILITY: Final = )0\.4", r"\g<1>4.0"),
    ("training/anomaly.py", r"(LEAST_THRESHOLD: Final = )4\.0", r"\g<1>0.4"),
    ("training/course.py", r"(LEAST_EXPLAINED: Final = )0\.3", r"\g<1>0.9"),
    ("training/course.py", r"(LOWEST, HIGHEST = )0\.7", r"\g<1>0.2"),
    ("model/recurring.py", r"(OFTEN: Final = )3", r"\g<1>2"),
    ("model/recurring.py", r"(2 \* seen >= DAYS)", r"20 * seen >= DAYS"),
    ("model/recurring.py", r"(ORDINARY: Final = )1\.0", r"\g<1>100.0"),
    ("judge/flags.py", r"( DAYS: Final = )5", r"\g<1>9"),
    ("judge/flags.py", r"(OFTEN: Final = )3", r"\g<1>1"),
    ("judge/flags.py", r"(HALF_HOURS: Final = )2", r"\g<1>9"),
    ("judge/flags.py", r"(OVER_RECURRING: Final = )3\.0", r"\g<1>1.0"),
    ("model/smoothing.py", r"(hold_seconds: float = )360\.0", r"\g<1>3600.0"),
    ("model/smoothing.py", r"(CLEARED: Final = )0\.33", r"\g<1>0.9"),
    ("model/baseline.py", r"(SEASON_FACTOR: Final = )2\.0", r"\g<1>0.5"),
    ("training/calibration.py", r"(CAUTION: Final = )20\.0", r"\g<1>2000.0"),
    ("judge/alerting.py", r"^(LOWEST_LINE.* = )0\.2", r"\g<1>0.02"),
    ("judge/alerting.py", r"^(HIGHEST_LINE.* = )0\.5", r"\g<1>0.95"),
    ("judge/alerting.py", r"(PRESENT_LINE, share=)0\.25", r"\g<1>1.0"),
    ("judge/alerting.py", r"(0\.0, share=)0\.4", r"\g<1>1.0"),
    ("judge/alerting.py", r"margin=math\.log\(2\.0\)", r"margin=0.0"),
    ("judge/budget.py", r"^(MEMORY_SECONDS.* = )4 \* WEEK", r"\g<1>40 * WEEK"),
    ("judge/budget.py", r"^(REMEMBERED.* = )512", r"\g<1>4"),
    ("judge/exhaustion.py", r"^(NEAR.* = )0\.85", r"\g<1>0.2"),
    ("judge/exhaustion.py", r"^(RISES.* = )3", r"\g<1>1"),
    ("judge/exhaustion.py", r"^(GIVEN_BACK.* = )0\.1", r"\g<1>0.9"),
    ("judge/exhaustion.py", r"^(REMEMBERED_SECONDS.* = )8 \* 86_400\.0", r"\g<1>3600.0"),
    ("judge/exhaustion.py", r"(RisePace\(900\.0, )0\.005", r"\g<1>0.0"),
    ("judge/exhaustion.py", r"(RisePace\(3600\.0, )0\.006", r"\g<1>0.0"),
    ("judge/exhaustion.py", r"(RisePace\(86_400\.0, )0\.02", r"\g<1>0.0"),
    ("judge/filling.py", r"^(FULL.* = )0\.95", r"\g<1>0.99"),
    ("judge/filling.py", r"^(SLACK.* = )0\.02", r"\g<1>0.0"),
    ("judge/filling.py", r"^(LEAST_SECONDS.* = )600\.0", r"\g<1>6000.0"),
    ("judge/filling.py", r"^(LOOK_BACK.* = )4\.0", r"\g<1>1.0"),
    ("judge/filling.py", r"^(LEAST_SHARE.* = )0\.7", r"\g<1>0.3"),
    ("judge/filling.py", r"^(STEADY.* = )3\.0", r"\g<1>0.3"),
    ("judge/filling.py", r"^(LITTLE_LEFT.* = )0\.15", r"\g<1>0.9"),
    ("judge/filling.py", r"^(SOON_SECONDS.* = )3600\.0", r"\g<1>60.0"),
    ("judge/filling.py", r"^(TRACKED.* = )64", r"\g<1>4"),
    ("judge/filling.py", r"^(ENDS.* = )3", r"\g<1>1"),
    ("judge/filling.py", r"^(DROP.* = )0\.02", r"\g<1>0.2"),
    ("judge/filling.py", r"^(REMEMBERED_SECONDS.* = )8 \* 86_400\.0", r"\g<1>3600.0"),
    ("judge/filling.py", r"^(SAID.* = )3", r"\g<1>30"),
    ("judge/flags.py", r"^(CLEAR_ODDS.* = )1\.0 / 3\.0", r"\g<1>0.9"),
    ("judge/judge.py", r"^(GAP_SECONDS.* = )1300\.0", r"\g<1>13000.0"),
    ("judge/seasonality.py", r"^(EARLY_SECONDS.* = )600\.0", r"\g<1>6000.0"),
    ("judge/statistics.py", r"^(LEAST_WEEKS.* = )1\.0", r"\g<1>0.01"),
    ("model/recurring.py", r"^(OVER_TYPICAL.* = )3\.0", r"\g<1>1.0"),
    ("model/recurring.py", r"^(LEAST_WEEKS.* = )2", r"\g<1>1"),
    ("model/recurring.py", r"^(WEEKS.* = )4", r"\g<1>2"),
    ("model/recurring.py", r"^(DAYS.* = )5", r"\g<1>9"),
    ("model/patterns.py", r"^(TOP.* = )0\.97", r"\g<1>0.5"),
    ("model/baseline.py", r"^(MARGIN.* = )1\.0", r"\g<1>0.1"),
    ("model/baseline.py", r"^(COARSE_STEP.* = )300\.0", r"\g<1>60.0"),
    ("features/time_since.py", r"^(LONGEST.* = )7 \* 86400\.0", r"\g<1>7 * 3600.0"),
    ("features/lookback.py", r"^(LEAST_ODDS.* = )-5\.0", r"\g<1>-1.0"),
    ("features/resample.py", r"^(PAUSE.* = )600\.0", r"\g<1>60.0"),
    ("sampling/plausibility.py", r"^(MOST_OF_TIME.* = )1\.5", r"\g<1>15.0"),
    ("sampling/plausibility.py", r"^(MOST_OF_SPEED.* = )2\.5", r"\g<1>25.0"),
    ("sampling/plausibility.py", r"^(_HALF_LIFE_SECONDS.* = )14 \* 86_400\.0", r"\g<1>86_400.0"),
    ("sampling/plausibility.py", r"^(LEAST_LIMIT.* = )100 \*", r"\g<1>10_000 *"),
    ("sampling/plausibility.py", r"^(FASTEST_DISK.* = )1e11", r"\g<1>1e14"),
    ("training/thresholds.py", r"^(BLOCKS_AN_EPISODE.* = )3", r"\g<1>30"),
    ("training/thresholds.py", r"^(MERGED_BLOCKS.* = )2", r"\g<1>20"),
    ("training/thresholds.py", r"^    2\.0  # P", r"    20.0  # P"),
    ("training/calibration.py", r"^(EPISODE_SECONDS.* = )1800\.0", r"\g<1>60.0"),
    ("training/evaluation.py", r"^(HELD_OUT.* = )0\.2", r"\g<1>0.5"),
    ("training/evaluation.py", r"^(BLOCK_SECONDS.* = )1800\.0", r"\g<1>60.0"),
    ("training/evaluation.py", r"^(TOLERANCE.* = )2e-4", r"\g<1>2e-2"),
    ("training/evaluation.py", r"^(LEAST_SECONDS.* = )3 \*", r"\g<1>0.01 *"),
    ("training/patterns.py", r"^(APART.* = )3\.0", r"\g<1>30.0"),
    ("training/patterns.py", r"^(ENOUGH_APART.* = )6\.0", r"\g<1>600.0"),
    ("training/patterns.py", r"^(LEAST_SPREAD.* = )0\.02", r"\g<1>2.0"),
    ("training/patterns.py", r"^(LEAST_SIMILARITY.* = )0\.5", r"\g<1>0.05"),
    ("training/patterns.py", r"^(MOST_ORDINARY.* = )0\.01", r"\g<1>0.3"),
    ("training/patterns.py", r"^(LEAST_MINUTES.* = )3", r"\g<1>30"),
    ("training/course.py", r"^(HALF_LIFE_DAYS.* = )5\.0", r"\g<1>500.0"),
    ("training/course.py", r"^(LEAST_EXPLAINED_MORE.* = )0\.05", r"\g<1>0.9"),
    ("training/course.py", r"^(LEAST_LIKELIHOOD.* = )0\.2", r"\g<1>2.0"),
    ("training/course.py", r"^(TOP.* = )0\.98", r"\g<1>0.5"),
    ("training/course.py", r"^(PRIOR.* = )0\.1", r"\g<1>10.0"),
    ("training/selection.py", r"^(MOST.* = )6", r"\g<1>1"),
    ("training/selection.py", r"^(LEAST_SECONDS.* = )3 \*", r"\g<1>0 *"),
    ("training/selection.py", r"^(LEAST_KNOWN.* = )0\.5", r"\g<1>0.01"),
    ("training/selection.py", r"^(LEAST_MOVING.* = )0\.05", r"\g<1>0.0"),
    ("training/selection.py", r"^(SAME.* = )0\.98", r"\g<1>2.0"),
    ("training/robust.py", r"^(TYPICAL_DAYS.* = )3\.0", r"\g<1>300.0"),
    ("training/robust.py", r"^(LEAST_ROWS_A_DAY.* = )60", r"\g<1>6"),
    ("training/linear.py", r"^(SHARE.* = )0\.3", r"\g<1>0.9"),
    ("training/linear.py", r"^(NOW_SHARE.* = )0\.8", r"\g<1>0.1"),
    ("training/linear.py", r"^(RIDGE.* = )1\.0", r"\g<1>100.0"),
    ("training/anomaly.py", r"^(OVER_ORDINARY.* = )2\.0", r"\g<1>20.0"),
    ("training/anomaly.py", r"^(LEAST_DAYS_FOR_MEDIAN.* = )5", r"\g<1>50"),
    ("training/anomaly.py", r"^(FEW_SIGNALS.* = )6", r"\g<1>60"),
    ("training/anomaly.py", r"^(REST: .* = )0\.02", r"\g<1>0.2"),
    ("features/deviations.py", r"^(CALM_AT_REST = )0\.7", r"\g<1>1.0"),
    ("training/anomaly.py", r"^(LEAST_RELATIVE.* = )0\.2", r"\g<1>2.0"),
    ("training/anomaly.py", r"^(WEEK_DAYS.* = )7\.0", r"\g<1>5.5"),
    ("training/anomaly.py", r"^(LEAST_STEP.* = )0\.1", r"\g<1>10.0"),
    ("training/anomaly.py", r"^(STEP_FLOOR.* = )0\.1", r"\g<1>10.0"),
    ("training/order.py", r"^(ENOUGH.* = )0\.95", r"\g<1>0.5"),
    ("features/deviations.py", r"(patience_seconds: float = )18", r"\g<1>6"),
    ("training/anomaly.py", r"^(LEAST_SIGNAL_HALF_HOURS.* = )42", r"\g<1>1"),
)


def main(word: str = "") -> int:
    """Try all of them, or those that have ``word``; answers whether one survived."""
    survivors = 0
    for name, pattern, change in MUTANTS:
        if word not in f"{name} {pattern}":
            continue
        path = ROOT / "loadwatch" / name
        before = path.read_text(encoding="utf-8")
        path.write_text(mutated(before, pattern, change), encoding="utf-8")
        try:
            killer = next((words for words in killers(name) if fails(words)), None)
        finally:
            path.write_text(before, encoding="utf-8")
        survivors += killer is None
        outcome = "survives" if killer is None else f"dies     {' '.join(killer)}"
        print(f"{outcome}  {name}: {pattern}", flush=True)
    return int(survivors > 0)


def mutated(text: str, pattern: str, change: str) -> str:
    """``text`` with that change.

    Raises:
        LookupError: what is to be changed does not stand there.

    """
    mutant = re.sub(pattern, change, text, flags=re.MULTILINE)
    if mutant == text:
        message = f"nothing to change: {pattern}"
        raise LookupError(message)
    return mutant


def killers(name: str) -> Iterator[tuple[str, ...]]:
    """What to ask pytest for, the nearest and cheapest first."""
    room, stem = f"tests/{Path(name).parts[0]}", Path(name).stem
    own = sorted(str(path.relative_to(ROOT)) for path in (ROOT / room).glob(f"test_*{stem}*.py"))
    if own:
        yield tuple(own)
    yield "-m", "quick", room
    yield (GOLDEN,)
    yield "-m", "slow", room


def fails(words: tuple[str, ...]) -> bool:
    """Whether one of these tests notices; none at all is no failure."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode not in (0, 5)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
