"""All alerts, those about the host first."""

from typing import Final

from loadwatch.assets.generate.alert import Alert
from loadwatch.assets.generate.health_alerts import HEALTH_ALERTS
from loadwatch.assets.generate.verdict_alerts import VERDICT_ALERTS

ALERTS: Final[tuple[Alert, ...]] = (*VERDICT_ALERTS, *HEALTH_ALERTS)
