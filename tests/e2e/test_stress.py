"""The installed daemon on a machine that really gets loaded, scraped by a real Prometheus."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import eventually
from processes import Daemon, Program, free_port

pytestmark = pytest.mark.e2e


def need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed (apt install {program})")
    return path


def test_a_real_prometheus_scrapes_it_and_promtool_has_nothing_to_say(tmp_path: Path) -> None:
    """Debian's Prometheus stores the probability, and the page follows every rule of promtool."""
    prometheus, promtool = need("prometheus"), need("promtool")
    port = free_port()
    with Daemon(tmp_path / "daemon" / "state", "--set", "sampling.interval=1s").until_ready() as daemon:
        checked = subprocess.run(
            [promtool, "check", "metrics"],
            input=daemon.get("/metrics"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs:\n"
            f"  - {{job_name: loadwatch, static_configs: [{{targets: ['127.0.0.1:{daemon.port}']}}]}}\n"
        )
        command = [
            prometheus,
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with Program(command, tmp_path / "prometheus.log"):

            def stored() -> list[object]:
                query = f"http://127.0.0.1:{port}/api/v1/query?query=loadwatch_high_load_probability"
                answer = subprocess.run(["curl", "-fs", query], capture_output=True, check=False)
                found: list[object] = json.loads(answer.stdout or b"{}").get("data", {}).get("result", [])
                return found

            found = eventually(stored, seconds=60, what="Prometheus has the probability")
            assert isinstance(found, list)
            assert {series["metric"]["horizon"] for series in found} == {"0", "60", "300", "900"}


@pytest.mark.alone
def test_stress_ng_raises_the_flag_within_three_intervals_and_its_end_clears_it(tmp_path: Path) -> None:
    """The flag for now follows the rule: up within three intervals, down within a minute.

    The rule is on memory, because this test may share its CPUs with others.
    """
    stress = need("stress-ng")
    memory = psutil.virtual_memory()
    limit = 1 - memory.available / memory.total + 0.05
    rule = f"high_load.when=memory > {limit:.4f}"
    with Daemon(
        tmp_path / "daemon" / "state", "--set", "sampling.interval=1s", "--set", rule
    ).until_ready() as daemon:
        assert daemon.value("loadwatch_high_load", horizon="0") == 0

        def rule_holds() -> bool:
            return (daemon.value("loadwatch_signal", signal="memory", unit="ratio") or 0) > limit

        def flag() -> float | None:
            return daemon.value("loadwatch_high_load", horizon="0")

        load = [
            stress,
            "--vm",
            "1",
            "--vm-bytes",
            f"{int(0.1 * memory.total)}",
            "--vm-keep",
            "--timeout",
            "120",
        ]
        with Program(load, tmp_path / "stress.log"):
            eventually(rule_holds, seconds=60, what="the rule holds")
            held = time.monotonic()
            eventually(lambda: flag() == 1, seconds=10, what="the flag is up")
            # Three intervals, and one second that polling and a busy machine may add.
            assert time.monotonic() - held <= 4.0
        eventually(lambda: not rule_holds(), seconds=30, what="the rule has ended")
        eventually(lambda: flag() == 0, seconds=60, what="the flag is down")


@pytest.mark.parametrize("mode", ["noaccess", "invisible", "ptraceable"])
def test_a_kernel_that_hides_processes_is_told_apart_from_an_idle_one(mode: str) -> None:
    """By every way of hiding that the kernel knows; nobody is named then, not ourselves either."""
    for program in ("unshare", "setpriv"):
        need(program)
    if os.geteuid() != 0:
        pytest.skip("mounting a /proc of its own needs root")
    look = (
        "from pathlib import Path; from loadwatch.sampling.processes import ProcessReader as R; "
        "print(R(Path('/proc')).read().is_hidden)"
    )
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", look]
    mount = f'mount -t proc -o hidepid={mode} proc /proc && exec "$@"'
    hidden = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh", *other]

    def said(command: list[str]) -> str:
        return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False).stdout.strip()

    if said(other) == "":
        pytest.skip("this checkout may be read by its owner only")
    assert (said(hidden), said(other)) == ("True", "False")


def prefer(program: Program) -> None:
    """Let the kernel give a program its CPUs first, where we may: the machine may do more than this test."""
    group = Path(f"/proc/{program.process.pid}/autogroup")
    if os.geteuid() == 0 and group.exists():
        group.write_text("-5")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize(
    ("resource", "rule", "load", "program"),
    [
        ("cpu", "cpu > 0.001", ("--cpu", "4"), "stress-ng-cpu"),
        ("memory", "memory > 0.001", ("--vm", "1", "--vm-bytes", "10%", "--vm-keep"), "stress-ng-vm"),
        (
            "io",
            "disk_write > 1",
            ("--hdd", "2", "--hdd-bytes", "64m", "--hdd-opts", "dsync"),
            "stress-ng-hdd",
        ),
    ],
)
def test_the_program_that_causes_it_is_named_first(
    resource: str, rule: str, load: tuple[str, ...], program: str, tmp_path: Path
) -> None:
    """Whatever it is that is short, and whatever else runs beside; with its unit, where there is one.

    The rule holds from the start, because only the names are at stake here.
    """
    stress = need("stress-ng")
    daemon = Daemon(
        tmp_path / "daemon" / "state", "--set", "sampling.interval=1s", "--set", f"high_load.when={rule}"
    )
    command = [stress, *load, "--temp-path", str(tmp_path), "--timeout", "150"]
    with daemon.until_ready(), Program(command, tmp_path / "stress.log") as stressing:
        prefer(stressing)
        told: list[str] = []

        def first_named() -> bool:
            culprits = json.loads(daemon.get("/api/v1/status"))["verdict"]["culprits"]
            if culprits is None or culprits["resource"] != resource:
                return False
            told.append(culprits["words"])
            processes = [each for each in culprits["named"] if each["kind"] == "process"]
            return (
                bool(processes) and processes[0]["name"] == program and culprits["words"].startswith(program)
            )

        eventually(first_named, seconds=120, what=f"{program} is named first")
        print(told[-1])
