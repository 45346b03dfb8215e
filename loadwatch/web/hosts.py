"""By which names this server may be asked.

A web page of anybody can make its own name point to this host (DNS rebinding), and its scripts could then
read the status in the browser of somebody who is near. They cannot hide that they ask by that name. Addresses
are no names, so nobody can point them elsewhere; and where TLS or a password is configured, nothing is to be
read without a certificate for that name, or the password.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from loadwatch.web.responses import Response, plain

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s\[\]:,/@]+)(?::[0-9]{1,5})?")


class AllowedHosts:
    """This host's own names, those of the addresses it listens on, and those that are ``allowed``.

    ``.example.com`` allows every name below it, and ``*`` every name.
    """

    def __init__(self, allowed: Iterable[str], addresses: Iterable[str]) -> None:
        self._allowed = {_plain(name) for name in allowed}
        self._own = {"localhost", *(_plain(address.rpartition(":")[0]) for address in addresses)}

    def look_up_own_name(self) -> None:
        """Find out this host's full name, on a thread of its own: a name server may take its time."""
        threading.Thread(target=self._look_up, name="own-name", daemon=True).start()

    def _look_up(self) -> None:
        self._own |= {_plain(socket.getfqdn())}

    def malformed(self, version: str, hosts: Sequence[str]) -> Response | None:
        """The refusal of a request whose Host headers are not one that can be read."""
        if not hosts and version == "HTTP/1.0":
            return None  # which has no such header
        if len(hosts) == 1 and _HOST.fullmatch(hosts[0].strip()):
            return None
        return plain(HTTPStatus.BAD_REQUEST, "A request has one Host header, such as localhost:10074.")

    def foreign(self, hosts: Sequence[str]) -> Response | None:
        """The refusal of a request, not malformed, for a host that is not this one."""
        if not hosts or self._knows(hosts[0]):
            return None
        return plain(
            HTTPStatus.MISDIRECTED_REQUEST,
            "This server does not go by that name; if it should, add it to web.allowed_hosts.",
        )

    def _knows(self, host: str) -> bool:
        match = _HOST.fullmatch(host.strip())
        name = _plain(match[1]) if match else ""
        ends = {name[place:] for place, letter in enumerate(name) if letter == "."}
        return (
            _is_address(name)
            or name in self._own
            or name.endswith(".localhost")
            or not self._allowed.isdisjoint({name, "*", *ends})
            or name == _plain(socket.gethostname())  # asked each time: it may be given while we run
        )


def _plain(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
