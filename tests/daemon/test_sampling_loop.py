"""What the loop says of the host when no sample comes any more."""

from contextlib import closing
from pathlib import Path

from manual_clock import ManualClock

from loadwatch import config as configuration
from loadwatch.daemon.judging import LiveJudge
from loadwatch.daemon.sampling_loop import SamplingLoop
from loadwatch.exporter import Exporter
from loadwatch.history import History
from loadwatch.records import Sample, Snapshot
from loadwatch.sampling import Sampler
from loadwatch.web import Board


def test_a_stale_verdict_postpones_no_training(tmp_path: Path) -> None:
    """A sampler that hung while the host suffered does not keep it suffering for good."""
    clock = ManualClock()
    exporter = Exporter(clock, 5.0)
    config = configuration.load(None, environment={}, overrides=[])
    with closing(History.open(tmp_path / "history.db", clock=clock)) as history:
        judge = LiveJudge(config, clock, history, exporter)
        loop = SamplingLoop(clock, Sampler(clock, sources=[]), history, exporter, Board(clock, 5.0), judge)
        loop.begin()
        loop.snapshot = Snapshot(Sample(clock.wall(), clock.monotonic(), {}), high_load={0: True})
        fresh = loop.is_suffering
        clock.advance(15.1)

        assert (fresh, loop.is_suffering) == (True, False)
