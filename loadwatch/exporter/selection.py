"""Which series are exported where not all fit: at most a hundred a host, those of the process included.

A fleet of ten thousand hosts pays for every series ten thousand times. Verdicts, health and worth are
exported whole, and every signal; of the contributions the three strongest of each verdict. Counters of faults
stand at 0 from the start; those of a source, a job or a kind as far as there is room, and from their first
fault on.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from loadwatch.culprits import largest_units
from loadwatch.exporter import table
from loadwatch.exporter.own_process import PROCESS_METRICS
from loadwatch.records import VERDICTS, Contribution, Snapshot, Stage, Verdict
from loadwatch.signals import NAMES

SERIES_LIMIT: Final = 100
FEWEST_SIGNALS: Final = 4
USUAL_HORIZONS: Final = 4
TOP: Final = 3
ALERT_STAGES: Final[tuple[tuple[Verdict, Stage], ...]] = (
    ("high_load", "present"),
    ("high_load", "expected"),
    ("anomaly", "present"),
)

_FIRST: Final = (
    "cpu",
    "memory",
    "network",
    "disk",
    "cpu_pressure",
    "memory_pressure",
    "io_pressure",
    "cpu_max_core",
    "load_per_cpu",
    "swap",
    "iowait",
    "steal",
    "filesystem",
    "filesystem_inodes",
    "oom_kills",
    "file_handles",
    "threads",
    "conntrack",
)
_OWN_RANK: Final = _FIRST.index("filesystem")
_RANK: Final = {name: rank for rank, name in enumerate(dict.fromkeys((*_FIRST, *NAMES)))}


def room_beside(horizons: int, others: int) -> int:
    """How many series fit beside the verdicts of ``horizons`` and ``others``, that are there in trouble only.

    Every other metric, the process's own too, is counted as if it were there, so that the choice does not
    change when, say, the first training ends. All signals of a host fit beside four horizons.
    """
    by_horizon = {table.HIGH_LOAD, table.HIGH_LOAD_PROBABILITY}
    fixed = sum(metric.series or 0 for metric in table.METRICS if metric not in by_horizon)
    return SERIES_LIMIT - len(PROCESS_METRICS) - fixed - 2 * horizons - others


def culprit_shares(snapshot: Snapshot) -> dict[tuple[str, ...], float]:
    """Of what drives the open alerts, the largest shares by unit and resource; at most three in all."""
    shares: dict[tuple[str, ...], float] = {}
    for verdict, culprits in snapshot.culprits.items():
        if verdict in snapshot.alerts:
            for unit in largest_units(culprits):
                shares.setdefault((unit.name, culprits.resource), unit.share)
    return dict(list(shares.items())[:TOP])


@lru_cache(maxsize=4)
def most_telling(names: tuple[str, ...], room: int) -> tuple[str, ...]:
    """The first ``room`` of the signals that a host has, at least four; the order is not by their values.

    A name that is none of ours is that of an operator's own signal.
    """
    ordered = sorted(names, key=lambda name: (_RANK.get(name, _OWN_RANK - 0.5), name))
    return tuple(ordered[: max(room, FEWEST_SIGNALS)])


class StrongestContributions:
    """Keeps the strongest contributions of each verdict, with a membership that does not flutter.

    A series that comes and goes cannot be graphed. A newcomer therefore displaces the weakest member only
    when it is clearly stronger, by half and by a hundredth of the whole scale; in an incident it is at once.
    """

    MARGIN: Final = 1.5
    FLOOR: Final = 0.01

    def __init__(self) -> None:
        self._members: dict[Verdict, list[str]] = {verdict: [] for verdict in VERDICTS}

    def select(self, contributions: Mapping[Verdict, Sequence[Contribution]]) -> dict[tuple[str, ...], float]:
        """The values to export by ``(signal, verdict)``."""
        selected: dict[tuple[str, ...], float] = {}
        for verdict, parts in contributions.items():
            values = {part.signal: part.value for part in parts}
            members = self._members[verdict] = self._renewed(self._members[verdict], values)
            selected |= {(signal, verdict): values[signal] for signal in members}
        return selected

    def _renewed(self, members: Sequence[str], values: Mapping[str, float]) -> list[str]:
        kept = [signal for signal in members if signal in values]
        strongest = sorted(values, key=lambda signal: (-abs(values[signal]), signal))
        for newcomer in strongest:
            if newcomer in kept:
                continue
            if len(kept) < TOP:
                kept.append(newcomer)
                continue
            weakest = min(kept, key=lambda signal: abs(values[signal]))
            if abs(values[newcomer]) <= self.MARGIN * abs(values[weakest]) + self.FLOOR:
                break
            kept[kept.index(weakest)] = newcomer
        return kept
