"""A daemon that is more open than it has to be says so, once."""

import os
from pathlib import Path

import pytest

from loadwatch import config as configuration
from loadwatch.daemon.exposure import exposure_notes

PASSWORD = "basic_auth_users:\n  scraper: $2b$10$abcdefghijklmnopqrstuuVGkxaCYnzdEJfO7kHAHRJSvVnTDyRUW\n"


def notes(folder: Path, *overrides: str) -> str:
    return " | ".join(exposure_notes(configuration.load(None, environment={}, overrides=overrides), folder))


def test_a_daemon_with_a_user_of_its_own_on_loopback_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As shipped there is nothing to say."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert notes(tmp_path) == ""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert notes(tmp_path).startswith("running as root")


@pytest.mark.parametrize("address", [":10074", "0.0.0.0:10074", "[::]:10074"])
def test_all_addresses_without_a_password_are_said(tmp_path: Path, address: str) -> None:
    """With a password they are what an operator wanted."""
    said = "serving on all addresses without a password"
    file = tmp_path / "web.yml"
    file.write_text(PASSWORD)
    assert said in notes(tmp_path, f"web.listen_address={address}")
    assert said not in notes(tmp_path, f"web.listen_address={address}", f"web.config_file={file}")
    assert said not in notes(tmp_path, "web.listen_address=192.0.2.1:10074")


def test_a_state_directory_for_everybody_is_said(tmp_path: Path) -> None:
    """Whoever may write there may exchange the history."""
    tmp_path.chmod(0o777)
    assert "chmod o-w" in notes(tmp_path)
