"""Guards: each limit with its figures, and that they fail closed."""

import pytest

from dure.runs.guards import Figures, Guards, Scope, breaker, evaluate


def verdicts(guards: Guards, **figures) -> dict[str, str]:
    facts = Figures(**{"changes": 1, "leaving": 0, "population": 1_000, **figures})
    return {answer.guard: answer.verdict for answer in evaluate(guards, facts)}


@pytest.mark.parametrize(("leaving", "verdict"), [(100, "passed"), (101, "warned"), (200, "warned"), (201, "refused")])
def test_how_many_may_leave(leaving, verdict):
    assert verdicts(Guards(), leaving=leaving, population=100_000)["leaving"] == verdict


@pytest.mark.parametrize(
    ("leaving", "population", "verdict"),
    [
        (3, 10, "passed"),
        (31, 100, "warned"),
        (5, 10, "warned"),
        (51, 100, "refused"),
        (2, 3, "refused"),
        (1, 0, "refused"),
    ],
)
def test_what_share_may_leave(leaving, population, verdict):
    assert verdicts(Guards(), leaving=leaving, population=population)["leaving_share"] == verdict


def test_the_figures_are_told():
    answers = evaluate(Guards(), Figures(changes=2, leaving=2, population=3))
    share = next(answer for answer in answers if answer.guard == "leaving_share")
    assert share.params == {"percent": 66.7, "count": 2, "population": 3, "max_percent": 50.0}


def test_an_unknown_population_refuses_what_leaves_and_nothing_else():
    assert verdicts(Guards(), leaving=1, population=None)["population_unknown"] == "refused"
    assert verdicts(Guards(), leaving=0, population=None)["population_unknown"] == "passed"
    assert (
        "refused"
        not in verdicts(Guards(leaving_share_max=None, leaving_share_warn=None), leaving=1, population=None).values()
    )


def test_a_scope_is_never_emptied_but_one_that_something_enters_is_not_empty():
    assert verdicts(Guards(), scopes=[Scope("a", 3, 3, 0)])["scope_emptied"] == "refused"
    assert verdicts(Guards(), scopes=[Scope("a", 3, 3, 1)])["scope_emptied"] == "passed"
    assert verdicts(Guards(scope_may_empty=True), scopes=[Scope("a", 3, 3, 0)])["scope_emptied"] == "passed"


def test_a_record_has_one_change_and_belongs_to_what_was_asked_for():
    assert verdicts(Guards(), twice=[{"store": "s", "key": ["1"]}])["one_change_a_record"] == "refused"
    assert verdicts(Guards(), outside_scope=[{"store": "s", "key": ["1"]}])["inside_scope"] == "refused"


def test_no_limit_is_no_limit():
    none = Guards(leaving_max=None, leaving_warn=None, leaving_share_max=None, leaving_share_warn=None)
    assert set(verdicts(none, changes=10**6, leaving=10**6, population=10**6).values()) == {"passed"}


def test_the_breaker_waits_for_enough_failures_and_then_looks_at_their_share():
    assert breaker(Guards(), 9, 9) is None
    assert breaker(Guards(), 10, 100) is None
    stopped = breaker(Guards(), 21, 100)
    assert stopped is not None
    assert stopped.params == {"failed": 21, "tried": 100, "max_percent": 20.0}
