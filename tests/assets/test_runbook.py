"""Each alert leads to a section that says what it means, what to do and how it ends."""

import re
from pathlib import Path

from generate.alerts import ALERTS
from generate.runbook import END, START, runbook, with_runbook

from loadwatch.cli.main import COMMANDS

README = Path(__file__).parents[2] / "README.md"


def test_every_runbook_url_leads_to_a_section() -> None:
    """The anchor that GitHub makes of each heading is the one in the alert."""
    anchors = {heading.lower() for heading in re.findall(r"^### (\w+)$", runbook(), re.MULTILINE)}
    assert {alert.runbook_url.partition("#")[2] for alert in ALERTS} == anchors


def test_every_alert_named_in_the_runbook_exists() -> None:
    """A section refers to others by names that are there."""
    assert set(re.findall(r"\bLoadwatch[A-Z]\w+", runbook())) == {alert.name for alert in ALERTS}


def test_every_command_named_in_the_runbook_exists() -> None:
    """Who follows a section is not sent into a void."""
    commands = set(re.findall(r"`loadwatch ([a-z-]+)", runbook()))
    assert commands
    assert commands <= COMMANDS.keys()


def test_the_runbook_replaces_what_stands_between_its_marks() -> None:
    """What people wrote around it stays; a second time changes nothing more."""
    readme = f"# title\n{START}old\n{END}\nmore\n"
    once = with_runbook(readme)
    assert once == f"# title\n{START}\n{runbook()}\n{END}\nmore\n"
    assert with_runbook(once) == once
    assert with_runbook("# no marks\n") == "# no marks\n"


def test_the_readme_has_the_runbook_of_today() -> None:
    """After a change of an alert: ``python .dev/documents.py`` and commit."""
    readme = README.read_text(encoding="utf-8")
    assert START in readme
    assert with_runbook(readme) == readme
