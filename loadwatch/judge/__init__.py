"""From probability to flag to alert: quiet, within a budget, and honest about both.

Flags tell the state at every sample, with hysteresis (`flags`) and a static guard beside the model (`guard`).
Alerts call somebody (`pager`): a few stretches a week (`budget`) that are more than this host is used to at
that time (`habit`). `alerts` says afterwards what they were worth; `maintenance` knows when to be silent.
"""

from loadwatch.judge.alerts import AlertStatistics, count_caught, is_false, summarise, with_labels
from loadwatch.judge.judge import Judge
from loadwatch.judge.maintenance import MaintenanceCalendar
from loadwatch.judge.verdict import Evidence, EvidenceBatch, Judgement, Judgements

__all__ = [
    "AlertStatistics",
    "Evidence",
    "EvidenceBatch",
    "Judge",
    "Judgement",
    "Judgements",
    "MaintenanceCalendar",
    "count_caught",
    "is_false",
    "summarise",
    "with_labels",
]
