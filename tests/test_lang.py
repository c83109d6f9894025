import re
import string

import pytest

from dure import lang

pytestmark = pytest.mark.own_server


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_both_languages_say_the_same_things():
    english, korean = lang.catalogue("en"), lang.catalogue("ko")
    assert english.keys() == korean.keys()
    differing = [key for key in english if placeholders(english[key]) != placeholders(korean[key])]
    assert differing == []


def test_every_sentence_is_in_its_language():
    hangul = {key for key, text in lang.catalogue("ko").items() if any("가" <= letter <= "힣" for letter in text)}
    # Others may be made of placeholders alone, as "{field}: {reason}" is.
    worded = {key for key, text in lang.catalogue("ko").items() if re.sub(r"\{[^}]*\}|\W", "", text)}
    assert worded <= hangul
    assert not any("가" <= letter <= "힣" for text in lang.catalogue("en").values() for letter in text)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, "en"),
        ("", "en"),
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("en-GB, ko;q=0.9", "en"),
        ("fr, ko;q=0.8, en;q=0.5", "ko"),
        ("ko;q=0, en;q=0.1", "en"),
        ("fr", "en"),
        ("ko;q=abc, en", "en"),
        (";;;,,,=q", "en"),
        ("x" * 100_000, "en"),
    ],
)
def test_accept_language(header, chosen, monkeypatch):
    monkeypatch.setenv("DURE_LANG", "en")
    assert lang.pick(header) == chosen


@pytest.mark.parametrize(
    ("environment", "chosen"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "DURE_LANG": "ko"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "DURE_LANG": "en"}, "en"),
        ({"LANG": "ko_KR.UTF-8", "DURE_LANG": ""}, "ko"),
    ],
)
def test_language_of_the_process(environment, chosen, monkeypatch):
    for name in ("DURE_LANG", "LC_ALL", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert lang.default() == chosen
    assert lang.pick("*") == chosen


def test_unknown_key_and_missing_parameter_are_mistakes():
    with pytest.raises(KeyError):
        lang.say("errors.no_such_key")
    with pytest.raises(KeyError):
        lang.say("errors.lease_lost")
    assert lang.knows("errors.lease_lost")
    assert not lang.knows("errors.no_such_key")


def test_braces_in_a_value_are_not_a_template():
    assert "{id}" in lang.say("errors.unknown_handler", "en", handler="{id}")
