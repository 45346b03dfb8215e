"""All dashboards by uid."""

from typing import Final

from generate.daemon import DAEMON
from generate.dashboard import Dashboard
from generate.fleet import FLEET
from generate.host import HOST

DASHBOARDS: Final[dict[str, Dashboard]] = {board.uid: board for board in (FLEET, HOST, DAEMON)}


def panel_number(board: str, key: str) -> int:
    """The id of the panel ``key``, for links from an alert."""
    return DASHBOARDS[board].panel_number(key)
