"""What lies in the package is what the code would write, all of it, and nothing else."""

import os
import subprocess
import sys

import documents
from generate import build

from loadwatch.assets import FILES, list_assets


def test_generated_files_are_up_to_date() -> None:
    """Whoever changes a definition ships the change: ``python .dev/documents.py`` and commit."""
    stale = [name for name, content in build().items() if (FILES / name).read_text() != content]
    assert stale == []


def test_generation_depends_on_nothing_but_the_code() -> None:
    """Another process, with another order of hashing, writes the same bytes."""
    program = "import generate as g; print(hash(0)); print(g.build(), end='')"
    environment = {**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo"}
    environment["PYTHONPATH"] = str(documents.ROOT / ".dev")
    output = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert output == f"0\n{build()}"


def test_every_file_in_the_package_is_listed() -> None:
    """No file is shipped that nobody can export, and none is promised that is not there."""
    there = {str(path.relative_to(FILES)) for path in FILES.rglob("*") if path.is_file()}
    beside = {asset.name for asset in list_assets() if asset.name.startswith("systemd/")}
    assert {asset.name for asset in list_assets()} == there | beside
    assert all(asset.text() for asset in list_assets())


def test_every_generated_file_is_listed() -> None:
    """The code writes no file that is not shipped."""
    assert build().keys() <= {asset.name for asset in list_assets()}
