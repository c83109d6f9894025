import threading

import pytest

from dure.metrics import OVERFLOW, SERIES_MAX, Registry

pytestmark = pytest.mark.own_server


def test_the_text_format():
    registry = Registry()
    registry.counter("dure_jobs_total", "Jobs\nby state", ["state", "handler"]).add(2, "failed", 'a"b\\c\nd')
    registry.gauge("dure_pool_size", "Open connections").set(1.5)
    waits = registry.histogram("dure_wait_seconds", "Wait", ["queue"], bounds=(0.1, 1))
    for value in (0.05, 0.1, 0.5, 9):
        waits.observe(value, "default")
    assert registry.render() == (
        "# HELP dure_jobs_total Jobs\\nby state\n"
        "# TYPE dure_jobs_total counter\n"
        'dure_jobs_total{state="failed",handler="a\\"b\\\\c\\nd"} 2\n'
        "# HELP dure_pool_size Open connections\n"
        "# TYPE dure_pool_size gauge\n"
        "dure_pool_size 1.5\n"
        "# HELP dure_wait_seconds Wait\n"
        "# TYPE dure_wait_seconds histogram\n"
        'dure_wait_seconds_bucket{queue="default",le="0.1"} 2\n'
        'dure_wait_seconds_bucket{queue="default",le="1"} 3\n'
        'dure_wait_seconds_bucket{queue="default",le="+Inf"} 4\n'
        'dure_wait_seconds_sum{queue="default"} 9.65\n'
        'dure_wait_seconds_count{queue="default"} 4\n'
    )


def test_no_addition_is_lost_between_threads():
    counter = Registry().counter("c_total", "c")
    threads = [threading.Thread(target=lambda: [counter.add() for _ in range(5_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value() == 20_000


def test_labels_without_end_do_not_eat_the_memory():
    registry = Registry()
    counter = registry.counter("c_total", "c", ["id"])
    for number in range(SERIES_MAX + 500):
        counter.add(1, str(number))
    assert counter.value(OVERFLOW) == 500
    assert len(registry.render().splitlines()) == SERIES_MAX + 1 + 2


def test_mistakes_are_told():
    registry = Registry()
    counter = registry.counter("c_total", "c", ["state"])
    assert registry.counter("c_total", "c", ["state"]) is counter
    with pytest.raises(ValueError, match="already a counter"):
        registry.gauge("c_total", "c", ["state"])
    with pytest.raises(ValueError, match="only grows"):
        counter.add(-1, "x")
    with pytest.raises(ValueError, match="labels"):
        counter.add(1)
