"""A background process's file: its number, where it answers, and a lock that is free exactly when it has
ended.

The lock decides, never the number: the kernel frees it whatever kills the process, and a number may be
somebody else's by the time that it is read.
"""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dure.runtime.problems import AlreadyRuns

POLL_S = 0.02


class PidFile:
    """The file of one background process. Example: `PidFile(home / "up.pid").holder()`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be that process, until it ends; raises `AlreadyRuns` when another one is."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise AlreadyRuns(**{"pid": 0, "url": "", **(self.holder() or {})}) from None
        # Never closed: the kernel frees the lock when the process has ended, all of it.
        self.write(pid=os.getpid())
        yield
        # Emptied, not removed: somebody may wait for the lock of this very file.
        os.ftruncate(file, 0)

    def write(self, **facts: object) -> None:
        """Say more about the process that holds the file. Example: `file.write(pid=pid, url=url)`."""
        unfinished = json.dumps(facts)
        with self.path.open("r+") as file:
            file.write(unfinished)
            file.truncate()

    def holder(self) -> dict[str, Any] | None:
        """Answer what the process wrote, or None when none runs."""
        try:
            with self.path.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return self._facts()
        except FileNotFoundError:
            pass
        return None

    def stop(self, patience_s: float) -> dict[str, Any] | None:
        """Ask the process to end, insist when it does not, and return when it is gone; answer what it was.

        `patience_s` is how long it may take over a graceful end.
        """
        facts = self.holder()
        if facts is None:
            return None
        for how, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGINT, 10.0), (signal.SIGKILL, 10.0)):
            current = self.holder()
            if current is None:
                break
            if current.get("pid"):
                with suppress(ProcessLookupError):
                    os.kill(int(current["pid"]), how)
            if self._ends_within(wait_s):
                break
        return facts

    def _ends_within(self, wait_s: float) -> bool:
        deadline = time.monotonic() + wait_s
        while self.holder() is not None:
            if time.monotonic() > deadline:
                return False
            # The kernel tells only those who wait for the lock, and that wait knows no time limit.
            time.sleep(POLL_S)
        return True

    def _facts(self) -> dict[str, Any]:
        try:
            facts: dict[str, Any] = json.loads(self.path.read_text() or "{}")
        except (OSError, ValueError):
            return {}
        return facts
