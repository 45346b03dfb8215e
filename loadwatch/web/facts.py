"""What the daemon knows beside the snapshot, for the status page and the terminal.

Every field has a value that says "not known"; the daemon replaces the whole record when something changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from loadwatch.build import Build
from loadwatch.judge.statistics import AlertStatistics
from loadwatch.model.bundle import Card
from loadwatch.records import Alert, Label, Maintenance, Span, Verdict


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """What becomes of the model next, and how training went; times in epoch seconds."""

    state: Literal["idle", "waiting", "running"] = "idle"
    next_timestamp: float | None = None
    last_success_timestamp: float | None = None
    last_duration_seconds: float | None = None
    runs: int = 0
    failures: int = 0
    rejections: int = 0
    last_message: str = ""


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """How it goes with one service that is told of alerts; its name shows nothing of its URL but the scheme.

    ``trouble`` says why the last message was not delivered, and is empty once one is; times in epoch seconds.
    """

    name: str
    waiting: int = 0
    last_success_timestamp: float | None = None
    last_failure_timestamp: float | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about the daemon that is not a verdict.

    ``labels`` and ``trainings`` are those of the last week, oldest first; a training that goes on ends at
    infinity.
    """

    host: str = ""
    build: Build | None = None
    started_timestamp: float | None = None
    card: Card | None = None
    training: TrainingStatus = TrainingStatus()
    budget_per_week: float | None = None
    alerts_this_week: Mapping[Verdict, int] = field(default_factory=dict)
    worth: Mapping[Verdict, AlertStatistics] = field(default_factory=dict)
    threshold_raise: Mapping[Verdict, float] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    labels: tuple[Label, ...] = ()
    trainings: tuple[Span, ...] = ()
    notifications: tuple[RecipientStatus, ...] = ()
    state_identity: str | None = None
    history_rows: int | None = None
    history_span: Span | None = None
    history_stores: bool = True
