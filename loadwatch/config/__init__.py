"""Settings: ``load`` answers them typed and checked, or refuses with every fault in one message."""

from loadwatch.config.layers import PREFIX
from loadwatch.config.settings import (
    Config,
    Setting,
    default_path,
    example,
    in_force,
    load,
    reference,
)

__all__ = ["PREFIX", "Config", "Setting", "default_path", "example", "in_force", "load", "reference"]
