"""The high-load rule is read as written, refuses what it cannot mean, and its level tells how near it is."""

import math

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from loadwatch.errors import ConfigurationError
from loadwatch.labels.expression import LIMIT
from loadwatch.labels.rule import DEFAULT_RULE, Rule
from loadwatch.records import Recording
from loadwatch.signals import NAMES


def recording(step: float = 5.0, **columns) -> Recording:
    rows = len(next(iter(columns.values())))
    values = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    return Recording(1.7e9 + step * np.arange(rows), tuple(columns), values)


def level(text: str, **values) -> float:
    return Rule.parse(text).stream().update(0.0, values)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("cpu > 0.8", {"cpu": 0.4}, 0.5),
        ("cpu > 0.8", {"cpu": 1.0}, 1.25),
        ("0.8 < cpu", {"cpu": 0.4}, 0.5),
        ("free < 0.1", {"free": 0.2}, 0.5),
        ("free < 0.1", {"free": 0.05}, 2.0),
        ("free < 0.1", {"free": 0.0}, 10.0),
        ("0.1 > free", {"free": 0.2}, 0.5),
        ("errors > 0", {"errors": 0.0}, 1.0),
        ("errors > 0", {"errors": 3.0}, 4.0),
        ("x > -2", {"x": -3.0}, 0.5),
        ("x > -2", {"x": -1.0}, 1.5),
        ("not cpu > 0.8", {"cpu": 0.4}, 1.5),
        ("cpu > 0.8 and memory > 0.5", {"cpu": 0.4, "memory": 0.4}, 0.5),
        ("cpu > 0.8 or memory > 0.5", {"cpu": 0.4, "memory": 0.4}, 0.8),
        ("cpu > 0.5 or memory > 0.5 and io > 0.5", {"cpu": 0.1, "memory": 1.0, "io": 0.25}, 0.5),
        ("(cpu > 0.5 or memory > 0.5) and io > 0.5", {"cpu": 1.0, "memory": 0.1, "io": 0.25}, 0.5),
        ("(rx + tx) / 2 > 2 * 4", {"rx": 2.0, "tx": 6.0}, 0.5),
        ("rx - 2 - 3 > 10", {"rx": 10.0}, 0.5),
        ("-x > 2", {"x": -1.0}, 0.5),
        ("load > cores", {"load": 2.0, "cores": 4.0}, 0.5),
    ],
)
def test_level_tells_how_near_the_rule_is(text, values, expected):
    """The quotient of value and limit; `and` takes the smaller, `or` the larger."""
    assert level(text, **values) == pytest.approx(expected)


@given(a=st.floats(-1e6, 1e6), b=st.floats(-1e6, 1e6), sign=st.sampled_from(["<", "<=", ">", ">="]))
def test_level_is_above_one_exactly_where_the_comparison_holds(a, b, sign):
    """To the last bit, at any size and sign, whichever side the limit is on."""
    holds = {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]
    for text in (f"x {sign} {b!r}", f"{a!r} {sign} y", f"x {sign} y"):
        assert (level(text, x=a, y=b) > 1.0) == holds
        assert (level(f"not {text}", x=a, y=b) > 1.0) == (not holds)


NAN = math.nan


@pytest.mark.parametrize(
    ("text", "high", "unknown"),
    [
        ("a > 1 or b > 1", {"a": 2.0, "b": NAN}, {"a": 0.0, "b": NAN}),
        ("a > 1 and b > 1", {"a": 2.0, "b": 2.0}, {"a": 2.0, "b": NAN}),
        ("not a > 1", {"a": 0.0}, {"a": NAN}),
        ("a / b > 1", {"a": 2.0, "b": 1.0}, {"a": 1.0, "b": 0.0}),
    ],
)
def test_unknown_stays_unknown_but_hides_no_truth(text, high, unknown):
    """Kleene's logic: a true branch of an `or` shows; what could still be either way is NaN."""
    stream = Rule.parse(text).stream()
    stream.update(-1.0, {"a": 1.0, "b": 1.0})
    assert stream.update(0.0, high) > 1.0
    assert math.isnan(stream.update(1.0, unknown))


def test_unknown_and_false_is_false():
    """A branch of an `and` that is known not to hold settles it."""
    stream = Rule.parse("a > 1 and b > 1").stream()
    stream.update(0.0, {"a": 2.0, "b": 2.0})
    assert stream.update(1.0, {"a": 0.5, "b": NAN}) == 0.5


def test_a_signal_this_host_lacks_is_never_true_and_in_nobodys_way():
    """The rest of the rule still says calm or high; a rule of absent signals says nothing."""
    assert level("pressure > 0.5 or cpu > 0.8", cpu=0.4) == 0.5
    assert math.isnan(level("not pressure > 0.5", cpu=0.4))
    assert math.isnan(level("pressure > 0.5 and cpu > 0.8", cpu=0.9))


def test_windows_judge_the_last_minutes():
    """avg, max and min over a span of time that ends now."""
    history = recording(step=60.0, x=[1.0, 3.0, 5.0, np.nan, 1.0])
    for kind, expected in {"avg": [1, 2, 4, 5, 1], "max": [1, 3, 5, 5, 1], "min": [1, 1, 3, 5, 1]}.items():
        np.testing.assert_allclose(Rule.parse(f'{kind}(x, "2m") > 1').levels(history), expected)


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", None, "empty"),
        ("cpu", 4, "comparison"),
        ("cpu >", 6, "signal or a number"),
        ("cpu > 0.8 cpu", 11, "end"),
        ("cpu > 0.8 and", 14, "signal or a number"),
        ("cpu == 1", 5, "< or >"),
        ("0.1 < cpu < 0.9", 11, "and"),
        ("1 < 2", 3, "never changes"),
        ("(cpu > 0.8", 11, "')'"),
        ("cpu > 0.8)", 10, "end"),
        ("cpu $ 3", 5, "'$'"),
        ('avg(cpu, "5 parsecs") > 1', 10, "5 parsecs"),
        ("avg(cpu, 5) > 1", 10, "quoted"),
        ('avg(cpu, "0s") > 1', 10, "longer"),
        ("__import__('os').system('true') > 0", 17, "'.'"),
        ("(" * 400 + "cpu" + ")" * 400 + " > 1", 50, "levels"),
        ("not " * 500 + "cpu > 1", 201, "levels"),
        ("cpu > " + "cpu + " * 3000 + "1", 3001, "more than 1000"),
        ("cpu > 1/0", 8, "no finite result"),
        ("cpu > 1 - 1e999", 11, "too large"),
        ("cpu / (1e200 * 1e200) > 1", 14, "no finite result"),
        ("cpu / 0 > 1", 9, "no finite value"),
        ("cpu > cpu / (cpu - cpu)", 5, "no finite value"),
        ('avg(cpu, "1m") * 1e308 * 1e308 > 1', 32, "no finite value"),
        ('max(cpu, "25h") > 1', 10, "at most a day"),
    ],
)
def test_nonsense_is_refused_with_its_place(text, column, says):
    """The message names the column and what was expected; nothing is ever evaluated as code."""
    with pytest.raises(ConfigurationError) as caught:
        Rule.parse(text)
    assert says in str(caught.value)
    assert column is None or f"column {column}:" in str(caught.value)


def test_an_unknown_signal_is_answered_with_the_nearest():
    """A slip of the pen costs one look."""
    for slip in ("memry", "MEMORY"):
        with pytest.raises(ConfigurationError, match="did you mean 'memory'"):
            Rule.parse(f"{slip} > 0.9", signals=NAMES)


@pytest.mark.slow
@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 60), step=st.sampled_from([1.0, 5.0, 300.0]))
def test_stream_and_bulk_agree(seed, cut, step):
    """Sample by sample, in pieces or all at once the level is the same, with unknown values and windows."""
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((60, 3)) < 0.2, np.nan, rng.normal(1.0, 1.0, (60, 3)))
    history = Recording(1.7e9 + np.cumsum(step * rng.uniform(0.1, 3.0, 60)), ("a", "b", "c"), values)
    rule = Rule.parse(
        'avg(a, "30s") > 1 and a > 0.5 or max(b, "1m") < 2'
        ' or not (min(c, "10m") > 0.1 or absent > 3) and b / c > 1 or a - b > -0.5 and c * 0 >= b'
    )
    bulk = rule.levels(history)
    single, pieces = rule.stream(), rule.stream()
    rows = [dict(zip(history.signals, row, strict=True)) for row in values]
    one_by_one = [single.update(t, row) for t, row in zip(history.timestamps, rows, strict=True)]
    parts = [pieces.extend(history.rows(*part)) for part in ((0, cut), (cut, 60))]
    np.testing.assert_allclose(one_by_one, bulk, atol=1e-9)
    np.testing.assert_allclose(np.concatenate(parts), bulk, atol=1e-9)


@pytest.mark.parametrize("all_at_once", [True, False])
def test_a_clock_set_back_begins_windows_anew(all_at_once):
    """What was stamped with a future that has not happened yet is in no average of the last minute."""
    stream = Rule.parse('avg(cpu, "1m") > 0.5').stream()
    for second in range(30):
        stream.update(90_000.0 + second, {"cpu": 1.0})
    if all_at_once:
        level = stream.extend(Recording(np.array([3_600.0, 3_601.0]), ("cpu",), np.array([[0.1], [0.1]])))[-1]
    else:
        level = stream.update(3_600.0, {"cpu": 0.1})
    assert level == pytest.approx(0.2)


def test_deciding_names_the_signal_that_set_the_level():
    """So that an alert can say what to look at."""
    stream = Rule.parse("cpu > 0.9 or memory > 0.9 and swap > 0.5").stream()
    stream.update(0.0, {"cpu": 0.2, "memory": 0.99, "swap": 0.4})
    assert stream.deciding == ("swap",)
    stream.update(1.0, {"cpu": 0.95, "memory": 0.99, "swap": 0.4})
    assert stream.deciding == ("cpu",)


def test_deciding_is_told_of_every_row_of_a_replay():
    """So that an alert of a recorded history names what set the level then, and nothing that is not there."""
    stream = Rule.parse("cpu > 0.9 or memory > 0.9 and swap > 0.5 or conntrack > 0.9").stream()
    rows = np.array([[0.2, 0.99, 0.4], [0.95, 0.99, 0.4], [0.2, 0.1, 0.0]])
    stream.extend(Recording(np.array([0.0, 1.0, 2.0]), ("cpu", "memory", "swap"), rows))
    assert [stream.deciding_at(row) for row in range(2)] == [("swap",), ("cpu",)]


IDLE = {
    "cpu": 0.02, "memory": 0.4, "network": 1.0, "network_receive": 2e4, "network_transmit": 1e4,
    "cpu_pressure": 0.9, "memory_pressure": 0.0, "io_pressure": 0.05, "load_per_cpu": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("absent", [(), ("cpu_pressure", "memory_pressure", "io_pressure"), ("network",)])
def test_an_idle_host_is_never_high_by_the_default_rule(absent):
    """Not with a throttled container's CPU pressure, nor by a new record of a nearly silent link."""
    stream = Rule.parse(DEFAULT_RULE, signals=NAMES).stream()
    values = {name: value for name, value in IDLE.items() if name not in absent}
    assert max(stream.update(5.0 * i, values) for i in range(100)) <= 1.0


@pytest.mark.parametrize(
    "suffering",
    [
        {"cpu": 1.0},
        {"cpu": 0.8, "memory": 0.9},
        {"cpu": 0.8, "cpu_pressure": 0.8},
        {"network": 0.95, "network_receive": 1.2e8},
        {"memory": 0.99},
        {"memory_pressure": 0.5},
        {"io_pressure": 0.9},
    ],
)
def test_suffering_is_high_by_the_default_rule_and_ends_with_it(suffering):
    """Several signals, the network alone, one at its limit, or pressure; gone within a minute."""
    stream = Rule.parse(DEFAULT_RULE).stream()
    idle = {**IDLE, "cpu_pressure": 0.0}
    for i in range(100):
        stream.update(5.0 * i, idle)
    high = [stream.update(500.0 + 5.0 * i, {**idle, **suffering}) > 1.0 for i in range(24)]
    assert all(high[12:])
    if "cpu" in suffering and suffering["cpu"] == 1.0:
        assert all(high[3:])
    assert stream.update(620.0, idle) <= 1.0


WORDS = [
    "cpu",
    "memory",
    "nosuch",
    "0.5",
    "1e3",
    "1e400",
    "0",
    "and",
    "or",
    "not",
    *"()<>+-*/,",
    ">=",
    "==",
    "avg",
]
WORDS += [
    '"5m"',
    "'2d'",
    "max",
    "\n",
    "\u0663",
    "é",
    "1/0",
    "--",
    "avg(cpu, '1m')",
    "cpu > 0.5",
    "memory < 0.2",
]


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), max_size=30) | st.text(max_size=60).map(lambda text: [text]))
def test_any_text_is_a_rule_or_refused(words):
    """Any row of words: a rule that says a level of any sample, or a refusal; never another exception."""
    try:
        rule = Rule.parse(" ".join(words))
    except ConfigurationError:
        event("refused")
        return
    event("accepted")
    for cpu in (0.0, 0.7, math.nan, math.inf):
        level = rule.stream().update(0.0, {"cpu": cpu, "memory": 0.0})
        assert math.isnan(level) or abs(level) <= LIMIT


@pytest.mark.parametrize("sign", ["+", "-", "*"])
def test_the_longest_rule_can_be_evaluated(sign):
    """A rule of the largest size runs in the daemon too, whose stack is not empty."""
    rule = Rule.parse("cpu > " + f"cpu {sign} " * 498 + "1")

    def deeper(frames):
        if frames:
            return deeper(frames - 1)
        return rule.stream().update(0.0, {"cpu": 0.5})

    assert not math.isnan(deeper(150))


@pytest.mark.parametrize(
    ("text", "calm", "suffering", "asked"),
    [
        ("default or requests > 500", False, True, True),
        ("requests > 500 or (default or requests > 900)", False, True, True),
        ("not default and requests > 500", False, False, True),
        ("default and requests > 500", False, False, False),
        ("default > 5 or requests > 500", False, False, True),
    ],
)
def test_the_default_rule_may_be_a_part_of_another(text, calm, suffering, asked):
    """One more condition needs no copy of it; a signal of that name, imported from elsewhere, stays one."""
    rule = Rule.parse(text)
    known = {**dict.fromkeys(Rule.parse("default").signals, 0.1), "requests": 10.0, "default": 1.0}
    for values, high in (
        (known, calm),
        (known | {"memory": 0.99}, suffering),
        (known | {"requests": 900.0}, asked),
    ):
        assert (rule.stream().update(1.7e9, values) > 1.0) == high
