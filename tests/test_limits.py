"""Limits of handlers, keys and tenants: exact whoever claims, and nothing stuck behind them."""

import json

import pytest

from sqlside import DECLARE_LIMITS, Held

MINUTE_S = 60.0
LEASE_S = 0.05


def running(side):
    return side.one("select count(*) from dure.job where state = 'processing'")


class TestConcurrency:
    def test_no_more_than_so_many_of_a_handler_at_a_time(self, side):
        side.handler("t.c", concurrency_max=2)
        side.enqueue_many(5, "t.c")
        worker = side.worker()
        first = side.claim_limited(worker)
        assert len(first) == 2
        assert side.claim_limited(worker) == []
        assert side.claim(worker) == []
        side.finish(first[0])
        [third] = side.claim_limited(worker)
        side.finish(first[1], third)
        assert len(side.claim_limited(worker)) == 2

    def test_of_every_key_by_itself(self, side):
        side.handler("t.k", key_from="user", key_concurrency_max=1)
        for user in ("a", "a", "b", "c", "c"):
            side.enqueue("t.k", {"user": user})
        got = side.claim_limited(side.worker())
        keys = side.rows("select limit_key from dure.job where id = any(%s)", [[job.id for job in got]])
        assert sorted(keys) == [("a",), ("b",), ("c",)]

    def test_the_same_key_of_another_tenant_is_another_key(self, side):
        side.handler("t.k", key_from="user", key_concurrency_max=1)
        side.enqueue("t.k", {"user": "a"}, "acme")
        side.enqueue("t.k", {"user": "a"}, "other")
        assert len(side.claim_limited(side.worker())) == 2

    def test_a_key_that_is_given_goes_before_the_parameter(self, side):
        side.handler("t.k", key_from="user", key_concurrency_max=1)
        side.enqueue("t.k", {"user": "a"}, limit_key="same")
        side.enqueue("t.k", {"user": "b"}, limit_key="same")
        assert len(side.claim_limited(side.worker())) == 1

    @pytest.mark.parametrize("params", [{}, {"user": ""}, {"user": None}])
    def test_without_a_key_there_is_no_limit_of_it(self, side, params):
        side.handler("t.k", key_from="user", key_concurrency_max=1)
        side.enqueue("t.k", params)
        side.enqueue("t.k", params)
        assert len(side.claim(side.worker())) == 2

    def test_of_a_tenant_over_all_its_handlers(self, side):
        side.handler("t.b")
        side.db.execute("insert into dure.limit (tenant_id, concurrency_max) values ('acme', 2)")
        for handler in ("t.h", "t.b", "t.h"):
            side.enqueue(handler)
        side.enqueue("t.h", tenant="other")
        worker = side.worker()
        assert len(side.claim_limited(worker)) == 2
        assert [job.tenant_id for job in side.claim(worker)] == ["other"]

    def test_of_handler_and_key_together(self, side):
        side.handler("t.b", concurrency_max=3, key_from="user", key_concurrency_max=2)
        for user in ("a", "a", "a", "b", "b", "b"):
            side.enqueue("t.b", {"user": user})
        worker, done = side.worker(), 0
        while done < 6:
            jobs = claim_all(side, worker)
            keys = [row[0] for row in side.rows("select limit_key from dure.job where state = 'processing'")]
            left = [row[0] for row in side.rows("select limit_key from dure.job where state <> 'completed'")]
            assert len(keys) == min(3, min(2, left.count("a")) + min(2, left.count("b")))
            assert max(keys.count(key) for key in keys) <= 2
            done += side.finish(jobs[0])

    def test_two_claimers_together_take_no_more_than_there_is(self, side, new_side):
        side.handler("t.c", concurrency_max=3)
        side.enqueue_many(10, "t.c")
        other = new_side()
        with side.transaction():
            first = side.claim_limited(side.worker(), 2)
            assert other.claim_limited(other.worker()) == []
        second = other.claim_limited(other.worker())
        assert (len(first), len(second)) == (2, 1)

    @pytest.mark.parametrize("end", ["finish", "fail", "release", "retry", "crash", "cancel"])
    def test_every_end_gives_the_place_back(self, side, clock, end):
        side.handler("t.c", concurrency_max=1)
        first, second = side.enqueue_many(2, "t.c")
        held_jobs = side.claim_limited(side.worker(LEASE_S))
        match end:
            case "finish":
                side.finish(*held_jobs)
            case "fail":
                side.fail(*held_jobs)
            case "release":
                side.settle(*held_jobs, outcome="released")
            case "retry":
                side.settle(*held_jobs, outcome="retried", delay_s=100)
            case "crash":
                clock.advance(LEASE_S + 1)
                side.sweep()
            case "cancel":
                side.one("select dure.cancel(%s)", [first])
                side.settle(*held_jobs, outcome="cancelled")
        assert running(side) == 0
        assert side.one("select count(*) from dure.running") == 0
        [got] = side.claim_limited(side.worker())
        assert got.id == (first if end in ("release", "crash") else second)
        assert side.claim_limited(side.worker()) == []

    def test_a_waiting_one_that_is_cancelled_takes_no_place(self, side):
        side.handler("t.c", concurrency_max=1)
        first, second = side.enqueue_many(2, "t.c")
        assert side.one("select dure.cancel(%s)", [first]) == "cancelled"
        assert [job.id for job in side.claim_limited(side.worker())] == [second]

    def test_a_retry_by_hand_goes_through_the_limit(self, side):
        side.handler("t.c", concurrency_max=1)
        first, second = side.enqueue_many(2, "t.c")
        side.fail(*side.claim_limited(side.worker()))
        side.one("select dure.retry(%s)", [first])
        [got] = side.claim_limited(side.worker())
        assert side.claim(side.worker()) == side.claim_limited(side.worker()) == []
        side.finish(got)
        assert {got.id, *(job.id for job in side.claim_limited(side.worker()))} == {first, second}

    def test_a_limit_that_is_no_longer_declared_ends(self, side):
        side.handler("t.c", concurrency_max=1)
        side.enqueue_many(4, "t.c")
        worker = side.worker()
        side.claim_limited(worker)
        side.db.execute("update dure.handler set concurrency_max = null where handler = 't.c'")
        side.db.execute(DECLARE_LIMITS, {"handlers": ["t.c"]})
        assert len(side.claim_limited(worker)) == 3
        side.enqueue("t.c")
        assert len(side.claim(worker)) == 1


def claim_all(side, worker):
    """Claim until nothing comes, and answer all that runs."""
    while side.claim_limited(worker):
        pass
    rows = side.rows("select id::text, claim_id from dure.job where state = 'processing' order by id")
    return [Held(job_id, claim_id, "", "", 1, 0, 0, "") for job_id, claim_id in rows]


class TestRate:
    @pytest.mark.parametrize("by", ["handler", "key", "both"])
    def test_no_window_holds_more_starts_than_allowed(self, side, clock, by):
        limits = {"rate_max": 3, "rate_period_s": MINUTE_S} if by != "key" else {}
        keyed = {"key_from": "k", "key_rate_max": 2, "key_rate_period_s": MINUTE_S} if by != "handler" else {}
        side.handler("t.r", **limits, **keyed)
        for n in range(12):
            side.enqueue("t.r", {"k": "ab"[n % 2]})
        worker = side.worker()
        for _ in range(60):
            side.finish(*side.claim_limited(worker))
            clock.advance(7)
        assert side.states() == {"completed": 12}
        starts = side.rows("select extract(epoch from started_at)::float8, limit_key from dure.job order by started_at")
        for most, keys in ((3, [None, "a", "b"]), (2, ["a"]), (2, ["b"])):
            if (most == 3 and by == "key") or (most == 2 and by == "handler"):
                continue
            times = [at for at, key in starts if key in keys]
            for at in times:
                assert sum(at <= other < at + MINUTE_S for other in times) <= most

    def test_all_start_as_soon_as_the_window_allows(self, side, clock):
        side.handler("t.r", rate_max=2, rate_period_s=MINUTE_S)
        side.enqueue_many(4, "t.r")
        worker = side.worker()
        assert len(side.claim_limited(worker)) == 2
        clock.advance(MINUTE_S - 1)
        assert side.claim_limited(worker) == []
        assert side.one(
            "select extract(epoch from min(due_at) - dure.now())::float8 from dure.limit_due"
        ) == pytest.approx(1)
        clock.advance(1)
        assert len(side.claim_limited(worker)) == 2

    def test_a_retry_is_a_start_too(self, side, clock):
        side.handler("t.r", rate_max=1, rate_period_s=MINUTE_S)
        side.enqueue("t.r")
        worker = side.worker()
        side.settle(*side.claim_limited(worker), outcome="retried", delay_s=1)
        clock.advance(2)
        side.promote()
        assert side.claim_limited(worker) == []
        clock.advance(MINUTE_S)
        assert len(side.claim_limited(worker)) == 1


class TestLine:
    def test_priority_then_age(self, side):
        side.handler("t.c", concurrency_max=1)
        jobs = {n: side.enqueue("t.c", priority=priority) for n, priority in enumerate([0, 5, -3, 5, 0])}
        worker, order = side.worker(), []
        for _ in jobs:
            [got] = side.claim_limited(worker)
            order.append(got.id)
            side.finish(got)
        assert order == [jobs[n] for n in (1, 3, 0, 4, 2)]

    def test_tenants_take_turns(self, side):
        side.handler("t.c", concurrency_max=1)
        side.enqueue_many(20, "t.c", "busy")
        side.enqueue_many(2, "t.c", "small")
        side.enqueue_many(2, "t.c", "tiny")
        worker, order = side.worker(), []
        for _ in range(8):
            [got] = side.claim_limited(worker)
            order.append(got.tenant_id)
            side.finish(got)
        assert sorted(order[:3]) == sorted(order[3:6]) == ["busy", "small", "tiny"]
        assert order[6:] == ["busy", "busy"]

    def test_limits_with_long_lines_do_not_hide_others(self, side):
        side.handler("t.big", concurrency_max=1000)
        side.handler("t.small", concurrency_max=1000)
        side.enqueue_many(50, "t.big")
        side.enqueue_many(5, "t.small")
        worker = side.worker()
        got = [job.handler for _ in range(2) for job in side.claim_limited(worker, 10)]
        assert got.count("t.small") == 5

    def test_a_thousand_lines_that_may_not_move_do_not_hide_one_that_may(self, side):
        side.handler("t.p", key_from="k", key_concurrency_max=1)
        side.handler("t.c", concurrency_max=1)
        params = json.dumps([{"k": n} for n in range(1200)])
        side.db.execute("select dure.enqueue_batch('t.p', %s, 'acme')", [params])
        side.db.execute("update dure.handler set paused_at = dure.now() where handler = 't.p'")
        job = side.enqueue("t.c")
        worker = side.worker()
        got = [one.id for _ in range(4) for one in side.claim_limited(worker)]
        assert got == [job]

    def test_a_long_line_of_one_key_does_not_hold_up_another_key(self, side):
        side.handler("t.b", concurrency_max=3, key_from="k", key_concurrency_max=1)
        side.db.execute("select dure.enqueue_batch('t.b', %s, 'acme')", [json.dumps([{"k": 1}] * 500)])
        job = side.enqueue("t.b", {"k": 2})
        worker = side.worker()
        assert job in [one.id for _ in range(2) for one in side.claim_limited(worker)]

    @pytest.mark.parametrize("how", ["cancel", "start", "loosen"])
    def test_who_stands_in_for_a_line_calls_it_when_it_goes(self, side, how):
        side.handler("t.b", concurrency_max=1, key_from="k", key_concurrency_max=2)
        for key in "abbb":
            side.enqueue("t.b", {"k": key})
        worker = side.worker()
        [first] = side.claim_limited(worker)
        assert claim_all(side, worker) != []
        [(stands,)] = side.rows("select job_id from dure.held where from_id is not null")
        match how:
            case "cancel":
                side.one("select dure.cancel(%s)", [stands])
            case "loosen":
                side.db.execute("update dure.handler set concurrency_max = 10 where handler = 't.b'")
                side.db.execute(DECLARE_LIMITS, {"handlers": ["t.b"]})
        side.finish(first)
        ended = 1
        for _ in range(3):
            jobs = claim_all(side, worker)
            ended += side.finish(*jobs)
        assert side.states() == ({"completed": 3, "cancelled": 1} if how == "cancel" else {"completed": 4})

    @pytest.mark.parametrize("what", ["handler", "queue"])
    def test_paused_ones_wait_and_then_go_on(self, side, what):
        side.handler("t.c", concurrency_max=5, queue="slow")
        side.enqueue_many(2, "t.c")
        side.db.execute("insert into dure.queue (queue) values ('slow')")
        name = "t.c" if what == "handler" else "slow"
        side.db.execute(f"update dure.{what} set paused_at = dure.now() where {what} = %s", [name])
        worker = side.worker()
        assert side.claim_limited(worker) == side.claim(worker) == []
        side.db.execute(f"update dure.{what} set paused_at = null where {what} = %s", [name])
        assert len(side.claim_limited(worker)) == 2

    def test_a_worker_of_other_queues_leaves_them(self, side):
        side.handler("t.c", concurrency_max=5, queue="slow")
        side.enqueue("t.c")
        worker = side.worker()
        assert side.claim_limited(worker, queues=["default"]) == []
        assert len(side.claim_limited(worker, queues=["slow"])) == 1

    def test_a_job_ended_while_it_is_moved_takes_no_place(self, side, new_side):
        side.handler("t.c", concurrency_max=1)
        first, second = side.enqueue_many(2, "t.c")
        # As when its end met another transaction that had just put it in line: a place in line without a job.
        side.db.execute("update dure.job set state = 'cancelled', finished_at = dure.now() where id = %s", [first])
        worker = side.worker()
        assert [job.id for _ in range(2) for job in side.claim_limited(worker)] == [second]
        assert side.one("select count(*) from dure.running") == 1
        assert side.one("select count(*) from dure.held") == 0

    @pytest.mark.parametrize("finish_first", [True, False])
    def test_nothing_is_stuck_when_a_place_is_freed_while_a_job_moves_lines(self, side, new_side, finish_first):
        side.handler("t.b", concurrency_max=2, key_from="k", key_concurrency_max=1)
        side.enqueue("t.b", {"k": "a"})
        worker = side.worker()
        [running_one] = side.claim_limited(worker)
        waiting = side.enqueue("t.b", {"k": "a"})
        other = new_side()
        if finish_first:
            with other.transaction():
                other.finish(running_one)
                side.claim_limited(worker)
        else:
            with side.transaction():
                side.claim_limited(worker)
                other.finish(running_one)
        assert [job.id for job in side.claim_limited(worker)] == [waiting]
