"""Addresses to listen on, as Prometheus' exporters write them."""

import ipaddress
import re
from typing import Final

from loadwatch.errors import ConfigurationError
from loadwatch.escaping import quoted

_NUMBERS: Final = re.compile(r"[0-9.]+")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]*")  # empty: all interfaces


def parse_address(text: str) -> tuple[str, int]:
    """Split ``host:port``, ``[v6]:port`` or ``:port`` (all interfaces) into host and port.

    >>> parse_address("[::1]:10074"), parse_address(":10074")
    (('::1', 10074), ('', 10074))

    Raises:
        ConfigurationError: it is none of these.

    """
    host, colon, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    numeric = port.isascii() and port.isdigit() and len(port) <= 5
    if not (colon and numeric and int(port) <= 65535 and (":" in host) <= bracketed and _is_name(host)):
        raise ConfigurationError(
            f"cannot listen on {quoted(text)}: expected HOST:PORT, [IPV6]:PORT or :PORT, such as "
            "127.0.0.1:10074"
        )
    return (host[1:-1] if bracketed else host), int(port)


def _is_name(host: str) -> bool:
    """Whether it is an address, or a name that the resolver can be asked for."""
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
        elif _NUMBERS.fullmatch(host):
            ipaddress.IPv4Address(host)
        else:
            return _NAME.fullmatch(host.encode("idna").decode("ascii")) is not None
    except ValueError:
        return False
    return True
