"""What loadwatch ships for its neighbours: systemd, Ansible, shells, man, Prometheus, Alertmanager, Grafana.

The files lie beside this module as plain text and are written out by ``loadwatch assets export``. Nothing
here parses them, so that the daemon need not carry a YAML library; ``generate`` writes the
generated ones from one set of definitions, and a test keeps both in step.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from loadwatch.errors import LoadwatchError, UsageError
from loadwatch.files import write_atomically

FILES: Final = Path(__file__).parent / "files"
# The unit lies where packagers look for it; only a wheel has it among the others.
CHECKOUT: Final = Path(__file__).parents[2]

# Where alert texts point their reader; the address of Grafana is known only where the files are used.
DEFAULT_GRAFANA_URL: Final = "http://localhost:3000"
# Where the manual with the runbook is read: each daemon serves it, this one to who sits at its host.
DEFAULT_PROJECT_URL: Final = "http://localhost:10074/static/manual.html"

_DESCRIPTIONS: Final[dict[str, str]] = {
    "prometheus/loadwatch.rules.yml": "alerting rules for Prometheus and vmalert",
    "prometheus/loadwatch.flags.yml": "rules on the flags, for reports: not loaded by the examples",
    "prometheus/loadwatch.recording.yml": "recording rules that sum up a fleet",
    "prometheus/tests/loadwatch.rules.test.yml": "unit tests of the alerting rules for promtool",
    "prometheus/tests/loadwatch.flags.test.yml": "unit tests of the rules on the flags for promtool",
    "prometheus/tests/loadwatch.recording.test.yml": "unit tests of the recording rules for promtool",
    "prometheus/prometheus.example.yml": "scrape configuration: static, file and DNS discovery, TLS, "
    "password",
    "alertmanager/alertmanager.example.yml": "routes, grouping, inhibition and mute times for Alertmanager",
    "grafana/dashboards/loadwatch-fleet.json": "dashboard of all hosts: counts first, then the worst",
    "grafana/dashboards/loadwatch-host.json": "dashboard of one host: verdicts, what drives them, all "
    "signals",
    "grafana/dashboards/loadwatch-daemon.json": "dashboard of the daemon and its model",
    "grafana/provisioning/dashboards/loadwatch.yaml": "tells Grafana where the dashboards are",
    "grafana/provisioning/datasources/loadwatch.yaml": "example data source, with the uid the rules refer to",
    "grafana/provisioning/alerting/loadwatch-rules.yaml": "the alerting rules, managed by Grafana itself",
    "grafana/provisioning/alerting/loadwatch-contact-points.yaml": "example contact points and routes",
    "grafana/provisioning/alerting/loadwatch-mute-timings.yaml": "example mute timings",
    "stack/compose.yaml": "a stack to try: loadwatch, Prometheus, Alertmanager and Grafana in containers",
    "stack/prometheus.yml": "its Prometheus: this host alone",
    "stack/alertmanager.yml": "its Alertmanager, which tells nobody",
    "ansible/loadwatch.yml": "playbook: the Debian package on many hosts, and the scrape file for Prometheus",
    "systemd/loadwatch.service": "unit: a user of its own, no privileges, a watchdog",
    "systemd/loadwatch.toml": "configuration: every setting with its purpose and default",
    "man/loadwatch.1": "manual page",
    "completion/loadwatch.bash": "completion for bash",
    "completion/_loadwatch": "completion for zsh",
    "completion/loadwatch.fish": "completion for fish",
}


# A folder whose files use others: these are exported with it.
_BESIDE: Final[dict[str, tuple[str, ...]]] = {
    "stack": (
        "prometheus/loadwatch.rules.yml",
        "prometheus/loadwatch.recording.yml",
        "grafana/dashboards",
        "grafana/provisioning/dashboards",
        "grafana/provisioning/datasources",
    ),
}


class AssetError(LoadwatchError):
    """A shipped file cannot be written where it was asked for."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A shipped file: ``name`` is its path under the export folder."""

    name: str
    description: str

    @property
    def path(self) -> Path:
        """Where it lies in this installation, or in this checkout."""
        installed = FILES / self.name
        return installed if installed.is_file() else CHECKOUT / self.name

    def text(self, *, grafana_url: str = DEFAULT_GRAFANA_URL, project_url: str = DEFAULT_PROJECT_URL) -> str:
        """The content, with links to the Grafana at ``grafana_url`` and the runbook at ``project_url``."""
        content = self.path.read_text(encoding="utf-8")
        content = content.replace(DEFAULT_PROJECT_URL, project_url.rstrip("/"))
        return content.replace(DEFAULT_GRAFANA_URL, grafana_url.rstrip("/"))


def list_assets() -> list[Asset]:
    """Every shipped file, in a stable order."""
    return [Asset(name, description) for name, description in _DESCRIPTIONS.items()]


def export(
    folder: Path,
    names: Iterable[str] | None = None,
    *,
    replace: bool = False,
    grafana_url: str = DEFAULT_GRAFANA_URL,
    project_url: str = DEFAULT_PROJECT_URL,
) -> list[Path]:
    """Write the shipped files, or those in ``names``, under ``folder``; return their paths.

    A name is a file or a folder of ``list_assets`` ("grafana" takes everything of Grafana's; "stack" brings
    the rules and dashboards that it mounts). A file that is there already with other content is somebody's
    work: then nothing at all is written, unless ``replace``.

    Raises:
        UsageError: a name that is not shipped, or a ``grafana_url`` or ``project_url`` that is not an http
            address.
        AssetError: files that differ are in the way, or the folder cannot be written.

    """
    for whose, url in (("Grafana's", grafana_url), ("the project's", project_url)):
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{whose} address {url!r} must begin with http:// or https://")
    chosen = list_assets() if names is None else _choose(names)
    contents = {
        folder / asset.name: asset.text(grafana_url=grafana_url, project_url=project_url).encode()
        for asset in chosen
    }
    try:
        differing = [path for path, content in contents.items() if _differs(path, content)]
        if differing and not replace:
            raise AssetError(
                f"cannot export to {folder}: other content is there already in "
                f"{', '.join(str(path.relative_to(folder)) for path in differing)}; "
                "choose another folder, or say that it may be replaced"
            )
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
    except OSError as error:
        raise AssetError(f"cannot export to {folder}: {error}") from error
    return list(contents)


def _choose(names: Iterable[str]) -> list[Asset]:
    assets = list_assets()
    chosen: dict[str, Asset] = {}
    for name in names:
        wanted = name.strip("/")
        found = [
            asset
            for part in (wanted, *_BESIDE.get(wanted, ()))
            for asset in assets
            if asset.name == part or asset.name.startswith(f"{part}/")
        ]
        if not found:
            near = get_close_matches(wanted, [asset.name for asset in assets], n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"loadwatch ships no file or folder {name!r}{hint} (see: loadwatch assets list)")
        chosen |= {asset.name: asset for asset in found}
    return list(chosen.values())


def _differs(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() != content
    except FileNotFoundError:
        return False
