"""A copy says from which commit it was built, and says that it does not know where nobody can tell."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.version import Version

from loadwatch import __version__
from loadwatch import build as building
from loadwatch.build import Build, of_source, version_of

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
    build = of_source(checkout)
    assert build == Build(git(checkout, "rev-parse", "HEAD"), WHEN, changed=False)
    assert str(build) == f"commit {build.commit[:12]} of 2026-03-01"


def test_a_change_of_what_is_shipped_is_admitted(checkout: Path) -> None:
    """An edited or a new file makes another wheel than the commit would; one of the tests does not."""
    (checkout / "notes.txt").write_text("mine\n")
    assert "changes" not in str(of_source(checkout))
    (checkout / "README.md").write_text("two\n")
    assert str(of_source(checkout)).endswith(" with changes")
    git(checkout, "checkout", "-q", "README.md")
    (checkout / "loadwatch").mkdir()
    (checkout / "loadwatch" / "new.py").write_text("")
    assert str(of_source(checkout)).endswith(" with changes")


def test_a_folder_inside_someone_s_repository_is_none_of_its_commits(checkout: Path) -> None:
    """Sources unpacked there do not take the commit of what is around them; an empty repository has none."""
    (checkout / "source").mkdir()
    assert of_source(checkout / "source") is None
    git(checkout / "source", "init", "-q")
    assert of_source(checkout / "source") is None


def test_without_git_nothing_is_claimed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error either: a server has no git."""
    monkeypatch.setenv("PATH", str(checkout))
    assert of_source(checkout) is None


def test_what_the_build_wrote_down_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed from a wheel, no git is asked; a damaged record is no build, and no error."""
    monkeypatch.setattr(building, "RECORD", tmp_path / "build.json")
    monkeypatch.setattr(building, "CHECKOUT", tmp_path)
    assert building.build.__wrapped__() is None
    building.RECORD.write_text('{"commit": "0123456789abcdef", "timestamp": 86400, "changed": true}')
    assert str(building.build.__wrapped__()) == "commit 0123456789ab of 1970-01-02 with changes"
    building.RECORD.write_text('{"commit": "0123')
    assert building.build.__wrapped__() is None


def test_an_unpacked_sdist_is_that_of_its_checkout(tmp_path: Path) -> None:
    """It brings the record along, wherever it is unpacked."""
    (tmp_path / "build.json").write_text(
        '{"commit": "0123456789abcdef", "timestamp": 86400, "changed": false}'
    )
    assert of_source(tmp_path) == Build("0123456789abcdef", 86400, changed=False)


def test_a_later_commit_is_a_later_version() -> None:
    """By PEP 440, so that pip upgrades to it; changes make it another; the bare release comes first."""
    told = [version_of(Build("x", when, changed)) for when in (WHEN, WHEN + 1) for changed in (False, True)]
    assert told[0] == f"{__version__}.post20260301120000"
    assert told[1] == f"{__version__}.post20260301120000+changed"
    assert version_of(None) == __version__
    versions = [Version(version) for version in (__version__, *told)]
    assert versions == sorted(set(versions))


def test_a_shallow_clone_has_the_version_of_a_whole_one(checkout: Path, tmp_path: Path) -> None:
    """It is told from the last commit alone; no tag is asked either."""
    (checkout / "README.md").write_text("two\n")
    git(checkout, "commit", "-qam", "second")
    git(checkout, "clone", "-q", "--depth", "1", f"file://{checkout}", str(tmp_path / "shallow"))
    assert of_source(tmp_path / "shallow") == of_source(checkout) is not None


def test_root_reads_a_user_s_checkout(checkout: Path) -> None:
    """Git trusts nobody else's repository by itself; the wheel would name no commit."""
    if os.geteuid() != 0:
        pytest.skip("giving a file away needs root")
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 12345, 12345)
    assert of_source(checkout) is not None
