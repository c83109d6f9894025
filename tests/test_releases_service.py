"""Releases: which one is current, what an agent of another version is told, and what is withdrawn."""

import asyncio

import pytest

from dure.agents.releases import NewRelease
from dure.agents.versions import Range, Version
from dure.db.pool import Database
from dure.errors import Conflict, Invalid, NotFound
from queueing import TENANT, one, rows
from rolling import ACTOR, CLASS, Plan, planned
from sqlside import Clock, Side


@pytest.fixture
async def plan(database: Database, clock: Clock) -> Plan:
    return await planned(database, clock)


async def test_the_first_is_current_and_others_are_drafts(plan: Plan) -> None:
    first = await plan.releases.get(TENANT, CLASS, "1.0.0")
    assert (first.state, first.release_type, first.compatible, first.created_by) == ("current", "initial", "1.x", ACTOR)
    kinds = {"1.1.0": "minor", "1.0.1": "patch", "2.0.0": "major", "1.2.0-rc.1": "prerelease"}
    for version, kind in kinds.items():
        made = await plan.release(version)
        assert (made.state, made.release_type) == ("draft", kind)
    page = await plan.releases.list(TENANT, class_=CLASS, limit=2)
    assert [one_of.version for one_of in page.items] == ["1.2.0-rc.1", "2.0.0"]
    rest = await plan.releases.list(TENANT, class_=CLASS, cursor=page.next_cursor)
    assert [one_of.version for one_of in rest.items] == ["1.0.1", "1.1.0", "1.0.0"]
    assert rest.next_cursor is None
    current = await plan.releases.list(TENANT, class_=CLASS, state="current")
    assert [one_of.version for one_of in current.items] == ["1.0.0"]
    with pytest.raises(NotFound):
        await plan.releases.get("other", CLASS, "1.0.0")


async def test_two_that_make_the_first_make_one_current(database: Database, clock: Clock) -> None:
    plan = Plan(database, clock)
    await asyncio.gather(*(plan.release(f"1.{n}.0") for n in range(6)))
    assert await one(database, "select count(*) from dure.release where state = 'current' and class = %s", [CLASS]) == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"version": "1.0"}, "version"),
        ({"version": "1.2.0", "compatible": "new"}, "compatible"),
        ({"version": "1.2.0", "compatible": "2.x"}, "compatible"),
        ({"version": "1.2.0", "compatible": ">=2,<1"}, "compatible"),
        ({"version": "1.2.0", "release_type": "big"}, "release_type"),
        ({"version": "1.2.0", "class_": "Big Class"}, "class"),
        ({"version": "1.2.0", "notes": "x" * 10_001}, "notes"),
    ],
)
async def test_what_is_no_release_names_its_field(plan: Plan, given: dict, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        await plan.releases.create(TENANT, NewRelease(**{"class_": CLASS, **given}), actor=ACTOR)
    assert caught.value.field == field


async def test_one_version_is_one_release(plan: Plan) -> None:
    for version in ("1.0.0", "1.0.0+build.7"):
        with pytest.raises(Conflict) as caught:
            await plan.release(version)
        assert caught.value.reason == "release_exists"


async def test_an_older_version_is_told_what_to_become(plan: Plan) -> None:
    assert (await plan.register("fits", "1.9.3"))["upgrade_to"] is None
    for version in ("0.9.0", "2.0.0"):
        assert await plan.refused("old", version) == "1.0.0"
    assert await one(plan.database, "select count(*) from dure.agent where agent_id = 'old'") == 0
    assert (await plan.register("other", "7.0.0", **{"class": "no-releases"}))["upgrade_to"] is None


async def test_what_cannot_work_beside_a_new_current_one_is_told_so(plan: Plan) -> None:
    await plan.release("2.0.0", compatible=">=1.5,<3")
    await plan.register("old", "1.0.0")
    await plan.register("near", "1.5.0")
    await plan.register("new", "2.0.0")
    assert (await plan.agent("new"))[2] == "awaiting_rollout"
    made = await plan.releases.make_current(TENANT, CLASS, "2.0.0", actor=ACTOR)
    assert (made.state, (await plan.releases.get(TENANT, CLASS, "1.0.0")).state) == ("current", "superseded")
    assert await plan.agent("old") == ("1.0.0", "2.0.0", None)
    assert await plan.agent("near") == ("1.5.0", None, None)
    assert await plan.agent("new") == ("2.0.0", None, None)
    assert await plan.refused("old", "1.0.0") == "2.0.0"


async def test_a_withdrawn_version_gets_no_work_and_does_not_come_back(plan: Plan) -> None:
    await plan.release("1.1.0")
    await plan.releases.make_current(TENANT, CLASS, "1.1.0", actor=ACTOR)
    await plan.register("a", "1.0.0")
    await plan.register("b", "1.1.0")
    gone = await plan.releases.withdraw(TENANT, CLASS, "1.0.0", actor=ACTOR, reason="leaks")
    assert (gone.state, gone.reason) == (
        "withdrawn",
        {"code": "withdrawn", "params": {"actor": ACTOR, "text": "leaks"}},
    )
    assert await plan.agent("a") == ("1.0.0", "1.1.0", "release_withdrawn")
    assert await plan.agent("b") == ("1.1.0", None, None)
    assert await plan.refused("a", "1.0.0") == "1.1.0"
    assert (await plan.releases.withdraw(TENANT, CLASS, "1.0.0", actor=ACTOR)).reason == gone.reason
    for work, reason in [
        (plan.releases.withdraw(TENANT, CLASS, "1.1.0", actor=ACTOR), "release_current"),
        (plan.releases.make_current(TENANT, CLASS, "1.0.0", actor=ACTOR), "release_state"),
        (plan.start("1.0.0"), "release_state"),
    ]:
        with pytest.raises(Conflict) as caught:
            await work
        assert caught.value.reason == reason
    verbs = await rows(plan.database, "select verb from dure.event where verb like 'release.%' order by event_id")
    assert [row[0] for row in verbs] == ["release.create"] * 2 + ["release.make_current", "release.withdraw"]


async def test_what_somebody_else_holds_stays_held(plan: Plan) -> None:
    await plan.release("1.1.0")
    await plan.register("a", "1.0.0")
    await rows(plan.database, 'update dure.agent set hold = \'{"code": "by_hand"}\'')
    rollout = await plan.start(steps=[{"share_pct": 100, "bake_s": 0}])
    await plan.tick()
    assert await plan.agent("a") == ("1.0.0", "1.1.0", "by_hand")
    await plan.rollouts.promote(TENANT, rollout.id, actor=ACTOR)
    assert (await plan.agent("a"))[2] == "by_hand"


@pytest.mark.parametrize(
    "version",
    [
        "0.0.1",
        "1.0.0-1",
        "1.0.0-alpha.1",
        "1.0.0-alpha-x",
        "2.0.0-rc.1",
        "1.8.3",
        "999999999.0.0",
        "1.0.0-0a",
        "1.0.0+b.1",
    ],
)
def test_the_database_has_the_same_key(side: Side, version: str) -> None:
    assert side.one("select dure.version_key(%s)", [version]) == Version.parse(version).key


@pytest.mark.parametrize(
    "text", ["", "1", "1.2.3-01", "01.2.3", "1.2.3\n", "latest", "1.2.3-a..b", "1.2.3-", "1.2.3-" + "a" * 100]
)
def test_what_is_no_version_has_no_key(side: Side, text: str) -> None:
    assert side.one("select dure.version_key(%s)", [text]) is None


@pytest.mark.parametrize("version", ["1.8.3", "0.3.1", "2.0.0-rc.1", "0.0.1"])
def test_a_release_made_in_sql_has_the_usual_range(side: Side, version: str) -> None:
    make = "select dure.make_release(%s, 'sql', %s, 'minor', 'notes')"
    assert [side.one(make, [TENANT, version]) for _ in range(2)] == [True, False]
    usual = Range.beside(Version.parse(version))
    statement = "select compatible, low_key, high_key, state, notes from dure.release where class = 'sql'"
    assert side.rows(statement) == [(usual.text, usual.low, usual.high, "current", "notes")]
