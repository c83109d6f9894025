"""A rule taken out or put in, and all other bytes as they were."""

import pytest

from dmn_tables import dmn
from dure.apps.knowledge.dmn import (
    Unchangeable,
    Unreadable,
    content,
    document_fingerprint,
    if_then,
    new_document,
    read,
    sentence,
    with_rule,
    without_rule,
)

pytestmark = pytest.mark.own_server

ROWS = [['"VIP"', "0"], ['"<골드>"', "1000"], ["-", "3000"]]


def rule_block(number, *, newline="\n"):
    lines = [
        f'      <rule id="rule1_{number}">',
        f"          <inputEntry><text>{ROWS[number][0].replace('<', '&lt;').replace('>', '&gt;')}</text></inputEntry>",
        f"          <outputEntry><text>{ROWS[number][1]}</text></outputEntry>",
        "      </rule>",
    ]
    return "".join(line + newline for line in lines)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_only_the_rule_and_its_lines_go(number, newline):
    xml = dmn(ROWS).replace("\n", newline)
    block = rule_block(number, newline=newline)
    assert block in xml
    assert without_rule(xml, f"rule1_{number}") == xml.replace(block, "")
    assert without_rule(xml, number) == xml.replace(block, "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<a/><!-- 가 --><rule id='x'>{e}</rule><rule id='y'>{e}</rule>", "<a/><!-- 가 --><rule id='y'>{e}</rule>"),
        ("\n  <!-- 나 --> <rule id = 'x' >{e}</rule > \n", "\n  <!-- 나 -->  \n"),
        ("\n\t<rule a='>/>' id='x'>{e}</rule>\t\n<rule id='y'>{e}</rule>", "\n<rule id='y'>{e}</rule>"),
        ("<rule id='x'>{e}<!-- </rule> --></rule>", ""),
        ("<rule id='x'>{e}<extensionElements><z:q/><![CDATA[</rule>]]></extensionElements></rule>", ""),
    ],
)
def test_surgery_in_text_that_no_tool_laid_out(before, after):
    entries = "<inputEntry><text>1</text></inputEntry><outputEntry><text>\U0001f69a</text></outputEntry>"
    head = "\ufeff<?xml version='1.0'?>\n<!-- 앞 --><definitions><decision><decisionTable>"
    head += "<input><inputExpression/></input><output name='o'/>"
    tail = "</decisionTable></decision></definitions>\n<!-- 뒤 -->"
    xml = head + before.replace("{e}", entries) + tail
    assert without_rule(xml, "x") == head + after.replace("{e}", entries) + tail


def test_what_is_not_there_or_there_twice_is_not_guessed():
    xml = dmn(ROWS)
    for wanted in ("nobody", 3, -1):
        with pytest.raises(Unchangeable, match="no rule"):
            without_rule(xml, wanted)
    with pytest.raises(Unchangeable, match="belongs to 2 rules"):
        without_rule(xml.replace("rule1_1", "rule1_0"), "rule1_0")
    with pytest.raises(Unchangeable, match="no decision table"):
        without_rule(xml, 0, decision="nowhere")
    with pytest.raises(Unreadable):
        without_rule("<html/>", 0)


def test_a_document_of_two_tables_asks_which():
    one = dmn(ROWS)
    two = one.replace("</definitions>", one[one.index("<decision ") : one.index("</definitions>")] + "</definitions>")
    with pytest.raises(Unchangeable, match="2 decision tables"):
        without_rule(two, 0)
    shorter = read(without_rule(two, 0, decision=1))
    assert [len(table.rules) for table in shorter.tables] == [3, 2]


@pytest.mark.parametrize("prefix", ["", "dmn"])
@pytest.mark.parametrize("position", [None, 0, 1])
def test_a_rule_put_in_is_read_back_and_taken_out_again_leaves_the_first_bytes(prefix, position):
    xml = dmn(ROWS, prefix=prefix)
    longer = with_rule(xml, ['"A & B"'], ['"<0>"'], id="new", description="왜 <그런가>", position=position)
    at = 3 if position is None else position
    rule = read(longer).tables[0].rules[at]
    assert (rule.id, rule.conditions, rule.outcomes) == ("new", ('"A & B"',), ('"<0>"',))
    assert rule.description == "왜 <그런가>"
    assert without_rule(longer, "new") == xml


def test_a_rule_put_into_an_empty_table_or_a_table_on_one_line():
    empty = dmn([])
    assert without_rule(with_rule(empty, ["-"], ["1"], id="new"), "new") == empty
    flat = dmn(ROWS).replace("\n", "")
    assert without_rule(with_rule(flat, ["-"], ["1"], id="new", position=1), "new") == flat


def test_a_rule_that_does_not_suit_the_table_is_refused():
    with pytest.raises(Unchangeable, match=r"2 \+ 1 entries"):
        with_rule(dmn(ROWS), ["-", "-"], ["1"], id="new")
    with pytest.raises(Unchangeable, match="taken"):
        with_rule(dmn(ROWS), ["-"], ["1"], id="rule1_0")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("만약 VIP 고객이면 배송비를 면제한다", ("VIP 고객", "배송비를 면제한다")),
        ("만약, 재고가 없으면, 주문을 받지 않는다.", ("재고가 없으면", "주문을 받지 않는다")),
        ("결제 금액이 100,000원 이상이면 쿠폰을 준다", ("결제 금액이 100,000원 이상", "쿠폰을 준다")),
        ("회원이 아니면 배송비를 받는다", ("회원이 아니면", "배송비를 받는다")),
        ("반품을 요청한 경우 수거를 접수한다", ("반품을 요청한 경우", "수거를 접수한다")),
        ("화면 크기가 작으면 글자를 키운다", ("화면 크기가 작으면", "글자를 키운다")),
        ("If the customer is a VIP, waive the shipping fee.", ("the customer is a VIP", "waive the shipping fee")),
        ("When stock is low then order more", ("stock is low", "order more")),
        ("고객이 화를 내면 먼저 사과한다", ("고객이 화를 내면", "먼저 사과한다")),
        ("서면 계약이 없으면 진행하지 않는다", ("서면 계약이 없으면", "진행하지 않는다")),
        ("VIP 고객은 배송비를 내지 않는다", None),
        ("만약에", None),
        ("만약 비가 오면", None),
        ("비가 오면 우산을 챙긴다. 눈이 오면 장화를 신는다.", None),
        ("The customer likes tea.", None),
        ("", None),
    ],
)
def test_if_then_sentences(text, parts):
    assert if_then(text) == parts


def test_a_sentence_becomes_a_document_with_the_same_bytes_each_time():
    text = "만약 VIP 고객이면 배송비를 면제한다"
    xml = new_document("VIP 배송비", *if_then(text), sentence=text)
    assert xml == new_document("VIP 배송비", *if_then(text), sentence=text)
    assert xml != new_document("VIP 배송비", *if_then(text), sentence=text + "!")
    document = read(xml)
    (table,) = document.tables
    (rule,) = table.rules
    assert 'xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"' in xml
    assert (document.description, rule.description) == (text, text)
    assert (table.inputs[0].label, rule.conditions) == ("조건", ('"VIP 고객"',))
    assert (table.outputs[0].name, rule.outcomes) == ("배송비", ('"면제한다"',))
    assert sentence(rule, table, "ko") == "VIP 고객이면 배송비를 면제한다"


def test_two_documents_from_one_rule_decide_the_same_and_hostile_words_stay_words():
    a = new_document("하나", "VIP 고객", "배송비를 면제한다", sentence="한 번")
    b = new_document("둘", "VIP  고객", "배송비를 면제한다")
    assert document_fingerprint(read(a)) == document_fingerprint(read(b))
    words = 'a"]]> \\ </text><rule>&lt;\x00\x0b\ud800'
    document = read(new_document(words, words, words, sentence=words))
    assert len(document.tables[0].rules) == 1
    assert "</text><rule>&lt;" in sentence(document.tables[0].rules[0], document.tables[0], "en")


def test_an_outcome_without_an_object_is_not_the_outcome_of_another_rule():
    a, b = (read(new_document(each, "VIP 고객", each)).tables[0] for each in ("먼저 답한다", "할인한다"))
    assert a.outputs[0].key != b.outputs[0].key
    assert content(a.rules[0], a) != content(b.rules[0], b)
    assert sentence(a.rules[0], a, "ko") == "VIP 고객이면 먼저 답한다"


@pytest.mark.parametrize("parts", [("", "b"), ("a", " "), ("a" * 6_000, "b" * 6_000)])
def test_a_document_of_nothing_or_of_too_much_is_refused(parts):
    with pytest.raises(Unchangeable):
        new_document("x", *parts)
