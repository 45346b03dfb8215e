"""Addresses to listen on, as Prometheus' exporters write them."""

from loadwatch.errors import ConfigurationError
from loadwatch.escaping import quoted


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
    """Whether the resolver can be asked for it at all."""
    try:
        return b"\0" not in host.encode("idna")
    except UnicodeError:
        return False
