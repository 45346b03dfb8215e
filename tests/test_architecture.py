"""The plan of the package holds: imports point downward, and each heavy library has one home."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import loadwatch

PACKAGE = Path(loadwatch.__file__).parent

RANKS: dict[str, int] = {
    # The other rooms of the ground floor use these.
    **dict.fromkeys(["errors", "escaping", "files", "signals"], -1),
    **dict.fromkeys(
        ["clock", "times", "records", "service_manager", "build", "http_client", "state_directory"], 0
    ),
    **dict.fromkeys(["nn", "features", "sampling", "config", "history", "culprits"], 1),
    **dict.fromkeys(["labels", "model", "maintenance"], 2),
    **dict.fromkeys(["judge", "training"], 3),
    **dict.fromkeys(["pipeline", "notifications", "json_documents"], 4),
    **dict.fromkeys(
        ["exporter", "web", "replay", "interchange", "selftest", "pictures", "assets", "report"], 5
    ),
    "daemon": 6,
    "cli": 7,
    "__main__": 8,
}

HOMES: dict[str, set[str]] = {
    "psutil": {"sampling"},
    "sqlite3": {"history"},
    "prometheus_client": {"exporter", "sampling"},
    "apscheduler": {"daemon"},
    "tornado": {"web"},
    "click": {"cli"},
    "rich": {"cli"},
    "matplotlib": {"pictures"},
    "cronsim": {"maintenance"},
    "apprise": {"notifications"},
}


@cache
def modules() -> tuple[tuple[str, Path, list[str]], ...]:
    """Every module with its room and the absolute names it imports."""
    return tuple(_read())


def _read() -> Iterator[tuple[str, Path, list[str]]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts == ("__init__",):
            continue
        imported: list[str] = []
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import; write the absolute name"
                imported += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield parts[0], path, imported


def test_every_module_has_a_room_in_the_plan() -> None:
    """A reader finds each room in the design; a new one is a decision, not an accident."""
    assert {room for room, _, _ in modules()} <= RANKS.keys()


def test_one_class_name_has_one_meaning() -> None:
    """A reader who meets a name a second time has met the same thing."""
    homes: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_imports_point_downward() -> None:
    """A room imports only rooms of lower rank, or itself."""
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for room, path, imported in modules()
        for name in imported
        if name.startswith("loadwatch.")
        and (target := name.split(".")[1]) in RANKS
        and target != room
        and RANKS[target] >= RANKS[room]
    ]
    assert wrong == []


def test_each_library_has_one_home() -> None:
    """What can be replaced is replaced in one place."""
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for room, path, imported in modules()
        for name in imported
        if room not in HOMES.get(name.split(".")[0], {room})
    ]
    assert wrong == []


def test_the_network_imports_numpy_only() -> None:
    """``loadwatch.nn`` can be lifted out and used by itself."""
    allowed = {"numpy", *sys.stdlib_module_names}
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for room, path, imported in modules()
        if room == "nn"
        for name in imported
        if not name.startswith("loadwatch.nn") and name.split(".")[0] not in allowed
    ]
    assert wrong == []


def test_what_runs_programs_of_others_is_in_one_folder() -> None:
    """`.ci/run` asks for the end-to-end runs by their folder."""
    tests = Path(__file__).parent
    marked = [path for path in tests.rglob("test_*.py") if "pytest.mark." + "e2e" in path.read_text()]

    assert {path.parent for path in marked} == {tests / "e2e"}


def test_the_top_of_the_repository_is_one_glance() -> None:
    """A newcomer finds six things there and nothing else; what tools want lies in hidden folders."""
    root = Path(__file__).parents[1]
    listed = subprocess.run(
        ["git", "-C", root, "ls-files"], capture_output=True, text=True, check=True
    ).stdout
    seen = {line.split("/")[0] for line in listed.splitlines()}
    expected = {"Dockerfile", "README.md", "loadwatch", "pyproject.toml", "systemd", "tests"}
    assert {name for name in seen if not name.startswith(".")} == expected
