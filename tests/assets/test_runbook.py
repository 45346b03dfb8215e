"""Each alert leads to a section that says what it means, what to do and how it ends."""

import re

from generate.alerts import ALERTS, FLAGS
from generate.runbook import runbook

from loadwatch.cli.main import COMMANDS


def test_every_runbook_url_leads_to_a_section() -> None:
    """The anchor that GitHub makes of each heading is the one in the alert."""
    anchors = {heading.lower() for heading in re.findall(r"^## (\w+)$", runbook(), re.MULTILINE)}
    assert {alert.runbook_url.partition("#")[2] for alert in (*ALERTS, *FLAGS)} == anchors


def test_every_alert_named_in_the_runbook_exists() -> None:
    """A section refers to others by names that are there."""
    assert set(re.findall(r"\bLoadwatch[A-Z]\w+", runbook())) == {alert.name for alert in (*ALERTS, *FLAGS)}


def test_every_command_named_in_the_runbook_exists() -> None:
    """Who follows a section is not sent into a void."""
    commands = set(re.findall(r"`loadwatch ([a-z-]+)", runbook()))
    assert commands
    assert commands <= COMMANDS.keys()
