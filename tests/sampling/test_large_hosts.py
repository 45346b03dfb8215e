"""What a sample costs follows from what is read of a host, and hardly from how large it is."""

import time
from pathlib import Path

from loadwatch.sampling import default_sources
from sampling.host import FakeHost, turn_large


def microseconds_a_sample(folder: Path, **size: int) -> float:
    """Of CPU; that of the samples which took least, for another process may have the caches."""
    folder.mkdir()
    host = FakeHost(folder)
    sources = default_sources(host.procfs)
    spent = []
    for second in range(12):
        turn_large(host, second, **size)
        before = time.thread_time_ns()
        for source in sources:
            source.read(float(second))
        spent.append(time.thread_time_ns() - before)
    return min(spent[2:]) / 1e3


def test_the_largest_hosts_cost_a_few_times_an_ordinary_one(tmp_path: Path) -> None:
    """256 CPUs, 500 interfaces and 200 disks: about three times; eight are allowed on a busy machine."""
    ordinary = microseconds_a_sample(tmp_path / "ordinary", cpus=4, interfaces=2, disks=2)
    large = microseconds_a_sample(tmp_path / "large", cpus=256, interfaces=500, disks=200)
    assert large < 8 * ordinary
