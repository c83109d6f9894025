"""The embedded PostgreSQL: one server a home, shared by all who ask, stopped when the last one leaves.

Three locks carry it, all of them `flock`, because the kernel frees those whatever kills their owner:

* `lock` is held while somebody decides to start or to stop. Decisions about one home never overlap.
* `holders/*`: every lease holds a file of its own. A file whose lock is free belonged to a process that
  died, and does not count. Who leaves and finds no other stops the server; when the last one was killed, the
  server stays, and the next one takes it over.
* `server.lock` is opened by the starter and inherited by the postmaster and by all of its children. It is
  free exactly when none of them is left, so nobody trusts the number in `postmaster.pid`, which another
  program may have by now, and nobody starts a second postmaster beside orphans that still write to the data.
"""

import atexit
import fcntl
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import quote
from uuid import uuid4

from dure.db import embedded_cluster as cluster
from dure.db import embedded_os
from dure.db.embedded_cluster import DATABASE, OWNER
from dure.db.embedded_os import PORT
from dure.errors import EmbeddedError

__all__ = ["DATABASE", "OWNER", "EmbeddedError", "Lease", "Status", "acquire", "status", "stop"]

LOG_TAIL_LINES_MAX = 15
START_TIMEOUT_S = 120.0
ORPHANS_TIMEOUT_S = 5.0
STOP_FAST_TIMEOUT_S = 60.0
STOP_IMMEDIATE_TIMEOUT_S = 10.0
POLL_S = 0.01
"""PostgreSQL tells nobody that it is ready or gone; pg_ctl polls too, ten times slower."""
ANSWER_TIMEOUT_S = 5.0
SSL_REQUEST = struct.pack("!II", 8, 80877103)
"""Asks for encryption: any living server answers one byte, without a login or a line in its log."""


@dataclass(frozen=True)
class Status:
    """What `status` found: the postmaster's process and its url when it runs, and who holds leases."""

    running: bool
    pid: int | None
    url: str | None
    holders: tuple[int, ...]


class Lease:
    """A right to the server of a home; the server runs while any lease on it is held.

    Example: `with acquire(Path(".dure")) as lease: psycopg.connect(lease.url)`
    """

    def __init__(self, server: "_Server", settings: Mapping[str, str], file: int) -> None:
        self._server = server
        self._settings = settings
        self._pid = os.getpid()
        self._file: int | None = file
        atexit.register(self.release)

    @property
    def url(self) -> str:
        """The connection string, as the owner of the database `dure`; read it again after `ensure`."""
        return self._server.url

    def ensure(self) -> None:
        """Start the server again if it died or was stopped; costs a few milliseconds when it runs."""
        with self._server.deciding():
            self._server.ensure(self._settings)

    def release(self) -> None:
        """Leave, and stop the server when nobody else is left.

        A second call does nothing, and neither does the call of a forked child.
        """
        if self._file is None or self._pid != os.getpid():
            return
        file, self._file = self._file, None
        atexit.unregister(self.release)
        with suppress(FileNotFoundError), self._server.deciding():
            self._server.leave(file)
            if not self._server.holders(sweep=True):
                self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(home: Path, settings: Mapping[str, str] = MappingProxyType({})) -> Lease:
    """Take a lease on the home's server, and start it, or make it, when it does not run.

    The settings are those of PostgreSQL, above Dure's own; they count when this call starts the server.
    Example: `acquire(Path(".dure"), {"shared_buffers": "1GB"})`
    """
    cluster.check_settings(settings)
    server = _Server(home)
    server.make_home()
    with server.deciding():
        file = server.join()
        try:
            server.ensure(settings)
        except BaseException:
            server.leave(file)
            raise
        return Lease(server, settings, file)


def status(home: Path) -> Status:
    """Look without waiting, starting or making anything."""
    server = _Server(home)
    running = server.is_alive()
    url = server.url if running and server.is_ready() else None
    return Status(running, server.postmaster() if running else None, url, tuple(server.holders()))


def stop(home: Path) -> bool:
    """Stop the server whoever holds it, and say whether it ran; a holder's `ensure` starts it again."""
    server = _Server(home)
    if not server.home.exists():
        return False
    with server.deciding():
        return server.stop()


class _Server:
    """The server of one home. `ensure`, `stop`, `join` and `leave` want `deciding()` held."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self._data = self.home / "data"
        self._lock = self.home / "lock"
        self._server_lock = self.home / "server.lock"
        self._holders = self.home / "holders"
        self._name = f"dure-{blake2s(os.fsencode(self.home), digest_size=4).hexdigest()}"

    @property
    def url(self) -> str:
        directory = quote(str((self.home / "run").resolve()))
        return f"postgresql://{OWNER}@/{DATABASE}?host={directory}&port={PORT}"

    def make_home(self) -> None:
        try:
            self._holders.mkdir(parents=True, exist_ok=True)
            self._server_lock.touch(exist_ok=True)
        except OSError as error:
            raise EmbeddedError(f"cannot keep the embedded server's files in {self.home}: {error}") from error

    @contextmanager
    def deciding(self) -> Iterator[None]:
        file = os.open(self._lock, os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            # Not left to close(): a child that another thread forked meanwhile has a copy of the file open.
            fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)

    # Holders.

    def join(self) -> int:
        path = self._holders / f"{os.getpid()}-{uuid4().hex[:8]}"
        file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def leave(self, file: int) -> None:
        """Let the file go; `holders` of whoever decides next sweeps it away."""
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)

    def holders(self, *, sweep: bool = False) -> list[int]:
        """The processes that hold leases, one entry a lease."""
        alive = []
        for path in sorted(self._holders.glob("*-*")):
            if _is_held(path):
                alive.append(int(path.name.partition("-")[0]))
            elif sweep:
                path.unlink(missing_ok=True)
        return alive

    # What is there.

    def is_alive(self) -> bool:
        """Whether any process of the server is left, the postmaster or an orphan of a killed one."""
        return _is_held(self._server_lock)

    def postmaster(self) -> int | None:
        """The postmaster's process; never a stranger that has got its number."""
        lines = self._pid_file()
        if not lines or not lines[0].isdecimal():
            return None
        title = embedded_os.process_title(int(lines[0]))
        return int(lines[0]) if b"postgres -D %b " % os.fsencode(self._data.resolve()) in title else None

    def is_ready(self) -> bool:
        lines = self._pid_file()
        if len(lines) < 8 or lines[7].strip() != "ready":
            return False
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(ANSWER_TIMEOUT_S)
                client.connect(str(embedded_os.socket_path((self.home / "run").resolve())))
                client.sendall(SSL_REQUEST)
                return client.recv(1) != b""
        except OSError:
            return False

    def is_cut_off(self) -> bool:
        """Whether a running server lost its socket, as when something tidied /tmp."""
        lines = self._pid_file()
        path = embedded_os.socket_path((self.home / "run").resolve())
        return len(lines) >= 8 and lines[7].strip() == "ready" and not path.exists()

    def _pid_file(self) -> list[str]:
        """Eight lines: process, data, start, port, socket directory, address, shared memory, state."""
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    # Start and stop.

    def ensure(self, settings: Mapping[str, str]) -> None:
        """Return when the server takes connections, whatever state it was left in."""
        if self.is_alive() and not self.is_ready():
            self._await_or_clear()
        if not self.is_alive():
            self._start(settings)

    def stop(self) -> bool:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if not self.is_alive():
            return False
        for way, timeout_s in (
            (signal.SIGINT, STOP_FAST_TIMEOUT_S),
            (signal.SIGQUIT, STOP_IMMEDIATE_TIMEOUT_S),
        ):
            pid = self.postmaster()
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, way)
            if _wait(lambda: not self.is_alive(), timeout_s if pid is not None else ORPHANS_TIMEOUT_S):
                return True
        self._kill_orphans()
        return True

    def _await_or_clear(self) -> None:
        """Wait for a server that is on its way up; clear away what a killed postmaster left."""
        if self.is_cut_off():
            self.stop()
            return
        settled = _wait(
            lambda: self.is_ready() or not self.is_alive(),
            START_TIMEOUT_S if self.postmaster() is not None else ORPHANS_TIMEOUT_S,
        )
        if settled:
            return
        if self.postmaster() is not None:
            raise EmbeddedError(f"PostgreSQL has not become ready in {START_TIMEOUT_S:.0f} s.{self._log_tail()}")
        self._kill_orphans()

    def _kill_orphans(self) -> None:
        """Backends leave when their postmaster dies, except in the middle of a long computation.

        A kill is safe for the data: the next start recovers from the log, as after a power cut.
        """
        for pid in embedded_os.processes_titled(f"postgres: {self._name}: "):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not _wait(lambda: not self.is_alive(), ORPHANS_TIMEOUT_S):
            raise EmbeddedError(
                f"processes that cannot be seen from here, perhaps in another container, use the server in "
                f"{self.home}: stop them there, or set DURE_HOME to another directory"
            )

    def _start(self, settings: Mapping[str, str]) -> None:
        site = embedded_os.prepare(self.home)
        if not site.data.exists():
            cluster.initialise(site)
            if site.data != self._data:
                embedded_os.link(self._data, site.data)
        cluster.check_version(site)
        cluster.write_settings(site, settings)
        cluster.prune_logs(site.log)
        with self._server_lock.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.postmaster() is not None:
                raise EmbeddedError(f"a server that Dure did not start uses {site.data}: stop it with pg_ctl")
            # No process of ours is left, so whatever number stands in these is another program's by now.
            (site.data / "postmaster.pid").unlink(missing_ok=True)
            embedded_os.socket_path(site.run).with_suffix(f".{PORT}.lock").unlink(missing_ok=True)
            result = site.account.run(
                [
                    *(
                        site.bin / "pg_ctl",
                        "start",
                        "--no-wait",
                        "-D",
                        site.data,
                        "-l",
                        site.log / "start.log",
                    ),
                    *("-o", cluster.fixed_options(site, self._name)),
                ],
                keep_fds=[lock.fileno()],
            )
        if result.returncode != 0:
            raise EmbeddedError(f"PostgreSQL did not start: {result.stdout.strip()}{self._log_tail()}")
        if not _wait(lambda: self.is_ready() or not self.is_alive(), START_TIMEOUT_S):
            raise EmbeddedError(f"PostgreSQL has not become ready in {START_TIMEOUT_S:.0f} s.{self._log_tail()}")
        if not self.is_alive():
            raise EmbeddedError(f"PostgreSQL stopped while it started.{self._log_tail()}")

    def _log_tail(self) -> str:
        logs = sorted((self.home / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        lines = [line for path in logs[-2:] for line in path.read_text(errors="replace").splitlines()]
        return "".join(f"\n  {line}" for line in ["", *lines[-LOG_TAIL_LINES_MAX:]]) if lines else ""


def _is_held(path: Path) -> bool:
    """Whether somebody has the file locked. A shared lock asks, so that two who ask do not see each other."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
