"""Gates: what they reckon is exact, what is as good is seldom taken back, what is worse is."""

import random
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dure.agents.gates import DEFAULTS, Counts, Gate, Gates, Looks, judge, probability_within
from dure.agents.histograms import Histogram
from dure.agents.likelihood import beta_cdf, binomial_above
from dure.errors import Invalid

SUCCESS = Gate(name="task_success", margin=0.01, samples_min=30)
hits = st.integers(0, 40).flatmap(lambda bad: st.tuples(st.just(bad), st.integers(max(bad, 1), 200)))


def fisher(new: tuple[int, int], old: tuple[int, int]) -> float:
    """The chance of so many bad ones among the new, or more, if it made no difference which version did what."""
    (bad, of), (old_bad, old_of) = new, old
    total = bad + old_bad
    return sum(comb(of, k) * comb(old_of, total - k) for k in range(bad, min(of, total) + 1)) / comb(of + old_of, total)


def tasks(bad: int, of: int, **given: int) -> Counts:
    return Counts(tasks_ok=of - bad, tasks_failed=bad, **given)


@given(hits, hits)
@settings(max_examples=60, deadline=None)
def test_with_no_margin_it_is_fishers_test(new: tuple[int, int], old: tuple[int, int]):
    assert probability_within(new, old, 0, fair=False) == pytest.approx(fisher(new, old), abs=1e-5)


@given(hits, hits, st.floats(0, 0.2), st.floats(0, 0.2))
@settings(max_examples=60, deadline=None)
def test_more_margin_is_never_less_likely(new: tuple[int, int], old: tuple[int, int], one: float, other: float):
    low, high = sorted((one, other))
    for fair in (True, False):
        assert probability_within(new, old, low, fair=fair) <= probability_within(new, old, high, fair=fair) + 1e-6


@given(hits, hits)
@settings(max_examples=60, deadline=None)
def test_one_more_bad_one_is_never_more_likely_as_good(new: tuple[int, int], old: tuple[int, int]):
    worse = (min(new[0] + 1, new[1]), new[1])
    assert probability_within(worse, old, 0.01) <= probability_within(new, old, 0.01) + 1e-6


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.01, 0.99))
def test_the_binomial_tail_is_its_sum(bad: int, of: int, rate: float):
    exact = sum(comb(of, k) * rate**k * (1 - rate) ** (of - k) for k in range(bad, of + 1))
    assert binomial_above(bad, of, rate) == pytest.approx(exact, abs=1e-9)


@given(st.floats(0, 1), st.integers(1, 400), st.integers(1, 400))
def test_the_beta_distribution_is_one(at: float, a: int, b: int):
    value = beta_cdf(at, a, b)
    assert 0 <= value <= 1
    assert value + beta_cdf(1 - at, b, a) == pytest.approx(1, abs=1e-9)


def test_the_same_counts_give_the_same_answer():
    answers = {str(judge(SUCCESS, tasks(9, 100), tasks(5, 300), Looks(), 0.05)) for _ in range(5)}
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("new", "old", "answer", "code"),
    [
        ((0, 0), (0, 0), "wait", "few_samples"),
        ((0, 29), (0, 500), "wait", "few_samples"),
        ((0, 500), (0, 29), "wait", "few_samples"),
        ((0, 30), (0, 30), "pass", "as_good"),
        ((3, 100), (2, 100), "pass", "as_good"),
        ((6, 100), (2, 100), "wait", "undecided"),
        ((30, 100), (2, 100), "fail", "worse"),
        ((0, 100), (50, 100), "pass", "as_good"),
        ((100, 100), (100, 100), "pass", "as_good"),
    ],
)
def test_what_a_gate_says(new: tuple[int, int], old: tuple[int, int], answer: str, code: str):
    verdict = judge(SUCCESS, tasks(*new), tasks(*old), Looks(), 0.05)
    assert (verdict.answer, verdict.code) == (answer, code)


def test_between_its_looks_a_gate_fails_nothing():
    bad, old = tasks(30, 100), tasks(2, 100)
    assert judge(SUCCESS, bad, old, Looks(1, 60), 0.05).answer == "wait"
    assert judge(SUCCESS, bad, old, Looks(1, 50), 0.05).answer == "fail"


def test_a_later_look_has_less_of_the_risk_and_all_have_no_more_than_it():
    shares = [
        judge(SUCCESS, tasks(0, 30 * 2**n), tasks(0, 99), Looks(n, 15 * 2**n), 0.05).numbers["risk"] for n in range(12)
    ]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 0.05


def test_the_risk_is_shared_by_gates_and_steps():
    gates = Gates.from_json({"probability": 0.9, "latency": None})
    assert len(gates.gates) == 3
    assert gates.risk(2) == pytest.approx(0.1 / 6)
    assert Gates.from_json(gates.to_json()) == gates
    assert Gates.from_json({}) == Gates()
    with pytest.raises(Invalid):
        Gates.from_json({"probability": "high"})


def run(rng: random.Random, new_rate: float, old_rate: float, *, total: int, risk: float, margin: float) -> str:
    """A version until its gate fails it, or until so many tasks: a fifth of all are the new one's."""
    gate = Gate(name="task_success", margin=margin, samples_min=30)
    looks, bad, old_bad = Looks(), 0, 0
    for n in range(1, total + 1):
        bad += rng.random() < new_rate
        old_bad += sum(rng.random() < old_rate for _ in range(4))
        if n >= max(30, 2 * looks.samples):
            verdict = judge(gate, tasks(bad, n), tasks(old_bad, 4 * n), looks, risk)
            looks = Looks(looks.count + 1, n)
            if verdict.answer == "fail":
                return "fail"
    return "pass"


def test_a_version_that_is_as_good_is_seldom_taken_back():
    rng = random.Random(2026)
    failed = sum(run(rng, 0.1, 0.1, total=500, risk=0.05, margin=0) == "fail" for _ in range(60))
    # At most five in a hundred are promised; Fisher's test is careful, so there are fewer.
    assert failed <= 3


def test_a_version_with_doubled_errors_is_taken_back():
    rng = random.Random(2027)
    caught = sum(run(rng, 0.2, 0.1, total=500, risk=0.05, margin=0.01) == "fail" for _ in range(60))
    assert caught >= 57


def latency(rng: random.Random, count: int, scale: float) -> Histogram:
    from test_histograms import histogram

    return histogram([scale * rng.lognormvariate(4, 0.7) for _ in range(count)])


def test_latency_that_is_the_same_is_seldom_and_twice_as_much_mostly_taken_back():
    rng = random.Random(5)
    gate = DEFAULTS["latency"]
    same = slow = 0
    for _ in range(60):
        old = Counts(latency=latency(rng, 800, 1))
        same += judge(gate, Counts(latency=latency(rng, 400, 1)), old, Looks(), 0.05).answer == "fail"
        slow += judge(gate, Counts(latency=latency(rng, 400, 2)), old, Looks(), 0.05).answer == "fail"
    assert same <= 3
    assert slow >= 48


def test_an_old_version_with_few_samples_gives_latency_no_bound():
    few = Counts(latency=Histogram((0,) * 50 + (50,)))
    verdict = judge(DEFAULTS["latency"], Counts(latency=Histogram((0,) * 90 + (60,))), few, Looks(), 0.01)
    assert (verdict.answer, verdict.numbers["old_p95_at_most_ms"]) == ("wait", None)
