"""Records in the wrong store: the labelled cases, and the parts that another store needs."""

from pathlib import Path

import bench.knowledge
import pytest

from dure.apps.knowledge.finding.placing import place

CASES = [
    line.split("\t")
    for line in Path(bench.knowledge.__file__).with_name("placing.tsv").read_text(encoding="utf-8").splitlines()[1:]
]


@pytest.mark.parametrize(("store", "target", "text"), CASES)
def test_labelled_cases(store, target, text):
    found = place(text.replace("\\n", "\n"), store)
    assert (found.target if found else "-") == target


def test_a_rule_is_split_into_condition_and_outcome():
    korean = place("만약 VIP 고객이면 배송비를 면제한다.", "memories")
    assert (korean.condition, korean.outcome) == ("VIP 고객이면", "배송비를 면제한다")
    english = place("If the order is over 100 dollars, ship free", "memories")
    assert (english.condition, english.outcome) == ("the order is over 100 dollars", "ship free")
    after = place("Reject the claim if the receipt is missing", "memories")
    assert (after.condition, after.outcome) == ("the receipt is missing", "Reject the claim")


def test_a_skill_has_its_title_and_steps():
    found = place("환불 처리:\n1. 주문 번호를 확인한다\n2. 결제 수단을 확인한다\n3. 환불을 승인한다", "memories")
    assert (found.title, found.steps) == (
        "환불 처리",
        ("주문 번호를 확인한다", "결제 수단을 확인한다", "환불을 승인한다"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1.",
        "①",
        "if",
        "만약",
        "면",
        "If , then ",
        "1. 2. 3.",
        "a" * 100_000,
        "if " * 5_000,
        " " * 19_000 + "x",
        "! " * 9_000,
    ],
)
def test_odd_texts_stay_where_they_are(text):
    assert [place(text, store) for store in ("memories", "skills", "rules")] == [None, None, None]
