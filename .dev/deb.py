"""Builds the Debian package: ``python3 .dev/deb.py [FOLDER]`` puts it there, in place of an older one.

It needs what Debian itself has (python3-venv, dpkg-deb) and an index of Python packages for pip. The
package is for the architecture of this machine and for every Debian in ``PYTHONS``: ``/opt/loadwatch`` is a
virtual environment whose ``bin/python3`` is the system's, with one ``site-packages`` for each version of
Python. So every file belongs to the package, nothing is fetched or resolved on the host, and an upgrade of
Debian needs no other package.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from loadwatch.build import of_source, version_of  # noqa: E402 - the sources are found now

PYTHONS: Final = ("3.11", "3.13")
"""Those of Debian 12 and 13."""
EXTRAS: Final = "notify,secure"
PREFIX: Final = "opt/loadwatch"
ASSETS: Final = ROOT / "loadwatch" / "assets" / "files"
COPIES: Final = {
    ROOT / "systemd" / "loadwatch.service": "usr/lib/systemd/system/loadwatch.service",
    ROOT / "systemd" / "loadwatch.toml": "etc/loadwatch/loadwatch.toml",
    ASSETS / "completion" / "loadwatch.bash": "usr/share/bash-completion/completions/loadwatch",
    ASSETS / "completion" / "_loadwatch": "usr/share/zsh/vendor-completions/_loadwatch",
    ASSETS / "completion" / "loadwatch.fish": "usr/share/fish/vendor_completions.d/loadwatch.fish",
    ROOT / ".dev" / "debian" / "copyright": "usr/share/doc/loadwatch/copyright",
}
COMPRESSED: Final = {
    ASSETS / "man" / "loadwatch.1": "usr/share/man/man1/loadwatch.1.gz",
    ROOT / "loadwatch" / "docs" / "changelog.md": "usr/share/doc/loadwatch/changelog.md.gz",
}
SCRIPTS: Final = ("preinst", "postinst", "prerm", "postrm")
PROGRAM: Final = """\
#!/opt/loadwatch/bin/python3
import sys

from loadwatch.__main__ import main

sys.exit(main())
"""


def package(folder: Path) -> Path:
    """Build it into ``folder``; the path of the package."""
    build = of_source(ROOT)
    version = version_of(build)
    architecture = _output("dpkg", "--print-architecture")
    with tempfile.TemporaryDirectory(prefix="loadwatch-deb-") as name:
        tree = Path(name, "tree")
        tree.mkdir(mode=0o755)
        install(Path(name), tree / PREFIX)
        for source, target in COPIES.items():
            _write(tree / target, source.read_bytes())
        for source, target in COMPRESSED.items():
            _write(tree / target, gzip.compress(source.read_bytes(), mtime=0))
        (tree / "usr" / "bin").mkdir()
        (tree / "usr" / "bin" / "loadwatch").symlink_to(f"/{PREFIX}/bin/loadwatch")
        describe(tree, version, architecture)
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.glob(f"loadwatch_*_{architecture}.deb"):
            other.unlink()
        made = folder / f"loadwatch_{version}_{architecture}.deb"
        # Without a commit, the time of the build: dpkg-deb's own default.
        when = {"SOURCE_DATE_EPOCH": str(build.timestamp)} if build else {}
        subprocess.run(
            # Debian 12 and later read Zstandard; XZ would take a fifth less room and twenty times as long.
            ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--build", tree, made],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | when,
        )
        return made


def install(work: Path, prefix: Path) -> None:
    """Lay out the virtual environment at ``prefix``, with the dependencies for each Python."""
    venv.create(work / "tools", with_pip=True)
    pip: list[str | Path] = [work / "tools" / "bin" / "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", work, ROOT], check=True)
    (wheel,) = work.glob("loadwatch-*.whl")
    for python in PYTHONS:
        site = prefix / "lib" / f"python{python}" / "site-packages"
        chosen = ["--python-version", python, "--only-binary", ":all:", "--no-compile", "--target", site]
        subprocess.run([*pip, "install", *chosen, f"{wheel}[{EXTRAS}]"], check=True)
        # Programs and data lie elsewhere in a virtual environment; ours are among the COPIES.
        for other in ("bin", "lib", "share"):
            shutil.rmtree(site / other, ignore_errors=True)
        for package in site.iterdir():
            # Ours has a folder of that name among the rules.
            if package.name != "loadwatch":
                for tests in [*package.rglob("tests"), *package.glob("test")]:
                    shutil.rmtree(tests)
    _write(prefix / "pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = false\n")
    _write(prefix / "bin" / "loadwatch", PROGRAM.encode(), mode=0o755)
    (prefix / "bin" / "python3").symlink_to("/usr/bin/python3")
    (prefix / "bin" / "python").symlink_to("python3")


def describe(tree: Path, version: str, architecture: str) -> None:
    """Add what dpkg reads: control file, configuration files, scripts, triggers, checksums."""
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    for path in files:
        path.chmod(0o755 if path.parent == tree / PREFIX / "bin" else 0o644)
    sums = [(hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(), path) for path in files]
    control = tree / "DEBIAN"
    source = ROOT / ".dev" / "debian"
    size = sum(path.stat().st_size for path in files) // 1024
    text = (source / "control").read_text(encoding="utf-8")
    filled = text.format(version=version, architecture=architecture, size=size)
    _write(control / "control", filled.encode())
    _write(control / "conffiles", b"/etc/loadwatch/loadwatch.toml\n")
    _write(control / "md5sums", "".join(f"{md5}  {path.relative_to(tree)}\n" for md5, path in sums).encode())
    _write(control / "triggers", (source / "triggers").read_bytes())
    for name in SCRIPTS:
        _write(control / name, (source / name).read_bytes(), mode=0o755)
    for folder in [tree, *(path for path in tree.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    print(package(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")))
