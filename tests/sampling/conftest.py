from pathlib import Path

import psutil
import pytest

from .host import FakeHost


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host with two CPUs, one interface and one disk, all counters at zero; psutil looks at it too."""
    host = FakeHost(tmp_path)
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(host.procfs))
    return host
