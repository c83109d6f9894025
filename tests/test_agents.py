"""Who there is: registration, leases, death and return, the tree."""

import asyncio

import pytest

from dure.agents.model import AgentFilter, NewAgent
from dure.db.pool import Database
from dure.errors import Conflict, Invalid, LeaseLost, NotFound, Refused
from dure.queue.keys import Keys
from queueing import TENANT, one, rows, until
from registering import ACTOR, agents_of, join, silent, submit, sweep, tasks_of, tend, work_once


async def state(database: Database, agent_id: str = "r1") -> str:
    return (await agents_of(database).get(TENANT, agent_id)).state


async def test_an_agent_registers_renews_and_is_seen(database: Database):
    session = await join(
        database, kind="parent", location="seoul", endpoints={"http": "https://r1.example"}, capacity=3
    )
    assert (session.lease_s, session.renew_every_s, session.state) == (30.0, 10.0, "alive")
    await silent(database, "r1", 0.5)
    renewal = await agents_of(database).renew(TENANT, "r1", session.epoch, load={"cpu": 0.5})
    assert (renewal.draining, renewal.cancel, renewal.hold) == (False, (), None)
    found = await agents_of(database).get(TENANT, "r1")
    assert (found.class_, found.capabilities, found.capacity, found.location) == ("research", ("search",), 3, "seoul")
    assert (found.load, found.epoch, found.lease_until) == ({"cpu": 0.5}, session.epoch, renewal.lease_until)
    assert await one(database, "select count(*) from dure.event where subject = 'agent r1' and verb = 'register'") == 1


async def test_children_have_shorter_leases_and_anyone_may_choose(database: Database):
    assert (await join(database, "c1")).lease_s == 10.0
    assert (await join(database, "x1", kind="external", lease_s=77)).lease_s == 77.0


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("agent_id", {"agent_id": " r1"}),
        ("class", {"class_": "Research"}),
        ("version", {"version": "1.9"}),
        ("version", {"version": "01.9.0"}),
        ("kind", {"kind": "boss"}),
        ("capabilities", {"capabilities": ("Search",)}),
        ("capabilities", {"capabilities": tuple(f"c{n}" for n in range(101))}),
        ("lease_s", {"lease_s": 0.5}),
        ("capacity", {"capacity": 0}),
    ],
)
async def test_what_does_not_fit_is_named(database: Database, field: str, given: dict[str, object]):
    with pytest.raises(Invalid) as caught:
        await join(database, **given)
    assert caught.value.field == field


async def test_a_report_too_large_is_refused(database: Database):
    session = await join(database)
    with pytest.raises(Invalid, match="at most 65536"):
        await agents_of(database).renew(TENANT, "r1", session.epoch, load={"x": "x" * 70_000})
    with pytest.raises(Invalid, match="at most 65536"):
        await join(database, labels={"x": "x" * 70_000})


async def test_alive_suspect_dead_reaped(database: Database):
    session = await join(database)
    assert await state(database) == "alive"
    await silent(database, "r1", 0.8)
    assert await state(database) == "suspect"
    assert (await tend(database))["suspects"] == 1
    assert (await tend(database))["suspects"] == 0
    await agents_of(database).renew(TENANT, "r1", session.epoch)
    assert await state(database) == "alive"
    assert (await agents_of(database).get(TENANT, "r1")).suspected_at is None
    await silent(database, "r1")
    await sweep(database)
    assert await state(database) == "dead"
    await rows(database, "update dure.agent set died_at = died_at - interval '2 hours'")
    assert (await tend(database))["reaped"] == 1
    assert await state(database) == "reaped"
    assert (await agents_of(database).list(TENANT)).items == ()
    assert len((await agents_of(database).list(TENANT, AgentFilter(gone=True))).items) == 1


async def test_five_leases_of_silence_and_back(database: Database):
    """Its task runs elsewhere once more, its late completion is refused and on record, and it may begin anew."""
    ghost = await join(database)
    task = await submit(database, capabilities=("search",))
    (taken,) = await agents_of(database).claim(TENANT, "r1", ghost.epoch)
    await silent(database, "r1")
    assert await sweep(database) == 1
    other = await join(database, "r2")
    assert await work_once(database, other, result="by r2") == task.id
    with pytest.raises(LeaseLost):
        await agents_of(database).complete(TENANT, "r1", ghost.epoch, task.id, taken.claim_id, "by r1")
    with pytest.raises(LeaseLost):
        await agents_of(database).renew(TENANT, "r1", ghost.epoch)
    with pytest.raises(LeaseLost):
        await agents_of(database).claim(TENANT, "r1", ghost.epoch)
    found = await tasks_of(database).get(TENANT, task.id)
    assert (found.state, found.result, found.attempt, found.crash_count) == ("completed", "by r2", 2, 1)
    assert await rows(database, "select detail ->> 'reason' from dure.event where verb = 'refused'") == [
        ("lease_lost",)
    ]
    back = await join(database)
    assert back.epoch > ghost.epoch
    assert await state(database) == "alive"


async def test_the_same_agent_again_ends_its_old_session(database: Database):
    first = await join(database)
    task = await submit(database, capabilities=("search",))
    await agents_of(database).claim(TENANT, "r1", first.epoch)
    second = await join(database)
    with pytest.raises(LeaseLost):
        await agents_of(database).renew(TENANT, "r1", first.epoch)
    assert (await tasks_of(database).get(TENANT, task.id)).state == "pending"
    assert await work_once(database, second) == task.id
    # Nobody has died.
    assert await one(database, "select count(*) from dure.event where verb = 'die'") == 0


async def test_an_id_belongs_to_the_key_that_registered_it(database: Database):
    keys = [(await Keys(database).create(TENANT, name, "agent"))[1].id for name in ("a", "b")]
    agents, r1 = agents_of(database), NewAgent(agent_id="r1", class_="research", version="1.0.0")
    session = await agents.register(TENANT, r1, key_id=keys[0])
    with pytest.raises(Conflict) as caught:
        await agents.register(TENANT, r1, key_id=keys[1])
    assert caught.value.reason == "agent_taken"
    await agents.require_key(TENANT, "r1", session.epoch, keys[0])
    with pytest.raises(Refused):
        await agents.require_key(TENANT, "r1", session.epoch, keys[1])
    await rows(database, "update dure.api_key set revoked_at = dure.now() where name = 'a'")
    await agents.register(TENANT, r1, key_id=keys[1])


async def test_a_restart_of_the_database_gives_one_lease_of_grace(database: Database):
    """The one whose lease is longer than the server has been up is left alone, the other is not."""
    up_s = float(await one(database, "select extract(epoch from clock_timestamp() - pg_postmaster_start_time())"))
    await join(database, "r1", lease_s=min(3600, up_s + 60))
    await join(database, "r2", lease_s=1)
    await rows(database, "update dure.worker set lease_until = dure.now() - interval '1 second'")

    async def is_dead() -> bool:
        await rows(database, "select dure.sweep()")
        return await state(database, "r2") == "dead"

    await until(is_dead)
    assert await state(database) == "suspect"


async def test_a_clock_an_hour_off_changes_nothing(database: Database):
    """Only the database's clock decides: an agent sends no time, and a worker that sweeps does not look at its own."""
    session = await join(database)
    await rows(database, "update dure.clock set fake_now = clock_timestamp() + interval '1 hour'")
    await sweep(database)
    with pytest.raises(LeaseLost):
        await agents_of(database).renew(TENANT, "r1", session.epoch)
    await rows(database, "update dure.clock set fake_now = null")
    assert (await join(database)).state == "alive"


async def test_tenants_see_and_name_their_own(database: Database):
    await join(database, "r1")
    other = await join(database, "r1", tenant="other")
    assert [one.tenant_id for one in (await agents_of(database).list("other")).items] == ["other"]
    with pytest.raises(LeaseLost):
        await agents_of(database).renew(TENANT, "r1", other.epoch)
    task = await submit(database, capabilities=("search",))
    assert await agents_of(database).claim("other", "r1", other.epoch) == ()
    with pytest.raises(NotFound):
        await tasks_of(database).get("other", task.id)


class TestTree:
    async def test_children_stand_below_their_parents(self, database: Database):
        await join(database, "o1", class_="orchestrator", version="2.1.0", kind="parent")
        await join(database, "c1", parent_id="o1", link_protocol="grpc", link_settings={"port": 1})
        await join(database, "c2", parent_id="c1")
        (top,) = await agents_of(database).tree(TENANT)
        assert (top.agent.agent_id, top.children[0].agent.agent_id, top.children[0].children[0].agent.depth) == (
            "o1",
            "c1",
            2,
        )
        link = top.children[0].agent.link
        assert link is not None
        assert (link.parent_id, link.protocol, link.settings, link.state) == ("o1", "grpc", {"port": 1}, "connected")
        assert [b.agent.agent_id for b in await agents_of(database).tree(TENANT, "c1")] == ["c1"]

    async def test_cycles_and_trees_too_deep_are_refused(self, database: Database):
        await join(database, "a0")
        for n in range(1, 8):
            await join(database, f"a{n}", parent_id=f"a{n - 1}")
        with pytest.raises(Conflict) as caught:
            await join(database, "a8", parent_id="a7")
        assert caught.value.reason == "hierarchy_too_deep"
        with pytest.raises(Conflict) as caught:
            await agents_of(database).link(TENANT, "a0", "a3")
        assert caught.value.reason == "hierarchy_cycle"
        with pytest.raises(Conflict):
            await agents_of(database).link(TENANT, "a0", "a0")
        with pytest.raises(NotFound):
            await join(database, "b", parent_id="nobody")

    async def test_two_that_would_close_a_ring_together(self, database: Database):
        """Each alone is fine; whoever comes second is refused, because the tree is written by one at a time."""
        await join(database, "a")
        await join(database, "b")
        async with database.system_tx() as tx:
            await tx.execute("select dure.link_agent('acme', 'a', 'b')")
            late = asyncio.create_task(agents_of(database).link(TENANT, "b", "a"))
            await asyncio.sleep(0.1)
            assert not late.done()
        with pytest.raises(Conflict):
            await late

    async def test_a_branch_moves_with_all_below(self, database: Database):
        await join(database, "x")
        await join(database, "y")
        await join(database, "m", parent_id="x")
        await join(database, "leaf", parent_id="m")
        await agents_of(database).link(TENANT, "m", "y")
        assert (await agents_of(database).get(TENANT, "leaf")).trees == ("leaf", "m", "y")

    @pytest.mark.parametrize(
        ("policy", "parent", "link"),
        [("parent", "top", "connected"), ("escalate", None, "orphaned"), ("keep", "mid", "connected")],
    )
    async def test_when_a_parent_dies(self, database: Database, policy: str, parent: str | None, link: str):
        await join(database, "top")
        await join(database, "mid", parent_id="top", on_death=policy)
        await join(database, "leaf", parent_id="mid")
        await silent(database, "mid")
        await sweep(database)
        leaf = await agents_of(database).get(TENANT, "leaf")
        assert leaf.link is not None
        assert (leaf.link.parent_id, leaf.link.state) == (parent, link)
        assert leaf.trees == (
            ("leaf", "top") if parent == "top" else ("leaf",) if parent is None else ("leaf", "mid", "top")
        )

    async def test_a_root_that_dies_leaves_orphans_and_somebody_is_told(self, database: Database):
        await join(database, "top", class_="orchestrator", version="2.1.0")
        await join(database, "leaf", parent_id="top")
        await silent(database, "top")
        await sweep(database)
        leaf = await agents_of(database).get(TENANT, "leaf")
        assert leaf.link is not None
        assert leaf.link.state == "orphaned"
        told = await rows(database, "select body from dure.message where channel = 'agents.orchestrator'")
        assert [body["event"] for (body,) in told] == ["orphaned"]

    async def test_draining_goes_down_and_ends_what_is_in_hand(self, database: Database):
        await join(database, "top")
        leaf = await join(database, "leaf", parent_id="top")
        task = await submit(database, capabilities=("search",), tree="leaf")
        (taken,) = await agents_of(database).claim(TENANT, "leaf", leaf.epoch)
        assert await agents_of(database).drain(TENANT, "top", actor=ACTOR) == ("leaf", "top")
        await submit(database, capabilities=("search",))
        assert await agents_of(database).claim(TENANT, "leaf", leaf.epoch) == ()
        assert (await agents_of(database).renew(TENANT, "leaf", leaf.epoch)).draining
        await agents_of(database).complete(TENANT, "leaf", leaf.epoch, taken.task_id, taken.claim_id)
        assert (await tasks_of(database).get(TENANT, task.id)).state == "completed"
        assert await agents_of(database).resume(TENANT, "top", cascade=True, actor=ACTOR) == ("leaf", "top")
        assert len(await agents_of(database).claim(TENANT, "leaf", leaf.epoch)) == 1

    async def test_retiring_ends_the_session_and_what_names_it(self, database: Database):
        session = await join(database)
        held = await submit(database, capabilities=("search",))
        await agents_of(database).claim(TENANT, "r1", session.epoch)
        named = await submit(database, agent="r1")
        assert (await agents_of(database).retire(TENANT, "r1", actor=ACTOR)).state == "retired"
        with pytest.raises(LeaseLost):
            await agents_of(database).renew(TENANT, "r1", session.epoch)
        found = await tasks_of(database).get(TENANT, named.id)
        assert (found.state, found.error_class) == ("failed", "AgentRetired")
        found = await tasks_of(database).get(TENANT, held.id)
        assert (found.state, found.crash_count) == ("pending", 0)
        with pytest.raises(Conflict) as caught:
            await join(database)
        assert caught.value.reason == "agent_retired"
        await agents_of(database).resume(TENANT, "r1", actor=ACTOR)
        assert (await join(database)).state == "alive"

    async def test_one_that_goes_in_order_has_a_lease_to_come_back_to_its_children(self, database: Database):
        session = await join(database, "mid")
        await join(database, "leaf", parent_id="mid")

        async def parent() -> str | None:
            link = (await agents_of(database).get(TENANT, "leaf")).link
            assert link is not None
            return link.parent_id

        await agents_of(database).leave(TENANT, "mid", session.epoch)
        await tend(database)
        assert await parent() == "mid"
        assert (await join(database, "mid")).state == "alive"
        again = (await agents_of(database).get(TENANT, "mid")).epoch
        assert again is not None
        await agents_of(database).leave(TENANT, "mid", again)
        await rows(
            database,
            "update dure.agent set died_at = died_at - make_interval(secs => lease_s + 1) where agent_id = 'mid'",
        )
        await tend(database)
        assert await parent() is None

    async def test_one_that_registered_before_there_were_keys_is_free_when_its_session_is_over(
        self, database: Database
    ):
        await join(database)
        key = (await Keys(database).create(TENANT, "a", "agent"))[1].id
        r1 = NewAgent(agent_id="r1", class_="research", version="1.9.0")
        with pytest.raises(Conflict):
            await agents_of(database).register(TENANT, r1, key_id=key)
        await silent(database, "r1")
        await sweep(database)
        assert (await agents_of(database).register(TENANT, r1, key_id=key)).state == "alive"

    async def test_an_agent_may_leave_in_order(self, database: Database):
        session = await join(database)
        task = await submit(database, capabilities=("search",))
        await agents_of(database).claim(TENANT, "r1", session.epoch)
        await agents_of(database).leave(TENANT, "r1", session.epoch)
        found = await tasks_of(database).get(TENANT, task.id)
        assert (found.state, found.crash_count) == ("pending", 0)
        with pytest.raises(LeaseLost):
            await agents_of(database).leave(TENANT, "r1", session.epoch)


async def test_many_renewals_are_few_writes(database: Database):
    agents = agents_of(database)
    sessions = [await join(database, f"r{n}") for n in range(20)]
    ended = await agents.renew(TENANT, "r0", sessions[0].epoch)
    assert ended.lease_until is not None
    found = await asyncio.gather(
        *[agents.renew(TENANT, one.agent_id, one.epoch) for one in sessions],
        agents.renew(TENANT, "r1", 1),
        return_exceptions=True,
    )
    assert isinstance(found[-1], LeaseLost)
    assert len({one.lease_until for one in found[:-1] if not isinstance(one, BaseException)}) <= 20
    assert all(not isinstance(one, BaseException) for one in found[:-1])


async def test_pages_of_agents(database: Database):
    for n in range(5):
        await join(database, f"r{n}", class_="executor" if n % 2 else "research")
    first = await agents_of(database).list(TENANT, limit=3)
    rest = await agents_of(database).list(TENANT, limit=3, cursor=first.next_cursor)
    assert [one.agent_id for one in (*first.items, *rest.items)] == ["r0", "r1", "r2", "r3", "r4"]
    assert rest.next_cursor is None
    odd = await agents_of(database).list(TENANT, AgentFilter(class_="executor"))
    assert [one.agent_id for one in odd.items] == ["r1", "r3"]
    assert (await agents_of(database).list(TENANT, AgentFilter(capability="nothing"))).items == ()
