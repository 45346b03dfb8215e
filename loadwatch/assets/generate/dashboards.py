"""All dashboards by uid."""

from typing import Final

from loadwatch.assets.generate.daemon import DAEMON
from loadwatch.assets.generate.dashboard import Dashboard
from loadwatch.assets.generate.fleet import FLEET
from loadwatch.assets.generate.host import HOST

DASHBOARDS: Final[dict[str, Dashboard]] = {board.uid: board for board in (FLEET, HOST, DAEMON)}


def panel_number(board: str, key: str) -> int:
    """The id of the panel ``key``, for links from an alert."""
    return DASHBOARDS[board].panel_number(key)
