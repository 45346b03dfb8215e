#!/usr/bin/env python3
"""What is done as root inside the throw-away machine with a real systemd; see ``test_systemd``.

Runs under the machine's own Python with nothing installed. Each check is a function whose name is that of the
test it answers; its outcome, empty or the reason of its failure, is a line of JSON in ``/out/results``.
Checks run in the order in which they stand. The machine reboots once in between.
"""

import http.server
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

UNIT = "/opt/loadwatch/lib/systemd/system/loadwatch.service"
CONFIGURATION = Path("/etc/loadwatch/loadwatch.toml")
DROP_IN = Path("/etc/systemd/system/loadwatch.service.d/test.conf")
STATE = Path("/var/lib/loadwatch")
REMEMBERED = Path("/var/lib/before-reboot.json")
REBOOT = 133
URL = "http://127.0.0.1:10074"
FAST = '[sampling]\ninterval = "200ms"\n'


def run(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"{' '.join(command)}: {answer.stdout}{answer.stderr}"
    return answer.stdout


def shown_commands(name: str, folder: str = "/") -> str:
    """Run the documents' commands of this name, word for word; what pip asks for lies in ``/wheels``."""
    answer = subprocess.run(
        ["bash", "-euo", "pipefail", f"/wheels/{name}.sh"],
        cwd=folder,
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, f"{name}: {answer.stdout}{answer.stderr}"
    return answer.stdout


def shown(name: str) -> str:
    return run("systemctl", "show", "loadwatch", "--value", "-p", name).strip()


def journal(since: float) -> str:
    run("journalctl", "--sync")
    return run("journalctl", "-u", "loadwatch", "-o", "cat", "--since", f"@{since:.3f}")


def metrics() -> dict[str, float]:
    with urllib.request.urlopen(f"{URL}/metrics", timeout=3) as answer:
        page = answer.read().decode()
    return {
        series: float(value)
        for series, value in re.findall(r"^(loadwatch_\S+?(?:\{.*\})?) (\S+)$", page, re.MULTILINE)
    }


def eventually(probe: Callable[[], object], seconds: float, what: str) -> object:
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            if answer := probe():
                return answer
        except OSError as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(
        f"not within {seconds:g} s: {what} (last: {last}); {journal(deadline - seconds - 10)[-4000:]}"
    )


def configure(text: str) -> None:
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(text)


def stored() -> tuple[int, float]:
    """How many samples are stored, and when the newest was taken; the file must be whole."""
    with sqlite3.connect(f"file:{STATE / 'history.db'}?mode=ro", uri=True) as history:
        assert history.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        count, newest = history.execute("SELECT count(*), max(timestamp) FROM samples").fetchone()
    return int(count), float(newest)


def models() -> list[str]:
    return sorted(path.name for path in (STATE / "models").glob("*.model"))


def processes() -> dict[int, str]:
    """Every process that runs our program, whatever became of its unit."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if words.startswith("/opt/loadwatch/bin/python"):
            found[int(folder.name)] = words
    return found


def training_that_gave_way() -> bool:
    """Whether a training runs that is idle to the scheduler and the first to be killed for want of memory."""
    children = [pid for pid, words in processes().items() if "train --order" in words]
    return any(
        os.getpriority(os.PRIO_PROCESS, pid) == 19
        and Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
        for pid in children
    )


def restarts() -> int:
    return int(shown("NRestarts"))


def until_restarted(before: int, seconds: float) -> None:
    eventually(
        lambda: restarts() > before and shown("ActiveState") == "active",
        seconds,
        "systemd restarted the daemon",
    )


# ------------------------------------------------------------------------------------------ first boot


def test_two_commands_install_it() -> None:
    shown_commands("service", "/old")
    # `--now` has waited for READY=1, so it answers already; and it will after every boot.
    assert metrics()["loadwatch_ready"] in {0.0, 1.0}
    assert run("systemctl", "is-enabled", "loadwatch").strip() in {"enabled", "linked"}
    verdict = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr.strip()) == (0, ""), verdict.stderr
    run("systemctl", "stop", "loadwatch")


def test_a_taken_port_never_counts_as_started() -> None:
    configure(FAST)
    since = time.time()
    with socket.create_server(("127.0.0.1", 10074)):
        run("systemctl", "start", "--no-block", "loadwatch")
        eventually(lambda: "127.0.0.1:10074" in journal(since), 20, "the journal names the taken address")
        assert shown("ActiveState") in {"activating", "failed"}
    eventually(lambda: shown("ActiveState") == "active", 20, "it comes up by itself once the port is free")
    run("systemctl", "stop", "loadwatch")


def test_it_is_started_when_metrics_are_served() -> None:
    run("systemctl", "start", "loadwatch")
    assert metrics()["loadwatch_ready"] in {0.0, 1.0}
    assert "serving http://127.0.0.1:10074" in shown("StatusText")


def test_everything_works_under_the_hardening() -> None:
    eventually(
        lambda: metrics().get("loadwatch_ready") == 1.0, 40, "a verdict, from a first model trained there"
    )
    series = metrics()
    failing = {name: value for name, value in series.items() if name.endswith("_failures_total") and value}
    failing |= {n: v for n, v in series.items() if n.startswith("loadwatch_sample_failures_total{") and v}
    assert failing == {}
    for signal_name in ("cpu", "memory"):
        assert any(f'signal="{signal_name}"' in name for name in series), f"{signal_name}: {sorted(series)}"
    if Path("/proc/pressure/cpu").exists():
        assert any('signal="cpu_pressure"' in name for name in series), sorted(series)
    text = journal(time.time() - 60)
    assert "WARNING" not in text, text
    assert "out-of-memory" not in text, text


def test_it_is_nobody_special() -> None:
    pid = shown("MainPID")
    status = Path(f"/proc/{pid}/status").read_text()
    (uids,) = re.findall(r"^Uid:\s+(.*)$", status, re.MULTILINE)
    assert all(int(uid) >= 61184 for uid in uids.split()), f"not a dynamic user: {uids}"
    assert re.findall(r"^CapEff:\s+0+$", status, re.MULTILINE), status
    assert re.findall(r"^NoNewPrivs:\s+1$", status, re.MULTILINE), status
    home = STATE.resolve()
    assert home.stat().st_mode & 0o007 == 0, "others may look into the state directory"


def test_exposure_is_at_most_one_point_six() -> None:
    run("systemd-analyze", "security", "--no-pager", "--threshold=16", "loadwatch.service")


def test_it_names_the_unit_and_the_program_that_use_most() -> None:
    configure(f'{FAST}[high_load]\nwhen = "cpu > 0.001"\n')
    run("systemctl", "reload", "loadwatch")
    run(
        "systemd-run",
        "--unit=hog",
        "--property=DynamicUser=yes",
        "/usr/bin/env",
        "sh",
        "-c",
        "while :; do :; done",
    )
    told: list[object] = []

    def named() -> bool:
        with urllib.request.urlopen(f"{URL}/api/v1/status", timeout=3) as answer:
            culprits = json.load(answer)["verdict"]["culprits"]
        told.append(culprits)
        found = {(each["kind"], each["name"], each["unit"]) for each in (culprits or {"named": ()})["named"]}
        return found >= {("unit", "hog.service", ""), ("process", "sh", "hog.service")}

    try:
        eventually(named, 60, "the unit and its program are named")
    except AssertionError as error:
        raise AssertionError(f"{error}; told: {told[-1:]}") from error
    finally:
        run("systemctl", "stop", "hog")
        configure(FAST)
        run("systemctl", "reload", "loadwatch")


def test_sighup_reloads_and_refuses_a_bad_file() -> None:
    since = time.time()
    for wrong in ('[sampling]\ninterval = "soon"\n', '[high_load]\nwhen = "cpuu > 0.9"\n'):
        configure(wrong)
        assert subprocess.run(["systemctl", "reload", "loadwatch"], check=False).returncode != 0, wrong
    assert "did you mean 'cpu'?" in journal(since), journal(since)
    configure('[sampling]\ninterval = "soon"\n')
    run("systemctl", "kill", "-s", "HUP", "--kill-who=main", "loadwatch")
    eventually(lambda: "configuration refused" in journal(since), 10, "the refusal is in the journal")
    configure(
        '[sampling]\ninterval = "100ms"\n'
        '[maintenance]\nwindows = [{ cron = "0 3 * * sun", for = "2h", timezone = "Europe/Amsterdam" }]\n'
    )
    run("systemctl", "reload", "loadwatch")
    eventually(lambda: "configuration reloaded" in journal(since), 10, "the new file is taken up")
    assert (restarts(), "Traceback" in journal(since)) == (0, False)


def test_a_reload_works_with_a_credential() -> None:
    # The wheels lie there for the two commands too, which take no extra.
    run("/opt/loadwatch/bin/pip", "install", "-q", "--no-index", "-f", "/wheels", "loadwatch[secure]")
    since, secret = time.time(), Path("/etc/loadwatch/web.yml")
    secret.write_text("http_server_config:\n  headers:\n    X-Frame-Options: deny\n")
    secret.chmod(0o600)
    DROP_IN.parent.mkdir(exist_ok=True)
    DROP_IN.write_text(
        f"[Service]\nLoadCredential=web.yml:{secret}\nEnvironment=LOADWATCH_WEB__CONFIG_FILE=%d/web.yml\n"
    )
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "loadwatch")
    run("systemctl", "reload", "loadwatch")
    eventually(lambda: "configuration reloaded" in journal(since), 10, "the file is taken up")
    DROP_IN.unlink()
    secret.unlink()
    configure('[sampling]\ninterval = "100ms"\n')
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "loadwatch")


def test_messages_leave_the_sandbox() -> None:
    run("/opt/loadwatch/bin/pip", "install", "-q", "--no-index", "-f", "/wheels", "loadwatch[notify]")
    received: list[str] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    since, secret = time.time(), Path("/etc/loadwatch/notify")
    # By name: the resolver has to work in there, too.
    secret.write_text(f"json://localhost:{server.server_port}/token\n")
    secret.chmod(0o600)
    DROP_IN.write_text(
        f"[Service]\nLoadCredential=notify:{secret}\nEnvironment=LOADWATCH_ALERTS__NOTIFY_FILE=%d/notify\n"
        # In the sandbox of the service, as its user.
        "ExecStartPre=/opt/loadwatch/bin/loadwatch notify --test\n"
    )
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "loadwatch")
    assert len(received) == 1, journal(since)
    assert "test of loadwatch" in received[0]
    run("systemctl", "reload", "loadwatch")
    eventually(lambda: "configuration reloaded" in journal(since), 10, "the file is taken up")
    assert "/token" not in journal(since)
    server.shutdown()
    DROP_IN.unlink()
    secret.unlink()
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "loadwatch")


def test_root_speaks_as_the_service() -> None:
    before = {path.name: path.stat().st_uid for path in STATE.resolve().iterdir()}
    said = ("label", "--from", "2 hours ago", "--to", "1 hour ago", "normal")
    assert "label 1: normal" in run("/opt/loadwatch/bin/loadwatch", *said)
    assert "normal" in run("/opt/loadwatch/bin/loadwatch", "label", "list")
    run("/opt/loadwatch/bin/loadwatch", "label", "remove", "1")
    after = {path.name: path.stat().st_uid for path in STATE.resolve().iterdir()}
    assert set(after.values()) == set(before.values()), after
    assert {oct(path.stat().st_mode & 0o777) for path in STATE.resolve().iterdir() if path.is_file()} == {
        "0o640"
    }


def test_failed_logins_are_counted_with_the_group_that_may_read_them() -> None:
    configure(f"{FAST}journal = true\n")
    run("systemctl", "reload", "loadwatch")
    listed = ("/opt/loadwatch/bin/loadwatch", "signals", "list")
    eventually(lambda: "failing: journal: " in run(*listed), 20, "want of rights is said")
    assert not any('signal="failed_logins"' in name for name in metrics())
    DROP_IN.parent.mkdir(exist_ok=True)
    DROP_IN.write_text("[Service]\nSupplementaryGroups=systemd-journal\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "loadwatch")
    quiet = 'loadwatch_signal{signal="failed_logins",unit="per_second"}'
    eventually(lambda: metrics().get(quiet) == 0.0, 30, "the journal is followed")

    def seen() -> bool:
        run("logger", "-p", "auth.info", "-t", "sshd", "Failed password for root from 192.0.2.1 port 22 ssh2")
        return metrics().get(quiet, 0.0) > 0.0

    eventually(seen, 20, "failed logins are counted")
    DROP_IN.unlink()
    configure('[sampling]\ninterval = "100ms"\n')
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "loadwatch")


def running_version() -> str:
    page = " ".join(metrics())
    return re.findall(r'loadwatch_build_info\{[^}]*\bversion="([^"]+)"', page)[0]


def test_the_documented_upgrade_is_one() -> None:
    before, pid, known, (count, _) = running_version(), shown("MainPID"), models(), stored()
    shown_commands("upgrade", "/new")
    eventually(lambda: metrics().get("loadwatch_ready") == 1.0, 40, "a verdict")
    now = running_version()
    assert now > before, f"{before}, then {now}"
    assert f"loadwatch {now} (commit " in run("/opt/loadwatch/bin/loadwatch", "--version")
    assert shown("MainPID") != pid
    assert stored()[0] >= count
    assert models() == known


def test_kill_9_comes_back_with_its_history_whole() -> None:
    seen = int(metrics()["loadwatch_samples_total"])
    versions, before = models(), restarts()
    os.kill(int(shown("MainPID")), signal.SIGKILL)
    until_restarted(before, 20)
    count, _ = stored()
    assert count >= seen, f"{count} stored, {seen} were sampled"
    assert models() == versions
    eventually(lambda: metrics().get("loadwatch_ready") == 1.0, 10, "a verdict without a new first model")


def test_a_frozen_process_is_restarted_by_the_watchdog() -> None:
    DROP_IN.parent.mkdir(exist_ok=True)
    DROP_IN.write_text("[Service]\nWatchdogSec=3\nRestartSec=1\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "loadwatch")
    since, before = time.time(), restarts()
    os.kill(int(shown("MainPID")), signal.SIGSTOP)
    until_restarted(before, 20)
    assert "Watchdog timeout" in journal(since)


def test_a_hung_sampler_is_restarted_by_the_watchdog() -> None:
    fake = Path("/run/hung/proc")
    (fake / "pressure").mkdir(parents=True)
    for name in ("stat", "loadavg", "meminfo", "vmstat"):
        (fake / name).write_bytes(Path("/proc", name).read_bytes())
    # Opening a named pipe that nobody writes to waits for ever.
    os.mkfifo(fake / "pressure" / "cpu")
    (fake / "pressure" / "cpu").chmod(0o666)
    configure(f'{FAST}procfs = "{fake}"\n')
    run("systemctl", "restart", "loadwatch")
    since, before = time.time(), restarts()
    eventually(lambda: "the sampler hangs" in journal(since), 30, "the journal says that the sampler hangs")
    assert "loadwatch_high_load" not in " ".join(metrics()), "a verdict without samples"
    until_restarted(before, 20)
    assert "sampler.py" in journal(since), "the journal shows where it hung"
    configure(FAST)
    run("systemctl", "restart", "loadwatch")


def test_stopping_during_training_leaves_no_child() -> None:
    run("systemctl", "stop", "loadwatch")
    for model in (STATE / "models").glob("*"):
        model.unlink()
    # A minute of history is there by now, so the first training on it follows the synthetic model at once.
    # No training is postponed because whatever else runs on this machine keeps it busy.
    configure(f'{FAST}[training]\nminimum = "1m"\n[high_load]\nwhen = "cpu > 2"\n')
    # It takes under two seconds: whoever first waits for the start to be reported may come too late.
    run("systemctl", "start", "--no-block", "loadwatch")
    eventually(training_that_gave_way, 90, "a training on the host's own history runs at lowest priority")
    started = time.monotonic()
    run("systemctl", "stop", "loadwatch")
    took = time.monotonic() - started
    assert processes() == {}
    assert shown("Result") == "success", "systemd had to kill it"
    # Mostly a fraction of one; beside tests that keep the disk busy a read at idle priority waits for ten.
    assert took < 15.0, f"it took {took:.1f} s"
    configure(FAST)


def test_wrong_configuration_fails_once_and_says_why() -> None:
    since = time.time()
    configure('[sampling]\nintervall = "1s"\n')
    assert subprocess.run(["systemctl", "restart", "loadwatch"], check=False).returncode != 0
    time.sleep(3)  # longer than RestartSec: a restart loop would show by now
    assert (shown("ActiveState"), shown("ExecMainStatus"), restarts()) == ("failed", "78", 0)
    lines = journal(since)
    assert "did you mean sampling.interval?" in lines, lines
    assert "Traceback" not in lines, lines


def test_sigterm_stops_within_two_seconds() -> None:
    configure(FAST)
    run("systemctl", "start", "loadwatch")
    eventually(lambda: metrics().get("loadwatch_ready") == 1.0, 20, "a verdict")
    started = time.monotonic()
    run("systemctl", "stop", "loadwatch")
    took = time.monotonic() - started
    assert took < 2.0, f"it took {took:.1f} s"
    assert (shown("Result"), processes()) == ("success", {})


def remember_for_the_reboot() -> None:
    run("systemctl", "start", "loadwatch")
    eventually(lambda: metrics().get("loadwatch_ready") == 1.0, 20, "a verdict")
    count, newest = stored()
    REMEMBERED.write_text(json.dumps({"count": count, "newest": newest, "models": models()}))


# ----------------------------------------------------------------------------------------- second boot


def test_a_reboot_keeps_history_and_model() -> None:
    before = json.loads(REMEMBERED.read_text())
    eventually(lambda: metrics().get("loadwatch_ready") == 1.0, 30, "it started by itself and has a verdict")
    count, newest = stored()
    assert count >= before["count"]
    assert newest > before["newest"]
    assert models() == before["models"]


def test_the_example_is_taken_and_nothing_is_left_behind() -> None:
    """The documents' own words: the example as configuration, then the whole thing away."""
    since = time.time()
    assert "sampling.interval" in shown_commands("example")
    assert CONFIGURATION.exists()
    eventually(lambda: "configuration reloaded" in journal(since), 10, "the example is taken up")
    shown_commands("take-away")
    assert processes() == {}
    run("rm", "-rf", str(DROP_IN.parent))  # ours, not that of the documents
    run("systemctl", "daemon-reload")
    left = run("find", "/etc", "/var/lib", "/usr/local", "/opt", "-name", "*loadwatch*")
    assert left == "", left
    assert shown("LoadState") == "not-found"


FIRST_BOOT = (
    test_two_commands_install_it,
    test_a_taken_port_never_counts_as_started,
    test_it_is_started_when_metrics_are_served,
    test_everything_works_under_the_hardening,
    test_it_is_nobody_special,
    test_exposure_is_at_most_one_point_six,
    test_it_names_the_unit_and_the_program_that_use_most,
    test_sighup_reloads_and_refuses_a_bad_file,
    test_a_reload_works_with_a_credential,
    test_messages_leave_the_sandbox,
    test_root_speaks_as_the_service,
    test_failed_logins_are_counted_with_the_group_that_may_read_them,
    test_the_documented_upgrade_is_one,
    test_kill_9_comes_back_with_its_history_whole,
    test_a_frozen_process_is_restarted_by_the_watchdog,
    test_a_hung_sampler_is_restarted_by_the_watchdog,
    test_stopping_during_training_leaves_no_child,
    test_wrong_configuration_fails_once_and_says_why,
    test_sigterm_stops_within_two_seconds,
    remember_for_the_reboot,
)
SECOND_BOOT = (
    test_a_reboot_keeps_history_and_model,
    test_the_example_is_taken_and_nothing_is_left_behind,
)


def report(checks: Iterable[Callable[[], None]]) -> None:
    with Path("/out/results").open("a", encoding="utf-8") as results:
        for check in checks:
            started = time.monotonic()
            try:
                check()
                outcome = ""
            except Exception:  # noqa: BLE001 - whatever it was belongs into the report of its test
                outcome = traceback.format_exc()
            line = {"test": check.__name__, "seconds": time.monotonic() - started, "outcome": outcome}
            print(json.dumps(line), file=results, flush=True)


def main() -> int:
    first = os.environ["NSPAWN_TEST_BOOT"] == "1"
    report(FIRST_BOOT if first else SECOND_BOOT)
    return REBOOT if first else 0


if __name__ == "__main__":
    sys.exit(main())
