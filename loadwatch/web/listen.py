"""Where to listen: addresses as Prometheus' exporters write them, or sockets handed over by systemd."""

import errno
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from loadwatch.config.addresses import parse_address
from loadwatch.errors import ServiceError

# More than the connections of a siege that all come at once; the kernel caps it at somaxconn.
_BACKLOG: Final = 1024
_FIRST_PASSED_DESCRIPTOR: Final = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START


def bind_all(addresses: Sequence[str]) -> list[socket.socket]:
    """Bind every address, or none.

    Raises:
        ServiceError: an address is taken, unknown or not allowed; names it and says what to do.

    """
    bound: list[socket.socket] = []
    try:
        for address in addresses:
            bound += _bind(address)
    except BaseException:
        close_all(bound)
        raise
    return bound


def close_all(sockets: Sequence[socket.socket]) -> None:
    """Close every socket."""
    for each in sockets:
        each.close()


def passed_by_systemd(environment: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Take over the listening sockets of a ``.socket`` unit.

    Raises:
        ServiceError: none were passed to this process.

    """
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit() or int(count) == 0:
        raise ServiceError(
            "cannot take a socket from systemd: none was passed to this process; start loadwatch by a "
            ".socket unit, or leave --web.systemd-socket out"
        )
    first = _FIRST_PASSED_DESCRIPTOR
    passed = [socket.socket(fileno=descriptor) for descriptor in range(first, first + int(count))]
    for each in passed:
        each.setblocking(False)
        each.set_inheritable(False)
    return passed


def url_of(bound: socket.socket, *, tls: bool, prefix: str) -> str:
    """The address at which a program on this host reaches a bound socket."""
    name = bound.getsockname()
    if bound.family not in (socket.AF_INET, socket.AF_INET6):
        return f"unix:{name}"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name[0], name[0])  # noqa: S104 - compared, not bound
    if bound.family == socket.AF_INET6:
        host = f"[{host}]"
    return f"{'https' if tls else 'http'}://{host}:{name[1]}{prefix}/"


def everybody_reaches(bound: socket.socket) -> str:
    """In words whether a bound socket listens on all addresses of its family; empty where it does not."""
    families = {"0.0.0.0": "IPv4", "::": "IPv6"}  # noqa: S104 - compared, not bound
    name = bound.getsockname()
    family = families.get(name[0]) if bound.family in (socket.AF_INET, socket.AF_INET6) else None
    return f" (on all {family} addresses)" if family else ""


def _bind(address: str) -> list[socket.socket]:
    host, port = parse_address(address)
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, name in dict.fromkeys(found):
            try:
                listener = socket.socket(family, kind, protocol)
            except OSError as error:
                # A kernel without IPv6 still resolves names to it.
                if error.errno == errno.EAFNOSUPPORT and len(found) > 1:
                    continue
                raise
            bound.append(listener)
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if bound[:-1] and port == 0:
                # One port for both families of a wildcard or a name.
                listener.bind((name[0], bound[0].getsockname()[1], *name[2:]))
            else:
                listener.bind(name)
            listener.listen(_BACKLOG)
    except OSError as error:
        close_all(bound)
        raise ServiceError(_explain(address, port, error)) from error
    return bound


def _explain(address: str, port: int, error: OSError) -> str:
    advice = "set web.listen_address to an address of this host"
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {address}: the host name is not known ({error.strerror}); {advice}"
    if error.errno == errno.EADDRINUSE:
        advice = (
            f"another program has the port (see it with: ss -ltnp 'sport = :{port}'); stop it, or set "
            "web.listen_address to a free one"
        )
    elif error.errno == errno.EACCES:
        advice = "ports below 1024 need a privilege; set web.listen_address to a higher one"
    return f"cannot listen on {address}: {os.strerror(error.errno or 0).lower()}; {advice}"
