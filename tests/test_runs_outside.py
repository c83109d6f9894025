"""Runs over a store outside the database: intents, crashes, conflicts, the way back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import dure
from dure import faults
from dure.db.pool import Database
from dure.queue.registry import Rate
from dure.runs.stores.protocol import Undo
from queueing import TENANT, bury, one, rows, until
from running import AUTHOR, Batches, batches
from shelves import Shelf, down

SHELVES: dict[str, Shelf] = {}


@dure.operation("shelf.tidy", guards=dure.Guards(leaving_share_max=None, leaving_share_warn=None))
class Tidy:
    """Deletes what is titled `old`, renames `wrong`, titles `plain` anew, files `note` in a table."""

    def stores(self, params, tenant_id):
        return (SHELVES["shelf"], dure.Table("public.note"))

    async def subjects(self, params, ctx):
        yield "all"

    async def plan(self, subjects, ctx):
        shelf, notes = ctx.store("shelf"), ctx.store("public.note")
        async for record in shelf.list():
            match record.values[0]:
                case "old":
                    yield shelf.delete(record, reason="old")
                case "wrong":
                    yield shelf.move(record, ("right",))
                case "plain":
                    yield shelf.update(record, ("fancy", record.values[1]))
                case "note":
                    yield notes.create({"name": record.key[0], "body": record.values[1]}), shelf.leave(record)
                case _:
                    yield shelf.keep(record, reason="fine as it is")


@pytest.fixture
async def shelf(database: Database, tmp_path: Path) -> AsyncIterator[Shelf]:
    await rows(database, "create table public.note (name text primary key, body text)")
    SHELVES["shelf"] = made = Shelf(tmp_path)
    for n in range(10):
        made.write(TENANT, f"old-{n}", "old", f"text {n}")
    made.write("other", "old-1", "old", "another tenant's")
    return made


@pytest.fixture
async def tidying(database: Database, shelf: Shelf) -> AsyncIterator[Batches]:
    async with batches(database, [Tidy]) as made:
        yield made


async def test_every_kind_of_change_is_made_and_taken_back_to_the_byte(tidying: Batches, shelf: Shelf) -> None:
    shelf.write(TENANT, "wrong", "wrong", "1")
    shelf.write(TENANT, "plain", "plain", "한글\n")
    shelf.write(TENANT, "memo", "note", "kept in a table")
    shelf.write(TENANT, "fine", "fine")
    before = shelf.picture()
    run = await tidying.plan("shelf.tidy")
    assert run.counts == {"create": 1, "update": 1, "delete": 10, "move": 2, "keep": 1, "ask": 0}
    assert shelf.picture() == before
    done = await tidying.apply(run)
    assert (done.state, done.applied) == ("applied", 14), done.reason
    assert sorted(path for path in shelf.picture() if path.startswith(TENANT)) == [
        "acme/fine",
        "acme/plain",
        "acme/right",
    ]
    assert await rows(tidying.database, "select * from public.note") == [("memo", "kept in a table")]
    back = await tidying.undo(run)
    assert (back.state, back.applied) == ("applied", 14), back.reason
    assert shelf.picture() == before
    assert await rows(tidying.database, "select * from public.note") == []
    assert (await tidying.runs.get(TENANT, run.id)).rolled_back == "wholly"


async def test_a_store_that_is_down_is_waited_for(tidying: Batches, shelf: Shelf) -> None:
    run = await tidying.plan("shelf.tidy")
    shelf.before = down(2)
    done = await tidying.apply(run)
    assert (done.state, done.applied) == ("applied", 10)
    assert len(shelf.made()) == 12


async def test_a_store_that_stays_down_leaves_a_run_that_says_so_and_goes_on_later(
    tidying: Batches, shelf: Shelf
) -> None:
    before = shelf.picture()
    run = await tidying.plan("shelf.tidy")
    calls = [0]

    def fails_after_three(call: str) -> None:
        calls[0] += call != "get"
        if calls[0] > 3:
            down(1)(call)

    shelf.before = fails_after_three
    done = await tidying.apply(run)
    assert (done.state, done.applied, done.to_do) == ("partial", 3, 7), done.reason
    assert "connection refused" in done.reason["params"]["text"]
    assert len(await tidying.changes(run, state="applied")) == 3
    shelf.before = lambda _call: None
    await tidying.runs.retry(TENANT, run.id, actor=AUTHOR)
    done = await tidying.settled(run.id)
    assert (done.state, done.applied) == ("applied", 10)
    assert (await tidying.undo(run)).applied == 10
    assert shelf.picture() == before


@pytest.mark.parametrize("point", ["after_intent", "after_call"])
async def test_a_worker_that_is_lost_between_intent_and_outcome(
    database: Database, tidying: Batches, shelf: Shelf, point: str
) -> None:
    before = shelf.picture()
    run = await tidying.plan("shelf.tidy")
    assert tidying.worker is not None
    seen = [0]

    def lose() -> None:
        seen[0] += 1
        if seen[0] == 4:
            raise _Lost

    with faults.armed(point, lose):
        await tidying.runs.apply(TENANT, run.id, actor=AUTHOR)
        done = await tidying.settled(run.id)
    assert (done.state, done.applied) == ("applied", 10), done.reason
    # Nothing was deleted twice, and nothing was left out.
    assert sorted(key for call, key in shelf.made()) == sorted({key for call, key in shelf.made()})
    assert len(shelf.made()) == 10
    assert [path for path in shelf.picture() if path.startswith(TENANT)] == []
    assert (await tidying.undo(run)).applied == 10
    assert shelf.picture() == before


class _Lost(OSError):
    """As a lost connection would be: tried again."""


async def test_a_record_that_changed_since_is_a_conflict_and_the_rest_is_done(tidying: Batches, shelf: Shelf) -> None:
    run = await tidying.plan("shelf.tidy")
    shelf.write(TENANT, "old-3", "old", "edited meanwhile")
    (shelf.root / TENANT / "old-4").unlink()
    done = await tidying.apply(run)
    assert (done.state, done.applied, done.conflicts) == ("partial", 8, 2)
    conflicts = {change.key[0]: change.outcome["code"] for change in await tidying.changes(run, state="conflict")}
    assert conflicts == {"old-3": "changed_since", "old-4": "missing"}
    assert shelf.picture()["acme/old-3"] == '["old", "edited meanwhile"]'


async def test_a_record_that_changes_during_the_call_is_a_conflict(tidying: Batches, shelf: Shelf) -> None:
    run = await tidying.plan("shelf.tidy")
    shelf.before = lambda call: shelf.write(TENANT, "old-0", "old", "just now") if call == "delete" else None
    done = await tidying.apply(run)
    assert (done.state, done.conflicts) == ("partial", 1)
    assert shelf.picture()["acme/old-0"] == '["old", "just now"]'


async def test_half_of_a_unit_is_never_done_when_its_other_half_is_in_conflict(tidying: Batches, shelf: Shelf) -> None:
    shelf.write(TENANT, "memo", "note", "text")
    run = await tidying.plan("shelf.tidy")
    await rows(tidying.database, "insert into public.note values ('memo', 'somebody else was here')")
    done = await tidying.apply(run)
    assert (done.state, done.conflicts, done.skipped) == ("partial", 1, 1)
    assert "acme/memo" in shelf.picture()
    assert await one(tidying.database, "select body from public.note") == "somebody else was here"


async def test_another_tenants_record_of_the_same_name_is_never_touched(tidying: Batches, shelf: Shelf) -> None:
    await tidying.apply(await tidying.plan("shelf.tidy"))
    assert shelf.picture() == {"other/old-1": '["old", "another tenant\'s"]'}


async def test_two_runs_over_the_same_records_lose_nothing(tidying: Batches, shelf: Shelf) -> None:
    before = shelf.picture()
    first, second = await tidying.plan("shelf.tidy"), await tidying.plan("shelf.tidy")
    await tidying.runs.apply(TENANT, first.id, actor=AUTHOR)
    await tidying.runs.apply(TENANT, second.id, actor=AUTHOR)
    one_, two = await tidying.settled(first.id), await tidying.settled(second.id)
    assert one_.applied + two.applied == 10
    assert one_.conflicts + two.conflicts == 10
    for run in (one_, two):
        if run.applied:
            await tidying.undo(run)
    assert shelf.picture() == before


async def test_a_way_back_that_meets_a_change_says_which(tidying: Batches, shelf: Shelf) -> None:
    shelf.write(TENANT, "plain", "plain", "1")
    run = await tidying.apply(await tidying.plan("shelf.tidy"))
    shelf.write(TENANT, "plain", "fancy", "edited after")
    shelf.write(TENANT, "old-1", "new", "took the name")
    back = await tidying.rollback(run)
    assert (back.state, back.reason["code"]) == ("refused", "strict_conflict")
    codes = {change.key[0]: change.reason for change in await tidying.changes(back)}
    assert codes["plain"] == {"code": "undo_changed", "params": {"columns": ["body"]}}
    assert codes["old-1"]["code"] == "undo_key_taken"
    forced = await tidying.undo(run, mode="force")
    assert forced.state == "applied", forced.reason
    assert shelf.picture()["acme/plain"] == '["plain", "1"]'
    # What force overwrote was saved first, so that can be taken back as well.
    again = await tidying.undo(forced)
    assert again.state == "applied", again.reason
    assert shelf.picture()["acme/plain"] == '["fancy", "edited after"]'
    assert shelf.picture()["acme/old-1"] == '["new", "took the name"]'


async def test_a_store_that_cannot_bring_back_says_so(tidying: Batches, shelf: Shelf) -> None:
    shelf.undo = Undo(deletes=False, why_not="what is deleted there is gone")
    run = await tidying.apply(await tidying.plan("shelf.tidy"))
    back = await tidying.rollback(run, mode="clean_only")
    assert back.state == "empty"
    (first, *_) = await tidying.changes(back)
    assert first.reason == {"code": "undo_irreversible", "params": {"text": "what is deleted there is gone"}}


async def test_calls_keep_to_the_stores_rate(tidying: Batches, shelf: Shelf) -> None:
    shelf.rate = Rate(100, per_s=1)
    run = await tidying.plan("shelf.tidy")
    done = await tidying.apply(run)
    took_s = (done.finished_at - done.started_at).total_seconds()
    # Twenty calls, the first of them at once.
    assert took_s >= 0.19


async def test_a_lost_lease_does_nothing_twice(database: Database, shelf: Shelf) -> None:
    """Two workers on one run: the first was taken for dead while it waited in a call, and goes on all the same."""
    async with batches(database, [Tidy]) as first:
        run = await first.plan("shelf.tidy")
        assert first.worker is not None
        lost = [False]

        def bury_once(call: str) -> None:
            lost[0] = lost[0] or call == "delete"

        shelf.before = bury_once
        await first.runs.apply(TENANT, run.id, actor=AUTHOR)
        await until(lambda: lost[0])
        await bury(database, first.worker.worker_id)
        async with batches(database, [Tidy]) as second:
            done = await second.settled(run.id)
    assert (done.state, done.applied) == ("applied", 10), done.reason
    assert [path for path in shelf.picture() if path.startswith(TENANT)] == []
