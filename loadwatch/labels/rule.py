"""The operator's definition of high load: parsed and checked by us, never handed to ``eval``.

::

    condition  =  every ("or" every)*
    every      =  one ("and" one)*
    one        =  "not" one  |  "(" condition ")"  |  "default"  |  sum (">" | ">=" | "<" | "<=") sum
    sum        =  product (("+" | "-") product)*
    product    =  factor (("*" | "/") factor)*
    factor     =  "-" factor  |  number  |  signal  |  "(" sum ")"
                  |  ("avg" | "max" | "min") "(" signal "," span ")"
    span       =  a quoted duration such as "90s", "5m", "1h"; at most a day
"""

import difflib
import math
import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple, Self

import numpy as np

from loadwatch.errors import ConfigurationError, TimeFormatError
from loadwatch.escaping import quoted
from loadwatch.labels.expression import (
    And,
    BinOp,
    Compare,
    Condition,
    Frame,
    Name,
    Not,
    Number,
    Or,
    Value,
    Windowed,
)
from loadwatch.labels.windows import WINDOWS
from loadwatch.records import Floats, Recording
from loadwatch.times import parse_duration

# Several signals high together, the network alone, or one at its limit; and the kernel's own measure of
# suffering, the pressure, used as its best users do (oomd's pressure_rising_beyond, KEP-5394): the sustained
# average judges and the newest value confirms. CPU pressure is left to cpu itself: a throttled container
# raises it on an idle host. Where a link's speed is unknown, ``network`` is relative to the largest rate
# seen, which on a quiet host is small; so the network must also carry 10 MB/s before it is called full. Where
# the kernel has no thread, file handle or connection left to give, the host fails those who ask. A full file
# system is no load: it has a limit and words of its own (`filling`).
DEFAULT_RULE: Final = (
    '(avg(cpu, "15s") > 0.9 and cpu > 0.9)'
    ' or (avg(cpu, "1m") > 0.75 and cpu > 0.75 and memory > 0.85)'
    ' or (avg(cpu, "1m") > 0.75 and cpu > 0.75 and avg(cpu_pressure, "1m") > 0.5 and cpu_pressure > 0.5)'
    ' or (avg(network, "15s") > 0.9 and network > 0.9 and network_receive + network_transmit > 10000000)'
    " or memory > 0.97"
    ' or (avg(memory_pressure, "1m") > 0.2 and memory_pressure > 0.1)'
    ' or (avg(io_pressure, "1m") > 0.6 and io_pressure > 0.4)'
    " or threads > 0.95 or file_handles > 0.95 or conntrack > 0.95"
)

DEFAULT_WORD: Final = "default"


def spelled_out(text: str) -> str:
    """The rule as an expression, also where the settings only say ``default``."""
    return DEFAULT_RULE if text == DEFAULT_WORD else text


def no_such_signal(name: str, known: Collection[str]) -> str:
    """That no signal has this name, and which was probably meant."""
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(known))}"
    return f"no signal is called {quoted(name)}{hint}"


_TOKEN: Final = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<sign><=|>=|==|!=|[<>+\-*/(),])",
    re.ASCII,  # a digit of another script is a slip of the keyboard, or a trick
)
_RESERVED: Final = frozenset({"and", "or", "not"})
_DEEPEST: Final = 50
_MOST_TOKENS: Final = 1000
"""Words, numbers and signs of a rule; it is evaluated at every sample, and the default one has 110."""
_LONGEST_WINDOW_SECONDS: Final = 86_400.0
"""What a window holds is kept in memory, and read from the history at the start."""
_PROBE: Final = 0.37
"""What every signal is, to see whether an expression has a value: no number that anybody would write."""
_EXCERPT: Final = 60
"""Characters that an error shows on each side of the column it points at."""


class Rule:
    """A checked expression over signals; see the module for its grammar and `expression` for its level."""

    def __init__(self, text: str, condition: Condition) -> None:
        self.text = text
        self.signals = frozenset(condition.signals())
        self._condition = condition

    @classmethod
    def parse(cls, text: str, *, signals: Collection[str] | None = None) -> Self:
        """The rule that ``text`` says; the word ``default`` stands for ``DEFAULT_RULE``.

        With ``signals``, a name that is none of them is an error.

        Raises:
            ConfigurationError: pointing at the column, and at the nearest signal where a name is unknown.

        """
        text = spelled_out(text)
        return cls(text, _Parser(text, signals).parse())

    def levels(self, recording: Recording) -> Floats:
        """The load level (N,) of each row: above 1 where load is high, NaN where that is unknown."""
        return self.stream().extend(recording)

    def stream(self) -> "RuleStream":
        """The same, sample by sample."""
        return RuleStream(self)


class RuleStream:
    """Follows a rule through time; remembers what its windows reach."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._frame = Frame()

    def update(self, timestamp: float, values: Mapping[str, float]) -> float:
        """The load level at one sample; a signal missing in ``values`` is unknown."""
        self._frame.load_row(timestamp, {name: values.get(name, math.nan) for name in self._rule.signals})
        level = self._rule._condition.level(self._frame)  # noqa: SLF001 - the other half of Rule
        return math.nan if level == -math.inf else level

    def extend(self, recording: Recording) -> Floats:
        """The load levels (N,) of further rows; a signal that the recording lacks is unknown."""
        if len(recording) == 0:
            return np.empty(0)
        if len(recording) == 1:
            row = dict(zip(recording.signals, recording.values[0].tolist(), strict=True))
            return np.array([self.update(float(recording.timestamps[0]), row)])
        self._frame.load(recording.timestamps, {name: recording.column(name) for name in self._rule.signals})
        levels = self._rule._condition.levels(self._frame)  # noqa: SLF001 - the other half of Rule
        return np.where(np.isneginf(levels), np.nan, levels)

    @property
    def deciding(self) -> tuple[str, ...]:
        """The signals of the comparison that set the newest level: the first to blame."""
        return self._deciding(self._frame.newest)

    def deciding_at(self, row: int) -> tuple[str, ...]:
        """The same for a row of the newest call of `extend`, of several rows."""
        return self._deciding({part: float(levels[row]) for part, levels in self._frame.levels.items()})

    def _deciding(self, levels: Mapping[Condition, float]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._rule._condition.deciding(levels)))  # noqa: SLF001


def _can_be_known(value: Value) -> bool:
    """Whether arithmetic such as ``cpu / 0`` does not make it unknown for ever."""
    frame = Frame()
    frame.load_row(0.0, dict.fromkeys(value.signals(), _PROBE))
    return math.isfinite(value.of_row(frame))


class _Token(NamedTuple):
    kind: str
    text: str
    column: int  # from 1


class _Parser:
    """Recursive descent; one method a line of the grammar."""

    def __init__(self, text: str, signals: Collection[str] | None) -> None:
        self._text, self._known = text, signals
        self._tokens = self._tokenise()
        self._place = self._depth = 0

    def parse(self) -> Condition:
        if len(self._tokens) == 1:
            raise ConfigurationError('the high-load rule is empty; say for example "cpu > 0.9"')
        condition = self._condition()
        if self._next.kind != "end":
            raise self._error(f"expected an operator or the end, not {quoted(self._next.text)}")
        return condition

    def _tokenise(self) -> list[_Token]:
        tokens: list[_Token] = []
        place = 0
        while place < len(self._text):
            if self._text[place].isspace():
                place += 1
                continue
            match = _TOKEN.match(self._text, place)
            if match is None:
                raise self._error(f"{self._text[place]!r} means nothing here", place + 1)
            if len(tokens) == _MOST_TOKENS:
                raise self._error(f"more than {_MOST_TOKENS} words, numbers and signs", place + 1)
            tokens.append(_Token(str(match.lastgroup), match.group(), place + 1))
            place = match.end()
        return [*tokens, _Token("end", "the end", len(self._text) + 1)]

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self, *texts: str) -> _Token | None:
        token = self._next
        if token.kind in {"sign", "word"} and token.text in texts:
            self._place += 1
            return token
        return None

    def _expect(self, text: str) -> None:
        if self._take(text) is None:
            raise self._error(f"expected {text!r}, not {quoted(self._next.text)}")

    def _condition(self) -> Condition:
        parts = [self._every()]
        while self._take("or"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _every(self) -> Condition:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(f"more than {_DEEPEST} levels of brackets or negations")
        if self._take("not"):
            condition: Condition = Not(self._one())
        elif self._is_default():
            self._place += 1
            condition = _Parser(DEFAULT_RULE, self._known).parse()
        elif self._next.text == "(" and self._brackets_hold_a_condition():
            self._expect("(")
            condition = self._condition()
            self._expect(")")
        else:
            condition = self._comparison()
        self._depth -= 1
        return condition

    def _is_default(self) -> bool:
        """Whether the word for the default rule stands here as a condition, and not a signal of that name."""
        after = self._tokens[min(self._place + 1, len(self._tokens) - 1)]
        return self._next.text == DEFAULT_WORD and (after.kind == "end" or after.text in {"and", "or", ")"})

    def _brackets_hold_a_condition(self) -> bool:
        """Whether a comparison or a logical word comes before the bracket at hand is closed."""
        depth = 0
        for token in self._tokens[self._place :]:
            if token.kind == "sign":
                depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth == 0:
                return False
            if token.text in {"<", "<=", ">", ">=", "==", "!=", *_RESERVED}:
                return True
        return True

    def _comparison(self) -> Condition:
        left = self._sum()
        token = self._next
        if self._take("==", "!="):
            raise self._error("measured values are never exactly equal; compare with < or >", token.column)
        if self._take("<", "<=", ">", ">=") is None:
            raise self._error(f"expected a comparison such as '> 0.9', not {quoted(token.text)}")
        right = self._sum()
        if self._next.text in {"<", "<=", ">", ">="}:
            raise self._error("comparisons cannot be chained; join two of them with 'and'")
        if isinstance(left, Number) and isinstance(right, Number):
            raise self._error("this compares two numbers, so it never changes", token.column)
        if not all(map(_can_be_known, (left, right))):
            raise self._error("a side of this has no finite value whatever is measured", token.column)
        if token.text[0] == "<":
            left, right = right, left
        return Compare(left, right, equal=token.text.endswith("="))

    def _sum(self) -> Value:
        value = self._product()
        while token := self._take("+", "-"):
            value = self._combined(token, value, self._product())
        return value

    def _product(self) -> Value:
        value = self._factor()
        while token := self._take("*", "/"):
            value = self._combined(token, value, self._factor())
        return value

    def _factor(self) -> Value:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(f"more than {_DEEPEST} levels of brackets or signs")
        token = self._next
        if self._take("-"):
            value = self._combined(token, Number(0.0), self._factor())
        elif self._take("("):
            value = self._sum()
            self._expect(")")
        elif token.kind == "number":
            value = Number(float(token.text))
            if not math.isfinite(value.value):
                raise self._error(f"the number {quoted(token.text, 20)} is too large")
            self._place += 1
        elif token.text in WINDOWS and self._tokens[self._place + 1].text == "(":
            self._place += 1
            value = self._windowed(token.text)
        else:
            value = Name(self._signal())
        self._depth -= 1
        return value

    def _windowed(self, kind: str) -> Value:
        self._expect("(")
        name = self._signal()
        self._expect(",")
        token = self._next
        if token.kind != "text":
            raise self._error(f'expected a quoted span such as "5m", not {quoted(token.text)}')
        try:
            seconds = parse_duration(token.text[1:-1])
        except TimeFormatError as error:
            raise self._error(str(error)) from error
        if not 0.0 < seconds <= _LONGEST_WINDOW_SECONDS:
            raise self._error("a window must last longer than nothing and at most a day")
        self._place += 1
        self._expect(")")
        return Windowed(kind, name, seconds)

    def _signal(self) -> str:
        token = self._next
        if token.kind != "word" or token.text in _RESERVED:
            raise self._error(f"expected a signal or a number, not {quoted(token.text)}")
        if self._known is not None and token.text not in self._known:
            raise self._error(no_such_signal(token.text, self._known))
        self._place += 1
        return token.text

    def _combined(self, token: _Token, left: Value, right: Value) -> Value:
        """The arithmetic, done at once between numbers, so that a limit may be written as ``8 * 1024``."""
        node = BinOp(token.text, left, right)
        if not (isinstance(left, Number) and isinstance(right, Number)):
            return node
        result = node.of_row(Frame())
        if not math.isfinite(result):
            raise self._error("this has no finite result, so nothing could be compared with it", token.column)
        return Number(result)

    def _error(self, what: str, column: int | None = None) -> ConfigurationError:
        column = self._next.column if column is None else column
        first = max(0, column - 1 - _EXCERPT)
        # A line break or another control character would put the mark below the wrong place.
        shown = "".join(each if each.isprintable() else " " for each in self._text)
        excerpt, mark = shown[first : column + _EXCERPT], column - first
        return ConfigurationError(f"high-load rule, column {column}: {what}\n  {excerpt}\n  {'^':>{mark}}")
