"""What the log says about a container."""

from pathlib import Path

import pytest

from loadwatch.daemon.container import container_note


def test_outside_a_container_nothing_is_said(tmp_path: Path) -> None:
    """A server needs no such line."""
    assert container_note(tmp_path, {"PATH": "/bin"}) == ""


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_a_container_is_told_that_it_sees_the_host(tmp_path: Path, mark: str) -> None:
    """Docker and podman leave a file; limits of the control group are named, and what they do not change."""
    (tmp_path / mark).parent.mkdir(exist_ok=True)
    (tmp_path / mark).touch()
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("50000 100000\n")
    (group / "memory.max").write_text("268435456\n")
    note = container_note(tmp_path, {})
    assert "those of the whole host (this container may use 0.5 CPUs and 256 MiB)" in note


def test_without_limits_none_are_named(tmp_path: Path) -> None:
    """``max`` is no limit, and control groups of version 1 have no such files."""
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("max 100000\n")
    assert "may use" not in container_note(tmp_path, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
