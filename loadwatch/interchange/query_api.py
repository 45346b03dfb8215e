"""Prometheus' query API, as Prometheus, Thanos, Mimir and VictoriaMetrics speak it."""

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from loadwatch.errors import HistoryError
from loadwatch.http_client import ANONYMOUS, Access, Address, HttpClient, HttpError, quoted

_TRY_AGAIN: Final = {429, 500, 502, 503, 504}
_PAUSES_SECONDS: Final = (1.0, 4.0)
_DEADLINE_SECONDS: Final = 60.0
_MOST_BYTES: Final = 64 * 2**20

Labels = tuple[tuple[str, str], ...]
Points = list[tuple[float, float]]
Read = TypeVar("Read")


class TooMuchAtOnceError(HistoryError):
    """The server refuses the size of one question; a smaller one may be answered."""


class QueryApi:
    """Asks one server; a refusal or an accident of the moment is tried twice more, after a pause.

    ``url`` is the address under which ``/api/v1/query`` is found, with a path in front of it if need be.
    """

    def __init__(
        self, url: str, access: Access = ANONYMOUS, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = HttpClient(Address.parse(url), access, deadline=_DEADLINE_SECONDS, limit=_MOST_BYTES)
        self.url = str(self._client.address)
        self._pause = pause

    def query(self, expression: str, at: float) -> dict[Labels, float]:
        """The value of each series of ``expression`` at the moment ``at``.

        Raises:
            HistoryError: the server cannot be reached, refuses, or answers something else.

        """
        asked = {"query": expression, "time": f"{at:.3f}"}
        return self._ask("query", asked, lambda row: _number(row["value"][1]))

    def query_range(self, expression: str, start: float, end: float, step: float) -> dict[Labels, Points]:
        """The (moment, value) pairs of each series from ``start`` to ``end``, both included.

        Raises:
            TooMuchAtOnceError: the server asks for a shorter range.
            HistoryError: as for ``query``.

        """
        asked = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return self._ask(
            "query_range",
            asked,
            lambda row: [(_moment(moment), _number(value)) for moment, value in row["values"]],
        )

    def _ask(
        self, endpoint: str, fields: Mapping[str, str], read: Callable[[Mapping[str, Any]], Read]
    ) -> dict[Labels, Read]:
        """What ``read`` makes of each series."""
        content = self._post(endpoint, fields)
        try:
            if content["status"] != "success" or content["data"]["resultType"] not in {"vector", "matrix"}:
                raise ValueError(quoted(str(content.get("error", "neither a vector nor a matrix"))))
            return {_labels(row): read(row) for row in content["data"]["result"]}
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise HistoryError(
                f"{self.url} does not answer as Prometheus would: {quoted(str(error))}"
            ) from error

    def _post(self, endpoint: str, fields: Mapping[str, str]) -> Any:
        for pause in (*_PAUSES_SECONDS, None):
            try:
                # Posted, because some queries are longer than what proxies allow in an address.
                return self._client.post_json(f"/api/v1/{endpoint}", fields)
            except HttpError as error:
                passing = error.kind == "unreachable" or error.status in _TRY_AGAIN
                if not passing or pause is None:
                    raise _in_words(error) from error
            self._pause(pause)
        raise AssertionError("the last round returns or raises")


def _in_words(error: HttpError) -> HistoryError:
    try:
        said = quoted(str(json.loads(error.body)["error"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        said = error.said
    if error.status in {401, 403}:
        return HistoryError(f"{error}: check user name, password or token")
    if error.status == 404:
        return HistoryError(f"{error}: is there a Prometheus under this address, without a path missing?")
    if any(hint in said for hint in ("too many samples", "maximum resolution", "exceeds the limit")):
        return TooMuchAtOnceError(f"{error}: {said}")
    return HistoryError(f"{error}: {said}" if said else str(error))


def _labels(row: Mapping[str, Any]) -> Labels:
    labels = row["metric"].items()
    if not all(isinstance(value, str) for _, value in labels):
        raise TypeError("a label is no text")
    return tuple(sorted(labels))


def _moment(value: float | str) -> float:
    moment = float(value)
    if not math.isfinite(moment):
        raise ValueError("a time that is no number")
    return moment


def _number(text: str) -> float:
    """Prometheus writes +Inf, -Inf and NaN; what is not finite is unknown to us."""
    value = float(text)
    return value if math.isfinite(value) else math.nan
