"""The status page, the metrics and health over HTTP: the only home of tornado."""

from loadwatch.web.board import Board
from loadwatch.web.connections import Limits
from loadwatch.web.facts import Facts, RecipientStatus, TrainingStatus
from loadwatch.web.routes import Providers
from loadwatch.web.server import WebServer
from loadwatch.web.status import build_status
from loadwatch.web.timeline import Timeline

__all__ = [
    "Board",
    "Facts",
    "Limits",
    "Providers",
    "RecipientStatus",
    "Timeline",
    "TrainingStatus",
    "WebServer",
    "build_status",
]
