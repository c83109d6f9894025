"""What is deleted unasked: the same text, the same but for style, and nothing else."""

import random

import pytest
from bench.knowledge.mutations import contradictions

from dure.apps.knowledge.finding import Item, Options
from dure.apps.knowledge.finding.settling import settle
from dure.apps.knowledge.finding.texts import normal


def certainty(one, other, **options):
    items = [Item("1", "memories", one, created_at="2026-01-01"), Item("2", "memories", other, created_at="2026-01-02")]
    matches = settle(items, Options(**options)).matches
    return matches[0].certainty if matches else None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("환불은 7일 안에 처리한다", "  환불은 ７일  안에 처리한다. "),
        ("User prefers dark mode", "user prefers Dark Mode."),
        ("- 매주 월요일 회의", "매주 월요일 회의"),
        ("“quoted” text", '"quoted" text'),
        ("배송비\u200b 면제", "배송비 면제"),
        ("무게는 5㎏", "무게는 5kg"),
    ],
)
def test_the_same_text_is_exact(one, other):
    assert certainty(one, other) == "exact"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("VIP 고객은 배송비를 면제한다", "VIP 고객은 배송비 면제합니다."),
        ("보고서를 매주 검토한다", "보고서를 매주 검토함"),
        ("고객은 커피를 좋아합니다", "고객은 커피를 좋아해요"),
        ("한 남자가 피아노를 친다.", "한 남자가 피아노를 치고 있다."),
        ("거리에 사람들이 있다.", "사람들이 거리에 있다."),
        ("자동 결제를 해지했다", "자동결제를 해지했다"),
        ("The user prefers dark mode", "User prefers the dark mode."),
        ("A man is climbing a rope.", "The man climbs a rope."),
        ("Customers can't pay in cash", "Customers cannot pay in cash"),
        ("Send it by e-mail", "Send it by email"),
        ("두 번 확인한다", "2 번 확인합니다"),
    ],
)
def test_the_same_but_for_style_is_near(one, other):
    assert certainty(one, other) == "near"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("할인은 1.5%", "할인은 15%"),
        ("온도는 -5도", "온도는 5도"),
        ("Write it in C", "Write it in C++"),
        ("Write it in C#", "Write it in C"),
        ("면적은 5²", "면적은 52"),
        ("1½ cups", "11/2 cups"),
        ("US rules apply", "us rules apply"),
        ("the flag is maxRetry", "the flag is maxretry"),
        ("path /Data/in", "path /data/in"),
        ("환불 가능해", "환불 가능해?"),
        ("환불은 7일 안에 처리한다", "환불은 14일 안에 처리한다"),
        ("10:30에 시작", "10:03에 시작"),
        ("VIP 고객은 배송비를 면제한다", "VIP 고객은 배송비를 면제하지 않는다"),
        ("Refunds are allowed", "Refunds are not allowed"),
        ("Alice owes Bob", "Bob owes Alice"),
        ("고객이 직원을 평가한다", "직원이 고객을 평가한다"),
        ("고객을 직원이 평가한다", "고객이 직원을 평가한다"),
        ("친구가 산 책을 읽었다", "산 책을 친구가 읽었다"),
        ("어제 산 책을 읽었다", "산 책을 어제 읽었다"),
        ("5 이상이면 승인", "5 이하이면 승인"),
        ("매주 월요일 오전에 보낸다", "매주 월요일 오후에 보낸다"),
        ("Pay 5 USD", "Pay 5 EUR"),
        ("회원만 입장한다", "회원도 입장한다"),
        ("서울에서 출발한다", "서울까지 출발한다"),
        ("배송비를 면제한다", "배송비를 면제했다"),
        ("배송비를 면제하세요", "배송비를 면제한다"),
        ("Copy dogs to 'A'", "Copy dog to 'A'"),
        ("Call Mina Park", "Call Mina Kim"),
        ("f(x) = 2*(3+4)", "f(x) = (2*3)+4"),
        ("send [1,2] then", "send [1],2 then"),
        ("Always ask", "Never ask"),
        ("from 5 to 10", "from 10 to 5"),
    ],
)
def test_what_differs_in_meaning_is_never_deleted(one, other):
    assert certainty(one, other) is None
    assert certainty(other, one) is None


def test_one_changed_word_is_never_a_duplicate():
    sentences = [
        "주문 금액이 10만원 이상이면 무료 배송을 적용한다.", "회의는 매주 월요일 오전 10시에 시작한다.",
        "고객이 상품을 주문했다.", "재고가 증가했다.", "A customer is waiting for the order.",
        "The 3 servers are running.", "Two teams report before noon on Monday.", "두 사람이 모두 승인한다.",
        "가격이 상승하고 있다.",
    ]  # fmt: skip
    made = contradictions(sentences)
    assert len(made) > 15
    assert [pair for pair in made if certainty(*pair)] == []


def test_normal_form_is_its_own_normal_form():
    texts = ["  - A!!", "“환불” 규칙…", "5²", "C++", "-5", "...", "", "①번"]
    assert [normal(normal(text)) for text in texts] == [normal(text) for text in texts]


def test_the_better_store_then_the_older_keeps_it():
    items = [
        Item("m-old", "memories", "VIP는 무료 배송", created_at="2025-01-01T00:00:00Z"),
        Item("s", "skills", "VIP는 무료 배송", created_at="2026-01-02T00:00:00Z"),
        Item("r", "rules", "VIP는 무료 배송.", created_at="2026-01-03T00:00:00Z"),
    ]
    assert {(m.item.id, m.kept.id) for m in settle(items, Options()).matches} == {("m-old", "r"), ("s", "r")}
    turned = Options(store_order=("memories", "skills", "rules"))
    assert {m.kept.id for m in settle(items, turned).matches} == {"m-old"}


def test_age_is_a_moment_and_not_a_text():
    items = [
        Item("a", "memories", "같은 말", created_at="2026-01-01T09:00:00+09:00"),
        Item("b", "memories", "같은 말", created_at="2026-01-01T00:30:00Z"),
        Item("c", "memories", "같은 말"),
    ]
    assert {(m.item.id, m.kept.id) for m in settle(items, Options()).matches} == {("b", "a"), ("c", "a")}


def test_rules_are_equal_by_what_they_decide():
    items = [
        Item("1", "rules", "x > 5: 승인", fingerprint="f1"),
        Item("2", "rules", "승인, x가 5 초과", fingerprint="f1"),
        Item("3", "rules", "x > 5: 승인", fingerprint="f2"),
    ]
    matches = settle(items, Options()).matches
    assert [(m.item.id, m.kept.id, m.reason) for m in matches] == [("2", "1", "same_rule")]


def test_what_is_kept_is_never_deleted():
    source = random.Random(3)
    words = [
        "배송비 면제한다",
        "배송비를 면제한다",
        "배송비를 면제합니다",
        "배송비를 면제하지 않는다",
        "배송비 면제",
        "환불한다",
    ]
    items = [
        Item(str(number), source.choice(("rules", "skills", "memories")), source.choice(words), fingerprint=print_)
        for number, print_ in enumerate(source.choices(["", "", "f", "g"], k=200))
    ]
    matches = settle(items, Options()).matches
    gone = {(m.item.store, m.item.id) for m in matches}
    assert len(gone) == len(matches) > 100
    assert not gone & {(m.kept.store, m.kept.id) for m in matches}
