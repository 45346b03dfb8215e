"""The status page, the metrics and health over HTTP: the only home of tornado."""

from loadwatch.web.connections import Limits
from loadwatch.web.routes import Providers
from loadwatch.web.server import WebServer

__all__ = ["Limits", "Providers", "WebServer"]
