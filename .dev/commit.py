"""Writes the commit into wheels and sdists, as ``loadwatch/build.json``; see ``loadwatch/build.py``.

The same commit gives the same file, so wheels stay the same to the byte. Nothing is written into the source;
where no git can tell (the Dockerfile's copy has no ``.git``), the file is left out and the commit is unknown.
An sdist has the file beside its sources, so the wheel made of it is that of its checkout.
"""

import json
import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the file to what is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before a build; an editable one stays without, because its checkout moves on."""
        if version == "editable":
            return
        root, target = (
            Path(self.root),
            "build.json" if self.target_name == "sdist" else "loadwatch/build.json",
        )
        record = root / "build.json"  # this is an unpacked sdist
        if not record.exists():
            build = runpy.run_path(str(root / "loadwatch" / "build.py"))["of_checkout"](root)
            if build is None:
                return
            self.folder = tempfile.TemporaryDirectory(prefix="loadwatch-build-")
            record = Path(self.folder.name, "build.json")
            record.write_text(json.dumps(build._asdict()) + "\n", encoding="utf-8")
        build_data["force_include"][str(record)] = target

    def finalize(self, *_: object) -> None:
        """After it."""
        if hasattr(self, "folder"):
            self.folder.cleanup()
