"""What no host can measure is unknown, wherever it comes from, and is never learned."""

import math

import numpy as np
import pytest

from loadwatch.sampling.plausibility import LEAST_LIMIT, LargestRate, link_speed, plausible
from loadwatch.signals import NAMES

MEGABIT = 1_000_000 / 8


@pytest.mark.parametrize("signal", NAMES)
def test_what_no_host_can_have_is_unknown(signal: str) -> None:
    """Negative shares, infinities and 1e308 of any signal are no measurements, and zero is one."""
    values = plausible(signal, np.array([-0.1, math.inf, -math.inf, 1e308, math.nan, 0.0]))

    assert np.isnan(values[:5]).all()
    assert values[5] == 0.0


def test_a_share_a_little_over_one_is_one_and_a_jump_is_unknown() -> None:
    """Ticks and late readings make 1.02 of a busy disk; 858 993 is a counter that wrapped."""
    shares = plausible("disk", np.array([0.3, 1.02, 2.0, 858_993.0]))

    assert shares == pytest.approx([0.3, 1.0, math.nan, math.nan], nan_ok=True)


def test_the_largest_servers_are_possible() -> None:
    """Four links of 800 Gbit/s in both directions, and a queue of a thousand tasks a CPU."""
    for signal, value in (("network_receive", 4e11), ("tcp_in_segments", 1e9), ("load_per_cpu", 1e3)):
        assert plausible(signal, np.array([value])) == [value]


def test_columns_of_other_names_may_be_negative() -> None:
    """An imported temperature is a measurement; 1e308 is not."""
    assert plausible("outside", np.array([-20.0, 1e308])) == pytest.approx([-20.0, math.nan], nan_ok=True)


@pytest.mark.parametrize("megabits", [-1, 0, 65_535, 4_294_967_295, 2_147_483_647, math.nan])
def test_what_drivers_say_that_do_not_know_is_no_speed(megabits: float) -> None:
    """Each of these has been seen in ``/sys/class/net/*/speed``."""
    assert link_speed(megabits) == 0.0


@pytest.mark.parametrize("megabits", [10, 65_536, 800_000])
def test_every_speed_that_links_have_is_taken(megabits: int) -> None:
    """From old switches to the fastest adapters."""
    assert link_speed(megabits) == megabits * MEGABIT


def test_a_single_jump_is_never_the_largest_rate() -> None:
    """Only what lasts from one reading to the next says what a link can carry; a jump is unknown."""
    seen = LargestRate()
    rates = [0.0, 860e6, 40e6, 50e6, math.nan, 20e6, 900e6, 20e6]
    shares = [seen.share(5.0 * n, rate) for n, rate in enumerate(rates)]

    assert shares == pytest.approx([0, math.nan, 1, 1, math.nan, 0.5, math.nan, 0.5], nan_ok=True, rel=1e-3)


def test_what_lasts_is_learned_at_once() -> None:
    """The second reading of a busy link already says how full it is."""
    seen = LargestRate()
    shares = [seen.share(float(n), rate) for n, rate in enumerate([0.0, 600e6, 900e6, 300e6])]

    assert shares == pytest.approx([0, math.nan, 1, 0.5], nan_ok=True, rel=1e-3)


def test_each_link_proves_its_own_rate() -> None:
    """Two links that are busy in turn have not shown that either carries it for long."""
    seen = LargestRate()
    for n, link in enumerate(("eth0", "eth1") * 3):
        seen.share(float(n), 900e6 if n % 2 else 0.0, link)
        seen.share(float(n), 0.0, "eth1" if link == "eth0" else "eth0")

    assert seen.bytes_per_second == 0.0


def test_below_a_slow_link_the_largest_rate_says_nothing() -> None:
    """A ping on an idle host is no full link: 100 Mbit/s is the least that is taken for one."""
    seen = LargestRate()
    seen.share(0.0, 1e3)

    assert seen.share(1.0, 1e3) == 1e3 / LEAST_LIMIT


def test_the_largest_rate_fades_by_half_in_two_weeks() -> None:
    """A machine that moved to a slower link is measured by that one before long."""
    seen = LargestRate(bytes_per_second=400e6)
    seen.share(0.0, 0.0)

    assert seen.share(14 * 86_400.0, 100e6) == pytest.approx(0.5)
