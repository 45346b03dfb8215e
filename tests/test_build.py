"""A copy says from which commit it was built, and says that it does not know where nobody can tell."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from loadwatch import build as building
from loadwatch.build import Build, of_checkout

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

WHEN = 1_772_366_400  # the first of March 2026, noon in UTC


def git(root: Path, *words: str) -> str:
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    people = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(
        ["git", "-C", root, *words],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **settings, **people, "GIT_COMMITTER_DATE": f"{WHEN} +0900"},
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit of one of the files that a wheel is made of."""
    git(tmp_path, "init", "-q")
    (tmp_path / "README.md").write_text("one\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_checkout_names_its_commit(checkout: Path) -> None:
    """The hash that ``git log`` shows, and its day in UTC whatever zone it was made in."""
    build = of_checkout(checkout)
    assert build == Build(git(checkout, "rev-parse", "HEAD"), WHEN, changed=False)
    assert str(build) == f"commit {build.commit[:12]} of 2026-03-01"


def test_a_change_of_what_is_shipped_is_admitted(checkout: Path) -> None:
    """An edited or a new file makes another wheel than the commit would; one of the tests does not."""
    (checkout / "notes.txt").write_text("mine\n")
    assert "changes" not in str(of_checkout(checkout))
    (checkout / "README.md").write_text("two\n")
    assert str(of_checkout(checkout)).endswith(" with changes")
    git(checkout, "checkout", "-q", "README.md")
    (checkout / "loadwatch").mkdir()
    (checkout / "loadwatch" / "new.py").write_text("")
    assert str(of_checkout(checkout)).endswith(" with changes")


def test_a_folder_inside_someone_s_repository_is_none_of_its_commits(checkout: Path) -> None:
    """Sources unpacked there do not take the commit of what is around them; an empty repository has none."""
    (checkout / "source").mkdir()
    assert of_checkout(checkout / "source") is None
    git(checkout / "source", "init", "-q")
    assert of_checkout(checkout / "source") is None


def test_without_git_nothing_is_claimed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error either: a server has no git."""
    monkeypatch.setenv("PATH", str(checkout))
    assert of_checkout(checkout) is None


def test_what_the_build_wrote_down_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed from a wheel, no git is asked; a damaged record is no build, and no error."""
    monkeypatch.setattr(building, "RECORD", tmp_path / "build.json")
    monkeypatch.setattr(building, "CHECKOUT", tmp_path)
    assert building.build() is None
    building.RECORD.write_text('{"commit": "0123456789abcdef", "timestamp": 86400, "changed": true}')
    assert str(building.build()) == "commit 0123456789ab of 1970-01-02 with changes"
    building.RECORD.write_text('{"commit": "0123')
    assert building.build() is None
