"""Recordings as OpenMetrics, for a Prometheus-compatible store."""

import re
from collections.abc import Mapping
from typing import Final, TextIO

import numpy as np

from loadwatch.errors import UsageError
from loadwatch.interchange.timestamps import plain
from loadwatch.records import Recording
from loadwatch.signals import BY_NAME

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def write_openmetrics(recording: Recording, stream: TextIO, labels: Mapping[str, str]) -> None:
    """Write a recording for ``promtool tsdb create-blocks-from openmetrics``, under ``labels``.

    The series are those of the exporter, ``loadwatch_signal`` by signal and unit; unknown values are left
    out.

    Raises:
        UsageError: a label cannot have that name.

    """
    for name in labels:
        if name in ("signal", "unit") or not _LABEL_NAME.fullmatch(name):
            raise UsageError(
                f"cannot use {name!r} as a label: expected letters, digits and underscores, "
                "and neither 'signal' nor 'unit'"
            )
    stream.write("# HELP loadwatch_signal What the model saw of this signal, in the unit of the label.\n")
    stream.write("# TYPE loadwatch_signal gauge\n")
    for signal in recording.signals:
        unit = BY_NAME[signal].unit if signal in BY_NAME else "1"
        pairs = {"signal": signal, "unit": unit, **labels}
        series = "loadwatch_signal{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in pairs.items())
        column = recording.column(signal)
        known = np.isfinite(column)
        for timestamp, value in zip(
            recording.timestamps[known].tolist(), column[known].tolist(), strict=True
        ):
            stream.write(f"{series}}} {value!r} {plain(timestamp)}\n")
    stream.write("# EOF\n")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
