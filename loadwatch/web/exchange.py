"""One request and its answer."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Protocol, cast

from tornado import httputil

from loadwatch.web.connections import Connection
from loadwatch.web.logs import BOUNDED
from loadwatch.web.negotiation import takes_gzip
from loadwatch.web.responses import SECURITY_HEADERS, Response, plain


class Site(Protocol):
    """What an exchange needs of the server."""

    def admit(
        self, connection: Connection, version: str, headers: httputil.HTTPHeaders
    ) -> Response | Awaitable[Response | None] | None:
        """A refusal, at once or later; None lets the request pass."""
        ...

    def answer(self, target: str, accept: str) -> Response:
        """The answer to a GET."""
        ...

    def extra_headers(self) -> Mapping[str, str]:
        """Headers for every answer, as configured."""
        ...

    def began(self, connection: Connection) -> None:
        """A complete request is here."""
        ...


class Exchange(httputil.HTTPMessageDelegate):
    """Reads one request, drops its body, writes one answer."""

    def __init__(self, site: Site, connection: Connection, wire: httputil.HTTPConnection) -> None:
        self._site = site
        self._connection = connection
        self._wire = wire
        self._method = self._target = self._version = ""
        self._headers = httputil.HTTPHeaders()
        self._later: asyncio.Future[None] | None = None

    def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        """Keep what matters."""
        self._method, self._target, self._version = cast("httputil.RequestStartLine", start_line)
        self._headers = headers

    def data_received(self, chunk: bytes) -> None:
        """Nothing here reads a body."""

    def on_connection_close(self) -> None:
        """Keep no refusal for who has left; a check goes on, or hanging up would be a way past its rests."""
        if self._later is not None and self._connection.refused:
            self._later.cancel()

    def finish(self) -> None:
        """The request is complete: answer it, or first find out whether the client may ask."""
        self._site.began(self._connection)
        refusal = self._site.admit(self._connection, self._version, self._headers)
        if refusal is None or isinstance(refusal, Response):
            self._write(refusal or self._answer())
        else:
            self._later = asyncio.ensure_future(self._answer_after(refusal))

    async def _answer_after(self, admission: Awaitable[Response | None]) -> None:
        self._write(await admission or self._answer())

    def _answer(self) -> Response:
        if self._method not in ("GET", "HEAD"):
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, Allow="GET, HEAD")
        if self._headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self._headers:
            return plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Nothing here takes a request body.")
        try:
            return self._site.answer(self._target, self._headers.get("Accept", ""))
        except Exception as error:  # noqa: BLE001 - a bug behind one page must not take the others down
            BOUNDED.write(logging.ERROR, "page_failed", path=self._target, error=error)
            return plain(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _write(self, response: Response) -> None:
        body: bytes | None = response.body
        status = response.status
        headers = httputil.HTTPHeaders(
            {"Content-Type": response.content_type, "Vary": "Accept-Encoding, Accept"}
        )
        for name, value in {**SECURITY_HEADERS, **response.headers, **self._site.extra_headers()}.items():
            headers[name] = value
        if headers.get("Cache-Control") == "no-cache":
            headers["ETag"] = response.etag
            if response.etag in self._headers.get("If-None-Match", ""):
                status, body = HTTPStatus.NOT_MODIFIED, None
        if body is not None and takes_gzip(self._headers.get("Accept-Encoding", "")):
            body = response.compressed or body
            if body is response.compressed:
                headers["Content-Encoding"] = "gzip"
        if body is not None:
            headers["Content-Length"] = str(len(body))
        self._connection.proven |= status < HTTPStatus.BAD_REQUEST
        self._connection.refused |= HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        start_line = httputil.ResponseStartLine("HTTP/1.1", status, status.phrase)
        # Head and body in one piece: one call to the kernel, and the client wakes once.
        self._wire.write_headers(start_line, headers, None if self._method == "HEAD" else body)
        self._wire.finish()
