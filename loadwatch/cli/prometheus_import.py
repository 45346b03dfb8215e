"""``loadwatch history import --prometheus``: a month of another monitor's metrics becomes our history."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from loadwatch.cli.time_options import SINCE, Since, span_since
from loadwatch.errors import UsageError
from loadwatch.history import History
from loadwatch.http_client import Access
from loadwatch.interchange.prometheus import LocalDevices, Progress, PrometheusHistory
from loadwatch.interchange.query_api import QueryApi
from loadwatch.records import Recording, Span
from loadwatch.signals import OwnSignal

Command = TypeVar("Command", bound=Callable[..., Any])

# A shorter hole is a daemon that was restarted: not worth a question to the server.
_SHORTEST_HOLE_SECONDS: Final = 600.0
_BESIDE_SECONDS: Final = 0.001

_file = click.Path(path_type=Path, exists=True, dir_okay=False)


def prometheus_options(command: Command) -> Command:
    """The options that say which server, which host and how to be let in."""
    options: tuple[Callable[[Command], Command], ...] = (
        click.option("--prometheus", "url", help="Address of the server."),
        click.option("--instance", help="This host's label instance there, with or without the port."),
        click.option("--since", type=SINCE, default="30d", show_default=True, help="A length, or a moment."),
        click.option("--username", default="", help="For basic authentication."),
        click.option("--password-file", type=_file, help="Holds the password."),
        click.option("--token-file", type=_file, help="Holds a bearer token."),
        click.option("--ca-file", type=_file, help="Certificates to trust, instead of the system's."),
        click.option("--cert-file", type=_file, help="Our certificate, where the server wants one."),
        click.option("--key-file", type=_file, help="The key of our certificate."),
        click.option(
            "--header",
            "headers",
            multiple=True,
            metavar="NAME: VALUE",
            help="Sent along, such as the tenant 'X-Scope-OrgID: team-a' of Mimir; repeatable.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def recordings_from(  # noqa: PLR0913 - most are options of the command, as click hands them over
    history: History,
    labels: Mapping[str, str],
    *,
    url: str,
    instance: str | None,
    since: Since,
    allow_partial: bool,
    progress: Progress,
    remarks: list[str],
    own: Sequence[OwnSignal],
    **access: Any,
) -> Iterator[Recording]:
    """Fetch what is missing from ``since`` on, part by part; what is to be said goes to ``remarks``."""
    if not instance:
        raise UsageError("say which host this is to Prometheus: --instance HOST, as on its Targets page")
    end = time.time()
    api = QueryApi(url, _access(**access), allow_partial=allow_partial)
    server = PrometheusHistory(api, instance, labels=labels, local=LocalDevices(), own=own)
    holes = missing(history, span_since(since, end))
    if not holes:
        remarks.append("nothing is missing in that time")
        return
    found = False
    for recording in server.recordings(holes, progress):
        found = True
        yield recording
    if not found:
        remarks.append(f"{url} has nothing of {instance} that is missing here")
    remarks += [f"{url} says: {warning}" for warning in api.warnings]
    if server.too_seldom:
        remarks.append(f"left out {server.too_seldom:,} scrapes that were over five minutes apart")
    if server.missed:
        remarks.append(f"left out {server.missed:,} scrapes too near to their neighbours")


def missing(history: History, window: Span) -> list[Span]:
    """The parts of ``window`` without rows, in time order; the rows at their ends do not belong to them."""
    stored = history.span()
    if stored is None:
        return [window]
    holes = [
        Span(window.start, stored.start - _BESIDE_SECONDS),
        *(
            Span(gap.start + _BESIDE_SECONDS, gap.end - _BESIDE_SECONDS)
            for gap in history.gaps(_SHORTEST_HOLE_SECONDS)
        ),
        Span(stored.end + _BESIDE_SECONDS, window.end),
    ]
    clipped = [Span(max(hole.start, window.start), min(hole.end, window.end)) for hole in holes]
    return [hole for hole in clipped if hole.end - hole.start >= _SHORTEST_HOLE_SECONDS]


def _access(
    *,
    username: str,
    password_file: Path | None,
    token_file: Path | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    headers: tuple[str, ...],
) -> Access:
    return Access(
        username=username,
        password=_secret(password_file),
        bearer_token=_secret(token_file),
        ca_file=ca_file,
        certificate_file=cert_file,
        key_file=key_file,
        others=headers,
    )


def _secret(file: Path | None) -> str:
    """The content of a file, which no list of processes shows as it would an option."""
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
