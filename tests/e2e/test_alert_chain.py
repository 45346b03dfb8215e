"""From load on a real machine to the message that somebody gets, through every program on the way.

stress-ng loads this machine and two installed daemons see it; Debian's Prometheus evaluates the exported
rules over their pages, and its Alertmanager tells a webhook, by the shipped routes. The load is followed by
the rule on its flag: an alert asks for ten minutes of it.
"""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import eventually
from processes import Daemon, Program

from .programs import Database, Webhook, get, start_alertmanager, start_prometheus

PROGRAMS = ("prometheus", "prometheus-alertmanager", "stress-ng")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.alone,
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS), reason=f"needs {', '.join(PROGRAMS)}"
    ),
]

# The rules as exported, but evaluated every second; a lost scrape is bridged for five seconds in place of two
# minutes, and a daemon is missed after five seconds in place of two minutes.
HURRY = {r"interval: \d+s": "interval: 1s", r"\[2m\]": "[5s]", r"for: 2m": "for: 5s"}
WATCHED, SERVICED = "web-1:10074", "db-1:10074"
LOAD = 0.16  # of all memory
TEXT = re.compile(
    r"(?P<host>\S+) is under high load \(probability (?P<percent>[\d.]+)%\)\."
    r"( Top signals: memory (?P<memory>\+\d+\.\d\d))?"
)


@dataclass
class Chain:
    """Two daemons by the names Prometheus has for them, what asks them, and who is told."""

    servers: ExitStack
    daemons: dict[str, Daemon]
    options: tuple[str, ...]
    prometheus: Database
    hook: Webhook

    def told(self, alert: str, instance: str, status: str, *, seconds: float) -> dict[str, Any]:
        """Wait for this word on an alert."""
        what = f"{alert} of {instance} is {status}"
        told = eventually(lambda: self.hook.told(alert, instance, status), seconds=seconds, what=what)
        assert isinstance(told, dict)
        return told

    def maintenance(self, instance: str, *words: str) -> None:
        """Type ``loadwatch maintenance`` on this host, and wait until Prometheus knows of it."""
        command = [sys.executable, "-m", "loadwatch", "maintenance", *words]
        state = str(self.daemons[instance].state)
        subprocess.run([*command, "--state-directory", state], check=True, timeout=60)
        wanted = float(words[0] == "start")
        eventually(
            lambda: self.value(f'loadwatch_maintenance{{instance="{instance}"}}') == wanted,
            seconds=30,
            what=f"Prometheus knows of maintenance {words[0]}",
        )

    def value(self, expression: str) -> float:
        """The one value of it."""
        (value,) = self.prometheus.query(expression).values()
        return value

    def restart(self, instance: str) -> None:
        """Start a daemon that was killed."""
        before = self.daemons[instance]
        daemon = Daemon(before.state, *self.options, port=before.port)
        self.daemons[instance] = self.servers.enter_context(daemon).until_ready()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    memory = psutil.virtual_memory()
    # On memory, because this test may share its CPUs with others; the limit is half way to the load.
    limit = 1 - memory.available / memory.total + LOAD / 2
    options = ("--set", "sampling.interval=1s", "--set", f"high_load.when=memory > {limit:.4f}")
    with ExitStack() as servers:
        daemons = {
            instance: servers.enter_context(Daemon(folder / instance.split(":")[0] / "state", *options))
            for instance in (WATCHED, SERVICED)
        }
        hook = servers.enter_context(Webhook())
        alertmanager = start_alertmanager(servers, folder, hook.url)
        static: list[dict[str, object]] = [
            {
                "targets": [f"127.0.0.1:{daemon.until_ready().port}"],
                "labels": {"instance": instance},
            }
            for instance, daemon in daemons.items()
        ]
        prometheus = start_prometheus(
            servers,
            folder,
            static,
            alertmanager,
            HURRY,
            project_url=f"{daemons[SERVICED].url}/static/manual.html",
        )
        yield Chain(servers, daemons, options, prometheus, hook)


def test_load_calls_somebody_with_the_reason_and_its_end_calls_off(chain: Chain, tmp_path: Path) -> None:
    """A host under load is told of by name, with probability and top signal; and that it is over.

    Of a host in maintenance nobody hears, though it sees the same load: only once its maintenance is stopped,
    and no longer when it is started again. No guard is needed for any of this, and none claims it.
    """
    chain.maintenance(SERVICED, "start", "--for", "1h", "--why", "new disks")
    begin = time.time()
    load = ["stress-ng", "--vm", "1", "--vm-bytes", str(int(LOAD * psutil.virtual_memory().total))]
    with Program([*load, "--vm-keep", "--vm-hang", "0"], tmp_path / "stress.log"):
        fired = chain.told("LoadwatchHighLoadFlagged", WATCHED, "firing", seconds=60)
        assert (fired["receiver"], fired["labels"]["severity"]) == ("nobody", "info")
        assert fired["annotations"]["summary"] == "High load is flagged."
        page, _, section = fired["annotations"]["runbook_url"].partition("#")
        assert f'<h3 id="{section}">LoadwatchHighLoadFlagged</h3>' in get(page).decode()
        text = _read(fired, WATCHED)
        assert text["memory"] in _contributions(chain, WATCHED, begin)
        eventually(
            lambda: (
                chain.value(f'loadwatch_high_load_probability{{instance="{SERVICED}",horizon="0"}}') > 0.5
            ),
            seconds=10,
            what="the serviced host sees the load",
        )
        assert (
            chain.value(f'max_over_time(loadwatch_high_load{{instance="{SERVICED}",horizon="0"}}[1m])') == 0
        )
        assert chain.hook.names(SERVICED) == set()
        chain.maintenance(SERVICED, "stop")
        _read(chain.told("LoadwatchHighLoadFlagged", SERVICED, "firing", seconds=30), SERVICED)
    chain.maintenance(SERVICED, "start", "--for", "1h")
    chain.told("LoadwatchHighLoadFlagged", SERVICED, "resolved", seconds=15)
    assert chain.hook.told("LoadwatchHighLoadFlagged", WATCHED, "firing"), "its flag holds for 50 s"
    _read(chain.told("LoadwatchHighLoadFlagged", WATCHED, "resolved", seconds=90), WATCHED)
    limited = chain.prometheus.query('max_over_time(loadwatch_high_load_source{source="limit"}[10m])')
    assert limited == {}, "nothing but the rule is needed for any of this"


def _read(alert: dict[str, Any], host: str) -> re.Match[str]:
    """The parts of the text, which must say that this host more likely than not is under high load."""
    text = TEXT.fullmatch(alert["annotations"]["description"])
    assert text, alert["annotations"]["description"]
    assert text["host"] == host
    assert 50 <= float(text["percent"]) <= 100, text[0]
    return text


def _contributions(chain: Chain, instance: str, begin: float) -> set[str]:
    """What memory contributed at any moment since, as the text writes it."""
    query = f'loadwatch_contribution{{verdict="high_load",signal="memory",instance="{instance}"}}'
    rows = chain.prometheus.query_range(query, begin, time.time(), 0.5)
    return {f"{float(value):+.2f}" for row in rows for _, value in row["values"]}


def test_a_killed_daemon_is_missed_until_it_is_back_unless_in_maintenance(chain: Chain) -> None:
    """Nobody watches a host whose daemon is dead, and somebody hears of it; not so during maintenance."""
    chain.maintenance(SERVICED, "start", "--for", "1h")
    for instance in (SERVICED, WATCHED):
        chain.daemons[instance].kill()
    down = chain.told("LoadwatchDown", WATCHED, "firing", seconds=30)
    assert (down["receiver"], down["labels"]["severity"]) == ("pager", "critical")
    assert down["annotations"]["description"] == (
        f"{WATCHED} has not answered scrapes for two minutes, or only some: nobody watches this host."
    )
    assert chain.value(f'up{{instance="{SERVICED}"}}') == 0
    chain.restart(WATCHED)
    chain.told("LoadwatchDown", WATCHED, "resolved", seconds=30)
    assert "LoadwatchDown" not in chain.hook.names(SERVICED)
