"""Prometheus' query API, as Prometheus, Thanos, Mimir, Cortex and VictoriaMetrics speak it.

Each of them has words of its own for "ask for less", and each may answer with only a part of what it has and
a warning. The first becomes ``TooMuchAtOnceError``, the second ends in an error unless it is allowed.
"""

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from loadwatch.errors import HistoryError
from loadwatch.http_client import ANONYMOUS, Access, Address, HttpClient, HttpError, quoted
from loadwatch.interchange.timestamps import plain_number
from loadwatch.records import Floats

_PASSING: Final = {429, 500, 502, 503}
_TOO_MUCH: Final = {413, 422, 504}
"""Too large for a proxy, could not be executed, and too slow for a proxy: whatever the words."""
_PAUSES_SECONDS: Final = (1.0, 4.0)
_DEADLINE_SECONDS: Final = 30.0
_TOTAL_SECONDS: Final = 3600.0
_MOST_BYTES: Final = 16 * 2**20
_MOST_LATE: Final = 2
"""Answers in a row that did not come in time, after which the server is given up."""

# Limits of points, samples, series, chunks, bytes, range and time, as the servers' sources word them.
_ASKS_FOR_LESS: Final = re.compile(
    r"exceed|more than|too many|too (long|large|big|much)|larger than|maximum|max[- _]|limit"
    r"|not enough memory|tim(ed?|e) ?out|deadline|cancell?ed|reduce|shorter|narrow",
    re.IGNORECASE,
)
# What PromQL itself remarks on an expression says nothing of missing data.
_REMARK: Final = re.compile(r"\s*promql (info|warning)", re.IGNORECASE)

Labels = tuple[tuple[str, str], ...]
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """One series: (N,) moments in epoch seconds, rising, and their (N,) values, NaN where unknown."""

    moments: Floats
    values: Floats


NO_POINTS: Final = Points(np.empty(0), np.empty(0))


class TooMuchAtOnceError(HistoryError):
    """The server refuses the size of one question; a smaller one may be answered."""


class PartialAnswerError(HistoryError):
    """The server says that it left something out."""


class QueryApi:
    """Asks one server; a refusal or an accident of the moment is tried twice more, after a pause.

    ``url`` is the address under which ``/api/v1/query`` is found, with a path in front of it if need be.
    With ``allow_partial`` answers are taken of which the server says that they are not all; what it said is
    in ``warnings``.
    """

    def __init__(
        self,
        url: str,
        access: Access = ANONYMOUS,
        *,
        allow_partial: bool = False,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = HttpClient(Address.parse(url), access, deadline=_DEADLINE_SECONDS, limit=_MOST_BYTES)
        self.url = str(self._client.address)
        self.warnings: dict[str, None] = {}
        self._allow_partial = allow_partial
        self._pause = pause
        self._late = 0
        self._begun = time.monotonic()

    def query(self, expression: str, at: float) -> dict[Labels, float]:
        """The value of each series of ``expression`` at the moment ``at``.

        Raises:
            TooMuchAtOnceError: the server asks for less.
            HistoryError: the server cannot be reached, refuses, or answers something else.

        """
        asked = {"query": expression, "time": f"{at:.3f}"}
        return self._ask("query", asked, "vector", lambda row: _number(row["value"][1]))

    def query_range(self, expression: str, start: float, end: float, step: float) -> dict[Labels, Points]:
        """The points of each series from ``start`` to ``end``, both included; errors as of ``query``."""
        asked = {
            "query": expression,
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "step": f"{step:.3f}",
            "nocache": "1",  # VictoriaMetrics moves the start to a multiple of the step without it
        }
        return self._ask("query_range", asked, "matrix", _points)

    def _ask(
        self, endpoint: str, fields: Mapping[str, str], kind: str, read: Callable[[Mapping[str, Any]], Read]
    ) -> dict[Labels, Read]:
        """What ``read`` makes of each series."""
        content = self._post(endpoint, fields)
        try:
            if content["status"] != "success":
                raise ValueError(str(content.get("error", content["status"])))
            if content["data"]["resultType"] != kind:
                raise ValueError(f"not a {kind}")
            self._heed(content)
            return {_labels(row): read(row) for row in content["data"]["result"]}
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise HistoryError(
                f"{self.url} does not answer as Prometheus would: {quoted(str(error))}"
            ) from error

    def _heed(self, content: Mapping[str, Any]) -> None:
        # VictoriaMetrics sets a mark of its own; the others, and what stands before them, give warnings.
        said = [str(text) for text in content.get("warnings") or () if not _REMARK.match(str(text))]
        if content.get("isPartial"):
            said.append("the answer is partial")
        if not said:
            return
        if not self._allow_partial:
            raise PartialAnswerError(
                f"{self.url} says that its answer is not all there is: {quoted(said[0])}; try again when "
                "all its stores answer, or take what there is with --allow-gaps"
            )
        if len(self.warnings) < 10:
            self.warnings |= dict.fromkeys(quoted(text) for text in said[:10])

    def _post(self, endpoint: str, fields: Mapping[str, str]) -> Any:
        for pause in (*_PAUSES_SECONDS, None):
            if time.monotonic() - self._begun > _TOTAL_SECONDS:
                raise HistoryError(
                    f"{self.url}: not done after {_TOTAL_SECONDS / 3600:g} h; ask for less: --since"
                )
            try:
                # Posted, because some queries are longer than what proxies allow in an address.
                answer = self._client.post_json(f"/api/v1/{endpoint}", fields)
            except HttpError as error:
                self._refuse_size(error)
                passing = error.kind in {"unreachable", "malformed"} or error.status in _PASSING
                if not passing or pause is None:
                    raise _in_words(error) from error
            else:
                self._late = 0
                return answer
            self._pause(pause)
        raise AssertionError("the last round returns or raises")

    def _refuse_size(self, error: HttpError) -> None:
        """Raise ``TooMuchAtOnceError`` where a smaller question may help."""
        if error.kind == "too_large":
            raise TooMuchAtOnceError(str(error)) from error
        if error.kind == "late":
            self._late += 1
            if self._late < _MOST_LATE:
                raise TooMuchAtOnceError(str(error)) from error
        elif error.status in _TOO_MUCH or (
            error.status >= 400
            and error.status not in {401, 403, 404, 429}
            and _ASKS_FOR_LESS.search(_said(error))
        ):
            raise TooMuchAtOnceError(f"{error}: {_said(error)}") from error


def _said(error: HttpError) -> str:
    """The server's own words, short and fit for a terminal."""
    try:
        return quoted(str(json.loads(error.body)["error"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return error.said


def _in_words(error: HttpError) -> HistoryError:
    if error.status in {401, 403}:
        return HistoryError(f"{error}: check user name, password or token")
    if error.status == 404:
        return HistoryError(f"{error}: is there a Prometheus under this address, without a path missing?")
    said = _said(error)
    return HistoryError(f"{error}: {said}" if said else str(error))


def _labels(row: Mapping[str, Any]) -> Labels:
    labels = row["metric"].items()
    if not all(isinstance(value, str) for _, value in labels):
        raise TypeError("a label is no text")
    return tuple(sorted(labels))


def _points(row: Mapping[str, Any]) -> Points:
    moments, texts = zip(*row["values"], strict=True) if row["values"] else ((), ())
    if not "".join(texts).isascii():
        raise ValueError("a value that is no number")
    times = np.array([float(moment) for moment in moments])
    values = np.array([float(text) for text in texts])
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise ValueError("times that are no numbers, or do not rise")
    values[~np.isfinite(values)] = math.nan
    return Points(times, values)


def _number(text: str) -> float:
    """Prometheus writes +Inf, -Inf and NaN; what is not finite is unknown to us."""
    value = plain_number(text)
    return value if math.isfinite(value) else math.nan
