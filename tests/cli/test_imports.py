"""A command loads what it uses: scripts and completion call it often, and pay for each module."""

import json
import os
import subprocess
import sys

import pytest
from web.fake_daemon import Starter

HEAVY = {
    "numpy",
    "rich",
    "tornado",
    "sqlite3",
    "psutil",
    "apscheduler",
    "prometheus_client",
    "asyncio",
    "ssl",
}
PROBE = """
import json, sys
bare = set(sys.modules)
from loadwatch.__main__ import main
try:
    main()
finally:
    print(json.dumps(sorted(set(sys.modules) - bare)), file=sys.stderr)
"""


def loaded(*arguments: str, **environment: str) -> set[str]:
    """The modules that a command loads beyond those of a bare interpreter."""
    run = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    return set(json.loads(run.stderr))


@pytest.mark.parametrize(
    ("arguments", "environment", "most"),
    [
        (["completion", "bash"], {}, 75),
        ([], {"_LOADWATCH_COMPLETE": "bash_complete", "COMP_WORDS": "loadwatch st", "COMP_CWORD": "1"}, 75),
        (["--help"], {}, 75),
        (["--version"], {}, 135),
    ],
    ids=["script", "completion", "help", "version"],
)
def test_what_needs_nothing_loads_nothing(
    arguments: list[str], environment: dict[str, str], most: int
) -> None:
    """A key press in a shell must not wait for a network of neurons."""
    modules = loaded(*arguments, **environment)
    assert modules & HEAVY == set()
    assert not {name for name in modules if name.startswith("loadwatch.")} - {
        "loadwatch.__main__",
        "loadwatch.build",
        "loadwatch.cli",
        "loadwatch.cli.completion",
        "loadwatch.cli.context",
        "loadwatch.cli.main",
        "loadwatch.errors",
        "loadwatch.escaping",
    }
    assert len(modules) <= most


@pytest.mark.slow
def test_a_question_to_the_daemon_loads_no_daemon(daemon: Starter) -> None:
    """``status`` needs HTTP and, to draw, a terminal library; as JSON or an exit code not even that."""
    address = daemon().server.urls[0].removeprefix("http://").rstrip("/")
    here = f"--set=web.listen_address={address}"
    drawn, plain = loaded("status", here), loaded("status", "--json", here)
    assert drawn & HEAVY == {"rich", "ssl"}  # ssl comes with the library's HTTP
    assert plain & HEAVY == {"ssl"}
    assert len(plain) <= 190
    assert len(drawn) <= 270


def test_watching_loads_nothing_that_learns() -> None:
    """The daemon keeps what judges in memory; what trains is loaded by a training's own process."""
    code = "import sys, loadwatch.daemon.service; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    learning = {name for name in run.stdout.split() if name.startswith("loadwatch.training.")}
    assert learning == {"loadwatch.training.order"}
