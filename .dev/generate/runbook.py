"""The runbook: a section of Markdown for each alert, to which its ``runbook_url`` leads."""

from generate.alert import AlertRule
from generate.alerts import ALERTS, FLAGS


def runbook() -> str:
    """All sections, in the order of the rules; the headings make the anchors."""
    return "\n" + "\n".join(_section(alert) for alert in (*ALERTS, *FLAGS)) + "\n"


def _section(alert: AlertRule) -> str:
    wait = "" if alert.wait == "0s" else f", after {alert.wait}"
    return (
        f"## {alert.name}\n\n"
        f"*{alert.severity}{wait}.* {alert.meaning}\n\n"
        f"**What to do.** {alert.action}\n\n"
        f"**How it clears.** {alert.clearing}\n"
    )
