"""Which host a model belongs to."""

import hashlib
import socket
from pathlib import Path


def host_identity(machine_id: Path = Path("/etc/machine-id")) -> str:
    """A short name of this host that stays over reboots and tells nothing about it.

    Derived from the machine id, which must not be exposed itself (machine-id(5)), or where there is none, as
    in many containers, from the host name.
    """
    try:
        source = machine_id.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        source = ""
    digest = hashlib.sha256(b"loadwatch host " + (source or socket.gethostname()).encode())
    return digest.hexdigest()[:12]
