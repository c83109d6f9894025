"""Workers in tests: started and stopped by a block, jobs asked for and waited for, effects that can be counted."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dure.db.pool import Database
from dure.queue.client import Client
from dure.queue.declaring import declare
from dure.queue.jobs import Jobs
from dure.queue.model import ENDED, Job, NewJob
from dure.queue.registry import Registry
from dure.queue.worker import Pace, Worker
from dure.settings import Settings

TENANT = "acme"
PATIENCE_S = 30.0
STEP_S = 0.005


def settings(**given: Any) -> Settings:
    """Quick ones, for a worker in a test."""
    return Settings(**{"database_url": None, "poll_s": 0.05, "lease_s": 30.0, "grace_s": 5.0, **given})


def make(database: Database, handlers: Iterable[Callable[..., Any]] | Registry, **given: Any) -> Worker:
    registry = handlers if isinstance(handlers, Registry) else Registry(handlers)
    return Worker(database, registry, settings(**given))


@asynccontextmanager
async def running(
    database: Database, handlers: Iterable[Callable[..., Any]] | Registry, **given: Any
) -> AsyncIterator[Worker]:
    """A worker with these handlers, stopped without grace at the end of the block."""
    worker = make(database, handlers, **given)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop(0)


async def until(happened: Callable[[], Awaitable[Any] | Any], *, patience_s: float = PATIENCE_S) -> Any:
    """Answer the first true answer of `happened()`; an error when there is none in time."""
    async with asyncio.timeout(patience_s):
        while True:
            answer = happened()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(STEP_S)


async def known(database: Database, handlers: Iterable[Callable[..., Any]] | Registry) -> None:
    """Tell the database of handlers without a worker."""
    await declare(database, handlers if isinstance(handlers, Registry) else Registry(handlers))


async def ask(database: Database, handler: str, params: dict[str, Any] | None = None, **options: Any) -> str:
    """Ask for a job; answer its id."""
    job = NewJob(handler=handler, params=params or {}, **options)
    return (await Client(database, settings()).enqueue(TENANT, job)).id


async def ask_many(database: Database, handler: str, count: int, **options: Any) -> list[str]:
    jobs = [NewJob(handler=handler, params={"n": n}, **options) for n in range(count)]
    return [one.id for one in await Client(database, settings()).enqueue_many(TENANT, jobs)]


def jobs_of(database: Database) -> Jobs:
    return Jobs(database, Client(database, settings()))


async def job(database: Database, job_id: str) -> Job:
    return await jobs_of(database).get(None, job_id)


async def ended(database: Database, job_id: str, *, patience_s: float = PATIENCE_S) -> Job:
    """Answer a job as soon as it has ended."""

    async def has_ended() -> Job | None:
        found = await job(database, job_id)
        return found if found.state in ENDED else None

    found = await until(has_ended, patience_s=patience_s)
    assert isinstance(found, Job)
    return found


async def all_ended(database: Database, *, patience_s: float = PATIENCE_S) -> dict[str, int]:
    """Wait until no job is open; answer how many are in which state."""

    async def no_job_is_open() -> bool:
        return not await rows(database, "select from dure.job where state in ('pending', 'processing') limit 1")

    await until(no_job_is_open, patience_s=patience_s)
    return dict(await rows(database, "select state, count(*) from dure.job group by state"))


async def in_state(database: Database, job_id: str, state: str) -> Job:
    async def is_so() -> Job | None:
        found = await job(database, job_id)
        return found if found.state == state else None

    found = await until(is_so)
    assert isinstance(found, Job)
    return found


async def rows(database: Database, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    """Run a statement as the owner and answer its rows, if it has any."""
    async with database.owner_tx() as tx:
        cursor = await tx.execute(statement.encode(), values)
        return await cursor.fetchall() if cursor.description is not None else []


async def one(database: Database, statement: str, values: Any = None) -> Any:
    return (await rows(database, statement, values))[0][0]


async def story(database: Database, job_id: str) -> list[tuple[int, str, str | None]]:
    """Every attempt that did not complete a job: its number, its outcome, its error's class."""
    statement = "select attempt, outcome, error_class from dure.attempt where job_id = %s order by attempt, ended_at"
    return [(int(n), str(outcome), name) for n, outcome, name in await rows(database, statement, [job_id])]


async def effects_table(database: Database) -> None:
    """A table in which each job may write one row: a second is an error, and none is a loss."""
    await rows(database, "create table effect (job_id uuid primary key, attempt integer not null)")


async def expire(database: Database, worker_id: int) -> None:
    """Let a worker's lease run out."""
    await rows(
        database, "update dure.worker set lease_until = dure.now() - interval '1 s' where worker_id = %s", [worker_id]
    )


async def bury(database: Database, worker_id: int) -> None:
    """What a sweep does with a worker whose lease ran out, without waiting for one."""
    await rows(database, "select dure.bury(array[%s::bigint])", [worker_id])


def take_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers take more than they can start, as they do of jobs that go fast."""
    monkeypatch.setattr(Pace, "wants", lambda self, _prefetch: self.places + 1 - self.runner.held())


class Gate:
    """Holds handlers until it is opened, and tells how many came; for those on a loop and those in threads."""

    def __init__(self) -> None:
        self.came = 0
        self._open = threading.Event()
        self._lock = threading.Lock()

    def open(self) -> None:
        self._open.set()

    async def pass_through(self) -> None:
        self._count()
        while not self._open.is_set():  # noqa: ASYNC110
            await asyncio.sleep(STEP_S)

    def wait(self, stop: Callable[[], None] = lambda: None) -> None:
        """For a thread; `stop` is called now and then and may raise."""
        self._count()
        while not self._open.wait(STEP_S):
            stop()

    def _count(self) -> None:
        with self._lock:
            self.came += 1
