"""From which commit this copy was built: written into the wheel, asked of git in a checkout, else unknown.

``.dev/commit.py`` runs this file by itself while a wheel or an sdist is built, when nothing of ours can
be imported: only the standard library here.
"""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

RECORD: Final = Path(__file__).with_name("build.json")
"""Where the build wrote it down; there is none in a checkout."""
CHECKOUT: Final = Path(__file__).parents[1]
SHIPPED: Final = ("loadwatch", "systemd", ".dev", "pyproject.toml", "README.md")
"""What a wheel is made of: a change elsewhere makes no other wheel."""
_GIT_SECONDS: Final = 10.0


class Build(NamedTuple):
    """A commit, its time in epoch seconds, and whether what was built differs from it."""

    commit: str
    timestamp: int
    changed: bool

    def __str__(self) -> str:
        """In words for people: ``commit 1f2e3d4c5b6a of 2026-03-01``, its day in UTC."""
        day = time.strftime("%Y-%m-%d", time.gmtime(self.timestamp))
        return f"commit {self.commit[:12]} of {day}{' with changes' if self.changed else ''}"


def build() -> Build | None:
    """What this copy was built from; None where nobody wrote it down and no git can tell."""
    try:
        plain: Mapping[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
        return Build(str(plain["commit"]), int(plain["timestamp"]), bool(plain["changed"]))
    except FileNotFoundError:
        return of_checkout(CHECKOUT)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def of_checkout(root: Path) -> Build | None:
    """What git says of the checkout at ``root``; None where that is no checkout, or git is not installed."""
    # A folder that merely lies inside somebody's repository is none of its commits.
    if not (root / ".git").exists():
        return None
    try:
        commit, timestamp = _git(root, "log", "-1", "--no-show-signature", "--format=%H %ct").split()
        changed = bool(_git(root, "status", "--porcelain", "--", *SHIPPED).strip())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Build(commit, int(timestamp), changed)


def _git(root: Path, *words: str) -> str:
    # A hook of git that runs us has variables set which name its own repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # Without locks: looking at a version must not disturb somebody's commit.
    command = ("git", "--no-optional-locks", "-C", str(root), *words)
    return subprocess.run(  # noqa: S603 - no word of it comes from outside
        command, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS, env=environment
    ).stdout
