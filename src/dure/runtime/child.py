"""One worker process under a supervisor: `python -m dure.runtime.child LIFE STATUS PARENT`.

LIFE is a pipe that nobody writes to: its end means that the supervisor is gone. On STATUS this process
says, one JSON document a line, which worker it is and that it is ready. PARENT is the supervisor's process,
to notice that it died before this one could ask the kernel to be told.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from dure import logs
from dure.db.pool import Database
from dure.errors import DureError
from dure.queue.worker import Worker
from dure.runtime.companions import Companions
from dure.runtime.equipment import equip
from dure.settings import Settings, load

PR_SET_PDEATHSIG = 1
ORPHAN_GRACE_S = 5.0
"""An orphan lets its jobs finish for so long at most."""
ORPHAN_END_S = 10.0
"""Then it ends, whatever it is in the middle of."""
IDENTITY_S = 0.5
"""A worker that lost its lease comes back under another number, which the supervisor must know to bury it."""


def main() -> None:
    """Run one worker until it is told to stop or its supervisor is gone."""
    life, status, parent = (int(argument) for argument in sys.argv[1:4])
    for pipe in (life, status):
        os.set_inheritable(pipe, False)
    _die_with(parent)
    settings = load()
    logs.configure(log_format=settings.log_format, log_level=settings.log_level)
    try:
        asyncio.run(_run(settings, life, status, parent))
    except DureError as error:
        _tell(status, error={"code": error.code, "message": error.text()})
        sys.exit(error.exit_code)


async def _run(settings: Settings, life: int, status: int, parent: int) -> None:
    stopping = asyncio.Event()
    hurry = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, _both, stopping, hurry)
    watcher = threading.Thread(target=_watch_parent, args=(life, loop, stopping.set), name="dure.life", daemon=True)
    watcher.start()
    async with Database(settings) as database:
        worker = Worker(database, await equip(database, settings), settings)
        companions = Companions(database, settings)
        await worker.start()
        await companions.start()
        _tell(status, worker_id=worker.worker_id)
        _tell(status, ready=True)
        identity = asyncio.create_task(_report_identity(worker, status))
        await stopping.wait()
        identity.cancel()
        await companions.stop()
        # The signal that the kernel sends for the supervisor's death comes when the parent has changed already.
        orphaned = os.getppid() != parent
        await _stop(worker, hurry, min(settings.grace_s, ORPHAN_GRACE_S) if orphaned else settings.grace_s)


def _both(stopping: asyncio.Event, hurry: asyncio.Event) -> None:
    hurry.set()
    stopping.set()


async def _stop(worker: Worker, hurry: asyncio.Event, grace_s: float) -> None:
    """Stop gracefully, or at once as soon as somebody hurries."""
    graceful = asyncio.create_task(worker.stop(grace_s))
    hurried = asyncio.create_task(hurry.wait())
    await asyncio.wait({graceful, hurried}, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    if not graceful.done():
        await worker.stop(0)
    await graceful


async def _report_identity(worker: Worker, status: int) -> None:
    known = worker.worker_id
    while True:
        await asyncio.sleep(IDENTITY_S)
        if worker.worker_id != known:
            known = worker.worker_id
            _tell(status, worker_id=known)


def _tell(status: int, **said: object) -> None:
    # A line is shorter than PIPE_BUF, so it is written whole; a supervisor that is gone reads nothing.
    with suppress(OSError):
        os.write(status, json.dumps(said).encode() + b"\n")


def _die_with(parent: int) -> None:
    """Have the kernel send SIGTERM when the supervisor ends; elsewhere the pipe alone says so."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def _watch_parent(life: int, loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """Wait for the end of the pipe. A thread, because a handler may block the loop."""
    while os.read(life, 1):
        pass
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(stop)
    time.sleep(ORPHAN_END_S)
    os._exit(1)


if __name__ == "__main__":
    main()
