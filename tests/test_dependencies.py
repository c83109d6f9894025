"""Jobs that wait for others: run when all are completed, cancelled with the reason when one is not."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import psycopg
import pytest

from sqlside import refused
from waiting import until


def waits(side):
    """Whether some connection waits for another's lock."""
    return side.one("select exists (select from pg_locks where not granted)")


def why(side, job):
    return side.rows("select state, error_class, error from dure.job where id = %s", [job])[0]


def run(side, worker, *, fail=()):
    """Run what can run now; answer it."""
    jobs = side.claim(worker)
    side.fail(*[job for job in jobs if job.id in fail])
    side.finish(*[job for job in jobs if job.id not in fail])
    return [job.id for job in jobs]


class TestEnds:
    def test_it_runs_when_all_are_completed(self, side):
        a, b = side.enqueue(), side.enqueue()
        c = side.enqueue(depends_on=[a, b], priority=9)
        worker = side.worker()
        first = side.claim(worker)
        assert [job.id for job in first] == [a, b]
        side.finish(first[1])
        assert side.claim(worker) == []
        side.finish(first[0])
        assert run(side, worker) == [c]

    def test_both_in_one_statement(self, side):
        a, b = side.enqueue(), side.enqueue()
        c = side.enqueue(depends_on=[a, b])
        worker = side.worker()
        assert run(side, worker) == [a, b]
        assert run(side, worker) == [c]

    @pytest.mark.parametrize("end", ["failed", "cancelled", "quarantined"])
    def test_when_one_is_not_all_behind_it_are_cancelled_with_the_reason(self, side, end):
        a, good = side.enqueue(), side.enqueue()
        b = side.enqueue(depends_on=[a, good])
        c = side.enqueue(depends_on=[b])
        match end:
            case "failed":
                run(side, side.worker(), fail=[a])
            case "cancelled":
                side.one("select dure.cancel(%s)", [a])
            case "quarantined":
                for _ in range(3):
                    side.settle(*[job for job in side.claim(side.worker()) if job.id == a], outcome="crashed")
        assert side.state(a) == end
        assert why(side, b) == ("cancelled", "DependencyFailed", f"job {a}, which this job depends on, is {end}")
        assert why(side, c) == ("cancelled", "DependencyFailed", f"job {b}, which this job depends on, is cancelled")
        assert side.one("select count(*) from dure.trouble where state = 'cancelled'") >= 2
        run(side, side.worker())
        assert side.state(b) == "cancelled"

    def test_a_chain_longer_than_any_stack(self, side):
        jobs = side.enqueue_many(1000)
        pairs = json.dumps([{"job_id": b, "depends_on_id": a} for a, b in pairwise(jobs)])
        side.db.execute(
            "insert into dure.dependency (job_id, depends_on_id) "
            "select job_id, depends_on_id from jsonb_to_recordset(%s) as p(job_id uuid, depends_on_id uuid)",
            [pairs],
        )
        side.db.execute("update dure.job set linked = true, blocked_by = (id <> %s)::int", [jobs[0]])
        assert run(side, side.worker(), fail=[jobs[0]]) == [jobs[0]]
        assert side.states() == {"failed": 1, "cancelled": 999}

    def test_a_diamond(self, side):
        top = side.enqueue()
        left, right = side.enqueue(depends_on=[top]), side.enqueue(depends_on=[top])
        bottom = side.enqueue(depends_on=[left, right, top])
        worker = side.worker()
        assert [sorted(run(side, worker)) for _ in range(4)] == [[top], sorted([left, right]), [bottom], []]

    def test_a_diamond_that_breaks_on_one_side(self, side):
        top = side.enqueue()
        left, right = side.enqueue(depends_on=[top]), side.enqueue(depends_on=[top])
        bottom = side.enqueue(depends_on=[left, right])
        worker = side.worker()
        run(side, worker)
        run(side, worker, fail=[left])
        assert [side.state(job) for job in (top, left, right, bottom)] == [
            "completed",
            "failed",
            "completed",
            "cancelled",
        ]

    def test_a_job_may_depend_and_be_timed_limited_and_unique_too(self, side, clock):
        side.handler("t.c", concurrency_max=1)
        a = side.enqueue()
        b = side.enqueue("t.c", depends_on=[a], run_at=clock.later(60), unique_key="k")
        worker = side.worker()
        run(side, worker)
        assert side.claim_limited(worker) == []
        clock.advance(61)
        side.promote()
        assert [job.id for job in side.claim_limited(worker)] == [b]


class TestAsked:
    def test_for_what_is_completed_already(self, side):
        a = side.enqueue()
        worker = side.worker()
        run(side, worker)
        b = side.enqueue(depends_on=[a])
        assert run(side, worker) == [b]

    def test_for_what_failed_already(self, side):
        a = side.enqueue()
        worker = side.worker()
        run(side, worker, fail=[a])
        b = side.enqueue(depends_on=[a], unique_key="k")
        assert why(side, b)[:2] == ("cancelled", "DependencyFailed")
        assert run(side, worker) == []
        assert side.enqueue(unique_key="k") != b

    def test_the_same_one_twice(self, side):
        a = side.enqueue()
        b = side.enqueue(depends_on=[a, a])
        worker = side.worker()
        assert [run(side, worker), run(side, worker)] == [[a], [b]]

    @pytest.mark.parametrize("end", ["finish", "fail"])
    @pytest.mark.parametrize("ends_first", [True, False])
    async def test_for_what_ends_at_this_moment(self, side, new_side, end, ends_first):
        a = side.enqueue()
        held = side.claim(side.worker())
        one, two = new_side(), new_side()
        ending, asking = getattr(one, end), lambda: two.enqueue(depends_on=[a])
        one.db.execute("begin")
        two.db.execute("begin")
        with ThreadPoolExecutor(1) as pool:
            if ends_first:
                ending(*held)
                answer = pool.submit(asking)
                await until(lambda: waits(side))
                one.db.execute("commit")
                b = answer.result(10)
                two.db.execute("commit")
            else:
                b = asking()
                answer = pool.submit(ending, *held)
                await until(lambda: waits(side))
                two.db.execute("commit")
                answer.result(10)
                one.db.execute("commit")
        assert side.state(b) == ("pending" if end == "finish" else "cancelled")
        assert run(side, side.worker()) == ([b] if end == "finish" else [])


class TestDepend:
    def test_adds_to_what_a_waiting_job_waits_for(self, side):
        a, b, c = side.enqueue(), side.enqueue(), side.enqueue()
        side.db.execute("select dure.depend(%s, %s::uuid[])", [a, [b]])
        side.db.execute("select dure.depend(%s, %s::uuid[])", [a, [b, c]])
        worker = side.worker()
        assert [run(side, worker), run(side, worker)] == [[b, c], [a]]

    def test_of_a_job_that_waits_for_its_time(self, side, clock):
        a, b = side.enqueue(run_at=clock.later(60)), side.enqueue(run_at=clock.later(120))
        side.db.execute("select dure.depend(%s, %s::uuid[])", [a, [b]])
        worker = side.worker()
        clock.advance(61)
        side.promote()
        assert run(side, worker) == []
        clock.advance(61)
        side.promote()
        assert [run(side, worker), run(side, worker)] == [[b], [a]]

    def test_of_a_job_under_a_limit(self, side):
        side.handler("t.c", concurrency_max=5)
        a, b = side.enqueue("t.c"), side.enqueue()
        side.db.execute("select dure.depend(%s, %s::uuid[])", [a, [b]])
        worker = side.worker()
        assert side.claim_limited(worker) == []
        run(side, worker)
        assert [job.id for job in side.claim_limited(worker)] == [a]

    def test_on_itself(self, side):
        a = side.enqueue()
        with refused("dependency_cycle", "depends_on"):
            side.db.execute("select dure.depend(%s, %s::uuid[])", [a, [a]])
        assert run(side, side.worker()) == [a]

    def test_in_a_circle(self, side):
        a = side.enqueue()
        b = side.enqueue(depends_on=[a])
        c = side.enqueue(depends_on=[b])
        with refused("dependency_cycle", "depends_on"):
            side.db.execute("select dure.depend(%s, %s::uuid[])", [a, [c]])
        worker = side.worker()
        assert [run(side, worker) for _ in "abc"] == [[a], [b], [c]]

    async def test_a_circle_that_two_close_at_once(self, side, new_side):
        a, b = side.enqueue(), side.enqueue()
        one, two = new_side(), new_side()
        one.db.execute("begin")
        one.db.execute("select dure.depend(%s, %s::uuid[])", [a, [b]])
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(two.db.execute, "select dure.depend(%s, %s::uuid[])", [b, [a]])
            await until(lambda: waits(side))
            one.db.execute("commit")
            with refused("dependency_cycle", "depends_on"):
                answer.result(10)
        worker = side.worker()
        assert [run(side, worker), run(side, worker)] == [[b], [a]]

    @pytest.mark.parametrize("state", ["processing", "completed", "cancelled"])
    def test_not_of_a_job_that_does_not_wait(self, side, state):
        a = side.enqueue()
        if state == "cancelled":
            side.one("select dure.cancel(%s)", [a])
        else:
            held = side.claim(side.worker())
            if state == "completed":
                side.finish(*held)
        b = side.enqueue()
        with refused("wrong_state"):
            side.db.execute("select dure.depend(%s, %s::uuid[])", [a, [b]])
        assert side.state(a) == state

    def test_a_cancelled_job_waits_again_when_it_is_tried_again(self, side):
        a = side.enqueue()
        b = side.enqueue(depends_on=[a])
        side.one("select dure.cancel(%s)", [b])
        side.one("select dure.retry(%s)", [b])
        worker = side.worker()
        assert run(side, worker) == [a]
        assert run(side, worker) == [b]


class TestRetry:
    def test_overrules_what_ended_and_waits_for_what_is_open(self, side):
        broken, slow = side.enqueue(), side.enqueue()
        behind = side.enqueue(depends_on=[broken, slow])
        worker = side.worker()
        first, second = side.claim(worker)
        side.fail(first)
        assert side.state(behind) == "cancelled"
        side.one("select dure.retry(%s)", [behind])
        assert side.claim(worker) == []
        side.finish(second)
        assert run(side, worker) == [behind]

    def test_of_both_the_dependent_and_what_it_depended_on(self, side):
        broken = side.enqueue()
        behind = side.enqueue(depends_on=[broken])
        worker = side.worker()
        side.fail(*side.claim(worker))
        side.one("select dure.retry(%s)", [behind])
        side.one("select dure.retry(%s)", [broken])
        assert set(run(side, worker)) == {broken, behind}
        assert side.states() == {"completed": 2}


class TestChildren:
    @pytest.mark.parametrize("end", ["finish", "fail"])
    def test_a_parent_waits_for_all_ends(self, side, end):
        parent = side.enqueue()
        worker = side.worker()
        held = side.claim(worker)
        children = side.enqueue_many(3, parent_id=parent)
        side.settle(*held, outcome="waited")
        got = side.claim(worker)
        assert [job.id for job in got] == children
        for job in got:
            assert side.claim(worker) == []
            getattr(side, end)(job)
        assert [job.id for job in side.claim(worker)] == [parent]

    def test_a_parent_whose_children_have_ended_goes_on(self, side):
        parent = side.enqueue()
        worker = side.worker()
        held = side.claim(worker)
        side.enqueue(parent_id=parent)
        side.finish(*side.claim(worker))
        side.settle(*held, outcome="waited")
        assert [job.id for job in side.claim(worker)] == [parent]

    @pytest.mark.parametrize("outcome", ["failed", "retried", "released"])
    def test_parent_and_child_in_one_call(self, side, outcome):
        parent = side.enqueue()
        worker = side.worker()
        [held] = side.claim(worker)
        child = side.enqueue(parent_id=parent)
        [inner] = side.claim(worker)
        outcomes = [
            {"id": held.id, "claim_id": held.claim_id, "outcome": "waited"},
            {"id": inner.id, "claim_id": inner.claim_id, "outcome": outcome},
        ]
        assert sorted(side.one("select dure.settle(%s)::text[]", [json.dumps(outcomes)])) == sorted([parent, child])
        assert [job.id for job in side.claim(worker)] == [parent if outcome == "failed" else child]

    def test_a_child_that_waits_for_its_parent_is_no_child_to_wait_for(self, side):
        parent = side.enqueue()
        worker = side.worker()
        held = side.claim(worker)
        child = side.enqueue(parent_id=parent, depends_on=[parent])
        assert side.settle(*held, outcome="waited") == [parent]
        assert why(side, parent)[:2] == ("failed", "DependencyCycle")
        assert side.state(child) == "cancelled"

    def test_cancelling_a_parent_cancels_all_below_it(self, side):
        parent = side.enqueue()
        child = side.enqueue(parent_id=parent)
        below = side.enqueue(parent_id=child)
        other = side.enqueue()
        side.one("select dure.cancel(%s)", [parent])
        assert [side.state(job) for job in (parent, child, below, other)] == ["cancelled"] * 3 + ["pending"]

    @pytest.mark.parametrize("end", ["finish", "fail"])
    def test_a_thousand_children_cost_as_many_statements_as_ten(self, side, url, end):
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("alter database " + owner.info.dbname + " set track_functions = 'all'")
        calls = {}
        for count in (10, 1000):
            counted = type(side)(url)
            parent = counted.enqueue()
            worker = counted.worker()
            held = counted.claim(worker)
            children = counted.enqueue_many(count, parent_id=parent)
            counted.settle(*held, outcome="waited")
            getattr(counted, end)(*counted.claim(worker, 2000))
            assert [job.id for job in counted.claim(worker)] == [parent]
            assert len(children) == count
            counted.db.execute("select pg_stat_force_next_flush()")
            counted.close()
            with psycopg.connect(url, autocommit=True) as reader:
                rows = reader.execute("select funcname, calls from pg_stat_user_functions").fetchall()
            calls[count] = dict(rows)
            with psycopg.connect(url, autocommit=True) as owner:
                owner.execute("select pg_stat_reset()")
                owner.execute("update dure.job set state = 'completed', finished_at = now() where state = 'processing'")
        # dure.now() and dure.uuid7() are called for every row, as defaults of its columns.
        each = {"now", "uuid7"}
        ten, thousand = ({name: n for name, n in calls[count].items() if name not in each} for count in (10, 1000))
        assert "settle" in ten
        assert thousand == ten
