"""Who gets a recommendation, once, and how it is taken back; on tables as a Django project has them and on others."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncCursor

from dure.apps.interventions.demo import fingerprint, load_demo
from dure.apps.interventions.operation import NAME, Generate
from dure.db.pool import Database
from dure.runs.context import PlanContext, snapshot
from dure.runs.operation import Operations
from dure.runs.shapes import described
from intervening import DAY, Interventions, codes, interventions
from queueing import TENANT, one, rows, until
from running import batches

KIND = "diet+exercise+sleep"


@pytest.fixture
async def made(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Interventions]:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    async with interventions(database) as found:
        yield found


async def test_one_for_each_who_has_all_records_and_the_others_are_told_apart(made: Interventions) -> None:
    eater = await made.user("food")
    mover = await made.user("exercise")
    nothing = await made.user()
    both = await made.user("food", "exercise")
    english = await made.user("food", "exercise", "sleep", language="en")
    out = await made.user("food", "exercise", opted_out=True)
    left = await made.user("food", "exercise", is_active=False)
    run = await made.plan()
    assert (run.state, run.counts["create"], run.counts["keep"]) == ("planned", 2, 5)
    assert await made.skipped(run) == {
        eater: "No records in the period: exercise.",
        mover: "No records in the period: food.",
        nothing: "No records in the period: food, exercise.",
        out: "The user does not want any.",
        left: "The user is not active.",
    }
    assert (await made.skipped(run, "ko"))[eater] == "이 기간에 다음 기록이 없습니다: 운동."
    assert (await made.apply(run)).state == "applied"
    stored = await made.stored()
    assert [row[:3] for row in stored] == [(both, DAY, "day"), (english, DAY, "day")]
    assert all(ord("가") <= ord(text) <= ord("힣") for text in stored[0][3][0])
    assert stored[1][3].isascii()
    inputs, output = (
        await rows(made.database, "select inputs, output from interventions_intervention order by user_id")
    )[0]
    assert inputs["food"]["calories"] == 2000
    assert output["generator"] == "rules-1"
    assert 2 <= len(output["advice"]) <= 3
    assert all(piece["text"] in stored[0][3] for piece in output["advice"])


async def test_again_the_same_day_nobody_gets_a_second_one(made: Interventions) -> None:
    user = await made.user("food", "exercise")
    await made.made()
    again = await made.plan()
    assert again.state == "empty"
    assert await made.skipped(again) == {user: "There is one already for this day and kind."}
    other = await made.plan(date="2026-07-31")
    assert codes(await made.changes(other)) == ["no_records"], "another day is another question"
    narrower = await made.plan(kind="diet")
    assert narrower.counts["create"] == 1, "and so is another kind"


async def test_two_runs_at_once_write_one(made: Interventions) -> None:
    await made.user("food", "exercise")
    first, second = await made.plan(), await made.plan()
    assert ((await made.apply(first)).state, (await made.apply(second)).conflicts) == ("applied", 1)
    assert len(await made.stored()) == 1


async def test_creates_are_taken_back_to_the_byte(made: Interventions) -> None:
    for _ in range(3):
        await made.user("food", "exercise")
    before = await made.fingerprint()
    run = await made.made()
    assert len(await made.stored()) == 3
    assert (await made.runs.undo(run)).state == "applied"
    assert await made.fingerprint() == before


async def test_redo_is_one_update_and_is_taken_back_to_the_byte(made: Interventions) -> None:
    user = await made.user("food", "exercise")
    new = await made.user("food", "exercise")
    out = await made.user("food")
    await made.made(users=[user])
    before = await made.fingerprint()
    ((_, _, _, text),) = await made.stored()
    await made.food(user, time="19:00", calories=2600, sodium_mg=4000)
    changed = await made.fingerprint()
    run = await made.plan(redo=True)
    assert (run.counts["update"], run.counts["create"]) == (1, 1)
    assert (await made.skipped(run)).keys() == {out}
    assert (await made.apply(run)).state == "applied"
    now = {row[0]: row[3] for row in await made.stored()}
    assert now[user] != text
    assert new in now
    assert (await made.runs.undo(run)).state == "applied"
    assert await made.fingerprint() == changed != before
    assert await made.stored() == [(user, DAY, "day", text)]


async def test_redo_without_anything_new_is_an_update_all_the_same(made: Interventions) -> None:
    await made.user("food", "exercise")
    await made.made()
    (first,) = await made.stored()
    run = await made.made(redo=True)
    assert (run.state, run.counts["update"]) == ("applied", 1)
    assert await made.stored() == [first], "the same records give the same advice"


async def test_one_that_was_edited_since_is_not_written_over_when_a_run_is_taken_back(made: Interventions) -> None:
    await made.user("food", "exercise")
    run = await made.made()
    await rows(made.database, "update interventions_intervention set content = 'by hand'")
    assert (await made.runs.rollback(run)).state == "refused"
    assert (await made.stored())[0][3] == "by hand"


async def test_a_day_begins_and_ends_at_the_zones_midnight(made: Interventions) -> None:
    inside, before, after = [await made.user() for _ in range(3)]
    for user, day, hour in ((inside, DAY, "00:00"), (before, "2026-07-31", "23:59"), (after, "2026-08-02", "00:00")):
        await made.food(user, day, hour)
        await made.exercise(user, day, hour)
    assert [str(c.subject) for c in await made.changes(await made.plan(), "create")] == [inside]
    new_york = await made.plan(date="2026-07-31", zone="America/New_York")
    assert {str(c.subject) for c in await made.changes(new_york, "create")} == {inside, before}


@pytest.mark.parametrize("machine", ["Asia/Seoul", "America/New_York"])
async def test_the_machines_own_zone_changes_nothing(
    made: Interventions, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", machine)
    time.tzset()
    try:
        late = await made.user()
        await made.food(late, DAY, "23:30")
        await made.exercise(late, DAY, "00:10")
        run = await made.plan()
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    (change,) = await made.changes(run, "create")
    assert change.after is not None
    assert change.key == (late, DAY, KIND, "day")
    assert '"late_meals": 1' in str(change.after["inputs"])


async def test_a_week_and_a_month_cover_their_days(made: Interventions) -> None:
    user = await made.user()
    for day in ("2026-08-03", "2026-08-09"):
        await made.food(user, day)
        await made.exercise(user, day)
    week = await made.made(date="2026-08-09", period="week")
    assert week.applied == 1
    assert (await made.plan(date="2026-08-16", period="week")).counts["keep"] == 1
    month = await made.made(date="2026-08-12", period="month")
    assert month.applied == 1
    assert [row[1:3] for row in await made.stored()] == [("2026-08-09", "week"), ("2026-08-31", "month")]
    again = await made.plan(date="2026-08-30", period="month")
    assert codes(await made.changes(again)) == ["already_made"], "a month is one month, whatever day is named"
    facts = await one(made.database, "select inputs from interventions_intervention where period = 'week'")
    assert (facts["food"]["days"], facts["span"]["first"]) == (2, "2026-08-03")


async def test_users_that_are_named_are_looked_at_alone(made: Interventions) -> None:
    first, second = [await made.user("food", "exercise") for _ in range(2)]
    run = await made.plan(users=[int(second), "999", second])
    assert [str(c.subject) for c in await made.changes(run, "create")] == [second]
    assert await made.skipped(run) == {"999": "There is no such user."}
    assert first not in {c.subject for c in await made.changes(run)}


async def test_slices_hold_all_users_once(made: Interventions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURE_INTERVENTIONS_SLICE_USERS", "3")
    users = [await made.user("food", "exercise") for _ in range(10)]
    run = await made.made()
    assert sorted(row[0] for row in await made.stored()) == sorted(users)
    assert await one(made.database, "select count(*) from dure.slice where run_id = %s", [run.id]) == 4


async def test_nobody_at_all_is_an_empty_run(made: Interventions) -> None:
    assert (await made.plan()).state == "empty"


async def test_without_a_unique_index_it_refuses_and_says_how_to_make_one(made: Interventions) -> None:
    await made.user("food", "exercise")
    await rows(
        made.database,
        "alter table interventions_intervention drop constraint"
        " interventions_intervention_user_id_date_kind_period_key",
    )
    run = await made.plan()
    assert (run.state, (run.reason or {})["code"]) == ("refused", "table.key_not_unique")
    said = (run.reason or {})["params"]["text"]
    assert "create unique index on public.interventions_intervention (user_id, date, kind, period)" in said


async def test_another_tenant_gets_nobodys_users(made: Interventions) -> None:
    await made.user("food", "exercise")
    run = await made.runs.runs.plan("other", NAME, {"date": DAY}, author="kim")

    async def refused() -> bool:
        return (await made.runs.runs.get("other", run.id)).state != "planning"

    await until(refused)
    ended = await made.runs.runs.get("other", run.id)
    assert (ended.state, (ended.reason or {})["code"]) == ("refused", "interventions_tenant")


class Counting(AsyncCursor[Any]):
    """Counts the statements of its connection."""

    count = 0

    async def execute(self, *args: Any, **given: Any) -> Any:
        type(self).count += 1
        return await super().execute(*args, **given)


async def test_a_slice_costs_as_many_statements_for_many_users_as_for_few(made: Interventions) -> None:
    counts = []
    for more in (3, 200):
        for _ in range(more):
            await made.user("food", "exercise", "sleep")
        await made.user("food")
        counts.append(await _statements(made.database))
    assert counts[0] == counts[1] <= 6


async def _statements(database: Database) -> int:
    loaded = Operations([Generate]).find(NAME)
    params = loaded.params({"date": DAY})
    async with snapshot(database, TENANT) as view:
        stores = await described(view, loaded.stores(params, TENANT))
        context = PlanContext(
            view, run_id="r", tenant_id=TENANT, author="kim", now=await _now(view), params=params,
            handles=stores.handles(view, TENANT),
        )  # fmt: skip
        (subject,) = [one async for one in loaded.instance.subjects(params, context)]
        Counting.count = 0
        view.cursor_factory = Counting
        drafts = [draft async for draft in loaded.instance.plan([subject], context)]
    assert len(drafts) >= 4
    return Counting.count


async def _now(view: Any) -> Any:
    return (await (await view.execute("select now()")).fetchone())[0]


async def test_tables_of_other_names_and_types(database: Database, tmp_path: Path, monkeypatch: Any) -> None:
    for statement in OTHER_TABLES.split(";"):
        await rows(database, statement)
    file = tmp_path / "tables.toml"
    file.write_text(OTHER_NAMES, encoding="utf-8")
    monkeypatch.setenv("DURE_TENANT", TENANT)
    monkeypatch.setenv("DURE_INTERVENTIONS_CONFIG", str(file))
    async with batches(database, [Generate]) as runs:
        made = Interventions(runs)
        run = await made.plan()
        assert run.state == "planned", run.reason
        assert run.counts["create"] == 1
        assert set((await made.skipped(run)).values()) == {"No records in the period: steps."}
        before = await rows(database, 'select * from other."My Advice"')
        assert (await made.apply(run)).state == "applied"
        stored = await one(database, 'select user_ref from other."My Advice" where "Text" <> \'\' and id is not null')
        assert str(stored) == "a0000000-0000-0000-0000-00000000000a"
        back = await made.runs.rollback(run)
        assert back.state == "planned", back.reason
        assert (await made.apply(back)).state == "applied"
        assert await rows(database, 'select * from other."My Advice"') == before == []


async def test_a_column_that_is_not_there_is_named(
    made: Interventions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tables.toml"
    file.write_text('[records.food.columns]\ncalories = "energy"\n', encoding="utf-8")
    monkeypatch.setenv("DURE_INTERVENTIONS_CONFIG", str(file))
    run = await made.plan()
    assert (run.state, (run.reason or {})["code"]) == ("refused", "interventions_table")
    assert "energy" in (run.reason or {})["params"]["text"]


async def test_the_example_shows_recommendations_and_reasons(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    said: list[str] = []
    told = await load_demo(database, said.append)
    before = await fingerprint(database)
    assert (told["users"], told["interventions"]) == (40, 3)
    assert (await load_demo(database, said.append))["users"] == 0, "what is there stays"
    assert await fingerprint(database) == before
    async with batches(database, [Generate]) as runs:
        made = Interventions(runs)
        run = await made.plan(date=told["date"])
        found = set(codes(await made.changes(run, "keep")))
        assert found == {"already_made", "inactive", "no_records", "opted_out"}
        assert run.counts["create"] >= 5
        await made.apply(run)
        await made.runs.undo(run)
    assert await fingerprint(database) == before


async def test_many_workers_plan_a_run_together(made: Interventions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURE_INTERVENTIONS_SLICE_USERS", "5")
    for _ in range(20):
        await made.user("food", "exercise")
    async with batches(made.database, [Generate]):
        run = await made.made()
    assert run.applied == 20
    assert await one(made.database, "select count(*) from dure.slice where run_id = %s", [run.id]) == 4


OTHER_NAMES = """
[users]
table = "other.members"
id = "uid"
active = "on"
opted_out = ""
language = ""

[records]
exercise = false
sleep = false

[records.food]
table = "other.meals"
user = "who"
time = "day"
columns = { calories = "kcal", protein_g = "", carbs_g = "", fat_g = "", sodium_mg = "" }

[records.steps]
table = "other.steps"
user = "who"
time = "at"
required = true

[intervention]
table = 'other."My Advice"'
user = "user_ref"
content = "Text"
inputs = ""
output = ""
created_at = "made_at"
updated_at = ""
"""
OTHER_TABLES = """
create schema other;
create table other.members (uid uuid primary key, "on" integer not null);
create table other.meals (who uuid not null, day date not null, kcal numeric);
create table other.steps (who uuid not null, at timestamp not null);
create table other."My Advice" (
    id uuid primary key, user_ref uuid not null references other.members, date date not null,
    kind varchar(100) not null, period varchar(10) not null, "Text" text not null, made_at timestamptz not null,
    unique (user_ref, date, kind, period));
insert into other.members values ('a0000000-0000-0000-0000-00000000000a', 1),
    ('b0000000-0000-0000-0000-00000000000b', 1);
insert into other.meals values ('a0000000-0000-0000-0000-00000000000a', '2026-08-01', 900.5),
    ('b0000000-0000-0000-0000-00000000000b', '2026-08-01', 2100);
insert into other.steps values ('a0000000-0000-0000-0000-00000000000a', '2026-08-01 23:59:59')
"""
