"""A TLS context from checked settings."""

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from loadwatch.errors import ConfigurationError
from loadwatch.web.config import TlsSettings

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_AUTHENTICATION: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
# Go's names, which the file uses, and OpenSSL's. Those of TLS 1.3 are always offered by both.
_CIPHERS: Final = {
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
_CURVES: Final = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}


def build_context(settings: TlsSettings) -> ssl.SSLContext:
    """Build the context, reading the certificate, the key and the client authorities.

    Raises:
        ConfigurationError: a file is missing, unreadable or does not fit; every fault is listed.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.maximum_version = _VERSIONS[settings.max_version]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if not settings.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    faults: list[str] = []
    _attempt(faults, "cert_file, key_file", lambda: _load_certificate(context, settings))
    if _AUTHENTICATION[settings.client_auth_type] != ssl.CERT_NONE:
        _attempt(faults, "client_ca_file", lambda: _load_authorities(context, settings))
        context.verify_mode = _AUTHENTICATION[settings.client_auth_type]
    _restrict(context, settings, faults)
    if faults:
        raise ConfigurationError("\n".join(["cannot set up TLS:", *(f"  {fault}" for fault in faults)]))
    return context


def matches_names(peer: Mapping[str, Any] | None, allowed: tuple[str, ...]) -> bool:
    """Whether a verified client certificate carries one of the allowed alternative names."""
    return any(value in allowed for _, value in (peer or {}).get("subjectAltName", ()))


def _attempt(faults: list[str], key: str, step: Callable[[], None]) -> None:
    try:
        step()
    except ssl.SSLError as error:
        faults.append(f"tls_server_config.{key}: {error.reason or error}")
    except OSError as error:
        faults.append(f"tls_server_config.{key}: {error.filename or 'the file'}: {error.strerror}")
    except ValueError as error:
        faults.append(f"tls_server_config.{key}: {error}")


def _load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    with (
        _as_file(settings.cert_file, settings.cert) as cert,
        _as_file(settings.key_file, settings.key) as key,
    ):
        for path in (cert, key):
            path.open("rb").close()  # OpenSSL would not say which of the two it cannot read
        # An encrypted key would make OpenSSL ask on the terminal, which a daemon has not.
        context.load_cert_chain(cert, key, password=_refuse_password)


def _refuse_password() -> str:
    raise ValueError("the key is encrypted; decrypt it, nobody is there to type a password")


def _load_authorities(context: ssl.SSLContext, settings: TlsSettings) -> None:
    with _as_file(settings.client_ca_file, settings.client_ca) as authorities:
        context.load_verify_locations(authorities)


@contextmanager
def _as_file(path: Path | None, text: str) -> Iterator[Path]:
    """The path, or a nameless file in memory that holds the text: OpenSSL's loader takes only paths."""
    if path is not None:
        yield path
        return
    with os.fdopen(os.memfd_create("loadwatch-tls"), "w+", encoding="ascii") as stream:
        stream.write(text)
        stream.flush()
        yield Path(f"/proc/self/fd/{stream.fileno()}")


def _restrict(context: ssl.SSLContext, settings: TlsSettings, faults: list[str]) -> None:
    for key, names, known in (
        ("cipher_suites", settings.cipher_suites, _CIPHERS),
        ("curve_preferences", settings.curve_preferences, _CURVES),
    ):
        unknown = [name for name in names if name not in known]
        if unknown:
            wrong, right = ", ".join(unknown), ", ".join(known)
            faults.append(f"tls_server_config.{key}: {wrong} unknown; known are {right}")
            return
    ciphers = [_CIPHERS[name] for name in settings.cipher_suites if _CIPHERS[name]]
    if ciphers:
        _attempt(faults, "cipher_suites", lambda: context.set_ciphers(":".join(ciphers)))
    if len(settings.curve_preferences) > 1:
        faults.append("tls_server_config.curve_preferences: this server can be held to one curve only")
    elif settings.curve_preferences:
        context.set_ecdh_curve(_CURVES[settings.curve_preferences[0]])
