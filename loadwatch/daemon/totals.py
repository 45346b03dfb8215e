"""Totals that go on through restarts: what happens once a month must not count from 0 each time.

They stand in a file of their own, for one of them counts how often the history was damaged.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from loadwatch.exporter import Exporter
from loadwatch.files import read_bounded, write_atomically
from loadwatch.state_directory import FILE_MODE

log = logging.getLogger(__name__)

FILE: Final = "totals.json"
LONGEST: Final = 4096
"""Bytes; more is no file of ours."""


class Totals:
    """Counts of earlier runs, by what they count, and beside them those of this one."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._told = ""
        self._earlier = self._read()
        self._now = dict(self._earlier)

    def follow(self, exporter: Exporter, alerts: Mapping[str, int], *, salvages: int, set_aside: int) -> None:
        """Export the totals with what this run has counted so far, and keep them where they have grown."""
        counts = {f"alerts_{verdict}": count for verdict, count in alerts.items()}
        counts |= {"history_salvages": salvages, "models_set_aside": set_aside}
        totals = {name: self._earlier.get(name, 0) + count for name, count in counts.items()}
        for verdict in alerts:
            exporter.alerts.set(totals[f"alerts_{verdict}"], verdict)
        exporter.history_salvaged.set(totals["history_salvages"])
        exporter.models_set_aside.set(totals["models_set_aside"])
        if totals != self._now:
            self._write(totals)

    def _read(self) -> dict[str, int]:
        try:
            stored = json.loads(read_bounded(self._path, LONGEST))
            return {str(name): int(count) for name, count in stored.items() if int(count) >= 0}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            log.error("%s cannot be read, its counters begin at 0: %s", self._path, error)
            return {}

    def _write(self, totals: dict[str, int]) -> None:
        try:
            write_atomically(self._path, json.dumps(totals).encode(), mode=FILE_MODE)
        except OSError as error:
            words = error.strerror or type(error).__name__
            if self._told != words:  # tried again each second while the disk is full, and told once
                self._told = words
                log.error("%s cannot be written, a restart forgets what was counted: %s", self._path, words)
        else:
            self._told, self._now = "", totals
