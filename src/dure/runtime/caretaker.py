"""Keeps the embedded server up for a while after `dure db url` has ended: `python -m dure.runtime.caretaker`.

`psql "$(dure db url)"` connects when the command is over, and the embedded server stops with the last
process that holds a lease on it. So `dure db url` leaves this small process behind. It holds a lease as
long as clients are connected, and for `IDLE_S` after the last one, or after the last time that somebody
asked for the url.
"""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psycopg

from dure.db import embedded
from dure.db.sql import load
from dure.runtime.environment import environment, python
from dure.runtime.pidfile import PidFile
from dure.runtime.problems import AlreadyRuns
from dure.settings import Settings
from dure.settings import load as load_settings

IDLE_S = 600.0
LOOK_S = 5.0
READY_TIMEOUT_S = 120.0
STOP_S = 30.0

CLIENTS = load("dure.runtime", "clients_count")


def pid_file(home: Path) -> PidFile:
    """Answer the file of this home's caretaker."""
    return PidFile(home / "caretaker.pid")


def keep(settings: Settings) -> None:
    """Have somebody keep the server up; returns when somebody does. The caller holds a lease meanwhile.

    Example: `with embedded.acquire(settings.home) as lease: keep(settings)`.
    """
    home = settings.home
    (home / "caretaker.asked").touch()
    if pid_file(home).holder() is not None:
        return
    if any(pid != os.getpid() for pid in embedded.status(home).holders):
        # A server or a worker of Dure uses it, and whoever stops that one wants the database stopped as well.
        return
    caretaker = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
        python("dure.runtime.caretaker"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(settings),
        start_new_session=True,
    )
    assert caretaker.stdout is not None
    # One line when it has its lease; the end of the file when another caretaker was faster.
    caretaker.stdout.readline()


def main() -> None:
    """Hold a lease until nobody has needed the server for a while."""
    settings = load_settings()
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    with suppress(AlreadyRuns), pid_file(settings.home).held(), embedded.acquire(settings.home) as lease:
        _say_ready()
        _wait_until_idle(lease, settings.home / "caretaker.asked")


def _wait_until_idle(lease: embedded.Lease, asked: Path) -> None:
    needed_s = time.time()
    while time.time() - needed_s < IDLE_S:
        time.sleep(LOOK_S)
        with suppress(FileNotFoundError):
            needed_s = max(needed_s, asked.stat().st_mtime)
        if _has_clients(lease):
            needed_s = time.time()


def _has_clients(lease: embedded.Lease) -> bool:
    try:
        with psycopg.connect(lease.url, autocommit=True, application_name="dure/caretaker") as connection:
            row = connection.execute(CLIENTS).fetchone()
    except psycopg.OperationalError:
        lease.ensure()
        return False
    return bool(row and row[0])


def _say_ready() -> None:
    os.write(1, b"ready\n")
    # Whoever asked has its answer; its pipe must not be held open.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
