"""What any worker does for all: takes back what the dead held, and removes what ended long ago."""

import pytest

from sqlside import RENEW, RETIRE

DAY_S = 86_400.0
LEASE_S = 0.05
"""Shorter than the age of the server: for one lease after its start nobody is taken for dead."""


def die(side, clock, *, started=()):
    """A worker claims all that it can get, starts some of it for sure, and is not heard of again."""
    worker = side.worker(LEASE_S)
    jobs = side.claim(worker)
    for job in jobs:
        if job.id in started:
            assert side.one("select dure.mark_started(%s, array[%s::uuid])", [job.claim_id, job.id])
    clock.advance(LEASE_S + 1)
    side.sweep()
    return jobs


def crashes(side, job):
    return side.rows("select state, crash_count, retry_count from dure.job where id = %s", [job])[0]


class TestSweep:
    def test_what_a_dead_worker_held_runs_again(self, side, clock):
        job = side.enqueue()
        die(side, clock)
        assert crashes(side, job) == ("pending", 1, 0)
        assert side.rows("select ended_at is not null, end_reason from dure.worker") == [(True, "lease_lost")]
        assert side.one("select count(*) from dure.claim") == 0
        [again] = side.claim(side.worker())
        assert (again.id, again.attempt) == (job, 2)

    def test_a_worker_that_renews_keeps_its_jobs(self, side, clock):
        side.enqueue()
        worker = side.worker(30)
        held = side.claim(worker)
        clock.advance(29)
        assert side.one(RENEW, {"worker": worker, "running": 1}) == worker
        clock.advance(29)
        assert side.sweep() == 0
        assert side.finish(*held) == 1

    def test_the_first_doubtful_crash_counts_and_later_ones_only_when_it_began(self, side, clock):
        job = side.enqueue()
        die(side, clock)
        assert crashes(side, job)[1] == 1
        die(side, clock)
        assert crashes(side, job)[1] == 1
        die(side, clock, started=[job])
        assert crashes(side, job)[1] == 2
        outcomes = side.rows("select outcome from dure.attempt where job_id = %s order by attempt", [job])
        assert outcomes == [("crashed",), ("released",), ("crashed",)]

    def test_three_crashes_quarantine_a_job_and_not_its_neighbours(self, side, clock):
        killer, neighbour = side.enqueue(), side.enqueue()
        for _ in range(3):
            die(side, clock, started=[killer])
        assert crashes(side, killer) == ("quarantined", 3, 0)
        assert crashes(side, neighbour) == ("pending", 1, 0)
        assert side.rows("select job_id::text, state from dure.trouble") == [(killer, "quarantined")]
        assert [job.id for job in side.claim(side.worker())] == [neighbour]

    def test_a_job_that_was_asked_to_stop_is_cancelled(self, side, clock):
        job = side.enqueue()
        worker = side.worker(LEASE_S)
        side.claim(worker)
        side.one("select dure.cancel(%s)", [job])
        clock.advance(LEASE_S + 1)
        side.sweep()
        assert side.state(job) == "cancelled"
        assert side.one("select count(*) from dure.cancellation") == 0

    def test_nobody_is_taken_for_dead_right_after_a_restart_of_the_server(self, side, clock):
        side.enqueue()
        uptime_s = side.one("select extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float8")
        fresh, old = side.worker(uptime_s + 1000), side.worker(LEASE_S)
        clock.advance(uptime_s + 2000)
        side.sweep()
        assert side.rows("select worker_id from dure.worker where ended_at is null") == [(fresh,)]
        assert old != fresh

    def test_two_sweeps_at_once_take_each_job_once(self, side, new_side, clock):
        jobs = side.enqueue_many(10)
        side.claim(side.worker(LEASE_S), 5)
        side.claim(side.worker(LEASE_S), 5)
        clock.advance(LEASE_S + 1)
        other = new_side()
        with side.transaction():
            assert side.sweep() == 10
            assert other.sweep() == 0
        assert other.sweep() == 0
        assert side.rows("select distinct crash_count from dure.job") == [(1,)]
        assert sorted(job.id for job in side.claim(side.worker())) == sorted(jobs)

    def test_what_a_worker_claims_after_its_death_is_not_lost(self, side, clock):
        side.enqueue()
        zombie = side.worker(LEASE_S)
        clock.advance(LEASE_S + 1)
        side.sweep()
        held = side.claim(zombie)
        side.sweep()
        assert len(side.claim(side.worker())) == 1
        assert not held or side.finish(*held) == 0

    def test_a_worker_that_ends_in_order_hands_back_without_a_crash(self, side):
        job = side.enqueue()
        worker = side.worker()
        side.claim(worker)
        assert side.one(RETIRE, {"worker": worker}) == 1
        assert crashes(side, job) == ("pending", 0, 0)
        assert side.one("select count(*) from dure.claim") == 0


class TestPrune:
    def test_completed_and_troubled_jobs_have_their_own_time(self, side, clock):
        done, failed, waiting, running = side.enqueue_many(4)
        worker = side.worker()
        claimed = {job.id: job for job in side.claim(worker)}
        side.finish(claimed[done])
        side.fail(claimed[failed])
        side.settle(claimed[waiting], outcome="released")
        clock.advance(10 * DAY_S)
        assert side.prune(keep_s=11 * DAY_S, keep_trouble_s=20 * DAY_S) == 0
        assert side.prune(keep_s=5 * DAY_S, keep_trouble_s=20 * DAY_S) == 1
        assert {row[0] for row in side.rows("select id::text from dure.job")} == {failed, waiting, running}
        assert side.prune(keep_s=5 * DAY_S, keep_trouble_s=5 * DAY_S) == 1
        assert {row[0] for row in side.rows("select id::text from dure.job")} == {waiting, running}

    def test_all_that_belongs_to_a_job_goes_with_it(self, side, clock):
        job = side.enqueue()
        [held] = side.claim(side.worker())
        side.db.execute(
            "insert into dure.job_log (job_id, tenant_id, attempt, level, message) "
            "values (%s, 'acme', 1, 'info', 'hi')",
            [job],
        )
        side.db.execute("insert into dure.progress (job_id, tenant_id, done) values (%s, 'acme', 1)", [job])
        dependent = side.enqueue(depends_on=[job])
        side.fail(held)
        assert side.state(dependent) == "cancelled"
        clock.advance(10 * DAY_S)
        assert side.prune(0, 5 * DAY_S) == 2
        for table in ("job", "attempt", "job_log", "progress", "trouble", "dependency", "deadline"):
            assert side.one(f"select count(*) from dure.{table}") == 0, table

    def test_in_steps_it_reaches_everything(self, side, clock):
        side.enqueue_many(25)
        side.finish(*side.claim(side.worker()))
        side.enqueue_many(3)
        clock.advance(10 * DAY_S)
        assert side.prune(DAY_S, DAY_S, most=4) == 25
        assert side.states() == {"pending": 3}

    def test_a_job_stays_as_long_as_its_key(self, side, clock):
        job = side.enqueue(unique_key="k", unique_for_s=30 * DAY_S)
        side.finish(*side.claim(side.worker()))
        clock.advance(10 * DAY_S)
        assert side.prune(DAY_S, DAY_S) == 0
        assert side.enqueue(unique_key="k") == job
        clock.advance(21 * DAY_S)
        assert side.prune(DAY_S, DAY_S) == 1
        assert side.one("select count(*) from dure.unique_key") == 0

    def test_the_key_of_a_failed_job_is_kept_for_its_retry_and_goes_with_it(self, side, clock):
        job = side.enqueue(unique_key="k", unique_for_s=DAY_S)
        side.fail(*side.claim(side.worker()))
        clock.advance(2)
        side.prune(30 * DAY_S, 30 * DAY_S)
        side.one("select dure.retry(%s)", [job])
        side.finish(*side.claim(side.worker()))
        assert side.enqueue(unique_key="k") == job
        clock.advance(2 * DAY_S)
        side.prune(DAY_S, DAY_S)
        assert side.one("select count(*) from dure.unique_key") == 0

    def test_a_limit_that_a_waiting_job_is_under_stays(self, side, clock):
        side.handler("t.k", key_from="k", key_concurrency_max=1)
        side.enqueue("t.k", {"k": "a"}, run_at=clock.later(300 * DAY_S))
        side.enqueue("t.k", {"k": "b"})
        side.finish(*side.claim_limited(side.worker()))
        clock.advance(100 * DAY_S)
        side.prune(DAY_S, DAY_S)
        assert side.rows("select limit_key from dure.limit") == [("a",)]

    @pytest.mark.parametrize(("age_s", "left"), [(3600, 1), (25 * 3600, 0)])
    def test_answers_under_idempotency_keys_are_kept_a_day(self, side, clock, age_s, left):
        side.db.execute(
            "insert into dure.idempotency (tenant_id, key, route, digest) values ('acme', 'k', 'POST /v1/jobs', '')"
        )
        clock.advance(age_s)
        side.prune(DAY_S, DAY_S)
        assert side.one("select count(*) from dure.idempotency") == left
