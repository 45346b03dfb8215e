"""Asking a running daemon over HTTP: where it is, who may ask, and what went wrong when it does not answer.

Everything that shows the present asks the daemon and reads no file of it, so it needs no rights and races
nothing.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import click

from loadwatch.cli.context import Context
from loadwatch.errors import ServiceError
from loadwatch.escaping import printable, quoted
from loadwatch.http_client import Access, Address, HttpClient, HttpError
from loadwatch.state_directory import identity_of

_DEADLINE_SECONDS: Final = 5.0
_MOST_BYTES: Final = 8 * 2**20
_LONGEST_TEXT: Final = 500


class Remote:
    """A daemon to ask; ``address`` is that of its status page."""

    def __init__(self, address: Address, access: Access) -> None:
        self._user = address.username
        access = replace(access, username=address.username, password=address.password)
        self._client = HttpClient(address, access, deadline=_DEADLINE_SECONDS, limit=_MOST_BYTES)

    def status(self, series: str | None = None) -> dict[str, Any]:
        """The status document, with the curves of the last ``series`` ("hour" or "day") if asked.

        Raises:
            ServiceError: nobody answers there, or not as a loadwatch does.

        """
        query = "" if series is None else f"?series={series}"
        try:
            document = self._client.get_json(f"/api/v1/status{query}")
        except HttpError as error:
            raise ServiceError(f"{error}; {self._advice(error)}") from error
        if not isinstance(document, dict) or "verdict" not in document:
            raise ServiceError(f"{self._client.address} answers, but {_STRANGER}")
        with self.understood():
            return {name: _printable(each) for name, each in document.items()}

    @contextlib.contextmanager
    def understood(self) -> Iterator[None]:
        """Whoever reads a document in here may take it for what a loadwatch answers.

        Raises:
            ServiceError: in place of what goes wrong where a document is anything else.

        """
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            said = quoted(f"{type(error).__name__}: {error}")
            raise ServiceError(f"{self._client.address} answers, but {_STRANGER} ({said})") from error

    def _advice(self, error: HttpError) -> str:
        if error.status == 401:
            given = f"the password of {self._user!r} is not accepted" if self._user else "it wants a password"
            return f"{given}; write it into the URL: --url https://user:password@host:port"
        if error.status == 421:
            return "its web.allowed_hosts does not name this host; add it there, or ask by its address"
        if error.kind == "certificate":
            return "name its authority with --cacert, or accept any with --insecure"
        if error.kind == "tls":
            return "is it an http:// address?"
        if error.kind in {"unreachable", "late"}:
            return "no loadwatch answers there: start `loadwatch run`, or name another with --url"
        return _STRANGER


_STRANGER: Final = "not as a loadwatch does; check --url"


def _printable(document: Any) -> Any:
    """What a server answered, with every text safe to show: it may be anybody's."""
    if isinstance(document, str):
        return printable(document[:_LONGEST_TEXT])
    if isinstance(document, list):
        return [_printable(each) for each in document]
    if isinstance(document, dict):
        return {printable(str(name)): _printable(each) for name, each in document.items()}
    return document


def remote_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--url``, ``--cacert`` and ``--insecure``."""
    for decorate in (
        click.option("--insecure", is_flag=True, help="Accept any certificate."),
        click.option(
            "--cacert",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="Certificate authority to trust (PEM).",
        ),
        click.option(
            "--url",
            envvar="LOADWATCH_URL",
            help="The daemon to ask, e.g. https://user:password@host:10074; by default as configured here.",
        ),
    ):
        command = decorate(command)
    return command


def remote_of(context: Context, url: str | None, cacert: Path | None, *, insecure: bool) -> Remote:
    """The daemon that the options name.

    Raises:
        UsageError: the URL is not one of a server, or the authority's file is not PEM.

    """
    address = Address.parse(url or configured_url(context))
    return Remote(address, Access(ca_file=cacert, insecure=insecure))


def check_state_directory(context: Context) -> None:
    """Let nobody read or write beside the daemon that runs here: what a label teaches would reach no one.

    Asked is the daemon at the configured address, and only where the directory follows from who asks. No
    credential is sent, so any certificate will do.

    Raises:
        ServiceError: it keeps its state elsewhere; or it wants a password, so we cannot know, and we are not
            root, whose directory is the service's.

    """
    if context.is_directory_named:
        return
    address, ours = Address.parse(configured_url(context)), context.state_directory
    client = HttpClient(address, Access(insecure=True), deadline=_DEADLINE_SECONDS, limit=_MOST_BYTES)
    try:
        document = client.get_json("/api/v1/status")
    except HttpError as error:
        if error.status != HTTPStatus.UNAUTHORIZED or os.getuid() == 0:
            return
        seen = "wants a password, so it cannot be asked whether it keeps its state there"
    else:
        theirs = document.get("state_identity") if isinstance(document, dict) else None
        if theirs is None or theirs == identity_of(ours):
            return
        seen = "keeps its state elsewhere"
    command = click.get_current_context().command_path
    service = "" if os.getuid() == 0 else f"for that of the service: sudo {command} ...; "
    raise ServiceError(
        f"{ours} would be used, but the loadwatch that runs at {address} {seen}; "
        f"{service}else name the directory with --state-directory"
    )


def configured_url(context: Context) -> str:
    """Where the daemon of this configuration serves: its first address, on this host if on all of them."""
    web = context.config.web
    host, _, port = web.listen_address[0].rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared
    scheme = "https" if web.config_file is not None and _asks_for_tls(web.config_file) else "http"
    return f"{scheme}://{host}:{port}{web.route_prefix.rstrip('/')}"


def _asks_for_tls(path: Path) -> bool:
    """Whether the daemon speaks TLS; its file may be for the daemon's eyes only, then we have to guess."""
    try:
        return "tls_server_config" in path.read_text(encoding="utf-8")
    except OSError:
        return False
