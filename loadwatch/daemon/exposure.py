"""What an operator should know who gave the daemon more rights, or more listeners, than it needs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadwatch.config import Config
from loadwatch.config.addresses import parse_address
from loadwatch.state_directory import is_open_to_all
from loadwatch.web.config import read_config

_ALL_ADDRESSES: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def exposure_notes(config: Config, state_directory: Path) -> Iterator[str]:
    """One line for each way in which this daemon is more open than it has to be."""
    if os.geteuid() == 0:
        yield (
            "running as root, which nothing here needs: give it a user of its own, as the shipped unit does, "
            "or --user in a container"
        )
    if is_open_to_all(state_directory):
        yield f"everybody may write to the state directory {state_directory}: chmod o-w {state_directory}"
    hosts = {parse_address(address)[0] for address in config.web.listen_address}
    if not config.web.systemd_socket and hosts & _ALL_ADDRESSES and not _asks_who_comes(config):
        yield (
            "serving on all addresses without a password: whoever reaches the port reads everything; set "
            "web.config_file, or web.listen_address to one address"
        )


def _asks_who_comes(config: Config) -> bool:
    """Whether a password or a certificate is wanted."""
    if config.web.config_file is None:
        return False
    web = read_config(config.web.config_file)
    return bool(web.users) or (
        web.tls is not None and web.tls.client_auth_type.startswith("RequireAndVerify")
    )
