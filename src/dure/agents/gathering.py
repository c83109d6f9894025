"""The job that stands above a broadcast: it begins when all that was asked has ended, and says who answered what."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from dure.agents.model import GATHER_JOB
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import Conflict
from dure.queue.context import Context
from dure.queue.registry import handler

_ANSWERS = load("dure.agents", "task_answers")


class Nothing(BaseModel):
    """No parameters: the tasks below the job are what it is about."""


def handlers(database: Database) -> list[Callable[..., Any]]:
    """Answer the handlers of agents, for a worker's registry. Example: `for one in handlers(db): registry.add(one)`."""

    @handler(GATHER_JOB)
    async def gather(params: Nothing, ctx: Context) -> dict[str, Any]:
        """Gather what all the agents of a broadcast answered."""
        async with database.system_tx() as tx:
            rows = await (await tx.execute(_ANSWERS, {"task": ctx.job.id})).fetchall()
        completed = [
            {"agent": agent, "task": task_id, "result": result}
            for agent, task_id, state, result, _, _ in rows
            if state == "completed"
        ]
        failed = [
            {"agent": agent, "task": task_id, "state": state, "error_class": error_class, "error": error}
            for agent, task_id, state, _, error_class, error in rows
            if state != "completed"
        ]
        if not completed:
            raise Conflict("nobody_answered", count=len(failed))
        return {"completed": completed, "failed": failed}

    return [gather]
