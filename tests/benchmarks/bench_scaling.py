"""What scaling on the forecast of the load level brings, beside scaling on the CPU, on recorded traffic.

Each Bitbrains file stands for the traffic of a service: its CPU share over 80 % is the load level, and at
level 1 ten servers are at their limit. Adding a server changes no traffic, so the level is that of a signal
which does not depend on the number of servers, such as requests a second at the load balancer. Rows are five
minutes; what is decided at one row holds from the next, which is the time a new server takes, and a server is
gone at once. Loadwatch has learned the first half of each file; the second half is played.

    cpu 70 %     as the Horizontal Pod Autoscaler does: so many servers that the mean CPU share is at most the
                 target, a tolerance of a tenth, and of the last five minutes' answers the largest
    q0.9, q0.5   so many servers as the quantile of the highest level within 15 minutes needs, and of the last
                 fifteen minutes' answers the largest
    70 % held    the same, the largest answer of the last fifteen minutes
    with both    the larger of q0.9 and cpu 70 %, as the autoscaler takes the larger of two metrics
    foresight    as many as the next row needs, known beforehand: the least anybody could pay

    bench_scaling.py                      every Bitbrains file
    bench_scaling.py FILE ...             these

Over the limit is the share of the time in which the servers that run are above 80 %; server-hours are those
paid, over those that foresight pays. Not a test: it takes minutes.
"""

import argparse
import sys
from collections import deque
from pathlib import Path

import numpy as np
import pandas as pd
from bench_forecast import HORIZONS, SHARED, read

from loadwatch.labels.rule import Rule
from loadwatch.training.forecast import Lesson

LIMIT = 0.8  # CPU share of a server at its limit
SERVERS = 10  # that are at their limit at load level 1
TOLERANCE = 0.1  # of the autoscaler: so near to the target nothing is changed
LEAST = 1


def needed(levels: np.ndarray) -> np.ndarray:
    """Servers (N,) that carry these levels (N,) at their limit or below."""
    return np.maximum(np.ceil(SERVERS * levels - 1e-9), LEAST)


def by_cpu(levels: np.ndarray, target: float, held: int = 2) -> np.ndarray:
    """Servers (N,) that run while each level (N,) comes, by a target of the mean CPU share.

    held: of how many answers the largest is taken, the newest among them.
    """
    running, answers, answer = needed(levels)[0], deque(maxlen=held), []
    for level in levels:
        answer.append(running)
        share = SERVERS * level * LIMIT / running
        wanted = running
        if abs(share / target - 1.0) > TOLERANCE:
            wanted = max(np.ceil(running * share / target - 1e-9), LEAST)
        answers.append(wanted)
        running = max(answers)
    return np.array(answer)


def by_forecast(forecast: np.ndarray, rows: int = 3) -> np.ndarray:
    """Servers (N,) that run while each row comes, by the level (N,) forecast at the rows before it."""
    wanted = needed(forecast)
    held = np.max(
        [np.concatenate([np.full(back, wanted[0]), wanted])[: len(wanted)] for back in range(rows)], axis=0
    )
    return np.concatenate([[held[0]], held[:-1]])


def play(path: Path, seed: int) -> dict[str, tuple[float, float]]:
    """By policy the share of the time over the limit, and server-hours over those of foresight."""
    recording = read(path)
    rule = Rule.parse(f"cpu_percent > {100 * LIMIT!r}")
    levels, half = rule.levels(recording), len(recording) // 2
    model, _ = Lesson(recording.rows(0, half), rule, HORIZONS, seed=seed).earlier()
    values = recording.with_signals(model.spec.signals).values
    features = model.features().extend(recording.timestamps, values, levels)
    forecast = model.look_ahead(features)[1][half:, -1]
    levels = np.nan_to_num(levels[half:])
    policies = {f"cpu {100 * target:.0f} %": by_cpu(levels, target) for target in (0.7, 0.6, 0.5, 0.4)}
    policies |= {f"{100 * target:.0f} % held": by_cpu(levels, target, held=3) for target in (0.7, 0.6, 0.5)}
    policies["q0.5"], policies["q0.9"] = by_forecast(forecast[:, 0]), by_forecast(forecast[:, 1])
    policies["with both"] = np.maximum(policies["q0.9"], policies["cpu 70 %"])
    policies["foresight"] = needed(levels)
    least = policies["foresight"].sum()
    return {
        name: (float((SERVERS * levels > running + 1e-9).mean()), float(running.sum() / least))
        for name, running in policies.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    over, paid = {}, {}
    for path in options.files or sorted((SHARED / "data/bitbrains").glob("*.csv.gz")):
        played = play(path, options.seed)
        host = path.name.removesuffix(".csv.gz")[-5:]
        over[host] = {name: 100 * share for name, (share, _) in played.items()}
        paid[host] = {name: hours for name, (_, hours) in played.items()}
        print(
            host, {name: (round(100 * a, 2), round(b, 2)) for name, (a, b) in played.items()}, file=sys.stderr
        )
    for title, table in (("time over the limit, %", over), ("server-hours, over those of foresight", paid)):
        frame = pd.DataFrame(table).T
        frame.loc["mean"] = frame.mean()
        print(f"\n{title}\n{frame.round(2).to_string()}")


if __name__ == "__main__":
    main()
