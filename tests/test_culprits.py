"""Which resource a verdict is about, and who is named for it in which words."""

import math
from collections.abc import Sequence

import pytest

from loadwatch.culprits import culprit_words, driving_resource, is_worse, largest_units
from loadwatch.records import Alert, Contribution, Culprit, Culprits
from loadwatch.signals import SIGNALS, Resource

GIB = 2.0**30


def resource_by(
    limits: Sequence[str] = (),
    deciding: Sequence[str] = (),
    values: dict[str, float] | None = None,
    **parts: float,
) -> str | None:
    contributions = [Contribution(name, value) for name, value in parts.items()]
    return driving_resource(limits, deciding, contributions, values or {})


def test_every_signal_of_cpu_memory_and_storage_names_its_resource() -> None:
    """So that whatever drives a verdict, who uses it is looked for in the right place."""
    told = {signal.name: signal.resource for signal in SIGNALS if signal.resource}
    assert {told[name] for name in ("cpu", "cpu_max_core", "load_per_cpu", "cpu_pressure")} == {"cpu"}
    assert {told[name] for name in ("memory", "swap", "memory_pressure", "oom_kills")} == {"memory"}
    assert {
        told[name] for name in ("iowait", "disk", "disk_wait", "disk_read", "disk_write", "io_pressure")
    } == {"io"}
    assert len(told) == 14


def test_what_drives_a_verdict_is_asked_in_the_order_of_certainty() -> None:
    """Limits that were passed, then the rule that holds, then what the model saw."""
    assert resource_by(["io_pressure"], ["cpu"], memory=1.0) == "io"
    assert resource_by([], ["cpu"], memory=1.0) == "cpu"
    assert resource_by(memory=0.4, cpu=0.3, cpu_pressure=0.3) == "cpu"
    assert resource_by(["cpu", "io_pressure", "memory"]) == "memory"


def test_what_no_program_is_measured_by_names_nobody() -> None:
    """The network, signals of other names, and what speaks against the verdict."""
    assert resource_by(["network"], ["mine"], network=1.0, cpu=-1.0) is None


def test_a_load_average_of_those_who_wait_for_storage_is_about_storage() -> None:
    """The kernel counts both in one figure."""
    assert resource_by(deciding=["load_per_cpu"], values={"cpu": 0.2, "io_pressure": 0.8}) == "io"
    assert resource_by(deciding=["load_per_cpu"], values={"cpu": 0.9, "io_pressure": math.nan}) == "cpu"


def words(resource: str, total: float | None, *named: Culprit, note: str = "") -> str:
    return culprit_words(Culprits(resource, 0.0, 60.0, total, named, note))  # type: ignore[arg-type]


def test_a_unit_that_is_one_program_is_told_once() -> None:
    """And a unit of many small ones by its own name."""
    unit = Culprit("unit", "web.service", 0.8)
    one = Culprit("process", "nginx", 0.7, processes=4, unit="web.service")
    small = Culprit("process", "nginx", 0.2, processes=4, unit="web.service")
    assert words("cpu", 4.0, unit, one) == "nginx (web.service, 4 processes) 2.8 of 4 CPUs"
    assert words("cpu", 1.0, unit, small).startswith("web.service 0.8 of 1 CPU; nginx")


def test_who_uses_hardly_anything_is_not_blamed() -> None:
    """Not even where nobody uses more: then nobody is named, and it says what could not be seen."""
    idle = Culprit("process", "sleep", 0.001, processes=1)
    assert words("cpu", 4.0, idle) == ""
    assert words("cpu", 4.0, idle, note="only processes of this container are seen").startswith("(only")
    much, little = Culprit("unit", "a", 0.5), Culprit("unit", "b", 0.02)
    assert words("io", None, much, little) == "a: 50 % of the I/O"


def test_memory_is_told_in_units_that_people_use() -> None:
    """Gibibytes, or mebibytes on the smallest of hosts."""
    java = Culprit("process", "java", 0.5, processes=1)
    assert words("memory", 16 * GIB, java) == "java 8 of 16 GiB of memory"
    assert words("memory", 0.5 * GIB, java) == "java 256 of 512 MiB of memory"


def test_a_metric_names_units_and_only_without_them_programs() -> None:
    """At most three."""
    unit, process = Culprit("unit", "a.service", 0.3), Culprit("process", "a", 0.3, processes=1)
    units = [Culprit("unit", f"{place}.service", place / 10) for place in range(1, 6)]
    assert [each.name for each in largest_units(Culprits("cpu", 0.0, 1.0, 4.0, (unit, process)))] == [
        "a.service"
    ]
    assert [each.name for each in largest_units(Culprits("cpu", 0.0, 1.0, 4.0, (process,)))] == ["a"]
    assert [each.share for each in largest_units(Culprits("cpu", 0.0, 1.0, 4.0, tuple(units)))] == [
        0.5,
        0.4,
        0.3,
    ]


def test_worse_is_clearly_more_of_the_same() -> None:
    """So that an alert tells of its worst, and the disk is not written for every wobble."""

    def using(share: float, resource: Resource = "cpu") -> Culprits:
        return Culprits(resource, 0.0, 60.0, 4.0, (Culprit("unit", "a", share),))

    assert is_worse(using(0.1), None)
    assert is_worse(using(0.1), Culprits("cpu", 0.0, 60.0))
    assert not is_worse(using(0.5), using(0.4))
    assert is_worse(using(0.51), using(0.4))
    assert not is_worse(using(0.9, "memory"), using(0.4))


@pytest.mark.parametrize(
    "culprits",
    [
        None,
        Culprits("io", 5.0, 60.0, None, (Culprit("unit", "a.service", 0.5, True, 0.9),), "no more seen"),
        Culprits("memory", 5.0, 60.0, 2 * GIB, (Culprit("process", "java", 0.5, processes=2, unit="a"),)),
    ],
)
def test_an_alert_keeps_its_culprits_when_stored(culprits: Culprits | None) -> None:
    """As plain values and back."""
    alert = Alert(1, "high_load", 100.0, culprits=culprits)
    assert Alert.from_plain(alert.to_plain()) == alert


def test_an_alert_stored_before_there_were_culprits_is_read() -> None:
    """It has none, which is not known."""
    plain = Alert(1, "high_load", 100.0).to_plain()
    del plain["culprits"]
    assert Alert.from_plain(plain).culprits is None
