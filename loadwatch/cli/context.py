"""What every command shares: where the configuration and the state are, and how to read them."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from loadwatch.config import Config
    from loadwatch.config.readers import Recurrence, SecretUrl
    from loadwatch.history import History

# All of ours is imported where it is used: a command pays for what it needs, help and completion for nothing.


def _check_rule(text: str) -> object:
    from loadwatch.labels.rule import Rule  # noqa: PLC0415 - see above

    return Rule.parse(text)


def _check_procfs(path: Path) -> None:
    if not (path / "stat").exists():
        raise ValueError(
            "expected the folder where a kernel's /proc is mounted, and there is no file stat in it: mount "
            "the host's /proc there, or take the setting out"
        )


def _check_web_file(path: Path | None) -> None:
    from loadwatch.web.policy import PolicyFile  # noqa: PLC0415 - see above

    if path is not None and not _is_for_the_daemon_alone(path):
        PolicyFile(path).close()


def _check_notify(urls: "tuple[SecretUrl, ...]") -> None:
    if urls:
        _check_recipients(urls, None)


def _check_notify_file(path: Path | None) -> None:
    if path is not None and not _is_for_the_daemon_alone(path):
        _check_recipients((), path)


def _check_recipients(urls: "tuple[SecretUrl, ...]", path: Path | None) -> None:
    from loadwatch.daemon.messenger import Messenger  # noqa: PLC0415 - see above
    from loadwatch.notifications.recipients import recipients_of  # noqa: PLC0415 - see above

    Messenger().check(recipients_of(urls, path))


def _is_for_the_daemon_alone(path: Path) -> bool:
    """Whether it is a credential, which only the daemon sees: by systemd 252 not even its ExecReload=."""
    try:
        path.stat()
    except PermissionError:
        return path.is_relative_to("/run/credentials")
    except OSError:
        pass  # what is wrong is said by whoever reads it
    return False


def _check_windows(windows: "Iterable[Recurrence]") -> object:
    from loadwatch.maintenance import MaintenanceCalendar  # noqa: PLC0415 - see above

    return MaintenanceCalendar(windows)


CHECKS: Final[Mapping[str, Callable[[Any], object]]] = {
    "high_load.when": _check_rule,
    "maintenance.windows": _check_windows,
}
"""What only a higher room can say of a setting."""

DAEMON_CHECKS: Final[Mapping[str, Callable[[Any], object]]] = {
    **CHECKS,
    "sampling.procfs": _check_procfs,
    "web.config_file": _check_web_file,
    "alerts.notify": _check_notify,
    "alerts.notify_file": _check_notify_file,
}
"""With what other commands may have no right to read."""


Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Context:
    """The shared options of one invocation."""

    config_path: Path | None = None
    state_directory_option: Path | None = None
    overrides: tuple[str, ...] = ()
    debug: bool = False

    @cached_property
    def config(self) -> "Config":
        """The settings in force, checked.

        Raises:
            ConfigurationError: any of them is wrong; all faults are named.

        """
        return self._load(CHECKS)

    def daemon_config(self) -> "Config":
        """The settings with which a daemon would start now, checked as it checks them.

        Raises:
            ConfigurationError: any of them is wrong; all faults are named.

        """
        return self._load(DAEMON_CHECKS)

    def _load(self, checks: Mapping[str, Callable[[Any], object]]) -> "Config":
        from loadwatch import config  # noqa: PLC0415 - see above

        return config.load(self.config_path, overrides=self.overrides, checks=checks)

    @property
    def state_directory(self) -> Path:
        """Where history and models live: the option, systemd's, the system's as root, or the user's."""
        if self.state_directory_option:
            return self.state_directory_option
        given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
        if given:
            return Path(given)
        if os.getuid() == 0:  # whoever root may act as just now
            return Path("/var/lib/loadwatch")
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "loadwatch"

    @property
    def history_path(self) -> Path:
        """The file of the stored history."""
        return self.state_directory / "history.db"

    @property
    def is_directory_named(self) -> bool:
        """Whether somebody said which state directory is meant; else it follows from who asks."""
        return bool(self.state_directory_option or os.environ.get("STATE_DIRECTORY"))

    def read_history(self) -> "History":
        """Open the history beside a running daemon, for reading.

        Raises:
            ServiceError: the running daemon has another, see `remote.check_state_directory`.

        """
        from loadwatch.cli.remote import check_state_directory  # noqa: PLC0415 - see above
        from loadwatch.history import History  # noqa: PLC0415 - see above

        check_state_directory(self)
        return History.read(self.history_path)

    @contextlib.contextmanager
    def open_history(self) -> Iterator["History"]:
        """The history open for writing beside a running daemon, to add what an operator says.

        Raises:
            ServiceError: the state directory is not for us, see `state_directory.claim`, or not that of the
                running daemon, see `remote.check_state_directory`.

        """
        from loadwatch.cli.remote import check_state_directory  # noqa: PLC0415 - see above
        from loadwatch.clock import SystemClock  # noqa: PLC0415 - see above
        from loadwatch.history import History  # noqa: PLC0415 - see above
        from loadwatch.state_directory import claimed  # noqa: PLC0415 - see above

        check_state_directory(self)
        with (
            claimed(self.state_directory),
            contextlib.closing(History.open(self.history_path, clock=SystemClock(), repair=False)) as history,
        ):
            yield history


def shared_options(command: Command, *, from_environment: bool = True) -> Command:
    """Give a command ``--config``, ``--state-directory``, ``--set`` and ``--debug``.

    Only one of the places where they may stand reads the environment, or a variable would beat an option.
    """

    def variable(name: str) -> str | None:
        return f"LOADWATCH_{name}" if from_environment else None

    for decorate in (
        click.option("--debug", is_flag=True, help="Show the traceback of an error."),
        click.option(
            "overrides",
            "--set",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set one configuration key, e.g. --set sampling.interval=1s; repeatable.",
        ),
        click.option(
            "state_directory_option",
            "--state-directory",
            type=click.Path(path_type=Path),
            envvar=variable("STATE_DIRECTORY"),
            help="Where history and models are kept.",
        ),
        click.option(
            "config_path",
            "--config",
            type=click.Path(path_type=Path),
            envvar=variable("CONFIG"),
            help="Configuration file (TOML).",
        ),
    ):
        command = decorate(command)
    return command


def with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take the shared options after its name too, and hand it the joined ``Context``."""

    @functools.partial(shared_options, from_environment=False)
    @click.pass_context
    def wrapper(
        context: click.Context,
        /,
        config_path: Path | None,
        state_directory_option: Path | None,
        overrides: tuple[str, ...],
        debug: bool,
        **options: Any,
    ) -> Any:
        outer: Context = context.obj
        joined = Context(
            config_path or outer.config_path,
            state_directory_option or outer.state_directory_option,
            outer.overrides + overrides,
            debug or outer.debug,
        )
        return function(joined, **options)

    wrapper.__name__ = function.__name__
    wrapper.__doc__ = function.__doc__
    return wrapper
