"""Intents: asked for under a policy, done for many, approved, tried again; each weakness of such queues has a test."""

import asyncio

import pytest

from dure.errors import Conflict, Invalid, NotFound, RateLimited, Refused
from dure.intents import intent
from dure.intents.catalogue import Catalogue
from dure.intents.keeping import prune
from dure.intents.model import Declaration
from dure.intents.policies import Policy, judge, keys_of
from dure.queue.registry import HandlerImportError
from dure.runs.operation import Operations
from dure.runs.service import Runs
from intending import (
    AGENT,
    CATALOGUE,
    HEALED,
    KIM,
    LEE,
    SEES,
    TITLE,
    Double,
    Rename,
    allow,
    ended,
    intents_of,
    working,
)
from queueing import TENANT, one, rows, settings, until


async def submit(database, key: str, params=None, principal=KIM, **given):
    return await intents_of(database).submit(TENANT, key, params or {}, principal, **given)


class TestAsking:
    async def test_a_question_is_answered(self, database):
        await allow(database)
        async with working(database):
            found = await ended(database, await submit(database, "test.get.double", {"n": 4}))
        assert (found.state, found.result["twice"], found.result["for"]) == ("completed", 8, "kim")
        assert found.result["today"] == str(await one(database, "select (dure.now() at time zone 'Asia/Seoul')::date"))

    async def test_what_nobody_declared_is_refused_when_it_is_asked_for(self, database):
        await allow(database)
        with pytest.raises(NotFound):
            await submit(database, "test.get.nothing")
        with pytest.raises(Exception, match="No handler"):
            await rows(
                database, "insert into job_executions (tenant_id, intent_key) values ('acme', 'test.get.nothing')"
            )

    async def test_parameters_that_do_not_fit_are_named(self, database):
        await allow(database)
        with pytest.raises(Invalid) as caught:
            await submit(database, "test.get.double", {"n": "many"})
        assert caught.value.field == "params.n"
        assert await one(database, "select count(*) from dure.job") == 0

    async def test_the_same_request_twice_is_one(self, database):
        """A double click: both at a time, each in a transaction of its own, and again with a key of the caller's."""
        await allow(database)
        first, second = await asyncio.gather(*[submit(database, "test.get.double", {"n": 1}) for _ in range(2)])
        assert first.id == second.id
        assert sorted([first.is_new, second.is_new]) == [False, True]
        keyed = [await submit(database, "test.get.double", {"n": 2}, unique_key="k") for _ in range(2)]
        assert keyed[0].id == keyed[1].id
        with pytest.raises(Conflict):
            await submit(database, "test.get.double", {"n": 3}, unique_key="k")
        assert await one(database, "select count(*) from dure.job") == 2
        # Another person, or other parameters: another request.
        assert (await submit(database, "test.get.double", {"n": 1}, LEE)).is_new
        async with working(database):
            await ended(database, first)
        # It has ended: the same may be asked for anew, but not under the caller's key.
        assert (await submit(database, "test.get.double", {"n": 1})).is_new
        assert not (await submit(database, "test.get.double", {"n": 2}, unique_key="k")).is_new

    async def test_an_error_that_is_returned_is_a_failure(self, database):
        await allow(database)
        async with working(database):
            found = await ended(database, await submit(database, "test.get.swallows"))
        assert (found.state, found.error_class) == ("failed", "ReturnedError")

    async def test_an_intent_whose_module_does_not_import_fails_alone(self, database):
        declared = Declaration(key="test.get.broken", title=TITLE, target="no.such.module:Broken")
        catalogue = Catalogue({declared.key: declared}, [Double])
        await allow(database)
        with pytest.raises(HandlerImportError):
            await intents_of(database, catalogue).submit(TENANT, "test.get.broken", {}, KIM)
        async with working(database, catalogue):
            await rows(
                database, "insert into job_executions (tenant_id, intent_key) values ('acme', 'test.get.broken')"
            )
            state = await until(lambda: rows(database, "select status from job_executions where status = 'failed'"))
        assert state == [("failed",)]

    def test_keys_and_forms_are_checked_when_they_are_declared(self):
        with pytest.raises(Invalid):
            intent("test.bad", title=TITLE)(type("Bad", (), {}))
        with pytest.raises(Invalid):
            intent("test.bad", title=TITLE, effect="write")(type("Bad", (), {"answer": lambda self, params, ctx: None}))


class TestPolicies:
    async def test_no_row_means_no(self, database):
        with pytest.raises(Refused) as caught:
            await submit(database, "test.get.double")
        assert caught.value.reason == "intent_no_policy"
        await allow(database, "test.get.*")
        assert (await submit(database, "test.get.double")).is_new

    def test_the_most_exact_row_holds(self):
        assert keys_of("a.b.c") == ["a.b.c", "a.b.*", "a.*", "*"]

    @pytest.mark.parametrize(
        ("given", "principal", "code"),
        [
            ({}, KIM, "allowed"),
            ({"allowed": False}, KIM, "not_allowed"),
            ({}, SEES, "scope_missing"),
            ({"ask": "viewer"}, SEES, "allowed"),
            ({"ask": "approver"}, KIM, "scope_missing"),
            ({}, AGENT, "agents_not_allowed"),
            ({"agents": True}, AGENT, "allowed"),
            ({"risk_max": "low"}, KIM, "risk_too_high"),
            ({"risk_max": "medium"}, KIM, "allowed"),
        ],
    )
    def test_every_answer_has_a_reason(self, given, principal, code):
        declared = Declaration(key="test.x", title=TITLE, risk="medium")
        verdict = judge(Policy("*", **{"allowed": True, **given}), declared, principal)
        assert (verdict.code, verdict.allowed) == (code, code == "allowed")

    async def test_it_is_asked_again_when_it_is_done(self, database):
        await allow(database)
        request = await submit(database, "test.get.double")
        await allow(database, "test.get.*", allowed=False, note="not today")
        async with working(database):
            found = await ended(database, request)
        assert (found.state, found.error_class) == ("failed", "Refused")

    async def test_the_cap_of_the_day(self, database):
        await allow(database, cap_per_day=2)
        for n in range(2):
            await submit(database, "test.get.double", {"n": n})
        # Again the same is no new use.
        await submit(database, "test.get.double", {"n": 1})
        with pytest.raises(RateLimited) as caught:
            await submit(database, "test.get.double", {"n": 2})
        assert caught.value.status == 429
        assert "2 times a day" in str(caught.value)
        await rows(database, "update dure.intent_use set day = day - 1")
        assert (await submit(database, "test.get.double", {"n": 2})).is_new

    async def test_a_flood_of_one_tenant_is_not_anothers(self, database):
        await allow(database, cap_per_day=1)
        await allow(database, tenant="other", cap_per_day=1)
        await submit(database, "test.get.double")
        with pytest.raises(RateLimited):
            await submit(database, "test.get.double", {"n": 9})
        assert (await intents_of(database).submit("other", "test.get.double", {}, KIM)).is_new

    async def test_two_at_a_time_do_not_pass_the_cap(self, database):
        await allow(database, cap_per_day=1)
        found = await asyncio.gather(
            *[submit(database, "test.get.double", {"n": n}) for n in range(4)], return_exceptions=True
        )
        assert sorted(type(one).__name__ for one in found) == ["CapReached", "CapReached", "CapReached", "Request"]


class TestTargets:
    async def test_partial_says_who_and_why_and_a_retry_does_only_those(self, database):
        await allow(database)
        async with working(database):
            found = await ended(
                database, await submit(database, "test.exec.each", {"good": 7, "bad": 3, "gone": 1, "idle": 2})
            )
            assert found.state == "partial"
            assert [found.result[name] for name in ("done", "skipped", "conflicts", "failed")] == [7, 2, 1, 3]
            assert [item["target"] for item in found.result["items"]["failed"]] == ["bad:0", "bad:1", "bad:2"]
            assert found.result["items"]["failed"][0]["reason"] == "bad:0 is bad"
            assert found.result["items"]["conflicts"][0]["reason"] == "moved away"
            page = await intents_of(database).targets(TENANT, found.id, outcome="failed", limit=2)
            assert (len(page.items), page.items[0]["target"]["id"]) == (2, "bad:0")
            HEALED.add(TENANT)
            try:
                again = await ended(database, await intents_of(database).retry(TENANT, found.id, KIM))
            finally:
                HEALED.discard(TENANT)
        assert (again.state, again.result["done"], again.retry_of) == ("completed", 3, found.id)
        assert await one(database, "select count(*) from dure.job where parent_id is not null") == 13 + 3

    async def test_nobody_to_do_it_for(self, database):
        await allow(database)
        async with working(database):
            found = await ended(database, await submit(database, "test.exec.each"))
        assert (found.state, found.result["done"]) == ("completed", 0)

    async def test_when_none_was_done_it_is_a_failure(self, database):
        await allow(database)
        async with working(database):
            found = await ended(database, await submit(database, "test.exec.each", {"bad": 2}))
            assert (found.state, found.error) == ("failed", "none of 2 targets was done: bad:0 is bad")
            again = await ended(database, await intents_of(database).retry(TENANT, found.id, KIM))
        assert (again.retry_of, again.state) == (found.id, "failed")

    async def test_cancelling_stops_all(self, database):
        await allow(database)
        request = await submit(database, "test.exec.each", {"good": 5})
        await intents_of(database).cancel(TENANT, request.id, KIM, reason="enough")
        assert (await intents_of(database).get(TENANT, request.id)).state == "cancelled"


class TestWriting:
    async def test_an_intent_that_writes_goes_through_a_run(self, database):
        await rows(database, "create table public.thing (id int primary key, name text)")
        await rows(database, "insert into public.thing values (1, 'a'), (2, 'b')")
        await allow(database)
        request = await submit(database, "test.exec.rename", {"name": "z"})
        assert (request.state, request.job_id) == ("waiting", None)
        with pytest.raises(Refused):
            await intents_of(database).approve(TENANT, request.id, KIM)
        approved = await intents_of(database).approve(TENANT, request.id, LEE, note="fine")
        assert not (await intents_of(database).approve(TENANT, request.id, LEE)).is_new
        async with working(database):
            found = await ended(database, approved)
            assert (found.state, found.result["state"], found.decided_by) == ("completed", "applied", "lee")
            assert found.run_id == found.result["run_id"]
            assert await rows(database, "select name from public.thing") == [("z",), ("z",)]
            back = await Runs(database, settings(), Operations([Rename])).rollback(
                TENANT, found.run_id, author="kim", then_apply=True
            )
            over = "select from dure.run where id = %s and state not in ('planning', 'applying')"
            await until(lambda: rows(database, over, [back.id]))
        assert await one(database, "select state from dure.run where id = %s", [back.id]) == "applied"
        assert await rows(database, "select name from public.thing order by id") == [("a",), ("b",)]

    async def test_a_request_may_be_rejected(self, database):
        await allow(database)
        request = await submit(database, "test.exec.rename")
        found = await intents_of(database).reject(TENANT, request.id, LEE, note="why?")
        assert (found.state, found.decided_by, found.note) == ("rejected", "lee", "why?")
        with pytest.raises(Conflict):
            await intents_of(database).approve(TENANT, request.id, LEE)


async def insert(database, key: str, params: str) -> None:
    statement = "insert into job_executions (tenant_id, intent_key, intent_params) values ('acme', %s, %s)"
    await rows(database, statement, [key, params])


class TestPlainSql:
    async def test_an_insert_is_asked_for_like_anything_else(self, database):
        told = "select from job_executions where status = 'failed' and error_message like %s"
        async with working(database):
            await insert(database, "test.get.double", '{"n": 3}')
            await until(lambda: rows(database, told, ["%test.get.double%"]))
            await allow(database, cap_per_day=1)
            await insert(database, "test.get.double", '{"n": 3}')
            await until(lambda: rows(database, "select from job_executions where status = 'completed'"))
            await insert(database, "test.get.double", '{"n": 4}')
            await until(lambda: rows(database, told, ["%1 times a day%"]))
        page = await intents_of(database).list(TENANT)
        assert [(found.source, found.actor, found.state) for found in page.items] == [("sql", "sql", "completed")]

    async def test_one_that_needs_approval_waits_and_is_done_then(self, database):
        await rows(database, "create table public.thing (id int primary key, name text)")
        await rows(database, "insert into public.thing values (1, 'a')")
        await allow(database)
        async with working(database):
            await insert(database, "test.exec.rename", "{}")
            await until(lambda: rows(database, "select from job_executions where status = 'failed'"))
            (request,) = (await intents_of(database).list(TENANT, state="waiting")).items
            found = await ended(database, await intents_of(database).approve(TENANT, request.id, LEE))
        assert found.state == "completed"
        assert await rows(database, "select name from public.thing") == [("new",)]


def test_a_catalogue_of_many_keys_imports_nothing():
    declared = {
        f"many.get.k{n}": Declaration(key=f"many.get.k{n}", title=TITLE, target="no.such:Thing") for n in range(1000)
    }
    assert len(Catalogue(declared).entries()) == 1000
    assert Catalogue(declared, [Double]).find("test.get.double") is CATALOGUE.find("test.get.double")


async def test_what_is_old_is_removed_and_what_waits_stays(database):
    await allow(database)
    done, fresh = await submit(database, "test.get.double"), await submit(database, "test.get.double", {"n": 2})
    waiting = await submit(database, "test.exec.rename")
    async with working(database):
        await ended(database, done)
    aged = "update dure.intent_request set id = dure.uuid7_at(dure.now() - %s::interval) where id = %s"
    await rows(database, aged, ["91 days", done.id])
    assert await prune(database) == 0
    # Its job was removed after its own time.
    await rows(database, "delete from dure.job where id = %s", [done.job_id])
    await rows(database, aged, ["92 days", waiting.id])
    await rows(database, "update dure.intent_use set day = day - 95")
    assert await prune(database) == 3
    found = {request.key for request in (await intents_of(database).list(TENANT)).items}
    assert found == {"test.exec.rename", "test.get.double"}
    assert (await intents_of(database).get(TENANT, fresh.id)).is_new


async def test_a_hundred_thousand_targets_and_one_too_many(database):
    """Found in a stream and asked for in one transaction: all, or none where there are more than the limit."""
    await allow(database)
    request = await submit(database, "test.exec.each", {"good": 100_000})
    too_many = await submit(database, "test.exec.each", {"good": 100_001})
    # They wait: what is looked at is that they are all there.
    await rows(database, "update dure.handler set paused_at = dure.now() where handler = 'dure.intent.target'")
    async with working(database):
        found = await ended(database, too_many, patience_s=90)
        assert (found.state, found.error) == ("failed", "test.exec.each has more than 100000 targets")
        counted = "select count(*) from dure.job where parent_id = %s"
        waits = "select from dure.job where id = %s and state = 'pending' and blocked_by = 100000"
        await until(lambda: rows(database, waits, [request.job_id]), patience_s=90)
        assert await one(database, counted, [request.job_id]) == 100_000
        assert await one(database, counted, [too_many.job_id]) == 0
    await intents_of(database).cancel(TENANT, request.id, KIM, reason="enough")
    assert await one(database, "select count(*) from dure.job where state = 'pending'") == 0
