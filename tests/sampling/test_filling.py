"""How full is what can fill up, and that nothing is asked that may not answer."""

import math
import os
from pathlib import Path

import pytest

from loadwatch.errors import SamplingError
from loadwatch.sampling.filesystems import FilesystemSource
from loadwatch.sampling.limits import LimitSource
from loadwatch.sampling.source import PartlyFailedError

from .host import FakeHost


def asked(host: FakeHost, monkeypatch: pytest.MonkeyPatch, *mounts: str) -> list[str]:
    """Which mount points are asked for their space, of these lines of mountinfo after the numbers."""
    paths: list[str] = []
    ask = os.statvfs

    def note(path: str) -> os.statvfs_result:
        paths.append(str(path))
        return ask("/")

    monkeypatch.setattr(os, "statvfs", note)
    host.write_mounts(*(f"{number} 1 {line}" for number, line in enumerate(mounts)))
    FilesystemSource(host.procfs).read(0.0)
    return paths


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        (
            [
                "8:1 / / rw shared:1 - ext4 /dev/sda1 rw",
                "0:5 / /proc rw - proc proc rw",
                "0:6 / /run rw - tmpfs tmpfs rw,size=1",
                "8:2 / /run/media/stick rw - vfat /dev/sdb1 rw",
                "7:0 / /snap/core ro - squashfs /dev/loop0 ro",
                "11:0 / /cdrom ro - iso9660 /dev/sr0 ro",
            ],
            ["/", "/run/media/stick"],
        ),
        (["8:1 / / ro - xfs /dev/sda1 rw", "8:2 / /data rw - ext4 /dev/sda2 ro"], ["/"]),
        (
            [
                "8:1 / / rw - ext4 /dev/sda1 rw",
                "0:40 / /mnt/nfs rw - nfs4 server:/export rw",
                "0:41 / /mnt/share rw - cifs //server/share rw",
                "0:42 / /mnt/sshfs rw - fuse.sshfs host: rw",
                "0:43 / /mnt/auto rw - autofs systemd-1 rw",
                "8:9 / /mnt/nfs/local rw - ext4 /dev/sdc1 rw",
            ],
            ["/"],
        ),
        (
            [
                "8:1 / /long/way/to/it rw - btrfs /dev/sda1 rw,subvol=/a",
                "8:1 /sub /data rw - btrfs /dev/sda1 rw,subvol=/b",
                "8:1 /kube /var/lib/kubelet/pods/x rw - btrfs /dev/sda1 rw",
            ],
            ["/data"],
        ),
        (["8:2 / /home rw - ext4 /dev/sda2 rw", "0:7 / /home rw - tmpfs tmpfs ro"], []),
        (["0:50 / / rw - overlay overlay rw,lowerdir=x", "0:51 / /merged rw - overlay overlay rw"], ["/"]),
        (["8:1 / /with\\040space rw - ext4 /dev/sda1 rw"], ["/with space"]),
    ],
    ids=["a server", "read-only", "network", "mounted often", "hidden", "a container", "a space"],
)
def test_only_local_writable_file_systems_are_asked_each_once(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, mounts: list[str], expected: list[str]
) -> None:
    """A dead server hangs whoever asks its file system, or looks at anything beneath it: so nobody does.

    What a hardened service sees as a read-only mount of a file system that is written to is asked.
    """
    assert asked(host, monkeypatch, *mounts) == expected


def test_a_file_system_is_as_full_as_ordinary_users_find_it(host: FakeHost, tmp_path: Path) -> None:
    """As df has it: used over used and available, so that what only root may fill counts as full."""
    values = FilesystemSource(host.procfs).read(0.0)
    answer = os.statvfs(tmp_path)
    used = answer.f_blocks - answer.f_bfree

    assert values["filesystem"] == pytest.approx(used / (used + answer.f_bavail), abs=0.05)
    assert 0.0 <= values["filesystem_inodes"] <= 1.0


def test_a_mount_that_is_hidden_from_the_service_costs_itself_only(host: FakeHost, tmp_path: Path) -> None:
    """Under systemd's InaccessiblePaths= the others are judged all the same."""
    source = FilesystemSource(host.procfs)
    host.write_mounts(
        f"1 0 8:1 / {tmp_path} rw - ext4 /dev/sda1 rw", "2 0 8:2 / /not/here rw - ext4 /dev/sda2 rw"
    )

    assert "filesystem" in source.read(0.0)
    assert set(source.levels) == {f"file system {tmp_path}", f"inodes of {tmp_path}"}


def test_what_cannot_be_read_any_more_is_not_said_any_more(host: FakeHost) -> None:
    """A disk that was full when the table was last readable may be empty by now."""
    source = FilesystemSource(host.procfs)
    source.read(0.0)
    host.write_mounts("nonsense")

    with pytest.raises(SamplingError, match="no line of it is a mount"):
        source.read(10.0)
    assert source.levels == {}


def test_many_file_systems_are_not_asked_at_every_sample(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They fill slowly, and a host may have hundreds: every ten seconds is soon enough."""
    times: list[float] = []
    ask = os.statvfs
    source = FilesystemSource(host.procfs)
    for second in range(25):

        def note(path: str, second: int = second) -> os.statvfs_result:
            times.append(second)
            return ask(path)

        monkeypatch.setattr(os, "statvfs", note)
        source.read(float(second))

    assert times == [0, 10, 20]


def test_limits_are_shares_of_what_the_kernel_hands_out(host: FakeHost) -> None:
    """Threads are held against the smaller of both limits; kills are counted a second."""
    source = LimitSource(host.procfs)
    source.read(1.0)
    host.advance(4)

    assert source.read(3.0) == {"file_handles": 0.3, "threads": 0.25, "conntrack": 0.25, "oom_kills": 2.0}
    assert source.levels == {
        "open file handles": 0.3,
        "processes and threads": 0.25,
        "tracked connections": 0.25,
    }


def test_a_limit_that_is_no_number_costs_its_own_signal(host: FakeHost) -> None:
    """And one of zero is no limit that can be told."""
    host.write("proc/sys/fs/file-nr", "many\n")
    host.write("proc/sys/net/netfilter/nf_conntrack_max", "0\n")

    with pytest.raises(PartlyFailedError, match="file-nr") as caught:
        LimitSource(host.procfs).read(1.0)
    values = caught.value.values
    assert math.isnan(values["file_handles"])
    assert math.isnan(values["conntrack"])
    assert values["threads"] == 0.25
