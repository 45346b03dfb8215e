"""What a sample costs, by source, and what storing it costs: ``python tests/benchmarks/bench_sampling.py``.

CPU time of this process (user and system), the mean over many samples taken one after the other. The target
is 0.6 ms on an ordinary host, and 50 ms with two thousand interfaces and disks: ``PYTHONPATH=tests``. A
picture of who uses what is taken once a minute, in less than 10 ms with 300 processes.
"""

import argparse
import math
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from manual_clock import ManualClock
from sampling.host import FakeHost, turn_large

from loadwatch.clock import SystemClock
from loadwatch.history import History
from loadwatch.records import Sample
from loadwatch.sampling import default_sources
from loadwatch.sampling.meter import UsageMeter
from loadwatch.sampling.processes import ProcessReader
from loadwatch.sampling.source import FaultLog
from loadwatch.sampling.units import UnitReader
from loadwatch.signals import NAMES


def microseconds(action: Callable[[], object], repetitions: int) -> float:
    """Mean CPU time of one call, after a first one that warms up."""
    action()
    before = time.process_time()
    for _ in range(repetitions):
        action()
    return (time.process_time() - before) / repetitions * 1e6


def resident_mebibytes() -> float:
    """Memory of this process that is in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def bench_sources(repetitions: int) -> None:
    """Print a line a source."""
    print(f"\nsampling, {os.cpu_count()} CPUs, {repetitions} samples\n")
    print(f"{'source':<12}{'microseconds':>14}  signals")
    total = 0.0
    for source in default_sources():
        cost = microseconds(lambda source=source: source.read(time.monotonic()), repetitions)  # type: ignore[misc]
        total += cost
        print(f"{source.name:<12}{cost:>14.0f}  {len(source.read(time.monotonic()))}")
    print(f"{'all':<12}{total:>14.0f}")


def bench_usage(processes: int, units: int, pictures: int) -> None:
    """Print what a picture of who uses what costs: so many more processes, and of files so many units."""
    sleepers = [subprocess.Popen(["/bin/sleep", "600"]) for _ in range(processes)]
    try:
        reader = ProcessReader(Path("/proc"))
        running = reader.read().running
        cost = {
            "processes": microseconds(reader.read, pictures),
            "with bytes moved": microseconds(lambda: reader.read(storage=True), pictures),
        }
        clock = SystemClock()
        meter = UsageMeter(clock, Path("/proc"), Path("/sys"), FaultLog(clock, UsageMeter.sources))
        pictured = [meter._picture(storage=True) for _ in range(2)]
        cost["who used most"] = microseconds(lambda: meter._find("cpu", *pictured), pictures)
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
    with tempfile.TemporaryDirectory() as folder:
        host = FakeHost(Path(folder))
        for number in range(units):
            host.write_unit(f"system.slice/unit{number}.service", moved=1)
        cost[f"{units} units, of files"] = microseconds(UnitReader(host.sysfs).read, pictures)
    print(f"\na picture of who uses what, {running} processes\n")
    for name, each in cost.items():
        print(f"{name:<24}{each / 1e3:>8.1f} ms")


def bench_large_host(samples: int) -> None:
    """Print what a sample costs on an ordinary and a large host of files, the kernel's own work left out."""
    sizes = {"an ordinary host": (4, 2, 2), "a large host": (256, 500, 200)}
    print("\nsampling, CPUs, interfaces and disks of files\n")
    for name, (cpus, interfaces, disks) in sizes.items():
        with tempfile.TemporaryDirectory() as folder:
            host = FakeHost(Path(folder))
            sources = default_sources(host.procfs)
            spent = []
            for second in range(samples):
                turn_large(host, second, cpus=cpus, interfaces=interfaces, disks=disks)
                before = time.process_time()
                for source in sources:
                    source.read(float(second))
                spent.append((time.process_time() - before) * 1e3)
            middle = statistics.median(spent[2:])
            print(f"{name:<20}{cpus:>4}{interfaces:>4}{disks:>4}{middle:>8.2f} ms")


def bench_many_devices(devices: int) -> None:
    """Print what a sample costs on hosts of files with so many interfaces and disks."""
    print(f"\nsampling {devices} interfaces and {devices} disks, of files\n")
    for physical, kind in ((True, "physical"), (False, "of containers")):
        with tempfile.TemporaryDirectory() as folder:
            host = FakeHost(Path(folder))
            interfaces = {f"net{number}": (1, 1) for number in range(devices)}
            disks = {f"disk{number}x": (1, 1, 1) for number in range(devices)}
            for name in interfaces:
                host.add_interface(name, 1000, physical=physical)
            for name in disks:
                host.add_disk(name, physical=physical)
            host.write_interfaces(eth0=(1, 1), **interfaces)
            host.write_disks(sda=(1, 1, 1), **disks)
            sources = default_sources(host.procfs)
            costs = []
            for second in range(5):
                before = time.process_time()
                for source in sources:
                    source.read(float(second))
                costs.append((time.process_time() - before) * 1e3)
            print(f"{kind:<16}{costs[0]:>8.0f} ms the first time,{min(costs[1:]):>6.1f} ms later")


def bench_history(rows: int) -> None:
    """Print what opening, appending, reading and pruning cost, and the memory they take."""
    clock = ManualClock()
    values = {name: math.sin(place) for place, name in enumerate(NAMES)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        resident = resident_mebibytes()
        history = History.open(path, clock=clock)

        def append() -> None:
            clock.advance(1.0)
            history.append(Sample(clock.wall(), clock.monotonic(), values))

        print(f"\nhistory, {rows} rows of {len(NAMES)} signals\n")
        print(f"{'append':<28}{microseconds(append, rows):>10.0f} us")
        print(f"{'memory after appending':<28}{resident_mebibytes() - resident:>10.1f} MiB")
        day = (clock.wall() - 86_400, clock.wall())
        timed = {
            "open and check": lambda: History.open(path, clock=clock).close(),
            "read all": history.recording,
            "read all by the minute": lambda: history.recording(step=60.0),
            "read a day by the minute": lambda: history.recording(*day, step=60.0),
            "count": history.row_count,
            "gaps": lambda: history.gaps(5.0),
            "prune a tenth": lambda: history.prune(rows * 0.9),
        }
        for name, action in timed.items():
            before = time.perf_counter()
            action()
            print(f"{name:<28}{(time.perf_counter() - before) * 1e3:>10.0f} ms")
        print(f"{'file':<28}{path.stat().st_size / rows:>10.0f} bytes a row")
        history.close()


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=300)
    options = parser.parse_args()
    bench_sources(options.samples)
    bench_usage(options.processes, 60, 50)
    bench_large_host(40)
    bench_many_devices(2_000)
    bench_history(options.rows)


if __name__ == "__main__":
    main()
