"""The ``loadwatch`` command: its subcommands, what they share, and how errors become exit codes."""

import importlib
import io
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import click
from click.shell_completion import CompletionItem

from loadwatch.cli.context import Context, shared_options
from loadwatch.errors import LoadwatchError, UsageError
from loadwatch.escaping import printable

# Name of each command, the module that holds it, and the help line. Modules are imported only when their
# command runs: the daemon must not carry what only a terminal needs.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "run": ("run", "Watch this host: sample, judge, learn, serve metrics."),
    "status": ("status", "Is this host fine, why, and can I trust that?"),
    "top": ("top", "The same, live, with lines of history."),
    "check": ("check", "The verdict as output and exit code for Nagios, Icinga and cron."),
    "signals": ("signals", "List what is measured; see what exporters offer beside it."),
    "alerts": ("alerts", "List past alerts and what they were worth."),
    "notify": ("notify", "Who is told of alerts, how that goes, and a message to try it."),
    "label": ("label", "Tell what really was: high load, normal, an incident."),
    "maintenance": ("maintenance", "Windows in which nothing is flagged or learned."),
    "train": ("train", "Learn from the stored history now."),
    "report": ("report", "Write a page about the last days: alerts, forecasts, reality."),
    "replay": ("replay", "Say what the daemon would have said about a recorded history."),
    "history": ("history", "Show, import and export what is stored."),
    "model": ("model", "List, show and roll back the models of this host."),
    "check-config": ("check_config", "Check the configuration and show what is in force."),
    "assets": ("assets", "Unit, rules, dashboards, manual and completion to export."),
    "selftest": ("selftest", "Prove the network on this machine."),
    "completion": ("completion", "Print the completion script of a shell."),
}

HELP_ERRORS: Final = {"NoArgsIsHelpError"}
"""What newer clicks raise to show the help of a command without arguments; older ones lack the class."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls it so
        """All command names, in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of a command and answer the command in it."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"loadwatch.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed; where there is none, say which was probably meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 - only a slip of the fingers needs it

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            ctx.fail(f"no such command {args[0]!r}{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the commands without importing them: a key press must not cost seconds."""
        names = [
            CompletionItem(name, help=text)
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


def show_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print which build of which commit runs on what: what a report of a fault has to say."""
    if not wanted or context.resilient_parsing:
        return
    from importlib import metadata  # noqa: PLC0415 - costs a tenth of a second, which no other command needs

    from loadwatch.build import build, version_of  # noqa: PLC0415 - the same

    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "psutil"))
    click.echo(
        f"loadwatch {version_of(build())} ({build() or 'commit unknown'}; "
        f"Python {platform.python_version()}, {libraries})"
    )
    context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version, its commit and what it runs on.",
)
@shared_options
@click.pass_context
def cli(context: click.Context, /, **options: Any) -> None:
    """Say early and quietly when this server is under high load or behaves unlike itself."""
    context.obj = Context(**options)


def main() -> NoReturn:
    """Run the command line; every error ends in one or two lines and the exit code of its class."""
    debug = "--debug" in sys.argv
    _prepare_streams()
    try:
        _refuse_undecodable(sys.argv[1:])
        cli.main(prog_name="loadwatch", standalone_mode=False, auto_envvar_prefix=None)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        sys.exit(_refuse(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        words = "\n".join(map(printable, in_words(error).split("\n")))
        click.echo(f"loadwatch: {words}", err=True)
        sys.exit(error.exit_code if isinstance(error, LoadwatchError) else 1)
    sys.exit(0)


def _prepare_streams() -> None:
    """Make sure that there is something to print to, and that no text can fail there.

    Whoever starts a program with a closed standard stream makes its next file take that number: what is
    printed would be written into it, and that may be the history.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    """Refuse words that are no text: neither the history nor a name can hold them."""
    for word in arguments:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UsageError(f"the argument {printable(word)!r} is not UTF-8; write it in UTF-8") from None


def _refuse(error: click.ClickException) -> int:
    """Say what is wrong with the command line in two lines; answer the exit code."""
    if not isinstance(error, click.UsageError) or type(error).__name__ in HELP_ERRORS:
        error.show()
        return error.exit_code
    command = error.ctx.command_path if error.ctx else "loadwatch"
    # One line, also where click lists the choices below each other.
    message = printable(re.sub(r"\s+", " ", error.format_message()).strip().rstrip("."))
    click.echo(f"loadwatch: {message[:1].lower()}{message[1:]}\nTry: {command} --help", err=True)
    return error.exit_code


def in_words(error: Exception) -> str:
    """What to tell the user of an error, ours or not."""
    if isinstance(error, LoadwatchError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the system'}: {error.strerror}"
    return (
        f"unexpected {type(error).__name__}: {error}; "
        "this is a fault of loadwatch, please report it with the output of the same command and --debug"
    )
