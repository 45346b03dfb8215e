"""Changes one tuned constant at a time and says which no test notices: ``python .dev/mutants.py [WORD]``.

Each is tried on the tests of its module first, then on those of its room, the quick ones before the others,
then on the golden figures; with a word, only those whose file or pattern has it. It edits the checkout and
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
    ("training/candidate.py", r"(GROWTH = )6\.0", r"\g<1>60.0"),
    ("features/lookback.py", r"(PROFILE_RATES = )\(0\.1, 0\.3\)", r"\g<1>(0.2, 0.6)"),
    ("exporter/selection.py", r"(MARGIN: Final = )1\.5", r"\g<1>1.0"),
    ("training/linear.py", r"(FEW_ONSETS: Final = )6\.0", r"\g<1>60.0"),
    ("training/forecast.py", r"(REPEATS_FLOOR: Final = )1\.0", r"\g<1>0.001"),
    ("training/forecast.py", r"(MOVED_SHARE: Final = )0\.4", r"\g<1>0.0"),
    (
        "features/lookback.py",
        r"_fading_share\(weeks, 0\.85, daily, 0\.7\)",
        "_fading_share(weeks, 0.5, daily, 3.0)",
    ),
    ("training/forecast.py", r"(OWN_SHARE: Final = )0\.3", r"\g<1>0.9"),
    ("training/robust.py", r"(DEVIATION_SHARE: Final = )0\.3", r"\g<1>0.9"),
    ("training/anomaly.py", r"(REACH: Final = )5\.0", r"\g<1>50.0"),
    ("training/anomaly.py", r"(LEAST_VARIABILITY: Final = )0\.4", r"\g<1>4.0"),
    ("training/anomaly.py", r"(LEAST_THRESHOLD: Final = )4\.0", r"\g<1>0.4"),
    ("training/course.py", r"(LEAST_EXPLAINED: Final = )0\.3", r"\g<1>0.9"),
    ("training/course.py", r"(LOWEST, HIGHEST = )0\.7", r"\g<1>0.2"),
    ("model/recurring.py", r"(OFTEN: Final = )3", r"\g<1>2"),
    ("model/smoothing.py", r"(CLEARED: Final = )0\.33", r"\g<1>0.9"),
    ("model/baseline.py", r"(SEASON_FACTOR: Final = )2\.0", r"\g<1>0.5"),
    ("training/calibration.py", r"(CAUTION: Final = )20\.0", r"\g<1>2000.0"),
)


def main(word: str = "") -> int:
    """Try all of them, or those that have ``word``; answers whether one survived."""
    survivors = 0
    for name, pattern, change in MUTANTS:
        if word not in f"{name} {pattern}":
            continue
        path = ROOT / "loadwatch" / name
        before = path.read_text(encoding="utf-8")
        mutant, found = re.subn(pattern, change, before, flags=re.MULTILINE)
        if not found or mutant == before:
            print(f"gone      {name}: {pattern}", flush=True)
            continue
        path.write_text(mutant, encoding="utf-8")
        try:
            killer = next((words for words in killers(name) if fails(words)), None)
        finally:
            path.write_text(before, encoding="utf-8")
        survivors += killer is None
        outcome = "survives" if killer is None else f"dies     {' '.join(killer)}"
        print(f"{outcome}  {name}: {pattern}", flush=True)
    return int(survivors > 0)


def killers(name: str) -> Iterator[tuple[str, ...]]:
    """What to ask pytest for, the nearest and cheapest first."""
    room, stem = f"tests/{Path(name).parts[0]}", Path(name).stem
    own = sorted(str(path.relative_to(ROOT)) for path in (ROOT / room).glob(f"test_*{stem}*.py"))
    if own:
        yield tuple(own)
    yield "-m", "quick", room
    yield "-m", "slow", room
    yield (GOLDEN,)


def fails(words: tuple[str, ...]) -> bool:
    """Whether one of these tests notices; none at all is no failure."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode not in (0, 5)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
