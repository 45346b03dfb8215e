"""What goes back to a client: a body in plain and compressed form, and headers that limit what it may do."""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Final

TEXT: Final = "text/plain; charset=utf-8"
_WORTH_COMPRESSING: Final = 1024
_GZIP_HEADER: Final = 16  # zlib: added to the bits of the window
_HASH_BITS: Final = 7  # zlib's own window of 15 bits has a memory level of 8

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
}


@dataclass(frozen=True)
class Response:
    """A status, a body and its headers; the compressed form is made once, when first asked for."""

    body: bytes
    content_type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def compressed(self) -> bytes | None:
        """The body as gzip, or None where that would save nothing."""
        if len(self.body) < _WORTH_COMPRESSING:
            return None
        # A window no larger than the body: the usual one asks for 256 KiB, most of the work on a small page.
        window = min((len(self.body) - 1).bit_length(), zlib.MAX_WBITS)
        packer = zlib.compressobj(level=3, wbits=_GZIP_HEADER + window, memLevel=window - _HASH_BITS)
        return packer.compress(self.body) + packer.flush()

    @cached_property
    def etag(self) -> str:
        """A name of this very content."""
        return f'"{hashlib.sha256(self.body).hexdigest()[:24]}"'


def plain(status: HTTPStatus, text: str = "", **headers: str) -> Response:
    """A short answer in words; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(f"{text or status.phrase}\n".encode(), status=status, headers=named)
