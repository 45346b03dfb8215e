"""What the daemon knows beside the snapshot, for the status page and the terminal.

Every field has a value that says "not known"; the daemon replaces the whole record when something changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from loadwatch.build import Build
from loadwatch.records import Alert, Maintenance, Span, Verdict


@dataclass(frozen=True, slots=True)
class ModelCard:
    """How the model in use was made and how good it was on the span it never saw."""

    rows: int | None = None
    span: Span | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    brier: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """What becomes of the model next, and how training went; times in epoch seconds."""

    state: Literal["idle", "waiting", "running"] = "idle"
    next_timestamp: float | None = None
    last_success_timestamp: float | None = None
    last_duration: float | None = None
    runs: int = 0
    failures: int = 0
    rejections: int = 0
    last_message: str = ""


@dataclass(frozen=True, slots=True)
class Worth:
    """What the alerts have been worth; by verdict those of the last seven days, and those that were false."""

    budget_per_week: float | None = None
    alerts_this_week: Mapping[Verdict, int] = field(default_factory=dict)
    false_per_week: Mapping[Verdict, float] = field(default_factory=dict)
    threshold_raise: Mapping[Verdict, float] = field(default_factory=dict)
    forecast_hit_ratio: float | None = None
    forecast_lead_time: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about the daemon that is not a verdict."""

    host: str = ""
    build: Build | None = None
    started_timestamp: float | None = None
    model_card: ModelCard = ModelCard()
    training: TrainingStatus = TrainingStatus()
    worth: Worth = Worth()
    alerts: tuple[Alert, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    state_identity: str | None = None
    history_rows: int | None = None
    history_span: Span | None = None
    history_stores: bool = True
