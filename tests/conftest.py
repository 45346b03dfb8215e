"""What all tests share: what runs when, that CI skips nothing, and that no inherited setting counts."""

import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

import loadwatch

# Before numpy is loaded: two workers of xdist with two threads of BLAS each spend most of their time waiting.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """Make the manual as a build does, where the package under test is this checkout's own."""
    package = Path(__file__).resolve().parents[1] / "loadwatch"
    if hasattr(config, "workerinput") or Path(loadwatch.__file__).parent != package:
        return
    from manual import manual  # noqa: PLC0415 - what only makes documents is not there where a wheel is tried

    target = package / "web" / "static" / "manual.html"
    target.write_text(manual(package.parent, loadwatch.__version__), encoding="utf-8")


ON_REQUEST = ("bench", "e2e")
"""Markers of tests that run only where ``-m`` or an argument names them: they want peers, or minutes."""


def asked(config: pytest.Config) -> list[str]:
    """What the command line names: the expression of ``-m``, options, paths."""
    return [str(word) for word in (config.option.markexpr, *config.invocation_params.args)]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Load no folder in which nothing will run: to import what the benchmarks compare with takes seconds."""
    unasked = {"e2e": "e2e" not in " ".join(asked(config)), "benchmarks": config.option.markexpr == "quick"}
    return unasked.get(collection_path.name) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what nobody asked for, and mark as quick what is not marked as anything slower."""
    for item in items:
        if not any(item.get_closest_marker(name) for name in ("slow", *ON_REQUEST)):
            item.add_marker("quick")
    unasked = {name for name in ON_REQUEST if not any(name in word for word in asked(config))}
    left = [item for item in items if any(item.get_closest_marker(name) for name in unasked)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI, which has everything but what lies outside the repository."""
    report = yield
    outside = not SHARED.is_dir() and "shared" in getattr(item, "fixturenames", ())
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail") and not outside:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _no_inherited_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A developer's own configuration never reaches a test."""
    for name in list(os.environ):
        if name.startswith("LOADWATCH_") or name in {"STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-configuration"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real server metrics and tools beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared data and tools are not at {SHARED}")
    return SHARED


def eventually(probe: Callable[[], object], *, seconds: float, what: str) -> object:
    """Ask again and again until ``probe`` answers something true; fail with ``what`` when time is up.

    An exception of the probe counts as "not yet"; the last one is shown.
    """
    deadline = time.monotonic() + seconds
    last: BaseException | None = None
    pause = 0.02
    while time.monotonic() < deadline:
        try:
            answer = probe()
            if answer:
                return answer
        except (OSError, AssertionError, LookupError, ValueError) as error:
            last = error
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    raise AssertionError(f"not within {seconds:g} s: {what}; last: {last!r}")
