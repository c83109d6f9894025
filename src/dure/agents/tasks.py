"""Tasks: work for agents. A task is a job; who does it is found by what it needs and by a strategy.

    submit ──► choose (stored: candidates, scores, reason) ──► in line: of the one that was chosen, or of the need
           ──► an agent claims it ──► completed | failed | cancelled | quarantined

    direct        the agent that is named                 sticky      the same agent for the same key
    least_loaded  the one with the most room               broadcast   everyone; one task gathers the answers
    round_robin   each in turn                             first_come  whoever asks first (the default)

When the one that was chosen dies or is drained, what waits for it goes to whoever can; what names it waits for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dure.agents.model import Choice, NewTask, Task, TaskFilter, Why
from dure.agents.rows import choice_of, task_of
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Invalid, NotFound
from dure.queue.client import Client
from dure.queue.cursors import LAST_ID, id_from_cursor, is_id, to_cursor
from dure.queue.jobs import Jobs
from dure.queue.payload import encode
from dure.queue.views import Page
from dure.settings import Settings

SUBMIT_MAX = 1_000
PAGE_MAX = 1_000

_SUBMIT = load("dure.agents", "tasks_submit")
_PREVIEW = load("dure.agents", "task_preview")
_READ = load("dure.agents", "tasks_read")
_CHOICES = load("dure.agents", "task_choices")
_WAITS = load("dure.agents", "task_waits")


class Tasks:
    """The tasks of a database.

    Example: `task = await tasks.submit("acme", NewTask(needs=Need(class_="research")), actor="kim")`.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._jobs = Jobs(database, Client(database, settings))

    async def submit(self, tenant_id: str, task: NewTask, *, actor: str) -> Task:
        """Ask for a task; a repeated `unique_key` answers with the one that there is."""
        (made,) = await self.submit_many(tenant_id, [task], actor=actor)
        return made

    async def submit_many(self, tenant_id: str, tasks: Sequence[NewTask], *, actor: str) -> tuple[Task, ...]:
        """Ask for tasks, all or none."""
        async with self._database.system_tx() as tx:
            return await self.submit_on(tx, tenant_id, tasks, actor=actor)

    async def submit_on(
        self, tx: Connection, tenant_id: str, tasks: Sequence[NewTask], *, actor: str
    ) -> tuple[Task, ...]:
        """Ask for tasks in a transaction of the system, which the caller commits."""
        if not 1 <= len(tasks) <= SUBMIT_MAX:
            raise Invalid(field="tasks", reason="out_of_range", min=1, max=SUBMIT_MAX)
        document = encode([task.document() for task in tasks], field="tasks")
        row = await (await tx.execute(_SUBMIT, {"tenant": tenant_id, "tasks": document, "actor": actor})).fetchone()
        assert row is not None
        ids, created = row
        made = {one.id: one for one in await _read(tx, tenant_id, TaskFilter(), ids=ids, limit=len(ids))}
        return tuple(replace(made[task_id], is_new=is_new) for task_id, is_new in zip(ids, created, strict=True))

    async def preview(self, tenant_id: str, task: NewTask) -> Choice:
        """Answer whom a task would go to now, without asking for it."""
        values = {"tenant": tenant_id, "task": encode(task.document(), field="task")}
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_PREVIEW, values)).fetchone()
        assert row is not None
        return choice_of(row)

    async def get(self, tenant_id: str | None, task_id: str) -> Task:
        """Answer a task."""
        async with self._database.system_tx() as tx:
            return await _one(tx, tenant_id, task_id)

    async def list(
        self,
        tenant_id: str | None,
        wanted: TaskFilter | None = None,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Task]:
        """Answer tasks, newest first."""
        limit = max(1, min(limit, PAGE_MAX))
        async with self._database.system_tx() as tx:
            found = await _read(tx, tenant_id, wanted or TaskFilter(), before=id_from_cursor(cursor), limit=limit + 1)
        return Page(tuple(found[:limit]), to_cursor(found[limit - 1].id) if len(found) > limit else None)

    async def why(self, tenant_id: str | None, task_id: str) -> Why:
        """Answer why a task is where it is: who was chosen for it from whom, and what it waits for."""
        async with self._database.system_tx() as tx:
            task = await _one(tx, tenant_id, task_id)
            choices = [choice_of(row) for row in await (await tx.execute(_CHOICES, {"task": task.id})).fetchall()]
            row = await (await tx.execute(_WAITS, {"task": task.id})).fetchone()
        waits_for = _waits_for(row) if row is not None and task.state == "pending" else None
        return Why(task, tuple(choices), waits_for)

    async def cancel(self, tenant_id: str | None, task_id: str, *, reason: str, actor: str) -> Task:
        """Cancel a task and all below it; one in an agent's hands is asked to stop."""
        task = await self.get(tenant_id, task_id)
        await self._jobs.cancel(task.tenant_id, task_id, reason=reason, actor=actor)
        return await self.get(tenant_id, task_id)

    async def retry(self, tenant_id: str | None, task_id: str, *, actor: str) -> Task:
        """Give a task that ended badly a new life."""
        task = await self.get(tenant_id, task_id)
        await self._jobs.retry(task.tenant_id, task_id, actor=actor)
        return await self.get(tenant_id, task_id)


async def _one(tx: Connection, tenant_id: str | None, task_id: str) -> Task:
    found = await _read(tx, tenant_id, TaskFilter(), ids=[task_id], limit=1) if is_id(task_id) else []
    if not found:
        raise NotFound("task", task_id)
    return found[0]


async def _read(
    tx: Connection,
    tenant_id: str | None,
    wanted: TaskFilter,
    *,
    limit: int,
    ids: Sequence[str] | None = None,
    before: str | None = None,
) -> list[Task]:
    for name in ("root", "parent"):
        if (given := getattr(wanted, name)) is not None and not is_id(given):
            raise Invalid(field=name, reason="wrong_format", expected="0198a0c2-…")
    values = {
        "tenant": tenant_id,
        "ids": None if ids is None else list(ids),
        "before": before or LAST_ID,
        "state": wanted.state,
        "agent": wanted.agent,
        "class": wanted.class_,
        "strategy": wanted.strategy,
        "root": wanted.root,
        "parent": wanted.parent,
        "limit": limit,
    }
    return [task_of(row) for row in await (await tx.execute(_READ, values)).fetchall()]


def _waits_for(row: Sequence[Any]) -> Mapping[str, Any]:
    """Answer the first thing that must happen for a pending task to begin."""
    blocked_by, run_at, is_early, is_paused, agent_id, agent_state, candidates, depends_on = row
    able = [one for one in candidates or () if one.get("reason") is None]
    if blocked_by:
        return {"code": "waits_for_tasks", "tasks": depends_on or []}
    if is_early:
        return {"code": "not_yet", "run_at": run_at.isoformat()}
    if is_paused:
        return {"code": "handler_paused"}
    if agent_id is not None and agent_state != "alive":
        return {"code": "agent_not_alive", "agent": agent_id, "state": agent_state}
    if agent_id is not None:
        return {"code": "agent_busy", "agent": agent_id}
    if not candidates:
        return {"code": "no_agent_can"}
    if not able:
        return {"code": "nobody_free", "candidates": candidates}
    if all(one["in_hand"] >= one["capacity"] for one in able):
        return {"code": "all_busy", "candidates": candidates}
    return {"code": "in_line"}
