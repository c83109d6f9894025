"""Rules as sentences that a person reads, in Korean or English."""

from collections.abc import Iterator

from dure.apps.knowledge.dmn.canonical import Condition, Conditions, conditions, outcome
from dure.apps.knowledge.dmn.feel import literal
from dure.apps.knowledge.dmn.literals import written
from dure.apps.knowledge.dmn.model import Document, Input, Output, Rule, Table
from dure.apps.knowledge.dmn.values import BOUNDS, HIGHEST, LOWEST, NOT_NULL, WHOLE, Cut, Kind, Span, Values
from dure.apps.knowledge.dmn.writing import CONSEQUENCE, SITUATION, ends_clause
from dure.lang import default, say

RULES_SHOWN_MAX = 100
CHOICES_SHOWN_MAX = 20


def sentence(rule: Rule, table: Table, lang: str | None = None) -> str:
    """Answer a rule as a sentence. Example: `고객 등급이 "VIP"이면 배송비 = 0`.

    Example: `sentence(table.rules[0], table, "ko")`.
    """
    lang = lang or default()
    asked = conditions(rule, table)
    taken = _taken_over(rule, table, asked, lang)
    if taken:
        return taken
    columns = {each.key: each for each in reversed(table.inputs)}
    parts = [_condition(columns[key], asked[key], lang) for key in columns if key in asked]
    decided = [_outcome(*each, lang) for each in zip(table.outputs, rule.outcomes, strict=True)]
    then = _say("list", lang).join(decided)
    if not parts:
        return _say("always", lang, outcomes=then)
    return _say("if_then", lang, conditions=_say("and", lang).join(reversed(parts)), outcomes=then)


def describe(document: Document, lang: str | None = None) -> str:
    """Answer what a document decides, a line for each decision and each rule.

    Example: `print(describe(read(xml), "ko"))`.
    """
    return "\n".join(_lines(document, lang or default()))


def _lines(document: Document, lang: str) -> Iterator[str]:
    if document.name:
        yield document.name
    for decision in document.decisions:
        name = decision.name or decision.id
        if decision.table is None:
            yield _say("other_decision", lang, name=name)
            continue
        table = decision.table
        policy = f"{table.hit_policy} {table.aggregation}".strip()
        yield _say("decision", lang, name=name, policy=policy, count=len(table.rules))
        yield from (f"- {sentence(rule, table, lang)}" for rule in table.rules[:RULES_SHOWN_MAX])
        if len(table.rules) > RULES_SHOWN_MAX:
            yield _say("more_rules", lang, count=len(table.rules) - RULES_SHOWN_MAX)


def _taken_over(rule: Rule, table: Table, asked: Conditions, lang: str) -> str:
    """Answer the sentence that `new_document` made a rule of, in its own words; empty for other rules."""
    found = literal(rule.outcomes[0]) if len(rule.outcomes) == 1 else None
    if len(asked) != 1 or not asked.keys() <= {*SITUATION.values()} or not found or found[0] is not Kind.STRING:
        return ""
    (condition,) = asked.values()
    if len(condition.values.names) != 1 or condition.values.negated or condition.opaque:
        return ""
    (when,), name, then = condition.values.names, table.outputs[0].name, str(found[1])
    if name not in CONSEQUENCE.values():
        then = f"{_with_particle(name, 'ko', '을', '를')} {then}"
    return _say("clause" if ends_clause(when) else "if_then", lang, conditions=when, outcomes=then)


def _condition(asked: Input, condition: Condition, lang: str) -> str:
    name = asked.label or asked.expression
    values = condition.values
    subject = _with_particle(name, lang, "이", "가")
    parts = [] if condition.opaque and values.every and values.null else [_values(values, lang)]
    parts += [_say("passes", lang, test=test) for test in sorted(condition.opaque)]
    return _say("is", lang, subject=subject, value=_say("both", lang).join(parts))


def _outcome(decided: Output, text: str, lang: str) -> str:
    if outcome(text).text == "null":
        value = _say("nothing", lang)
    else:
        found = literal(text)
        value = written(*found) if found else " ".join(text.split())
    return _say("becomes", lang, name=decided.label or decided.name, value=value)


def _values(values: Values, lang: str) -> str:
    if values == NOT_NULL:
        return _say("anything", lang)
    choices = list(_choices(values, lang))
    shown = choices[:CHOICES_SHOWN_MAX]
    if len(choices) > CHOICES_SHOWN_MAX:
        shown.append(_say("more_choices", lang, count=len(choices) - CHOICES_SHOWN_MAX))
    said = _say("or", lang).join(shown)
    return _say("other_than", lang, values=said) if values.negated else said


def _choices(values: Values, lang: str) -> Iterator[str]:
    kind = values.kind
    for name in sorted(values.names):
        assert kind is not None
        yield _say(name, lang) if kind is Kind.BOOLEAN else written(kind, name)
    for span in values.spans:
        assert kind is not None
        yield _span(kind, span, lang)
    if values.null and not values.negated:
        yield _say("nothing", lang)


def _span(kind: Kind, span: Span, lang: str) -> str:
    low, high = span
    first, last = BOUNDS.get(kind, (LOWEST, HIGHEST))
    step = 1 if kind in WHOLE else 0
    if low[1] == high[1] - step and low[0] == high[0] == 0 and (step or (low[2], high[2]) == (0, 1)):
        return written(kind, low[1])
    ends = []
    if low != first and low[0] == 0:
        ends.append(_say("above" if low[2] else "from", lang, value=written(kind, low[1])))
    if high != last and high[0] == 0:
        ends.append(_end(kind, high, step, lang))
    return _say("span", lang).join(ends) if ends else _say("anything", lang)


def _end(kind: Kind, high: Cut, step: int, lang: str) -> str:
    if step:
        return _say("to", lang, value=written(kind, high[1] - step))
    return _say("to" if high[2] else "below", lang, value=written(kind, high[1]))


def _with_particle(name: str, lang: str, after_consonant: str, after_vowel: str) -> str:
    """Answer a name with its Korean particle, which depends on its last sound."""
    if lang != "ko" or not name:
        return name
    last = name[-1]
    if "가" <= last <= "힣":
        return name + (after_consonant if (ord(last) - ord("가")) % 28 else after_vowel)
    return f"{name}{after_consonant}({after_vowel})"


def _say(key: str, lang: str, **params: object) -> str:
    return say(f"knowledge.rules.{key}", lang, **params)
