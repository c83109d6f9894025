"""Documents as they come: good ones of every version, bad ones, hostile ones."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dmn_tables import dmn
from dure.apps.knowledge.dmn import (
    Aggregation,
    HitPolicy,
    Unreadable,
    conditions,
    content,
    document_fingerprint,
    parse,
    read,
    sentence,
    table_fingerprint,
)
from dure.apps.knowledge.dmn.tree import DEPTH_MAX, XML_BYTES_MAX
from dure.apps.knowledge.dmn.values import Kind

pytestmark = pytest.mark.own_server

VIP = dmn([['"VIP"', "0"]])
VERSIONS = [
    "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
    "http://www.omg.org/spec/DMN/20180521/MODEL/",
    "https://www.omg.org/spec/DMN/20191111/MODEL/",
    "https://www.omg.org/spec/DMN/20211108/MODEL/",
    "https://www.omg.org/spec/DMN/20230324/MODEL/",
]


def reason(xml):
    with pytest.raises(Unreadable) as refused:
        read(xml)
    assert refused.value.text("ko") != refused.value.text("en")
    return refused.value.reason


def same(a, b):
    return parse(a) is not None and parse(a) == parse(b)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("prefix", ["", "dmn", "semantic"])
def test_every_version_and_prefix_reads_the_same(version, prefix):
    document = read(dmn([['"VIP"', "0"]], version=version, prefix=prefix), key="row-7")
    assert document.key == "row-7"
    assert document.tables[0].hit_policy is HitPolicy.UNIQUE
    assert document.tables[0].rules[0].conditions == ('"VIP"',)
    assert document_fingerprint(document) == document_fingerprint(read(VIP))


def test_everything_that_a_table_says_is_read():
    xml = """<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="배송">
      <description>여름 행사</description>
      <decision id="one" name="배송비"><description>무엇을 받는가</description>
        <decisionTable hitPolicy="COLLECT" aggregation="MAX">
          <input label="고객 등급"><inputExpression><text><![CDATA[고객.등급]]></text></inputExpression>
            <inputValues><text>"VIP","일반"</text></inputValues></input>
          <output name="배송비" label="배송비(원)" typeRef="feel:number">
            <outputValues><text>"a, b", f(1, 2), 3</text></outputValues>
            <defaultOutputEntry><text>3000</text></defaultOutputEntry></output>
          <annotation name="메모"/>
          <rule id="r1"><description>설명</description><inputEntry><text> "VIP" </text></inputEntry>
            <outputEntry><text>0</text></outputEntry><annotationEntry><text>승인됨</text></annotationEntry></rule>
        </decisionTable></decision>
      <decision id="two" name="합계"><literalExpression><text>1 + 2</text></literalExpression></decision>
    </definitions>"""
    document = read(xml)
    table, (rule,) = document.tables[0], document.tables[0].rules
    assert (document.id, document.name, document.description) == ("d", "배송", "여름 행사")
    assert [(each.name, each.table is None) for each in document.decisions] == [("배송비", False), ("합계", True)]
    assert (table.hit_policy, table.aggregation) == (HitPolicy.COLLECT, Aggregation.MAX)
    assert (table.inputs[0].expression, table.inputs[0].allowed) == ("고객.등급", '"VIP","일반"')
    assert table.outputs[0].values == ('"a, b"', "f(1, 2)", "3")
    assert (table.outputs[0].type, table.outputs[0].default) == ("number", "3000")
    assert (rule.id, rule.conditions, rule.outcomes) == ("r1", ('"VIP"',), ("0",))
    assert (rule.description, rule.annotations) == ("설명", ("승인됨",))


BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "x"}">' for n in range(9))


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        ("", "not_xml"),
        ("rules are fun", "not_xml"),
        (VIP[:-20], "not_xml"),
        (VIP.replace("</decision>", "&unknown;</decision>"), "not_xml"),
        ("\ud800", "not_xml"),
        ("<html/>", "not_dmn"),
        ("<definitions/>", "no_decisions"),
        (f"<!DOCTYPE definitions [{BOMB}]><definitions>&a8;</definitions>", "dtd"),
        ('<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><definitions>&x;</definitions>', "dtd"),
        ('<!DOCTYPE d SYSTEM "http://127.0.0.1/x.dtd"><definitions/>', "dtd"),
        ("<a>" * (DEPTH_MAX + 1) + "</a>" * (DEPTH_MAX + 1), "too_deep"),
        ("<definitions>" + "<a/>" * 200_001 + "</definitions>", "too_many_elements"),
        ("<definitions>" + " " * XML_BYTES_MAX + "</definitions>", "too_large"),
        (dmn([['"VIP"', "0"]], policy="BEST"), "unknown_hit_policy"),
        (dmn([['"VIP"', "0"]], policy="COLLECT", aggregation="AVERAGE"), "unknown_hit_policy"),
        (dmn([['"VIP"']]), "uneven_rule"),
        (dmn([['"VIP"', "0", "1"]], outputs=("a", "a")), "same_output_twice"),
        (dmn([['"VIP"']], outputs=()), "no_outputs"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(xml, why):
    assert reason(xml) == why


def test_what_the_declaration_says_of_an_encoding_does_not_matter_for_text():
    assert read(VIP.replace("UTF-8", "EUC-KR")).tables[0].inputs[0].key == "고객 등급"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_document_is_read_or_refused_and_never_breaks_anything(data):
    at = data.draw(st.integers(0, len(VIP)))
    more = data.draw(st.text(max_size=8))
    damaged = VIP[:at] + more + VIP[at + data.draw(st.integers(0, 40)) :]
    try:
        tables = read(damaged).tables
    except Unreadable as error:
        tables = ()
        said = error.text("ko")
    else:
        said = "readable"
    for table in tables:
        table_fingerprint(table)
        assert all(sentence(rule, table, "ko") for rule in table.rules)
    assert said


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ('"a","b"', '"b" , "a"'),
        ("[1..5)", ">= 1 and < 5"),
        ("[1..5)", "[1..3),[3..5)"),
        ("]1..5]", "(1..5]"),
        ("not([1..5))", "< 1, >= 5"),
        ("? in (1, 2)", "2,1.0"),
        ("1e2", "100"),
        ("-0.50", "- .5"),
        ('> date("2026-01-01")', '>= date("2026-01-02")'),
        ('date("2026-01-31")', '@"2026-01-31"'),
        ('date and time("2026-01-01T09:00:00+09:00")', 'date and time("2026-01-01T00:00:00Z")'),
        ('< duration("P1Y")', '< duration("P12M")'),
        ('duration("P1DT12H")', 'duration("PT36H")'),
        ('"\\uAC00"', '"가"'),
        ("-", ""),
        ("not(true)", "not( true )"),
    ],
)
def test_the_same_set_written_twice(text, other):
    assert same(text, other)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("[1..5)", "[1..5]"),
        ('"1"', "1"),
        ("-", "not(null)"),
        ("true, false", "-"),
        # Null is not "a", but it is not comparable with 5 either.
        ("not(3)", "< 3, > 3"),
        ('date("2026-01-01")', 'date and time("2026-01-01T00:00:00")'),
    ],
)
def test_two_sets(text, other):
    assert parse(text) is not None
    assert parse(other) is not None
    assert parse(text) != parse(other)


@pytest.mark.parametrize(
    "text",
    [
        *("VIP", "f(x)", "> y", "[5..1]", "1e999999999", '"a", 5', '"a" or "b"', "not(-)"),
        *('date("2026-02-30")', '< "a"', 'time("25:00:00")', 'duration("P1M1D")', "> null"),
        *("(" * 3000, "? in (" * 1600, "not(" * 2000, '"' + '\\"' * 4000, "9" * 5000),
    ],
)
def test_more_than_a_set_of_values_is_compared_as_text(text):
    assert parse(text) is None


def test_a_test_that_is_no_set_is_equal_only_to_the_same_text():
    tables = [read(dmn([[test, "0"]])).tables[0] for test in ("f( x,1 )", "f(x, 1)", "f(1, x)")]
    contents = [content(table.rules[0], table) for table in tables]
    assert contents[0] == contents[1] != contents[2]


def test_another_language_than_feel_is_compared_as_text():
    xml = dmn([["[1..5)", "0"]], inputs=("amount",))
    juel = xml.replace("<inputEntry>", '<inputEntry expressionLanguage="http://www.w3.org/2001/juel">')
    feel = xml.replace("<inputEntry>", '<inputEntry expressionLanguage="https://www.omg.org/spec/DMN/20191111/FEEL/">')
    contents = {
        name: content(each.rules[0], each)
        for name, each in ((n, read(x).tables[0]) for n, x in {"plain": xml, "juel": juel, "feel": feel}.items())
    }
    assert contents["plain"] == contents["feel"] != contents["juel"]


def test_two_columns_that_ask_the_same_are_one_condition():
    split = read(dmn([[">= 1", "< 5", "0"]], inputs=("amount", " amount "))).tables[0]
    whole = read(dmn([["[1..5)", "0"]], inputs=("amount",))).tables[0]
    assert content(split.rules[0], split) == content(whole.rules[0], whole)
    assert conditions(split.rules[0], split)["amount"].values.kind is Kind.NUMBER


def test_what_an_output_is_called_counts_unless_the_name_says_nothing():
    def of(name, output):
        return document_fingerprint(read(dmn([['"VIP"', "0"]], outputs=(output,), name=name)))

    assert of("배송비", "금액") == of("배송비 규칙", "금액")
    assert of("배송비", "금액") != of("배송비", "할인율")
    # Two results of the same condition are two things when only the decisions' names tell them apart.
    assert of("배송비", "result") != of("할인율", "result")
    assert of("배송비", "결과1") == of("배송비", "결과1")


@example(0)
@given(st.integers(-10, 10))
@settings(max_examples=20, deadline=None)
def test_outcomes_of_one_value_are_equal(n):
    tables = [read(dmn([['"VIP"', text]])).tables[0] for text in (f"{n}", f" {n}.00 ", f'"{n}"')]
    contents = [content(table.rules[0], table) for table in tables]
    assert contents[0] == contents[1] != contents[2]
