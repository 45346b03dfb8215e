"""The sources that settings add, and what the rest of the daemon has to know of them."""

from loadwatch.config import Config
from loadwatch.errors import ConfigurationError
from loadwatch.exporter import Exporter
from loadwatch.history import History
from loadwatch.sampling.journal import JournalSource
from loadwatch.sampling.own_signals import own_sources
from loadwatch.sampling.sampler import Sampler
from loadwatch.web import Board


class AttachedSources:
    """Keeps the sampler asking what the settings name."""

    def __init__(self, sampler: Sampler, history: History, exporter: Exporter, board: Board) -> None:
        self._sampler = sampler
        self._history = history
        self._exporter = exporter
        self._board = board
        self._wanted: object = None

    def follow(self, config: Config) -> None:
        """Exchange the sources where the settings want others than are asked.

        Raises:
            ConfigurationError: their signals could not be stored; nothing was changed.

        """
        sampling = config.sampling
        wanted = config.signals, sampling.interval, sampling.journal
        if wanted == self._wanted:
            return
        if why := self._history.why_unstorable(own.name for own in config.signals):
            raise ConfigurationError(f"signals: {why}")
        journal = [JournalSource()] if sampling.journal else []
        self._sampler.attach([*own_sources(config.signals, sampling.interval), *journal])
        self._exporter.described = self._board.described = config.described
        self._wanted = wanted
