"""A real Chromium, headless, driven over its DevTools protocol, without a driver program in between.

Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import base64
import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tornado.websocket import WebSocketClientConnection, websocket_connect

_START_SECONDS = 40.0
_LARGEST_MESSAGE = 64 * 2**20


class Browser:
    """One page; ``errors`` collects what it writes to the console as an error, and failed requests."""

    def __init__(self, program: str) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._origin = ""
        self._left: set[str] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="chromium-")
        command = [
            *(program, "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
            *("--remote-debugging-port=0", f"--user-data-dir={self._folder.name}", "--lang=en-GB"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            # The sandbox needs a user namespace and a user that is not root; the pages here are our own.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "about:blank",
        ]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        self._loop = asyncio.new_event_loop()
        self._replies: dict[int, dict[str, Any]] = {}
        self._last = 0
        self._socket = self._loop.run_until_complete(self._connect())
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._process.terminate()
        self._process.wait(20)
        self._loop.close()
        with suppress(OSError):  # its helpers may still be writing their last
            self._folder.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and give its result."""
        return self._loop.run_until_complete(self._call(method, parameters))

    def open(self, url: str) -> None:
        """Load a page; its scripts go on by themselves."""
        self._left.add(self._origin)
        self._origin = url.split("/", 3)[2]
        self.errors.clear()
        self.requests.clear()
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """The visible text of an element, empty while there is none."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> bool:
        """Whether the condition comes true before the deadline."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._loop.run_until_complete(asyncio.sleep(0.05))
        return True

    def screen(self, width: int, height: int, *, dark: bool = False, still: bool = True) -> None:
        """Pretend to be a screen of this size with these preferences."""
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        preferences = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if still else "no-preference",
        }
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": name, "value": value} for name, value in preferences.items()],
        )

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """The page, or only what a screen shows of it, as PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    async def _connect(self) -> WebSocketClientConnection:
        announced = Path(self._folder.name, "DevToolsActivePort")
        deadline = time.monotonic() + _START_SECONDS
        while not (announced.exists() and announced.read_text().count("\n")):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError("Chromium did not start")
            await asyncio.sleep(0.05)
        port = announced.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
            page = next(target for target in json.load(answer) if target["type"] == "page")
        return await websocket_connect(page["webSocketDebuggerUrl"], max_message_size=_LARGEST_MESSAGE)

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._last += 1
        identity = self._last
        await self._socket.write_message(json.dumps({"id": identity, "method": method, "params": parameters}))
        while True:
            message = await asyncio.wait_for(self._socket.read_message(), 60)
            assert message is not None, "Chromium hung up"
            event = json.loads(message)
            if event.get("id") == identity:
                assert "error" not in event, f"{method}: {event['error']}"
                return dict(event["result"])
            self._note(event)

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.errors.append(str(parameters["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                self.errors.append(str(parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                # The icon of the page before may fail late, when the daemon of its test has ended.
                about = parameters["entry"].get("url", "").split("/", 3)[2:3]
                if not self._left.difference({self._origin}).intersection(about):
                    self.errors.append(str(parameters["entry"]))
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
