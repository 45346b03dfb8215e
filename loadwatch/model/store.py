"""Model files on disk: versions, the current one, falling back from a damaged one, rolling back.

The folder holds one file a version and a file ``current`` with the version in use. Both are replaced
atomically, so a crash leaves the old model current. Versions sort by time.
"""

import errno
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadwatch.errors import ModelError
from loadwatch.escaping import quoted
from loadwatch.files import read_bounded, sync_folder, write_atomically
from loadwatch.model.bundle import Card, Model, read_card
from loadwatch.state_directory import FILE_MODE, make_folder

SUFFIX: Final = ".model"
KEPT: Final = 8
"""How many versions stay on disk, and as many damaged ones; the current one is never removed."""
LARGEST: Final = 32 * 1024 * 1024
"""Bytes of a model file: forty times what one of a hundred signals takes."""
LARGEST_POINTER: Final = 4096
_NAME: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z(\.[0-9]{3,9})?\.model")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model in use, None where there is no usable one, and what was set aside on the way to it."""

    model: Model | None
    set_aside: tuple[str, ...] = ()


class ModelStore:
    """The versions of one host's model in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def versions(self) -> list[str]:
        """All versions, oldest first; a name that no training gives is none."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name.removesuffix(SUFFIX) for name in names if _NAME.fullmatch(name))

    def current(self) -> str | None:
        """The version in use: the one named in ``current``, or the newest where that names nothing."""
        versions = self.versions()
        try:
            named = json.loads(read_bounded(self.folder / "current", LARGEST_POINTER))["version"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            named = None
        if named in versions:
            return str(named)
        return versions[-1] if versions else None

    def publish(self, model: Model) -> None:
        """Store ``model`` and make it current, in one step as seen by any reader.

        Raises:
            OSError: the folder cannot be written.

        """
        make_folder(self.folder)
        write_atomically(self._path(model.card.version), model.to_bytes(), mode=FILE_MODE)
        self._point_at(model.card.version)
        self._remove_old()

    def load(self, version: str) -> Model:
        """Read one version.

        Raises:
            ModelError: there is no such version, or its file is damaged or foreign.

        """
        path = self._existing(version)
        try:
            model = Model.from_bytes(read_bounded(path, LARGEST))
            if model.card.version != version:
                raise ModelError(f"it calls itself {quoted(model.card.version)}")
        except (ModelError, OSError) as error:
            raise ModelError(f"cannot use model {path}: {error}") from error
        return model

    def card(self, version: str) -> Card:
        """Read only the card of one version."""
        path = self._existing(version)
        try:
            return read_card(read_bounded(path, LARGEST))
        except (ModelError, OSError) as error:
            raise ModelError(f"cannot read model {path}: {error}") from error

    def load_current(self, *, accept: Callable[[Card], str | None] = lambda _: None) -> Loaded:
        """Load the current model; a damaged or unacceptable one is set aside and the one before is tried.

        Args:
            accept: answers why a model's card does not fit this host, or None where it fits.

        Damaged files keep their content under ``*.damaged``. A file that merely cannot be read at this moment
        is passed over and stays what it is. Where more than ``KEPT`` are of no use, nobody made them here:
        none is loaded, and the next one published takes their place.
        """
        aside: list[str] = []
        passed_over: set[str] = set()
        version = self.current()
        while version is not None and len(aside) < KEPT:
            try:
                model = self.load(version)
                if reason := accept(model.card):
                    raise ModelError(f"model {self._path(version)} does not fit: {reason}")
            except ModelError as error:
                aside.append(str(error))
                if _may_heal(error) or not self._set_aside(version, aside):
                    passed_over.add(version)
                version = self._next_best(version, passed_over)
            else:
                if aside and not passed_over:
                    self._point_at(version)
                return Loaded(model, tuple(aside))
        return Loaded(None, tuple(aside))

    def roll_back(self, version: str | None = None) -> str:
        """Make ``version``, or the one before the current, the current one; answer it.

        Raises:
            ModelError: there is no such version, no earlier one, or its file is damaged.

        """
        if version is None:
            current = self.current()
            earlier = [other for other in self.versions() if current is not None and other < current]
            if not earlier:
                raise ModelError(f"cannot roll back: {self.folder} holds no model before {current}")
            version = earlier[-1]
        self.load(version)
        self._point_at(version)
        return version

    def _path(self, version: str) -> Path:
        return self.folder / f"{version}{SUFFIX}"

    def _existing(self, version: str) -> Path:
        if version not in self.versions():
            known = ", ".join(self.versions()) or "none"
            raise ModelError(f"there is no model {version!r} in {self.folder}; known versions: {known}")
        return self._path(version)

    def _point_at(self, version: str) -> None:
        write_atomically(self.folder / "current", json.dumps({"version": version}).encode(), mode=FILE_MODE)

    def _next_best(self, version: str, passed_over: set[str]) -> str | None:
        """The version before ``version``, or the newest one left."""
        remaining = [other for other in self.versions() if other not in passed_over]
        earlier = [other for other in remaining if other < version]
        return next(iter(reversed(earlier or remaining)), None)

    def _set_aside(self, version: str, told: list[str]) -> bool:
        """Rename a damaged file; where that is not possible, tell so and answer False."""
        try:
            self._path(version).replace(self.folder / f"{version}.damaged")
            sync_folder(self.folder)
        except OSError as error:
            told.append(f"cannot rename {self._path(version)}: {error.strerror}")
            return False
        return True

    def _remove_old(self) -> None:
        current = self.current()
        for version in self.versions()[:-KEPT]:
            if version != current:
                self._path(version).unlink()
        damaged = sorted(path for path in self.folder.glob("*.damaged") if path.is_file())
        for path in damaged[:-KEPT]:
            path.unlink()


def _may_heal(error: ModelError) -> bool:
    """Whether a file could not be read at this moment, as against one that is no model."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno not in {errno.EINVAL, errno.EFBIG, errno.EISDIR}


def new_version(timestamp: float, store: ModelStore) -> str:
    """A version named after its time (UTC), unique in ``store`` and sorting after all others there."""
    version = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(timestamp))
    newest = (store.versions() or [""])[-1]
    if version > newest:
        return version
    # The clock stepped back, or two trainings ended in one second: go on from the newest name.
    stem, _, count = newest.partition(".")
    return f"{stem}.{int(count or 0) + 1:03d}"
