"""`dure.agents.unlearn`: what the agents of a reverted release learned is taken back, run by run.

A rollout to a release that pins knowledge asks for this job when it is taken back. Whatever runs have changed since
then of one of the release's agents (a change names its agent as its subject) is undone for these agents alone, the
latest run first, each by a way back of its own that leaves alone what somebody has changed since. A way back begins
when the one before it is over, so the job comes again until all are: what it has begun it finds by its author.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field

from dure.db.sql import load
from dure.errors import Conflict
from dure.queue.context import Context
from dure.queue.registry import handler
from dure.queue.retry import Retryable
from dure.runs.model import RUN_OVER, Run
from dure.runs.reading import RunFilter
from dure.runs.service import Runs
from dure.runtime.equipment import known_operations
from dure.settings import load as load_settings

UNLEARN = "dure.agents.unlearn"
RETRIES = 100
TIMEOUT_S = 600.0
RUNS_MAX = 1_000
LOOK_AGAIN_S = 0.25
LOOK_AGAIN_MAX_S = 60.0

_LEARNED = load("dure.apps.ecosystem", "learned_runs")


class UnlearnParams(BaseModel):
    """Whose rollout was taken back, and since when its agents learned."""

    class_: str = Field(alias="class")
    rollout_id: str
    since: AwareDatetime
    agent_ids: list[str]


@handler(UNLEARN, max_retries=RETRIES, timeout_s=TIMEOUT_S)
async def unlearn(params: UnlearnParams, ctx: Context) -> dict[str, Any]:
    """Take back what the agents of a reverted release learned."""
    settings = load_settings()
    runs = Runs(ctx.database, settings, known_operations(settings))
    undone: list[dict[str, Any]] = []
    for run_id in await _learned(ctx, params.since, params.agent_ids):
        back = await _way_back(runs, ctx.tenant_id, run_id, params)
        if isinstance(back, str):
            undone.append({"run_id": run_id, "rollback_id": None, "state": back})
        elif back.state in RUN_OVER:
            undone.append(_told(run_id, back))
        else:
            wait_s = min(LOOK_AGAIN_MAX_S, LOOK_AGAIN_S * 2 ** min(ctx.attempt, 10))
            raise Retryable(f"{back.id} is not over yet", after_s=wait_s)
    return {"class": params.class_, "rollout_id": params.rollout_id, "runs": undone}


async def _learned(ctx: Context, since: datetime, agents: Sequence[str]) -> list[str]:
    values = {"tenant_id": ctx.tenant_id, "since": since, "agents": list(agents), "limit": RUNS_MAX}
    async with ctx.database.system_tx() as tx:
        return [row[0] for row in await (await tx.execute(_LEARNED, values)).fetchall()]


async def _way_back(runs: Runs, tenant_id: str, run_id: str, params: UnlearnParams) -> Run | str:
    """Answer the way back of a run, begun now or before; or why there is none."""
    author = f"rollout:{params.rollout_id}"
    begun = await runs.list(tenant_id, RunFilter(rollback_of=run_id, author=author), limit=1)
    if begun.items:
        return begun.items[0]
    try:
        return await runs.rollback(
            tenant_id, run_id, author=author, mode="clean_only", subjects=params.agent_ids, then_apply=True
        )
    except Conflict as error:
        # Nothing of it is left to undo: somebody has undone it already.
        return error.reason


def _told(run_id: str, back: Run) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "rollback_id": back.id,
        "state": back.state,
        "applied": back.applied,
        "conflicts": back.conflicts,
        "failed": back.failed,
    }
