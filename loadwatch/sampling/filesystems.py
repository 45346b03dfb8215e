"""How full the local file systems are.

Which those are the kernel's own table says (``/proc/self/mountinfo``): of a type that lives on this machine's
disks, writable, each once however often it is mounted. Nothing else is touched: to ask a network file system
whose server is gone, or one that another program serves, is to hang. psutil would tell read-only mounts from
others by the mount, and under systemd's ``ProtectSystem=`` every mount is read-only for the service.
"""

import math
import os
import re
from pathlib import Path
from typing import Final

from loadwatch.errors import SamplingError
from loadwatch.sampling.procfile import OddLines, ProcFile

_LOCAL: Final = re.compile(
    r"bcachefs|btrfs|exfat|ext[234]|f2fs|hfsplus|jfs|nilfs2|ntfs3|reiserfs|vfat|xfs|zfs"
)
_IN_MEMORY: Final = {"tmpfs", "ramfs", "devtmpfs"}
# In a container it is all there is, and shows the file system below it.
_CONTAINER_ROOT: Final = "overlay"
# They fill in minutes at the fastest, and a host may have hundreds.
_REFRESH_SECONDS: Final = 10.0
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_BEFORE_TYPE, _AFTER_TYPE = 6, 3  # columns around the dash of mountinfo


class FilesystemSource:
    """Levels of the fullest file system; ``levels`` has those of all, by what people call them."""

    name = "filesystem"
    signals = ("filesystem", "filesystem_inodes")
    note = ""

    def __init__(self, procfs: Path) -> None:
        self._mounts = ProcFile(procfs / "self" / "mountinfo", in_pieces=True)
        self._odd = OddLines(procfs / "self" / "mountinfo")
        self._read = -math.inf
        self._table = b""
        self._asked: list[str] = []
        self._values: dict[str, float] = {}
        self.levels: dict[str, float] = {}

    def read(self, now: float) -> dict[str, float]:
        """Shares in use of space and of inodes (0 to 1), each on the file system that is fullest by it.

        Of space as ordinary users see it: what is reserved for root is full for them. Nothing without a local
        file system; no inodes where it makes them as needed.

        Raises:
            OSError: the kernel's table cannot be read.
            SamplingError: no line of it can be understood.

        """
        if now - self._read >= _REFRESH_SECONDS:
            self._values, self.levels = {}, {}  # where it fails, nothing of before stands
            spaces, inodes = self._ask()
            self._values = {
                name: max(shares.values())
                for name, shares in zip(self.signals, (spaces, inodes), strict=True)
                if shares
            }
            self.levels = {
                **{f"file system {mount}": share for mount, share in spaces.items()},
                **{f"inodes of {mount}": share for mount, share in inodes.items()},
            }
            self._read = now
        return dict(self._values)

    def forget(self) -> None:
        """Look anew at the next reading."""
        self._read = -math.inf

    def _ask(self) -> tuple[dict[str, float], dict[str, float]]:
        """Share of space and of inodes in use, by mount point."""
        spaces, inodes = {}, {}
        for mount in self._local_mounts():
            try:
                answer = os.statvfs(mount)
            except OSError:
                continue  # hidden from us, or gone since the table was read: then it is not ours to judge
            used = answer.f_blocks - answer.f_bfree
            if used + answer.f_bavail > 0:
                spaces[mount] = used / (used + answer.f_bavail)
            if answer.f_files > 0:
                inodes[mount] = 1.0 - answer.f_ffree / answer.f_files
        return spaces, inodes

    def _local_mounts(self) -> list[str]:
        """Where to ask: the shortest way to each local, writable file system."""
        try:
            table = self._mounts.read()
        except FileNotFoundError:
            return []
        if table != self._table:  # hosts with containers have hundreds of mounts
            self._asked = self._chosen(table.decode("utf-8", "surrogateescape").splitlines())
            self._table = table
        return self._asked

    def _chosen(self, lines: list[str]) -> list[str]:
        on_top: dict[str, tuple[str, str]] = {}
        for line in lines:
            before, _, after = line.partition(" - ")
            mounted, about = before.split(), after.split()
            if len(mounted) < _BEFORE_TYPE or len(about) < _AFTER_TYPE:
                self._odd.skip(os.fsencode(line))
                continue
            mount = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), mounted[4])
            is_local = _LOCAL.fullmatch(about[0]) or (about[0] == _CONTAINER_ROOT and mount == "/")
            # What is mounted later at the same place hides what was there.
            on_top[mount] = (mounted[2] if is_local and "rw" in about[2].split(",") else "", about[0])
        if lines and not on_top:
            raise SamplingError(f"cannot read {self._mounts.path}: no line of it is a mount")
        # To look at what lies beneath one of these is to ask it.
        foreign = tuple(
            f"{mount}/"
            for mount, (device, kind) in on_top.items()
            if not device and kind not in _IN_MEMORY and mount != "/"
        )
        chosen: dict[str, str] = {}
        for mount in sorted(on_top, key=lambda mount: (len(mount), mount)):
            device, _ = on_top[mount]
            if device and not mount.startswith(foreign):
                chosen.setdefault(device, mount)
        return list(chosen.values())
