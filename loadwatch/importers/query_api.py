"""Prometheus' query API, as Prometheus, Thanos, Mimir and VictoriaMetrics speak it."""

import base64
import json
import math
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loadwatch.errors import HistoryError, UsageError

_TRY_AGAIN: Final = {429, 500, 502, 503, 504}
_PAUSES_SECONDS: Final = (1.0, 4.0)

Labels = tuple[tuple[str, str], ...]
Points = list[tuple[float, float]]


class TooMuchAtOnceError(HistoryError):
    """The server refuses the size of one question; a smaller one may be answered."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a server lets us in; what is empty is not used. ``bearer_token`` takes the place of a password."""

    username: str = ""
    password: str = ""
    bearer_token: str = ""
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def headers(self) -> dict[str, str]:
        """What each request must carry."""
        if self.bearer_token:
            return {"Authorization": f"Bearer {self.bearer_token}"}
        if self.username:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {}

    def context(self) -> ssl.SSLContext:
        """TLS that verifies the server, always.

        Raises:
            UsageError: a file that cannot be read or holds no certificate.

        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            files = [str(file) for file in (self.ca_file, self.certificate_file, self.key_file) if file]
            raise UsageError(f"cannot use the certificates in {', '.join(files)}: {error}") from error
        return context


class QueryApi:
    """Asks one server; a refusal or an accident of the moment is tried twice more, after a pause.

    ``url`` is the address under which ``/api/v1/query`` is found, with a path in front of it if need be.
    """

    def __init__(
        self,
        url: str,
        access: Access = Access(),
        *,
        timeout_seconds: float = 60.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(f"the server's address {url!r} must be like http://prometheus.example.com:9090")
        self.url = url.rstrip("/")
        self._headers = {"Accept": "application/json", **access.headers()}
        self._timeout_seconds = timeout_seconds
        self._pause = pause
        # Redirects are not followed: a password would be sent to wherever they lead.
        handlers: list[urllib.request.BaseHandler] = [_StayHere()]
        if parts.scheme == "https":
            handlers.append(urllib.request.HTTPSHandler(context=access.context()))
        self._opener = urllib.request.build_opener(*handlers)

    def query(self, expression: str, at: float) -> dict[Labels, float]:
        """The value of each series of ``expression`` at the moment ``at``.

        Raises:
            HistoryError: the server cannot be reached, refuses, or answers something else.

        """
        rows = self._ask("query", {"query": expression, "time": f"{at:.3f}"})
        return {_labels(row): _number(row["value"][1]) for row in rows}

    def query_range(self, expression: str, start: float, end: float, step: float) -> dict[Labels, Points]:
        """The (moment, value) pairs of each series from ``start`` to ``end``, both included.

        Raises:
            TooMuchAtOnceError: the server asks for a shorter range.
            HistoryError: as for ``query``.

        """
        asked = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        rows = self._ask("query_range", asked)
        return {
            _labels(row): [(float(moment), _number(value)) for moment, value in row["values"]] for row in rows
        }

    def _ask(self, endpoint: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        for pause in (*_PAUSES_SECONDS, math.nan):
            try:
                return self._result(self._post(endpoint, parameters))
            except urllib.error.HTTPError as error:
                if error.code not in _TRY_AGAIN or math.isnan(pause):
                    raise self._refusal(error) from error
            except (OSError, urllib.error.URLError) as error:
                reason = getattr(error, "reason", error)
                if isinstance(reason, ssl.SSLCertVerificationError) or math.isnan(pause):
                    raise HistoryError(f"cannot reach {self.url}: {reason}") from error
            self._pause(pause)
        raise AssertionError("the last round returns or raises")

    def _post(self, endpoint: str, parameters: Mapping[str, str]) -> bytes:
        # Posted, because some queries are longer than what proxies allow in an address.
        body = urllib.parse.urlencode(parameters).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            f"{self.url}/api/v1/{endpoint}", body, self._headers
        )
        with self._opener.open(request, timeout=self._timeout_seconds) as response:
            return bytes(response.read())

    def _result(self, answer: bytes) -> list[dict[str, Any]]:
        try:
            content = json.loads(answer)
            if content["status"] != "success" or content["data"]["resultType"] not in {"vector", "matrix"}:
                raise ValueError(str(content.get("error", "neither a vector nor a matrix")))
            rows: list[dict[str, Any]] = content["data"]["result"]
        except (ValueError, KeyError, TypeError) as error:
            raise HistoryError(f"{self.url} does not answer as Prometheus would: {error}") from error
        return rows

    def _refusal(self, error: urllib.error.HTTPError) -> HistoryError:
        text = error.read(10_000).decode("utf-8", "replace")
        try:
            text = str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            text = text.strip().partition("\n")[0][:200]
        what = f"{self.url} answered {error.code} {error.reason}"
        if error.code in {401, 403}:
            return HistoryError(f"{what}: check user name, password or token")
        if error.code == 404:
            return HistoryError(f"{what}: is there a Prometheus under this address, without a path missing?")
        if any(hint in text for hint in ("too many samples", "maximum resolution", "exceeds the limit")):
            return TooMuchAtOnceError(f"{what}: {text}")
        return HistoryError(f"{what}: {text}")


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for the refusal that it is to us."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow nothing."""


def _labels(row: Mapping[str, Any]) -> Labels:
    return tuple(sorted(row["metric"].items()))


def _number(text: str) -> float:
    """Prometheus writes +Inf, -Inf and NaN; what is not finite is unknown to us."""
    value = float(text)
    return value if math.isfinite(value) else math.nan
