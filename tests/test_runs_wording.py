"""Reasons and guards as people read them."""

import pytest

from dure.lang import catalogue
from dure.runs.guards import Figures, Guards, Scope, breaker, evaluate
from dure.runs.wording import guard_sentence, sentence, state_word

LANGUAGES = ("en", "ko")
MANY = Figures(
    changes=6,
    leaving=4,
    population=5,
    scopes=[Scope("class 3", 2, 2, 0)],
    twice=[{"store": "public.student", "key": ["1", "a"], "changes": 2}],
    outside_scope=[{"seq": 3, "store": "public.student", "key": ["9"]}],
)
FEW = Figures(changes=3, leaving=1, population=1000)
UNKNOWN = Figures(changes=3, leaving=1, population=None)
NOTHING_LEAVES = Figures(changes=3, leaving=0, population=None)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("guards", "figures"),
    [
        (Guards(changes_max=2, leaving_max=3, leaving_share_max=0.5), MANY),
        (Guards(leaving_warn=1, leaving_share_warn=0.1, leaving_share_max=None), MANY),
        (Guards(), FEW),
        (Guards(), UNKNOWN),
        (Guards(), NOTHING_LEAVES),
        (Guards(leaving_max=None, leaving_warn=None, leaving_share_max=None, leaving_share_warn=None), MANY),
    ],
)
def test_every_answer_of_a_guard_is_a_sentence_with_its_figures(lang, guards, figures):
    for answer in evaluate(guards, figures):
        text = guard_sentence(answer.to_json(), lang)
        assert text != f"{answer.guard}: {answer.verdict}"
        assert "{" not in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_stopped_an_application_is_a_sentence(lang):
    answer = breaker(Guards(), 30, 100)
    text = sentence({"code": "guard_errors", "params": answer.params}, lang)
    assert "30" in text
    assert "100" in text
    assert "20" in text


def test_figures_are_said():
    refused = evaluate(Guards(leaving_max=3), MANY)
    texts = {answer.guard: guard_sentence(answer.to_json(), "en") for answer in refused}
    assert texts["leaving"] == "Leaving: 4, and 3 may."
    assert texts["leaving_share"] == "Leaving: 80 %, 4 of 5, and 50 % may."
    assert texts["scope_emptied"] == "Scopes that would be left empty: 1 (class 3)."
    assert texts["one_change_a_record"] == "Records with more than one change: 1 (public.student 1/a)."
    unlimited = evaluate(Guards(leaving_max=None, leaving_warn=None), FEW)[1]
    assert guard_sentence(unlimited.to_json(), "en") == "Leaving: 1 (warning above none, limit none)."
    assert "없음" in guard_sentence(unlimited.to_json(), "ko")


def test_what_somebody_said_is_shown_as_it_is():
    reason = {"code": "said", "params": {"text": "{not} a %template"}}
    assert sentence(reason) == "{not} a %template"
    assert sentence(None) == ""
    assert sentence({}) == ""


def test_a_code_that_nobody_knows_shows_its_text_or_itself():
    assert sentence({"code": "quux_of_an_app"}) == "quux_of_an_app"
    assert sentence({"code": "quux_of_an_app", "params": {"text": "the index is broken"}}) == "the index is broken"
    assert guard_sentence({"guard": "quux", "verdict": "refused"}) == "quux: refused"


def test_what_was_stored_by_an_older_version_is_no_error():
    assert sentence({"code": "strict_conflict", "params": {}}) == "strict_conflict"
    assert sentence({"code": "strict_conflict"}) == "strict_conflict"


def test_both_languages():
    reason = {"code": "rejected", "params": {"actor": "kim", "text": "too many"}}
    assert sentence(reason, "en") == "kim rejected it: too many"
    assert sentence(reason, "ko") == "kim 사용자가 반려했습니다: too many"
    assert state_word("planned", "ko") == "계획됨"
    assert state_word("quux") == "quux"


def test_every_state_and_kind_has_a_word():
    from typing import get_args

    from dure.runs.model import KINDS, ChangeState, RunState

    words = catalogue("en")
    wanted = {f"runs.states.{state}" for state in get_args(RunState)}
    wanted |= {f"runs.change_states.{state}" for state in get_args(ChangeState)}
    wanted |= {f"runs.kinds.{kind}" for kind in (*KINDS, "ask")}
    assert wanted - words.keys() == set()
