"""What people read is what the code does: documents, manual and completion are of today."""

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import documents
import pytest
from generate.alerts import ALERTS
from manual import anchor, manual

import loadwatch
from loadwatch.assets import list_assets
from loadwatch.cli.main import cli
from loadwatch.exporter import METRICS

TEXT = documents.text()
MANUAL = manual(documents.ROOT, loadwatch.__version__)
REFERENCES = {
    "https://appriseit.com/services/",
    "https://keepachangelog.com/",
    "https://semver.org/",
    "https://www.monitoring-plugins.org/doc/guidelines.html",
}
SUFFIXES = re.compile(r"_(bucket|count|sum)$")


@pytest.mark.parametrize("path", documents.documents(), ids=lambda path: path.name)
def test_generated_parts_of_the_documents_are_of_today(path: Path) -> None:
    """Whoever changes a setting, a command, a metric or an alert runs ``python .dev/documents.py``."""
    text = path.read_text(encoding="utf-8")
    assert documents.renewed(text) == text


@pytest.mark.parametrize("name", ["settings", "rule", "commands", "metrics", "runbook"])
def test_the_documents_have_the_part(name: str) -> None:
    """A heading without its table helps nobody."""
    assert TEXT.count(f"<!-- generated: {name} -->\n") == 1


def test_the_readme_is_one_page() -> None:
    """What loadwatch is, how to have it, where the rest is: a newcomer reads it to its end."""
    assert documents.README.stat().st_size <= 8192


def test_every_document_is_in_the_manual() -> None:
    """A page that is added is served, and one that goes leaves no gap."""
    assert set(documents.pages(documents.ROOT)) == set((documents.ROOT / "loadwatch" / "docs").glob("*.md"))


def test_every_link_between_documents_leads_somewhere() -> None:
    """To a file that is there, and to a heading in it."""
    for path in documents.documents():
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            name, _, section = target.partition("#")
            file = path.parent / name if name else path
            assert file.is_file(), f"{path.name}: {target}"
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE) if section else []
            assert not section or section in {anchor(heading) for heading in headings}, (
                f"{path.name}: {target}"
            )


def test_the_examples_of_the_network_run() -> None:
    """Every line of them prints what is shown."""
    path = documents.ROOT / "loadwatch" / "docs" / "neural-network.md"
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    result = doctest.testfile(str(path), module_relative=False, optionflags=flags)
    assert result.failed == 0
    assert result.attempted > 30


def test_the_manual_is_of_today() -> None:
    """It follows commands and settings; ``python .dev/documents.py`` writes it."""
    assert (documents.ASSETS / documents.MAN_PAGE).read_text(encoding="utf-8") == documents.man_page()


def test_the_served_manual_is_of_today() -> None:
    """The build made it of these documents: in a wheel, an image, and an editable checkout."""
    served = Path(loadwatch.__file__).parent / "web" / "static" / "manual.html"
    assert served.read_text(encoding="utf-8") == MANUAL


def test_every_link_of_the_manual_leads_somewhere() -> None:
    """To a section, to a file served beside it, to the daemon, or to a named reference."""
    names = re.findall(r'id="([^"]+)"', MANUAL)
    assert len(names) == len(set(names))
    served = {file.name for file in documents.MANUAL.parent.iterdir()}
    for link in re.findall(r'(?:href|src)="([^"]+)"', MANUAL):
        local = link[1:] in names if link.startswith("#") else link in served
        assert local or link in {"../", "http://127.0.0.1:10074/"} or link in REFERENCES, link


def test_every_alert_leads_to_a_section_of_the_manual() -> None:
    """By default as with ``--project-url``: the anchors are those that GitHub makes, here and there."""
    for alert in ALERTS:
        page, _, section = alert.runbook_url.partition("#")
        assert page.endswith(f"/static/{documents.MANUAL.name}")
        assert f'<h3 id="{section}">{alert.name}</h3>' in MANUAL


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


def test_every_metric_in_the_documents_exists() -> None:
    """A query copied from there finds something; the playbook's variables are named alike, and exist too."""
    playbook = (documents.ASSETS / "ansible" / "loadwatch.yml").read_text(encoding="utf-8")
    known = {metric.name for metric in METRICS} | set(re.findall(r"\bloadwatch_[a-z_]+\b", playbook))
    named = {SUFFIXES.sub("", name) for name in re.findall(r"\bloadwatch_[a-z_]+\b", TEXT)}
    assert named - known == set()


def shown_commands() -> list[str]:
    """Every command line with ``loadwatch`` in the documents' shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    parts = [part.strip() for line in lines for part in re.split(r"&&|\|", line)]
    return [part for part in parts if re.match(r"(\S*/)?loadwatch\s", part)]


@pytest.mark.parametrize("line", shown_commands())
def test_every_command_in_the_documents_parses(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"`((?:PYTHONPATH=tests )?python tests/benchmarks/\w+\.py)\b", TEXT)))
)
def test_every_benchmark_in_the_documents_starts_as_they_say(command: str) -> None:
    """Who doubts a figure can measure it: nothing that it needs has moved away."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if command.startswith("PYTHONPATH=tests "):
        environment["PYTHONPATH"] = "tests"
    script = command.rpartition(" ")[2]
    subprocess.run(
        [sys.executable, script, "--help"],
        cwd=documents.ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )


def test_every_command_named_in_running_text_exists() -> None:
    """In sentences too: ``loadwatch stauts`` would fail here."""
    for words in re.findall(r"`loadwatch ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", TEXT):
        name, _, below = words.partition(" ")
        context = click.Context(cli)
        command = cli.get_command(context, name)
        assert command is not None, words
        if isinstance(command, click.Group) and below and name != "label":
            assert command.get_command(context, below) is not None, words
