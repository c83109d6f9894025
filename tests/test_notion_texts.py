"""Answers cut to Notion's limits: nothing lost, nothing torn, nothing too long."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure.apps.notion.keys import page_of
from dure.apps.notion.texts import BLOCKS_MAX, BYTES_MAX, UNITS_MAX, answer_of, calls_of, plain, split, text_of
from dure.errors import Invalid

pytestmark = pytest.mark.own_server

FAMILY = "👨‍👩‍👧‍👦"
FLAG = "🇰🇷"
THUMB = "👍🏽"
JAMO = "\u1112\u1161\u11ab"


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(st.text(alphabet=st.sampled_from(["a", "한", " ", "\n", "é", *FAMILY, *FLAG, *THUMB, *JAMO]), max_size=300))
def test_pieces_make_up_the_text_and_none_is_too_long(text: str) -> None:
    pieces = list(split(text, 40))
    assert "".join(pieces) == text
    assert all(0 < units(piece) <= 40 for piece in pieces)


@pytest.mark.parametrize("letter", ["한", "😀", FAMILY, FLAG, THUMB, JAMO, "e\u0301", "❤\ufe0f"])
@pytest.mark.parametrize("before", range(3))
def test_no_letter_is_torn(letter: str, before: int) -> None:
    pieces = list(split("x" * before + letter * 4_000))
    assert len(pieces) > 1
    assert all(piece.removeprefix("x" * before).replace(letter, "") == "" for piece in pieces)


def test_a_cut_is_made_at_a_line_or_a_word_where_there_is_one_near() -> None:
    lines = "\n".join(["line " + "x" * 90] * 50)
    assert all(piece.endswith("\n") for piece in list(split(lines))[:-1])
    words = " ".join(["word"] * 1_000)
    assert all(piece.endswith("word ") for piece in list(split(words))[:-1])


def test_five_thousand_characters_are_one_call_of_three_texts_and_a_marker() -> None:
    [(mark, blocks)] = calls_of("x" * 5_000, "dure:1")
    assert [len(text) for text in map(_content, blocks)] == [2_000, 2_000, 1_000, len("dure:1")]
    assert (mark, _content(blocks[-1])) == ("dure:1", "dure:1")


@pytest.mark.parametrize("letter", ["x", "한", "😀"])
def test_a_huge_answer_is_several_calls_each_within_the_limits_and_with_its_own_marker(letter: str) -> None:
    answer = letter * 500_000
    calls = calls_of(answer, "dure:1")
    assert [mark for mark, _ in calls] == [f"dure:1 {no}/{len(calls)}" for no in range(1, len(calls) + 1)]
    assert all(len(blocks) <= BLOCKS_MAX for _, blocks in calls)
    assert all(units(_content(block)) <= UNITS_MAX for _, blocks in calls for block in blocks)
    assert all(len(json.dumps(blocks)) <= BYTES_MAX + BLOCKS_MAX * 200 for _, blocks in calls)
    assert "".join(_content(block) for _, blocks in calls for block in blocks[:-1]) == answer


def test_no_answer_is_no_call() -> None:
    assert calls_of("", "dure:1") == []


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, ""),
        ("done\x00", "done\ufffd"),
        ({"text": "한글", "tokens": 3}, "한글"),
        ({"n": [1, "둘"]}, '{"n": [1, "둘"]}'),
        (7, "7"),
    ],
)
def test_what_a_handler_may_answer(result: object, text: str) -> None:
    assert answer_of(result) == text


def test_a_rich_text_is_joined() -> None:
    assert plain([{"plain_text": "Buy "}, {"plain_text": "milk"}, {}]) == "Buy milk"
    assert text_of({"type": "divider", "divider": {}}) == ""


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [
        ("1429989fe8ac4effbc8f57f56486db54", "1429989f-e8ac-4eff-bc8f-57f56486db54"),
        ("1429989F-E8AC-4EFF-BC8F-57F56486DB54", "1429989f-e8ac-4eff-bc8f-57f56486db54"),
        ("page-1", "page-1"),
        ("your-notion-page-id", "your-notion-page-id"),
    ],
)
def test_ids_of_pages(given_id: str, kept: str) -> None:
    assert page_of(given_id) == kept


@pytest.mark.parametrize("given_id", ["", "a b", "../users", "페이지", "x" * 65, "a\n"])
def test_what_is_no_id(given_id: str) -> None:
    with pytest.raises(Invalid):
        page_of(given_id)


def _content(block: dict) -> str:
    return block["paragraph"]["rich_text"][0]["text"]["content"]
