"""All alerts, those about the host first."""

from typing import Final

from generate.alert import AlertRule
from generate.health_alerts import HEALTH_ALERTS
from generate.verdict_alerts import FLAG_ALERTS, VERDICT_ALERTS

ALERTS: Final[tuple[AlertRule, ...]] = (*VERDICT_ALERTS, *HEALTH_ALERTS)

# In a file of their own that nothing loads by itself.
FLAGS: Final[tuple[AlertRule, ...]] = FLAG_ALERTS
