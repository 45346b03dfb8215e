"""Asking a running daemon over HTTP: where it is, who may ask, and what went wrong when it does not answer.

Everything that shows the present asks the daemon and reads no file of it, so it needs no rights and races
nothing.
"""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import click

from loadwatch.cli.context import Context
from loadwatch.errors import ServiceError, UsageError

TIMEOUT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Remote:
    """A daemon to ask; ``url`` is its status page, without user and password."""

    url: str
    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None

    def status(self, series: str | None = None) -> dict[str, Any]:
        """The status document, with the curves of the last ``series`` ("hour" or "day") if asked.

        Raises:
            ServiceError: nobody answers there, or not as a loadwatch does.

        """
        query = "" if series is None else f"?series={series}"
        request = urllib.request.Request(f"{self.url}/api/v1/status{query}")  # noqa: S310 - http and https only
        if self.user:
            secret = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {secret}")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=self.tls) as answer:  # noqa: S310
                document = json.load(answer)
        except urllib.error.HTTPError as error:
            raise ServiceError(self._refused(error.code)) from error
        except OSError as error:
            raise ServiceError(self._unreachable(error)) from error
        except ValueError as error:
            raise ServiceError(f"{self.url} answers, but not as a loadwatch does; check --url") from error
        if not isinstance(document, dict) or "verdict" not in document:
            raise ServiceError(f"{self.url} answers, but not as a loadwatch does; check --url")
        return document

    def _refused(self, code: int) -> str:
        if code == 401:
            given = f"the password of {self.user!r} is not accepted" if self.user else "it wants a password"
            return f"{self.url}: {given}; write it into the URL: --url https://user:password@host:port"
        return f"{self.url} answers with HTTP {code}, not as a loadwatch does; check --url"

    def _unreachable(self, error: OSError) -> str:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return (
                f"{self.url}: its certificate is not trusted ({reason.verify_message}); "
                "name its authority with --cacert, or accept any with --insecure"
            )
        if isinstance(reason, ssl.SSLError):
            return f"{self.url} does not speak TLS ({reason.reason}); is it an http:// address?"
        why = getattr(reason, "strerror", None) or reason
        return (
            f"no loadwatch answers at {self.url} ({why}); start `loadwatch run`, or name another with --url"
        )


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
        UsageError: the URL is not one of http or https, or the authority's file is not PEM.

    """
    parts = urlsplit(url or configured_url(context))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"--url {url}: expected http://host:port or https://host:port")
    place = parts.netloc.rpartition("@")[2]
    tls = _tls(cacert, insecure=insecure) if parts.scheme == "https" else None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Remote(f"{parts.scheme}://{place}{parts.path.rstrip('/')}", user, password, tls)


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


def _tls(cacert: Path | None, *, insecure: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=cacert)
    except ssl.SSLError as error:
        raise UsageError(f"--cacert {cacert}: holds no certificate in PEM ({error.reason})") from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
