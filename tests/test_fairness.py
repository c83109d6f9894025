"""Who is next: tenants in turn, then priority, then age; and what is not for now is stepped over."""

from collections import Counter

import psycopg
import pytest

from sqlside import CLAIM


def drain(side, worker, most):
    """Claim and finish until nothing is left; answer the claims."""
    claims = []
    tenant = ""
    while jobs := side.claim(worker, most, tenant=tenant):
        claims.append(jobs)
        tenant = jobs[-1].tenant_id
        side.finish(*sorted(jobs))
    return claims


class TestTenants:
    @pytest.mark.parametrize("most", [20, 100])
    def test_a_small_tenant_does_not_wait_behind_a_large_one(self, side, most):
        side.enqueue_many(5000, tenant="large")
        side.enqueue_many(10, tenant="small")
        worker = side.worker()
        first = side.claim(worker, most)
        assert Counter(job.tenant_id for job in first)["small"] == 10
        assert len(first) >= 20

    def test_one_by_one_they_take_turns(self, side):
        for tenant in "abc":
            side.enqueue_many(5, tenant=tenant)
        turns = "".join(claim[0].tenant_id for claim in drain(side, side.worker(), 1))
        assert turns == "abc" * 5

    def test_more_tenants_than_a_claim_has_places_all_get_their_turn(self, side):
        for n in range(30):
            side.enqueue_many(3, tenant=f"t{n:02}")
        claims = drain(side, side.worker(), 10)
        assert [Counter(job.tenant_id for claim in claims[n : n + 3] for job in claim) for n in (0, 3, 6)] == [
            Counter(f"t{n:02}" for n in range(30))
        ] * 3

    def test_a_tenant_alone_gets_all(self, side):
        side.enqueue_many(500)
        assert len(side.claim(side.worker(), 500)) == 500


class TestOrder:
    def test_priority_then_age_across_handlers_and_queues(self, side):
        side.handler("t.a", queue="other")
        side.handler("t.z")
        want = []
        for n, (handler, priority) in enumerate(
            [("t.h", 0), ("t.a", 0), ("t.z", 7), ("t.a", -5), ("t.h", 7), ("t.z", 0), ("t.a", 7)]
        ):
            want.append((-priority, n, side.enqueue(handler, priority=priority)))
        got = [claim[0].id for claim in drain(side, side.worker(), 1)]
        assert got == [job for _, _, job in sorted(want)]

    def test_a_batch_keeps_its_order(self, side):
        jobs = side.enqueue_many(250)
        got = [job.id for claim in drain(side, side.worker(), 60) for job in sorted(claim)]
        assert got == jobs

    def test_a_late_one_of_higher_priority_goes_first(self, side):
        side.enqueue_many(300)
        worker = side.worker()
        side.finish(*side.claim(worker, 10))
        urgent = side.enqueue(priority=1)
        assert [job.id for job in side.claim(worker, 1)] == [urgent]

    def test_only_the_queues_that_were_asked_for(self, side):
        side.handler("t.a", queue="other")
        jobs = {name: side.enqueue(name) for name in ("t.h", "t.a")}
        worker = side.worker()
        assert [job.id for job in side.claim(worker, queues=["other"])] == [jobs["t.a"]]
        assert side.claim(worker, queues=["other", "third"]) == []
        assert [job.id for job in side.claim(worker)] == [jobs["t.h"]]


class TestPaused:
    def test_lanes_of_a_paused_handler_are_stepped_over(self, side):
        side.handler("t.p")
        for tenant in "abc":
            side.enqueue_many(400, "t.p", tenant)
        job = side.enqueue()
        side.db.execute("update dure.handler set paused_at = now() where handler = 't.p'")
        assert [one.id for one in side.claim(side.worker())] == [job]
        side.db.execute("update dure.handler set paused_at = null")
        assert len(side.claim(side.worker(), 2000)) == 1200

    def test_without_a_look_at_what_waits_in_them(self, url, side):
        side.handler("t.p")
        side.enqueue_many(20_000, "t.p")
        side.enqueue()
        side.db.execute("update dure.handler set paused_at = now() where handler = 't.p'")
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("analyze")
        values = {
            "walk": True, "lanes": [], "ranks": [], "ids": [], "queues": [], "shunned": [], "tenant": "",
            "most": 10, "worker": side.worker(), "bundles": 10,
        }  # fmt: skip
        side.db.execute("begin")
        [(plan,)] = side.rows(
            "explain (analyze, buffers, costs off, timing off, summary off, format json) " + CLAIM, values
        )
        side.db.execute("rollback")
        assert 1 <= reads(plan[0]["Plan"], "ready") <= 12

    def test_a_paused_queue(self, side):
        side.handler("t.a", queue="other")
        side.enqueue("t.a")
        side.db.execute("insert into dure.queue (queue, paused_at) values ('other', now())")
        assert side.claim(side.worker()) == []
        side.db.execute("update dure.queue set paused_at = null")
        assert len(side.claim(side.worker())) == 1


def reads(plan, relation):
    """How many rows of a relation a plan has read."""
    own = plan["Actual Rows"] * plan["Actual Loops"] if plan.get("Relation Name") == relation else 0
    return own + sum(reads(below, relation) for below in plan.get("Plans", []))


class TestMarks:
    def test_from_the_marks_only_what_is_behind_them_is_found(self, side):
        side.enqueue_many(250)
        worker = side.worker()
        first = side.claim(worker, 100)
        second = side.claim(worker, 100, marks=first)
        assert len(second) == 100
        assert not {job.id for job in first} & {job.id for job in second}
        assert max(first).id < min(second).id

    def test_a_walk_finds_what_was_committed_late(self, side, new_side):
        slow = new_side()
        slow.db.execute("begin")
        older = slow.enqueue_many(3)
        newer = side.enqueue_many(3)
        worker = side.worker()
        first = side.claim(worker)
        assert sorted(job.id for job in first) == newer
        slow.db.execute("commit")
        assert side.claim(worker, marks=first) == []
        assert sorted(job.id for job in side.claim(worker)) == older

    def test_a_walk_finds_what_another_worker_gave_back(self, side):
        side.enqueue_many(200)
        one, two = side.worker(), side.worker()
        early = side.claim(one, 100)
        late = side.claim(two, 100)
        side.settle(*early[:5], outcome="released")
        assert side.claim(two, marks=late) == []
        assert sorted(side.claim(two)) != []
        assert side.states() == {"processing": 200}
