"""Rollouts that gates decide: with no traffic, with a bad version, with a good one; and what was learned meanwhile."""

from datetime import timedelta
from typing import Any

import pytest

from dure.agents.model import Need, NewAgent, NewTask
from dure.agents.rollout_model import Rollout
from dure.agents.tasks import Tasks
from dure.agents.work import Agents
from dure.db.pool import Database
from queueing import TENANT, one, rows, settings
from rolling import CLASS, NO_GATES, Plan, planned
from sqlside import Clock

SUCCESS: dict[str, Any] = {**NO_GATES, "task_success": {"margin": 0.01, "samples_min": 30}}
ONE_STEP = [{"share_pct": 25, "bake_s": 60}]


@pytest.fixture
async def plan(database: Database, clock: Clock) -> Plan:
    return await planned(database, clock)


async def canary(plan: Plan, gates: dict[str, Any], **given: Any) -> tuple[Rollout, str, list[str]]:
    """A canary of four agents that has settled; answers it, the new agent, and the old ones."""
    await plan.release("1.1.0", pin_knowledge=given.pop("pin_knowledge", False))
    names = await plan.fleet(4)
    rollout = await plan.start(gates=gates, **{"steps": ONE_STEP, **given})
    await plan.tick()
    (new,) = await plan.upgrade()
    await plan.tick(after_s=10)
    return rollout, new, [name for name in names if name != new]


async def test_without_traffic_nobody_knows_and_it_is_taken_back(plan: Plan) -> None:
    rollout, new, _ = await canary(plan, {})
    await plan.tick(after_s=60)
    await plan.tick(after_s=119)
    assert await plan.state(rollout) == "running"
    await plan.tick(after_s=2)
    back = await plan.rollouts.get(TENANT, rollout.id)
    assert (back.state, back.reason["code"], back.reason["params"]["gate"]) == ("reverting", "no_data", "lease_loss")
    assert await plan.agent(new) == ("1.1.0", "1.0.0", "rollout_reverted")
    await plan.tick()
    assert await plan.state(rollout) == "reverted"


async def test_a_bad_version_is_taken_back_at_once(plan: Plan) -> None:
    rollout, new, old = await canary(plan, SUCCESS)
    for name in old:
        await plan.work(name, "1.0.0", ok=95, failed=5)
    await plan.work(new, "1.1.0", ok=60, failed=40)
    await plan.tick(after_s=1)
    back = await plan.rollouts.get(TENANT, rollout.id)
    assert (back.state, back.reason["code"]) == ("reverting", "gate_failed")
    decided = [event for event in await plan.rollouts.events(TENANT, rollout.id) if event.kind == "gate"][-1].detail
    numbers = decided["numbers"]
    assert (decided["gate"], decided["answer"], decided["code"]) == ("task_success", "fail", "worse")
    assert (numbers["new_rate"], numbers["old_rate"], numbers["new_samples"]) == (0.4, 0.05, 100)
    assert numbers["as_good"] < numbers["risk"] < 0.05
    assert ("system.health", "rollout.reverting") in await plan.told()


async def test_a_good_version_goes_on_when_it_has_baked(plan: Plan) -> None:
    gates = {"task_success": {"samples_min": 30}, "lease_loss": {"samples_min": 1}}
    rollout, new, old = await canary(plan, gates)
    for name in old:
        await plan.work(name, "1.0.0", ok=98, failed=2)
    await plan.work(new, "1.1.0", ok=98, failed=2)
    await plan.tick(after_s=59)
    running = await plan.rollouts.get(TENANT, rollout.id)
    assert {gate: verdict["answer"] for gate, verdict in running.verdicts.items()} == {
        "lease_loss": "pass", "error_rate": "pass", "latency": "pass", "task_success": "pass",
    }  # fmt: skip
    await plan.tick(after_s=1)
    assert await plan.state(rollout) == "promoted"


async def test_each_gate_looks_seldom_and_every_look_is_stored(plan: Plan) -> None:
    rollout, new, old = await canary(plan, SUCCESS, auto_promote=False)
    await plan.work(old[0], "1.0.0", ok=100)
    for _ in range(10):
        await plan.work(new, "1.1.0", ok=20)
        await plan.tick(after_s=1)
        await plan.tick()
    looks = [
        event.detail["numbers"] for event in await plan.rollouts.events(TENANT, rollout.id) if event.kind == "gate"
    ]
    # 20 are too few, which is said once; then at 40, 80 and 160.
    assert [numbers["new_samples"] for numbers in looks] == [0, 40, 80, 160]
    assert [round(one_of["risk"], 5) for one_of in looks[1:]] == [0.025, 0.00833, 0.00417]
    assert (await plan.rollouts.get(TENANT, rollout.id)).looks == {"task_success": [3, 160]}


@pytest.mark.parametrize(
    ("gate", "bad"),
    [("error_rate", "error"), ("lease_loss", "lease_lost")],
)
async def test_errors_and_lost_leases_count(plan: Plan, gate: str, bad: str) -> None:
    rollout, new, old = await canary(plan, {**NO_GATES, gate: {"samples_min": 3}}, progress_deadline_s=1000)
    for _minute in range(6):
        for name in old:
            await plan.work(name, "1.0.0", ok=10)
        await plan.work(new, "1.1.0", ok=10)
        for _n in range(4):
            await plan.sample(new, "1.1.0", bad)
        await plan.tick(after_s=60)
        if await plan.state(rollout) != "running":
            break
    back = await plan.rollouts.get(TENANT, rollout.id)
    assert (back.reason["code"], back.reason["params"]["gate"]) == ("gate_failed", gate)


async def test_a_slow_version_is_taken_back(plan: Plan) -> None:
    rollout, new, old = await canary(plan, {**NO_GATES, "latency": {"margin": 0.25, "samples_min": 100}})
    for name in old:
        await plan.work(name, "1.0.0", ok=150, latency_ms=100)
    await plan.work(new, "1.1.0", ok=100, latency_ms=100)
    await plan.tick(after_s=1)
    assert await plan.state(rollout) == "running"
    await plan.work(new, "1.1.0", ok=100, latency_ms=200)
    await plan.tick(after_s=1)
    back = await plan.rollouts.get(TENANT, rollout.id)
    assert (back.state, back.reason["params"]["gate"]) == ("reverting", "latency")
    numbers = back.reason["params"]["numbers"]
    assert numbers["new_p95_ms"] == pytest.approx(200, rel=0.05)
    assert numbers["old_p95_ms"] == pytest.approx(100, rel=0.05)


async def test_only_the_same_minutes_are_compared(plan: Plan) -> None:
    """A bad hour before it, and a bad minute in which only the old version worked, say nothing of the new one."""
    await plan.work("a0", "1.0.0", failed=500)
    await plan.tick(after_s=120)
    rollout, new, old = await canary(plan, SUCCESS)
    await plan.work(old[0], "1.0.0", failed=500)
    await plan.tick(after_s=60)
    await plan.work(old[0], "1.0.0", ok=100)
    await plan.work(new, "1.1.0", ok=40, failed=60)
    await plan.tick(after_s=1)
    assert (await plan.rollouts.get(TENANT, rollout.id)).reason["code"] == "gate_failed"


async def test_after_a_switch_the_time_before_it_is_the_other_side(plan: Plan) -> None:
    await plan.release("1.1.0")
    names = await plan.fleet(2)
    rollout = await plan.start(strategy="blue_green", gates=SUCCESS, steps=[{"share_pct": 100, "bake_s": 120}])
    for name in names:
        await plan.work(name, "1.0.0", ok=100)
    await plan.register("b0", "1.1.0")
    await plan.register("b1", "1.1.0")
    await plan.tick(after_s=60)
    assert (await plan.rollouts.get(TENANT, rollout.id)).switched_at == plan.clock.now()
    await plan.work("b0", "1.1.0", ok=50, failed=50)
    await plan.tick(after_s=1)
    assert (await plan.rollouts.get(TENANT, rollout.id)).reason["code"] == "gate_failed"
    assert [(await plan.agent(name))[1:] for name in (*names, "b0")] == [
        (None, None), (None, None), ("1.0.0", "rollout_reverted"),
    ]  # fmt: skip


async def test_what_a_pinned_release_learned_is_to_be_taken_back(plan: Plan) -> None:
    rollout, new, _ = await canary(plan, SUCCESS, pin_knowledge=True)
    release = await plan.releases.get(TENANT, CLASS, "1.1.0")
    assert release.pinned_at == plan.clock.now() - timedelta(seconds=10)
    back = await plan.rollouts.revert(TENANT, rollout.id, actor="kim")
    found = await rows(plan.database, "select id::text, handler, params from dure.job")
    since = rollout.began_at.isoformat()
    params = {"class": CLASS, "rollout_id": rollout.id, "since": since, "agent_ids": [new]}
    assert found == [(back.unlearn_job_id, "dure.agents.unlearn", params)]


async def test_one_that_pins_nothing_asks_for_nothing(plan: Plan) -> None:
    rollout, _, _ = await canary(plan, SUCCESS)
    await plan.rollouts.revert(TENANT, rollout.id, actor="kim")
    assert await one(plan.database, "select count(*) from dure.job") == 0


async def test_agents_hear_of_it_and_what_they_do_is_what_it_is_judged_by(plan: Plan) -> None:
    await plan.release("1.1.0")
    agents, tasks = Agents(plan.database, settings()), Tasks(plan.database, settings())
    rollout = await plan.start(gates=SUCCESS, steps=ONE_STEP)
    await plan.register("old", "1.0.0")
    fresh = await agents.register(TENANT, NewAgent(agent_id="new", class_=CLASS, version="1.1.0", lease_s=3600))
    assert fresh.hold is not None
    await tasks.submit(TENANT, NewTask(needs=Need(class_=CLASS)), actor="kim")
    assert await agents.claim(TENANT, "new", fresh.epoch) == ()
    await plan.tick()
    assert (await agents.renew(TENANT, "new", fresh.epoch)).hold is None
    (given,) = await agents.claim(TENANT, "new", fresh.epoch)
    await agents.complete(TENANT, "new", fresh.epoch, given.task_id, given.claim_id, {"done": True})
    await plan.tick()
    (done,) = await plan.metrics.of(TENANT, class_=CLASS, until_at=plan.clock.later(60))
    assert (done.version, done.tasks_ok, done.latency_p95_ms is not None) == ("1.1.0", 1, True)
    await plan.rollouts.revert(TENANT, rollout.id, actor="kim")
    told = await agents.renew(TENANT, "new", fresh.epoch)
    assert (told.upgrade_to, told.hold["code"]) == ("1.0.0", "rollout_reverted")
