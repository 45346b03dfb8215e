"""The file format of exporter-toolkit: what is right is understood, what is wrong is all said at once."""

from pathlib import Path

import bcrypt
import pytest

from loadwatch.errors import ConfigurationError
from loadwatch.web.config import WebConfig, read_config

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def read(folder: Path, text: str) -> WebConfig:
    path = folder / "web.yml"
    path.write_text(text)
    return read_config(path)


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text)
    first, *rest = str(caught.value).splitlines()
    assert first == f"wrong web configuration {folder / 'web.yml'}:"
    return [line.strip() for line in rest]


def test_a_full_file_of_the_toolkit_is_understood(tmp_path: Path) -> None:
    """A file written for node_exporter serves here; names are relative to its folder."""
    config = read(
        tmp_path,
        f"""
tls_server_config:
  cert_file: server.pem
  key_file: /keys/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.example]
  min_version: TLS13
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
http_server_config:
  http2: true
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: sameorigin
    X-XSS-Protection: ""
basic_auth_users:
  alice: {HASH}
rate_limit:
  interval: 100ms
  burst: 20
""",
    )
    assert config.tls is not None
    assert config.tls.cert_file == tmp_path / "server.pem"
    assert config.tls.key_file == Path("/keys/server.key")
    assert config.tls.client_allowed_sans == ("prometheus.example",)
    assert not config.tls.prefer_server_cipher_suites
    assert config.headers == {
        "Strict-Transport-Security": "max-age=31536000",
        "X-Frame-Options": "sameorigin",
    }
    assert config.users == {"alice": HASH}
    assert (config.rate_interval, config.rate_burst) == (0.1, 20)


def test_an_empty_file_asks_for_nothing(tmp_path: Path) -> None:
    """As in the toolkit, no section means plain HTTP for all."""
    assert read(tmp_path, "") == WebConfig()


def test_all_faults_are_told_at_once_with_the_nearest_keys(tmp_path: Path) -> None:
    """One round of corrections, not one per fault."""
    found = faults(
        tmp_path,
        """
tls_server_config: {cert_fil: a.pem, key_file: 7, min_version: TLS10}
http_server_config: {headers: {X-Frame-Options: allow, X-Powered-By: me}}
basic_auth_user: {}
basic_auth_users: {bob: secret}
rate_limit: {interval: 5 parsecs, burst: many}
""",
    )
    assert found == [
        "tls_server_config.key_file: expected text, found 7",
        "tls_server_config.min_version: expected one of TLS12, TLS13, found 'TLS10'",
        "tls_server_config.cert_fil: unknown key; did you mean cert_file?",
        "tls_server_config.cert_file: missing",
        "tls_server_config.key_file: missing",
        "http_server_config.headers.X-Frame-Options: expected one of deny, sameorigin, found 'allow'",
        next(line for line in found if "X-Powered-By: cannot be set; known are Content-Sec" in line),
        "basic_auth_users.bob: is no bcrypt hash; make one with: htpasswd -nBC 10 USER",
        "rate_limit.burst: expected a whole number, found 'many'",
        next(line for line in found if line.startswith("rate_limit.interval:")),
        "basic_auth_user: unknown key; did you mean basic_auth_users?",
    ]


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("client_auth_type: RequireAnyClientCert", "client_auth_type: RequireAnyClientCert verifies nothing"),
        ("client_auth_type: RequireAndVerifyClientCert", "client_ca_file: goes together"),
        ("client_ca_file: ca.pem", "client_ca_file: goes together"),
        ("client_allowed_sans: [a]", "client_allowed_sans: needs client_auth_type"),
        ("min_version: TLS13\n  max_version: TLS12", "min_version: TLS13 is above max_version TLS12"),
        ("cert: inline", "cert: give either cert or cert_file"),
        ("cipher_suites: [1]", "cipher_suites: expected a list of texts"),
        ("prefer_server_cipher_suites: 1", "prefer_server_cipher_suites: expected true or false"),
    ],
)
def test_settings_that_would_not_protect_are_refused(tmp_path: Path, section: str, fault: str) -> None:
    """A lock that does not lock is worse than none."""
    found = faults(tmp_path, f"tls_server_config:\n  cert_file: a\n  key_file: b\n  {section}\n")
    assert len(found) == 1
    assert found[0].startswith(f"tls_server_config.{fault}")


@pytest.mark.parametrize("text", ["a: [", "\t- x", "- just\n- a list", "4"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    """Neither broken YAML nor a list brings the program down with a traceback."""
    with pytest.raises(ConfigurationError, match="web configuration"):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """One line with the path and the reason."""
    with pytest.raises(ConfigurationError, match=r"none\.yml: No such file"):
        read_config(tmp_path / "none.yml")


def test_passwords_and_keys_are_not_in_what_is_printed(tmp_path: Path) -> None:
    """A record that lands in a log by accident carries no secret."""
    config = read(tmp_path, f"basic_auth_users: {{alice: {HASH}}}\ntls_server_config: {{cert: C, key: KEY!}}")
    assert HASH not in repr(config)
    assert "KEY!" not in repr(config)
