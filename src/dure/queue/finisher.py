"""Ends jobs in batches: completions in one statement, all other outcomes in one other.

While one flush is under way the next gathers, so the batch grows with the load by itself: a single job waits two
milliseconds for company, ten thousand a second share a flush of hundreds. Every ending names its claim, and is
refused by the database if the claim is no longer the job's.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import psycopg

from dure import faults, logs
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import DureError, LeaseLost
from dure.queue.hotline import Hotline
from dure.queue.model import Claimed
from dure.queue.scribe import Scribe

FINISH = load("dure.queue", "finish")
FINISHED = load("dure.queue", "finished")
END_ORPHANS = load("dure.queue", "end_orphans")
SETTLE = load("dure.queue", "settle")
FLUSH_MAX = 1_000
GATHER_S = 0.002
ERROR_CHARS_MAX = 2_000

Completion = tuple[str, int, str | None]
"""A job's id, its claim and its result as JSON."""


class Finisher:
    """What ended and was not written yet. Example: `finisher.completed(job, None)`."""

    def __init__(self, database: Database, scribe: Scribe, on_flush: Callable[[int], None]) -> None:
        self._line = Hotline(database, "finish")
        self._scribe = scribe
        self._on_flush = on_flush
        self._done: list[Completion] = []
        self._outcomes: list[dict[str, Any]] = []
        self._open: dict[int, int] = {}
        self._closed: list[int] = []
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = logs.get("finisher")
        self.finished = 0
        """Jobs completed by this worker."""
        self.refused = 0
        """Endings that the database refused, because the lease was lost."""

    async def start(self) -> None:
        """Begin to write what ends."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dure.finisher")

    async def stop(self) -> None:
        """Write what is left and end; may be called twice."""
        task, self._task = self._task, None
        if task is None:
            return
        try:
            while self.waiting and not task.done():  # noqa: ASYNC110
                await asyncio.sleep(GATHER_S)
        finally:
            # Also when its caller has no more patience: the database may be away for good.
            task.cancel()
            await asyncio.wait([task])
            await self._line.close()

    @property
    def alive(self) -> bool:
        """Whether endings are being written."""
        return self._task is not None and not self._task.done()

    @property
    def waiting(self) -> int:
        """How many endings are not written yet; a claimer holds back while there are many."""
        return len(self._done) + len(self._outcomes)

    def opened(self, claim_id: int, count: int) -> None:
        """Note a new claim of so many jobs: its row goes when the last of them ends."""
        self._open[claim_id] = self._open.get(claim_id, 0) + count

    def completed(self, job: Claimed, result_json: str | None) -> None:
        """Note that a job is done."""
        self._done.append((job.id, job.claim_id, result_json))
        if not self._some.is_set():
            self._some.set()

    def settled(self, job: Claimed, outcome: str, **details: Any) -> None:
        """Note that an attempt ended otherwise; see `dure.settle`."""
        self._outcomes.append({"id": job.id, "claim_id": job.claim_id, "outcome": outcome, **details})
        self._some.set()

    def forget(self) -> None:
        """Drop everything: the lease was lost, and the database would refuse it all."""
        # New lists: a flush that is under way takes what it wrote out of the old ones.
        self._done, self._outcomes = [], []
        self._open, self._closed = {}, []

    def committed(self, job: Claimed, *, completed: bool = True) -> None:
        """Note that `complete_in` or `wait_in` ended a job and its transaction has committed."""
        self.finished += completed
        self._closed += self._leave([(job.id, job.claim_id, None)])
        self._on_flush(1)

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            if self.waiting < FLUSH_MAX:
                await asyncio.sleep(GATHER_S)
            self._some.clear()
            # Counted before: what ends during the flush of notes may have notes of its own.
            done, outcomes = min(len(self._done), FLUSH_MAX), min(len(self._outcomes), FLUSH_MAX)
            if self._scribe.has_notes:
                # What a handler said is there when its job is seen to have ended.
                await self._scribe.flush()
            faults.hit("before_flush")
            if done:
                await self._flush_done(self._done, done)
            if outcomes:
                await self._flush_outcomes(self._outcomes, outcomes)
            if self.waiting:
                self._some.set()

    async def _flush_done(self, done: list[Completion], count: int) -> None:
        # Taken out only when written, so that `waiting` never says less than is owed. Sorted by id: rows are locked in
        # the order in which everyone locks them.
        batch = sorted(done[:count])
        closed, self._closed = self._closed + self._leave(batch), []
        written = await self._write(batch, closed)
        del done[:count]
        self.finished += written
        self._on_flush(count)

    async def _write(self, batch: list[Completion], closed: list[int]) -> int:
        try:
            written = int((await self._line.persist(FINISH, _finish_values(batch, closed)))[0][0])
        except (psycopg.Error, DureError) as error:
            # Not the connection, but something in the batch that the database will not have: find whose it is.
            if len(batch) == 1:
                self._refuse(batch[0], error)
                return 0
            self._closed += closed
            return sum([await self._write([one], []) for one in batch])
        return written if written == len(batch) else await self._ask(batch)

    def _refuse(self, completion: Completion, error: Exception) -> None:
        """A result that cannot be stored fails its job, and no other."""
        job_id, claim_id, _ = completion
        self._log.warning("job.result_refused", job_id=job_id, reason=str(error))
        self._open[claim_id] = self._open.get(claim_id, 0) + 1
        text = str(error).replace("\x00", "").encode(errors="replace").decode()[:ERROR_CHARS_MAX]
        failed = {"outcome": "failed", "error_class": "ResultRefused", "error": text}
        self._outcomes.append({"id": job_id, "claim_id": claim_id, **failed})

    async def _ask(self, batch: list[Completion]) -> int:
        """Find out which completions are stored: some were sent twice over a broken connection, some came too late."""
        rows = await self._line.persist(FINISHED, _finish_values(batch, []))
        stored = {row[0] for row in rows}
        for job_id, claim_id, _ in batch:
            if job_id not in stored:
                self.refused += 1
                self._log.warning("job.lease_lost", job_id=job_id, claim_id=claim_id)
        return len(stored)

    async def _flush_outcomes(self, outcomes: list[dict[str, Any]], count: int) -> None:
        batch = outcomes[:count]
        closed = self._leave([(outcome["id"], outcome["claim_id"], None) for outcome in batch])
        accepted = await self._settle(batch, closed)
        for outcome in batch:
            if outcome["id"] not in accepted:
                self.refused += 1
                self._log.warning("job.lease_lost", job_id=outcome["id"], claim_id=outcome["claim_id"])
        del outcomes[:count]
        self._on_flush(count)

    async def _settle(self, batch: list[dict[str, Any]], closed: list[int]) -> set[str]:
        try:
            rows = await self._line.persist(SETTLE, {"outcomes": json.dumps(batch), "closed": closed})
        except (psycopg.Error, DureError) as error:
            if len(batch) == 1:
                self._log.error("job.outcome_refused", job_id=batch[0]["id"], reason=str(error))
                return set()
            self._closed += closed
            return set().union(*[await self._settle([one], []) for one in batch])
        return set(rows[0][0])

    def _leave(self, batch: list[Completion]) -> list[int]:
        """Count jobs off their claims; answer the claims that are empty now."""
        closed, open_ = [], self._open
        for _, claim_id, _ in batch:
            left = open_.get(claim_id, 0) - 1
            if left > 0:
                open_[claim_id] = left
            else:
                open_.pop(claim_id, None)
                closed.append(claim_id)
        return closed


async def complete_in(connection: Connection, job: Claimed, result_json: str | None) -> None:
    """Complete a job in the transaction that its handler wrote in; raises `LeaseLost` if it is not ours any more."""
    await connection.execute("set local role dure_system")
    values = _finish_values([(job.id, job.claim_id, result_json)], [])
    row = await (await connection.execute(FINISH, values)).fetchone()
    if row is None or row[0] != 1:
        raise LeaseLost(id=job.id)


async def wait_in(connection: Connection, job: Claimed) -> None:
    """Have a job wait for its children, in the transaction that made them; raises `LeaseLost` like `complete_in`."""
    await connection.execute("set local role dure_system")
    outcome = {"id": job.id, "claim_id": job.claim_id, "outcome": "waited"}
    row = await (await connection.execute(SETTLE, {"outcomes": json.dumps([outcome]), "closed": []})).fetchone()
    if row is None or not row[0]:
        raise LeaseLost(id=job.id)
    await connection.execute(END_ORPHANS, {"id": job.id})


def _finish_values(batch: list[Completion], closed: list[int]) -> dict[str, Any]:
    # Array literals, because joining strings is several times cheaper than adapting a thousand values.
    bare = all(result is None for _, _, result in batch)
    return {
        "ids": "{" + ",".join([job_id for job_id, _, _ in batch]) + "}",
        "claims": "{" + ",".join([str(claim_id) for _, claim_id, _ in batch]) + "}",
        "results": "{" + "NULL," * (len(batch) - 1) + "NULL}" if bare else [result for _, _, result in batch],
        "closed": closed,
    }
