"""Finding as a whole: deterministic, certain apart from probable, by words and by stored vectors."""

import random

import numpy as np
import pytest
from bench.knowledge.memories import items as made

from dure.apps.knowledge.finding import Item, Options, embedding, find
from dure.errors import Invalid
from dure.lang import knows

TEXTS = [
    "VIP 고객은 배송비를 면제한다", "VIP 고객의 배송비는 면제된다", "환불은 7일 안에 처리한다",
    "환불은 14일 안에 처리한다", "회의는 매주 월요일 오전 10시에 시작한다", "매주 월요일 오전 10시에 회의를 시작합니다",
    "User prefers dark mode",
    "A woman is riding a horse on the beach", "A woman rides a brown horse on the beach", "커피를 좋아한다",
]  # fmt: skip


def memories(texts, vectors=None):
    rows = vectors if vectors is not None else [None] * len(texts)
    return [
        Item(f"m{number:02}", "memories", text, vector, created_at="2026-01-01")
        for number, (text, vector) in enumerate(zip(texts, rows, strict=True))
    ]


async def test_any_order_gives_the_same_findings():
    items = made(400)
    expected = await find(items)
    shuffled = items.copy()
    random.Random(5).shuffle(shuffled)
    again = await find(shuffled)
    assert again == expected
    assert len(expected.deletions) > 20


async def test_the_probable_is_asked_and_the_different_is_named():
    found = await find(memories(TEXTS), Options(ask_at=0.3))
    asked = {match.item.text: (match.kept.text, match.reason) for match in found.questions}
    assert found.deletions == ()
    assert asked["매주 월요일 오전 10시에 회의를 시작합니다"][0] == "회의는 매주 월요일 오전 10시에 시작한다"
    assert asked["A woman rides a brown horse on the beach"] == ("A woman is riding a horse on the beach", "probable")
    assert asked.get("환불은 14일 안에 처리한다", (None, "differs_number"))[1] == "differs_number"
    assert all(0.3 <= match.score < 1 and match.certainty == "probable" for match in found.questions)


async def test_every_reason_is_a_sentence():
    found = await find(made(300), Options(ask_at=0.05))
    reasons = {match.reason for match in (*found.deletions, *found.questions)}
    assert len(reasons) >= 3
    assert all(knows(f"knowledge.reasons.{reason}") for reason in reasons)


async def test_what_a_question_would_keep_is_not_itself_in_question():
    found = await find(made(300), Options(ask_at=0.05))
    asked = [match.item.id for match in found.questions]
    kept = {match.kept.id for match in found.questions}
    gone = {match.item.id for match in found.deletions}
    assert len(asked) == len(set(asked))
    assert not kept & (set(asked) | gone)
    assert not gone & set(asked)


async def test_stored_vectors_find_what_words_cannot():
    source = np.random.default_rng(1)
    vectors = source.standard_normal((60, 32)).astype(np.float32)
    texts = [f"기록 {number} 서로 다른 내용 {number * 7}" for number in range(60)]
    texts[50], texts[51] = "VIP 고객은 배송비를 내지 않아도 된다", "Loyal members get free shipping"
    vectors[51] = vectors[50] + 0.05 * vectors[3]
    found = await find(memories(texts, list(vectors)))
    assert [(m.item.id, m.kept.id, m.reason) for m in found.questions if m.item.id == "m51"] == [
        ("m51", "m50", "probable_across")
    ]
    assert "m51" not in {m.item.id for m in (await find(memories(texts))).questions}


async def test_vectors_that_are_broken_are_left_out():
    vectors = [[float("nan")] * 4, [0.0] * 4, [1.0, 0.0], None, [1.0, 0, 0, 0], [1.0, 0, 0, 0]]
    texts = ["하나", "둘 이야기", "셋 이야기들", "넷째 날", "고객 등급 안내", "shipping policy notes"]
    found = await find(memories(texts, vectors))
    assert found.deletions == ()
    assert {(m.item.id, m.kept.id) for m in found.questions} == {("m05", "m04")}


async def test_many_vectors_are_searched_by_cells():
    source = np.random.default_rng(2)
    rows = source.standard_normal((6_000, 64)).astype(np.float32)
    copies = source.permutation(5_000)[:300]
    rows[5_700:] = rows[copies] + 0.1 * source.standard_normal((300, 64)).astype(np.float32)
    from dure.apps.knowledge.finding.vectors import matrix, nearest

    later, earlier, cosines = nearest(matrix(list(rows))[1], 5, 0.8)
    found = set(zip(later.tolist(), earlier.tolist(), strict=True))
    wanted = set(zip(range(5_700, 6_000), copies.tolist(), strict=True))
    assert len(wanted & found) >= 0.97 * len(wanted)
    assert cosines.min() >= 0.8


async def test_it_does_without_the_embedding(monkeypatch):
    monkeypatch.setattr(embedding, "load", lambda: None)
    found = await find(memories(TEXTS), Options(ask_at=0.3))
    assert "A woman rides a brown horse on the beach" in {match.item.text for match in found.questions}


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["하나"],
        [""],
        ["", ""],
        ["...", "!!!"],
        ["\x00\ud800", "\x00\ud800"],
        ["가" * 30_000] * 2,
        ["!" * 200_000 + "a"],
        ["+-" * 50_000],
    ],
)
async def test_odd_texts(texts):
    found = await find(memories(texts))
    assert len(found.deletions) <= 1
    assert found.questions == ()


async def test_an_id_twice_in_a_store_is_refused():
    with pytest.raises(Invalid):
        await find([Item("1", "memories", "a"), Item("1", "memories", "b")])
    assert (await find([Item("1", "memories", "a"), Item("1", "skills", "b")])).deletions == ()


@pytest.mark.parametrize(
    "wrong",
    [{"ask_at": 1.5}, {"candidates_max": 0}, {"store_order": ("rules", "rules", "skills")}, {"judge_calls_max": -1}],
)
def test_options_are_checked(wrong):
    with pytest.raises(Invalid) as caught:
        Options(**wrong)
    assert caught.value.field in wrong
