"""What agents are given: who is chosen and why, how tasks end, and what happens when they do not."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from dure.agents.gathering import handlers
from dure.agents.model import Need, NewTask, TaskFilter
from dure.db.pool import Database
from dure.errors import Conflict, DependencyCycle, DureError, Invalid, LeaseLost, NotFound
from dure.queue.registry import handler
from queueing import TENANT, ask, ended, in_state, jobs_of, one, rows, running
from registering import ACTOR, agents_of, join, silent, submit, sweep, tasks_of, tend, work_once


async def claim(database: Database, session, most: int = 1):
    return await agents_of(database).claim(TENANT, session.agent_id, session.epoch, most=most)


async def assigned(database: Database, task_id: str) -> str | None:
    return (await tasks_of(database).get(TENANT, task_id)).agent_id


class TestLife:
    async def test_a_task_finds_who_can_do_it(self, database: Database):
        searcher = await join(database, "r1")
        writer = await join(database, "w1", class_="writer", capabilities=("write", "search"))
        both = await submit(database, capabilities=("search", "write"), params={"q": 1}, title="both")
        assert await claim(database, searcher) == ()
        (taken,) = await claim(database, writer)
        assert (taken.task_id, taken.params, taken.title, taken.attempt) == (both.id, {"q": 1}, "both", 1)
        said = [{"message": "so far so good"}]
        held = (TENANT, "w1", writer.epoch, both.id, taken.claim_id)
        await agents_of(database).note(*held, done=1, total=2, text="half", lines=said)
        await agents_of(database).complete(TENANT, "w1", writer.epoch, both.id, taken.claim_id, {"found": [1]})
        found = await tasks_of(database).get(TENANT, both.id)
        assert (found.state, found.result, found.agent_id) == ("completed", {"found": [1]}, "w1")
        assert await rows(database, "select done, total, note from dure.progress") == [(1, 2, "half")]
        assert await rows(database, "select message from dure.job_log") == [("so far so good",)]
        assert await one(database, "select count(*) from dure.claim") == 0

    async def test_class_tree_and_exclusions(self, database: Database):
        await join(database, "top", class_="boss")
        inside = await join(database, "in", parent_id="top")
        outside = await join(database, "out")
        await submit(database, tree="top", class_="research")
        assert await claim(database, outside) == ()
        assert len(await claim(database, inside)) == 1

    async def test_a_plain_insert_finds_an_agent(self, database: Database):
        """By a client of SQL that knows nothing of agents; the job is no task, and is done all the same."""
        await rows(
            database,
            "insert into job_executions (intent_key, intent_params, tenant_id)"
            " values ('dure.task', '{\"n\": 1}', 'acme')",
        )
        session = await join(database)
        (taken,) = await claim(database, session)
        assert taken.params == {"n": 1}
        await agents_of(database).complete(TENANT, "r1", session.epoch, taken.task_id, taken.claim_id)
        assert await rows(database, "select status from job_executions") == [("completed",)]

    async def test_ordinary_workers_leave_agents_work_alone(self, database: Database):
        @handler("t.plain")
        def plain(params: dict[str, int]) -> None: ...

        task = await submit(database, capabilities=("search",))
        async with running(database, [plain]):
            await ended(database, await ask(database, "t.plain"))
        assert (await tasks_of(database).get(TENANT, task.id)).attempt == 0
        assert (await jobs_of(database).why(TENANT, task.id)).code == "waits_for_agent"

    async def test_the_most_urgent_first_then_the_oldest(self, database: Database):
        session = await join(database, capacity=10)
        made = [await submit(database, class_="research", priority=p) for p in (0, 5, 0)]
        made.append(await submit(database, capabilities=("search",), priority=9))
        taken = await claim(database, session, most=10)
        assert [one.task_id for one in taken] == [made[3].id, made[1].id, made[0].id, made[2].id]

    async def test_no_more_than_an_agent_can_hold(self, database: Database):
        session = await join(database, capacity=2)
        for _ in range(3):
            await submit(database, capabilities=("search",))
        taken = await claim(database, session, most=10)
        assert len(taken) == 2
        assert await claim(database, session) == ()
        await agents_of(database).release(TENANT, "r1", session.epoch, taken[0].task_id, taken[0].claim_id)
        assert len(await claim(database, session)) == 1

    async def test_two_agents_and_one_task(self, database: Database):
        """The first holds the task in a transaction that is open; the second passes by."""
        first, second = await join(database, "r1"), await join(database, "r2")
        await submit(database, capabilities=("search",))
        async with database.system_tx() as tx:
            cursor = await tx.execute("select id from dure.claim_tasks('acme', 'r1', %s, 1)", [first.epoch])
            assert await cursor.fetchone() is not None
            assert await claim(database, second) == ()
        assert await claim(database, second) == ()

    async def test_many_agents_share_many_tasks(self, database: Database):
        sessions = [await join(database, f"r{n}", capacity=100) for n in range(4)]
        await tasks_of(database).submit_many(
            TENANT, [NewTask(needs=Need(capabilities=("search",))) for _ in range(100)], actor=ACTOR
        )
        agents, seen = agents_of(database), []

        async def work(session) -> None:
            while taken := await agents.claim(TENANT, session.agent_id, session.epoch, most=3):
                for held in taken:
                    seen.append(held.task_id)
                    await agents.complete(TENANT, session.agent_id, session.epoch, held.task_id, held.claim_id)

        await asyncio.gather(*[work(one) for one in sessions])
        assert (len(seen), len(set(seen))) == (100, 100)

    async def test_failing_is_tried_again_unless_it_is_final(self, database: Database):
        session = await join(database)
        task = await submit(database, capabilities=("search",), max_retries=1)
        for delay_s in (0.0, 0.0):
            (taken,) = await claim(database, session)
            held = (TENANT, "r1", session.epoch, task.id, taken.claim_id)
            await agents_of(database).fail(*held, error_class="Busy", message="later", retry_after_s=delay_s)
        found = await tasks_of(database).get(TENANT, task.id)
        assert (found.state, found.error_class, found.error, found.retry_count) == ("failed", "Busy", "later", 1)
        await tasks_of(database).retry(TENANT, task.id, actor=ACTOR)
        (taken,) = await claim(database, session)
        await agents_of(database).fail(TENANT, "r1", session.epoch, task.id, taken.claim_id, retry=False)
        assert (await tasks_of(database).get(TENANT, task.id)).state == "failed"

    async def test_a_failure_waits_before_it_is_tried_again(self, database: Database):
        session = await join(database)
        task = await submit(database, capabilities=("search",))
        (taken,) = await claim(database, session)
        await agents_of(database).fail(TENANT, "r1", session.epoch, task.id, taken.claim_id)
        assert await claim(database, session) == ()
        found = await tasks_of(database).get(TENANT, task.id)
        assert found.run_at is not None
        assert 0.5 < (found.run_at - datetime.now(UTC)).total_seconds() < 1.2

    async def test_only_who_holds_it_may_end_it(self, database: Database):
        holder, other = await join(database, "r1"), await join(database, "r2")
        task = await submit(database, capabilities=("search",))
        (taken,) = await claim(database, holder)
        agents = agents_of(database)
        fence = taken.claim_id
        for agent, epoch, claim_id in [
            ("r2", other.epoch, fence),
            ("r2", holder.epoch, fence),
            ("r1", holder.epoch, fence + 1),
            ("r1", other.epoch, fence),
        ]:
            with pytest.raises(LeaseLost):
                await agents.complete(TENANT, agent, epoch, task.id, claim_id)
        for epoch, claim_id in [(other.epoch, fence), (holder.epoch, fence + 1)]:
            with pytest.raises(LeaseLost):
                await agents.note(TENANT, "r1", epoch, task.id, claim_id, done=1)
        await agents.complete(TENANT, "r1", holder.epoch, task.id, taken.claim_id)
        with pytest.raises(LeaseLost):
            await agents.complete(TENANT, "r1", holder.epoch, task.id, taken.claim_id)

    async def test_a_result_too_large_is_refused_and_the_task_stays(self, database: Database):
        session = await join(database)
        task = await submit(database, capabilities=("search",))
        (taken,) = await claim(database, session)
        with pytest.raises(Invalid):
            await agents_of(database).complete(TENANT, "r1", session.epoch, task.id, taken.claim_id, "x" * 300_000)
        assert (await tasks_of(database).get(TENANT, task.id)).state == "processing"

    async def test_the_same_key_twice_is_one_task(self, database: Database):
        first = await submit(database, class_="research", unique_key="k", params={"n": 1})
        again = await submit(database, class_="research", unique_key="k", params={"n": 1})
        assert (again.id, again.is_new, first.is_new) == (first.id, False, True)
        session = await join(database)
        assert await work_once(database, session) == first.id
        assert await claim(database, session) == ()


class TestChains:
    async def test_a_depends_on_b_and_b_fails(self, database: Database):
        session = await join(database)
        b = await submit(database, capabilities=("search",))
        a = await submit(database, capabilities=("search",), depends_on=[b.id])
        assert (await tasks_of(database).why(TENANT, a.id)).waits_for == {"code": "waits_for_tasks", "tasks": [b.id]}
        (taken,) = await claim(database, session)
        assert (taken.task_id, await claim(database, session)) == (b.id, ())
        await agents_of(database).fail(TENANT, "r1", session.epoch, b.id, taken.claim_id, retry=False)
        found = await tasks_of(database).get(TENANT, a.id)
        assert (found.state, found.error_class) == ("cancelled", "DependencyFailed")
        assert b.id in str(found.error)

    async def test_a_dependency_that_is_met_lets_the_next_one_run(self, database: Database):
        session = await join(database)
        b = await submit(database, capabilities=("search",))
        a = await submit(database, capabilities=("search",), depends_on=[b.id])
        assert [await work_once(database, session), await work_once(database, session)] == [b.id, a.id]

    async def test_a_cycle_is_refused(self, database: Database):
        b = await submit(database, class_="research")
        a = await submit(database, class_="research", depends_on=[b.id])
        with pytest.raises(DependencyCycle):
            await rows(database, "select dure.depend(%s, array[%s]::uuid[])", [b.id, a.id])

    async def test_depth_and_loops_are_checked(self, database: Database):
        sessions = {f"r{n}": await join(database, f"r{n}", capacity=20) for n in range(12)}
        above = await submit(database, agent="r0")
        await claim(database, sessions["r0"])
        with pytest.raises(Conflict) as caught:
            await submit(database, agent="r0", parent_id=above.id)
        assert caught.value.reason == "delegation_loop"
        anyone = await submit(database, capabilities=("search",), parent_id=above.id)
        assert (anyone.depth, anyone.from_agent, anyone.root_id, anyone.trace_id) == (1, "r0", above.id, above.trace_id)
        assert await claim(database, sessions["r0"]) == ()
        assert (await claim(database, sessions["r1"]))[0].task_id == anyone.id
        for n in range(1, 11):
            above = await submit(database, agent=f"r{n}", parent_id=above.id)
            await claim(database, sessions[f"r{n}"])
        with pytest.raises(Conflict) as caught:
            await submit(database, agent="r11", parent_id=above.id)
        assert caught.value.reason == "delegation_too_deep"

    async def test_deadlines_and_cancellation_go_down(self, database: Database):
        top, leaf = await join(database, "top"), await join(database, "leaf")
        at = datetime.now(UTC) + timedelta(hours=1)
        above = await submit(database, agent="top", deadline_at=at)
        await claim(database, top)
        below = await submit(database, agent="leaf", parent_id=above.id, deadline_at=at + timedelta(hours=1))
        waiting = await submit(database, agent="leaf", parent_id=above.id)
        assert below.deadline_at == waiting.deadline_at == above.deadline_at
        (taken,) = await claim(database, leaf)
        await tasks_of(database).cancel(TENANT, above.id, reason="not needed", actor=ACTOR)
        assert (await tasks_of(database).get(TENANT, waiting.id)).state == "cancelled"
        assert (await agents_of(database).renew(TENANT, "leaf", leaf.epoch)).cancel == ((below.id, "not needed"),)
        await agents_of(database).cancelled(TENANT, "leaf", leaf.epoch, below.id, taken.claim_id)
        assert (await tasks_of(database).get(TENANT, below.id)).state == "cancelled"
        with pytest.raises(Conflict) as caught:
            await submit(database, agent="leaf", parent_id=above.id)
        assert caught.value.reason == "parent_ended"

    async def test_who_does_not_answer_a_cancellation_is_not_waited_for(self, database: Database):
        session = await join(database)
        task = await submit(database, agent="r1")
        (taken,) = await claim(database, session)
        await tasks_of(database).cancel(TENANT, task.id, reason="enough", actor=ACTOR)
        assert (await tend(database))["late"] == 0
        await rows(database, "update dure.job set cancel_requested_at = cancel_requested_at - interval '1 minute'")
        assert (await tend(database))["late"] == 1
        assert (await tasks_of(database).get(TENANT, task.id)).state == "cancelled"
        with pytest.raises(LeaseLost):
            await agents_of(database).complete(TENANT, "r1", session.epoch, task.id, taken.claim_id)

    async def test_time_outs_and_deadlines_are_kept_for_those_who_do_not(self, database: Database):
        session = await join(database, capacity=5)
        slow = await submit(database, agent="r1", timeout_s=60)
        late = await submit(database, agent="r1", deadline_at=datetime.now(UTC) + timedelta(minutes=1))
        fine = await submit(database, agent="r1", timeout_s=600)
        assert len(await claim(database, session, most=5)) == 3
        assert (await tend(database))["late"] == 0
        await rows(database, "update dure.task_due set due_at = due_at - interval '2 minutes'")
        assert (await tend(database))["late"] == 2
        found = {one.id: one for one in (await tasks_of(database).list(TENANT)).items}
        assert (found[slow.id].state, found[slow.id].error_class, found[slow.id].retry_count) == (
            "pending",
            "TimeoutError",
            1,
        )
        assert (found[late.id].state, found[late.id].error_class) == ("failed", "DeadlinePassed")
        assert found[fine.id].state == "processing"


class TestChoices:
    async def test_least_loaded(self, database: Database):
        busy, free = await join(database, "busy", capacity=4), await join(database, "free", capacity=4)
        for _ in range(2):
            await submit(database, agent="busy")
        assert len(await claim(database, busy)) == 1
        task = await submit(database, capabilities=("search",), strategy="least_loaded")
        why = await tasks_of(database).why(TENANT, task.id)
        (choice,) = why.choices
        assert (choice.chosen, choice.reason) == ("free", {"code": "least_loaded"})
        assert [(one.agent_id, one.score, one.in_hand, one.waiting) for one in choice.candidates] == [
            ("free", 0, 0, 0),
            ("busy", 0.5, 1, 1),
        ]
        assert why.waits_for == {"code": "agent_busy", "agent": "free"}
        assert (await claim(database, free))[0].task_id == task.id

    async def test_round_robin(self, database: Database):
        for name in ("a", "b", "c"):
            await join(database, name)
        chosen = [
            await assigned(database, (await submit(database, class_="research", strategy="round_robin")).id)
            for _ in range(5)
        ]
        assert chosen == ["a", "b", "c", "a", "b"]

    async def test_sticky_by_key(self, database: Database):
        for name in ("a", "b", "c"):
            await join(database, name)
        first = [await submit(database, class_="research", strategy="sticky", sticky_key=f"user-{n}") for n in range(6)]
        again = [await submit(database, class_="research", strategy="sticky", sticky_key=f"user-{n}") for n in range(6)]
        assert [one.agent_id for one in again] == [one.agent_id for one in first]
        gone = first[0].agent_id
        assert gone is not None
        await silent(database, gone)
        await sweep(database)
        moved = await submit(database, class_="research", strategy="sticky", sticky_key="user-0")
        assert moved.agent_id not in (gone, None)
        (choice,) = (await tasks_of(database).why(TENANT, moved.id)).choices
        assert choice.reason == {"code": "newly_bound", "key": "user-0", "was": gone}

    async def test_whom_it_would_be_without_doing_it(self, database: Database):
        await join(database, "a")
        await agents_of(database).drain(TENANT, (await join(database, "b")).agent_id, actor=ACTOR)
        wish = NewTask(needs=Need(class_="research"), strategy="least_loaded")
        choice = await tasks_of(database).preview(TENANT, wish)
        assert (choice.chosen, [(one.agent_id, one.reason) for one in choice.candidates]) == (
            "a",
            [("a", None), ("b", "draining")],
        )
        assert await one(database, "select count(*) from dure.job") == 0

    async def test_nobody_can_do_it_until_somebody_comes(self, database: Database):
        task = await submit(database, capabilities=("rare",), strategy="least_loaded")
        why = await tasks_of(database).why(TENANT, task.id)
        assert (why.choices[0].chosen, why.choices[0].reason, why.waits_for) == (
            None,
            {"code": "no_candidate"},
            {"code": "no_agent_can"},
        )
        session = await join(database, capabilities=("rare",))
        assert await work_once(database, session) == task.id

    async def test_what_waits_for_one_that_died_goes_to_whoever_can(self, database: Database):
        await join(database, "a")
        task = await submit(database, class_="research", strategy="least_loaded")
        named = await submit(database, agent="a")
        other = await join(database, "b", capacity=5)
        await silent(database, "a")
        await sweep(database)
        assert [one.task_id for one in await claim(database, other, most=5)] == [task.id]
        why = await tasks_of(database).why(TENANT, task.id)
        assert [one.reason["code"] for one in why.choices] == ["least_loaded", "agent_died"]
        assert (await tasks_of(database).why(TENANT, named.id)).waits_for == {
            "code": "agent_not_alive",
            "agent": "a",
            "state": "dead",
        }
        back = await join(database, "a", capacity=5)
        assert [one.task_id for one in await claim(database, back, most=5)] == [named.id]

    async def test_a_task_whose_agents_die_again_and_again_is_quarantined(self, database: Database):
        task = await submit(database, capabilities=("search",))
        for _ in range(3):
            session = await join(database)
            assert len(await claim(database, session)) == 1
            await silent(database, "r1")
            await sweep(database)
        found = await tasks_of(database).get(TENANT, task.id)
        assert (found.state, found.crash_count, found.retry_count) == ("quarantined", 3, 0)
        assert await claim(database, await join(database)) == ()

    async def test_broadcast_and_what_it_gathers(self, database: Database):
        a, b = await join(database, "a"), await join(database, "b")
        await join(database, "c", capabilities=("other",))
        task = await submit(database, capabilities=("search",), strategy="broadcast", params={"q": 1})
        agents = agents_of(database)
        (of_a,), (of_b,) = await claim(database, a), await claim(database, b)
        assert of_a.params == of_b.params == {"q": 1}
        async with running(database, handlers(database)):
            await agents.complete(TENANT, "a", a.epoch, of_a.task_id, of_a.claim_id, "yes")
            assert (await tasks_of(database).get(TENANT, task.id)).state == "pending"
            await agents.fail(
                TENANT, "b", b.epoch, of_b.task_id, of_b.claim_id, error_class="No", message="never", retry=False
            )
            found = await in_state(database, task.id, "completed")
        assert found.result == {
            "completed": [{"agent": "a", "task": of_a.task_id, "result": "yes"}],
            "failed": [{"agent": "b", "task": of_b.task_id, "state": "failed", "error_class": "No", "error": "never"}],
        }

    async def test_a_broadcast_to_nobody_is_refused(self, database: Database):
        with pytest.raises(Conflict) as caught:
            await submit(database, capabilities=("search",), strategy="broadcast")
        assert caught.value.reason == "no_candidate"

    @pytest.mark.parametrize(
        ("field", "given"),
        [
            ("strategy", {"strategy": "loudest"}),
            ("agent", {"strategy": "direct"}),
            ("strategy", {"strategy": "least_loaded", "agent": "r1"}),
            ("sticky_key", {"strategy": "sticky"}),
            ("sticky_key", {"sticky_key": "k"}),
            ("handler", {"handler": "no.such"}),
            ("timeout_s", {"timeout_s": -1}),
        ],
    )
    async def test_wishes_that_do_not_fit_are_named(self, database: Database, field: str, given: dict[str, object]):
        await join(database)
        with pytest.raises(DureError) as caught:
            await submit(database, **given)
        assert field in caught.value.fields

    async def test_an_agent_that_is_not_there(self, database: Database):
        with pytest.raises(NotFound):
            await submit(database, agent="nobody")
        await join(database)
        await agents_of(database).retire(TENANT, "r1", actor=ACTOR)
        with pytest.raises(Conflict) as caught:
            await submit(database, agent="r1")
        assert caught.value.reason == "agent_gone"

    async def test_all_or_none(self, database: Database):
        with pytest.raises(NotFound):
            await tasks_of(database).submit_many(TENANT, [NewTask(), NewTask(needs=Need(agent="nobody"))], actor=ACTOR)
        assert await one(database, "select count(*) from dure.job") == 0


class TestWaiting:
    async def test_one_that_waits_is_told_at_once(self, database: Database):
        agents = agents_of(database)
        session = await join(database)
        waiting = asyncio.create_task(agents.claim(TENANT, "r1", session.epoch, wait_s=20))
        await asyncio.sleep(0.3)
        began = asyncio.get_running_loop().time()
        task = await submit(database, capabilities=("search",))
        (taken,) = await waiting
        assert taken.task_id == task.id
        # A poll would have taken seconds.
        assert asyncio.get_running_loop().time() - began < 2
        await agents.stop()

    async def test_nothing_comes(self, database: Database):
        agents = agents_of(database)
        session = await join(database)
        assert await agents.claim(TENANT, "r1", session.epoch, wait_s=0.2) == ()
        await agents.stop()

    async def test_a_crowd_that_waits_is_woken_for_as_many_as_come(self, database: Database):
        agents = agents_of(database)
        sessions = [await join(database, f"r{n}") for n in range(6)]
        waiting = [asyncio.create_task(agents.claim(TENANT, one.agent_id, one.epoch, wait_s=20)) for one in sessions]
        await asyncio.sleep(0.5)
        await tasks_of(database).submit_many(
            TENANT, [NewTask(needs=Need(class_="research")) for _ in range(6)], actor=ACTOR
        )
        taken = await asyncio.wait_for(asyncio.gather(*waiting), 4)
        assert len({one.task_id for (one,) in taken}) == 6
        await agents.stop()


async def test_lists_of_tasks(database: Database):
    session = await join(database)
    made = [await submit(database, class_="research") for _ in range(3)]
    other = await submit(database, agent="r1")
    await claim(database, session)
    tasks = tasks_of(database)
    assert [one.id for one in (await tasks.list(TENANT)).items] == [other.id, *(one.id for one in reversed(made))]
    assert [one.id for one in (await tasks.list(TENANT, TaskFilter(agent="r1"))).items] == [other.id, made[0].id]
    assert [one.id for one in (await tasks.list(TENANT, TaskFilter(class_="research", state="pending"))).items] == [
        made[2].id,
        made[1].id,
    ]
    assert [one.id for one in (await tasks.list(TENANT, TaskFilter(strategy="direct"))).items] == [other.id]
    page = await tasks.list(TENANT, limit=2)
    rest = await tasks.list(TENANT, limit=2, cursor=page.next_cursor)
    assert len({one.id for one in (*page.items, *rest.items)}) == 4
    with pytest.raises(Invalid):
        await tasks.list(TENANT, TaskFilter(root="x"))


async def test_a_rare_capability_among_many_tasks_is_found_without_reading_them(database: Database, url: str):
    """By what is read, not by the clock: as few rows as if the rare one stood alone."""
    common = [NewTask(needs=Need(capabilities=("common",)), params={"n": n}) for n in range(1000)]
    for _ in range(3):
        await tasks_of(database).submit_many(TENANT, common, actor=ACTOR)
    await submit(database, capabilities=("rare",))
    session = await join(database, capabilities=("rare",))
    # A connection of its own, because a session's counts go on from one transaction to the next.
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute("select count(*) from dure.claim_tasks('acme', 'r1', %s, 1)", [session.epoch])
        assert await cursor.fetchone() == (1,)
        cursor = await connection.execute(
            "select relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_all_tables"
            " where schemaname = 'dure' and relname in ('ready', 'job', 'task', 'need', 'lane')"
        )
        read = dict(await cursor.fetchall())
    assert all(count < 20 for count in read.values()), read
