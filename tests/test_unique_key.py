"""One job a key among those that are open, and among completed ones for as long as was asked."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sqlside import Side, refused
from waiting import until


def waits(side):
    """Whether some connection waits for another's lock."""
    return side.one("select exists (select from pg_locks where not granted)")


class TestRepeats:
    def test_answer_with_the_job_that_exists(self, side):
        job = side.enqueue(params={"n": 1}, unique_key="k")
        assert side.enqueue(params={"n": 1}, unique_key="k") == job
        assert side.states() == {"pending": 1}

    def test_within_one_batch(self, side):
        [(ids, created)] = side.rows(
            "select ids::text[], created from dure.enqueue_batch('t.h', '[{}, {}, {}]', 'acme', '{}', '{a,b,a}')"
        )
        assert ids[0] == ids[2] != ids[1]
        assert created == [True, True, False]
        assert side.one("select count(*) from dure.job") == len(side.claim(side.worker())) == 2

    def test_with_other_parameters_are_refused(self, side):
        side.enqueue(params={"n": 1}, unique_key="k")
        with refused("unique_key_mismatch", "unique_key"):
            side.enqueue(params={"n": 2}, unique_key="k")
        with refused("unique_key_mismatch", "unique_key"):
            side.one("select dure.enqueue_batch('t.h', '[{}, {\"n\": 1}]', 'acme', '{}', '{a,a}')")
        assert side.states() == {"pending": 1}

    def test_of_another_tenant_or_handler_are_other_keys(self, side):
        side.handler("t.a")
        jobs = {
            side.enqueue(unique_key="k"),
            side.enqueue(unique_key="k", tenant="other"),
            side.enqueue("t.a", unique_key="k"),
        }
        assert len(jobs) == 3

    @pytest.mark.parametrize("p_keys", ["{a}", "{a,b,c}"])
    def test_as_many_keys_as_jobs(self, side, p_keys):
        with refused("out_of_range", "unique_key"):
            side.one("select dure.enqueue_batch('t.h', '[{}, {}]', 'acme', '{}', %s)", [p_keys])

    def test_while_it_runs_and_waits_to_be_tried_again(self, side):
        job = side.enqueue(unique_key="k")
        held = side.claim(side.worker())
        assert side.enqueue(unique_key="k") == job
        side.settle(*held, outcome="retried", delay_s=100)
        assert side.enqueue(unique_key="k") == job

    def test_a_repeat_may_name_what_the_first_depends_on(self, side):
        first = side.enqueue()
        job = side.enqueue(unique_key="k", depends_on=[first])
        side.fail(*side.claim(side.worker()))
        assert side.state(job) == "cancelled"
        again = side.enqueue(unique_key="k")
        assert side.enqueue(unique_key="k", depends_on=[again]) == again


class TestEnds:
    def test_free_after_completion_when_nothing_was_asked(self, side):
        job = side.enqueue(unique_key="k")
        side.finish(*side.claim(side.worker()))
        assert side.enqueue(unique_key="k") != job

    def test_kept_after_completion_for_as_long_as_asked(self, side, clock):
        job = side.enqueue(unique_key="k", unique_for_s=60)
        clock.advance(1000)
        side.finish(*side.claim(side.worker()))
        clock.advance(59)
        assert side.enqueue(unique_key="k") == job
        clock.advance(2)
        again = side.enqueue(unique_key="k")
        assert again != job
        assert side.enqueue(unique_key="k") == again

    @pytest.mark.parametrize("end", ["fail", "cancel", "quarantine", "deadline"])
    def test_free_at_once_when_it_does_not_complete(self, side, clock, end):
        job = side.enqueue(unique_key="k", unique_for_s=1000, deadline_at=clock.later(60))
        match end:
            case "fail":
                side.fail(*side.claim(side.worker()))
            case "cancel":
                side.one("select dure.cancel(%s)", [job])
            case "quarantine":
                for _ in range(3):
                    side.settle(*side.claim(side.worker()), outcome="crashed")
            case "deadline":
                clock.advance(61)
                side.promote()
        assert side.state(job) in ("failed", "cancelled", "quarantined")
        assert side.enqueue(unique_key="k") != job

    def test_a_retry_takes_it_again_for_as_long_as_was_asked(self, side, clock):
        job = side.enqueue(unique_key="k", unique_for_s=60)
        side.fail(*side.claim(side.worker()))
        side.one("select dure.retry(%s)", [job])
        assert side.enqueue(unique_key="k") == job
        side.finish(*side.claim(side.worker()))
        clock.advance(59)
        assert side.enqueue(unique_key="k") == job

    def test_a_retry_is_refused_while_another_job_holds_it(self, side):
        job = side.enqueue(unique_key="k")
        side.fail(*side.claim(side.worker()))
        other = side.enqueue(unique_key="k")
        with refused("in_use", "unique_key"):
            side.one("select dure.retry(%s)", [job])
        assert side.state(job) == "failed"
        side.finish(*side.claim(side.worker()))
        assert side.state(other) == "completed"
        side.one("select dure.retry(%s)", [job])
        assert side.enqueue(unique_key="k") == job

    def test_a_retry_of_what_did_not_fail_leaves_it(self, side, clock):
        job = side.enqueue(unique_key="k", unique_for_s=60)
        side.finish(*side.claim(side.worker()))
        with refused("wrong_state", None):
            side.one("select dure.retry(%s)", [job])
        clock.advance(61)
        assert side.enqueue(unique_key="k") != job


class TestAtOnce:
    @pytest.mark.parametrize("first_commits", [True, False])
    async def test_the_second_waits_for_the_first(self, side, new_side, first_commits):
        first, second = new_side(), new_side()
        first.db.execute("begin")
        one = first.enqueue(unique_key="k")
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(second.enqueue, unique_key="k")
            await until(lambda: waits(side))
            first.db.execute("commit" if first_commits else "rollback")
            two = answer.result(10)
        assert (one == two) is first_commits
        assert side.rows("select id::text from dure.job") == [(two,)]
        assert [job.id for job in side.claim(side.worker())] == [two]

    async def test_a_key_that_goes_while_the_second_waits_is_taken(self, side, new_side):
        side.enqueue(unique_key="a")
        held = side.claim(side.worker())
        first, second = new_side(), new_side()
        first.db.execute("begin")
        side_one = first.enqueue(unique_key="b")
        with ThreadPoolExecutor(1) as pool:
            # It has seen that a is held, and waits for b.
            answer = pool.submit(
                second.rows, "select ids::text[] from dure.enqueue_batch('t.h', '[{}, {}]', 'acme', '{}', '{a,b}')"
            )
            await until(lambda: waits(side))
            side.finish(*held)
            first.db.execute("commit")
            [(ids,)] = answer.result(10)
        assert ids[1] == side_one
        assert side.one("select job_id::text from dure.unique_key where unique_key = 'a'") == ids[0]
        assert side.enqueue(unique_key="a") == ids[0]

    def test_an_open_transaction_with_a_repeat_does_not_hold_up_the_end(self, side, new_side):
        job = side.enqueue(unique_key="k")
        held = side.claim(side.worker())
        other = new_side()
        other.db.execute("begin")
        assert other.enqueue(unique_key="k") == job
        side.db.execute("set lock_timeout = '100ms'")
        assert side.finish(*held) == 1
        other.db.execute("commit")

    def test_many_batches_with_the_same_keys_never_wait_for_each_other_in_a_circle(self, url, side):
        batches = [[f"{(start * 7 + n * step) % 30}" for n in range(30)] for start in range(4) for step in (1, -1, 7)]
        seen, lock = set(), threading.Lock()

        def send(keys):
            mine = Side(url)
            params = "[" + ",".join("{}" for _ in keys) + "]"
            ids = mine.one("select ids::text[] from dure.enqueue_batch('t.h', %s, 'acme', '{}', %s)", [params, keys])
            mine.close()
            with lock:
                seen.update(zip(keys, ids, strict=True))

        with ThreadPoolExecutor(12) as pool:
            list(pool.map(send, batches))
        assert len(seen) == side.one("select count(*) from dure.job") == 30

    def test_ends_and_new_jobs_of_the_same_keys_never_wait_in_a_circle(self, url, side):
        keys = [str(n) for n in range(20)]
        params = "[" + ",".join("{}" for _ in keys) + "]"

        def churn(order):
            mine = Side(url)
            worker = mine.worker()
            for _ in range(8):
                mine.db.execute("select dure.enqueue_batch('t.h', %s, 'acme', '{}', %s)", [params, keys[::order]])
                jobs = mine.claim(worker, 20)
                if jobs:
                    mine.finish(*sorted(jobs))
            mine.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(churn, [1, -1, 1, -1]))
        open_keys = side.one("select count(*) from dure.job where state in ('pending', 'processing')")
        assert open_keys == side.one("select count(*) from dure.unique_key") <= 20
