"""Which resource drives a verdict, and who uses it in words: the text of an alert, of page and terminal."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from loadwatch.records import Contribution, Culprit, Culprits
from loadwatch.signals import BY_NAME, Resource

NAMED: Final = 3
_GRAVEST_FIRST: Final[tuple[Resource, ...]] = ("memory", "io", "cpu")
"""A host short of memory reads back what it has put away, and one that waits for storage has a high load."""
_WORTH_NAMING: Final = 0.01
_BESIDE_LARGEST: Final = 0.1
"""Who uses less than this part of what the largest uses explains nothing."""
_CLEARLY: Final = 1.25
_SAME: Final = 0.8
"""Of a unit whose one process uses this part of its share, or more, the process alone is told."""
_MEBIBYTE: Final = 2.0**20


def driving_resource(
    limits: Iterable[str],
    deciding: Iterable[str],
    contributions: Sequence[Contribution],
    values: Mapping[str, float],
) -> Resource | None:
    """The resource that a verdict is about; None where what drives it is none that is measured by program.

    limits: signals over their plain limits; deciding: those of the comparison by which the operator's rule
    holds; contributions: of the model to the verdict; values: the sample. The first that tells counts.
    """
    for signals in (limits, deciding):
        named = {_resource(signal, values) for signal in signals}
        for resource in _GRAVEST_FIRST:
            if resource in named:
                return resource
    towards = dict.fromkeys(_GRAVEST_FIRST, 0.0)
    for part in contributions:
        told = _resource(part.signal, values)
        if told is not None and part.value > 0.0:
            towards[told] += part.value
    strongest = max(towards, key=lambda each: towards[each])
    return strongest if towards[strongest] > 0.0 else None


def _resource(signal: str, values: Mapping[str, float]) -> Resource | None:
    if signal == "load_per_cpu":
        # The load average counts those who wait for storage like those who compute.
        waiting, computing = (
            max((values[name] for name in names if not math.isnan(values.get(name, math.nan))), default=0.0)
            for names in (("iowait", "io_pressure"), ("cpu", "cpu_pressure"))
        )
        return "io" if waiting > computing else "cpu"
    known = BY_NAME.get(signal)
    return known.resource if known else None


def culprit_words(culprits: Culprits, most: int = NAMED) -> str:
    """Who used the resource, the largest first, in one line; and what could not be seen.

    >>> mysqld = Culprit("process", "mysqld", 0.775, processes=1, unit="mysql.service")
    >>> culprit_words(Culprits("cpu", 0.0, 60.0, 4.0, (Culprit("unit", "mysql.service", 0.78), mysqld)))
    'mysqld (mysql.service) 3.1 of 4 CPUs'
    >>> culprit_words(Culprits("io", 0.0, 60.0, None, (Culprit("unit", "backup.service", 0.78, True),)))
    'backup.service: 78 % of the I/O stall'
    """
    words = "; ".join(
        f"{_name(each)}{_amount(each, culprits)}" for each in strongest_culprits(culprits, most)
    )
    return " ".join(part for part in (words, f"({culprits.note})" if culprits.note else "") if part)


def strongest_culprits(culprits: Culprits, most: int = NAMED) -> list[Culprit]:
    """Those worth naming, the largest first; of a unit that is one program, the program alone."""
    largest = max((each.share for each in culprits.named), default=0.0)
    worth = [each for each in culprits.named if each.share >= max(_WORTH_NAMING, _BESIDE_LARGEST * largest)]
    told = [each for each in worth if not any(_says_it(other, each) for other in worth)]
    return sorted(told, key=lambda each: -each.share)[:most]


def is_worse(now: Culprits, before: Culprits | None) -> bool:
    """Whether somebody uses clearly more of the same resource than anybody before, or nobody was known."""
    if before is None or not before.named:
        return True
    largest, largest_before = (max(each.share for each in them.named) for them in (now, before))
    return now.resource == before.resource and largest > _CLEARLY * largest_before


def largest_units(culprits: Culprits, most: int = NAMED) -> Iterator[Culprit]:
    """The units worth naming, the largest first; where none is known, the processes."""
    units = [each for each in culprits.named if each.kind == "unit"] or culprits.named
    yield from sorted((each for each in units if each.share >= _WORTH_NAMING), key=lambda each: -each.share)[
        :most
    ]


def _says_it(process: Culprit, unit: Culprit) -> bool:
    return (
        (process.kind, unit.kind) == ("process", "unit")
        and process.unit == unit.name
        and process.share >= _SAME * unit.share
    )


def _name(culprit: Culprit) -> str:
    beside = [culprit.unit] if culprit.unit else []
    if culprit.processes is not None and culprit.processes > 1:
        beside.append(f"{culprit.processes} processes")
    return f"{culprit.name} ({', '.join(beside)})" if beside else culprit.name


def _amount(culprit: Culprit, culprits: Culprits) -> str:
    if culprits.total is None:
        return f": {_per_cent(culprit.share)} of the I/O{' stall' if culprit.stalled else ''}"
    used = culprit.share * culprits.total
    if culprits.resource == "cpu":
        return f" {_short(used)} of {culprits.total:g} CPU{'' if culprits.total == 1 else 's'}"
    size, unit = (_MEBIBYTE * 1024, "GiB") if culprits.total >= _MEBIBYTE * 1024 else (_MEBIBYTE, "MiB")
    return f" {_short(used / size)} of {_short(culprits.total / size)} {unit} of memory"


def _per_cent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _short(number: float) -> str:
    """Two digits, and all before the point.

    >>> _short(3.14), _short(0.0449), _short(125.8), _short(4.0)
    ('3.1', '0.04', '126', '4')
    """
    text = f"{number:.0f}" if number >= 10 else f"{number:.1f}" if number >= 0.1 else f"{number:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
