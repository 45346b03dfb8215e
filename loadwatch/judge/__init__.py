"""From probability to flag to alert: quiet, within a budget, and honest about both.

Flags tell the state at every sample, with hysteresis (`flags`) and static limits beside the model (`limits`).
Alerts call a person (`alerting`): a few stretches a week (`budget`) that are more than this host is used to
at that time (`seasonality`). `statistics` says afterwards what they were worth.
"""

from loadwatch.judge.judge import Judge
from loadwatch.judge.statistics import AlertStatistics, is_false, summarise, with_labels
from loadwatch.judge.types import Evidence, EvidenceBatch, Judgement, Judgements

__all__ = [
    "AlertStatistics",
    "Evidence",
    "EvidenceBatch",
    "Judge",
    "Judgement",
    "Judgements",
    "is_false",
    "summarise",
    "with_labels",
]
