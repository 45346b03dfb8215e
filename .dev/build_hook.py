"""What a build adds to the sources: the commit, as ``loadwatch/build.json``, and the manual.

The same commit gives the same files, so wheels stay the same to the byte. Where no git can tell (the
Dockerfile's copy has no ``.git``), the commit is left out and unknown. An sdist has the record beside its
sources, so the wheel made of it is that of its checkout. An editable installation has its manual in the
checkout, ignored by git, and no record of a commit, because the checkout moves on. The manual names the
release alone.
"""

import json
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MANUAL = "loadwatch/web/static/manual.html"


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds both files to what is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before a build."""
        root = Path(self.root)
        sys.path.insert(0, self.root)
        if version == "editable":
            (root / MANUAL).write_text(self._manual(root), encoding="utf-8")
            return
        self.folder = tempfile.TemporaryDirectory(prefix="loadwatch-build-")
        if self.target_name == "wheel":
            page = Path(self.folder.name, "manual.html")
            page.write_text(self._manual(root), encoding="utf-8")
            build_data["force_include"][str(page)] = MANUAL
        from loadwatch.build import of_source  # noqa: PLC0415 - the sources are found now

        build = of_source(root)
        if build is None:
            return
        record = Path(self.folder.name, "build.json")
        record.write_text(json.dumps(build._asdict()) + "\n", encoding="utf-8")
        target = "build.json" if self.target_name == "sdist" else "loadwatch/build.json"
        build_data["force_include"][str(record)] = target

    def finalize(self, *_: object) -> None:
        """After it."""
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def _manual(self, root: Path) -> str:
        from loadwatch import __version__  # noqa: PLC0415 - the same

        made = runpy.run_path(str(root / ".dev" / "manual.py"))["manual"](root, __version__)
        return str(made)
