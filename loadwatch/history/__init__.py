"""What was measured, said and decided, kept in one SQLite file: the only home of SQL.

``DeferredHistory.open`` is for the daemon, ``History.open`` for commands that write, ``History.read`` for
whoever only looks.
``StateLock`` keeps a second daemon off a state directory.
"""

from loadwatch.history.database import HistoryBusyError, HistoryDamagedError, HistoryUnwritableError
from loadwatch.history.deferred import DeferredHistory
from loadwatch.history.history import History
from loadwatch.history.lock import StateLock
from loadwatch.history.salvage import SalvageReport

__all__ = [
    "DeferredHistory",
    "History",
    "HistoryBusyError",
    "HistoryDamagedError",
    "HistoryUnwritableError",
    "SalvageReport",
    "StateLock",
]
