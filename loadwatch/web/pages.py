"""The files of the status page, read once and served from memory."""

from importlib import resources
from typing import Final

from loadwatch.web.responses import Response

_CONTENT_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


def static_pages() -> dict[str, Response]:
    """Every file of ``static/`` by its path; ``index.html`` is ``/``."""
    pages = {}
    for file in resources.files("loadwatch.web").joinpath("static").iterdir():
        kind = file.name.rpartition(".")[2]
        path = "/" if file.name == "index.html" else f"/static/{file.name}"
        # Asked again each time, answered "not modified" mostly: an upgrade shows at once.
        headers = {"Cache-Control": "no-cache"}
        pages[path] = Response(file.read_bytes(), _CONTENT_TYPES[kind], headers=headers)
    return pages
