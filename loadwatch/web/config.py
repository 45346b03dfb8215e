"""The web configuration file, in the format of Prometheus' exporter-toolkit.

Format: docs/web-configuration.md of prometheus/exporter-toolkit. A file that serves node_exporter serves
loadwatch; what cannot be kept here (HTTP/2, unverified client certificates) is refused or documented, never
silently dropped. All faults are reported together.
"""

import difflib
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loadwatch.config.layers import shown_key
from loadwatch.errors import ConfigurationError, TimeFormatError
from loadwatch.escaping import quoted
from loadwatch.files import read_bounded
from loadwatch.times import parse_duration

_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
# The salt's 128 bits take 22 characters of six bits: of the last one only two bits may be set.
_BCRYPT: Final = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_MOST_BYTES: Final = 2**20  # a certificate and its chain are some kilobytes
_MOST_FAULTS: Final = 50
# What the library lets through for a value that its tag does not allow, or that is nested too deeply.
_YAML_SLIPS: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_HIGHEST_COST: Final = 16  # some four seconds a check; each step doubles it


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The section ``tls_server_config``; of each pair of text and file at most one is given."""

    cert_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None
    cert: str = ""
    key: str = field(default="", repr=False)
    client_ca: str = ""
    client_auth_type: str = "NoClientCert"
    client_allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WebConfig:
    """A checked web configuration; ``rate_interval`` is seconds between requests, 0 for no limit."""

    tls: TlsSettings | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    rate_interval: float = 0.0
    rate_burst: int = 0


class _Section:
    """A mapping from the file; every wrong key and value is noted with its path."""

    def __init__(self, name: str, content: Any, faults: list[str]) -> None:
        self._name = name
        self._faults = faults
        self._left: dict[str, Any] = {}
        if isinstance(content, Mapping):
            self._left = {str(key): value for key, value in content.items()}
        elif content is not None:
            self.fault("", f"expected a mapping, found {quoted(content)}")
        self._known: list[str] = []

    def fault(self, key: str, what: str) -> None:
        path = ".".join(part for part in (self._name, shown_key(key)) if part)
        self._faults.append(f"{path or 'the file'}: {what}")

    def take(self, key: str, kind: type | tuple[type, ...], expected: str, default: Any) -> Any:
        self._known.append(key)
        value = self._left.pop(key, None)
        if value is None:
            return default
        # bool is an int in Python, and 'yes' where a number belongs is a slip.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fault(key, f"expected {expected}, found {quoted(value)}")
            return default
        return value

    def text(self, key: str, default: str = "") -> str:
        return str(self.take(key, str, "text", default))

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, "a list of texts", [])
        if not all(isinstance(value, str) for value in values):
            self.fault(key, f"expected a list of texts, found {quoted(values)}")
            return ()
        return tuple(values)

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        value = self.text(key, default)
        if value not in choices:
            self.fault(key, f"expected one of {', '.join(choices)}, found {quoted(value)}")
            return default
        return value

    def section(self, key: str) -> "_Section | None":
        self._known.append(key)
        if key not in self._left:
            return None
        name = f"{self._name}.{key}" if self._name else key
        return _Section(name, self._left.pop(key), self._faults)

    def items(self) -> dict[str, str]:
        """All that is left, as texts."""
        items = {}
        for key, value in self._left.items():
            if isinstance(value, str):
                items[key] = value
            else:
                self.fault(key, f"expected text, found {type(value).__name__}")
        self._left = {}
        return items

    def close(self) -> None:
        """Note every key that nobody asked for, with the nearest one that exists."""
        for key in self._left:
            near = difflib.get_close_matches(key, self._known, n=1, cutoff=0.5)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(self._known)}"
            self.fault(key, f"unknown key; {advice}")


def read_config(path: Path) -> WebConfig:
    """Read and check the file.

    Raises:
        ConfigurationError: it cannot be read, or is wrong; every fault is listed.

    """
    faults: list[str] = []
    file = _Section("", _parsed(path), faults)
    tls = _tls(file.section("tls_server_config"), path.parent)
    headers = _headers(file.section("http_server_config"))
    users = _users(file.section("basic_auth_users"))
    interval, burst = _rate(file.section("rate_limit"))
    file.close()
    if faults:
        shown = faults[:_MOST_FAULTS]
        if len(faults) > len(shown):
            shown.append(f"and {len(faults) - len(shown)} more")
        raise ConfigurationError("\n".join([f"wrong web configuration {path}:", *(f"  {f}" for f in shown)]))
    return WebConfig(tls, headers, users, interval, burst)


def _parsed(path: Path) -> Any:
    try:
        yaml = importlib.import_module("yaml")  # only those who have such a file pay for it
    except ImportError as error:
        raise ConfigurationError(
            f"cannot read web configuration {path}: PyYAML is missing; install loadwatch[secure]"
        ) from error
    try:
        return yaml.safe_load(read_bounded(path, _MOST_BYTES).decode())
    except OSError as error:
        raise ConfigurationError(f"cannot read web configuration {path}: {error.strerror}") from error
    except (yaml.YAMLError, *_YAML_SLIPS) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"web configuration {path} is not valid YAML{where}") from error


def _tls(section: _Section | None, folder: Path) -> TlsSettings | None:
    if section is None:
        return None

    def file(key: str) -> Path | None:
        name = section.text(key)
        return folder / name if name else None

    authentications = (
        "NoClientCert",
        "RequestClientCert",
        "RequireAnyClientCert",
        "VerifyClientCertIfGiven",
        "RequireAndVerifyClientCert",
    )
    settings = TlsSettings(
        cert_file=file("cert_file"),
        key_file=file("key_file"),
        client_ca_file=file("client_ca_file"),
        cert=section.text("cert"),
        key=section.text("key"),
        client_ca=section.text("client_ca"),
        client_auth_type=section.choice("client_auth_type", authentications, "NoClientCert"),
        client_allowed_sans=section.texts("client_allowed_sans"),
        min_version=section.choice("min_version", ("TLS12", "TLS13"), "TLS12"),
        max_version=section.choice("max_version", ("TLS12", "TLS13"), "TLS13"),
        cipher_suites=section.texts("cipher_suites"),
        prefer_server_cipher_suites=section.take("prefer_server_cipher_suites", bool, "true or false", True),
        curve_preferences=section.texts("curve_preferences"),
    )
    section.close()
    _check_tls(section, settings)
    return settings


def _check_tls(section: _Section, tls: TlsSettings) -> None:
    for text_key in ("cert", "key", "client_ca"):
        if getattr(tls, text_key) and getattr(tls, f"{text_key}_file"):
            section.fault(text_key, f"give either {text_key} or {text_key}_file, not both")
    for text_key in ("cert", "key"):
        if not getattr(tls, text_key) and not getattr(tls, f"{text_key}_file"):
            section.fault(f"{text_key}_file", "missing")
    verifies = tls.client_auth_type in ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
    if tls.client_auth_type in ("RequestClientCert", "RequireAnyClientCert"):
        # These let any certificate pass: a lock that every key opens.
        section.fault(
            "client_auth_type", f"{tls.client_auth_type} verifies nothing; use RequireAndVerifyClientCert"
        )
    elif verifies != bool(tls.client_ca or tls.client_ca_file):
        section.fault("client_ca_file", "goes together with a client_auth_type that verifies, and only so")
    if tls.client_allowed_sans and tls.client_auth_type != "RequireAndVerifyClientCert":
        section.fault("client_allowed_sans", "needs client_auth_type RequireAndVerifyClientCert")
    if tls.min_version > tls.max_version:
        section.fault("min_version", f"{tls.min_version} is above max_version {tls.max_version}")


def _headers(section: _Section | None) -> dict[str, str]:
    if section is None:
        return {}
    # Accepted for the sake of shared files: we speak HTTP/1.1, which every client of HTTP/2 speaks too.
    section.take("http2", bool, "true or false", True)
    inner = section.section("headers")
    section.close()
    if inner is None:
        return {}
    headers = {name: value for name, value in inner.items().items() if value}
    for name, value in headers.items():
        if name not in _HEADERS:
            inner.fault(name, f"cannot be set; known are {', '.join(_HEADERS)}")
        elif _HEADERS[name] and value not in _HEADERS[name]:
            inner.fault(name, f"expected one of {', '.join(_HEADERS[name])}, found {quoted(value)}")
        elif not value.isprintable() or not value.isascii():
            inner.fault(name, "must be one line of plain text")
    return headers


def _users(section: _Section | None) -> dict[str, str]:
    if section is None:
        return {}
    users = section.items()
    for user, hashed in users.items():
        match = _BCRYPT.fullmatch(hashed)
        if match is None:
            section.fault(user, "is no bcrypt hash; make one with: htpasswd -nBC 10 USER")
        elif not 4 <= int(match[1]) <= _HIGHEST_COST:
            section.fault(user, f"has bcrypt cost {int(match[1])}; use 4 to {_HIGHEST_COST}, 10 is usual")
    return users


def _rate(section: _Section | None) -> tuple[float, int]:
    if section is None:
        return 0.0, 0
    text = str(section.take("interval", (str, int), 'a duration such as "100ms"', "0"))
    burst = int(section.take("burst", int, "a whole number", 0))
    section.close()
    if text == "0":
        return 0.0, burst
    try:
        interval = parse_duration(text)
    except TimeFormatError as error:
        section.fault("interval", str(error))
        return 0.0, burst
    if burst < 1:
        section.fault("burst", "must be at least 1, or no request would ever pass")
    return interval, burst
