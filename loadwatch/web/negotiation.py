"""What a client accepts: quality values of Accept and Accept-Encoding (RFC 9110, section 12.4.2)."""

import re
from typing import Final

_WEIGHT: Final = re.compile(r"[ \t]*;[ \t]*q[ \t]*=[ \t]*([01](?:\.[0-9]{0,3})?)[ \t]*$", re.IGNORECASE)


def qualities(header: str) -> dict[str, float]:
    """What the header names, in lower case and without parameters, with its highest quality, 0 to 1.

    Without a weight, or with one that cannot be read, it is 1.

    >>> qualities("text/plain;version=0.0.4;q=0.3, application/json")
    {'text/plain': 0.3, 'application/json': 1.0}
    """
    found: dict[str, float] = {}
    for part in header.split(","):
        weight = _WEIGHT.search(part)
        name = part.partition(";")[0].strip().lower()
        if name:
            quality = min(1.0, float(weight[1])) if weight else 1.0
            found[name] = max(found.get(name, 0.0), quality)
    return found


def takes_gzip(accept_encoding: str) -> bool:
    """Whether gzip is accepted, and no less gladly than what is not compressed."""
    named = qualities(accept_encoding)
    gzip = named.get("gzip", named.get("x-gzip", named.get("*", 0.0)))
    return gzip > 0.0 and gzip >= named.get("identity", 0.0)


def prefers(accept: str, wanted: str, otherwise: str) -> bool:
    """Whether the type ``wanted`` is named in ``accept``, and no less gladly taken than ``otherwise``."""
    named = qualities(accept)
    quality = named.get(wanted, 0.0)
    return quality > 0.0 and quality >= named.get(otherwise, 0.0)
