"""The PostgreSQL that the tests meet: the embedded one, or Debian's by `pytest --postgres=debian`.

Durability is off (a crash of the machine may eat the data, nobody keeps it); all else is as in production.
"""

import fcntl
import os
import pwd
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from dure.db import embedded

FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}
DEBIAN_BIN = Path("/usr/lib/postgresql/15/bin")
OWNER = "dure"
PORT = 5432
START_TIMEOUT_S = 60

MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 * 2**30


def place() -> Path | None:
    """Where servers keep their data: in memory where there is plenty, which halves the time; else the default."""
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return None
    usable = os.access(MEMORY, os.W_OK) and not found.f_flag & os.ST_NOEXEC
    return MEMORY if usable and found.f_bavail * found.f_frsize >= MEMORY_BYTES else None


class EmbeddedServer:
    """The server that Dure brings along; each process of the test run holds a lease on it."""

    def __init__(self, home: Path) -> None:
        self.home = home / "embedded"
        self._lease: embedded.Lease | None = None

    def start(self) -> str:
        self._lease = embedded.acquire(self.home, FAST)
        return self._lease.url

    def release(self) -> None:
        if self._lease is not None:
            self._lease.release()

    def stop(self) -> None:
        embedded.stop(self.home)


class DebianServer:
    """PostgreSQL 15 as Debian builds it: the first process of the run starts it, the controller stops it."""

    def __init__(self, home: Path) -> None:
        self.home = home / "debian"
        self._data = self.home / "data"

    def start(self) -> str:
        self.home.mkdir(exist_ok=True)
        with (self.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self._data / "postmaster.pid").exists():
                self._initialise()
                self._run(
                    "pg_ctl",
                    "start",
                    "-w",
                    "-t",
                    str(START_TIMEOUT_S),
                    "-D",
                    self._data,
                    "-l",
                    self.home / "log",
                )
        return f"postgresql://{OWNER}@/postgres?host={quote(str(self.home))}&port={PORT}"

    def release(self) -> None:
        """The controller stops it: the others may still need it."""

    def stop(self) -> None:
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "-m", "immediate", "-D", self._data)

    def _initialise(self) -> None:
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.home, account.pw_uid, account.pw_gid)
            self.home.parent.chmod(0o711)
        self._run(
            "initdb", "-D", self._data, "--username", OWNER, "--auth", "trust", "--encoding", "UTF8",
            "--locale", "C.UTF-8", "--no-sync", "--no-instructions",
        )  # fmt: skip
        settings = {
            **FAST,
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self.home),
        }
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(DEBIAN_BIN / program), *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        with (self.home / "commands.log").open("ab") as log:
            # A file, not a pipe: the server would inherit the pipe and keep its reader waiting.
            done = subprocess.run(command, stdout=log, stderr=log, cwd="/", check=False)
        if done.returncode != 0:
            raise RuntimeError((self.home / "commands.log").read_text())


Server = EmbeddedServer | DebianServer


def choose(name: str, home: Path) -> Server:
    return DebianServer(home) if name == "debian" else EmbeddedServer(home)


def remove(server: Server, home: Path) -> None:
    with suppress(embedded.EmbeddedError, RuntimeError):
        server.stop()
    shutil.rmtree(home, ignore_errors=True)


def with_name(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def with_user(url: str, user: str) -> str:
    """The same database, another role; the test servers ask for no password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user)}@{host}"))


def create(admin: psycopg.Connection, name: str, template: str | None = None) -> None:
    """A new database: the clone of a template is a copy of files, cheap where nothing waits for a disk."""
    statement = sql.SQL("create database {}").format(sql.Identifier(name))
    if template is not None:
        statement += sql.SQL(" template {}").format(sql.Identifier(template))
        if admin.info.server_version >= 150000:
            statement += sql.SQL(" strategy file_copy")
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            admin.execute(statement)
        except psycopg.errors.ObjectInUse:
            # Autovacuum looks into the template now and then.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
