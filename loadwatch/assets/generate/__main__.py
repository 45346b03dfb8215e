"""Rewrite the generated assets beside the code, and in a checkout the runbook in the README."""

from pathlib import Path

from loadwatch.assets import FILES
from loadwatch.assets.generate import build
from loadwatch.assets.generate.runbook import with_runbook
from loadwatch.files import write_atomically

for name, content in build().items():
    path = FILES / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.encode())

readme = Path(__file__).parents[3] / "README.md"
if readme.is_file():
    write_atomically(readme, with_runbook(readme.read_text(encoding="utf-8")).encode())
