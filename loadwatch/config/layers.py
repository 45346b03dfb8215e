"""Where settings come from (a file, the environment, the command line), each with its place for an error."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from loadwatch.errors import ConfigurationError
from loadwatch.escaping import printable, quoted
from loadwatch.files import read_bounded

PREFIX: Final = "LOADWATCH_"
NO_SETTINGS: Final = frozenset({"LOADWATCH_CONFIG", "LOADWATCH_STATE_DIRECTORY", "LOADWATCH_URL"})
"""Variables that options read by themselves."""
LARGEST_FILE: Final = 32 * 1024
"""Bytes of a configuration file: thirty times what every setting takes."""
# Kubernetes and Docker set these in a container beside a service that is called loadwatch.
_SERVICE_LINK: Final = re.compile(
    r"LOADWATCH_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_.*)?|NAME|ENV_.*)"
)

Layer = dict[str, tuple[str, object]]
"""By key: where it was read, and the value as read."""


def read_file(path: Path | None, faults: list[str]) -> Layer:
    """The settings of a TOML file, of none where there is no path; what is no section joins the faults.

    Raises:
        ConfigurationError: it cannot be read or is no TOML.

    """
    if path is None:
        return {}
    origin = printable(str(path))
    try:
        document = tomllib.loads(read_bounded(path, LARGEST_FILE).decode())
    except FileNotFoundError:
        raise ConfigurationError(
            f"configuration file {origin} does not exist; name another with --config"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"configuration file {origin} is not valid TOML: {printable(str(error))}"
        ) from error
    except RecursionError as error:
        raise ConfigurationError(f"configuration file {origin} has too many brackets in another") from error
    except OSError as error:
        raise ConfigurationError(
            f"cannot read configuration file {origin}: {error.strerror}; name another with --config"
        ) from error
    except ValueError as error:  # no UTF-8, an integer of thousands of digits, a NUL in the path
        raise ConfigurationError(f"cannot read configuration file {origin}: {error}") from error
    layer: Layer = {}
    for section, content in document.items():
        if isinstance(content, list):  # tables [[section]]
            layer[section] = (origin, content)
            continue
        if not isinstance(content, dict):
            near = f"; did you mean [{section.partition('.')[0]}]?" if "." in section else ""
            faults.append(f"{origin}: {shown_key(section)} stands outside of any section{near}")
            continue
        layer.update({f"{section}.{name}": (origin, value) for name, value in content.items()})
    return layer


def read_environment(environment: Mapping[str, str]) -> Layer:
    """The settings of all variables that begin with ``LOADWATCH_``, also where there is no such setting."""
    return {
        name.removeprefix(PREFIX).lower().replace("__", ".", 1): (printable(name), _value_of(text))
        for name, text in sorted(environment.items())
        if name.startswith(PREFIX) and name not in NO_SETTINGS and not _SERVICE_LINK.fullmatch(name)
    }


def read_overrides(overrides: Sequence[str], faults: list[str]) -> Layer:
    """The settings of ``section.key=value``; what is none joins the faults."""
    layer: Layer = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if equals:
            layer[key.strip()] = ("--set", _value_of(text))
        else:
            faults.append(f"--set {quoted(override)}: expected section.key=value")
    return layer


def _value_of(text: str) -> object:
    """Read a value as TOML would (numbers, lists, booleans), anything else as plain text."""
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if document.keys() == {"value"} else text


def shown_key(key: str) -> str:
    """A foreign key in an error message."""
    return quoted(key)[1:-1] if key.isprintable() else quoted(key)
