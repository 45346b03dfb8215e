"""What people read is what the code does: README, manual and completion are of today."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import documents
import pytest
from generate.alerts import ALERTS

from loadwatch.assets import list_assets
from loadwatch.cli.main import cli
from loadwatch.exporter import METRICS

README = documents.README.read_text(encoding="utf-8")
SUFFIXES = re.compile(r"_(bucket|count|sum)$")


def test_generated_parts_of_the_readme_are_of_today() -> None:
    """Whoever changes a setting, a command or a metric runs ``python .dev/documents.py`` and commits."""
    assert documents.readme(README) == README


@pytest.mark.parametrize("name", ["settings", "commands", "metrics"])
def test_the_readme_has_the_part(name: str) -> None:
    """A heading without its table helps nobody."""
    assert f"<!-- generated: {name} -->\n|" in README


def test_the_manual_is_of_today() -> None:
    """It follows commands and settings; ``python .dev/documents.py`` writes it."""
    assert (documents.ASSETS / documents.MAN_PAGE).read_text(encoding="utf-8") == documents.man_page()


def test_the_served_manual_is_of_today() -> None:
    """It is the README; ``python .dev/documents.py`` writes it."""
    assert documents.MANUAL.read_text(encoding="utf-8") == documents.manual()


def test_every_link_of_the_manual_leads_somewhere() -> None:
    """To a section, to a file served beside it, or to the daemon itself: none leaves the host."""
    page = documents.manual()
    names = set(re.findall(r'id="([^"]+)"', page))
    served = {file.name for file in documents.MANUAL.parent.iterdir()}
    for link in re.findall(r'(?:href|src)="([^"]+)"', page):
        local = link[1:] in names if link.startswith("#") else link in served
        assert local or link in {"../", "http://127.0.0.1:10074/"}, link


def test_every_alert_leads_to_a_section_of_the_manual() -> None:
    """By default as with ``--project-url``: the anchors are those that GitHub makes, here and there."""
    for alert in ALERTS:
        page, _, section = alert.runbook_url.partition("#")
        assert page.endswith(f"/static/{documents.MANUAL.name}")
        assert f'<h3 id="{section}">{alert.name}</h3>' in documents.manual()


def test_what_is_written_here_is_shipped() -> None:
    """Manual and completion can be exported; completion itself is tried in real shells elsewhere."""
    assert documents.files().keys() <= {asset.name for asset in list_assets()}


def test_man_finds_nothing_wrong() -> None:
    """The manual page is clean for groff, with all warnings on."""
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    path = documents.ASSETS / documents.MAN_PAGE
    end = subprocess.run(
        ["groff", "-man", "-Tascii", "-P-cbou", "-ww", path],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert end.stderr == ""
    assert "loadwatch maintenance start" in end.stdout


def test_every_metric_in_the_readme_exists() -> None:
    """A query copied from there finds something."""
    known = {metric.name for metric in METRICS}
    named = {SUFFIXES.sub("", name) for name in re.findall(r"\bloadwatch_[a-z_]+\b", README)}
    assert named - known == set()


def shown_commands() -> list[str]:
    """Every command line with ``loadwatch`` in the README's shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    parts = [part.strip() for line in lines for part in re.split(r"&&|\|", line)]
    return [part for part in parts if re.match(r"(\S*/)?loadwatch\s", part)]


@pytest.mark.parametrize("line", shown_commands())
def test_every_command_in_the_readme_parses(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown is understood, down to the last option; files named in it need not exist here."""
    monkeypatch.setattr(click.Path, "convert", lambda self, value, *_: Path(value))
    parse(cli, shlex.split(line, comments=True)[1:])


def parse(command: click.Command, arguments: list[str], parent: click.Context | None = None) -> None:
    """Read arguments as click does, and run nothing."""
    context = command.make_context(command.name or "loadwatch", arguments, parent=parent)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if rest:
            name, child, below = command.resolve_command(context, rest)
            assert name
            assert child
            parse(child, below, context)


def test_every_command_named_in_running_text_exists() -> None:
    """In sentences too: ``loadwatch stauts`` would fail here."""
    for words in re.findall(r"`loadwatch ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", README):
        name, _, below = words.partition(" ")
        context = click.Context(cli)
        command = cli.get_command(context, name)
        assert command is not None, words
        if isinstance(command, click.Group) and below and name != "label":
            assert command.get_command(context, below) is not None, words
