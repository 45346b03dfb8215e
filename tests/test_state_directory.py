"""Nothing is written where somebody else could lead it astray, and nobody else reads what is kept."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli.conftest import program

from loadwatch.clock import SystemClock
from loadwatch.errors import HistoryError, ServiceError
from loadwatch.history import History, StateLock
from loadwatch.records import Sample
from loadwatch.state_directory import DYNAMIC_USERS, claim, claimed

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """An existing state directory of ours."""
    directory = tmp_path / "state"
    directory.mkdir(mode=0o750)
    return directory


@pytest.fixture(params=[0, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """A process that would let everybody read, or nobody but itself."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.usefixtures("umask")
def test_files_and_folders_are_for_us_and_our_group(tmp_path: Path) -> None:
    """0750 and 0640 whatever the umask, for what SQLite makes too, and after the directory was removed."""
    directory = tmp_path / "new" / "state"
    claim(directory)
    history = History.open(directory / "history.db", clock=SystemClock())
    for _ in range(2):
        history.append(Sample(1.0, 1.0, {"cpu": 0.5}))
        with StateLock(directory):
            files = {path.name: oct(mode(path)) for path in directory.iterdir()}
        assert files == dict.fromkeys(["lock", "history.db", "history.db-wal", "history.db-shm"], "0o640")
        assert mode(directory) == 0o750
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()
    history.close()


THINGS: dict[str, Callable[[Path], object]] = {
    "a symbolic link": lambda path: path.symlink_to(path.parent.parent / "victim"),
    "a pipe": os.mkfifo,
    "a directory": Path.mkdir,
    "a file": lambda path: path.write_text(""),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lock", "history.db", "history.db-wal", "history.db-shm", "models"])
@pytest.mark.parametrize("thing", THINGS)
def test_a_link_or_anything_else_in_our_place_is_refused(state: Path, name: str, thing: str) -> None:
    """By the daemon and by commands, in one line that names it; what a link points to stays as it is."""
    if (thing, name == "models") in {("a file", False), ("a directory", True)}:
        return
    victim = state.parent / "victim"
    victim.write_text("precious")
    THINGS[thing](state / name)
    with pytest.raises(ServiceError, match=rf"{name} is {thing}, expected"):
        claim(state)
    for command in (["run"], ["label", "--from", "2 hours ago", "high"]):
        end = program(*command, "--state-directory", state, "--set", "web.listen_address=127.0.0.1:0")
        assert (end.returncode, len(end.stderr.splitlines())) == (1, 1), end.stderr
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("thing", [thing for thing in THINGS if thing != "a file"])
def test_each_file_is_opened_as_what_it_is(state: Path, thing: str) -> None:
    """Also by those who open the lock and the history without asking for the whole directory first."""
    victim = state.parent / "victim"
    victim.write_text("precious")
    for name in ("lock", "history.db"):
        THINGS[thing](state / name)
    with pytest.raises(ServiceError, match="lock"):
        StateLock(state).acquire()
    with pytest.raises(HistoryError, match=r"history\.db"):
        History.open(state / "history.db", clock=SystemClock())
    assert victim.read_text() == "precious"


@needs_root
@pytest.mark.parametrize(
    "command",
    [
        ("run", "--web.listen-address", "127.0.0.1:0"),
        ("label", "--from", "2 hours ago", "high"),
        ("maintenance", "start", "--for", "1h"),
        ("train",),
        ("model", "rollback"),
    ],
    ids=lambda command: command[0],
)
def test_root_writes_into_nobody_elses_directory(state: Path, command: tuple[str, ...]) -> None:
    """The message names whose it is and who we are; links in it are not followed."""
    victim = state.parent / "victim"
    victim.write_text("precious")
    (state / "lock").symlink_to(victim)
    (state / "models").symlink_to(state.parent)
    os.chown(state, NOBODY, NOBODY)
    end = program(*command, "--state-directory", state)
    assert end.returncode == 1, end
    assert "belongs to 'nobody', and this process to 'root'" in end.stderr
    assert victim.read_text() == "precious"


@needs_root
def test_a_directory_of_root_may_be_used_by_a_service_that_can_write_it(state: Path) -> None:
    """As a volume of a container is: root's, and open to its group."""
    state.chmod(0o770)
    os.chown(state, 0, NOBODY)
    for folder in (state.parent, *state.parent.parents[:3]):
        if "pytest" in str(folder):
            folder.chmod(0o755)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            claim(state)
            os.write(writer, b"claimed")
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"claimed"


@needs_root
def test_root_acts_as_the_user_of_a_service_that_systemd_made_up(state: Path) -> None:
    """What an operator types as root is done with the rights of the service, and belongs to it."""
    user = DYNAMIC_USERS[7]
    os.chown(state, user, user)
    state.parent.chmod(0o700)  # as /var/lib/private is: root's alone
    secret = state.parent / "secret"
    secret.touch(mode=0o600)
    with claimed(state):
        with pytest.raises(PermissionError):
            secret.write_text("x")
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (user, user, [])
        history = History.open(state / "history.db", clock=SystemClock(), repair=False)
        history.set_state("x", 1)
        history.close()
    assert (os.geteuid(), os.getegid()) == (0, 0)
    assert (state / "history.db").stat().st_uid == user
    (state / "lock").symlink_to("/etc/passwd")
    with pytest.raises(ServiceError, match="lock is a symbolic link"), claimed(state):
        pass
    assert os.geteuid() == 0


def test_the_lock_comes_back_with_a_directory_that_was_removed(state: Path) -> None:
    """And whoever took it meanwhile keeps it."""
    lock, other = StateLock(state), StateLock(state)
    lock.acquire()
    (state / "lock").unlink()
    lock.renew()
    assert not other.try_acquire()
    (state / "lock").unlink()
    other.acquire()
    with pytest.raises(ServiceError, match="another loadwatch"):
        lock.renew()
    state.joinpath("lock").unlink()
    state.rmdir()
    lock.renew()  # nothing to lock until somebody makes it again
    lock.release()
