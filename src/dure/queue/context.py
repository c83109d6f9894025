"""What a handler is given besides its parameters: who it works for, a way to report, and its transaction.

Reports (`progress`, `log`) are plain calls that only note down; the worker writes them in batches, so that a handler
pays no round trip for them. The transaction of `tx` is the job's own: the completion joins it and commits it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Literal, get_args

import psycopg

from dure.db.sql import load
from dure.errors import Invalid, LeaseLost
from dure.queue.client import enqueue_on
from dure.queue.model import Claimed, Enqueued, NewJob, State

if TYPE_CHECKING:
    from concurrent.futures import Future

    from dure.db.pool import Connection, Database
    from dure.queue.scribe import Scribe

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = get_args(Level)
COUNT_MAX = 2**63 - 1
CHILDREN = load("dure.queue", "children")
MESSAGE_CHARS_MAX = 10_000


class Cancelled(Exception):
    """Raised by `ctx.check_cancelled()` in a plain function whose job was asked to stop."""


class Context:
    """A job's surroundings, for an `async` handler.

    Example: `async def send(params: dict, ctx: Context) -> None: …`.
    """

    __slots__ = ("_database", "_scribe", "_stack", "_tx", "cancel_reason", "job", "over")

    def __init__(self, job: Claimed, database: Database, scribe: Scribe) -> None:
        self.job = job
        self._database = database
        self._scribe = scribe
        self._stack: AsyncExitStack | None = None
        self._tx: Connection | None = None
        self.cancel_reason: str | None = None
        self.over = False
        """Whether this start of the job has ended; for the worker."""

    @property
    def tenant_id(self) -> str:
        """Whom this job works for."""
        return self.job.tenant_id

    @property
    def database(self) -> Database:
        """For what must be stored whatever becomes of the job: a transaction apart from `tx()`, committed by itself."""
        return self._database

    @property
    def attempt(self) -> int:
        """Which start of this job this is, from 1."""
        return self.job.attempt

    @property
    def idempotency_key(self) -> str:
        """The same on every attempt: give it to outside services, so that they do a thing once."""
        return self.job.id

    @property
    def cancelled(self) -> bool:
        """Whether the job was asked to stop."""
        return self.cancel_reason is not None

    def check_cancelled(self) -> None:
        """Raise `Cancelled` if the job was asked to stop."""
        if self.cancel_reason is not None:
            raise Cancelled(self.cancel_reason)

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Report how far the job is. Example: `ctx.progress(30, 100, "30 letters sent")`."""
        for count in (done, 0 if total is None else total):
            if isinstance(count, bool) or not isinstance(count, int):
                raise Invalid(field="progress", reason="wrong_type", expected="int")
            if not 0 <= count <= COUNT_MAX:
                raise Invalid(field="progress", reason="out_of_range", min=0, max=COUNT_MAX)
        self._scribe.progress(self.job, done, total, _clean(note))

    def log(self, message: str, level: Level = "info") -> None:
        """Write a line into the job's log. Example: `ctx.log("no guardian has a phone", "warning")`."""
        if level not in LEVELS:
            raise Invalid(field="level", reason="not_one_of", expected=", ".join(LEVELS))
        self._scribe.log(self.job, level, _clean(message))

    async def tx(self) -> Connection:
        """Answer the job's own transaction, begun at the first call; it commits together with the completion.

        What is written in it happens exactly once: if the lease was lost meanwhile, nothing of it remains.
        Example: `await (await ctx.tx()).execute("update account set …")`.
        """
        if self.over:
            # Nothing would ever commit it: the job was given up, or has ended while something of it went on.
            raise LeaseLost(id=self.job.id)
        if self._tx is None:
            self._stack = AsyncExitStack()
            self._tx = await self._stack.enter_async_context(self._database.owner_tx())
            await self._tx.execute("select set_config('dure.tenant_id', %s, true)", (self.job.tenant_id,))
        return self._tx

    async def enqueue(self, handler: str, params: dict[str, Any] | None = None, **options: Any) -> Enqueued:
        """Ask for another job, in the job's transaction."""
        return (await self.enqueue_many([NewJob(handler=handler, params=params or {}, **options)]))[0]

    async def enqueue_many(self, jobs: list[NewJob]) -> list[Enqueued]:
        """Ask for other jobs, in the job's transaction. Children name this job: `parent_id=ctx.job.id`."""
        return await enqueue_on(await self.tx(), self.job.tenant_id, jobs)

    async def children(self) -> dict[State, int]:
        """Answer how many children of this job stand in which state."""
        async with self._database.tenant_tx(self.job.tenant_id) as tx:
            rows = await (await tx.execute(CHILDREN, {"id": self.job.id})).fetchall()
        return dict(rows)

    @property
    def open_tx(self) -> Connection | None:
        """The job's transaction if it was begun; for the worker."""
        return self._tx

    async def give_up(self, error: BaseException) -> None:
        """Take back what was written in the job's transaction because of an error; the next `tx()` begins another."""
        await self._end(error)

    async def close(self, error: BaseException | None) -> None:
        """End the transaction: commit, or roll back if there is an error; for the worker."""
        self.over = True
        await self._end(error)

    async def _end(self, error: BaseException | None) -> None:
        stack, self._stack, self._tx = self._stack, None, None
        if stack is not None:
            await stack.__aexit__(type(error) if error else None, error, None)


class ThreadContext(Context):
    """A job's surroundings, for a plain function in a thread: what must wait, waits there.

    Example: `def report(params: dict, ctx: ThreadContext) -> None: ctx.execute("update account set paid = true")`.
    """

    __slots__ = ("_loop",)

    def __init__(self, job: Claimed, database: Database, scribe: Scribe, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(job, database, scribe)
        self._loop = loop

    def execute(self, statement: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run a statement in the job's own transaction and answer its rows, if it has any."""

        async def run() -> list[tuple[Any, ...]]:
            cursor: psycopg.AsyncCursor[Any] = await (await self.tx()).execute(statement.encode(), params)
            return await cursor.fetchall() if cursor.description is not None else []

        answer: list[tuple[Any, ...]] = self._wait(run())
        return answer

    def enqueue_sync(self, handler: str, params: dict[str, Any] | None = None, **options: Any) -> Enqueued:
        """Ask for another job, in the job's transaction."""
        answer: Enqueued = self._wait(self.enqueue(handler, params, **options))
        return answer

    def children_sync(self) -> dict[State, int]:
        """Answer how many children of this job stand in which state."""
        answer: dict[State, int] = self._wait(self.children())
        return answer

    def _wait(self, work: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()


def _clean(text: str) -> str:
    return str(text).replace("\x00", "�").encode(errors="replace").decode()[:MESSAGE_CHARS_MAX]
