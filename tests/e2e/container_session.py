#!/usr/bin/env python3
"""What is done with the built image; see ``test_container``. ``podman`` is on the path.

``SHOWN_RUN`` is the command of the documents that starts a container, and is what starts them here: image,
container and volume have the names it gives them. Only where it serves and how often it samples is ours.
Prints one JSON object with what was found; every container it starts is removed at the end.
"""

import json
import os
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

PORT = os.environ["LOADWATCH_TEST_PORT"]
URL = f"http://127.0.0.1:{PORT}"
_, *RUN, IMAGE = shlex.split(os.environ["SHOWN_RUN"])
NAME = RUN[RUN.index("--name") + 1]
SETTINGS = (
    *("-e", f"LOADWATCH_WEB__LISTEN_ADDRESS=127.0.0.1:{PORT}"),
    *("-e", "LOADWATCH_SAMPLING__INTERVAL=500ms"),
)


def podman(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)


def page(path: str) -> str:
    try:
        with urllib.request.urlopen(URL + path, timeout=3) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


def until(probe: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if probe():
            return True
        time.sleep(0.2)
    return False


def start(*options: str) -> str:
    answer = podman(*RUN, *SETTINGS, *options, IMAGE)
    return answer.stderr if answer.returncode else ""


def inside(*command: str) -> str:
    return podman("exec", NAME, *command).stdout


def in_force() -> dict[str, object]:
    """What came of the options, as seen from inside; only what cannot be seen there as podman has it."""
    return {
        "status": inside("cat", "/proc/self/status"),
        "mounts": inside("cat", "/proc/self/mountinfo"),
        "environment": inside("env").splitlines(),
        "namespaces": {name: inside("readlink", f"/proc/self/ns/{name}").strip() for name in ("net", "pid")},
        "ours": {name: str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("net", "pid")},
        "inspected": json.loads(podman("inspect", NAME).stdout)[0],
    }


def size(image: str) -> int:
    return int(podman("image", "inspect", "-f", "{{.Size}}", image).stdout or 0)


def session() -> dict[str, object]:
    found: dict[str, object] = {"start": start("--memory", "512m", "--cpus", "1.5")}
    found["ready"] = until(lambda: "loadwatch_ready 1.0" in page("/metrics"), 60)
    found["metrics"] = page("/metrics")
    found["log"] = podman("logs", NAME).stderr
    found["in_force"] = in_force()
    found["user"] = podman("exec", NAME, "id", "-u").stdout.strip()
    found["writes"] = podman("exec", NAME, "touch", "/opt/loadwatch/x").stderr
    found["exported"] = inside("loadwatch", "assets", "export", "/var/lib/loadwatch/assets").splitlines()
    found["health"] = podman("healthcheck", "run", NAME).returncode
    started = time.monotonic()
    found["stop"] = podman("stop", "-t", "10", NAME).returncode
    found["stop_seconds"] = time.monotonic() - started
    found["exit"] = podman("inspect", "-f", "{{.State.ExitCode}}", NAME).stdout.strip()
    podman("rm", "-f", NAME)
    start()
    found["ready_again"] = until(lambda: "loadwatch_ready 1.0" in page("/metrics"), 20)
    found["log_again"] = podman("logs", NAME).stderr
    wrong = podman("run", "--rm", "-e", "LOADWATCH_SAMPLING__INTERVALL=1s", IMAGE)
    found["wrong"] = [wrong.returncode, wrong.stderr]
    found["size"] = size(IMAGE) - size("docker.io/library/python:3.11-slim-bookworm")
    return found


try:
    print(json.dumps(session()))
finally:
    podman("rm", "-f", NAME)
    podman("volume", "rm", "-f", "loadwatch")
