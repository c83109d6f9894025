"""A run's life over tables: planned, guarded, approved, applied, taken back; and everything that is said on the way."""

from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel

import dure
from dure.db.pool import Database
from dure.errors import Conflict, Invalid, NotFound, Refused
from queueing import TENANT, one, rows, until
from running import AUTHOR, Batches, batches

STUDENTS = """
create table public.students
    (id int generated always as identity primary key, name text not null, seen date not null, note json);
create table public.archive
    (id int primary key, name text, archived_on date not null default date '2030-01-01');
insert into public.students (name, seen, note)
select 'student ' || n, date '2025-01-01' + n, '{"b": 1,  "a": 2}' from generate_series(1, 20) n
"""


@dure.operation("students.archive_inactive")
class ArchiveInactive:
    """Moves students who were not seen for long into the archive."""

    class Params(BaseModel):
        before: str = "2025-01-06"

    stores = (dure.Table("public.students"), dure.Table("public.archive"))

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[int]:
        async for row in ctx.rows("select id from public.students where seen < %s::date order by id", [params.before]):
            yield row.id

    async def plan(self, subjects, ctx):
        students, archive = ctx.store("public.students"), ctx.store("public.archive")
        for row in await students.get(subjects):
            yield (
                archive.create({"id": row.values["id"], "name": row.values["name"]}),
                students.delete(row, reason="not seen for long", subject=str(row.values["id"])),
            )


@dure.operation("students.rename", approval="other", slice_subjects=3)
class Rename:
    """Gives every student a new name."""

    stores = (dure.Table("public.students"),)

    async def subjects(self, params, ctx):
        async for row in ctx.rows("select id from public.students order by id"):
            yield row.id

    async def plan(self, subjects, ctx):
        students = ctx.store("public.students")
        for row in await students.get(subjects):
            yield students.update(row, {"name": row.values["name"].upper()}, subject=str(row.values["id"]))


@dure.operation("students.name_all")
class NameAll:
    """Gives every student the same name, which must be said."""

    class Params(BaseModel):
        name: str

    stores = (dure.Table("public.students"),)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[int]:
        async for row in ctx.rows("select id from public.students order by id"):
            yield row.id

    async def plan(self, subjects, ctx):
        students = ctx.store("public.students")
        for row in await students.get(subjects):
            yield students.update(row, {"name": ctx.params.name}, subject=str(row.values["id"]))


@pytest.fixture
async def students(database: Database) -> AsyncIterator[Batches]:
    await rows(database, STUDENTS)
    async with batches(database, [ArchiveInactive, Rename, NameAll]) as made:
        yield made


async def picture(database: Database) -> list[tuple]:
    return await rows(
        database,
        "select 's', s::text from public.students s union all select 'a', a::text from public.archive a order by 1, 2",
    )


async def test_a_plan_touches_nothing_and_says_everything(students: Batches) -> None:
    before = await picture(students.database)
    run = await students.plan("students.archive_inactive")
    assert run.state == "planned", run.reason
    assert run.counts == {"create": 4, "update": 0, "delete": 4, "move": 0, "keep": 0, "ask": 0}
    assert run.population == 20
    assert [guard["verdict"] for guard in run.guards] == ["passed"] * 6
    assert await picture(students.database) == before
    changes = await students.changes(run)
    assert {change.kind for change in changes} == {"create", "delete"}
    deleted = next(change for change in changes if change.kind == "delete")
    assert deleted.before["note"] == '{"b": 1,  "a": 2}'
    assert deleted.reason == {"code": "said", "params": {"text": "not seen for long"}}
    assert deleted.unit is not None
    assert all(change.state == "planned" for change in changes)


async def test_an_operation_whose_parameter_must_be_given_has_a_way_back_too(students: Batches) -> None:
    before = await picture(students.database)
    run = await students.apply(await students.plan("students.name_all", {"name": "z"}))
    back = await students.apply(await students.rollback(run))
    assert (back.state, await picture(students.database)) == ("applied", before)
    again = await students.apply(await students.rollback(back))
    assert again.state == "applied"
    assert await one(students.database, "select count(*) from public.students where name = 'z'") == 20


async def test_what_was_reviewed_is_what_runs_and_it_runs_once(students: Batches) -> None:
    run = await students.plan("students.archive_inactive")
    # Somebody else becomes inactive meanwhile: that was not reviewed.
    await rows(students.database, "update public.students set seen = '2020-01-01' where id = 20")
    done = await students.apply(run, plan_hash=run.plan_hash)
    assert (done.state, done.applied, done.to_do) == ("applied", 8, 0)
    assert await one(students.database, "select count(*) from public.students") == 16
    assert await one(students.database, "select count(*) from public.archive") == 4
    with pytest.raises(Conflict) as caught:
        await students.runs.apply(TENANT, run.id, actor=AUTHOR)
    assert caught.value.reason == "run_state"


async def test_the_way_back_is_exact_and_can_itself_be_taken_back(students: Batches) -> None:
    before = await picture(students.database)
    run = await students.apply(await students.plan("students.archive_inactive"))
    after = await picture(students.database)
    back = await students.rollback(run)
    assert (back.state, back.rollback_of) == ("planned", run.id), back.reason
    assert await picture(students.database) == after
    done = await students.apply(back)
    assert done.state == "applied", done.reason
    assert await picture(students.database) == before
    assert (await students.runs.get(TENANT, run.id)).rolled_back == "wholly"
    with pytest.raises(Conflict) as caught:
        await students.rollback(run)
    assert caught.value.reason == "already_undone"
    again = await students.undo(done)
    assert again.state == "applied"
    assert await picture(students.database) == after


async def test_what_changed_since_is_a_conflict_and_the_rest_is_applied(students: Batches) -> None:
    run = await students.plan("students.archive_inactive")
    await rows(students.database, "update public.students set name = 'other' where id = 2")
    done = await students.apply(run)
    assert (done.state, done.applied, done.conflicts, done.skipped) == ("partial", 6, 1, 1)
    (conflict,) = await students.changes(run, state="conflict")
    assert conflict.outcome == {"code": "changed_since", "params": {"columns": ["name"]}}
    # The archive's half of the same unit did not happen either.
    assert await one(students.database, "select count(*) from public.archive where id = 2") == 0
    assert await one(students.database, "select name from public.students where id = 2") == "other"


async def test_only_what_failed_is_tried_again(students: Batches) -> None:
    await rows(students.database, "alter table public.archive add constraint short check (length(name) < 11) not valid")
    run = await students.plan("students.archive_inactive", {"before": "2025-01-10"})
    assert run.counts["delete"] == 8
    await rows(students.database, "insert into public.archive (id, name) values (3, 'in the way')")
    await rows(students.database, "alter table public.archive add constraint no_five check (id <> 5)")
    done = await students.apply(run)
    assert (done.state, done.applied, done.conflicts, done.failed, done.skipped) == ("partial", 12, 1, 1, 2)
    (failed,) = await students.changes(run, state="failed")
    assert failed.outcome["code"] == "check_failed"
    assert failed.outcome["params"]["constraint"] == "no_five"
    await rows(students.database, "alter table public.archive drop constraint no_five")
    await students.runs.retry(TENANT, run.id, actor=AUTHOR)
    done = await students.settled(run.id)
    assert (done.state, done.applied, done.conflicts) == ("partial", 14, 1), done.reason
    await rows(students.database, "delete from public.archive where id = 3")
    await students.runs.retry(TENANT, run.id, actor=AUTHOR, conflicts=True)
    done = await students.settled(run.id)
    assert (done.state, done.applied) == ("applied", 16), done.reason
    with pytest.raises(Conflict) as caught:
        await students.runs.retry(TENANT, run.id, actor=AUTHOR)
    assert caught.value.reason == "nothing_to_retry"
    assert await one(students.database, "select count(*) from public.archive") == 8


async def test_guards_refuse_with_figures_and_an_override_is_for_one_plan(students: Batches) -> None:
    run = await students.plan("students.archive_inactive", {"before": "2025-01-15"})
    assert run.state == "refused"
    assert run.reason["code"] == "guard_leaving_share"
    assert run.reason["params"] == {"percent": 65.0, "count": 13, "population": 20, "max_percent": 50.0}
    with pytest.raises(Refused) as caught:
        await students.runs.apply(TENANT, run.id, actor=AUTHOR)
    assert caught.value.reason == "guards_refused"
    with pytest.raises(Refused):
        await students.runs.approve(TENANT, run.id, actor=AUTHOR)
    with pytest.raises(Refused):
        await students.runs.approve(TENANT, run.id, actor=AUTHOR, override=True)
    await students.runs.approve(TENANT, run.id, actor=AUTHOR, override=True, reason="asked for by the office")
    done = await students.apply(run)
    assert (done.state, done.applied) == ("applied", 26), done.reason
    assert [said.decision for said in await students.runs.approvals(TENANT, run.id)] == ["override"]


async def test_another_person_must_approve_where_the_operation_says_so(students: Batches) -> None:
    run = await students.plan("students.rename")
    assert run.counts["update"] == 20
    with pytest.raises(Refused) as caught:
        await students.runs.apply(TENANT, run.id, actor=AUTHOR)
    assert caught.value.reason == "approval_needed"
    with pytest.raises(Refused) as caught:
        await students.runs.approve(TENANT, run.id, actor=AUTHOR)
    assert caught.value.reason == "approve_own"
    await students.runs.approve(TENANT, run.id, actor="lee", plan_hash=run.plan_hash)
    done = await students.apply(run)
    assert (done.state, done.applied) == ("applied", 20)
    verbs = [event.verb for event in await students.runs.events(TENANT, run.id)]
    assert verbs == ["run.plan", "run.planned", "run.approve", "run.apply", "run.applied"]


async def test_slices_make_the_same_plan_each_time(students: Batches) -> None:
    first, second = await students.plan("students.rename"), await students.plan("students.rename")
    assert first.plan_hash == second.plan_hash
    assert await one(students.database, "select count(*) from dure.slice where run_id = %s", [first.id]) == 7


async def test_another_plans_hash_is_refused(students: Batches) -> None:
    run = await students.plan("students.archive_inactive")
    with pytest.raises(Conflict) as caught:
        await students.runs.apply(TENANT, run.id, actor=AUTHOR, plan_hash="0" * 64)
    assert caught.value.reason == "other_plan"


async def test_a_plan_past_its_time_is_not_applied(students: Batches) -> None:
    run = await students.plan("students.archive_inactive")
    await rows(
        students.database, "update dure.run set expires_at = dure.now() - interval '1 s' where id = %s", [run.id]
    )
    assert (await students.runs.get(TENANT, run.id)).state == "expired"
    with pytest.raises(Conflict) as caught:
        await students.runs.apply(TENANT, run.id, actor=AUTHOR)
    assert caught.value.reason == "run_expired"


async def test_a_rejected_plan_stays_rejected(students: Batches) -> None:
    run = await students.plan("students.archive_inactive")
    await students.runs.reject(TENANT, run.id, actor="lee", reason="not now")
    with pytest.raises(Conflict):
        await students.runs.apply(TENANT, run.id, actor=AUTHOR)
    with pytest.raises(Conflict):
        await students.runs.retry(TENANT, run.id, actor=AUTHOR)


async def test_a_cancelled_plan_is_not_applied_by_trying_again(students: Batches) -> None:
    run = await students.plan("students.rename")
    await students.runs.cancel(TENANT, run.id, actor=AUTHOR)
    with pytest.raises(Conflict):
        await students.runs.retry(TENANT, run.id, actor=AUTHOR)


async def test_nothing_to_do_is_an_empty_run(students: Batches) -> None:
    run = await students.plan("students.archive_inactive", {"before": "2000-01-01"})
    assert run.state == "empty"
    with pytest.raises(Conflict) as caught:
        await students.rollback(run)
    assert caught.value.reason == "nothing_to_undo"


async def test_what_cannot_be_undone_is_told_by_its_reason(students: Batches) -> None:
    dry = await students.plan("students.archive_inactive")
    with pytest.raises(Conflict) as caught:
        await students.rollback(dry)
    assert caught.value.reason == "dry_run"
    with pytest.raises(NotFound):
        await students.runs.rollback(TENANT, "00000000-0000-7000-8000-000000000000", author=AUTHOR)


async def test_bad_parameters_are_refused_when_they_are_asked_for(students: Batches) -> None:
    with pytest.raises(Invalid) as caught:
        await students.runs.plan(TENANT, "students.archive_inactive", {"before": 7}, author=AUTHOR)
    assert caught.value.field == "params.before"
    with pytest.raises(NotFound):
        await students.runs.plan(TENANT, "students.nothing", {}, author=AUTHOR)


async def test_a_strict_way_back_does_nothing_when_something_is_in_the_way(students: Batches) -> None:
    run = await students.apply(await students.plan("students.archive_inactive"))
    await rows(
        students.database,
        "insert into public.students (id, name, seen) overriding system value values (1, 'new', now())",
    )
    after = await picture(students.database)
    back = await students.rollback(run)
    assert (back.state, back.reason["code"]) == ("refused", "strict_conflict")
    assert await picture(students.database) == after
    clean = await students.undo(run, mode="clean_only")
    assert clean.state == "applied", clean.reason
    assert (await students.runs.get(TENANT, run.id)).rolled_back == "partly"
    assert await one(students.database, "select count(*) from public.students") == 20


async def test_a_strict_way_back_is_given_up_whole_when_something_came_after_its_plan(students: Batches) -> None:
    run = await students.apply(await students.plan("students.archive_inactive"))
    back = await students.rollback(run)
    assert back.state == "planned"
    await rows(
        students.database,
        "insert into public.students (id, name, seen) overriding system value values (1, 'new', now())",
    )
    after = await picture(students.database)
    done = await students.apply(back)
    assert (done.state, done.reason["code"], done.applied) == ("failed", "strict_conflict", 0)
    assert await picture(students.database) == after
    assert [change.outcome["code"] for change in await students.changes(back, state="conflict")] == ["key_taken"]


async def test_part_of_a_run_is_taken_back(students: Batches) -> None:
    run = await students.apply(await students.plan("students.archive_inactive"))
    back = await students.undo(run, subjects=["2"])
    assert back.state == "applied", back.reason
    assert await one(students.database, "select count(*) from public.students") == 17
    assert (await students.runs.get(TENANT, run.id)).rolled_back == "partly"
    rest = await students.undo(run)
    assert rest.state == "applied"
    assert await one(students.database, "select count(*) from public.students") == 20


async def test_another_tenants_runs_are_not_seen(students: Batches) -> None:
    run = await students.plan("students.archive_inactive")
    with pytest.raises(NotFound):
        await students.runs.get("other", run.id)
    with pytest.raises(NotFound):
        await students.runs.apply("other", run.id, actor=AUTHOR)
    assert (await students.runs.list("other")).items == ()


async def test_a_planner_cannot_write(database: Database) -> None:
    await rows(database, STUDENTS)

    @dure.operation("students.sneak")
    class Sneak:
        stores = (dure.Table("public.students"),)

        async def subjects(self, params, ctx):
            await ctx.tx.execute("delete from public.students")
            yield 1

        async def plan(self, subjects, ctx):
            if False:
                yield None

    async with batches(database, [Sneak]) as made:
        run = await made.plan("students.sneak")
        assert run.state == "failed"
        assert "read-only" in run.reason["params"]["text"]
        assert await one(database, "select count(*) from public.students") == 20


async def test_an_application_rests_after_the_chunk_in_hand_and_goes_on(students: Batches, monkeypatch) -> None:
    monkeypatch.setattr("dure.runs.ledger.CHUNK_CHANGES_MAX", 2)
    run = await students.plan("students.archive_inactive")
    async with students.database.owner_tx() as tx:
        # The application waits for this row, so it is asked to rest while it has its first chunk in hand.
        await tx.execute("select from public.students where id = 1 for update")
        await students.runs.apply(TENANT, run.id, actor=AUTHOR)
        await until(lambda: _somebody_waits(students.database))
        await students.runs.pause(TENANT, run.id, actor="lee")
    await until(lambda: _job_is_over(students, run.id))
    resting = await students.runs.get(TENANT, run.id)
    assert (resting.state, resting.applied, resting.to_do) == ("applying", 2, 6)
    with pytest.raises(Conflict):
        await students.runs.pause(TENANT, run.id, actor="lee")
    await students.runs.resume(TENANT, run.id, actor="lee")
    done = await students.settled(run.id)
    assert (done.state, done.applied) == ("applied", 8)


async def test_a_cancelled_application_keeps_what_is_done_and_that_can_be_taken_back(
    students: Batches, monkeypatch
) -> None:
    monkeypatch.setattr("dure.runs.ledger.CHUNK_CHANGES_MAX", 2)
    before = await picture(students.database)
    run = await students.plan("students.archive_inactive")
    async with students.database.owner_tx() as tx:
        await tx.execute("select from public.students where id = 1 for update")
        await students.runs.apply(TENANT, run.id, actor=AUTHOR)
        await until(lambda: _somebody_waits(students.database))
        await students.runs.cancel(TENANT, run.id, actor="lee", reason="wrong year")
    done = await students.settled(run.id)
    assert (done.state, done.applied, done.to_do) == ("cancelled", 2, 6)
    assert done.reason["params"]["text"] == "wrong year"
    assert (await students.undo(run)).state == "applied"
    assert await picture(students.database) == before


@dure.operation("students.rename_together", parallel=3, slice_subjects=5)
class RenameTogether(Rename):
    """The same, by several jobs at a time."""


async def test_several_jobs_share_the_chunks_and_each_is_done_once(database: Database, monkeypatch) -> None:
    monkeypatch.setattr("dure.runs.ledger.CHUNK_CHANGES_MAX", 1)
    await rows(database, STUDENTS)
    # Counts what an update that came twice would show.
    await rows(database, "alter table public.students add times int not null default 0")
    await rows(
        database,
        "create function count_up() returns trigger language plpgsql as"
        " $$ begin new.times := old.times + 1; return new; end $$;"
        " create trigger count_up before update on public.students for each row execute function count_up()",
    )
    async with batches(database, [RenameTogether]) as made:
        run = await made.plan("students.rename_together")
        done = await made.apply(run)
    assert (done.state, done.applied) == ("applied", 20), done.reason
    assert await rows(database, "select distinct times from public.students") == [(1,)]
    helped = "select count(*) from dure.job where handler = 'dure.run.apply_chunks' and state = 'completed'"
    assert await one(database, helped) == 3


async def test_too_many_failures_stop_an_application(database: Database, monkeypatch) -> None:
    monkeypatch.setattr("dure.runs.ledger.CHUNK_CHANGES_MAX", 5)
    await rows(database, STUDENTS)

    @dure.operation("students.fail", guards=dure.Guards(errors_min=4))
    class Fail(Rename):
        pass

    async with batches(database, [Fail]) as made:
        run = await made.plan("students.fail")
        await rows(database, "alter table public.students add constraint lower_only check (name = lower(name))")
        done = await made.apply(run)
    assert (done.state, done.failed, done.to_do) == ("failed", 5, 15)
    assert done.reason["code"] == "guard_errors"


async def _somebody_waits(database: Database) -> bool:
    waiting = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    return bool(await rows(database, waiting))


async def _job_is_over(students: Batches, run_id: str) -> bool:
    open_job = "j.id = r.job_id and j.state in ('pending', 'processing')"
    statement = f"select from dure.run r join dure.job j on {open_job} where r.id = %s"
    return not await rows(students.database, statement, [run_id])


@dure.operation("odd.raise_all")
class RaiseAll:
    """Raises numbers in a table whose names hold what statements are made of."""

    stores = (dure.Table('other."Ad%vice"'),)

    async def subjects(self, params, ctx):
        async for row in ctx.rows('select id from other."Ad%vice" order by id'):
            yield row.id

    async def plan(self, subjects, ctx):
        advice = ctx.store('other."Ad%vice"')
        for row in await advice.get(subjects):
            yield advice.update(row, {"100%": row.values["100%"] + 1})


async def test_names_with_a_percent_sign_are_changed_and_put_back(database: Database) -> None:
    await rows(database, "create schema other")
    await rows(database, 'create table other."Ad%vice" (id int primary key, "100%" int)')
    await rows(database, 'insert into other."Ad%vice" values (1, 1), (2, 2)')
    async with batches(database, [RaiseAll]) as made:
        run = await made.apply(await made.plan("odd.raise_all"))
        assert (run.state, run.applied) == ("applied", 2)
        assert (await made.undo(run)).state == "applied"
    assert await rows(database, 'select "100%" from other."Ad%vice" order by id') == [(1,), (2,)]
