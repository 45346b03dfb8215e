"""Makes the README's pictures: a real daemon, really under load, seen in Chromium and at the terminal.

``PYTHONPATH=tests unshare --uts sh -c 'hostname web-01 && .venv/bin/python tests/e2e/pictures.py'``, as root,
so that they show that name. Takes about six minutes, and needs chromium, stress-ng and the test extra.
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from processes import Daemon
from rich.console import Console

from e2e.browser import Browser
from loadwatch.cli.context import Context
from loadwatch.cli.remote import remote_of
from loadwatch.cli.screen import show_status

FOLDER = Path(__file__).resolve().parents[2] / ".pictures"
LARGEST = 100_000
WORK = (
    (70, ()),
    (45, ("--cpu", "0")),
    (75, ()),
    (30, ("--hdd", "1", "--hdd-bytes", "64m")),
    (60, ()),
    (30, ("--cpu", "0")),
)
"""What the host does: seconds, and the options of stress-ng. After the last, the pictures are made."""
OPTIONS = ("--set", "sampling.interval=1s", "--set", "training.minimum=150s", "--set", "training.every=150s")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Browser(shutil.which("chromium") or "chromium") as browser:
        state = Path(folder) / "state"
        with Daemon(state, *OPTIONS).until_ready() as daemon:
            for seconds, options in WORK:
                if options:
                    stress = ("stress-ng", "--quiet", "--timeout", f"{seconds}s", *options)
                    subprocess.run(stress, check=True, cwd=folder)
                else:
                    time.sleep(seconds)
            stress = ("stress-ng", "--quiet", "--timeout", "40s", "--cpu", "0")
            with subprocess.Popen(stress) as busy:
                time.sleep(8)
                terminal(daemon.url, "status", "")
                terminal(daemon.url, "top", "hour")
                for name, width, height, dark in (
                    ("page-light", 1120, 1160, False),
                    ("page-dark", 1120, 1160, True),
                    ("page-phone", 390, 844, False),
                ):
                    browser.screen(width, height, dark=dark)
                    browser.open(f"{daemon.url}/")
                    shown = "document.querySelectorAll('.spark').length > 9"
                    assert browser.until(lambda: browser.evaluate(shown))  # noqa: B023 - used at once
                    keep(browser, name)
                busy.wait()
        page = Path(folder) / "report.html"
        command = (sys.executable, "-m", "loadwatch", "report", "--since", "1h", "-o", str(page))
        subprocess.run((*command, "--state-directory", str(state), *OPTIONS), check=True)
        browser.screen(1040, 860)
        browser.open(page.as_uri())
        assert browser.until(lambda: browser.evaluate("document.readyState") == "complete")
        keep(browser, "report")
    for path in sorted(FOLDER.iterdir()):
        print(path.name, path.stat().st_size)
        assert path.stat().st_size < LARGEST, path


def keep(browser: Browser, name: str) -> None:
    """What the screen shows, in few colours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "screen.png"
        browser.picture(path, whole=False)
        Image.open(path).convert("RGB").quantize(96, dither=Image.Dither.NONE).save(
            FOLDER / f"{name}.png", optimize=True
        )


def terminal(url: str, name: str, series: str) -> None:
    """The screen that ``loadwatch status`` (or ``top``, with lines of history) prints, as text in an SVG."""
    remote = remote_of(Context(), url, None, insecure=False)
    document = remote.status(series) if series else remote.status()
    # What the command prints goes here, so that nothing but the colours of the picture is ours.
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True, highlight=False)
    show_status(document, console)
    picture = console.export_svg(title=f"loadwatch {name}", unique_id=f"loadwatch-{name}")
    # Fonts from elsewhere would be a request to a stranger; a viewer has a font of its own.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    (FOLDER / f"{name}.svg").write_text(picture.replace("Fira Code", "ui-monospace"), encoding="utf-8")


if __name__ == "__main__":
    main()
