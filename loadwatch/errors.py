"""Every error loadwatch raises on purpose; each class owns the exit code of a program that ends by it.

A message says what was attempted, what was seen, what was expected and what to do next, in one or two lines.
"""

from typing import ClassVar


class LoadwatchError(Exception):
    """Something loadwatch can name went wrong; ``str(error)`` is the whole explanation."""

    exit_code: ClassVar[int] = 1


class UsageError(LoadwatchError):
    """The command line or an argument makes no sense."""

    exit_code = 2


class TimeFormatError(UsageError, ValueError):
    """A duration or a point in time is written in no accepted form.

    Also a ``ValueError``, because in a configuration file it is one fault among others, reported with them.
    """


class ConfigurationError(LoadwatchError):
    """The configuration is wrong; 78 (``EX_CONFIG``) tells systemd not to restart in a loop."""

    exit_code = 78


class SamplingError(LoadwatchError):
    """A source could not be read; the other sources go on."""


class HistoryError(LoadwatchError):
    """The stored history, or a recording in a file, cannot be used."""


class ModelError(LoadwatchError):
    """A model file is damaged, foreign, or does not fit this host."""


class TrainingError(LoadwatchError):
    """A training run could not produce a model."""


class ServiceError(LoadwatchError):
    """The daemon cannot serve: a taken port, a second daemon, an unwritable state directory."""


class NotificationError(LoadwatchError):
    """A message could not be delivered to where the configuration says."""
