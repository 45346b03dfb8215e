"""The daemon's parts together, on a clock that a test turns: no sample lost, no verdict missing."""

import math
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from cli import hosts
from manual_clock import ManualClock
from sampling.host import FakeHost

from loadwatch import config as configuration
from loadwatch.culprits import culprit_words
from loadwatch.daemon.judging import LiveJudge
from loadwatch.daemon.model_manager import ModelManager
from loadwatch.daemon.retraining import ASKED
from loadwatch.daemon.sampling_loop import SamplingLoop
from loadwatch.daemon.schedule import Schedule
from loadwatch.exporter import Exporter
from loadwatch.history import History
from loadwatch.records import Alert, Maintenance, Span
from loadwatch.sampling.meter import UsageMeter
from loadwatch.sampling.sampler import Sampler
from loadwatch.sampling.source import FaultLog
from loadwatch.web import Board

pytestmark = pytest.mark.slow


class Host:
    """A made-up source: an even hum, and whatever the test adds to it."""

    name = "made_up"
    signals = ("cpu", "memory", "cpu_pressure", "network_receive")
    note = ""

    def __init__(self) -> None:
        self.extra_cpu = 0.0

    def read(self, now: float) -> Mapping[str, float]:
        wave = 0.05 * math.sin(now / 97.0) + 0.02 * math.sin(now / 7.0)
        return {
            "cpu": min(1.0, 0.2 + wave + self.extra_cpu),
            "memory": 0.4 + wave / 5,
            "cpu_pressure": 0.01,
            "network_receive": 1e5 * (1.0 + wave),
        }

    def forget(self) -> None:
        """Nothing is remembered."""


class Bench:
    """A daemon without its main loop: the test is the clock and the scheduler."""

    def __init__(self, folder: Path, **settings: str) -> None:
        overrides = [f"{key.replace('__', '.')}={value}" for key, value in settings.items()]
        config = configuration.load(None, environment={}, overrides=["sampling.interval=1s", *overrides])
        self.clock, self.host = ManualClock(), Host()
        self.sampler = Sampler(self.clock, sources=[self.host])
        self.history = History.open(folder / "history.db", clock=self.clock)
        self.exporter = Exporter(self.clock, 1.0)
        self.board = Board(self.clock, 1.0)
        self.verdicts = LiveJudge(config, self.clock, self.history, self.exporter)
        self.watch = SamplingLoop(
            self.clock, self.sampler, self.history, self.exporter, self.board, self.verdicts
        )
        schedule = Schedule(on_missed=lambda _: None, on_failed=lambda _job, _error: None)
        parts = (self.clock, self.history, self.watch, schedule)
        self.models = ModelManager(config, folder, *parts)

    def pass_seconds(self, seconds: int) -> Iterator[None]:
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.watch.tick()
            yield

    def is_high(self) -> bool:
        return self.watch.snapshot is not None and self.watch.snapshot.high_load[0]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, training__minimum="10m")
    yield made
    made.models.stop()
    made.history.close()


@pytest.fixture(scope="module")
def first_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory after the first start: its first model is made once for all that begin with one."""
    folder = tmp_path_factory.mktemp("first")
    made = Bench(folder)
    made.models.learning.bootstrap()
    made.history.close()
    return folder


@pytest.fixture
def started(bench: Bench, tmp_path: Path, first_model: Path) -> Bench:
    """The same with the first model at work."""
    shutil.copytree(first_model / "models", tmp_path / "models", dirs_exist_ok=True)
    bench.models.load()
    return bench


def test_no_sample_is_lost_and_the_verdict_never_gaps_while_it_retrains(bench: Bench) -> None:
    """Thirty minutes, a sample a second, with a real training child in between."""
    bench.models.learning.bootstrap()
    for _ in bench.pass_seconds(5):
        pass
    retraining = threading.Thread(target=bench.models.learning.train)
    for second, _ in enumerate(bench.pass_seconds(1795)):
        if second == 900:
            retraining.start()
        assert bench.watch.snapshot is not None
        assert set(bench.watch.snapshot.probabilities) == {0, 60, 300, 900}
    retraining.join(timeout=120)
    for _ in bench.pass_seconds(1):
        pass
    assert bench.history.row_count() == 1800  # the first reading only gives the rates their base
    assert bench.watch.snapshot is not None
    assert bench.watch.snapshot.model is not None
    assert bench.watch.snapshot.model.origin == "trained"
    assert bench.models.learning.state.failures == 0


def test_an_idle_machine_is_never_flagged(started: Bench) -> None:
    """Ten quiet minutes from the first second on: no flag at any horizon, no alert."""
    for _ in started.pass_seconds(2):
        pass
    for _ in started.pass_seconds(600):
        assert started.watch.snapshot is not None
        assert not any(started.watch.snapshot.high_load.values())
        assert not started.watch.snapshot.anomaly
    assert started.history.alerts() == []


def test_the_flag_follows_the_rule(started: Bench) -> None:
    """Up within three samples of the rule holding, down within a minute of its end."""
    for _ in started.pass_seconds(120):
        pass
    started.host.extra_cpu = 0.9
    raised = [
        bool(started.watch.snapshot and started.watch.snapshot.high_load[0]) for _ in started.pass_seconds(60)
    ]
    started.host.extra_cpu = 0.0
    cleared = [
        bool(started.watch.snapshot and started.watch.snapshot.high_load[0]) for _ in started.pass_seconds(90)
    ]
    # The default rule wants 15 seconds of it on average before it holds.
    assert raised.index(True) <= 20
    assert all(raised[raised.index(True) :])
    assert not any(cleared[75:])


def test_reasons_are_new_each_five_seconds_while_anything_is_flagged(started: Bench) -> None:
    """While nothing is, each half minute: they cost two fifths of scoring. At once when it turns."""

    def renewed(seconds: int) -> list[int]:
        """The seconds at which the reasons became others."""
        found, before = [], started.watch.snapshot
        for second, _ in enumerate(started.pass_seconds(seconds)):
            now = started.watch.snapshot
            assert before is not None
            assert now is not None
            if now.contributions is not before.contributions:
                found.append(second)
            before = now
        return found

    for _ in started.pass_seconds(60):
        pass
    assert np.diff(renewed(120)).tolist() == [30, 30, 30]
    started.host.extra_cpu = 0.9
    risen = renewed(60)
    assert started.is_high()
    assert np.diff(risen)[-5:].tolist() == [5] * 5


def test_maintenance_silences_everything(started: Bench) -> None:
    """Inside a window no flag is raised, however high the load, and the snapshot says why."""
    for _ in started.pass_seconds(60):
        pass
    now = started.clock.wall()
    started.history.add_maintenance(Maintenance(Span(now, now + 300.0), "kernel upgrade"))
    started.verdicts.refresh()
    started.host.extra_cpu = 0.9
    for _ in started.pass_seconds(120):
        assert started.watch.snapshot is not None
        assert started.watch.snapshot.maintenance
        assert not any(started.watch.snapshot.high_load.values())


def test_an_hour_asleep_is_no_incident(started: Bench) -> None:
    """While it sleeps nothing is claimed; afterwards samples follow each other, unflagged, none made up."""
    for _ in started.pass_seconds(300):
        pass
    rows = started.history.row_count()
    started.clock.suspend(3600.0)
    assert b"loadwatch_high_load_probability{" not in started.exporter.render()
    assert b"loadwatch_ready 0.0" in started.exporter.render()
    for _ in started.pass_seconds(120):
        assert started.watch.snapshot is not None
        assert set(started.watch.snapshot.probabilities) == {0, 60, 300, 900}
        assert not any(started.watch.snapshot.high_load.values())
    assert started.history.row_count() == rows + 120
    (gap,) = started.history.gaps(60.0)
    assert gap.end - gap.start == pytest.approx(3601.0)
    assert started.history.alerts() == []


def test_a_failing_verdict_does_not_cost_the_sample(started: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks between sample and verdict is counted; the sample is stored, the verdict is absent."""
    for _ in started.pass_seconds(3):
        pass
    before = started.history.row_count()

    def broken(*_: object) -> None:
        raise FloatingPointError("made to fail")

    monkeypatch.setattr(started.verdicts, "judge", broken)
    for _ in started.pass_seconds(3):
        pass
    assert started.history.row_count() == before + 3
    assert b"loadwatch_inference_failures_total 3.0" in started.exporter.render()
    assert b"loadwatch_high_load_probability{" not in started.exporter.render()


def test_the_first_model_of_its_own_is_at_work_when_the_minimum_is_over(bench: Bench) -> None:
    """A host that asks for ten minutes of history has learned from itself when they are over."""
    started = bench.clock.wall()
    delay = bench.models.learning.bootstrap()
    for _ in bench.pass_seconds(int(delay)):
        pass
    bench.models.learning.train()
    outcome = bench.models.learning.state.last
    assert outcome is not None
    assert outcome.result in {"published", "rejected"}, outcome.why
    # On the simulated clock a training takes no time; a real one of so little history takes seconds.
    assert bench.clock.wall() - started < 590.0


def test_an_imported_past_is_learned_and_backfilled_while_the_daemon_runs(tmp_path: Path) -> None:
    """Another process stores three days and asks: the daemon trains, and its judge knows those days."""
    bench = Bench(tmp_path, high_load__when=hosts.RULE)
    try:
        bench.models.learning.bootstrap()
        for _ in bench.pass_seconds(5):
            pass
        began = bench.clock.wall()
        assert bench.verdicts.judged_since > began - 10.0
        past = hosts.recording(72, end=began - 60.0)
        bench.history.merge(past)
        bench.history.set_state(ASKED, began)
        bench.models.follow()
        assert bench.history.state(ASKED) is None
        assert (bench.models.next_training_seconds or 0.0) <= 0.5
        bench.models.learning.train()
        for _ in bench.pass_seconds(2):
            pass
        outcome = bench.models.learning.state.last
        assert outcome is not None
        assert outcome.result == "published", outcome.why
        assert bench.verdicts.judged_since == pytest.approx(past.timestamps[0], abs=60.0)
        bench.verdicts.remember()
        assert bench.history.alerts() == []
    finally:
        bench.models.stop()
        bench.history.close()


def test_one_trouble_is_one_alert_through_maintenance_and_a_kill(started: Bench, tmp_path: Path) -> None:
    """The metric is 1 exactly while the history holds an open alert; a kill forgets nothing of it.

    Whoever tells people hears of each change, with what the history then holds.
    """
    heard: list[Alert] = []
    started.verdicts.on_alert = heard.append
    name = 'loadwatch_alert{stage="present",verdict="high_load"}'
    for _ in started.pass_seconds(60):
        pass
    started.host.extra_cpu = 0.9

    def live(host: Bench, seconds: int) -> None:
        for _ in host.pass_seconds(seconds):
            is_open = [alert.end is None for alert in host.history.alerts()]
            assert f"{name} {float(any(is_open))}" in host.exporter.render().decode()

    live(started, 900)
    (alert,) = started.history.alerts()
    assert (heard[0].start, heard[0].end, bool(heard[0].signals)) == (alert.start, None, True)
    started.history.add_maintenance(Maintenance(Span(started.clock.wall(), started.clock.wall() + 15.0)))
    started.verdicts.refresh()
    live(started, 14)
    assert [each.end is None for each in started.history.alerts()] == [False]
    live(started, 60)
    assert [(each.start, each.end) for each in started.history.alerts()] == [(alert.start, None)]

    started.history.close()  # and nothing else: as a kill leaves it
    again = Bench(tmp_path, training__minimum="10m")
    again.clock.set_wall(started.clock.wall())
    again.models.load()
    again.verdicts.on_alert = heard.append
    try:
        live(again, 1)
        again.host.extra_cpu = 0.9
        live(again, 60)
        again.host.extra_cpu = 0.0
        live(again, 2000)
        ((start, end),) = [(each.start, each.end) for each in again.history.alerts()]
        assert (start, end is None) == (alert.start, False)
        assert [each.end is None for each in heard[-2:]] == [True, False]
        assert {each.start for each in heard} == {alert.start}
    finally:
        again.history.close()


def test_an_alert_keeps_who_drove_it_at_its_worst(started: Bench, tmp_path: Path) -> None:
    """Named from its opening on, by what it used when it used most; afterwards the alert still says it."""
    files = FakeHost(tmp_path / "files")
    faults = FaultLog(started.clock, UsageMeter.sources)
    started.sampler._meter = UsageMeter(started.clock, files.procfs, files.sysfs, faults)
    for number, name in ((1, b"systemd"), (10, b"mysqld")):
        files.write_process(number, name)
    files.write_process(2, b"kthreadd", kernel=True, parent=0)
    used = 0.0

    def live(seconds: int, cpus: float) -> None:
        nonlocal used
        for _ in started.pass_seconds(seconds):
            used += 100 * cpus
            files.write_process(10, b"mysqld", ticks=int(used), unit="/system.slice/mysql.service")

    live(120, 0.1)
    assert started.watch.snapshot is not None
    assert started.watch.snapshot.culprits == {}
    started.host.extra_cpu = 0.9
    live(30, 1.5)
    assert started.watch.snapshot.culprits["high_load"].named[0].name == "mysqld"
    live(870, 1.0)
    (alert,) = started.history.alerts()
    assert alert.culprits is not None
    assert culprit_words(alert.culprits).startswith("mysqld (mysql.service) 1 of 2 CPUs")
    assert b'loadwatch_culprit{resource="cpu",unit="mysqld"} 0.5' in started.exporter.render()
    live(60, 1.8)
    started.host.extra_cpu = 0.0
    for _ in started.pass_seconds(2000):
        pass  # it uses nothing more
    (alert,) = started.history.alerts()
    assert alert.end is not None
    assert alert.culprits is not None
    assert culprit_words(alert.culprits).startswith("mysqld (mysql.service) 1.8 of 2 CPUs")
    assert b"loadwatch_culprit{" not in started.exporter.render()
    assert started.watch.snapshot.culprits == {}


def test_an_alert_that_nobody_remembers_is_closed_at_the_start(bench: Bench) -> None:
    """Without the state of the judge an open alert would stay in the list for ever."""
    bench.history.keep_alert(Alert(1, "high_load", bench.clock.wall()))
    LiveJudge(
        configuration.load(None, environment={}, overrides=[]), bench.clock, bench.history, bench.exporter
    )
    (alert,) = bench.history.alerts()
    assert alert.end == alert.start
    assert b'loadwatch_alert{stage="present",verdict="high_load"} 0.0' in bench.exporter.render()
