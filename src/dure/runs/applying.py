"""Applying: the stored plan, chunk by chunk, and nothing else. No planner and no model is called again.

    tables    a chunk is one transaction: its changes, their exceptions, and the chunk's `done`
    outside   each change is an intent that is committed, one call, an outcome; see `dure.runs.outside`

The chunk's row is the fence: it is taken with a lock, and ends in the transaction that does its changes. So a worker
that lost its job and goes on all the same finds the chunk done, or waits for it, and never does a change twice.
Between two chunks the run is asked whether to rest or to stop, and the breaker looks at how much failed.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from dure import faults
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.queue.context import Context
from dure.runs.context import TENANT, WHOLE_ROWS
from dure.runs.guards import Guards, breaker
from dure.runs.model import Reason, Run, Tally
from dure.runs.outside import Outside
from dure.runs.shapes import Stores
from dure.runs.states import move, record
from dure.runs.stores.applying import apply_chunk

Stop = Literal["done", "paused", "stopped", "broken", "conflict"]
FAILURES_MAX = 1_000
WORKER = "worker"

_NEXT = load("dure.runs", "chunk_next")
_WAIT = load("dure.runs", "chunk_wait")
_BEGIN = load("dure.runs", "chunk_begin")
_DONE = load("dure.runs", "chunk_done")
_HEAD = load("dure.runs", "run_head")
_SUMS = load("dure.runs", "chunks_sums")
_FAILURES = load("dure.runs", "outcomes_of_failure")
_OUTCOME = load("dure.runs", "outcome_write")


@dataclass(frozen=True, slots=True)
class Sums:
    """What became of a run's changes so far."""

    tally: Tally
    to_do: int


class Applier:
    """Applies one run with one job. Example: `await Applier(database, run, stores, guards, ctx).work()`."""

    def __init__(
        self, database: Database, run: Run, stores: Stores, guards: Guards, ctx: Context, *, shared: bool = False
    ) -> None:
        self._database = database
        self._run = run
        self._stores = stores
        self._guards = guards
        self._ctx = ctx
        self._shared = shared
        """Whether other jobs work on the chunks too, so that one that is locked is theirs; their parent looks again."""
        self._restoring = run.rollback_of is not None
        self._outside = Outside(database, run, stores)

    async def work(self) -> Stop:
        """Apply chunks until there are none, or there is a reason to stop; answer which."""
        if self._run.mode == "strict" and not await self._all_or_nothing():
            return "conflict"
        while True:
            stop = await self._reason_to_stop()
            if stop is not None:
                return stop
            if not await self._one_chunk():
                return "done"
            await self._report()

    async def _one_chunk(self) -> bool:
        async with self._transaction() as tx:
            values = {"id": self._run.id, "job_id": self._ctx.job.id}
            row = await (await tx.execute(_NEXT, {**values, "place": None})).fetchone()
            if row is None and not self._shared:
                row = await (await tx.execute(_WAIT, {**values, "place": None})).fetchone()
            if row is None:
                return False
            no, place, round_, _ = row
            if place == "tables":
                await self._tables(tx, no, round_)
                return True
            await tx.execute(_BEGIN, {**values, "no": no})
        await self._outside.chunk(no)
        async with self._transaction() as tx:
            # Its sums are there already: each change added its own.
            await self._done(tx, no, Tally())
        return True

    async def _tables(self, tx: Connection, no: int, round_: int) -> Tally:
        tally = await apply_chunk(tx, self._run.id, no, self._stores.tables, restoring=self._restoring, round=round_)
        await self._done(tx, no, tally)
        faults.hit("after_chunk")
        return tally

    async def _all_or_nothing(self) -> bool:
        """A strict rollback: all tables in one transaction, which is given up at the first thing in the way."""
        values = {"id": self._run.id, "job_id": self._ctx.job.id, "place": "tables"}
        failures: list[tuple[int, str, str]] = []
        try:
            async with self._transaction() as tx:
                while row := await (await tx.execute(_WAIT, values)).fetchone():
                    tally = await self._tables(tx, row[0], row[2])
                    if tally.conflicts or tally.failed:
                        some = {"id": self._run.id, "limit": FAILURES_MAX}
                        failures = await (await tx.execute(_FAILURES, some)).fetchall()
                        raise _GivenUp
        except _GivenUp:
            await self._keep(failures)
            return False
        return True

    async def _keep(self, failures: list[tuple[int, str, str]]) -> None:
        async with self._transaction() as tx:
            for seq, state, reason in failures:
                values = {
                    "id": self._run.id,
                    "seq": seq,
                    "tenant_id": self._run.tenant_id,
                    "state": state,
                    "reason": reason,
                }
                await tx.execute(_OUTCOME, {**values, "after": None, "revision": None})

    async def _done(self, tx: Connection, no: int, tally: Tally) -> None:
        values = {
            "id": self._run.id,
            "no": no,
            "job_id": self._ctx.job.id,
            "applied": tally.applied,
            "conflicts": tally.conflicts,
            "failed": tally.failed,
            "skipped": tally.skipped,
        }
        await tx.execute(_DONE, values)

    async def _reason_to_stop(self) -> Stop | None:
        async with self._transaction() as tx:
            row = await (await tx.execute(_HEAD, {"id": self._run.id})).fetchone()
            assert row is not None
            state, paused, stop_asked = row
            if state != "applying" or stop_asked:
                return "stopped"
            if paused:
                return "paused"
            sums = await sums_of(tx, self._run.id)
        tally = sums.tally
        tried = tally.applied + tally.failed + tally.conflicts
        return "broken" if breaker(self._guards, tally.failed, tried) is not None else None

    async def _report(self) -> None:
        async with self._transaction() as tx:
            sums = await sums_of(tx, self._run.id)
        done = sums.tally.applied + sums.tally.conflicts + sums.tally.failed + sums.tally.skipped
        self._ctx.progress(done, done + sums.to_do)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._database.owner_tx() as tx:
            await tx.execute(WHOLE_ROWS)
            await tx.execute(TENANT, (self._run.tenant_id,))
            yield tx


class _GivenUp(Exception):
    """Ends the transaction of a strict rollback."""


async def sums_of(tx: Connection, run_id: str) -> Sums:
    """Answer what became of a run's changes so far."""
    row = await (await tx.execute(_SUMS, {"id": run_id})).fetchone()
    assert row is not None
    applied, conflicts, failed, skipped, to_do = map(int, row)
    return Sums(Tally(applied, conflicts, failed, skipped), to_do)


async def finish(tx: Connection, run: Run, stop: Stop, guards: Guards, problem: str | None = None) -> str:
    """Say how an application ended, from what is in the ledger; answer the state."""
    sums = await sums_of(tx, run.id)
    tally = sums.tally
    whole = not (tally.conflicts or tally.failed or tally.skipped or sums.to_do)
    params = {
        "applied": tally.applied,
        "conflicts": tally.conflicts,
        "failed": tally.failed,
        "skipped": tally.skipped,
        "to_do": sums.to_do,
    }
    reason: Reason | None = None
    match stop:
        case "stopped":
            state = "cancelled"
        case "broken":
            answer = breaker(guards, tally.failed, tally.applied + tally.failed + tally.conflicts)
            state = "partial" if tally.applied else "failed"
            reason = Reason("guard_errors", answer.params if answer is not None else params)
        case "conflict":
            state, reason = "failed", Reason("strict_conflict", params)
        case _ if whole:
            state = "applied"
        case _:
            state = "partial" if tally.applied else "failed"
            reason = Reason("not_all", params)
    if problem is not None and state in ("partial", "failed"):
        reason = Reason("application_failed", {**params, "text": problem[:2000]})
    await move(tx, run.id, ["applying"], state, reason=reason, keep_reason=stop == "stopped")
    await record(tx, run.tenant_id, run.id, WORKER, f"run.{state}", json.loads(json.dumps(params)))
    return state
