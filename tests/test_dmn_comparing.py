"""What is said of many documents: what may go, what a person should look at, and what it is called."""

from random import Random

import pytest

from dmn_tables import dmn
from dure.apps.knowledge.dmn import Ground, Relation, describe, new_document, read, relate, report, sentence

pytestmark = pytest.mark.own_server

BOTH = ("고객 등급", "amount")


def documents(*xmls):
    return [read(xml, key=f"row-{number}") for number, xml in enumerate(xmls)]


def related(policy, *rows, inputs=BOTH, values="", aggregation=""):
    xml = dmn(rows, inputs=inputs, policy=policy, values=values, aggregation=aggregation)
    table = read(xml).tables[0]
    found = relate(table.rules[0], table, table.rules[1], table)
    return str(found.relation), found.narrower


NARROW, WIDE = ['"VIP"', "> 10", "0"], ['"VIP"', "-", "0"]
OTHERWISE = ['"VIP"', "-", "5"]


@pytest.mark.parametrize(
    ("policy", "rows", "expected"),
    [
        ("UNIQUE", (WIDE, WIDE), ("duplicate", None)),
        ("UNIQUE", (NARROW, WIDE), ("subsumed", 0)),
        ("UNIQUE", (NARROW, OTHERWISE), ("conflict", None)),
        ("ANY", (NARROW, OTHERWISE), ("conflict", None)),
        ("FIRST", (NARROW, OTHERWISE), ("exception", 0)),
        ("FIRST", (OTHERWISE, NARROW), ("subsumed", 1)),
        ("FIRST", (['"VIP"', "< 20", "0"], ['"VIP"', "> 10", "5"]), ("overlap", None)),
        ("PRIORITY", (OTHERWISE, NARROW), ("exception", 1)),
        ("PRIORITY", (WIDE, ['"VIP"', "> 10", "5"]), ("subsumed", 1)),
        ("PRIORITY", (WIDE, ['"VIP"', "> 10", "7"]), ("conflict", None)),
        ("COLLECT", (NARROW, OTHERWISE), ("overlap", None)),
        ("RULE ORDER", (NARROW, WIDE), ("overlap", None)),
        ("UNIQUE", (['"VIP"', "> 10", "0"], ['"골드"', "> 10", "5"]), ("disjoint", None)),
        ("UNIQUE", (['"VIP"', "f(x)", "0"], ['"VIP"', "> 10", "5"]), ("unknown", None)),
        ("UNIQUE", (['"VIP"', "f(x)", "0"], ['"골드"', "> 10", "5"]), ("disjoint", None)),
        ("UNIQUE", (['"VIP"', "-", "a + 1"], ['"VIP"', "> 10", "5"]), ("unknown", None)),
    ],
)
def test_a_relation_is_what_the_hit_policy_makes_of_it(policy, rows, expected):
    assert related(policy, *rows, values="0, 5" if policy == "PRIORITY" else "") == expected


def test_the_largest_outcome_swallows_a_narrower_smaller_one():
    rows = (['"VIP"', "> 10", "1"], ['"VIP"', "-", "5"])
    assert related("COLLECT", *rows, aggregation="MAX") == ("subsumed", 0)
    assert related("COLLECT", *rows, aggregation="MIN") == ("overlap", None)


def test_the_allowed_values_of_an_input_keep_rules_apart():
    xml = dmn([['not("VIP")', "0"], ['not("골드")', "5"]])
    table = read(xml).tables[0]
    assert relate(table.rules[0], table, table.rules[1], table).witness == {"고객 등급": '"other"'}
    limited = xml.replace(
        "</inputExpression>", '</inputExpression><inputValues><text>"VIP","골드"</text></inputValues>'
    )
    table = read(limited).tables[0]
    assert relate(table.rules[0], table, table.rules[1], table).relation is Relation.DISJOINT


def test_integers_have_nothing_between_them():
    xml = dmn([["> 5", "0"], ["< 6", "5"]], inputs=("amount",))
    assert report([read(xml)]).counts == {"conflict": 1}
    assert report([read(xml.replace('typeRef="number"', 'typeRef="integer"'))]).counts == {}


@pytest.mark.parametrize(
    ("policy", "aggregation", "ground"),
    [
        ("UNIQUE", "", Ground.SAME_TABLE),
        ("FIRST", "", Ground.SAME_TABLE),
        ("COLLECT", "MAX", Ground.SAME_TABLE),
        ("COLLECT", "SUM", Ground.GATHERED),
        ("COLLECT", "", Ground.GATHERED),
        ("RULE ORDER", "", Ground.GATHERED),
    ],
)
def test_a_rule_twice_in_one_table_may_go_unless_the_table_counts_it_twice(policy, aggregation, ground):
    rows = [['"VIP"', "0"], ['"골드"', "5"], [' "VIP" ', "0.0"]]
    (found,) = report([read(dmn(rows, policy=policy, aggregation=aggregation))]).duplicates
    assert (found.rule.rule, found.kept.rule, found.ground) == (2, 0, ground)
    assert found.certain is (ground is Ground.SAME_TABLE)


def test_a_whole_document_that_decides_the_same_may_go():
    first = dmn([['"VIP","골드"', ">= 10", "0"], ["-", "< 10", "5"]], inputs=BOTH)
    again = dmn(
        [["(10..99],[10..10],> 99", '"골드" , "VIP"', "0.0"], ["< 10", "", "5"]],
        inputs=BOTH[::-1],
        key="2",
        prefix="dmn",
        ids=False,
        name="다른 이름",
        version="https://www.omg.org/spec/DMN/20230324/MODEL/",
    )
    other = dmn([['"VIP"', ">= 10", "0"], ["-", "< 10", "5"]], inputs=BOTH)
    found = report(documents(first, again, other))
    assert [(copy.document, copy.kept, copy.whole) for copy in found.copies] == [("row-1", "row-0", True)]
    assert [(each.rule.document, each.certain) for each in found.duplicates] == [("row-2", False)]


def test_a_document_that_is_a_part_of_another_may_go_but_not_what_the_other_overrules():
    table = [['"VIP"', "0"], ["-", "5"]]
    part, default = dmn([['"VIP"', "0"]]), dmn([["-", "5"]])
    found = report(documents(part, dmn(table, policy="FIRST"), default))
    assert [(copy.document, copy.kept, copy.whole) for copy in found.copies] == [("row-0", "row-1", False)]
    # In the table "-" is what is left after VIP; alone it is for everybody.
    assert [(each.rule.document, each.ground) for each in found.duplicates] == [("row-2", Ground.OTHER_TABLE)]


def test_copies_of_copies_name_the_one_that_stays():
    small, middle = dmn([['"a"', "0"]]), dmn([['"a"', "0"], ['"b"', "1"]])
    large = dmn([['"a"', "0"], ['"b"', "1"], ['"c"', "2"]])
    found = report(documents(small, small, middle, large))
    assert {copy.document: copy.kept for copy in found.copies} == dict.fromkeys(("row-0", "row-1", "row-2"), "row-3")


def test_a_default_or_another_decision_keeps_a_document_from_being_a_copy():
    part, whole = dmn([['"a"', "0"]]), dmn([['"a"', "0"], ['"b"', "1"]])
    with_default = part.replace(
        '<output name="배송비">', '<output name="배송비"><defaultOutputEntry><text>9</text></defaultOutputEntry>'
    )
    with_more = part.replace(
        "</decision>", '</decision><decision name="x"><literalExpression><text>1</text></literalExpression></decision>'
    )
    empty = dmn([])
    assert report(documents(whole, with_default, with_more, empty, empty)).copies == ()
    limited = whole.replace("</inputExpression>", '</inputExpression><inputValues><text>"a","b"</text></inputValues>')
    assert report(documents(limited, part)).copies == ()
    assert len(report(documents(whole, part)).copies) == 1


def test_rules_at_odds_are_reported_with_an_input_and_never_deleted():
    found = report(documents(dmn([['"VIP"', "0"]]), dmn([['"VIP"', ">= 100", "5"]], inputs=BOTH, key="2")))
    (finding,) = found.findings
    assert finding.relation is Relation.CONFLICT
    assert (finding.rule.document, finding.other.document) == ("row-0", "row-1")
    assert finding.witness == {"amount": "100", "고객 등급": '"VIP"'}
    assert (found.copies, found.duplicates) == ((), ())


def test_a_rest_that_an_earlier_rule_narrows_is_not_at_odds_with_it_in_another_document():
    rows = [['"VIP"', "0"], ["-", "5"]]
    a = dmn(rows, policy="FIRST")
    b = dmn([rows[0], ['"골드"', "3"], rows[1]], policy="FIRST", key="2")
    conflicts = [each.witness for each in report(documents(a, b)).findings if each.relation is Relation.CONFLICT]
    # Only gold is decided otherwise: 5 there, 3 here.
    assert conflicts == [{"고객 등급": '"골드"'}]


def test_contradictory_sentences_about_one_thing_are_at_odds_and_others_are_not():
    rules = [("VIP 고객", "배송비를 면제한다"), ("VIP 고객", "배송비를 두 배로 받는다"), ("VIP 고객", "먼저 답한다")]
    found = report(documents(*(new_document(f"규칙 {n}", *parts) for n, parts in enumerate(rules))))
    assert [(each.rule.document, each.other.document) for each in found.findings] == [("row-0", "row-1")]


def test_the_same_documents_in_another_order_have_the_same_relations():
    random = Random(7)
    rows = [[random.choice(['"a"', '"b"', 'not("a")', "-"]), f"> {random.randrange(5)}", "0"] for _ in range(40)]
    rows = [[*row[:2], str(random.randrange(3))] for row in rows]
    xmls = [dmn([row], inputs=BOTH, key=str(number)) for number, row in enumerate(rows)]
    counts = []
    for _ in range(3):
        # Which of two equal ones is kept is a matter of order, so only one of each is looked at.
        once = list({row[0] + row[1] + row[2]: xml for row, xml in zip(rows, xmls, strict=True)}.values())
        random.shuffle(once)
        counts.append(report(documents(*once)).counts)
    assert counts[0] == counts[1] == counts[2]
    assert counts[0]["conflict"] > 0


def test_pairs_are_found_without_trying_all_and_are_all_found():
    random = Random(3)
    rows = []
    for number in range(400):
        low = random.randrange(2000)
        rows.append([f'"g{random.randrange(20)}"', f"[{low}..{low + 30}]", str(number)])
    found = report([read(dmn(rows, inputs=BOTH))])
    table = read(dmn(rows, inputs=BOTH)).tables[0]
    expected = sum(
        relate(a, table, b, table).relation is Relation.CONFLICT
        for at, a in enumerate(table.rules)
        for b in table.rules[at + 1 :]
    )
    assert found.counts == {"conflict": expected}
    assert found.pairs_compared < 400 * 399 / 2 / 10
    assert not found.limited


def test_a_limit_that_is_met_is_told():
    rows = [[f"> {number}", str(number)] for number in range(100)]
    found = report([read(dmn(rows, inputs=("amount",)))], pairs_max=50)
    assert found.limited
    assert (found.pairs_compared, found.pairs_skipped) == (50, 100 * 99 // 2 - 50)


@pytest.mark.parametrize(
    ("row", "korean", "english"),
    [
        (['"VIP"', "-", "0"], '고객 등급이 "VIP"이면 배송비 = 0', 'If 고객 등급 is "VIP", then 배송비 = 0'),
        (
            ['"VIP","골드"', "[1..5)", '"무료"'],
            '고객 등급이 "VIP" 또는 "골드"이고 amount이(가) 1 이상 5 미만이면 배송비 = "무료"',
            'If 고객 등급 is "VIP" or "골드" and amount is at least 1 and less than 5, then 배송비 = "무료"',
        ),
        (
            ['not("VIP")', "< 1, > 5", ""],
            '고객 등급이 "VIP" 외의 값이고 amount이(가) 1 미만 또는 5 초과이면 배송비 = 빈 값',
            'If 고객 등급 is other than "VIP" and amount is less than 1 or more than 5, then 배송비 = empty',
        ),
        (["-", "-", "a + 1"], "항상 배송비 = a + 1", "Always 배송비 = a + 1"),
        (
            ["f(x)", '>= date("2026-01-01")', "0"],
            '고객 등급이 f ( x ) 조건에 맞는 값이고 amount이(가) date("2026-01-01") 이상이면 배송비 = 0',
            'If 고객 등급 is what passes f ( x ) and amount is at least date("2026-01-01"), then 배송비 = 0',
        ),
    ],
)
def test_a_rule_as_a_sentence(row, korean, english):
    table = read(dmn([row], inputs=BOTH)).tables[0]
    assert sentence(table.rules[0], table, "ko") == korean
    assert sentence(table.rules[0], table, "en") == english


def test_a_document_in_words():
    document = read(dmn([[f'"{number}"', "0"] for number in range(103)], policy="FIRST", name="배송비 결정"))
    lines = describe(document, "ko").splitlines()
    assert lines[:3] == ["rules 1", "배송비 결정 (FIRST, 규칙 103개)", '- 고객 등급이 "0"이면 배송비 = 0']
    assert lines[-1] == "… 외 규칙 3개"
