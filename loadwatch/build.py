"""From which commit this copy was built, and the version that follows from it.

Written into the wheel, asked of git in a checkout, else unknown. ``[tool.hatch.version]`` and
``.dev/build_hook.py`` run this file while a wheel or an sdist is built, when nothing but the standard library
can be imported.
"""

import functools
import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from loadwatch import __version__

RECORD: Final = Path(__file__).with_name("build.json")
"""Where the build wrote it down in a wheel; an sdist has it beside its README, a checkout has none."""
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


@functools.cache
def build() -> Build | None:
    """What this copy was built from; None where nobody wrote it down and no git can tell.

    Looked up once: after an upgrade on the disk, what runs is still what was started.
    """
    return _recorded(RECORD) if RECORD.exists() else of_source(CHECKOUT)


def version_of(build: Build | None) -> str:
    """The version of a copy of this build, by PEP 440: ``0.2.0.post20260301120000``.

    The time of the commit (UTC) makes it grow from commit to commit, without a tag and without the history
    before it, so that a shallow clone gives the same. Where the commit is unknown it is the bare release,
    which sorts before all of these.
    """
    if build is None:
        return __version__
    time_of_commit = time.strftime("%Y%m%d%H%M%S", time.gmtime(build.timestamp))
    return f"{__version__}.post{time_of_commit}{'+changed' if build.changed else ''}"


def of_source(root: Path) -> Build | None:
    """What the unpacked sdist at ``root`` says of itself, or git of the checkout; None if neither can."""
    record = root / RECORD.name
    if record.exists():
        return _recorded(record)
    # A folder that merely lies inside somebody's repository is none of its commits.
    if not (root / ".git").exists():
        return None
    try:
        commit, timestamp = _git(root, "log", "-1", "--no-show-signature", "--format=%H %ct").split()
        changed = bool(_git(root, "status", "--porcelain", "--", *SHIPPED).strip())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Build(commit, int(timestamp), changed)


def _recorded(record: Path) -> Build | None:
    try:
        plain: Mapping[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        return Build(str(plain["commit"]), int(plain["timestamp"]), bool(plain["changed"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _git(root: Path, *words: str) -> str:
    # A hook of git that runs us has variables set which name its own repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # Without locks: looking at a version must not disturb somebody's commit. Root installs from a
    # user's checkout, which git does not trust by itself; this very file is run from there.
    command = ("git", "--no-optional-locks", "-c", "safe.directory=*", "-C", str(root), *words)
    return subprocess.run(  # noqa: S603 - no word of it comes from outside
        command, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS, env=environment
    ).stdout
