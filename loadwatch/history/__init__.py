"""What was measured, said and decided, kept in one SQLite file: the only home of SQL.

``History.open`` is for the daemon and for commands that write; ``History.read`` is for whoever only looks.
``StateLock`` keeps a second daemon off a state directory.
"""

from loadwatch.history.database import HistoryBusyError, HistoryDamagedError, HistoryUnwritableError
from loadwatch.history.history import History
from loadwatch.history.lock import StateLock
from loadwatch.history.salvage import SalvageReport

__all__ = [
    "History",
    "HistoryBusyError",
    "HistoryDamagedError",
    "HistoryUnwritableError",
    "SalvageReport",
    "StateLock",
]
