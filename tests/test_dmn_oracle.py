"""What is said of random tables, beside what trying every input of a small world says."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmn_tables import random_table
from dure.apps.knowledge.dmn import (
    Relation,
    content,
    document_fingerprint,
    fingerprint,
    read,
    relate,
    report,
    table_fingerprint,
    without_rule,
)
from dure.apps.knowledge.dmn.canonical import conditions
from dure.apps.knowledge.dmn.feel import parse
from dure.apps.knowledge.dmn.relating import fits

pytestmark = pytest.mark.own_server

TABLES_AN_EXAMPLE = 20
SEEDS = st.integers(min_value=0, max_value=2**32)
BOUNDED = settings(max_examples=40, deadline=None)


def tables(seed, **shape):
    random = Random(seed)
    for _ in range(TABLES_AN_EXAMPLE):
        yield random, random_table(random, **shape)


@BOUNDED
@given(SEEDS)
def test_relations_are_what_every_input_says(seed):
    for random, made in tables(seed):
        table = read(made.xml(random)).tables[0]
        for first in range(len(made.rules)):
            for second in range(first + 1, len(made.rules)):
                check_relation(made, table, first, second)


def check_relation(made, table, first, second):
    a, b = made.rules[first], made.rules[second]
    fired = [{values for values in made.every_input() if made.fires(rule, values)} for rule in (a, b)]
    related = relate(table.rules[first], table, table.rules[second], table)
    both = fired[0] & fired[1]
    said = (made, first, second, related)
    assert (related.relation is Relation.DISJOINT) == (not both), said
    assert (related.relation is Relation.DUPLICATE) == (fired[0] == fired[1] and a[1] == b[1]), said
    assert related.relation is not Relation.UNKNOWN, said
    if both:
        witness = related.witness
        assert fits(conditions(table.rules[first], table), witness), said
        assert fits(conditions(table.rules[second], table), witness), said
    unsettled = [values for values in both if isinstance(made.decide(values, [a, b]), set) and a[1] != b[1]]
    assert (related.relation is Relation.CONFLICT) == bool(unsettled), said
    if related.narrower is not None:
        narrower, wider = (fired[0], fired[1]) if related.narrower == 0 else (fired[1], fired[0])
        kept = b if related.narrower == 0 else a
        assert narrower <= wider, said
        changed = [v for v in made.every_input() if made.decide(v, [a, b]) != made.decide(v, [kept])]
        assert (related.relation is Relation.SUBSUMED) == (not changed), said


@BOUNDED
@given(SEEDS)
def test_two_rules_say_the_same_exactly_when_every_input_says_so(seed):
    for random, made in tables(seed, rules=4, inputs=1):
        table = read(made.xml(random)).tables[0]
        for one, rule in zip(made.rules, table.rules, strict=True):
            for other, again in zip(made.rules, table.rules, strict=True):
                fired = [[made.fires(each, values) for values in made.every_input()] for each in (one, other)]
                same = fired[0] == fired[1] and one[1] == other[1]
                assert (content(rule, table) == content(again, table)) == same
                assert (fingerprint(rule, table) == fingerprint(again, table)) == same


@BOUNDED
@given(SEEDS)
def test_a_table_written_otherwise_is_the_same_and_a_changed_one_only_if_it_decides_the_same(seed):
    for random, made in tables(seed, inputs=3):
        document, again = read(made.xml(random)), read(made.xml(random, key="2", shuffled=True))
        assert table_fingerprint(document.tables[0]) == table_fingerprint(again.tables[0])
        assert document_fingerprint(document) == document_fingerprint(again)
        changed = type(made)(made.inputs, list(made.rules), made.policy, made.aggregation)
        at = random.randrange(len(made.rules))
        changed.rules[at] = random.choice(made.rules)
        if table_fingerprint(read(changed.xml(random)).tables[0]) == table_fingerprint(document.tables[0]):
            assert all(made.decide(values) == changed.decide(values) for values in made.every_input())


@BOUNDED
@given(SEEDS)
def test_deleting_what_is_certainly_a_duplicate_changes_no_decision(seed):
    for random, made in tables(seed, rules=4):
        xml = made.xml(random)
        found = report([read(xml)])
        certain = [each.rule.rule for each in found.duplicates if each.certain]
        for position in sorted(certain, reverse=True):
            xml = without_rule(xml, position)
        left = [rule for position, rule in enumerate(made.rules) if position not in certain]
        assert len(read(xml).tables[0].rules) == len(left)
        assert all(made.decide(values) == made.decide(values, left) for values in made.every_input())


@BOUNDED
@given(SEEDS)
def test_a_copy_decides_nothing_that_the_kept_document_does_not(seed):
    for random, made in tables(seed):
        part = type(made)(made.inputs, random.sample(made.rules, 1), made.policy, made.aggregation)
        found = report([read(made.xml(random)), read(part.xml(random, key="2"))])
        for copy in found.copies:
            kept, gone = (made, part) if copy.kept_index == 0 else (part, made)
            for values in gone.every_input():
                decided = gone.decide(values)
                assert decided is None or decided == kept.decide(values)
            if copy.whole:
                assert all(made.decide(values) == part.decide(values) for values in made.every_input())


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='[](),.<>=!?"-+ andornotullfasei0159@가\\', max_size=30))
def test_no_text_breaks_the_reading_of_a_test(text):
    values = parse(text)
    assert values is None or not values.empty
