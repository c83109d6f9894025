"""What is measured, in the same way for every peer.

A drain is timed from the start of the first handler until the last completion is stored in the database: a
peer may buffer completions, but has to pay for writing them. Workers are imported, connected and held before
`go`, so that no interpreter's start-up is part of any figure.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from bench.driver import AdapterError, WorkerProcess, command
from bench.installation import Adapter
from bench.server import Postgres, Redis

_LOOK_INTERVAL_S = 0.002
_STORED_INTERVAL_S = 0.005
_COUNT_OPTIONS = "-c statement_timeout=120s"
_SETTLE_IDLE_S = 2.0
"""How long a worker idles before the latency jobs arrive."""


@dataclass(frozen=True)
class Sizes:
    """How much work each scenario is."""

    jobs: int = 20_000
    one: int = 2_000
    bulk: int = 50_000
    latency: int = 300
    latency_rate: float = 50
    backlog: int = 1_000_000
    history: int = 10_000_000
    reader_churn: int = 1
    """Drains that go by under the open reader before the timed one: they leave the dead rows."""
    drain_timeout_s: float = 600
    handlers: tuple[int, ...] = (10, 100, 10_000)


@dataclass
class Bench:
    """One installed peer on the servers of this run."""

    adapter: Adapter
    info: dict[str, Any]
    postgres: Postgres
    redis: Redis | None
    sizes: Sizes
    templates: set[str] = field(default_factory=set)

    @property
    def database(self) -> str:
        return f"bench_{self.adapter.name}"

    @property
    def jobs(self) -> int:
        return self.sizes.jobs * self.info["drain_scale"]

    @property
    def on_redis(self) -> bool:
        return bool(self.redis and self.info["remaining_redis"])

    @property
    def urls(self) -> dict[str, str]:
        urls = {"BENCH_DATABASE_URL": self.postgres.database_url(self.database)}
        if self.redis:
            urls["BENCH_REDIS_URL"] = self.redis.url
        return urls

    def ask(self, *arguments: str) -> dict[str, Any]:
        return command(self.adapter, self.urls, *arguments)

    def fresh(self, prepare: str | None = None, n: int = 0) -> bool:
        """A fresh database, prepared by the adapter's command; False when the peer cannot do that.

        The prepared database is kept as a template, so that later rounds copy it instead of filling it again.
        """
        if self.redis and self.on_redis:
            self.redis.ask("FLUSHALL")
            return not (prepare and self.ask(prepare, "--n", str(n)).get("unsupported"))
        template = f"{self.database}_{prepare or 'empty'}_{n}"
        if template not in self.templates:
            if prepare:
                self.fresh()
                if self.ask(prepare, "--n", str(n)).get("unsupported"):
                    return False
            else:
                self.postgres.create_database(self.database)
                self.ask("setup")
            self.postgres.create_database(template, self.database)
            self.templates.add(template)
        self.postgres.create_database(self.database, template)
        return True

    def settle(self) -> None:
        if not self.on_redis:
            self.postgres.settle(self.database)

    def remaining(self) -> int:
        """Jobs that are waiting or running, as the peer's own tables (or lists) say."""
        if self.redis and self.on_redis:
            return sum(int(self.redis.ask(*words)) for words in self.info["remaining_redis"])
        return self._count(self.info["remaining_sql"])

    def finished(self) -> int | None:
        """Finished jobs, for a peer whose tables tell that sooner than what remains."""
        return self._count(sql) if (sql := self.info.get("finished_sql")) else None

    def _count(self, sql: str) -> int:
        url = self.urls["BENCH_DATABASE_URL"]
        with psycopg.connect(url, autocommit=True, options=_COUNT_OPTIONS) as connection:
            row = connection.execute(sql).fetchone()  # pyright: ignore
        return int(row[0]) if row else 0

    def server_cpu_seconds(self) -> float | None:
        if self.redis and self.on_redis:
            return self.redis.cpu_seconds()
        return self.postgres.cpu_seconds()

    def close(self) -> None:
        for name in [self.database, *self.templates]:
            self.postgres.drop_database(name)


Result = dict[str, float]


def enqueue_one(bench: Bench) -> Result | None:
    return _enqueue(bench, "one", bench.sizes.one)


def enqueue_bulk(bench: Bench) -> Result | None:
    return _enqueue(bench, "bulk", bench.sizes.bulk)


def enqueue_copy(bench: Bench) -> Result | None:
    return _enqueue(bench, "copy", bench.sizes.bulk)


def _enqueue(bench: Bench, how: str, n: int) -> Result | None:
    bench.fresh()
    bench.settle()
    answer = bench.ask("enqueue", "--n", str(n), "--how", how)
    return None if answer.get("unsupported") else {"rate": n / answer["seconds"]}


def drain_1(bench: Bench) -> Result | None:
    return _drain(bench, 1) if bench.fresh("fill", bench.jobs) else None


def drain_2(bench: Bench) -> Result | None:
    return _drain(bench, 2) if bench.fresh("fill", bench.jobs) else None


def backlog(bench: Bench) -> Result | None:
    """Drain as many jobs as `drain_1` does while a million wait."""
    return _drain(bench, 1, stop_early=True) if bench.fresh("fill", bench.sizes.backlog) else None


def history(bench: Bench) -> Result | None:
    """Drain while ten million finished jobs are kept."""
    if not bench.info["keeps_rows"] or not bench.fresh("fill-done", bench.sizes.history):
        return None
    bench.ask("fill", "--n", str(bench.jobs))
    return _drain(bench, 1)


def reader(bench: Bench) -> Result | None:
    """Drain while a reader's transaction, older than all the churn, keeps every dead row alive."""
    if bench.on_redis or not bench.fresh():
        return None
    with psycopg.connect(bench.urls["BENCH_DATABASE_URL"]) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT 1 FROM pg_class LIMIT 1")
        for _ in range(bench.sizes.reader_churn):
            bench.ask("fill", "--n", str(bench.jobs))
            _drain(bench, 1)
        bench.ask("fill", "--n", str(bench.jobs))
        return _drain(bench, 1)


def latency(bench: Bench) -> Result | None:
    """From enqueue to the handler's start with an idle worker, the producer being another process."""
    bench.fresh()
    bench.settle()
    n = bench.sizes.latency
    with _workers(bench, 1, "latency", n) as workers:
        time.sleep(_SETTLE_IDLE_S)
        bench.ask("pace", "--n", str(n), "--rate", str(bench.sizes.latency_rate))
        with contextlib.suppress(TimeoutError):  # the jobs that did arrive still tell something
            _wait_for_handlers(workers, n, timeout=10)
        report = workers[0].stop()
    return {"p50_ms": report["p50_ms"], "p99_ms": report["p99_ms"]}


def startup(bench: Bench) -> Result | None:
    """Seconds from starting a worker process until it would claim, by the number of handlers it knows."""
    bench.fresh()
    result: Result = {}
    for count in bench.sizes.handlers:
        begin = time.monotonic()
        if bench.ask("startup", "--n", str(count)).get("unsupported"):
            return None
        result[f"handlers_{count}_s"] = time.monotonic() - begin
    return result


def _drain(bench: Bench, processes: int, stop_early: bool = False) -> Result:
    """Drain `bench.jobs` jobs; with `stop_early` more of them wait, and the drain ends in mid-flight."""
    bench.settle()
    left = _Countdown(bench)
    with _workers(bench, processes, "drain", bench.jobs, go=False) as workers:
        cpu_before = bench.server_cpu_seconds()
        began = time.time()
        for worker in workers:
            worker.go()
        _wait_for_handlers(workers, bench.jobs, bench.sizes.drain_timeout_s)
        if stop_early:
            stored_at = time.time()  # the snapshot of the query that follows
            stored = left.at_start - left.now()
        else:
            stored_at = _wait_until_stored(left, bench.sizes.drain_timeout_s)
            stored = left.at_start
        cpu_after = bench.server_cpu_seconds()
        marks = [worker.progress for worker in workers]
        reports = [worker.stop() for worker in workers]
    first = min(start for _, start, _ in marks if start)
    done = sum(count for count, _, _ in marks)
    result = {
        "rate": stored / (stored_at - first),
        "handler_rate": done / (max(end for _, _, end in marks) - first),
        "first_claim_s": first - began,
        "worker_cpu_s": sum(report["cpu_s"] for report in reports) / done * 1000,
        "rss_mb": max(report["rss_mb"] for report in reports),
    }
    if cpu_before is not None and cpu_after is not None:
        result["server_cpu_s"] = (cpu_after - cpu_before) / done * 1000
    return result


@contextlib.contextmanager
def _workers(bench: Bench, processes: int, kind: str, n: int, go: bool = True) -> Iterator[list[WorkerProcess]]:
    """Worker processes, all of them ready, and released at once unless told otherwise."""
    workers: list[WorkerProcess] = []
    try:
        for _ in range(processes):
            workers.append(WorkerProcess(bench.adapter, bench.urls, kind, n))
        for worker in workers:
            worker.wait_until_ready()
        if go:
            for worker in workers:
                worker.go()
        yield workers
    finally:
        for worker in workers:
            worker.kill()


def _wait_for_handlers(workers: list[WorkerProcess], n: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while sum(worker.progress[0] for worker in workers) < n:
        for worker in workers:
            worker.check()
        if time.monotonic() > deadline:
            done = sum(worker.progress[0] for worker in workers)
            raise TimeoutError(f"{done} of {n} jobs in {timeout:.0f} s")
        time.sleep(_LOOK_INTERVAL_S)


class _Countdown:
    """How many of the jobs that waited at the start are not stored as finished yet."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.at_start = bench.remaining()
        self._finished_at_start = bench.finished()

    def now(self) -> int:
        finished = self._bench.finished()
        if finished is None or self._finished_at_start is None:
            return self._bench.remaining()
        return self.at_start - (finished - self._finished_at_start)


def _wait_until_stored(left: _Countdown, timeout: float) -> float:
    """When the tables first said that nothing is waiting or running: the time of that query's snapshot."""
    deadline = time.monotonic() + timeout
    while True:
        looked_at = time.time()
        if left.now() == 0:
            return looked_at
        if time.monotonic() > deadline:
            raise TimeoutError("the handlers have run, but their completions are not stored")
        time.sleep(_STORED_INTERVAL_S)


SCENARIOS: dict[str, Callable[[Bench], Result | None]] = {
    "enqueue_one": enqueue_one,
    "enqueue_bulk": enqueue_bulk,
    "enqueue_copy": enqueue_copy,
    "drain_1": drain_1,
    "drain_2": drain_2,
    "latency": latency,
    "backlog": backlog,
    "reader": reader,
    "history": history,
    "startup": startup,
}

FULL_ONLY = frozenset({"history"})
"""Takes an hour over all peers: only with `--full`."""


def measure(bench: Bench, scenario: str) -> Result | None:
    """One scenario for one peer, once; None where the peer offers no such thing."""
    try:
        return SCENARIOS[scenario](bench)
    except (TimeoutError, psycopg.Error) as error:
        raise AdapterError(f"{bench.adapter.name} {scenario}: {error}") from error
