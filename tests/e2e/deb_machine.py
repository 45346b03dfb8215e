#!/usr/bin/env python3
"""What is done as root with the Debian package inside a throw-away machine; see ``test_deb``.

``/debs/old/dist`` and ``/debs/new/dist`` hold a package each, ``/debs/deb.sh`` the documents' command,
``/debs/playbook`` what ``loadwatch assets export`` writes; ``/ansible`` is Ansible.
"""

import gzip
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

sys.path.append("/work")  # where these files lie for the machine, which runs a copy of this one

from systemd_machine import (
    CONFIGURATION,
    FAST,
    URL,
    configure,
    eventually,
    journal,
    metrics,
    models,
    processes,
    report,
    run,
    running_version,
    shown,
    stored,
)

VENV = Path("/opt/loadwatch")
PLAYBOOK = Path("/root/ansible")


def installed_version() -> str:
    return run("dpkg-query", "-W", "-f", "${Version}", "loadwatch")


def main_pid() -> int:
    return int(shown("MainPID"))


def install(which: str) -> None:
    """The documents' own command, in a folder that has the package as a checkout has it."""
    end = subprocess.run(
        ["sh", "-eu", "/debs/deb.sh"],
        cwd=f"/debs/{which}",
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert end.returncode == 0, end.stdout + end.stderr


def test_an_installation_by_pip_is_not_overwritten() -> None:
    VENV.mkdir()
    (VENV / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (package,) = Path("/debs/old/dist").glob("*.deb")
    end = subprocess.run(["dpkg", "-i", package], capture_output=True, text=True, check=False)
    assert end.returncode != 0
    assert "systemctl disable --now loadwatch; rm -r /opt/loadwatch" in end.stderr
    run("rm", "-r", str(VENV))
    assert not Path("/usr/bin/loadwatch").exists()


def test_one_command_installs_and_starts_it() -> None:
    # This machine leaves out what is only read; a real one does not.
    for path in Path("/etc/dpkg/dpkg.cfg.d").iterdir():
        path.unlink()
    install("old")
    eventually(lambda: metrics().get("loadwatch_ready") == 1.0, 40, "a verdict")
    assert run("systemctl", "is-enabled", "loadwatch").strip() == "enabled"
    assert f"loadwatch {running_version()} (commit " in run("loadwatch", "--version")
    assert installed_version() == running_version()
    assert run("dpkg", "--verify", "loadwatch") == ""
    unit = run("systemctl", "show", "loadwatch", "--value", "-p", "FragmentPath").strip()
    assert run("dpkg", "-S", Path(unit).name).startswith("loadwatch:")
    text = journal(time.time() - 120)
    assert "WARNING" not in text, text


def test_shells_and_man_know_it() -> None:
    share = Path("/usr/share")
    page = gzip.decompress((share / "man/man1/loadwatch.1.gz").read_bytes())
    assert page.startswith(b".TH LOADWATCH")
    assert (share / "zsh/vendor-completions/_loadwatch").is_file()
    assert (share / "fish/vendor_completions.d/loadwatch.fish").is_file()
    script = share / "bash-completion/completions/loadwatch"
    assert "loadwatch" in run("bash", "-c", f"source {script} && complete -p loadwatch")


def test_an_upgrade_restarts_it_and_keeps_history_and_settings() -> None:
    configure(FAST)
    run("systemctl", "reload", "loadwatch")
    eventually(lambda: stored()[0] > 20, 60, "some history")
    before, pid, known = running_version(), main_pid(), models()
    run("systemctl", "stop", "loadwatch")
    count, _ = stored()
    run("systemctl", "start", "loadwatch")
    install("new")
    eventually(lambda: metrics().get("loadwatch_ready") == 1.0, 40, "a verdict")
    assert running_version() == installed_version() != before
    assert run("dpkg", "--compare-versions", before, "lt", installed_version()) == ""
    assert main_pid() != pid
    assert stored()[0] >= count
    assert models() == known
    assert CONFIGURATION.read_text() == FAST
    assert run("dpkg", "--verify", "loadwatch").split()[1:] == ["c", str(CONFIGURATION)]


def test_another_python_of_debian_restarts_it() -> None:
    pid = main_pid()
    run("dpkg-trigger", "--by-package=python3-minimal", "/usr/bin/python3")
    run("dpkg", "--configure", "--pending")
    eventually(lambda: metrics().get("loadwatch_ready") == 1.0, 40, "a verdict")
    assert main_pid() not in {0, pid}


def test_one_that_was_switched_off_stays_off() -> None:
    run("systemctl", "disable", "--now", "loadwatch")
    run("/var/lib/dpkg/info/loadwatch.postinst", "configure", installed_version())
    assert (shown("ActiveState"), shown("UnitFileState")) == ("inactive", "disabled")
    run("systemctl", "enable", "--now", "loadwatch")


def test_removed_it_leaves_history_and_settings() -> None:
    count, _ = stored()
    run("apt-get", "remove", "-qy", "loadwatch")
    assert processes() == {}
    assert shown("ActiveState") in {"inactive", "failed"}
    assert not VENV.exists(), run("find", str(VENV))
    assert not Path("/usr/bin/loadwatch").exists()
    assert stored()[0] >= count
    assert CONFIGURATION.read_text() == FAST


def test_purged_it_leaves_nothing() -> None:
    run("apt-get", "purge", "-qy", "loadwatch")
    run("systemctl", "daemon-reload")
    left = run(
        *("find", "/etc", "/var", "/usr", "/opt", "/run/systemd", "-name", "*loadwatch*"),
        *("-not", "-path", "/var/log/*"),
    )
    assert left == "", left
    assert shown("LoadState") == "not-found"


def play(*options: str) -> int:
    """Run the playbook as its users do; how much it changed."""
    (package,) = Path("/debs/new/dist").glob("*.deb")
    words = ("-i", "hosts.ini", "ansible/loadwatch.yml", "-e", f"loadwatch_package={package}", *options)
    end = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", *words],
        cwd=PLAYBOOK,
        env={**os.environ, "PYTHONPATH": "/ansible"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert end.returncode == 0, end.stdout + end.stderr
    (changed,) = re.findall(r"^web-1 .* changed=(\d+)", end.stdout, re.MULTILINE)
    return int(changed)


def inventory(*variables: str) -> None:
    """This machine, and a host that is never asked; both with these variables."""
    local = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    lines = (f"web-1 {local}", "web-2 ansible_host=192.0.2.2", "[all:vars]", *variables)
    (PLAYBOOK / "hosts.ini").write_text("\n".join(lines) + "\n")


def scraped() -> object:
    return json.loads((PLAYBOOK / "ansible" / "loadwatch-hosts.json").read_text())


def listening() -> set[str]:
    return set(re.findall(r"LISTEN\s+\d+\s+\d+\s+(\S+)", run("ss", "-Hlnt")))


def test_the_playbook_installs_it_and_opens_nothing() -> None:
    run("cp", "-r", "/debs/playbook", str(PLAYBOOK))
    inventory()
    assert play("--limit", "web-1") > 0
    eventually(lambda: metrics().get("loadwatch_ready") == 1.0, 40, "a verdict")
    assert installed_version() == running_version()
    assert listening() == {URL.removeprefix("http://")}
    assert scraped() == []


def test_the_playbook_opens_what_it_is_told_to_and_lists_it_for_prometheus() -> None:
    settings = {"alerts": {"budget_per_week": 5}, "high_load": {"when": 'avg(cpu, "1m") > 0.4'}}
    inventory("loadwatch_listen_address=0.0.0.0:10074", f"loadwatch_settings={json.dumps(settings)}")
    assert play("--limit", "web-1") > 0
    eventually(lambda: metrics().get("loadwatch_ready") == 1.0, 40, "a verdict")
    assert listening() == {"0.0.0.0:10074"}
    assert scraped() == [
        {"targets": ["web-1:10074"], "labels": {"instance": "web-1"}},
        {"targets": ["192.0.2.2:10074"], "labels": {"instance": "web-2"}},
    ]
    written = tomllib.loads(CONFIGURATION.read_text())
    assert {name: written[name] for name in settings} == settings


def test_the_playbook_changes_nothing_the_second_time() -> None:
    pid = main_pid()
    assert play("--limit", "web-1") == 0
    assert main_pid() == pid


CHECKS = (
    test_an_installation_by_pip_is_not_overwritten,
    test_one_command_installs_and_starts_it,
    test_shells_and_man_know_it,
    test_an_upgrade_restarts_it_and_keeps_history_and_settings,
    test_another_python_of_debian_restarts_it,
    test_one_that_was_switched_off_stays_off,
    test_removed_it_leaves_history_and_settings,
    test_purged_it_leaves_nothing,
    test_the_playbook_installs_it_and_opens_nothing,
    test_the_playbook_opens_what_it_is_told_to_and_lists_it_for_prometheus,
    test_the_playbook_changes_nothing_the_second_time,
)

if __name__ == "__main__":
    report(CHECKS)
