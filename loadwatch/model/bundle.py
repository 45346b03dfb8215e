"""One model: the networks with their stored statistics, and the card that says where it comes from.

On disk a model is one checked container (``loadwatch.nn.storage``): a JSON header with the card, and the
arrays of both parts. Weights without their statistics mean nothing, so they are never stored apart.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from loadwatch.errors import ModelError
from loadwatch.escaping import quoted
from loadwatch.model.anomaly import AnomalyModel, is_outdated
from loadwatch.model.baseline import FEATURES
from loadwatch.model.forecast import ForecastModel
from loadwatch.model.patterns import LabelledPatterns
from loadwatch.nn import storage
from loadwatch.records import ModelInfo

log = logging.getLogger(__name__)

FORMAT = 2
READABLE = (1, FORMAT)
"""Models of format 1 say nothing of the load level to come; all else in them is the same."""
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Card:
    """What a model was made from and how good it was: everything ``loadwatch model show`` prints.

    Timestamps are epoch seconds; ``figures`` holds the judgement on the newest span the model had not seen.
    ``cold_start_timestamp``: up to where the rows went when the weights were last drawn; trainings since then
    went on from them.
    """

    version: str
    origin: Literal["bootstrap", "trained"]
    trained_timestamp: float
    host: str
    rule: str
    horizons: tuple[int, ...]
    signals: tuple[str, ...]
    row_seconds: float
    start_timestamp: float
    end_timestamp: float
    rows: int
    duration_seconds: float
    losses: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    cold_start_timestamp: float = 0.0

    @property
    def is_synthetic(self) -> bool:
        """Whether it learned from synthetic samples, because this host had none yet."""
        return self.origin == "bootstrap"

    @property
    def is_warm(self) -> bool:
        """Whether the last training went on from the weights of the one before."""
        return 0.0 < self.cold_start_timestamp < self.end_timestamp

    @property
    def info(self) -> ModelInfo:
        """The few facts a verdict carries."""
        return ModelInfo(self.version, self.origin, self.trained_timestamp)

    @property
    def brier(self) -> float | None:
        """Mean squared error of the probabilities on rows not seen, over all horizons; None if not judged."""
        scores = self.figures.get("brier", {}).get(self.figures.get("winner"), {})
        known = [score for score in scores.values() if score is not None]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Model:
    """A forecaster of high load and, once there is enough history, a judge of what is unlike this host.

    ``labelled``: what operators called high load, where they did.
    """

    card: Card
    forecast: ForecastModel
    anomaly: AnomalyModel | None = None
    labelled: LabelledPatterns | None = None

    def to_bytes(self) -> bytes:
        """The whole model as one checked container."""
        meta: dict[str, Any] = {"format": FORMAT, "card": asdict(self.card), "parts": {}}
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, part in (("forecast", self.forecast), ("anomaly", self.anomaly)):
            if part is not None:
                part_meta, part_arrays = part.to_parts()
                meta["parts"][name] = part_meta
                arrays.update({f"{name}/{key}": np.asarray(array) for key, array in part_arrays.items()})
        if self.labelled is not None:
            meta["parts"]["taught"] = self.labelled.to_meta()
        return storage.pack(meta, arrays)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Model":
        """Read a container written by ``to_bytes``.

        Raises:
            ModelError: the content is damaged, foreign, or of a newer format.

        """
        meta, arrays = _unpack(content)
        try:
            parts = meta["parts"]
            forecast = ForecastModel.from_parts(parts["forecast"], _part(arrays, "forecast"))
            anomaly = None
            if "anomaly" in parts and is_outdated(parts["anomaly"]):
                log.info("the anomaly model of an earlier version is left out until the next training")
            elif "anomaly" in parts:
                anomaly = AnomalyModel.from_parts(parts["anomaly"], _part(arrays, "anomaly"))
            labelled = LabelledPatterns.from_meta(parts["taught"]) if "taught" in parts else None
            model = cls(_card(meta["card"]), forecast, anomaly, labelled)
            _try(model)
        except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            words = quoted(str(error))
            raise ModelError(f"its parts do not fit together ({type(error).__name__}: {words})") from error
        return model


def read_card(content: bytes) -> Card:
    """Read only the card.

    Raises:
        ModelError: the content is damaged, foreign, or of a newer format.

    """
    try:
        return _card(_unpack(content)[0]["card"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        words = quoted(str(error))
        raise ModelError(f"it has no readable card ({type(error).__name__}: {words})") from error


def _unpack(content: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    try:
        meta, arrays = storage.unpack(content)
    except ValueError as error:
        raise ModelError(str(error)) from error
    if meta.get("format") not in READABLE:
        raise ModelError(f"it has format {meta.get('format')!r}, this loadwatch reads {FORMAT}")
    return dict(meta), dict(arrays)


def _card(content: Mapping[str, Any]) -> Card:
    known = get_type_hints(Card)
    card = Card(**{key: _checked(key, known[key], value) for key, value in content.items() if key in known})
    if card.brier is not None and not math.isfinite(card.brier):
        raise ValueError("its figures are no numbers")
    return card


def _checked(key: str, kind: Any, value: Any) -> Any:
    """A field of the card as JSON has it, in the type that the card says."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        value = tuple(value)
        right = all(type(each) is arguments[0] for each in value)
    elif origin is Mapping:
        right = isinstance(value, dict) and (arguments[1] is Any or all(map(_is_number, value.values())))
    elif origin is Literal:
        right = value in arguments
    else:
        right = isinstance(value, str) if kind is str else _is_number(value)
    if not right:
        raise ValueError(f"{key} is {quoted(value, 40)}, expected {kind}")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _try(model: Model) -> None:
    """Ask the model once: what gives no number for an ordinary moment says nothing for ever.

    Raises:
        ValueError: it gives none, or not for the horizons of its card.

    """
    if model.forecast.horizons != model.card.horizons:
        raise ValueError(f"it forecasts {model.forecast.horizons}, its card says {model.card.horizons}")
    with np.errstate(all="ignore"):
        chances = model.forecast.probabilities(np.zeros((1, len(model.forecast.spec.names))))
        if not np.isfinite(chances).all():
            raise ValueError("its probabilities are no numbers")
        if model.anomaly is not None:
            _try_anomaly(model.anomaly)
        for pattern in model.labelled.patterns if model.labelled else ():
            lines = (pattern.usual, pattern.labelled, pattern.weights, pattern.lowest, pattern.highest)
            if not all(np.isfinite(part).all() for part in lines):
                raise ValueError("its patterns are no numbers")


def _try_anomaly(anomaly: AnomalyModel) -> None:
    baseline, judged = anomaly.baseline, anomaly.baseline.judged
    signals = len(baseline.signals)
    parts: list[npt.NDArray[Any]] = [baseline.season, baseline.factor]
    parts += [baseline.width[judged], baseline.size_floors[judged]]
    features = np.tile(judged, FEATURES) & np.isfinite(baseline.centre)
    # Of zeros, not of the centre: an infinite deviation would be clipped and look like a number.
    S = baseline.oddity(np.zeros(1), np.zeros((1, FEATURES * signals)))
    parts += [baseline.course[..., judged], baseline.spread[features], S]
    parts.append(baseline.surprises(np.zeros(1), S, np.zeros((1, signals))))
    if not all(np.isfinite(part).all() for part in parts) or not 0.0 < anomaly.threshold < math.inf:
        raise ValueError("its anomaly scores are no numbers")
    above_zero = baseline.spread, baseline.factor, baseline.step_floors, baseline.size_floors
    if any((part <= 0.0).any() for part in above_zero):
        raise ValueError("its spreads and floors are not all above 0")


def _part(arrays: Arrays, name: str) -> dict[str, npt.NDArray[Any]]:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
