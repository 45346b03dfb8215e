"""What all tests share: nothing may be skipped in CI, and no inherited setting may change a result."""

import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where everything is there to run it."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
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
