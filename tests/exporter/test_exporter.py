"""What a scrape shows: the truth of now, in few series, in formats that Prometheus accepts."""

import math
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manual_clock import ManualClock
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from loadwatch.exporter import METRICS, Exporter
from loadwatch.exporter.selection import PROCESS_METRICS, SERIES_LIMIT
from loadwatch.records import Culprit, Culprits, Filling, FlagSource, Sample, Snapshot, Stage, Verdict
from loadwatch.sampling.meter import UsageMeter
from loadwatch.signals import BY_NAME, NAMES, Signal

GOLDEN = Path(__file__).with_name("metrics.txt")
UPDATE = "LOADWATCH_UPDATE_GOLDEN" in os.environ  # now: no test sees the environment's settings
VERDICT_METRICS = (
    "loadwatch_high_load_probability",
    "loadwatch_high_load",
    "loadwatch_anomaly_score",
    "loadwatch_anomaly",
    "loadwatch_contribution",
    "loadwatch_signal",
)


def series(page: bytes) -> dict[str, float]:
    """Every series of a text page by its name and labels as written."""
    found = {}
    for line in page.decode().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            found[name] = float(value)
    return found


def names(page: bytes) -> set[str]:
    return {name.split("{")[0] for name in series(page)}


def test_the_whole_page_is_the_golden_one(exporter: Exporter, snapshot: Snapshot) -> None:
    """Names, types, help and order change on purpose only; LOADWATCH_UPDATE_GOLDEN=1 rewrites the file."""
    exporter.publish(snapshot)
    page = re.sub(r'version="[0-9][0-9a-z.+]*"', 'version="X"', exporter.render().decode())
    if UPDATE:
        GOLDEN.write_text(page)
    assert page == GOLDEN.read_text()


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"])
def test_a_page_shows_every_change_since_the_last(
    exporter: Exporter, snapshot: Snapshot, clock: ManualClock, accept: str
) -> None:
    """Texts kept from one scrape to the next are never old: each page is the one the library makes afresh."""

    def afresh() -> bytes:
        encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0" if accept else "")
        return encode(exporter)

    def scraped() -> bytes:
        page, _ = exporter.scrape(accept)
        # The process's own series stand at the end and move by themselves.
        return re.sub(rb"# HELP process_.*?(?=# EOF|\Z)", b"", page, flags=re.DOTALL)

    def changes() -> Iterator[None]:
        yield
        exporter.publish(snapshot)
        yield
        yield  # nothing
        exporter.samples.inc()
        exporter.sample_duration.observe(0.004)
        yield
        exporter.sample_failures.inc("cpu")
        exporter.publish(replace(snapshot, anomaly_score=None, probabilities={0: 0.5}))
        yield
        exporter.model_brier.set(None)
        yield
        clock.advance(100.0)
        yield

    before = b""
    for number, _ in enumerate(changes()):
        assert scraped() == afresh()
        assert number in (0, 2) or scraped() != before
        before = scraped()


def test_the_daemon_s_own_cost_is_read_once_a_sample(
    clock: ManualClock, exporter: Exporter, snapshot: Snapshot
) -> None:
    """So two scrapes of one sample are one page; where samples stay away, each scrape says what it costs."""
    exporter.publish(snapshot)
    first, _ = exporter.scrape()
    sum(range(2_000_000))  # some CPU time
    assert exporter.scrape()[0] == first
    exporter.publish(snapshot)
    second, _ = exporter.scrape()
    assert second != first
    clock.advance(60.0)
    stale, _ = exporter.scrape()
    sum(range(2_000_000))
    assert exporter.scrape()[0] != stale


def test_nothing_is_known_before_the_first_snapshot(clock: ManualClock) -> None:
    """Unknown is absent, never 0: a fresh daemon shows itself, not ready, and no verdict."""
    page = Exporter(clock, interval=5.0).render()
    assert names(page).isdisjoint(VERDICT_METRICS)
    assert "loadwatch_last_sample_timestamp_seconds" not in names(page)
    assert series(page)["loadwatch_ready"] == 0


def test_a_verdict_disappears_after_three_intervals(
    exporter: Exporter, snapshot: Snapshot, clock: ManualClock
) -> None:
    """A dead sampler cannot leave a reassuring old verdict behind; the time of the last sample stays."""
    exporter.publish(snapshot)
    clock.advance(15.0)
    assert set(VERDICT_METRICS) <= names(exporter.render())
    clock.advance(0.001)
    page = exporter.render()
    assert names(page).isdisjoint(VERDICT_METRICS)
    assert series(page)["loadwatch_ready"] == 0
    assert not exporter.is_ready()
    assert series(page)["loadwatch_last_sample_timestamp_seconds"] == snapshot.sample.timestamp


def test_a_verdict_from_before_a_suspension_is_not_shown(
    exporter: Exporter, snapshot: Snapshot, clock: ManualClock
) -> None:
    """The monotonic clock stood still while the machine slept; the verdict is old all the same."""
    exporter.publish(snapshot)
    clock.suspend(3600.0)
    assert names(exporter.render()).isdisjoint(VERDICT_METRICS)


def test_setting_the_wall_clock_changes_nothing(
    exporter: Exporter, snapshot: Snapshot, clock: ManualClock
) -> None:
    """NTP or an administrator may set the clock a day back or forth; freshness is monotonic."""
    exporter.publish(snapshot)
    before = exporter.render()
    for wall in (0.0, snapshot.sample.timestamp + 86_400.0):
        clock.set_wall(wall)
        assert exporter.render() == before


def test_a_withdrawn_snapshot_takes_its_verdict_along(exporter: Exporter, snapshot: Snapshot) -> None:
    """``publish(None)`` says that nothing is known now."""
    exporter.publish(snapshot)
    exporter.publish(None)
    assert names(exporter.render()).isdisjoint(VERDICT_METRICS)


def test_unknown_values_are_absent(exporter: Exporter, snapshot: Snapshot) -> None:
    """A NaN or an infinity from a source is no number for a graph, and None is no 0."""
    values = {"cpu": math.nan, "memory": math.inf, "network": 0.25}
    exporter.publish(
        replace(
            snapshot,
            sample=replace(snapshot.sample, values=values),
            probabilities={0: math.nan, 60: 0.5},
            anomaly=None,
            anomaly_score=None,
        )
    )
    found = series(exporter.render())
    assert {name for name in found if name.startswith("loadwatch_signal")} == {
        'loadwatch_signal{signal="network",unit="ratio"}'
    }
    assert {name for name in found if name.startswith("loadwatch_high_load_prob")} == {
        'loadwatch_high_load_probability{horizon="60"}'
    }
    assert not any(name.startswith("loadwatch_anomaly") for name in found)
    assert all(math.isfinite(value) for value in found.values())


def test_the_page_says_who_raised_the_flag(exporter: Exporter, snapshot: Snapshot) -> None:
    """Rule, model and plain limits are told apart, and which limit was passed, with its value."""
    sources: tuple[FlagSource | None, ...] = ("limit", "model", "rule", None)
    for source in sources:
        exporter.publish(replace(snapshot, flagged_by=source))
        found = series(exporter.render())
        shown = {name for name in found if name.startswith("loadwatch_high_load_source")}
        assert shown == ({f'loadwatch_high_load_source{{source="{source}"}}'} if source else set())
    exporter.publish(replace(snapshot, limits={"memory": 0.985}))
    assert series(exporter.render())['loadwatch_limit_exceeded{signal="memory"}'] == 0.985
    exporter.publish(snapshot)
    assert "loadwatch_limit_exceeded" not in names(exporter.render())


def test_the_series_of_alerts_are_always_there(clock: ManualClock) -> None:
    """No rule waits for a series: each verdict and stage is 0 from the start, 1 while one is open."""
    exporter = Exporter(clock, interval=5.0)
    found = series(exporter.render())
    assert {name: value for name, value in found.items() if name.startswith("loadwatch_alert{")} == {
        'loadwatch_alert{stage="present",verdict="high_load"}': 0.0,
        'loadwatch_alert{stage="expected",verdict="high_load"}': 0.0,
        'loadwatch_alert{stage="present",verdict="anomaly"}': 0.0,
    }


def test_only_the_model_in_use_is_shown(exporter: Exporter, snapshot: Snapshot) -> None:
    """After a swap the old model's information series is gone at once."""
    exporter.publish(snapshot)
    assert snapshot.model is not None
    exporter.publish(replace(snapshot, model=replace(snapshot.model, version="next")))
    found = [name for name in series(exporter.render()) if name.startswith("loadwatch_model_info")]
    assert found == ['loadwatch_model_info{origin="trained",version="next"}']


def test_a_healthy_host_has_at_most_a_hundred_series(exporter: Exporter, snapshot: Snapshot) -> None:
    """All signals sampled, everything known, the process's own series counted too, in both formats."""
    exporter.publish(snapshot)
    for accept in ("", "application/openmetrics-text; version=1.0.0"):
        page, _ = exporter.scrape(accept)
        found = series(page)
        assert len(found) <= SERIES_LIMIT <= 100
        assert {name for name in found if not name.startswith("loadwatch_")} == {
            metric.name for metric in PROCESS_METRICS
        }


def test_what_fills_up_is_named_while_it_does(exporter: Exporter, snapshot: Snapshot) -> None:
    """With its share, and the time that is left where something says so."""
    exporter.publish(
        replace(snapshot, filling=(Filling("file system /", 0.98, 10_800.0), Filling("inodes of /", 0.96)))
    )
    found = series(exporter.render())

    assert found['loadwatch_filling{resource="file system /"}'] == 0.98
    assert found['loadwatch_filling{resource="inodes of /"}'] == 0.96
    assert found['loadwatch_full_in_seconds{resource="file system /"}'] == 10_800.0
    assert 'loadwatch_full_in_seconds{resource="inodes of /"}' not in found


def test_who_drives_an_open_alert_is_named_while_it_is_open(
    exporter: Exporter, snapshot: Snapshot, clock: ManualClock
) -> None:
    """At most three in all, none without an alert, none of a verdict that is old, any name harmless."""
    hostile = Culprit("unit", 'a"b\\c.service', 0.75)
    others = tuple(Culprit("unit", f"u{place}.service", place / 10) for place in range(1, 6))
    program = Culprit("process", "mysqld", 0.5, processes=1)
    culprits: dict[Verdict, Culprits] = {
        "high_load": Culprits("cpu", clock.wall(), 60.0, 4.0, (hostile, *others, program)),
        "anomaly": Culprits("io", clock.wall(), 60.0, None, others),
    }

    def named() -> dict[str, float]:
        page = exporter.render().decode()
        return {
            f"{labels['resource']} {labels['unit']}": value
            for family in text_string_to_metric_families(page)
            for name, labels, value, *_ in family.samples
            if name == "loadwatch_culprit"
        }

    exporter.publish(replace(snapshot, culprits=culprits))
    assert named() == {}
    exporter.publish(replace(snapshot, culprits=culprits, alerts={"high_load": "present"}))
    assert named() == {'cpu a"b\\c.service': 0.75, "cpu u5.service": 0.5, "cpu u4.service": 0.4}
    exporter.publish(replace(snapshot, culprits=culprits, alerts={"anomaly": "present"}))
    assert named() == {"io u5.service": 0.5, "io u4.service": 0.4, "io u3.service": 0.3}
    both: dict[Verdict, Stage] = {"high_load": "present", "anomaly": "present"}
    exporter.publish(replace(snapshot, culprits=culprits, alerts=both))
    assert len(named()) == 3
    clock.advance(16.0)
    assert named() == {}


def test_maintenance_is_asked_at_the_scrape(
    exporter: Exporter, snapshot: Snapshot, clock: ManualClock
) -> None:
    """A daemon that gets no sample any more does not stay in a window that is over."""
    end = clock.wall() + 60.0
    exporter.is_maintenance = lambda timestamp: timestamp < end
    exporter.publish(replace(snapshot, maintenance=True))
    inside = series(exporter.render())
    clock.advance(61.0)
    after = series(exporter.render())

    assert (inside["loadwatch_maintenance"], after["loadwatch_maintenance"]) == (1.0, 0.0)


def test_a_verdict_made_without_a_needed_signal_is_not_ready(exporter: Exporter, snapshot: Snapshot) -> None:
    """Unknown is never calm: the count says so, and nobody takes the verdict for a whole one."""
    exporter.publish(snapshot)
    known = series(exporter.render())
    exporter.publish(replace(snapshot, unknown={"cpu": "refused"}))
    unknown = series(exporter.render())

    assert (known.get("loadwatch_unknown_signals"), known["loadwatch_ready"]) == (None, 1.0)
    assert (unknown["loadwatch_unknown_signals"], unknown["loadwatch_ready"]) == (1.0, 0.0)


SOURCES = (
    *("cpu", "memory", "network", "disk", "load", "pressure", "tcp", "filesystem", "limits"),
    *UsageMeter.sources,
)
UNITS = tuple(Culprit("unit", f"u{place}.service", place / 10) for place in range(1, 6))
CULPRITS: dict[Verdict, Culprits] = {"high_load": Culprits("cpu", 0.0, 60.0, 4.0, UNITS)}


def test_every_signal_is_exported_and_the_whole_has_at_most_a_hundred_series(
    exporter: Exporter, snapshot: Snapshot
) -> None:
    """A host that has all there is: no signal is left out.

    Only under high load by a limit, and while an alert is open, do the last ones give way.
    """
    exporter.sample_failures.take(dict.fromkeys(SOURCES, 0))
    loaded = replace(snapshot, flagged_by="limit", limits={"memory": 0.99}, unknown={"cpu": "x"})

    def shown() -> set[str]:
        found = series(exporter.scrape()[0])
        assert len(found) <= 100
        return {name.split('"')[1] for name in found if name.startswith("loadwatch_signal{")}

    exporter.publish(snapshot)
    assert shown() == set(NAMES)
    exporter.publish(loaded)
    assert {name.partition("_")[0] for name in set(NAMES) - shown()} == {"udp"}
    exporter.publish(replace(loaded, culprits=CULPRITS, alerts={"high_load": "present"}))
    assert {name.partition("_")[0] for name in set(NAMES) - shown()} == {"listen", "tcp", "udp"}


def test_the_load_level_to_come_is_told_for_the_longest_horizon_while_it_is_known(
    exporter: Exporter, snapshot: Snapshot, clock: ManualClock
) -> None:
    """Two series, and none where the model cannot say or the verdict is old."""
    told = {
        f'loadwatch_load_level_forecast{{horizon="900",quantile="{q}"}}': x
        for q, x in ((0.5, 0.75), (0.9, 1.25))
    }

    def found() -> dict[str, float]:
        return {
            name: x for name, x in series(exporter.render()).items() if name.startswith("loadwatch_load_")
        }

    exporter.publish(snapshot)
    assert found() == {"loadwatch_load_level": 0.625, **told}
    exporter.publish(replace(snapshot, level_forecast={}, load_level=None))
    assert found() == {}
    exporter.publish(snapshot)
    clock.advance(15.1)
    assert found() == {}


def test_in_the_worst_of_hours_the_limit_holds(exporter: Exporter, snapshot: Snapshot) -> None:
    """Every source fails, every limit is passed, every kind of fault has happened: signals give way."""
    exporter.sample_failures.take(dict.fromkeys(SOURCES, 1))
    for job in ("sampling", "training", "refresh"):
        exporter.scheduler_missed.inc(job)
    for kind in ("connection_evicted", "connection_expired", "config_refused"):
        exporter.web_faults.inc(kind)
    exporter.publish(
        replace(
            snapshot,
            limits=dict.fromkeys(NAMES[:7], 0.99),
            flagged_by="limit",
            culprits=CULPRITS,
            alerts={"high_load": "present"},
        )
    )
    page = exporter.scrape()[0]
    assert len(series(page)) <= 100
    assert b"_created" not in page
    assert b'loadwatch_signal{signal="cpu",unit="ratio"}' in page


def test_twenty_signals_of_your_own_are_exported_within_the_limit(
    exporter: Exporter, snapshot: Snapshot
) -> None:
    """With their units; of ours those give way that are seldom looked at, and in the worst hour more do."""
    own = {f"own{number}": Signal(f"own{number}", "bytes", "") for number in range(20)}
    exporter.described = {**BY_NAME, **own}
    exporter.sample_failures.take(dict.fromkeys([*SOURCES, "exporters"], 0))
    values = {**snapshot.sample.values, **dict.fromkeys(own, 5.0)}
    snapshot = replace(snapshot, sample=replace(snapshot.sample, values=values))
    exporter.publish(snapshot)
    found = series(exporter.scrape()[0])
    assert all(f'loadwatch_signal{{signal="{name}",unit="bytes"}}' in found for name in own)
    assert 'loadwatch_signal{signal="cpu",unit="ratio"}' in found
    assert len(found) <= 100

    exporter.sample_failures.take(dict.fromkeys([*SOURCES, "exporters"], 1))
    for job in ("sampling", "training", "refresh", "retention", "verification", "textfile"):
        exporter.scheduler_missed.inc(job)
    for kind in ("connection_evicted", "connection_expired", "config_refused"):
        exporter.web_faults.inc(kind)
    filling = tuple(Filling(f"file system /{number}", 0.99, 60.0) for number in range(3))
    exporter.publish(
        replace(snapshot, limits=dict.fromkeys(NAMES[:7], 0.99), flagged_by="limit", filling=filling)
    )
    assert len(series(exporter.scrape()[0])) <= 100


def test_counters_are_there_before_they_count(clock: ManualClock, snapshot: Snapshot) -> None:
    """Prometheus cannot see the first fault of a counter that appears with it."""
    exporter = Exporter(clock, interval=5.0)
    exporter.sample_failures.take({"cpu": 0, "memory": 0})
    exporter.scheduler_missed.set(0, "sampling")
    exporter.web_faults.set(0, "config_refused")
    exporter.notification_failures.set(0)
    few = dict(list(snapshot.sample.values.items())[:20])
    exporter.publish(replace(snapshot, sample=replace(snapshot.sample, values=few)))
    found = series(exporter.render())
    for metric in METRICS:
        if metric.kind == "counter":
            assert any(name.split("{")[0] == metric.name for name in found), metric.name
    assert found['loadwatch_sample_failures_total{source="memory"}'] == 0


def test_a_counted_fault_is_always_shown(exporter: Exporter, snapshot: Snapshot) -> None:
    """Zeros of sources, jobs and kinds give way where there is no room; what has counted never does."""
    zeros = {f"source {number}": 0 for number in range(30)}
    exporter.sample_failures.take({**zeros, "last": 3})
    exporter.publish(snapshot)
    found = series(exporter.scrape()[0])
    assert found['loadwatch_sample_failures_total{source="last"}'] == 3
    assert len(found) <= 100


def test_the_last_change_of_interval_decides(
    exporter: Exporter, snapshot: Snapshot, clock: ManualClock
) -> None:
    """A reload that lengthens the interval lengthens the life of a verdict too."""
    exporter.publish(snapshot)
    clock.advance(20.0)
    exporter.interval = 10.0
    assert "loadwatch_high_load" in names(exporter.render())


def test_openmetrics_is_served_to_who_asks(exporter: Exporter, snapshot: Snapshot) -> None:
    """Both formats parse by the library's own strict parsers and say the same."""
    exporter.publish(snapshot)
    text, text_type = exporter.scrape("")
    openmetrics, openmetrics_type = exporter.scrape("application/openmetrics-text; version=1.0.0")
    assert text_type.startswith("text/plain; version=0.0.4")
    assert openmetrics_type.startswith("application/openmetrics-text; version=1.0.0")
    ours = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name.startswith("loadwatch_")
    }
    theirs = {
        sample.name: sample.value
        for family in parse_openmetrics(openmetrics.decode())
        for sample in family.samples
        if sample.name.startswith("loadwatch_")
    }
    assert ours == theirs


@given(
    accept=st.text(max_size=80)
    | st.sampled_from(["application/openmetrics-text;version=x", "text/plain;version="])
)
def test_no_accept_header_breaks_a_scrape(accept: str) -> None:
    """Whatever a client claims to accept, it gets the page."""
    page, _ = Exporter(ManualClock(), interval=5.0).scrape(accept)
    assert b"loadwatch_ready" in page


def test_the_textfile_page_leaves_process_metrics_out(exporter: Exporter) -> None:
    """node_exporter has process metrics of its own and would refuse the whole page over a second set."""
    assert not any(name.startswith(("process_", "python_")) for name in names(exporter.render()))
    assert "process_resident_memory_bytes" in names(exporter.scrape()[0])


def test_every_metric_of_the_table_can_be_exported(exporter: Exporter, snapshot: Snapshot) -> None:
    """The table promises nothing that the code does not keep, and the code exports nothing beside it."""
    exporter.publish(
        replace(
            snapshot,
            unknown={"cpu": "refused"},
            filling=(Filling("file system /var", 0.98, 10_800.0),),
            flagged_by="limit",
            limits={"memory": 0.985},
            culprits=CULPRITS,
            alerts={"high_load": "present"},
        )
    )
    exporter.sample_failures.inc("cpu")
    exporter.scheduler_missed.inc("train")
    exporter.history_unsaved.set(1)
    exporter.history_lost.inc()
    exporter.history_salvaged.inc()
    exporter.inference_failures.inc()
    exporter.models_set_aside.inc()
    exporter.reload_failures.inc()
    exporter.notification_failures.inc()
    exporter.service_manager_failures.inc()
    exporter.web_faults.inc("tls")
    exporter.threshold_raise.set(0.5)
    assert {family.name for family in exporter.collect()} == {
        metric.name.removesuffix("_total") for metric in METRICS
    }


def test_wrong_labels_are_refused(exporter: Exporter) -> None:
    """A slip in the daemon is found by its first test, not by a page that mixes up series."""
    with pytest.raises(ValueError, match="loadwatch_alerts_total"):
        exporter.alerts.inc()


def test_a_scrape_costs_under_three_milliseconds(exporter: Exporter, snapshot: Snapshot) -> None:
    """CPU time of the whole page with process metrics; the best of several, as the machine is shared."""
    exporter.publish(snapshot)

    def cost() -> float:
        start = time.process_time()
        for _ in range(20):
            exporter.scrape()
        return (time.process_time() - start) / 20

    assert min(cost() for _ in range(5)) < 0.003


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool of Debian's package prometheus")
def test_promtool_has_nothing_to_say(exporter: Exporter, snapshot: Snapshot) -> None:
    """Prometheus' own linter finds no fault in names, units and help.

    But one: it wants the label "quantile" for summaries, which cannot say what is to come.
    """
    exporter.publish(snapshot)
    page, _ = exporter.scrape()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    quantile = b'loadwatch_load_level_forecast non-summary metrics should not have "quantile" label\n'
    assert (done.stdout + done.stderr).replace(quantile, b"") == b""


def test_help_texts_are_sentences() -> None:
    """Each help begins with a capital or a digit, ends with a full stop, and is plain ASCII."""
    for metric in METRICS:
        assert re.fullmatch(r"[A-Z0-9][ -~]*\.", metric.help), metric.name


def test_a_sample_of_foreign_signals_is_exported_with_unit_one(clock: ManualClock) -> None:
    """Imported columns of other names have no unit in the schema."""
    exporter = Exporter(clock, interval=5.0)
    exporter.publish(Snapshot(Sample(clock.wall(), clock.monotonic(), {"queue": 7.0})))
    assert series(exporter.render())['loadwatch_signal{signal="queue",unit="1"}'] == 7
