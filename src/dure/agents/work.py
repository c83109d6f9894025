"""What agents are given, and how they answer.

    claim ──► the agent works, renews, says how far it is ──► complete | fail | cancel | release
                                                                  │
              the fence: agent, epoch, task and claim must be the job's own; if not, nothing changes but the record

A task whose agent dies goes back into line with its crash counted, like any job whose worker died.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

import anyio

from dure.agents.model import Assignment, Outcome
from dure.agents.registry import Registry, fit
from dure.agents.rows import assignment_of
from dure.agents.waiting import Waiting
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import Invalid, LeaseLost
from dure.queue.cursors import is_id
from dure.queue.payload import encode
from dure.queue.retry import backoff_s
from dure.settings import Settings

WAIT_MAX_S = 60.0
POLL_S = 5.0
"""How often one that waits looks by itself, where it is told of news."""
BLIND_POLL_S = 0.5
"""And where it is not."""
CLAIM_MAX = 100
ERROR_CHARS_MAX = 2_000
CLASS_CHARS_MAX = 200
LINES_MAX = 100
LINE_CHARS_MAX = 10_000
RETRY_AFTER_MAX_S = 3_600.0

_CLAIM = load("dure.agents", "tasks_claim")
_AGAIN = load("dure.agents", "tasks_again")
_KEYS = load("dure.agents", "agent_keys")
_END = load("dure.agents", "task_end")
_NOTE = load("dure.agents", "task_note")


class Agents(Registry):
    """The agents of a database, and their work.

    Example: `for task in await agents.claim("acme", "r1", session.epoch, wait_s=20): …`.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(database, settings)
        self._waiting = Waiting(database, settings)
        self._jitter = random.SystemRandom()

    async def stop(self) -> None:
        """Let those that wait go; may be called twice."""
        await self._waiting.stop()

    async def claim(
        self,
        tenant_id: str,
        agent_id: str,
        epoch: int,
        *,
        most: int = 1,
        wait_s: float = 0.0,
        holding: Sequence[int] | None = None,
    ) -> tuple[Assignment, ...]:
        """Take up to `most` tasks; when there is none, wait so long for one. Raises `LeaseLost` without a session.

        With `holding`, the claims that the agent knows of, it is first given again what else it was given before.
        """
        if not 1 <= most <= CLAIM_MAX:
            raise Invalid(field="most", reason="out_of_range", min=1, max=CLAIM_MAX)
        if not 0 <= wait_s <= WAIT_MAX_S:
            raise Invalid(field="wait_s", reason="out_of_range", min=0, max=WAIT_MAX_S)
        until = monotonic() + wait_s
        taken = () if holding is None else await self._again(tenant_id, agent_id, epoch, most, holding)
        taken = taken or await self._claim(tenant_id, agent_id, epoch, most)
        if taken or not wait_s:
            return taken
        await self._waiting.start()
        names = await self._names(tenant_id, agent_id)
        while not taken:
            # In its place before it looks: what comes from here on wakes it.
            with self._waiting.place(names) as waiter:
                taken = await self._claim(tenant_id, agent_id, epoch, most)
                left_s = until - monotonic()
                if not taken and left_s > 0:
                    poll_s = POLL_S if self._waiting.connected else BLIND_POLL_S
                    with anyio.move_on_after(min(left_s, poll_s)):
                        await waiter.woken.wait()
                    if waiter.by is not None:
                        taken = await self._claim(tenant_id, agent_id, epoch, most)
                if taken and waiter.by is not None:
                    # There may be more where this came from.
                    self._waiting.wake(waiter.by)
            if until <= monotonic():
                break
        return taken

    async def complete(
        self, tenant_id: str, agent_id: str, epoch: int, task_id: str, claim_id: int, result: Any = None
    ) -> None:
        """End a task well; `LeaseLost` when it is not this agent's any more."""
        text = fit(encode(result, field="result"), "result", self._settings.payload_bytes_max)
        # As text, so that the result is stored as it was sent.
        await self._end(tenant_id, agent_id, epoch, task_id, claim_id, f'{{"outcome":"completed","result":{text}}}')

    async def fail(
        self,
        tenant_id: str,
        agent_id: str,
        epoch: int,
        task_id: str,
        claim_id: int,
        *,
        error_class: str = "Error",
        message: str = "",
        retry: bool = True,
        retry_after_s: float | None = None,
        retry_count: int = 0,
    ) -> None:
        """End an attempt that failed: to be tried again, as long as it may be, unless `retry` is false."""
        delay_s = backoff_s(retry_count, self._jitter) if retry_after_s is None else retry_after_s
        if not 0 <= delay_s <= RETRY_AFTER_MAX_S:
            raise Invalid(field="retry_after_s", reason="out_of_range", min=0, max=RETRY_AFTER_MAX_S)
        details = {"error_class": error_class[:CLASS_CHARS_MAX], "error": message[:ERROR_CHARS_MAX], "delay_s": delay_s}
        await self._settle(tenant_id, agent_id, epoch, task_id, claim_id, "retried" if retry else "failed", details)

    async def cancelled(
        self, tenant_id: str, agent_id: str, epoch: int, task_id: str, claim_id: int, *, message: str = "cancelled"
    ) -> None:
        """Say that a task has stopped, as was asked."""
        details = {"error_class": "Cancelled", "error": message[:ERROR_CHARS_MAX]}
        await self._settle(tenant_id, agent_id, epoch, task_id, claim_id, "cancelled", details)

    async def release(self, tenant_id: str, agent_id: str, epoch: int, task_id: str, claim_id: int) -> None:
        """Give a task back into line, as if it had not been taken."""
        await self._settle(tenant_id, agent_id, epoch, task_id, claim_id, "released", {})

    async def note(
        self,
        tenant_id: str,
        agent_id: str,
        epoch: int,
        task_id: str,
        claim_id: int,
        *,
        done: int | None = None,
        total: int | None = None,
        text: str = "",
        lines: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Say how far a task is, and what is to be remembered of it: `{"level": "info", "message": …}`."""
        if len(lines) > LINES_MAX:
            raise Invalid(field="lines", reason="too_many", count=len(lines), max=LINES_MAX)
        cut = [{"level": one.get("level", "info"), "message": one["message"][:LINE_CHARS_MAX]} for one in lines]
        values = {
            "tenant": tenant_id, "epoch": epoch, "task": _id(task_id), "claim": claim_id,
            "done": done, "total": total, "note": text[:LINE_CHARS_MAX], "lines": encode(cut, field="lines"),
        }  # fmt: skip
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_NOTE, values)).fetchone()
        if row is None or not row[0]:
            raise LeaseLost(id=task_id)

    async def _claim(self, tenant_id: str, agent_id: str, epoch: int, most: int) -> tuple[Assignment, ...]:
        values = {"tenant": tenant_id, "agent": agent_id, "epoch": epoch, "most": most}
        taking = asyncio.ensure_future(self._assignments(_CLAIM, values))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            # Whoever asked is gone: what was taken meanwhile would be in nobody's hands.
            for one in await taking:
                with suppress(LeaseLost):
                    await self.release(tenant_id, agent_id, epoch, one.task_id, one.claim_id)
            raise

    async def _again(
        self, tenant_id: str, agent_id: str, epoch: int, most: int, holding: Sequence[int]
    ) -> tuple[Assignment, ...]:
        values = {"tenant": tenant_id, "agent": agent_id, "epoch": epoch, "most": most, "holding": list(holding)}
        return await self._assignments(_AGAIN, values)

    async def _assignments(self, statement: Any, values: Mapping[str, Any]) -> tuple[Assignment, ...]:
        async with self._database.system_tx() as tx:
            return tuple(assignment_of(row) for row in await (await tx.execute(statement, values)).fetchall())

    async def _names(self, tenant_id: str, agent_id: str) -> list[str]:
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_KEYS, {"tenant": tenant_id, "agent": agent_id})).fetchone()
        return [f"{tenant_id} {anchor}" for anchor in row[0]] if row else []

    async def _settle(
        self,
        tenant_id: str,
        agent_id: str,
        epoch: int,
        task_id: str,
        claim_id: int,
        outcome: Outcome,
        details: Mapping[str, Any],
    ) -> None:
        text = encode({"outcome": outcome, **details}, field="error")
        await self._end(tenant_id, agent_id, epoch, task_id, claim_id, text)

    async def _end(self, tenant_id: str, agent_id: str, epoch: int, task_id: str, claim_id: int, end: str) -> None:
        values = {
            "tenant": tenant_id, "agent": agent_id, "epoch": epoch, "task": _id(task_id), "claim": claim_id, "end": end,
        }  # fmt: skip
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_END, values)).fetchone()
        # After the commit: that it was refused is on record.
        if row is None or not row[0]:
            raise LeaseLost(id=task_id)


def _id(task_id: str) -> str:
    if not is_id(task_id):
        raise Invalid(field="task_id", reason="wrong_format", expected="0198a0c2-…")
    return task_id
