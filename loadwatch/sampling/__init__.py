"""What the host is doing right now, measured cheaply: the only home of psutil.

``Sampler(clock).sample()`` asks every source in turn and returns one ``Sample``. A source is one file here;
it promises what ``source.Source`` says, and ``tests/sampling/test_contract.py`` holds each of them to it.
"""

from loadwatch.sampling.sampler import Sampler, default_sources
from loadwatch.sampling.source import Source

__all__ = ["Sampler", "Source", "default_sources"]
