"""The documents' table of troubles: each is provoked as it comes about, and says the words that are shown."""

import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import documents
import pytest
from cli import hosts
from cli.conftest import Invoke, daemon, invoke  # noqa: F401 - fixtures
from processes import free_port
from web.certificates import make_authority
from web.fake_daemon import Starter

from loadwatch.errors import LoadwatchError
from loadwatch.history.lock import StateLock

TABLE = documents.block("troubleshooting")
SHOWN = re.findall(r"^\| `([^|]+)` \|", TABLE, re.MULTILINE)


@dataclass
class Operator:
    """Somebody at the terminal of a host on which something is wrong."""

    invoke: Invoke
    daemon: Starter
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def types(self, *words: object) -> str:
        """What is answered to a command on this state directory, error or not."""
        end = self.invoke(*words, "--state-directory", self.state)
        if end.exception is not None and not isinstance(end.exception, SystemExit):
            assert isinstance(end.exception, LoadwatchError), repr(end.exception)
        return f"{end.output}{end.exception or ''}"

    def starts(self, *words: object, without: str = "") -> str:
        """What a daemon says that cannot start, for instance for want of a package."""
        code = f"import sys; sys.modules[{without!r}] = None; import loadwatch.__main__ as m; m.main()"
        end = subprocess.run(
            [sys.executable, "-c", code, "run", "--state-directory", self.state, *map(str, words)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert end.returncode > 0
        return end.stderr

    def url(self, scenario: str = "calm", **config: object) -> str:
        """A daemon with this web configuration."""
        path = None
        if config:
            path = self.folder / "web.yml"
            path.write_text(str(config).replace("'", '"'))
        return self.daemon(scenario, config_file=path).server.urls[0]

    def fills(self, hours: float = 24) -> None:
        hosts.fill(self.state, hosts.recording(hours, end=time.time()))

    def lacks(self, module: str) -> None:
        """A package that is not installed, though an earlier test may have imported parts of it."""
        for name in [module, *(name for name in sys.modules if name.startswith(f"{module}."))]:
            self.monkeypatch.setitem(sys.modules, name, None)


def nobody_there(one: Operator) -> str:
    return one.types("status", "--url", f"http://127.0.0.1:{free_port()}")


def no_password(one: Operator) -> str:
    secret = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    return one.types("status", "--url", one.url(basic_auth_users={"alice": secret}))


def unknown_authority(one: Operator) -> str:
    certificate, key = make_authority(one.folder / "authority").issue("server")
    files = {"cert_file": str(certificate), "key_file": str(key)}
    return one.types("status", "--url", one.url(tls_server_config=files))


def foreign_name(one: Operator) -> str:
    # The resolver takes it for 127.0.0.1; to the server it is a name like any other.
    return one.types("status", "--url", one.url().replace("127.0.0.1", "127.1"))


def somebody_else(one: Operator) -> str:
    return one.types("status", "--url", f"{one.url()}not/there")


def taken_port(one: Operator) -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return one.starts("--set", f"web.listen_address=127.0.0.1:{taken.getsockname()[1]}")


def second_daemon(one: Operator) -> str:
    one.state.mkdir()
    lock = StateLock(one.state)
    lock.acquire()
    try:
        return one.starts("--set", f"web.listen_address=127.0.0.1:{free_port()}")
    finally:
        lock.release()


def empty_folder(one: Operator) -> str:
    return one.types("history")


def wrong_setting(one: Operator) -> str:
    return one.types("check-config", "--set", "sampling.interval=soon")


def misspelt_setting(one: Operator) -> str:
    return one.types("check-config", "--set", "sampling.intervall=1s")


def dead_sampler(one: Operator) -> str:
    url = one.url()
    one.monkeypatch.setattr("loadwatch.web.status.STALE_AFTER_INTERVALS", -1.0)
    return one.types("status", "--url", url)


def young_history(one: Operator) -> str:
    one.fills(0.05)
    table = one.folder / "table.csv"
    table.write_text(f"timestamp,cpu\n{time.time() - 900:.0f},0.5\n")
    return one.types("history", "import", table)


def foreign_rule(one: Operator) -> str:
    one.fills()
    return one.types("train", "--set", "high_load.when=disk > 0.9")


def newer_history(one: Operator) -> str:
    one.fills(0.05)
    with sqlite3.connect(one.state / "history.db") as database:
        database.execute("PRAGMA user_version = 99")
    return one.types("history")


def no_matplotlib(one: Operator) -> str:
    one.lacks("matplotlib")
    return one.types("train", "--plot", one.folder / "picture.png")


def no_yaml(one: Operator) -> str:
    web = one.folder / "web.yml"
    web.write_text("basic_auth_users: {}\n")
    return one.starts("--set", f"web.config_file={web}", without="yaml")


TROUBLES: dict[str, Callable[[Operator], str]] = {
    "no loadwatch answers there": nobody_there,
    "it wants a password": no_password,
    "its certificate is not trusted": unknown_authority,
    "web.allowed_hosts does not name this host": foreign_name,
    "not as a loadwatch does": somebody_else,
    "cannot listen on": taken_port,
    "already uses state directory": second_daemon,
    "no history there; has the daemon run yet?": empty_folder,
    "fault(s):": wrong_setting,
    "did you mean": misspelt_setting,
    "No fresh verdict": dead_sampler,
    "not yet enough to learn from": young_history,
    "check that the high-load rule uses signals of this host": foreign_rule,
    "a newer loadwatch wrote it": newer_history,
    "matplotlib is not installed": no_matplotlib,
    "PyYAML is missing": no_yaml,
}


def test_the_table_and_this_list_are_one() -> None:
    """No row without a proof, no proof without a row."""
    assert list(TROUBLES) == SHOWN


@pytest.mark.slow
@pytest.mark.parametrize("words", TROUBLES)
def test_the_trouble_says_these_words(
    words: str,
    invoke: Invoke,  # noqa: F811
    daemon: Starter,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a reader pastes into the search of this page is found."""
    assert words in TROUBLES[words](Operator(invoke, daemon, tmp_path, monkeypatch))
