"""The embedded server's life: shared, counted, recovered, closed to the network, as root and as anyone."""

import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dure.db import embedded, embedded_os

pytestmark = pytest.mark.own_server

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="changes its user")

HOLD = """
import signal, sys
from pathlib import Path
from dure.db import embedded
# Whoever is started in the background of a script begins with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with embedded.acquire(Path(sys.argv[1])) as lease:
    print(lease.url, flush=True)
    sys.stdin.read()
"""
COME_AND_GO = """
import sys
from pathlib import Path
from dure.db import embedded
for _ in range(6):
    with embedded.acquire(Path(sys.argv[1])) as lease:
        assert embedded.status(Path(sys.argv[1])).url == lease.url
"""
AS_NOBODY = """
import os, pwd
from dure.db import embedded
nobody = pwd.getpwnam("nobody")
os.setgroups([])
os.setgid(nobody.pw_gid)
os.setuid(nobody.pw_uid)
"""
# Root as in a container: all users are there, and nobody may make a user namespace.
WITHOUT_NAMESPACES = """
import ctypes, os, sys
from pathlib import Path
entered, enter = os.pipe()
mapped, map_ = os.pipe()
child = os.fork()
if child == 0:
    assert ctypes.CDLL(None).unshare(0x10000000) == 0
    os.write(enter, b"x")
    os.read(mapped, 1)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
os.read(entered, 1)
for name in ("uid_map", "gid_map"):
    Path(f"/proc/{child}/{name}").write_text("0 0 4294967295")
os.write(map_, b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".dure"
    embedded.stop(tmp_path / ".dure")


@contextmanager
def holder(home: Path, *command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that holds a lease, in a session of its own, and its url."""
    arguments = [sys.executable, *(command or ("-c", HOLD)), str(home)]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.communicate()


def ask(url: str, statement: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def postmaster(home: Path) -> int:
    pid = embedded.status(home).pid
    assert pid is not None
    return pid


def test_two_processes_share_a_server_and_the_last_one_stops_it(home: Path) -> None:
    with embedded.acquire(home) as lease:
        ask(lease.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        with holder(home) as (other, url):
            assert url == lease.url
            assert sorted(embedded.status(home).holders) == sorted([os.getpid(), other.pid])
            lease.release()
            assert ask(url, "SELECT answer FROM kept") == 42
        assert not embedded.status(home).running
    with embedded.acquire(home) as lease:
        assert ask(lease.url, "SELECT answer FROM kept") == 42


def test_a_table_made_without_a_schema_is_not_among_dures_own(home: Path) -> None:
    with embedded.acquire(home) as lease, psycopg.connect(lease.url) as connection:
        connection.execute("create schema dure")
        connection.execute("create table mine (id int)")
        assert connection.execute("select schemaname from pg_tables where tablename = 'mine'").fetchone() == ("public",)


def test_coming_and_going_at_the_same_time(home: Path) -> None:
    crowd = [subprocess.Popen([sys.executable, "-c", COME_AND_GO, str(home)]) for _ in range(4)]
    assert [process.wait() for process in crowd] == [0, 0, 0, 0]
    assert embedded.status(home) == embedded.Status(running=False, pid=None, url=None, holders=())


def test_a_killed_holder_does_not_count_and_its_server_is_taken_over(home: Path) -> None:
    with holder(home) as (other, _):
        first = postmaster(home)
        other.kill()
        other.wait()
    assert embedded.status(home).holders == ()
    with embedded.acquire(home):
        assert postmaster(home) == first
    assert not embedded.status(home).running


def test_a_forked_child_does_not_release_its_parents_lease(home: Path) -> None:
    forking = HOLD.replace("    sys.stdin", "    import os; os.waitpid(os.fork() or sys.exit(), 0)\n    sys.stdin")
    with holder(home, "-c", forking) as (_, url):
        assert ask(url, "SELECT 1") == 1


def test_a_killed_postmaster_is_restarted_with_its_data(home: Path) -> None:
    with embedded.acquire(home) as lease, holder(home):
        ask(lease.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        first, url = postmaster(home), lease.url
        os.kill(first, signal.SIGKILL)
        lease.ensure()
        assert postmaster(home) != first
        assert lease.url == url
        assert ask(url, "SELECT answer FROM kept") == 42


def test_a_new_holder_recovers_what_a_killed_postmaster_left(home: Path) -> None:
    with holder(home) as (other, url):
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        other.kill()
        os.kill(postmaster(home), signal.SIGKILL)
    with embedded.acquire(home) as lease:
        assert ask(lease.url, "SELECT answer FROM kept") == 42


@pytest.mark.skipif(sys.platform != "linux", reason="finds orphans in /proc")
def test_an_orphan_in_a_long_computation_is_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "ORPHANS_TIMEOUT_S", 0.5)
    with embedded.acquire(home) as lease, psycopg.connect(lease.url) as busy:
        endless = b"SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
        busy.pgconn.send_query(endless)
        while not ask(lease.url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count%series%a,%'"):
            pass
        os.kill(postmaster(home), signal.SIGKILL)
        lease.ensure()
        assert ask(lease.url, "SELECT 1") == 1
        busy.pgconn.finish()


def test_a_number_that_another_process_has_by_now_is_no_server(home: Path) -> None:
    with embedded.acquire(home):
        pass
    run = home / "run"
    (home / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{home}/data\n0\n5432\n{run}\n\n  0  0\nready\n")
    (run / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    assert embedded.status(home).pid is None
    with embedded.acquire(home) as lease:
        assert ask(lease.url, "SELECT 1") == 1


def test_a_lost_socket_is_made_again(home: Path) -> None:
    with embedded.acquire(home) as lease:
        (home / "run" / ".s.PGSQL.5432").unlink()
        lease.ensure()
        assert ask(lease.url, "SELECT 1") == 1


def test_ctrl_c_in_a_holders_terminal_does_not_reach_the_server(home: Path) -> None:
    with holder(home) as (starter, url), embedded.acquire(home):
        first = postmaster(home)
        assert os.getsid(first) not in (os.getsid(0), starter.pid)
        while starter.poll() is None:
            # Once more where it came just before the process began to wait for its input.
            os.killpg(starter.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                starter.wait(0.5)
        assert postmaster(home) == first
        assert ask(url, "SELECT 1") == 1


def test_stop_does_not_ask_the_holders_and_ensure_starts_again(home: Path) -> None:
    with embedded.acquire(home) as lease:
        assert embedded.stop(home)
        assert not embedded.stop(home)
        with pytest.raises(psycopg.OperationalError):
            ask(lease.url, "SELECT 1")
        lease.ensure()
        assert ask(lease.url, "SELECT 1") == 1


def test_a_checkout_deeper_than_a_socket_may_be(tmp_path: Path) -> None:
    home = tmp_path / ("deep, 깊은 'path'" * 6) / ".dure"
    urls = set()
    for _ in range(2):
        with embedded.acquire(home) as lease:
            assert ask(lease.url, "SELECT current_user") == "dure"
            run = (home / "run").resolve()
            assert home not in run.parents
            assert stat.S_IMODE(run.stat().st_mode) == 0o700
            assert run.stat().st_uid == (home / "data").stat().st_uid
            urls.add(lease.url)
    assert len(urls) == 1
    (run / ".s.PGSQL.5432").unlink(missing_ok=True)
    run.rmdir()


def test_no_network_even_when_somebody_asks_for_it(home: Path) -> None:
    with pytest.raises(embedded.EmbeddedError, match="listen_addresses"):
        embedded.acquire(home, {"listen_addresses": "*"})
    with embedded.acquire(home) as lease:
        ask(lease.url, "ALTER SYSTEM SET listen_addresses = '*'")
        embedded.stop(home)
        lease.ensure()
        assert ask(lease.url, "SHOW listen_addresses") == ""
        descriptors = Path(f"/proc/{postmaster(home)}/fd")
        if descriptors.exists():
            own = {os.readlink(entry).removeprefix("socket:[").rstrip("]") for entry in descriptors.iterdir()}
            tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
            rows = [row.split() for table in tables if table.exists() for row in table.read_text().splitlines()[1:]]
            assert not own & {row[9] for row in rows}
        assert stat.S_IMODE((home / "run").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700


def test_durable_settings_korean_and_overrides(home: Path) -> None:
    with embedded.acquire(home, {"max_connections": "33", "application_name": "it's"}) as lease:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert ask(lease.url, f"SHOW {name}") == "on"
        assert ask(lease.url, "SHOW TimeZone") == "UTC"
        assert ask(lease.url, "SHOW max_connections") == "33"
        assert ask(lease.url, "SHOW application_name") == "it's"
        ask(lease.url, "CREATE EXTENSION pg_trgm; CREATE EXTENSION vector")
        assert ask(lease.url, "SELECT similarity('가나다', '라마바')") == 0
        assert ask(lease.url, "SELECT similarity('가나다라', '가나다라마')") > 0.5
        assert ask(lease.url, "SELECT upper('é') = 'É'") is True


def test_a_failed_start_says_what_postgresql_said_and_holds_nothing(home: Path) -> None:
    with pytest.raises(embedded.EmbeddedError, match=r'(?s)did not|stopped.*"shared_buffers"'):
        embedded.acquire(home, {"shared_buffers": "much"})
    assert embedded.status(home).holders == ()
    with embedded.acquire(home) as lease:
        assert ask(lease.url, "SELECT 1") == 1


def test_data_of_another_major_version_is_refused(home: Path) -> None:
    with embedded.acquire(home):
        pass
    (home / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(
        embedded.EmbeddedError, match="made by PostgreSQL 17, and the embedded server here is PostgreSQL 18"
    ):
        embedded.acquire(home)


def test_status_makes_nothing(home: Path) -> None:
    assert embedded.status(home) == embedded.Status(running=False, pid=None, url=None, holders=())
    assert not embedded.stop(home)
    assert not home.exists()


@ROOT_ONLY
def test_as_an_ordinary_user_and_then_as_root_on_the_same_data() -> None:
    with tempfile.TemporaryDirectory() as directory:
        account = embedded_os.choose_account(None)
        entry = pwd.getpwnam("nobody")
        nobody = embedded_os.Account(entry.pw_uid, entry.pw_gid)
        nobody.give(Path(directory), 0o755)
        if not nobody.passes("-x", embedded_os.wheel_directory() / "pginstall" / "bin" / "postgres"):
            pytest.skip("an ordinary user cannot reach this checkout")
        home = Path(directory) / ".dure"
        with holder(home, "-c", AS_NOBODY + HOLD) as (_, url):
            ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
            assert (home / "data").stat().st_uid == nobody.uid != account.uid
        with embedded.acquire(home) as lease:
            assert ask(lease.url, "SELECT answer FROM kept") == 42
            assert Path(f"/proc/{postmaster(home)}").stat().st_uid == nobody.uid


@ROOT_ONLY
@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces")
@pytest.mark.parametrize("reachable", [True, False], ids=["reachable", "unreachable"])
def test_root_without_user_namespaces_becomes_another_user(reachable: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755 if reachable else 0o700)
        home = Path(directory) / ".dure"
        with holder(home, "-c", WITHOUT_NAMESPACES, "-c", HOLD) as (_, url):
            ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
            data = (home / "data").resolve()
            assert data.stat().st_uid != 0
            assert (home in data.parents) == reachable
        with embedded.acquire(home) as lease:
            assert ask(lease.url, "SELECT answer FROM kept") == 42
            assert (home / "data").resolve() == data
        for name in ("run", "data"):
            if (home / name).is_symlink():
                subprocess.run(["rm", "-r", (home / name).resolve()], check=True)
        if not reachable:
            subprocess.run(["rm", "-r", data.parent], check=True)
