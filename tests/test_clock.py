import random

import pytest

from dure import faults
from dure.clock import Backoff, SystemClock, jittered
from dure.db.sql import strip_header

pytestmark = pytest.mark.own_server


def test_delays_double_up_to_the_limit_and_begin_again():
    backoff = Backoff(first_s=1, max_s=60, jitter=0)
    assert [backoff.next_s() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next_s() == 1


def test_a_week_of_failures_does_not_overflow():
    backoff = Backoff(first_s=0.1, max_s=30, jitter=0)
    assert [backoff.next_s() for _ in range(100_000)][-1] == 30


def test_jitter_takes_away_at_most_its_share():
    delays = [jittered(10, 0.5, random.Random(seed)) for seed in range(1_000)]
    assert 5 <= min(delays) < 5.2
    assert 9.8 < max(delays) <= 10


async def test_the_system_clock_goes_on():
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009


def test_a_fault_happens_only_where_and_while_it_is_armed():
    def fail():
        raise ZeroDivisionError

    faults.hit("here")
    with faults.armed("here", fail):
        faults.hit("there")
        with pytest.raises(ZeroDivisionError):
            faults.hit("here")
        with pytest.raises(RuntimeError, match="armed already"), faults.armed("here", fail):
            pass
    faults.hit("here")


def test_a_statement_loses_its_header_and_nothing_else():
    assert strip_header("-- why\n--\n\nSELECT 1 -- one\n-- two\nFROM t;\n") == "SELECT 1 -- one\n-- two\nFROM t"
    assert strip_header("SELECT '-- no header'") == "SELECT '-- no header'"
