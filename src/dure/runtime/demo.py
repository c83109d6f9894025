"""The engine before one's eyes: `dure demo queue`.

Everything happens in a database of its own, made afresh in the embedded server of this home and dropped at
the end, so that jobs of a server that runs meanwhile are left alone. Nothing is acted: workers are
processes, kills are kills.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from psycopg import AsyncConnection, sql

from dure import logs
from dure.db import embedded
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import TimedOut
from dure.lang import say
from dure.queue.client import Client
from dure.queue.jobs import Jobs
from dure.queue.model import Job, NewJob
from dure.runtime.supervisor import Supervisor
from dure.settings import Settings

NAME = "dure_demo"
TENANT = "demo"
LOCK_KEY = int.from_bytes(b"duredemo")
PROCESSES = 2
LEASE_S = 5.0
NO_OPS = 20_000
WAIT_MAX_S = 30.0
POLL_S = 0.02
QUARANTINE_NEIGHBOURS = 20

HELD = load("dure.runtime", "demo_held")
INSERT = load("dure.runtime", "demo_insert")
STATUS = load("dure.runtime", "demo_status")
COMPLETED = load("dure.runtime", "demo_completed")
FINISH = load("dure.queue", "finish")


class Demo:
    """One run of the demo. Example: `await Demo(settings, say_line=print).run()`."""

    def __init__(self, settings: Settings, *, say_line: Callable[[str], None]) -> None:
        self._settings = settings
        self._line = say_line
        self._chapter = 0
        self._facts: dict[str, Any] = {}
        self._database: Database
        self._jobs: Jobs
        self._client: Client
        self._supervisor: Supervisor

    async def run(self) -> dict[str, Any]:
        """Tell the whole story; answers its figures."""
        began_s = time.monotonic()
        # What goes wrong here goes wrong on purpose; the narration says it better than a log.
        logs.configure(log_level="error")
        async with AsyncExitStack() as stack:
            await self._start(stack)
            await self._echo()
            await self._insert()
            flaky_id = await self._flaky()
            await self._killed()
            await self._crash()
            await self._cancel()
            await self._history(flaky_id)
            await self._drain()
            self._say("stopping")
        self._facts["took_s"] = round(time.monotonic() - began_s, 1)
        self._say("end", took_s=self._facts["took_s"])
        for command in ("up", "enqueue", "list", "doctor", "help"):
            self._line(f"    {say(f'demo.try_{command}')}")
        return self._facts

    async def _start(self, stack: AsyncExitStack) -> None:
        self._say("starting", home=self._settings.home)
        url = await stack.enter_async_context(own_database(self._settings))
        settings = self._settings.model_copy(
            update={
                "database_url": url,
                "demo": True,
                "lease_s": LEASE_S,
                "queues": (),
                "imports": (),
                "notify": True,
                "pooler": False,
                "log_level": "error",
                "bulk_max": NO_OPS,
            }
        )
        self._database = Database(settings, part="demo")
        stack.push_async_callback(self._database.stop)
        await self._database.start()
        await migrate(self._database)
        self._client = Client(self._database, settings)
        self._jobs = Jobs(self._database, self._client)
        self._supervisor = Supervisor(self._database, settings, processes=PROCESSES)
        stack.push_async_callback(self._supervisor.stop, 0.0)
        await self._supervisor.start()
        self._say("started", workers=PROCESSES, pids=", ".join(map(str, self._supervisor.pids)))

    async def _echo(self) -> None:
        self._title("echo")
        jobs = [NewJob(handler="dure.demo.echo", params={"n": n}) for n in (1, 2, 3)]
        for made in await self._client.enqueue_many(TENANT, jobs):
            job = await self._ended(made.id)
            self._say("echo_done", id=job.id, state=job.state, result=job.result)

    async def _insert(self) -> None:
        self._title("insert")
        for line in INSERT.splitlines():
            self._line(f"      {line}")
        async with self._database.owner_tx() as tx:
            row = await (await tx.execute(INSERT)).fetchone()
        assert row is not None
        await self._ended(row[0])
        async with self._database.owner_tx() as tx:
            seen = await (await tx.execute(STATUS, {"id": row[0]})).fetchone()
        assert seen is not None
        status, _handler, created_at, completed_at = seen
        wait_ms = (completed_at - created_at).total_seconds() * 1000
        self._facts["insert_to_end_ms"] = round(wait_ms, 1)
        self._say("insert_done", status=status, wait_ms=f"{wait_ms:.0f}")

    async def _flaky(self) -> str:
        self._title("flaky")
        job_id = await self._ask("dure.demo.flaky", {"fail": 2})
        job = await self._ended(job_id)
        await self._tell_attempts(job_id)
        self._say("flaky_done", state=job.state, attempt=job.attempt)
        return job_id

    async def _killed(self) -> None:
        self._title("killed")
        job_id = await self._ask("dure.demo.sleep", {"seconds": 1})
        old_claim, worker_id, pid = await self._holder(job_id)
        self._say("killed_runs", worker=worker_id, pid=pid, claim=old_claim)
        os.kill(pid, signal.SIGKILL)
        killed_s = time.monotonic()
        self._say("killed_kill", pid=pid)
        new_claim, worker_id, pid = await self._holder(job_id, other_than=old_claim)
        took_ms = (time.monotonic() - killed_s) * 1000
        self._facts["taken_over_ms"] = round(took_ms)
        self._say("killed_taken", worker=worker_id, pid=pid, claim=new_claim, took_ms=f"{took_ms:.0f}")
        values = {"ids": [job_id], "claims": [old_claim], "results": ["{}"], "closed": []}
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(FINISH, values)).fetchone()
        accepted = int(row[0]) if row else 0
        self._facts["stale_completions_accepted"] = accepted
        self._say("killed_fenced", claim=old_claim, accepted=accepted)
        job = await self._ended(job_id)
        self._say("killed_done", state=job.state, attempt=job.attempt)

    async def _crash(self) -> None:
        self._title("crash")
        jobs = [NewJob(handler="dure.demo.crash")]
        jobs += [NewJob(handler="dure.demo.echo", params={"n": n}) for n in range(QUARANTINE_NEIGHBOURS)]
        crashing, *neighbours = [made.id for made in await self._client.enqueue_many(TENANT, jobs)]
        done = [await self._ended(job_id) for job_id in neighbours]
        finished = sum(job.state == "completed" for job in done)
        job = await self._ended(crashing)
        self._facts.update(crashing=job.state, neighbours_completed=finished)
        self._say(
            "crash_done",
            state=job.state,
            crashes=job.crash_count,
            finished=finished,
            neighbours=len(neighbours),
        )
        self._line(f"      {(await self._jobs.why(TENANT, crashing)).text()}")

    async def _cancel(self) -> None:
        self._title("cancel")
        job_id = await self._ask("dure.demo.sleep", {"seconds": 600})
        await self._holder(job_id)
        asked_s = time.monotonic()
        await self._jobs.cancel(TENANT, job_id, reason=say("demo.cancel_reason"), actor="demo")
        job = await self._ended(job_id)
        self._say(
            "cancel_done",
            state=job.state,
            took_ms=f"{(time.monotonic() - asked_s) * 1000:.0f}",
            error=job.error,
        )

    async def _history(self, job_id: str) -> None:
        self._title("history")
        self._line(f"      dure jobs show {job_id}")
        await self._tell_attempts(job_id)
        self._line(f"      {(await self._jobs.why(TENANT, job_id)).text()}")

    async def _drain(self) -> None:
        self._title("drain")
        jobs = [NewJob(handler="dure.demo.echo", tags=("no-op",)) for _ in range(NO_OPS)]
        began_s = time.monotonic()
        await self._client.enqueue_many(TENANT, jobs)
        enqueued_s = time.monotonic()
        deadline_s = enqueued_s + WAIT_MAX_S
        while await self._completed() < NO_OPS:
            if time.monotonic() > deadline_s:
                raise TimedOut(what=say("nouns.job"), after_s=WAIT_MAX_S)
            await asyncio.sleep(POLL_S)
        ended_s = time.monotonic()
        rate = NO_OPS / (ended_s - began_s)
        self._facts["jobs_per_s"] = round(rate)
        self._say(
            "drain_done",
            jobs=f"{NO_OPS:,}",
            enqueue_s=f"{enqueued_s - began_s:.1f}",
            total_s=f"{ended_s - began_s:.1f}",
            rate=f"{rate:,.0f}",
        )

    async def _completed(self) -> int:
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(COMPLETED)).fetchone()
        return int(row[0]) if row else 0

    async def _ask(self, handler: str, params: dict[str, Any]) -> str:
        return (await self._client.enqueue(TENANT, NewJob(handler=handler, params=params))).id

    async def _ended(self, job_id: str) -> Job:
        """Wait until a job has ended. A watch is what a page or a person would use too."""
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                async for _event in self._jobs.watch(TENANT, job_id, poll_s=POLL_S):
                    pass
        except TimeoutError:
            raise TimedOut(what=say("nouns.job"), after_s=WAIT_MAX_S) from None
        return await self._jobs.get(TENANT, job_id)

    async def _holder(self, job_id: str, *, other_than: int | None = None) -> tuple[int, int, int]:
        """Wait until somebody runs a job; answer claim, worker and process."""
        deadline_s = time.monotonic() + WAIT_MAX_S
        while time.monotonic() < deadline_s:
            async with self._database.system_tx() as tx:
                row = await (await tx.execute(HELD, {"id": job_id})).fetchone()
            if row is not None and row[0] != other_than:
                return row[0], row[1], row[2]
            await asyncio.sleep(POLL_S)
        raise TimedOut(what=say("nouns.job"), after_s=WAIT_MAX_S)

    async def _tell_attempts(self, job_id: str) -> None:
        attempts = await self._jobs.attempts(TENANT, job_id)
        first = next((attempt.started_at for attempt in attempts if attempt.started_at), None)
        for attempt in attempts:
            started = attempt.started_at
            after_s = (started - first).total_seconds() if started and first else 0.0
            self._say(
                "attempt",
                attempt=attempt.attempt,
                after_s=f"{after_s:.1f}",
                outcome=attempt.outcome,
                error=attempt.error or "",
            )

    def _title(self, key: str) -> None:
        self._chapter += 1
        self._line("")
        self._line(f"{self._chapter}. {say(f'demo.{key}')}")

    def _say(self, key: str, **params: object) -> None:
        self._line(f"   {say(f'demo.{key}', **params)}".rstrip())


@asynccontextmanager
async def own_database(settings: Settings) -> AsyncIterator[str]:
    """A fresh database in the embedded server, dropped afterwards; a second demo waits for the first.

    Example: `async with own_database(settings) as url: …`.
    """
    lease = await asyncio.to_thread(embedded.acquire, settings.home)
    try:
        async with await AsyncConnection.connect(lease.url, autocommit=True) as admin:
            await admin.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
            drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(NAME))
            await admin.execute(drop)
            await admin.execute(sql.SQL("create database {}").format(sql.Identifier(NAME)))
            try:
                yield urlunsplit(urlsplit(lease.url)._replace(path=f"/{NAME}"))
            finally:
                await admin.execute(drop)
    finally:
        await asyncio.to_thread(lease.release)
