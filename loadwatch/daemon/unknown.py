"""Signals that decide and stay unknown: said to everybody, because unknown is never calm."""

from collections.abc import Callable, Collection
from typing import Final

from loadwatch.records import Sample

AFTER_SECONDS: Final = 30.0
AFTER_SAMPLES: Final = 3
"""A device that came or went makes one or two samples unknown; that is no news."""
_UNEXPLAINED: Final = "what the kernel counts steps back or jumps at every sample"


class UnknownSignals:
    """Follows which of the signals that rule or limits need are unknown sample after sample.

    why: what went wrong with a signal at the last sample, empty where nothing did.
    """

    def __init__(self, why: Callable[[str], str]) -> None:
        self._why = why
        self._since: dict[str, tuple[float, int]] = {}

    def update(self, sample: Sample, needed: Collection[str]) -> dict[str, str]:
        """Those that have stayed unknown up to this sample, each with the reason."""
        values, before = sample.values, self._since
        self._since = {
            name: (before[name][0], before[name][1] + 1) if name in before else (sample.monotonic, 1)
            for name in needed
            if values.get(name, 0.0) != values.get(name, 0.0)  # NaN; one that is absent is not missed
        }
        return {
            name: self._why(name) or _UNEXPLAINED
            for name, (since, samples) in sorted(self._since.items())
            if samples >= AFTER_SAMPLES and sample.monotonic - since >= AFTER_SECONDS
        }
