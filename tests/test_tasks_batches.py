"""Tasks that are asked for together: the same as one by one, in their order, all or none."""

from datetime import UTC, datetime, timedelta

import pytest

from dure.agents.model import Need, NewTask, Task
from dure.db.pool import Database
from dure.errors import Invalid
from queueing import TENANT, one, rows
from registering import ACTOR, agents_of, join, tasks_of

SEARCH = Need(capabilities=("search",))
LATER = datetime.now(UTC) + timedelta(days=1)


async def submitted(database: Database, tasks: list[NewTask]) -> tuple[Task, ...]:
    return await tasks_of(database).submit_many(TENANT, tasks, actor=ACTOR)


async def test_a_batch_is_what_its_tasks_are_one_by_one(database: Database) -> None:
    await join(database, "r1", capacity=50)
    wanted = [
        NewTask(params={"n": 1}, needs=SEARCH, title="first", priority=1, tags=("a",)),
        NewTask(params={"n": 2}, needs=SEARCH, timeout_s=5, max_retries=7),
        NewTask(params={"n": 3}, needs=SEARCH, trace_id="x"),
        NewTask(params={"n": 4}, needs=SEARCH, trace_id="y"),
        NewTask(params={"n": 5}, needs=Need(agent="r1"), deadline_at=LATER),
        NewTask(params={"n": 6}, needs=Need(agent="r1"), deadline_at=LATER, title="sixth"),
        NewTask(params={"n": 7}, needs=SEARCH, strategy="least_loaded"),
        NewTask(params={"n": 8}, needs=SEARCH, run_at=LATER),
        NewTask(params={"n": 9}, needs=SEARCH, run_at=LATER),
        NewTask(params={"n": 10}, needs=SEARCH, unique_key="k"),
        NewTask(params={"n": 10}, needs=SEARCH, unique_key="k"),
    ]
    together = await submitted(database, wanted)
    await tasks_of(database).cancel(TENANT, together[-1].id, reason="again", actor=ACTOR)
    alone = [await tasks_of(database).submit(TENANT, task, actor=ACTOR) for task in wanted]

    def said(task: Task) -> tuple[object, ...]:
        trace = task.trace_id if task.trace_id in "xy" else "own"
        return (
            task.params, task.title, task.priority, task.tags, task.timeout_s, task.max_retries, task.strategy,
            task.agent_id, task.needs, task.deadline_at, task.run_at, task.state, task.root_id == task.id, trace,
        )  # fmt: skip

    assert [said(task) for task in together] == [said(task) for task in alone]
    assert together[-1].id == together[-2].id
    assert [task.is_new for task in together] == [True] * 10 + [False]
    assert [task.id for task in together[:10]] == sorted(task.id for task in together[:10])


async def test_a_batch_is_claimed_in_its_order(database: Database) -> None:
    made = await submitted(database, [NewTask(params={"n": n}, needs=SEARCH) for n in range(300)])
    session = await join(database, "r1", capacity=300)
    claim = agents_of(database).claim
    taken = [one.task_id for _ in range(3) for one in await claim(TENANT, "r1", session.epoch, most=100)]
    assert taken == [task.id for task in made]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (NewTask(needs=SEARCH, title="x" * 501), "title"),
        (NewTask(needs=SEARCH, priority=99_999), "priority"),
        (NewTask(needs=SEARCH, params={"n": "x" * 300_000}), "params"),
        (NewTask(needs=SEARCH, timeout_s=-1), "timeout_s"),
    ],
)
async def test_one_bad_task_of_many_and_none_is_made(database: Database, wrong: NewTask, field: str) -> None:
    tasks = [NewTask(needs=SEARCH)] * 20
    with pytest.raises(Invalid) as caught:
        await submitted(database, [*tasks, wrong, *tasks])
    assert field in caught.value.fields
    assert await one(database, "select count(*) from dure.task") == 0


async def test_of_thousands_that_could_only_some_are_looked_at(database: Database) -> None:
    await rows(
        database,
        "select dure.register_agent(%s, jsonb_build_object('agent_id', 'a' || n, 'class', 'research',"
        " 'version', '1.9.0', 'capabilities', '[\"search\"]'::jsonb)) from generate_series(1, 120) n",
        [TENANT],
    )
    await submitted(database, [NewTask(needs=SEARCH), NewTask(needs=SEARCH, strategy="least_loaded")])
    told = await rows(database, "select strategy, jsonb_array_length(candidates) from dure.choice order by 1")
    assert told == [("first_come", 20), ("least_loaded", 20)]
