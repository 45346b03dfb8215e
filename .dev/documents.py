"""Writes what is derived from the code: rules, dashboards, tables of the documents, manual, completion.

``python .dev/documents.py`` rewrites them in the checkout; ``tests/test_documents.py`` fails where somebody
forgot to.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from generate import build
from generate.runbook import runbook
from manual import manual, pages

from loadwatch import __version__, config
from loadwatch.cli.completion import script
from loadwatch.cli.main import cli
from loadwatch.cli.time_options import Duration, Moment, SinceType
from loadwatch.errors import ConfigurationError, LoadwatchError, UsageError
from loadwatch.exporter import METRICS
from loadwatch.files import write_atomically
from loadwatch.labels.rule import DEFAULT_RULE
from loadwatch.signals import BY_NAME

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
MANUAL = ROOT / "loadwatch" / "web" / "static" / "manual.html"
ASSETS = ROOT / "loadwatch" / "assets" / "files"
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
COMPLETIONS = {
    "bash": "completion/loadwatch.bash",
    "zsh": "completion/_loadwatch",
    "fish": "completion/loadwatch.fish",
}
MAN_PAGE = "man/loadwatch.1"


def commands(command: click.Command = cli, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something by itself, as it is typed, in the order of the help."""
    context = click.Context(command)
    below = command.list_commands(context) if isinstance(command, click.Group) else []
    if names and (not below or getattr(command, "invoke_without_command", False)):
        yield " ".join(["loadwatch", *names]), command
    for name in below:
        child = command.get_command(context, name) if isinstance(command, click.Group) else None
        if child is not None:
            yield from commands(child, *names, name)


def own_options(command: click.Command) -> list[click.Option]:
    """Its options beside those that every command takes."""
    shared = {parameter.name for parameter in cli.params}
    return [
        option
        for option in command.params
        if isinstance(option, click.Option) and option.name not in shared and not option.hidden
    ]


def usage(name: str, command: click.Command) -> str:
    """The command with its arguments."""
    return " ".join(
        [name, *(placeholder(each) for each in command.params if isinstance(each, click.Argument))]
    )


def placeholder(parameter: click.Parameter) -> str:
    """What stands for its value; ours and not click's, which differs from version to version."""
    name = (parameter.metavar or parameter.name or "").upper()
    if isinstance(parameter.type, click.Choice):
        name = "|".join(parameter.type.choices)
    elif isinstance(parameter, click.Option) and not parameter.metavar:
        ours = isinstance(parameter.type, Duration | Moment | SinceType)
        name = "FILE" if isinstance(parameter.type, click.Path) else "VALUE"
        name = parameter.type.name.upper() if ours else name
    if isinstance(parameter, click.Option) or parameter.required:
        return name
    return f"[{name}...]" if parameter.nargs == -1 else f"[{name}]"


def summary(command: click.Command) -> str:
    """The first sentence of its help."""
    return (command.help or "").partition("\n\n")[0].replace("\n", " ").strip()


def commands_table() -> str:
    rows = [
        (
            f"`{usage(name, command)}`",
            summary(command),
            " ".join(f"`{max(option.opts, key=len)}`" for option in own_options(command)),
        )
        for name, command in commands()
    ]
    return table(("command", "what it does", "options"), rows)


def settings_table() -> str:
    rows = [(f"`{each.key}`", f"`{json.dumps(each.default)}`", each.help) for each in config.reference()]
    return table(("key", "default", "what it is for"), rows)


def signals_table() -> str:
    rows = [(f"`{each.name}`", f"`{each.unit}`", each.help) for each in BY_NAME.values()]
    return table(("signal", "unit", "meaning"), rows)


def default_rule() -> str:
    """What high load is where nobody says otherwise, a line for each of its reasons."""
    return "```\n" + DEFAULT_RULE.replace(" or ", "\n  or ") + "\n```\n"


def metrics_table() -> str:
    rows = [
        (f"`{metric.name}`", metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.help)
        for metric in METRICS
    ]
    return table(("metric", "type", "labels", "meaning"), rows)


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of Markdown; a bar in a cell would end it."""
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def renewed(text: str) -> str:
    """A document with every generated block as of now."""
    tables = {
        "settings": settings_table,
        "signals": signals_table,
        "rule": default_rule,
        "commands": commands_table,
        "metrics": metrics_table,
        "runbook": runbook,
    }
    return BLOCK.sub(lambda found: f"{found[1]}{tables[found[2]]()}{found[3]}", text)


def man_page() -> str:
    """``man loadwatch``, in the macros of man(7)."""
    lines = [
        f'.TH LOADWATCH 1 "" "loadwatch {__version__}" "User Commands"',
        *(".SH NAME", r"loadwatch \- says early and quietly when this server is under high load"),
        *(".SH SYNOPSIS", r".B loadwatch", r"[\fIoptions\fR] \fIcommand\fR [\fIarguments\fR]"),
        *(".SH DESCRIPTION", roff(cli.help or "")),
        *(".SH OPTIONS", "These are taken by every command, before or after its name."),
    ]
    for option in cli.params:
        lines += man_option(option) if isinstance(option, click.Option) else ()
    lines.append(".SH COMMANDS")
    for name, command in commands():
        lines += man_command(name, command)
    lines += (".SH CONFIGURATION", r"TOML; the environment and \fB\-\-set\fR may set every key too.")
    for setting in config.reference():
        lines += man_setting(setting)
    return "\n".join([*lines, *MAN_END]) + "\n"


def man_command(name: str, command: click.Command) -> Iterator[str]:
    yield ".SS " + roff(usage(name, command))
    for place, paragraph in enumerate(re.split(r"\n\s*\n", (command.help or "").replace("\b", "").strip())):
        if place:
            yield ".PP"
        yield roff(" ".join(paragraph.split()))
    for option in own_options(command):
        yield from man_option(option)


def man_option(option: click.Option) -> Iterator[str]:
    value = "" if option.is_flag else rf" \fI{roff(placeholder(option))}\fR"
    names = ", ".join(rf"\fB{roff(name)}\fR" for name in option.opts)
    yield from (".TP", names + value, roff(option.help or ""))


def man_setting(setting: config.Setting) -> Iterator[str]:
    yield from (".TP", rf"\fB{setting.key}\fR = {roff(json.dumps(setting.default))}", roff(setting.help))


MAN_END = (
    ".SH FILES",
    *(".TP", ".I /etc/loadwatch/loadwatch.toml, ~/.config/loadwatch/loadwatch.toml", "The configuration."),
    *(".TP", ".I /var/lib/loadwatch, ~/.local/state/loadwatch", "History and models, of root and of a user."),
    ".SH ENVIRONMENT",
    *(".TP", ".B LOADWATCH_CONFIG, LOADWATCH_STATE_DIRECTORY, LOADWATCH_URL", "As the options."),
    *(".TP", ".B LOADWATCH_SECTION__KEY", "Sets section.key, as in LOADWATCH_SAMPLING__INTERVAL=1s."),
    *(".TP", ".B NO_COLOR", "No colours in the terminal."),
    ".SH EXIT STATUS",
    *(".TP", ".B 0", "Done."),
    *(".TP", f".B {LoadwatchError.exit_code}", "Failed; standard error says why and what to do."),
    *(".TP", f".B {UsageError.exit_code}", "Wrong usage."),
    *(".TP", f".B {ConfigurationError.exit_code}", "Wrong configuration."),
    ".SH SEE ALSO",
    ".BR systemctl (1),",
    ".BR journalctl (1),",
    ".BR prometheus (1)",
)


def roff(text: str) -> str:
    """Text in which roff finds no commands."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("`", "").replace("'", r"\(aq")
    return rf"\&{escaped}" if escaped.startswith(".") else escaped


def files() -> dict[str, str]:
    """The shipped files that come from the command line, by asset name."""
    scripts = {name: script(cli, shell) + "\n" for shell, name in COMPLETIONS.items()}
    return {**scripts, MAN_PAGE: man_page()}


def documents() -> list[Path]:
    """Everything written for people: the README, then the pages of the manual in its order."""
    return [README, *pages(ROOT)]


def text() -> str:
    """All of them, one after the other."""
    return "\n".join(path.read_text(encoding="utf-8") for path in documents())


def block(name: str) -> str:
    """What stands in one of the documents between the mark ``name`` and its end."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", text(), re.DOTALL)
    if not found:
        raise LookupError(f"no document has a part marked {name}")
    return found[1]


def shell(name: str) -> str:
    """The commands between the mark ``name`` and its end: what a reader copies and runs."""
    found = re.fullmatch(r"```sh\n(.*?)```\n", block(name), re.DOTALL)
    if not found:
        raise LookupError(f"the part marked {name} is no block of commands")
    return found[1]


if __name__ == "__main__":
    for name, content in {**build(), **files()}.items():
        (ASSETS / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(ASSETS / name, content.encode())
    write_atomically(ROOT / "systemd" / "loadwatch.toml", config.example().encode())
    for path in documents():
        write_atomically(path, renewed(path.read_text(encoding="utf-8")).encode())
    write_atomically(MANUAL, manual(ROOT, __version__).encode())
