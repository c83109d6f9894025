"""The process in which isolated handlers run; started by `isolated.spawn`, one job at a time.

It ends when its socket does, so it never outlives its worker: the kernel closes a dead worker's sockets.
"""

import asyncio
import contextlib
import json
import os
import random
import select
import signal
import socket
import sys
import threading
from typing import Any

from dure.db.pool import Database
from dure.errors import LeaseLost
from dure.queue.context import Cancelled, Context, ThreadContext
from dure.queue.finisher import complete_in, wait_in
from dure.queue.hands import arguments, trace_of
from dure.queue.model import Claimed
from dure.queue.registry import Spec, load_target
from dure.queue.results import WaitForChildren, to_json
from dure.queue.retry import judge
from dure.queue.threads import in_thread
from dure.settings import load

LINE_BYTES_MAX = 128 * 1024 * 1024


class Teller:
    """Stands where a worker has its scribe: passes on what the handler reports."""

    def __init__(self, writer: asyncio.StreamWriter, loop: asyncio.AbstractEventLoop) -> None:
        self._writer = writer
        self._loop = loop
        self.go = asyncio.Event()
        self.has_notes = False

    def tell(self, **message: Any) -> None:
        """Send a message to the worker; from any thread, in the order of the calls."""
        self._loop.call_soon_threadsafe(self._writer.write, json.dumps(message).encode() + b"\n")

    def log(self, _job: Claimed, level: str, message: str) -> None:
        """Pass on a line of the job's log."""
        self.has_notes = True
        self.tell(kind="log", level=level, message=message)

    def progress(self, _job: Claimed, done: int, total: int | None, note: str) -> None:
        """Pass on how far the job is."""
        self.has_notes = True
        self.tell(kind="progress", done=done, total=total, note=note)

    async def flush(self) -> None:
        """Have the worker write what was reported, and wait until it has."""
        self.has_notes = False
        self.go.clear()
        self.tell(kind="ending")
        await self.go.wait()


class Child:
    """This process: what it runs, and what it was told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._database = Database(load(), part="isolated", min_size=0, max_size=2)
        self._opened = False
        self._task: asyncio.Task[None] | None = None
        self._stoppable = False
        self._context: Context | None = None
        self._teller = Teller(writer, asyncio.get_running_loop())

    async def serve(self) -> None:
        """Do what the worker says until the socket ends."""
        while line := await self._reader.readline():
            match json.loads(line):
                case {"path": path}:
                    sys.path[:] = path
                case {"cancel": reason}:
                    self._cancel(reason)
                case {"go": _}:
                    self._teller.go.set()
                case {"job": job, "target": target}:
                    self._teller = Teller(self._writer, asyncio.get_running_loop())
                    self._writer.write(b'{"kind": "begun"}\n')
                    await self._writer.drain()
                    self._task = asyncio.create_task(self._run(Claimed(*job), target))

    def _cancel(self, reason: str) -> None:
        """Ask the handler to stop: a plain function sees it when it looks, and is killed when it does not."""
        if self._context is not None:
            self._context.cancel_reason = reason or "cancelled by request"
            if self._stoppable and self._task is not None:
                self._task.cancel()

    async def _run(self, job: Claimed, target: str) -> None:
        database, teller = self._database, self._teller
        context = ThreadContext(job, database, teller, asyncio.get_running_loop())  # type: ignore[arg-type]
        self._context = context
        try:
            if not self._opened:
                await database.start()
                self._opened = True
            loaded = load_target(Spec(name=job.handler, target=target))
            given = arguments(job, loaded, context)
            if loaded.is_async:
                self._stoppable = True
                value = await loaded.call(*given)
                self._stoppable = False
            else:
                value = await in_thread(loaded.call, *given, name="isolated")
            await self._tell_end(job, context, value)
        except BaseException as error:
            self._stoppable = False
            with contextlib.suppress(Exception):
                await context.close(error)
            _tell_failure(job, context, error, teller)
        finally:
            self._context = None

    async def _tell_end(self, job: Claimed, context: Context, value: Any) -> None:
        waits = isinstance(value, WaitForChildren)
        result_json = None if waits else to_json(value)
        teller = self._teller
        if context.open_tx is None:
            if waits:
                teller.tell(kind="waited")
            else:
                teller.tell(kind="completed", result=result_json)
            return
        if teller.has_notes:
            await teller.flush()
        if waits:
            await wait_in(context.open_tx, job)
        else:
            await complete_in(context.open_tx, job, result_json)
        await context.close(None)
        teller.tell(kind="committed", completed=not waits)


def _tell_failure(job: Claimed, context: Context, error: BaseException, teller: Teller) -> None:
    stopped = isinstance(error, Cancelled | asyncio.CancelledError)
    verdict = judge(error, job.retry_count, random.SystemRandom())
    teller.tell(
        kind="failed", reason="cancel" if stopped and (context.cancelled or isinstance(error, Cancelled)) else None,
        lease_lost=isinstance(error, LeaseLost), delay_s=verdict.delay_s, error_class=verdict.error_class,
        error=verdict.error, traceback=trace_of(error),
    )  # fmt: skip


def _end_with(descriptor: int) -> None:
    """End this process and what it started when the socket's other end is gone, whatever the loop is busy with."""
    poll = select.poll()
    poll.register(descriptor, 0)
    poll.poll()
    os.killpg(0, signal.SIGKILL)


async def serve(sock: socket.socket) -> None:
    """Run jobs until the socket ends."""
    threading.Thread(target=_end_with, args=(os.dup(sock.fileno()),), name="dure.life", daemon=True).start()
    reader, writer = await asyncio.open_unix_connection(sock=sock, limit=LINE_BYTES_MAX)
    await Child(reader, writer).serve()
    # Without waiting for threads and connections: nothing that they still do counts.
    os._exit(0)


def main() -> None:
    """Serve on the socket whose number is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as sock:
        asyncio.run(serve(sock))


if __name__ == "__main__":
    main()
