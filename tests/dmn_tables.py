"""Decision tables for tests: written as XML, made at random, and decided by trying every input."""

from dataclasses import dataclass
from itertools import product
from random import Random
from xml.sax.saxutils import escape, quoteattr

NUMBERS = [None, *(n / 2 for n in range(-2, 12))]
STRINGS = [None, "a", "b", "c", "else"]
BOOLEANS = [None, True, False]
GRID = {"amount": NUMBERS, "고객 등급": STRINGS, "member": BOOLEANS}
TYPES = {"amount": "number", "고객 등급": "string", "member": "boolean"}


def dmn(
    rules,
    *,
    inputs=("고객 등급",),
    outputs=("배송비",),
    policy="UNIQUE",
    aggregation="",
    values="",
    name="배송비",
    key="1",
    prefix="",
    version="https://www.omg.org/spec/DMN/20191111/MODEL/",
    ids=True,
):
    """A document of one table; a rule is its conditions and then its outcomes."""
    p = f"{prefix}:" if prefix else ""
    xmlns = f"xmlns:{prefix}" if prefix else "xmlns"

    def entry(tag, text):
        return f"          <{p}{tag}><{p}text>{escape(text)}</{p}text></{p}{tag}>"

    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f'<{p}definitions {xmlns}="{version}" id="d{key}" name="rules {key}" namespace="urn:test">')
    lines.append(f'  <{p}decision id="decision{key}" name={quoteattr(name)}>')
    added = f' aggregation="{aggregation}"' if aggregation else ""
    lines.append(f'    <{p}decisionTable hitPolicy="{policy}"{added}>')
    for each in inputs:
        said = f'<{p}inputExpression typeRef="{TYPES.get(each, "string")}"><{p}text>{escape(each)}</{p}text>'
        lines.append(f"      <{p}input>{said}</{p}inputExpression></{p}input>")
    for each in outputs:
        weighed = f"<{p}outputValues><{p}text>{escape(values)}</{p}text></{p}outputValues>" if values else ""
        lines.append(f"      <{p}output name={quoteattr(each)}>{weighed}</{p}output>")
    for number, rule in enumerate(rules):
        id = f' id="rule{key}_{number}"' if ids else ""
        lines.append(f"      <{p}rule{id}>")
        lines += [entry("inputEntry", text) for text in rule[: len(inputs)]]
        lines += [entry("outputEntry", text) for text in rule[len(inputs) :]]
        lines.append(f"      </{p}rule>")
    lines += [f"    </{p}decisionTable>", f"  </{p}decision>", f"</{p}definitions>", ""]
    return "\n".join(lines)


@dataclass(frozen=True)
class Cell:
    """A test, as a tree of plain tuples, so that it is decided here without any reading."""

    tests: tuple = ()
    negated: bool = False

    def passes(self, value):
        if not self.tests:
            return True
        said = [judge(test, value) for test in self.tests]
        anyhow = True if True in said else (None if None in said else False)
        return anyhow is (not self.negated)

    def text(self, random):
        if not self.tests:
            return random.choice(["-", ""])
        tests = list(self.tests)
        random.shuffle(tests)
        text = random.choice([",", ", ", " ,\n"]).join(written(test, random) for test in tests)
        return f"not({text})" if self.negated else text


def judge(test, value):
    """FEEL's three answers: a comparison with null is neither true nor false."""
    match test:
        case ("is", wanted):
            return value == wanted if value is not None or wanted is None else False
        case ("below", high, closed):
            return None if value is None else (value <= high if closed else value < high)
        case ("above", low, closed):
            return None if value is None else (value >= low if closed else value > low)
        case ("both", first, second):
            return None if value is None else judge(first, value) and judge(second, value)


def written(test, random):
    space = random.choice(["", " "])
    match test:
        case ("is", None):
            return "null"
        case ("is", bool(value)):
            return "true" if value else "false"
        case ("is", str(value)):
            return random.choice([f'"{value}"', f'= "{value}"'])
        case ("is", value):
            return random.choice([f"{value}", f"{value}.0", f"= {value}"])
        case ("below", high, closed):
            return f"{random.choice(['', '? '])}<{'=' if closed else ''}{space}{high}"
        case ("above", low, closed):
            return f"{random.choice(['', '? '])}>{'=' if closed else ''}{space}{low}"
        case ("both", (_, low, from_closed), (_, high, to_closed)):
            opening = "[" if from_closed else random.choice("(]")
            closing = "]" if to_closed else random.choice(")[")
            split = f"{written(test[1], random)} and {written(test[2], random)}"
            return random.choice([f"{opening}{low}{space}..{space}{high}{closing}", split])


def random_cell(key, random):
    if random.random() < 0.25:
        return Cell()
    make = {"amount": _number, "고객 등급": _string, "member": _boolean}[key]
    cell = Cell(tuple(make(random) for _ in range(random.choice([1, 1, 1, 2, 3]))), random.random() < 0.2)
    # A test that nothing passes is no set; what it means is not compared.
    return cell if any(cell.passes(value) for value in GRID[key]) else Cell()


def _number(random):
    low, high = sorted(random.sample(range(5), 2))
    closed, other = random.random() < 0.5, random.random() < 0.5
    return random.choice(
        [
            ("is", low),
            ("below", low, closed),
            ("above", low, closed),
            ("both", ("above", low, closed), ("below", high, other)),
        ]
    )


def _string(random):
    return ("is", random.choice(["a", "b", "c", "a", "b", None]))


def _boolean(random):
    return ("is", random.choice([True, False]))


@dataclass
class Made:
    """A table made at random: its rules as trees, and how it was written."""

    inputs: list
    rules: list
    policy: str
    aggregation: str

    def xml(self, random, *, key="1", shuffled=False):
        """Write it; `shuffled` changes the order of inputs, and of rules where that means nothing."""
        columns = list(range(len(self.inputs)))
        rules = list(self.rules)
        if shuffled:
            random.shuffle(columns)
            if self.policy not in ("FIRST", "RULE ORDER"):
                random.shuffle(rules)
        rows = [[*(cells[column].text(random) for column in columns), str(outcome)] for cells, outcome in rules]
        return dmn(
            rows,
            inputs=[self.inputs[column] for column in columns],
            policy=self.policy,
            aggregation=self.aggregation,
            values="3, 1, 0" if self.policy in ("PRIORITY", "OUTPUT ORDER") else "",
            key=key,
        )

    def every_input(self):
        return product(*(GRID[key] for key in self.inputs))

    def fires(self, rule, values):
        return all(cell.passes(value) for cell, value in zip(rule[0], values, strict=True))

    def decide(self, values, rules=None):
        """What the table answers: one outcome, a list, or all the outcomes between which nothing decides."""
        hits = [rule[1] for rule in (self.rules if rules is None else rules) if self.fires(rule, values)]
        if not hits:
            return None
        return ANSWERS.get(self.aggregation or self.policy, set)(hits)


WEIGHTS = [3, 1, 0]
ANSWERS = {
    "FIRST": lambda hits: hits[0],
    "PRIORITY": lambda hits: min(hits, key=WEIGHTS.index),
    "OUTPUT ORDER": lambda hits: sorted(hits, key=WEIGHTS.index),
    "RULE ORDER": list,
    "COLLECT": sorted,
    "SUM": sum,
    "COUNT": len,
    "MIN": min,
    "MAX": max,
}
POLICIES = [
    ("UNIQUE", ""),
    ("ANY", ""),
    ("FIRST", ""),
    ("PRIORITY", ""),
    ("RULE ORDER", ""),
    ("OUTPUT ORDER", ""),
    *(("COLLECT", each) for each in ("", "SUM", "COUNT", "MIN", "MAX")),
]


def random_table(random: Random, rules: int = 3, inputs: int = 2) -> Made:
    keys = random.sample(sorted(GRID), inputs)
    policy, aggregation = random.choice(POLICIES)
    made = [([random_cell(key, random) for key in keys], random.choice([0, 1, 3])) for _ in range(rules)]
    if random.random() < 0.4:
        made.append(random.choice(made))
    return Made(keys, made, policy, aggregation)
