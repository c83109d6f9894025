"""Rollouts on a real database: whose turn it is, what waits, what is promoted, and what is taken back."""

import asyncio

import pytest

from dure.agents.rollout_model import NewRollout, checked
from dure.agents.rollouts import step
from dure.db.pool import Database
from dure.errors import Conflict, Invalid, NotFound
from queueing import TENANT, one, rows
from rolling import ACTOR, CLASS, Plan, planned
from sqlside import Clock

CANARY = [{"share_pct": 20, "bake_s": 60}, {"share_pct": 100, "bake_s": 60}]


@pytest.fixture
async def plan(database: Database, clock: Clock) -> Plan:
    made = await planned(database, clock)
    await made.release("1.1.0")
    return made


async def test_a_canary_goes_step_by_step_and_becomes_current(plan: Plan) -> None:
    await plan.fleet(10)
    rollout = await plan.start(steps=CANARY)
    assert await plan.tick() == 1
    first = await plan.asked()
    assert len(first) == 2
    assert await plan.tick(after_s=5) == 0
    assert await plan.upgrade() == first
    assert [(await plan.agent(name))[2] for name in first] == [None, None]
    # Healthy after ten seconds, and then looked at for sixty.
    await plan.tick(after_s=9)
    assert (await plan.rollouts.get(TENANT, rollout.id)).settled_at is None
    await plan.tick(after_s=1)
    assert (await plan.rollouts.get(TENANT, rollout.id)).settled_at == plan.clock.now()
    await plan.tick(after_s=59)
    assert await plan.asked() == []
    await plan.tick(after_s=1)
    await plan.tick()
    assert len(await plan.upgrade()) == 8
    await plan.tick(after_s=10)
    await plan.tick(after_s=60)
    done = await plan.rollouts.get(TENANT, rollout.id)
    assert (done.state, done.reason, done.finished_at) == ("promoted", None, plan.clock.now())
    assert (await plan.releases.get(TENANT, CLASS, "1.1.0")).state == "current"
    assert (await plan.releases.get(TENANT, CLASS, "1.0.0")).state == "superseded"
    assert await plan.kinds(rollout) == ["started", "asked", "settled", "step", "asked", "settled", "promoted"]
    assert ("system.health", "rollout.promoted") in await plan.told()


async def test_a_rolling_one_waits_for_each_to_be_healthy(plan: Plan) -> None:
    await plan.fleet(4)
    rollout = await plan.start(strategy="rolling", max_parallel=1, steps=[{"share_pct": 100, "bake_s": 0}])
    seen = []
    for _turn in range(4):
        await plan.tick()
        assert await plan.tick() == 0
        seen += await plan.upgrade()
        await plan.tick(after_s=10)
    assert sorted(seen) == ["a0", "a1", "a2", "a3"]
    await plan.tick()
    assert await plan.state(rollout) == "promoted"


async def test_a_version_that_does_not_come_up_costs_one_agent(plan: Plan) -> None:
    await plan.fleet(4)
    rollout = await plan.start(strategy="rolling", steps=[{"share_pct": 100, "bake_s": 0}])
    await plan.tick()
    (lost,) = await plan.asked()
    await rows(plan.database, "select dure.fence_agents(%s, %s, 'test')", [TENANT, [lost]])
    for _second in range(12):
        await plan.tick(after_s=10)
    assert await plan.asked() == [lost]
    await plan.tick(after_s=1)
    back = await plan.rollouts.get(TENANT, rollout.id)
    assert (back.state, back.reason) == ("reverting", {"code": "not_healthy", "params": {"there": 0, "wanted": 4}})
    await plan.tick()
    assert await plan.state(rollout) == "reverted"
    assert [(await plan.agent(name))[1:] for name in ("a0", "a1", "a2", "a3") if name != lost] == [(None, None)] * 3
    # Whoever still has it is told to go back.
    assert await plan.refused(lost, "1.1.0") == "1.0.0"


async def test_a_replacement_under_another_id_takes_the_turn(plan: Plan) -> None:
    await plan.fleet(3)
    rollout = await plan.start(strategy="rolling", steps=[{"share_pct": 100, "bake_s": 0}])
    await plan.tick()
    (lost,) = await plan.asked()
    await rows(plan.database, "select dure.fence_agents(%s, %s, 'test')", [TENANT, [lost]])
    assert (await plan.register("other", "1.1.0"))["hold"]["code"] == "awaiting_rollout"
    await plan.tick()
    assert await plan.agent("other") == ("1.1.0", None, None)
    await plan.tick(after_s=10)
    assert len(await plan.asked()) == 2  # the next one, and the lost one, which is no part of it now
    assert await plan.state(rollout) == "running"


async def test_new_ones_wait_for_their_turn(plan: Plan) -> None:
    await plan.fleet(5)
    assert (await plan.register("early", "1.1.0"))["hold"] == {
        "code": "awaiting_rollout", "params": {"rollout_id": None, "version": "1.1.0"},
    }  # fmt: skip
    rollout = await plan.start(steps=CANARY)
    assert (await plan.agent("early"))[2] == "awaiting_rollout"
    late = await plan.register("late", "1.1.0")
    assert late["hold"]["params"]["rollout_id"] == rollout.id
    await plan.tick()
    holds = [(await plan.agent(name))[2] for name in ("early", "late")]
    # A share of twenty per cent of five is one, and those that are there already come first.
    assert sorted(holds, key=str) == [None, "awaiting_rollout"]
    assert await plan.asked() == []


async def test_blue_green_switches_at_once_and_back(plan: Plan) -> None:
    await plan.fleet(3)
    rollout = await plan.start(strategy="blue_green", steps=[{"share_pct": 100, "bake_s": 60}], auto_promote=False)
    for n in range(3):
        assert (await plan.register(f"b{n}", "1.1.0"))["hold"]["code"] == "awaiting_rollout"
    await plan.tick(after_s=9)
    assert (await plan.agent("b0"))[2] == "awaiting_rollout"
    await plan.tick(after_s=1)
    assert [(await plan.agent(f"b{n}"))[2] for n in range(3)] == [None] * 3
    assert [(await plan.agent(f"a{n}"))[2] for n in range(3)] == ["rollout_switched"] * 3
    assert (await plan.register("a9", "1.0.0"))["hold"]["code"] == "rollout_switched"
    await plan.tick()
    await plan.tick(after_s=60)
    assert await plan.state(rollout) == "ready"
    await plan.rollouts.revert(TENANT, rollout.id, actor=ACTOR, reason="no")
    assert [(await plan.agent(f"b{n}"))[1:] for n in range(3)] == [("1.0.0", "rollout_reverted")] * 3
    assert [(await plan.agent(f"a{n}"))[2] for n in range(3)] == [None] * 3


async def test_promotion_by_hand_asks_all_the_others(plan: Plan) -> None:
    await plan.fleet(4)
    rollout = await plan.start(steps=[{"share_pct": 25, "bake_s": 0}], auto_promote=False)
    await plan.tick()
    await plan.upgrade()
    await plan.tick(after_s=10)
    assert await plan.state(rollout) == "ready"
    assert await plan.tick(after_s=100_000) == 0
    done = await plan.rollouts.promote(TENANT, rollout.id, actor=ACTOR)
    assert done.state == "promoted"
    assert len(await plan.asked()) == 3


async def test_the_way_back_drains_what_is_in_hand(plan: Plan) -> None:
    await plan.fleet(2)
    rollout = await plan.start(steps=[{"share_pct": 100, "bake_s": 60}])
    await plan.tick()
    await plan.upgrade()
    await hold_work(plan, "a0")
    back = await plan.rollouts.revert(TENANT, rollout.id, actor=ACTOR, reason="slow")
    assert (back.state, back.reason) == ("reverting", {"code": "asked", "params": {"actor": ACTOR, "text": "slow"}})
    with pytest.raises(Conflict) as caught:
        await plan.rollouts.promote(TENANT, rollout.id, actor=ACTOR)
    assert (caught.value.status, caught.value.reason) == (409, "rollout_state")
    await plan.tick()
    assert await plan.state(rollout) == "reverting"
    await rows(plan.database, "delete from dure.claim")
    await plan.tick()
    assert await plan.state(rollout) == "reverted"
    assert (await plan.releases.get(TENANT, CLASS, "1.1.0")).state == "reverted"
    assert await plan.refused("a1", "1.1.0") == "1.0.0"
    assert await plan.upgrade() == ["a0", "a1"]
    assert await plan.agent("a0") == ("1.0.0", None, None)
    told = await plan.told()
    assert [event for channel, event in told if channel == "system.health"] == [
        "rollout.started", "rollout.reverting", "rollout.reverted",
    ]  # fmt: skip


async def test_the_way_back_fences_when_so_asked(plan: Plan) -> None:
    await plan.fleet(2)
    rollout = await plan.start(steps=[{"share_pct": 100, "bake_s": 60}], in_flight="fence")
    await plan.tick()
    await plan.upgrade()
    await hold_work(plan, "a0")
    await plan.rollouts.revert(TENANT, rollout.id, actor=ACTOR)
    assert await one(plan.database, "select count(*) from dure.agent where epoch is not null") == 0
    await plan.tick()
    assert await plan.state(rollout) == "reverted"


async def hold_work(plan: Plan, agent_id: str) -> None:
    """Something in an agent's hands."""
    statement = """
        insert into dure.claim (worker_id, job_ids)
        select epoch, array[dure.uuid7()] from dure.agent where agent_id = %s"""
    await rows(plan.database, statement, [agent_id])


async def test_a_controller_that_dies_in_the_middle_has_done_nothing(
    plan: Plan, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plan.fleet(4)
    rollout = await plan.start(strategy="rolling")

    class Killed(BaseException):
        pass

    async def die(*_given: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("dure.agents.rollout_steps.save", die)
        with pytest.raises(Killed):
            await plan.tick()
    assert (await plan.asked(), await plan.kinds(rollout)) == ([], ["started"])
    async with Database(url) as other:
        assert await step(other) == 1
        assert await step(other) == 0
    assert len(await plan.asked()) == 1
    assert await plan.kinds(rollout) == ["started", "asked"]


async def test_two_controllers_at_once_do_it_once(plan: Plan, url: str) -> None:
    await plan.fleet(6)
    rollout = await plan.start(strategy="rolling", max_parallel=2)
    async with Database(url) as other:
        await asyncio.gather(*(step(one_of) for one_of in (plan.database, other) * 4))
        assert len(await plan.asked()) == 2
        await plan.upgrade()
        plan.clock.advance(10)
        await asyncio.gather(*(step(one_of) for one_of in (plan.database, other) * 4))
    assert len(await plan.asked()) == 2
    assert await plan.kinds(rollout) == ["started", "asked", "asked"]


async def test_a_controller_passes_by_what_another_holds(plan: Plan, url: str) -> None:
    await plan.fleet(2)
    rollout = await plan.start(strategy="rolling")
    async with Database(url) as other, other.system_tx() as tx:
        await tx.execute("select from dure.rollout where id = %s for update", [rollout.id])
        assert await step(plan.database) == 0
    assert await step(plan.database) == 1


async def test_a_paused_one_rests_and_its_time_does_not_run(plan: Plan) -> None:
    await plan.fleet(2)
    rollout = await plan.start(strategy="rolling")
    await plan.tick()
    await plan.rollouts.pause(TENANT, rollout.id, actor=ACTOR)
    assert await plan.tick(after_s=1000) == 0
    await plan.rollouts.resume(TENANT, rollout.id, actor=ACTOR)
    await plan.tick(after_s=119)
    assert await plan.state(rollout) == "running"
    await plan.tick(after_s=2)
    assert await plan.state(rollout) == "reverting"


async def test_what_fails_without_a_way_back_stays_as_it_is(plan: Plan) -> None:
    await plan.fleet(5)
    rollout = await plan.start(steps=[{"share_pct": 40, "bake_s": 0}], auto_revert=False)
    await plan.tick()
    chosen = await plan.asked()
    await plan.register(chosen[0], "1.1.0")
    await plan.tick(after_s=10)
    await plan.tick(after_s=121)
    assert await plan.state(rollout) == "failed"
    assert await plan.agent(chosen[0]) == ("1.1.0", None, None)
    assert (await plan.register("more", "1.1.0"))["hold"]["code"] == "awaiting_rollout"
    assert (await plan.register(chosen[0], "1.1.0"))["hold"] is None
    again = await plan.rollouts.revert(TENANT, rollout.id, actor=ACTOR)
    assert again.state == "reverting"
    await plan.tick()
    assert await plan.state(rollout) == "reverted"
    assert (await plan.start()).state == "running"


async def test_a_second_rollout_of_a_class_is_refused(plan: Plan) -> None:
    await plan.release("1.2.0")
    await plan.start()
    with pytest.raises(Conflict) as caught:
        await plan.start("1.2.0")
    assert caught.value.reason == "rollout_open"
    results = await asyncio.gather(
        *(plan.releases.make_current(TENANT, CLASS, "1.2.0", actor=ACTOR) for _ in range(2)), return_exceptions=True
    )
    assert [error.reason for error in results if isinstance(error, Conflict)] == ["rollout_open"] * 2


async def test_what_cannot_be_rolled_out(plan: Plan) -> None:
    for version, error in [("1.0.0", Conflict), ("9.9.9", NotFound), ("latest", Invalid)]:
        with pytest.raises(error):
            await plan.start(version)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"strategy": "big_bang"}, "strategy"),
        ({"steps": []}, "steps"),
        ({"strategy": "rolling", "steps": [{"share_pct": 1, "bake_s": 1}] * 2}, "steps"),
        ({"steps": [{"share_pct": 50, "bake_s": 1}, {"share_pct": 50, "bake_s": 1}]}, "steps.1.share_pct"),
        ({"steps": [{"share_pct": 101, "bake_s": 1}]}, "steps.0.share_pct"),
        ({"steps": [{"share_pct": 1, "bake": 1}]}, "steps.0"),
        ({"steps": ["10%"]}, "steps.0"),
        ({"max_parallel": 0}, "max_parallel"),
        ({"min_healthy_s": -1}, "min_healthy_s"),
        ({"progress_deadline_s": 0}, "progress_deadline_s"),
        ({"in_flight": "kill"}, "in_flight"),
        ({"gates": {"speed": {}}}, "gates.speed"),
        ({"gates": {"latency": {"p99": 1}}}, "gates.latency.p99"),
        ({"gates": {"latency": 1}}, "gates.latency"),
        ({"gates": {"task_success": {"margin": 2}}}, "gates.task_success.margin"),
        ({"gates": {"task_success": {"samples_min": 0}}}, "gates.task_success.samples_min"),
        ({"gates": {"probability": 1}}, "gates.probability"),
    ],
)
def test_what_does_not_read_names_its_field(given: dict, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked(NewRollout(class_=CLASS, to_version="1.1.0", **given))
    assert caught.value.field == field


async def test_it_can_be_watched_to_its_end(plan: Plan) -> None:
    await plan.fleet(1)
    rollout = await plan.start(steps=[{"share_pct": 100, "bake_s": 0}])
    await plan.rollouts.promote(TENANT, rollout.id, actor=ACTOR)
    seen = [one_of async for one_of in plan.rollouts.watch(TENANT, rollout.id, poll_s=0.01)]
    assert [one_of.kind for one_of in seen] == ["event", "event", "end"]
    behind = [one_of async for one_of in plan.rollouts.watch(TENANT, rollout.id, after=int(seen[0].id), poll_s=0.01)]
    assert [one_of.data.get("kind") for one_of in behind] == ["promoted", None]
    assert [one_of.id for one_of in (await plan.rollouts.list(TENANT, class_=CLASS)).items] == [rollout.id]
    with pytest.raises(NotFound):
        await plan.rollouts.get("other", rollout.id)
