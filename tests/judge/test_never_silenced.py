"""What no budget silences, and what even so stays quiet; one trouble is one alert."""

from collections.abc import Mapping

import numpy as np
import pytest

from judge.evidence import HORIZONS, START, WEEK, evidence, opened
from loadwatch.judge import Judge
from loadwatch.records import Alert

HOUR, DAY = 3600.0, 86_400.0
STALL = {"io_pressure": 0.95}


class Host:
    """A judge, and a clock that runs with the samples it is shown, one a minute."""

    def __init__(self, budget: float = 2.0) -> None:
        self.judge = Judge(HORIZONS, budget_per_week=budget)
        self.now = START // DAY * DAY
        self.alerts: list[Alert] = []
        self.closed: list[Alert] = []
        self.spent = False
        self.worst = 1200.0

    def live(
        self,
        seconds: float,
        level: float = 0.2,
        values: Mapping[str, float] | None = None,
        *,
        score: float = 0.1,
        step: float = 60.0,
        maintenance: bool = False,
    ) -> "Host":
        """So long, of one kind."""
        end = self.now + seconds
        while self.now < end:
            sample = evidence(self.now, level, values=values, score=score, maintenance=maintenance)
            judgement = self.judge.update(sample)
            self.alerts += judgement.opened
            self.closed += judgement.closed
            self.spent = judgement.budget_spent
            self.now += step
        return self

    def spend(self) -> "Host":
        """A week of calm, then troubles, each a fifth longer than the last, until the budget is overdrawn."""
        self.live(WEEK)
        while not self.spent:
            self.worst *= 1.2
            self.live(self.worst, 1.1).live(3 * HOUR)
        return self

    @property
    def stages(self) -> Mapping[str, str]:
        """Which alerts are open."""
        return self.judge.stages


def test_an_ordinary_trouble_waits_once_the_budget_is_spent() -> None:
    """The budget is one for the host: a trouble a little worse than those before is flagged, and no alert."""
    host = Host().spend()
    told = len(host.alerts)
    host.live(1.2 * host.worst, 1.1)
    assert 1 <= told <= 4
    assert len(host.alerts) == told


def test_worse_than_all_of_four_weeks_alerts_whatever_was_spent() -> None:
    """High load half as bad again as the worst remembered is an alert, and as soon as it is."""
    host = Host().spend()
    told = len(host.alerts)
    host.live(1.4 * host.worst, 1.1)
    assert len(host.alerts) == told
    host.live(0.2 * host.worst, 1.1)
    assert len(host.alerts) == told + 1
    assert host.stages == {"high_load": "present"}


def test_each_a_little_worse_does_not_alert_each_time() -> None:
    """A row of growing troubles, each a tenth longer than the last, cannot talk the budget away."""
    host = Host().spend()
    told = len(host.alerts)
    for step in range(1, 8):
        host.live(host.worst * 1.1**step, 1.1).live(4 * HOUR)
    assert len(host.alerts) <= told + 2


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({"memory": 0.99}, 300.0),
        ({"memory_pressure": 0.8}, 180.0),
        ({"swap": 0.95, "memory": 0.92}, 480.0),
        (STALL, 540.0),
    ],
)
def test_the_kernels_own_distress_alerts_whatever_was_spent(
    values: Mapping[str, float], seconds: float
) -> None:
    """Memory at its end, memory or storage stalled: an alert within minutes, budget or not."""
    host = Host().spend()
    told = len(host.alerts)
    host.live(seconds, 0.2, values)
    assert len(host.alerts) == told + 1
    assert host.alerts[-1].flagged_by == "limit"
    assert {part.signal for part in host.alerts[-1].signals} in ({name} for name in values)


@pytest.mark.parametrize("values", [{"cpu": 0.99}, {"network": 0.99, "network_receive": 50e6}])
def test_a_busy_cpu_or_link_is_no_distress(values: Mapping[str, float]) -> None:
    """They are flagged, and wait for the budget like all other high load."""
    host = Host().spend()
    told = len(host.alerts)
    host.live(host.worst, 0.2, values)
    assert len(host.alerts) == told
    assert host.judge.update(evidence(host.now, values=values)).high_load[0]


def test_a_stall_at_its_usual_hour_is_no_alert() -> None:
    """The nightly backup that stalls storage for an hour is flagged each night, and soon an alert no more."""
    host = Host()
    for _ in range(14):
        host.live(2 * HOUR).live(HOUR, 0.2, STALL).live(21 * HOUR)
    told = len(host.alerts)
    for _ in range(7):
        host.live(2 * HOUR).live(HOUR, 0.2, STALL).live(21 * HOUR)
    assert len(host.alerts) == told


def test_distress_that_comes_back_each_hour_is_one_trouble() -> None:
    """Memory that fills and is freed all day long is one open alert, not one an hour."""
    host = Host().spend()
    told = len(host.alerts)
    for _ in range(24):
        host.live(300, 0.2, {"memory": 0.99}).live(3300)
    assert len(host.alerts) <= told + 2
    host.live(7 * HOUR)
    assert host.stages == {}


def leak(host: Host, last: float = 0.999) -> float | None:
    """Two days at 42 %, at their end six hours of a leak; minutes from its alert to 97 %."""
    told = len(host.alerts)
    host.live(42 * HOUR, 0.2, {"memory": 0.42})
    for share in np.linspace(0.42, last, 360):
        host.live(60.0, 1.01 if share > 0.97 else 0.2, {"memory": share})
    assert len(host.alerts) <= told + 1, "one trouble is one alert"
    return None if len(host.alerts) == told else (host.now - host.alerts[-1].start) / 60.0 - 18.0


def test_the_end_of_memory_alerts_before_it_comes_whatever_was_spent() -> None:
    """A leak of hours is told an hour before, also the third time in a week, and as one alert."""
    host = Host().spend()
    for _ in range(3):
        ahead = leak(host)
        assert ahead is not None
        assert 60.0 < ahead < 130.0
        assert host.alerts[-1].horizon in {7200, 14_400}
        assert host.alerts[-1].flagged_by == "limit"
        assert [part.signal for part in host.alerts[-1].signals] == ["memory"]
        assert host.stages == {"high_load": "present"}
    (alert,) = host.judge.open_alerts
    assert alert.lead_seconds == pytest.approx(60.0 * ahead, abs=120.0)


def test_a_leak_that_ends_in_time_is_told_once() -> None:
    """What got to 93 % and was given back was worth an alert; the same again the next days is not."""
    host = Host()
    assert leak(host, 0.93) is not None
    assert [leak(host, 0.93) for _ in range(2)] == [None, None]


def test_an_anomaly_already_told_stands_for_the_end_of_memory_to_come() -> None:
    """Within the hour of its alert there is no second one, until memory is at its end."""
    host = Host().live(2 * DAY, values={"memory": 0.6})
    host.live(2 * HOUR, values={"memory": 0.6})
    shares = np.linspace(0.6, 0.96, 180)
    for minute, share in enumerate(shares):
        host.live(60.0, 0.2, {"memory": share}, score=0.95 if minute > 110 else 0.1)
    assert host.stages == {"anomaly": "present"}
    host.live(600.0, 1.01, {"memory": 0.99}, score=0.95)
    assert host.stages == {"anomaly": "present", "high_load": "present"}


def test_distress_does_not_hide_in_the_alert_of_an_anomaly() -> None:
    """An open warning that the host is unlike itself does not swallow that its memory is at its end."""
    host = Host().live(2 * DAY).live(1200, score=0.95)
    assert host.stages == {"anomaly": "present"}
    host.live(600, 0.2, {"memory": 0.99}, score=0.95)
    assert host.stages == {"anomaly": "present", "high_load": "present"}


def test_who_allows_no_alerts_gets_none() -> None:
    """A budget of 0 is an order, not a spent budget: even distress is only flagged."""
    assert Host(budget=0.0).live(HOUR, 1.9, {"memory": 0.99}).alerts == []


def test_what_was_paid_beyond_the_budget_is_owed() -> None:
    """After a disaster in instalments the ordinary troubles of the next week wait."""
    host = Host().spend()
    for _ in range(3):
        host.live(600, 0.2, {"memory_pressure": 0.8}).live(12 * HOUR)
    told = len(host.alerts)
    host.live(WEEK).live(host.worst, 1.1)
    assert len(host.alerts) == told


@pytest.mark.parametrize("level", [1.8, 1.1])
def test_maintenance_in_the_middle_of_a_trouble_makes_no_second_alert(level: float) -> None:
    """Fifteen seconds of it close the alert; the same one, not another, is open again right after."""
    host = Host()
    host.live(HOUR, level, step=5.0)
    assert host.stages == {"high_load": "present"}
    host.live(15.0, level, step=5.0, maintenance=True)
    assert host.stages == {}
    host.live(5.0, level, step=5.0)
    assert host.stages == {"high_load": "present"}
    (alert,) = host.judge.open_alerts
    host.live(HOUR, level, step=5.0).live(HOUR, step=5.0)
    assert len(host.alerts) == 1
    assert (alert.identity, alert.end) == (host.alerts[0].identity, None)
    assert [each.identity for each in host.closed] == [alert.identity] * 2


def test_after_a_long_maintenance_a_trouble_is_another_one() -> None:
    """What is still there after hours of work on the host is new to whoever did the work."""
    host = Host().live(HOUR, 1.8).live(2 * HOUR, 1.8, maintenance=True).live(HOUR, 1.8)
    assert len(host.alerts) == 2


@pytest.mark.parametrize(("seconds", "alerts"), [(1260.0, 1), (1500.0, 2)])
def test_a_gap_that_is_longer_than_a_lost_sample_ends_an_alert(seconds: float, alerts: int) -> None:
    """A restart goes on with the same alert; where nobody looked for longer, what is seen then is another."""
    host = Host().live(HOUR, 1.8)
    host.now += seconds - 60.0
    host.live(HOUR, 1.8)
    assert len(host.alerts) == alerts


def test_no_anomaly_alert_before_a_day_was_seen() -> None:
    """Every hour of a first day is new; what is odd then is flagged and no alert until the day is full."""
    host = Host().live(21 * HOUR).live(2 * HOUR, score=0.95)
    assert host.alerts == []
    assert host.judge.update(evidence(host.now, score=0.95)).anomaly
    host.live(2 * HOUR, score=0.95)
    assert [alert.verdict for alert in host.alerts] == ["anomaly"]


def test_what_was_expected_becomes_present_when_it_is_there() -> None:
    """One alert with two stages: expected while only forecasts say so, then present."""
    host = Host().live(HOUR)

    def show(level: float, chance: float) -> str | None:
        host.now += 5.0
        host.alerts += host.judge.update(evidence(host.now, level, (0.0, 0.0, chance, chance))).opened
        return host.stages.get("high_load")

    ahead = [show(0.6, 0.95) for _ in range(60)]
    there = [show(1.2, 0.99) for _ in range(60)]
    after = [show(0.2, 0.0) for _ in range(60)]
    assert set(ahead) == {"expected"}
    assert set(there) | set(after) == {"present"}
    assert len(host.alerts) == 1


def test_a_judge_restored_in_the_middle_alerts_like_one_that_ran_on() -> None:
    """What is suspended, owed and expected survives a restart."""
    host = Host().spend().live(300, 0.2, {"memory": 0.99}).live(15.0, step=5.0, maintenance=True)
    restored = Judge.from_state(host.judge.to_state(), HORIZONS)
    samples = [evidence(host.now + 60.0 * row, values={"memory": 0.99}) for row in range(10)]
    assert opened(map(restored.update, samples)) == opened(map(host.judge.update, samples)) == []
    assert restored.stages == host.judge.stages == {"high_load": "present"}
