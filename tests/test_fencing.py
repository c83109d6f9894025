"""A job has its effect once, in whatever order workers claim, die, wake up and finish."""

from collections.abc import Iterator
from itertools import permutations

import pytest

from sqlside import Clock, Held, Side

LEASE_S = 0.05
"""Shorter than the age of the server: for one lease after its start nobody is taken for dead."""
STEPS = ["claim 1", "finish 1", "claim 2", "finish 2", "sweep", "sweep"]
ORDERS = [
    order
    for order in sorted(set(permutations(STEPS)))
    if order.index("claim 1") < order.index("finish 1") and order.index("claim 2") < order.index("finish 2")
]


class Race:
    """Two workers and one job; an effect is what a completion that the database takes brings with it."""

    def __init__(self, side: Side, clock: Clock) -> None:
        self.side, self.clock = side, clock
        self.workers = {"1": side.worker(LEASE_S), "2": side.worker(LEASE_S)}
        self.held: dict[str, list[Held]] = {"1": [], "2": []}
        self.effects = 0

    def step(self, step: str) -> None:
        verb, _, who = step.partition(" ")
        if verb == "claim":
            self.held[who] = self.side.claim(self.workers[who])
        elif verb == "finish":
            self.effects += self.side.finish(*self.held[who]) if self.held[who] else 0
        else:
            self.sweep()

    def sweep(self) -> None:
        """Let every lease run out first, so that the sweep takes back all that is held."""
        self.clock.advance(LEASE_S + 1)
        self.side.sweep()

    def end(self) -> None:
        """What is left is done by a worker that lives."""
        self.sweep()
        self.effects += self.side.finish(*self.side.claim(self.side.worker(LEASE_S)))


def test_there_are_ninety_orders():
    assert len(ORDERS) == 90


def _orders(part: int) -> Iterator[tuple[str, ...]]:
    return iter(ORDERS[part::2])


@pytest.mark.parametrize("part", [0, 1])
def test_every_order_has_one_effect(side, clock, part):
    wrong = []
    for order in _orders(part):
        job = side.enqueue()
        race = Race(side, clock)
        for step in order:
            race.step(step)
        race.end()
        if race.effects != 1 or side.state(job) != "completed":
            wrong.append((order, race.effects, side.state(job)))
    assert wrong == []


@pytest.mark.parametrize("outcome", ["failed", "retried", "released", "cancelled", "crashed", "waited"])
def test_a_stale_worker_cannot_settle(side, clock, outcome):
    job = side.enqueue()
    [stale] = side.claim(side.worker(LEASE_S))
    clock.advance(LEASE_S + 1)
    assert side.sweep() == 1
    [fresh] = side.claim(side.worker(LEASE_S))
    assert fresh.claim_id != stale.claim_id
    assert side.settle(stale, outcome=outcome) == []
    assert side.finish(stale) == 0
    assert side.state(job) == "processing"
    assert side.finish(fresh) == 1
    assert side.one("select count(*) from dure.attempt where outcome <> 'crashed'") == 0


def test_a_stale_worker_cannot_settle_what_waits_again(side, clock):
    job = side.enqueue()
    [stale] = side.claim(side.worker(LEASE_S))
    clock.advance(LEASE_S + 1)
    side.sweep()
    assert side.finish(stale) == 0
    assert side.fail(stale) == []
    assert side.state(job) == "pending"


def test_finishing_twice_keeps_the_first(side):
    job = side.enqueue()
    held = side.claim(side.worker())
    assert side.finish(*held, result='{"n": 1}') == 1
    assert side.finish(*held, result='{"n": 2}') == 0
    assert side.fail(*held) == []
    assert side.rows("select state, result from dure.job where id = %s", [job]) == [("completed", {"n": 1})]


def test_what_was_settled_cannot_be_finished(side):
    job = side.enqueue()
    held = side.claim(side.worker())
    assert side.fail(*held) == [job]
    assert side.fail(*held) == []
    assert side.finish(*held) == 0
    assert side.state(job) == "failed"


def test_only_the_lost_ones_of_a_batch_are_refused(side, clock):
    side.enqueue_many(2)
    old, new = side.worker(LEASE_S), side.worker(LEASE_S * 1000)
    lost, kept = side.claim(old, 1), side.claim(new, 1)
    clock.advance(LEASE_S + 1)
    side.sweep()
    assert side.finish(*lost, *kept) == 1
    assert (side.state(lost[0].id), side.state(kept[0].id)) == ("pending", "completed")


def test_a_completion_after_a_request_to_cancel_stands(side):
    job = side.enqueue()
    held = side.claim(side.worker())
    assert side.one("select dure.cancel(%s)", [job]) == "processing"
    assert side.finish(*held) == 1
    assert side.state(job) == "completed"
    assert side.one("select count(*) from dure.cancellation") == 0


@pytest.mark.parametrize("outcome", ["retried", "released", "waited", "cancelled", "crashed"])
def test_a_job_asked_to_stop_does_not_come_back(side, outcome):
    job = side.enqueue()
    held = side.claim(side.worker())
    side.one("select dure.cancel(%s)", [job])
    assert side.settle(*held, outcome=outcome, error="gave up") == [job]
    assert side.state(job) == "cancelled"
    assert side.claim(side.worker()) == []
    assert side.one("select count(*) from dure.cancellation") == 0


def test_a_failure_after_a_request_to_cancel_is_a_failure(side):
    job = side.enqueue()
    held = side.claim(side.worker())
    side.one("select dure.cancel(%s)", [job])
    assert side.fail(*held) == [job]
    assert side.state(job) == "failed"


def test_two_claimers_never_hold_the_same_job(side, new_side):
    jobs = side.enqueue_many(250)
    other = new_side()
    with side.transaction():
        mine = side.claim(side.worker(), 120)
        theirs = other.claim(other.worker(), 250)
    rest = side.claim(side.worker(), 250)
    ids = [job.id for job in (*mine, *theirs, *rest)]
    assert len(ids) == len(set(ids))
    assert set(ids) == set(jobs)


def test_a_claim_that_is_rolled_back_loses_nothing(side, new_side):
    jobs = side.enqueue_many(5)
    other = new_side()
    other.db.execute("begin")
    assert len(other.claim(other.worker())) == 5
    other.db.execute("rollback")
    assert sorted(job.id for job in side.claim(side.worker())) == sorted(jobs)
