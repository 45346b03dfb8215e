"""All alerts, those about the host first."""

from typing import Final

from generate.alert import AlertRule
from generate.health_alerts import HEALTH_ALERTS
from generate.verdict_alerts import VERDICT_ALERTS

ALERTS: Final[tuple[AlertRule, ...]] = (*VERDICT_ALERTS, *HEALTH_ALERTS)
