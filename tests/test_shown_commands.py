"""Who copies from the documents is not disappointed: every command that they show runs."""

import re
import shlex
import time
from pathlib import Path

import documents
import pytest
from cli import hosts
from cli.conftest import Invoke, daemon, invoke  # noqa: F401 - fixtures
from documents import README, ROOT
from web.fake_daemon import Starter

TEXT = documents.text()

# What no test can run as it stands, and the words by which CI or a machine of its own really runs it.
MACHINE = "tests/e2e/systemd_machine.py"
RUN_ELSEWHERE = {
    r"python3 -m venv \.venv": (".ci/run", "readme run-it"),
    r"\.venv/bin/pip install -q": (".ci/run", "readme test-it"),
    r"\.venv/bin/loadwatch run": (".ci/run", "readme run-it"),
    r"\.venv/bin/python -m pytest": (".ci/run", "readme test-it"),
    r"python3 -m venv /opt/loadwatch": (MACHINE, "shown_commands( service /old )"),
    r"/opt/loadwatch/bin/pip install": (MACHINE, "shown_commands( service /old )"),
    r"systemctl enable --now \S+": (MACHINE, "shown_commands( service /old )"),
    r"python3 \.dev/deb\.py": ("tests/e2e/test_deb.py", "shell( build-deb )"),
    r"apt install \./dist": ("tests/e2e/test_deb.py", "shell( deb )"),
    r"ansible-playbook": ("tests/e2e/deb_machine.py", "ansible playbook"),
    r"systemctl daemon-reload": (MACHINE, "shown_commands( upgrade /new )"),
    r"systemctl restart loadwatch": (MACHINE, "shown_commands( upgrade /new )"),
    r"install -D -m 644": (MACHINE, "shown_commands( example )"),
    r"systemctl reload loadwatch": (MACHINE, "shown_commands( example )"),
    r"systemctl disable --now loadwatch": (MACHINE, "shown_commands( take-away )"),
    r"rm -rf /opt/loadwatch": (MACHINE, "shown_commands( take-away )"),
    r"docker compose -f": ("tests/assets/test_stack.py", "docker-compose -f compose.yaml"),
    r"loadwatch history import --prometheus": ("tests/e2e/test_history_import.py", "import f --prometheus"),
    r"loadwatch history import web-1\.history": ("tests/cli/test_history.py", "move in"),
    r"loadwatch signals try": ("tests/e2e/test_own_signals.py", "signals try"),
    r"loadwatch notify --test": ("tests/e2e/test_notifications.py", "notify --test"),
    r"docker (build|run)": ("tests/e2e/test_container.py", "shell( container )"),
}  # fmt: skip


def commands() -> list[str]:
    """Each command of the documents' shell blocks, one a line, pipes and ``&&`` taken apart."""
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    parts = [part.strip() for line in lines for part in re.split(r"&&|\|(?!\|)", line)]
    return list(dict.fromkeys(part for part in parts if part and not part.startswith("#")))


def is_ours(line: str) -> bool:
    return re.match(r"(\S*/)?loadwatch\s", line) is not None


@pytest.mark.parametrize(
    "line", [line for line in commands() if not any(re.match(pattern, line) for pattern in RUN_ELSEWHERE)]
)
def test_every_command_works(
    line: str,
    invoke: Invoke,  # noqa: F811
    daemon: Starter,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is run as it stands, beside a daemon and a history; only folders of the system are moved."""
    assert is_ours(line), f"name in RUN_ELSEWHERE where this is run for real: {line}"
    hosts.fill(tmp_path / "state", hosts.recording(24, end=time.time()))
    monkeypatch.setenv("LOADWATCH_STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("LOADWATCH_URL", daemon().server.urls[0])
    monkeypatch.chdir(tmp_path)
    # A span of two times of day lies in the past but while it is between them: there it is another hour then.
    monkeypatch.setenv("TZ", "Etc/GMT-6" if time.gmtime().tm_hour in range(12, 18) else "UTC")
    words = [re.sub(r"^/(etc|var|tmp)/", f"{tmp_path}/", word) for word in shlex.split(line, comments=True)]
    end = invoke(*words[1:])
    assert end.exit_code == 0, end.output + repr(end.exception)


@pytest.mark.parametrize("pattern", RUN_ELSEWHERE)
def test_what_needs_a_machine_of_its_own_is_run_there(pattern: str) -> None:
    """And nothing stays in the list that the documents no longer show."""
    name, words = RUN_ELSEWHERE[pattern]
    assert any(re.match(pattern, line) for line in commands())
    told = re.sub(r'[\s",]+', " ", (ROOT / name).read_text(encoding="utf-8"))
    assert words in told


def test_the_readme_installs_as_the_manual_does() -> None:
    """Who follows the first page does the same as who follows the whole chapter."""
    text = README.read_text(encoding="utf-8")
    assert documents.shell("service") in text
    assert documents.shell("container") in text


def test_every_picture_is_there_and_small() -> None:
    """None hangs in the air, none is heavy, and each says in words what it shows."""
    for path in documents.documents():
        text = path.read_text(encoding="utf-8")
        shown = re.findall(r'src(?:set)?="([^"]+)"|!\[[^\]]+\]\(([^)]+)\)', text)
        for name in ("".join(each) for each in shown):
            assert 0 < (path.parent / name).stat().st_size < 100_000, name
    assert all('alt="' in tag for tag in re.findall(r"<img[^>]*>", TEXT))
    for path in (ROOT / ".pictures").glob("*.svg"):
        assert "url(http" not in path.read_text(encoding="utf-8"), "a picture asks a stranger for a font"
