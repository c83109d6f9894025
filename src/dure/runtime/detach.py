"""`dure up --detach` and `dure down`: the same server, in the background, found again by its file."""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dure.runtime import caretaker
from dure.runtime.environment import environment, python
from dure.runtime.pidfile import PidFile
from dure.runtime.problems import AlreadyRuns, DetachedFailed
from dure.settings import Settings

READY_FD = "DURE_UP_READY_FD"
"""Names, for the background process, the pipe on which it says once that it is ready."""
LOG_TAIL_LINES_MAX = 15
STOP_EXTRA_S = 30.0
"""On top of the workers' grace time: the HTTP server and the database stop too."""


def pid_file(home: Path) -> PidFile:
    """Answer the file of this home's background server."""
    return PidFile(home / "up.pid")


def log_path(home: Path) -> Path:
    """Answer where the background server writes its log."""
    return home / "up.log"


def start(settings: Settings, *, processes: int) -> str:
    """Start a server in the background; answers its url when it is ready.

    Raises `AlreadyRuns` or, with what the process wrote last, `DetachedFailed`.
    """
    home = settings.home
    home.mkdir(parents=True, exist_ok=True)
    if (facts := pid_file(home).holder()) is not None:
        raise AlreadyRuns(**{"pid": 0, "url": "", **facts})
    read, write = os.pipe()
    with log_path(home).open("ab") as log:
        before = log.tell()
        process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            python("dure", "up", "--processes", str(processes)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(settings, {READY_FD: str(write)}),
            pass_fds=(write,),
            start_new_session=True,
        )
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as said:
        url = said.readline().strip()
    if not url:
        process.wait()
        with log_path(home).open(errors="replace") as log_text:
            log_text.seek(before)
            lines = log_text.read().splitlines()[-LOG_TAIL_LINES_MAX:]
        raise DetachedFailed(log=log_path(home), reason="\n".join(lines))
    # Popen would complain that the process still runs; it is meant to.
    process.returncode = 0
    return url


class Announcement:
    """The background process's side: holds the pid file, and says on the pipe that it is ready.

    Example: `with Announcement(settings.home) as announcement: announcement.ready(url)`.
    """

    def __init__(self, home: Path) -> None:
        self._file = pid_file(home)
        self._stack = ExitStack()
        given = os.environ.pop(READY_FD, None)
        self._pipe = int(given) if given else None

    def __enter__(self) -> "Announcement":
        if self._pipe is not None:
            os.set_inheritable(self._pipe, False)
            self._stack.enter_context(self._file.held())
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def ready(self, url: str) -> None:
        """Tell whoever started this process; does nothing in the foreground."""
        if self._pipe is not None:
            self._file.write(pid=os.getpid(), url=url)
            os.write(self._pipe, f"{url}\n".encode())
            os.close(self._pipe)
            self._pipe = None


def stop(settings: Settings) -> dict[str, Any] | None:
    """Stop the background server and what keeps the embedded database up; None when there was no server."""
    facts = pid_file(settings.home).stop(settings.grace_s + STOP_EXTRA_S)
    caretaker.pid_file(settings.home).stop(caretaker.STOP_S)
    return facts
