"""What the agents of a reverted release learned is taken back: the latest run first, and only theirs."""

from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel

import dure
from dure.apps.ecosystem.unlearning import unlearn
from dure.db.pool import Database
from dure.queue.client import Client
from dure.queue.model import NewJob
from queueing import TENANT, ended, one, rows, settings
from running import Batches, batches


@dure.operation("notes.learn")
class Learn:
    """Every agent that is named learns something."""

    class Params(BaseModel):
        agents: list[str]
        text: str

    stores = (dure.Table("public.notes"),)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[str]:
        for agent in params.agents:
            yield agent

    async def plan(self, subjects, ctx):
        notes = ctx.store("public.notes")
        for row in await notes.get(subjects):
            yield notes.update(row, {"text": row.values["text"] + ctx.params.text}, subject=row.values["agent"])


@pytest.fixture
async def learning(database: Database) -> AsyncIterator[Batches]:
    await rows(database, "create table public.notes (agent text primary key, text text not null)")
    await rows(database, "insert into public.notes values ('new', ''), ('old', '')")
    async with batches(database, [Learn]) as made:
        made.registry.add(unlearn)
        yield made


async def learn(made: Batches, text: str, *agents: str) -> dure.Runs:
    return await made.apply(await made.plan("notes.learn", {"agents": list(agents), "text": text}))


async def texts(made: Batches) -> dict[str, str]:
    return dict(await rows(made.database, "select agent, text from public.notes"))


async def taken_back(made: Batches, since: object, *agents: str) -> list[dict]:
    params = {"class": "worker", "rollout_id": "r1", "since": str(since), "agent_ids": list(agents)}
    asked = await Client(made.database, settings()).enqueue(
        TENANT, NewJob(handler="dure.agents.unlearn", params=params)
    )
    job = await ended(made.database, asked.id)
    assert job.state == "completed", job.error
    return job.result["runs"]


async def test_what_was_learned_since_is_undone_the_latest_first(learning: Batches) -> None:
    await learn(learning, "before,", "new", "old")
    since = await one(learning.database, "select dure.now()")
    first = await learn(learning, "one,", "new", "old")
    second = await learn(learning, "two,", "new")
    other = await learn(learning, "three,", "old")
    undone = await taken_back(learning, since, "new")
    assert [(run["run_id"], run["state"], run["applied"], run["conflicts"]) for run in undone] == [
        (second.id, "applied", 1, 0), (first.id, "applied", 1, 0),
    ]  # fmt: skip
    assert await texts(learning) == {"new": "before,", "old": "before,one,three,"}
    assert (await learning.runs.get(TENANT, other.id)).rolled_back == "no"
    assert (await learning.runs.get(TENANT, first.id)).rolled_back == "partly"


async def test_what_somebody_changed_since_is_left_alone(learning: Batches) -> None:
    since = await one(learning.database, "select dure.now()")
    run = await learn(learning, "one,", "new")
    await rows(learning.database, "update public.notes set text = 'by hand' where agent = 'new'")
    (undone,) = await taken_back(learning, since, "new")
    assert (undone["run_id"], undone["applied"]) == (run.id, 0)
    assert (await texts(learning))["new"] == "by hand"


async def test_what_is_undone_already_is_told_and_no_more(learning: Batches) -> None:
    since = await one(learning.database, "select dure.now()")
    run = await learn(learning, "one,", "new")
    await learning.undo(run)
    assert await taken_back(learning, since, "new") == [
        {"run_id": run.id, "rollback_id": None, "state": "already_undone"}
    ]
    assert await taken_back(learning, since, "nobody") == []
