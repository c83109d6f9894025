"""What every Python adapter shares: the command line, the progress page and the worker's stop signal.

It runs inside each peer's own virtual environment, so it uses the standard library only. The protocol itself
is described in `bench/README.md`; an adapter is a subclass of `Peer` and a call of `main`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import mmap
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ClassVar

WARM_UP_JOBS = 10
"""The first stamped jobs of a latency run are not counted: they pay for connections and plans."""

PAGE_BYTES = 24
"""The progress page: jobs done (uint64), first handler start and last handler end (float64, seconds)."""


class UnsupportedError(Exception):
    """The peer offers no such thing; the report shows a dash."""


class Worker:
    """One worker process seen from outside: it waits for `go`, marks each handler, reports at `stop`.

    The marks go to a memory-mapped page that the frame reads, so that counting costs no database round trip.
    """

    current: ClassVar[Worker]
    """This process's worker, for handlers that are module-level functions."""

    def __init__(self, stamp: bool) -> None:
        Worker.current = self
        self.stamp = stamp
        self.delays: list[float] = []
        self._cpu_at_go = 0.0
        path = os.environ["BENCH_PROGRESS"]
        with open(path, "r+b") as file:
            view = memoryview(mmap.mmap(file.fileno(), PAGE_BYTES))
        self._count = view[:8].cast("Q")
        self._times = view[8:].cast("d")
        self.mark: Callable[[], None] = self._marker()

    def _marker(self) -> Callable[[], None]:
        count, times, now = self._count, self._times, time.time

        def mark() -> None:
            done = count[0] + 1
            times[1] = moment = now()
            if done == 1:
                times[0] = moment
            count[0] = done

        return mark

    def arrived(self, payload: dict[str, Any]) -> None:
        """The body of the latency handler: how long ago was this job enqueued?"""
        self.delays.append(time.time() - payload["t"])
        self.mark()

    def wait_for_go(self) -> None:
        """Say that everything is imported and connected, then hold until the frame releases all workers."""
        _say({"ready": True})
        if sys.stdin.readline().strip() != "go":
            os._exit(1)
        self._cpu_at_go = _cpu_seconds()
        threading.Thread(target=self._report_at_stop, daemon=True).start()

    def _report_at_stop(self) -> None:
        sys.stdin.readline()  # "stop", or the end of the pipe when the frame is gone
        try:
            _say(self._report())
        finally:  # nobody may be listening any more
            os._exit(0)

    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = {
            "first": self._times[0],
            "last": self._times[1],
            "done": self._count[0],
            "cpu_s": _cpu_seconds() - self._cpu_at_go,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        if self.stamp:
            delays = sorted(self.delays[WARM_UP_JOBS:]) or [float("nan")]
            report["p50_ms"] = quantile(delays, 0.50) * 1000
            report["p99_ms"] = quantile(delays, 0.99) * 1000
        return report


class Peer:
    """One engine under measurement. Every method gets a database that `setup` has prepared."""

    name: ClassVar[str]
    package: ClassVar[str]
    keeps_rows: ClassVar[bool] = True
    """False when the engine deletes a job's row on completion: less is written, and no history is left."""
    handler: ClassVar[str] = "async"
    drain_scale: ClassVar[int] = 1
    """Fast engines drain this many times `--jobs`, so that their drain is long enough to be measured."""
    remaining_sql: ClassVar[str | None] = None
    """How many jobs are waiting or running; completions count as stored when it says zero."""
    finished_sql: ClassVar[str | None] = None
    """How many jobs have finished, where that is cheaper to ask again and again than `remaining_sql`."""
    remaining_redis: ClassVar[list[list[str]]] = []
    """The same on Redis: commands whose integer answers are added up."""
    settings: ClassVar[dict[str, Any]] = {}
    uvloop: ClassVar[bool] = True

    def __init__(self) -> None:
        self.url = os.environ.get("BENCH_DATABASE_URL", "")

    def info(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": importlib.metadata.version(self.package),
            "runtime": f"Python {sys.version.split()[0]}",
            "keeps_rows": self.keeps_rows,
            "handler": self.handler,
            "drain_scale": self.drain_scale,
            "remaining_sql": self.remaining_sql,
            "finished_sql": self.finished_sql,
            "remaining_redis": self.remaining_redis,
            "settings": self.settings,
        }

    async def setup(self) -> None:
        """Create the engine's schema in the empty database."""
        raise NotImplementedError

    async def open(self) -> None:
        """Connect as a producer; not timed."""

    async def enqueue_one(self, n: int) -> None:
        """Enqueue n no-op jobs with the payload {"i": number}, each in a call and a commit of its own."""
        raise NotImplementedError

    async def enqueue_bulk(self, n: int) -> None:
        """Enqueue n no-op jobs through the engine's own bulk call."""
        raise UnsupportedError

    async def enqueue_copy(self, n: int) -> None:
        """Enqueue n no-op jobs through the engine's own COPY."""
        raise UnsupportedError

    async def fill(self, n: int) -> None:
        """Leave n no-op jobs waiting, by whichever way is fastest; not timed."""
        await self.enqueue_bulk(n)

    async def fill_done(self, n: int) -> None:
        """Leave n finished jobs in the tables, by SQL; not timed."""
        raise UnsupportedError

    async def send(self, payload: dict[str, Any]) -> None:
        """Enqueue one job for the latency handler."""
        raise NotImplementedError

    async def work(self, worker: Worker) -> None:
        """Connect, call `worker.wait_for_go()`, then run a worker until the process ends.

        The handler calls `worker.mark()`, or `worker.arrived(payload)` when `worker.stamp` is set.
        """
        raise NotImplementedError

    async def startup(self, handlers: int) -> None:
        """Start a worker process that knows this many handlers; return when it would claim."""
        raise UnsupportedError


def quantile(ordered: list[float], q: float) -> float:
    """The nearest-rank quantile of an ascending list."""
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def numbers(n: int, chunk: int) -> Iterator[range]:
    """0 … n−1 in ranges of at most `chunk`: the batches of a bulk call."""
    for start in range(0, n, chunk):
        yield range(start, min(start + chunk, n))


def copies_sql(table: str, overlay: str, n: int, where: str = "true") -> str:
    """Copy one of the table's rows n times, changing the columns that the jsonb expression `overlay` names.

    The row that is copied was written by the engine itself, so its million copies look like the engine's own;
    `overlay` may use the number of the copy as `g`. The CASE ties it to `g`: otherwise PostgreSQL would
    evaluate it once, and all copies would get the same id.
    """
    return f"""
        INSERT INTO {table} OVERRIDING SYSTEM VALUE
        SELECT r.*
        FROM (SELECT x FROM {table} x WHERE {where} LIMIT 1) AS t(row_),
             generate_series(1, {n}) AS g,
             LATERAL jsonb_populate_record(t.row_, CASE WHEN g > 0 THEN {overlay} END) AS r
    """


def main(peer_type: type[Peer]) -> None:
    """Answer the one command that the frame asked for, as JSON lines on standard output."""
    arguments = _parser().parse_args()
    peer = peer_type()
    if arguments.command == "info":
        _say(peer.info())
        return
    factory = None
    if peer.uvloop:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_answer_and_end(peer, arguments))


async def _answer_and_end(peer: Peer, arguments: argparse.Namespace) -> None:
    """End the process right after the answer: pools and background tasks of some engines would delay it."""
    try:
        answer = await _answer(peer, arguments)
    except UnsupportedError:
        answer = {"unsupported": True}
    _say(answer)
    os._exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("info", "setup"):
        commands.add_parser(name)
    for name in ("enqueue", "fill", "fill-done", "drain", "latency", "pace", "startup"):
        commands.add_parser(name).add_argument("--n", type=int, required=True)
    commands.choices["enqueue"].add_argument("--how", choices=["one", "bulk", "copy"], required=True)
    commands.choices["pace"].add_argument("--rate", type=float, default=50)
    return parser


async def _answer(peer: Peer, arguments: argparse.Namespace) -> dict[str, Any]:
    n = getattr(arguments, "n", 0)
    match arguments.command:
        case "setup":
            await peer.setup()
            return {}
        case "drain" | "latency":
            await peer.work(Worker(stamp=arguments.command == "latency"))
            raise RuntimeError("the worker ended by itself")
        case "startup":
            return await _timed(peer.startup, n)
        case "pace":
            await peer.open()
            return await _timed(lambda jobs: _pace(peer, jobs, arguments.rate), n)
        case "enqueue":
            await peer.open()
            return await _timed(getattr(peer, f"enqueue_{arguments.how}"), n)
        case _:
            await peer.open()
            return await _timed(peer.fill if arguments.command == "fill" else peer.fill_done, n)


async def _timed(action: Callable[[int], Coroutine[Any, Any, None]], n: int) -> dict[str, Any]:
    begin = time.perf_counter()
    await action(n)
    return {"seconds": time.perf_counter() - begin, "n": n}


async def _pace(peer: Peer, n: int, rate: float) -> None:
    begin = time.monotonic()
    for i in range(n + WARM_UP_JOBS):
        await asyncio.sleep(max(0.0, begin + i / rate - time.monotonic()))
        await peer.send({"t": time.time()})


def _say(answer: dict[str, Any]) -> None:
    """Write to the descriptor itself: some engines take sys.stdout for their log."""
    os.write(1, json.dumps(answer).encode() + b"\n")


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
