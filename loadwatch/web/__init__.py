"""The status page, the metrics and health over HTTP: the only home of tornado."""

from loadwatch.web.board import Board
from loadwatch.web.connections import Limits
from loadwatch.web.facts import Alert, Facts, ModelCard, Training, Worth
from loadwatch.web.routes import Providers
from loadwatch.web.server import WebServer
from loadwatch.web.status import build_status
from loadwatch.web.timeline import Timeline

__all__ = [
    "Alert",
    "Board",
    "Facts",
    "Limits",
    "ModelCard",
    "Providers",
    "Timeline",
    "Training",
    "WebServer",
    "Worth",
    "build_status",
]
