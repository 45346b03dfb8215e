"""What each path answers. Paths are looked up as they are written: nothing is decoded, joined or opened."""

import json
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from loadwatch.web.negotiation import prefers
from loadwatch.web.pages import static_pages
from loadwatch.web.responses import Response, plain
from loadwatch.web.timeline import RINGS

# Long enough that a storm of scrapes costs four pages a second, short enough that nobody sees an old one.
_FRESH_SECONDS: Final = 0.25
# A curve of an hour moves by one point in ten seconds.
_SERIES_FRESH_SECONDS: Final = 2.0
_OPENMETRICS: Final = "application/openmetrics-text"
_MOST_FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class Providers:
    """Where the answers come from; each must be quick and must not block.

    metrics: the page and its content type for an Accept header; status: see ``status.build_status``; series:
    the curves of a span of ``timeline.RINGS``; ready: whether there is a fresh verdict.
    """

    metrics: Callable[[str], tuple[bytes, str]]
    status: Callable[[], Mapping[str, Any]]
    series: Callable[[str], Mapping[str, Any]]
    ready: Callable[[], bool]


class Routes:
    """Answers requests for a path, with dynamic answers kept for a moment."""

    def __init__(
        self, providers: Providers, *, prefix: str = "", now: Callable[[], float] = time.monotonic
    ) -> None:
        self._providers = providers
        self._now = now
        self._kept: dict[Hashable, tuple[float, Response]] = {}
        self._static = {prefix + path: page for path, page in static_pages().items()}
        self._dynamic: dict[str, Callable[[str, str], Response]] = {
            f"{prefix}/metrics": self._metrics,
            f"{prefix}/api/v1/status": self._status,
            f"{prefix}/-/healthy": self._healthy,
            f"{prefix}/-/ready": self._ready,
        }
        if prefix:
            moved = plain(HTTPStatus.PERMANENT_REDIRECT, Location=f"{prefix}/")
            self._static[prefix] = moved

    def answer(self, target: str, accept: str) -> Response:
        """The answer to a GET of ``target``, the path with its query."""
        path, _, query = target.partition("?")
        if path in self._static:
            return self._static[path]
        if path in self._dynamic:
            return self._dynamic[path](query, accept)
        return plain(HTTPStatus.NOT_FOUND)

    def _metrics(self, _query: str, accept: str) -> Response:
        # Two formats, whatever a client writes, so that nobody can fill the cache.
        wanted = _OPENMETRICS if prefers(accept, _OPENMETRICS, "text/plain") else ""

        def page() -> Response:
            body, content_type = self._providers.metrics(wanted)
            last = self._kept.get(("metrics", wanted))
            if last is not None and last[1].body == body:
                return last[1]  # which may have been compressed
            return Response(body, content_type, headers={"Cache-Control": "no-store"})

        return self._keep(("metrics", wanted), _FRESH_SECONDS, page)

    def _status(self, query: str, _accept: str) -> Response:
        try:
            wanted = parse_qs(query, max_num_fields=_MOST_FIELDS).get("series", [""])[-1]
        except ValueError:
            return plain(HTTPStatus.BAD_REQUEST, f"a query has at most {_MOST_FIELDS} fields")
        if wanted and wanted not in RINGS:
            return plain(HTTPStatus.BAD_REQUEST, f"series is one of: {', '.join(RINGS)}")

        def page() -> Response:
            status = dict(self._providers.status())
            if wanted:
                status["series"] = self._providers.series(wanted)
            body = json.dumps(status, separators=(",", ":"), allow_nan=False).encode()
            return Response(body, "application/json", headers={"Cache-Control": "no-store"})

        return self._keep(("status", wanted), _SERIES_FRESH_SECONDS if wanted else _FRESH_SECONDS, page)

    def _healthy(self, _query: str, _accept: str) -> Response:
        return plain(HTTPStatus.OK, "loadwatch is alive.")

    def _ready(self, _query: str, _accept: str) -> Response:
        if self._providers.ready():
            return plain(HTTPStatus.OK, "loadwatch is ready.")
        return plain(HTTPStatus.SERVICE_UNAVAILABLE, "loadwatch has no fresh verdict yet.")

    def _keep(self, key: Hashable, seconds: float, make: Callable[[], Response]) -> Response:
        kept = self._kept.get(key)
        now = self._now()
        if kept is None or now - kept[0] >= seconds:
            kept = self._kept[key] = (now, make())
        return kept[1]
