"""Histograms of latencies: merged by adding, quantiles within the error that is stated."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure.agents.histograms import BUCKETS, ERROR, FIRST_MS, GROWTH, Histogram, bound_ms

latencies = st.lists(st.floats(0.11, 86_000_000), min_size=1, max_size=200)
counts = st.lists(st.integers(0, 50), max_size=40)


def bucket(latency_ms: float) -> int:
    """As the database has it."""
    if latency_ms <= FIRST_MS:
        return 0
    return min(BUCKETS - 1, math.ceil(round(math.log(latency_ms / FIRST_MS) / math.log(GROWTH), 9)))


def histogram(values: list[float]) -> Histogram:
    found = [0] * BUCKETS
    for value in values:
        found[bucket(value)] += 1
    return Histogram(tuple(found))


@given(latencies, st.floats(0.01, 1))
def test_a_quantile_is_as_near_as_stated(values: list[float], share: float):
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    told = histogram(values).quantile(share)
    assert told is not None
    assert abs(told - exact) <= exact * (ERROR + 1e-6)


def test_the_stated_error_is_below_five_per_cent():
    assert 0.047 < ERROR < 0.048


@given(counts, counts, counts)
def test_merging_is_adding(one: list[int], other: list[int], third: list[int]):
    merged = Histogram.merged([one, other, third])
    assert merged == Histogram.merged([third, other, one])
    assert merged == Histogram.merged([Histogram.merged([one, other]).counts, third])
    assert merged.count == sum(one) + sum(other) + sum(third)


@given(latencies, latencies)
def test_merged_histograms_are_the_histogram_of_all(one: list[float], other: list[float]):
    merged = Histogram.merged([histogram(one).counts, histogram(other).counts])
    assert merged == histogram(one + other)


@given(latencies, st.floats(0.2, 1000))
def test_no_more_are_told_to_be_longer_than_are(values: list[float], bound: float):
    assert histogram(values).above(bound) <= sum(value > bound for value in values)


def test_nothing_has_no_quantile():
    assert Histogram().quantile(0.5) is None
    assert Histogram((0, 0)).quantile(0.5) is None
    assert Histogram((3,)).quantile(0.99) == FIRST_MS


def test_the_database_counts_into_the_same_buckets(side):
    values = [
        0.0,
        0.05,
        0.1,
        0.1000001,
        0.11,
        0.12,
        1.0,
        99.9,
        86_400_000.0,
        1e12,
        *(bound_ms(n) for n in range(0, BUCKETS, 7)),
    ]
    rng = random.Random(3)
    values += [10 ** rng.uniform(-2, 8) for _ in range(500)]
    found = side.rows(
        "select dure.latency_bucket(v) from unnest(%s::float8[]) with ordinality u(v, n) order by n", [values]
    )
    assert [row[0] for row in found] == [bucket(value) for value in values]


@given(counts, counts)
def test_keys_of_the_shorter_one_are_none(one: list[int], other: list[int]):
    merged = Histogram.merged([one, other]).counts
    assert len(merged) == max(len(one), len(other))


def test_the_database_adds_as_python_does(side):
    for one, other in [([], []), ([1], []), ([1, 2], [3]), ([0, 0, 1], [5, 5])]:
        added = side.one("select dure.add_buckets(%s::integer[], %s::integer[])", [one, other])
        assert tuple(added) == Histogram.merged([one, other]).counts


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_quantiles_of_many(share: float):
    rng = random.Random(11)
    values = [rng.lognormvariate(4, 1) for _ in range(10_000)]
    exact = sorted(values)[math.ceil(share * len(values)) - 1]
    assert histogram(values).quantile(share) == pytest.approx(exact, rel=ERROR)
