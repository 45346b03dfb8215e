"""``loadwatch assets export`` gives files to people and never takes theirs away."""

import subprocess
import sys
from pathlib import Path

import pytest

from loadwatch.assets import DEFAULT_PROJECT_URL, AssetError, export, list_assets
from loadwatch.errors import UsageError


def test_export_writes_every_file(tmp_path: Path) -> None:
    """Without names, everything is there under the folder, which is made if need be."""
    folder = tmp_path / "etc" / "loadwatch"
    assert export(folder) == [folder / asset.name for asset in list_assets()]
    assert all((folder / asset.name).read_text() == asset.text() for asset in list_assets())


def test_export_of_a_folder_takes_what_is_in_it(tmp_path: Path) -> None:
    """``grafana/dashboards`` is as good a name as a file; what is named twice is written once."""
    paths = export(tmp_path, ["grafana/dashboards/", "grafana/dashboards/loadwatch-host.json"])
    assert sorted(path.name for path in paths) == [
        "loadwatch-daemon.json",
        "loadwatch-fleet.json",
        "loadwatch-host.json",
    ]


def test_export_again_changes_nothing(tmp_path: Path) -> None:
    """The same content in the way is no reason to complain."""
    assert export(tmp_path) == export(tmp_path)


def test_export_keeps_files_that_were_changed(tmp_path: Path) -> None:
    """With somebody's work in the way nothing is written at all, and the message names the file."""
    export(tmp_path, ["prometheus"])
    (tmp_path / "prometheus/loadwatch.rules.yml").write_text("groups: []\n")
    with pytest.raises(AssetError, match=r"already in prometheus/loadwatch\.rules\.yml; choose"):
        export(tmp_path)
    assert not (tmp_path / "grafana").exists()
    export(tmp_path, replace=True)
    assert "LoadwatchHighLoad" in (tmp_path / "prometheus/loadwatch.rules.yml").read_text()


def test_unknown_names_get_the_nearest_one(tmp_path: Path) -> None:
    """A typing error costs one look at the message."""
    with pytest.raises(UsageError, match=r"did you mean prometheus/loadwatch\.rules\.yml\?"):
        export(tmp_path, ["prometheus/loadwatch.rules.yaml"])
    with pytest.raises(UsageError, match=r"no file or folder ''"):
        export(tmp_path, [""])


def test_links_lead_to_the_given_grafana(tmp_path: Path) -> None:
    """AlertRule texts point where this Grafana lives, in the rules as in their tests."""
    export(tmp_path, ["prometheus"], grafana_url="https://grafana.example.com/")
    rules = (tmp_path / "prometheus/loadwatch.rules.yml").read_text()
    assert "https://grafana.example.com/d/loadwatch-host?" in rules
    assert "localhost:3000" not in rules
    with pytest.raises(UsageError, match="must begin with http"):
        export(tmp_path, grafana_url="grafana.example.com")


def test_runbooks_are_read_where_the_project_lives(tmp_path: Path) -> None:
    """One setting moves the runbook of every alert, in Prometheus' rules, their tests and Grafana's twins."""
    home = "https://git.example.com/tools/loadwatch"
    for path in export(tmp_path, project_url=f"{home}/"):
        text = path.read_text()
        assert DEFAULT_PROJECT_URL not in text
        if "runbook_url:" in text:
            assert f"{home}#loadwatchhighload" in text
    with pytest.raises(UsageError, match="the project's address"):
        export(tmp_path, project_url="")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder should be: one clear line."""
    (tmp_path / "occupied").write_text("")
    with pytest.raises(AssetError, match=r"cannot export to .*occupied"):
        export(tmp_path / "occupied")


def test_export_needs_neither_yaml_nor_the_generator() -> None:
    """The daemon's installation carries no YAML library for this."""
    program = (
        "import sys, loadwatch.assets; "
        "print([name for name in sys.modules if name == 'yaml' or name.startswith('loadwatch.assets.')])"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert output == "[]\n"
