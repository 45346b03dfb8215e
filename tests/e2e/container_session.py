#!/usr/bin/env python3
"""What is done with the built image; see ``test_container``. ``IMAGE`` names it, ``podman`` is on the path.

Prints one JSON object with what was found; every container it starts is removed at the end.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable

IMAGE = os.environ["IMAGE"]
PORT = os.environ["LOADWATCH_TEST_PORT"]
URL = f"http://127.0.0.1:{PORT}"
AS_THE_HOST = ("--network", "host", "--pid", "host", "-v", "/proc:/host/proc:ro")
SETTINGS = (
    *("-e", f"LOADWATCH_WEB__LISTEN_ADDRESS=127.0.0.1:{PORT}"),
    *("-e", "LOADWATCH_SAMPLING__INTERVAL=500ms"),
    *("-e", "LOADWATCH_SAMPLING__PROCFS=/host/proc"),
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


def start(name: str, *options: str) -> str:
    answer = podman(
        *("run", "-d", "--name", name, "--read-only", "--cap-drop", "all"),
        *("--security-opt", "no-new-privileges", "-v", "loadwatch-test-state:/var/lib/loadwatch"),
        *AS_THE_HOST,
        *SETTINGS,
        *options,
        IMAGE,
    )
    return answer.stderr if answer.returncode else ""


def size(image: str) -> int:
    return int(podman("image", "inspect", "-f", "{{.Size}}", image).stdout or 0)


def session() -> dict[str, object]:
    found: dict[str, object] = {"start": start("first", "--memory", "512m", "--cpus", "1.5")}
    found["ready"] = until(lambda: "loadwatch_ready 1.0" in page("/metrics"), 60)
    found["metrics"] = page("/metrics")
    found["log"] = podman("logs", "first").stderr
    found["user"] = podman("exec", "first", "id", "-u").stdout.strip()
    found["writes"] = podman("exec", "first", "touch", "/opt/loadwatch/x").stderr
    found["health"] = podman("healthcheck", "run", "first").returncode
    started = time.monotonic()
    found["stop"] = podman("stop", "-t", "10", "first").returncode
    found["stop_seconds"] = time.monotonic() - started
    found["exit"] = podman("inspect", "-f", "{{.State.ExitCode}}", "first").stdout.strip()
    podman("rm", "-f", "first")
    start("second")
    found["ready_again"] = until(lambda: "loadwatch_ready 1.0" in page("/metrics"), 20)
    found["log_again"] = podman("logs", "second").stderr
    wrong = podman("run", "--rm", "-e", "LOADWATCH_SAMPLING__INTERVALL=1s", IMAGE)
    found["wrong"] = [wrong.returncode, wrong.stderr]
    found["size"] = size(IMAGE) - size("docker.io/library/python:3.11-slim-bookworm")
    return found


try:
    print(json.dumps(session()))
finally:
    podman("rm", "-f", "first", "second")
    podman("volume", "rm", "-f", "loadwatch-test-state")
