"""A DMN document, from its XML. Any namespace of DMN 1.1 to 1.5, with any prefix, reads the same."""

import json
import re
from hashlib import sha256

from dure.apps.knowledge.dmn.feel import normal
from dure.apps.knowledge.dmn.model import Aggregation, Decision, Document, HitPolicy, Input, Output, Rule, Table
from dure.apps.knowledge.dmn.tree import Element, Unreadable, parse

EXPRESSIONS = [
    "literalExpression",
    "context",
    "invocation",
    "list",
    "relation",
    "functionDefinition",
    "conditional",
    "for",
    "every",
    "some",
    "filter",
]
OTHERS = ("import", "itemDefinition", "businessKnowledgeModel", "decisionService")
"""What decides beside the decisions; inputs, layout and annotations do not."""
WORDLESS = frozenset({"description", "extensionElements", "question", "allowedAnswers", "documentation"})
NAMELESS = frozenset({"id", "label"})

POLICIES = {policy[0]: policy for policy in HitPolicy}
AGGREGATIONS = {"+": Aggregation.SUM, "#": Aggregation.COUNT, "<": Aggregation.MIN, ">": Aggregation.MAX}
VAGUE_INPUT = re.compile(r"(?:in|inputs?|value|x|입력|값)[ _-]?\d*", re.IGNORECASE)
VAGUE_OUTPUT = re.compile(
    r"(?:out|outputs?|results?|outcome|decision|value|결과|출력|값|결정|판정|결론|답)[ _-]?\d*", re.IGNORECASE
)
"""Names that say nothing of what is decided: alone they make two tables neither equal nor contradictory."""


def read(xml: str, *, key: str = "") -> Document:
    """Answer what a document says; `Unreadable` says why it cannot be read, and nothing else is raised.

    Example: `read(row.bpmn, key=row.id).tables`.
    """
    root = parse(xml)
    if root.tag != "definitions":
        raise Unreadable("not_dmn", root=root.tag)
    names = _names(root)
    language = root.attributes.get("expressionLanguage", "")
    decisions = tuple(_decision(element, names, language) for element in root.all("decision"))
    if not decisions:
        raise Unreadable("no_decisions")
    others = sorted(_digest(child, names) for child in root.children if child.tag in OTHERS)
    id = root.attributes.get("id", "")
    name = root.attributes.get("name", "")
    return Document(key or id or name, id, name, decisions, root.inside("description"), tuple(others))


def _decision(element: Element, names: dict[str, str], language: str) -> Decision:
    name = element.attributes.get("name", "") or element.attributes.get("label", "")
    table = element.first("decisionTable")
    variable = element.first("variable")
    decided = (variable.attributes.get("name", "") if variable else "") or name
    expression = next((child for child in element.children if child.tag in EXPRESSIONS), None)
    needed = [wanted for need in element.all("informationRequirement") for wanted in need.all("requiredDecision")]
    return Decision(
        id=element.attributes.get("id", ""),
        name=name,
        table=_table(table, decided, language) if table else None,
        opaque="" if table or not expression else _digest(expression, names),
        needs=tuple(sorted(_target(wanted.attributes.get("href", ""), names) for wanted in needed)),
        description=element.inside("description"),
    )


def _table(element: Element, decided: str, language: str) -> Table:
    language = element.attributes.get("expressionLanguage", language)
    inputs = tuple(_input(each) for each in element.all("input"))
    outputs = _apart([_output(each, decided) for each in element.all("output")])
    rules = tuple(
        _rule(each, position, (len(inputs), len(outputs)), language)
        for position, each in enumerate(element.all("rule"))
    )
    return Table(inputs, outputs, rules, _policy(element), _aggregation(element))


def _policy(element: Element) -> HitPolicy:
    given = element.attributes.get("hitPolicy", "").strip().upper().replace("_", " ") or HitPolicy.UNIQUE
    try:
        return HitPolicy(POLICIES.get(given, given))
    except ValueError:
        raise Unreadable("unknown_hit_policy", policy=given) from None


def _aggregation(element: Element) -> Aggregation:
    given = element.attributes.get("aggregation", "").strip().upper()
    try:
        return AGGREGATIONS.get(given) or Aggregation(given)
    except ValueError:
        raise Unreadable("unknown_hit_policy", policy=given) from None


def _input(element: Element) -> Input:
    asked = element.first("inputExpression")
    expression = asked.inside("text") if asked else ""
    label = _one_line(element.attributes.get("label", ""))
    type = asked.attributes.get("typeRef", "") if asked else ""
    allowed = element.first("inputValues")
    key = normal(expression) or normal(label)
    if VAGUE_INPUT.fullmatch(key) and label:
        key = f"{key} | {normal(label)}"
    return Input(key, expression, label, _local(type), allowed.inside("text") if allowed else "")


def _output(element: Element, decided: str) -> Output:
    name = _one_line(element.attributes.get("name", ""))
    label = _one_line(element.attributes.get("label", ""))
    values, default = element.first("outputValues"), element.first("defaultOutputEntry")
    key = normal(name) or normal(label)
    if not key or VAGUE_OUTPUT.fullmatch(key):
        key = " | ".join(dict.fromkeys(part for part in (key, normal(label), normal(decided)) if part))
    return Output(
        key=key,
        name=name or label or decided,
        label=label,
        type=_local(element.attributes.get("typeRef", "")),
        values=tuple(_items(values.inside("text"))) if values else (),
        default=default.inside("text") if default else "",
    )


def _apart(outputs: list[Output]) -> tuple[Output, ...]:
    """Answer the outputs; two of one name, which no engine can tell apart, are refused."""
    keys = [output.key for output in outputs]
    if len(set(keys)) < len(keys):
        raise Unreadable("same_output_twice", name=next(key for key in keys if keys.count(key) > 1))
    if not keys:
        raise Unreadable("no_outputs")
    return tuple(outputs)


def _rule(element: Element, position: int, columns: tuple[int, int], language: str) -> Rule:
    conditions, outcomes = element.all("inputEntry"), element.all("outputEntry")
    if (len(conditions), len(outcomes)) != columns:
        found = f"{len(conditions)} + {len(outcomes)}"
        raise Unreadable("uneven_rule", rule=position + 1, found=found, expected=f"{columns[0]} + {columns[1]}")
    entries = conditions + outcomes
    foreign = {
        column
        for column, entry in enumerate(entries)
        if not _is_feel(entry.attributes.get("expressionLanguage", language))
    }
    return Rule(
        id=element.attributes.get("id", ""),
        position=position,
        conditions=tuple(entry.inside("text") for entry in conditions),
        outcomes=tuple(entry.inside("text") for entry in outcomes),
        annotations=tuple(entry.inside("text") for entry in element.all("annotationEntry")),
        description=element.inside("description"),
        foreign=frozenset(foreign),
    )


def _is_feel(language: str) -> bool:
    return not language or language.strip().rstrip("/").lower().endswith("feel")


def _items(text: str) -> list[str]:
    """Answer the parts of a list of literals; a comma inside a string or brackets parts nothing."""
    parts, depth = [""], 0
    for word in re.findall(r'"(?:[^"\\]|\\.)*"|[^"]', text):
        depth += (word in "([{") - (word in ")]}") if len(word) == 1 else 0
        if word == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += word
    return [part.strip() for part in parts if part.strip()]


def _names(root: Element) -> dict[str, str]:
    """Answer the name of each id, so that references say what they mean whatever the ids are."""
    return {child.attributes.get("id", ""): child.attributes.get("name", "") for child in root.children}


def _target(href: str, names: dict[str, str]) -> str:
    id = href.rpartition("#")[2]
    return names.get(id, id)


def _digest(element: Element, names: dict[str, str]) -> str:
    text = json.dumps(_plain(element, names), ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:32]


def _plain(element: Element, names: dict[str, str]) -> list[object]:
    attributes = {
        name: _target(value, names) if name == "href" else _local(value) if name == "typeRef" else value
        for name, value in sorted(element.attributes.items())
        if name not in NAMELESS and ":" not in name and not name.startswith("xmlns")
    }
    children = [_plain(child, names) for child in element.children if child.tag not in WORDLESS]
    return [element.tag, attributes, normal(element.text), children]


def _local(name: str) -> str:
    return name.strip().rpartition(":")[2]


def _one_line(text: str) -> str:
    return " ".join(text.split())
