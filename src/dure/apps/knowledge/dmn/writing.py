"""A small DMN document from one if-then sentence; the same sentence gives the same bytes."""

import re
from hashlib import sha256

from dure.apps.knowledge.dmn.editing import attribute, escaped
from dure.apps.knowledge.dmn.literals import quoted
from dure.apps.knowledge.dmn.tree import Unchangeable

SENTENCE_CHARS_MAX = 10_000
NAME_CHARS_MAX = 100
ID_CHARS = 16
MODEL = "https://www.omg.org/spec/DMN/20191111/MODEL/"
NAMESPACE = "urn:dure:rules"

SITUATION = {"ko": "조건", "en": "condition"}
"""What the input of such a document is called; its value is the condition in the sentence's own words."""
CONSEQUENCE = {"ko": "결과", "en": "result"}

OPENINGS = frozenset(["만약", "만약에", "만일", "만일에", "혹시"])
CLAUSE_ENDS = ("면", "경우", "경우에", "경우에는", "경우엔", "때", "때는", "때에는", "땐")
NOT_ENDS = frozenset(
    {
        *("화면", "표면", "측면", "반면", "전면", "장면", "국면", "수면", "정면", "평면", "후면", "단면"),
        *("외면", "비대면", "서면", "양면", "도면", "방면", "벽면", "라면", "컵라면", "냉면", "그러면", "그때", "이때"),
    }
)
"""Words that look like the end of a condition and are none."""
COPULA = "이면"
SEVERAL = re.compile(r"[.!?]\s")
ENGLISH = re.compile(
    r"^(?:if|when|whenever|in case)\s+(?P<condition>.+?)(?:\s*,\s*(?:then\s+)?|\s+then\s+)(?P<outcome>.+)$",
    re.IGNORECASE | re.DOTALL,
)
DECIDED = re.compile(r"^(?P<what>[가-힣A-Za-z0-9 ]{1,40}?)(?:을|를)\s+(?P<how>\S.*)$", re.DOTALL)
"""`배송비를 면제한다`: what is decided, and how."""
HANGUL = re.compile("[가-힣]")


def if_then(sentence: str) -> tuple[str, str] | None:
    """Answer the condition and the outcome of an if-then sentence in Korean or English, or None for another one.

    Example: `if_then("만약 VIP 고객이면 배송비를 면제한다") == ("VIP 고객", "배송비를 면제한다")`.
    """
    text = " ".join(sentence.split())
    if len(text) > SENTENCE_CHARS_MAX or SEVERAL.search(text):
        return None
    if not HANGUL.search(text):
        found = ENGLISH.match(text.rstrip(" .!"))
        return (found["condition"], found["outcome"]) if found else None
    words = text.rstrip(" .!").split()
    while words and words[0].rstrip(",") in OPENINGS:
        words = words[1:]
    for at, word in enumerate(words[:-1], start=1):
        # At the beginning 아니면 is "or", not "if not".
        if ends_clause(word) and (at > 1 or word != "아니면"):
            condition = " ".join(words[:at]).rstrip(",").removesuffix(COPULA).strip()
            return (condition, " ".join(words[at:])) if condition else None
    return None


def ends_clause(text: str) -> bool:
    """Answer whether a Korean text ends as a condition does. Example: `ends_clause("재고가 없으면")`."""
    last = text.rstrip(",").rpartition(" ")[2]
    return last.endswith(CLAUSE_ENDS) and last not in NOT_ENDS and last != "면"


def new_document(name: str, condition: str, outcome: str, *, sentence: str = "", lang: str = "") -> str:
    """Answer a DMN 1.3 document with one input, one output and one rule.

    `sentence` is kept as the description of the document and of the rule. The words are kept as they are; in an
    outcome such as `배송비를 면제한다` the object becomes the output, so that two rules about it can be compared.
    Example: `new_document("VIP 배송비", "VIP 고객", "배송비를 면제한다", sentence="만약 VIP 고객이면 …")`.
    """
    condition, outcome = " ".join(condition.split()), " ".join(outcome.split())
    if not condition or not outcome:
        raise Unchangeable("nothing_to_write")
    if len(condition) + len(outcome) + len(sentence) + len(name) > SENTENCE_CHARS_MAX:
        raise Unchangeable("too_long", max=SENTENCE_CHARS_MAX)
    lang = lang or ("ko" if HANGUL.search(condition + outcome) else "en")
    asked = SITUATION[lang]
    decided, value = _decided(outcome, lang)
    # "A result" says nothing of what is decided; the variable's name keeps such rules apart.
    variable = outcome[:NAME_CHARS_MAX] if decided == CONSEQUENCE[lang] else decided
    seed = "\x1f".join((name, condition, outcome, sentence, lang))
    id = sha256(seed.encode("utf-8", "replace")).hexdigest()[:ID_CHARS]
    said = f"<description>{escaped(sentence)}</description>" if sentence else ""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<definitions xmlns="{MODEL}" id="Definitions_{id}" name={attribute(name)} namespace="{NAMESPACE}">',
        f"  {said}",
        f'  <decision id="Decision_{id}" name={attribute(name)}>',
        f'    <variable id="Variable_{id}" name={attribute(variable)} typeRef="string"/>',
        f'    <informationRequirement id="Requirement_{id}">',
        f'      <requiredInput href="#Input_{id}"/>',
        "    </informationRequirement>",
        f'    <decisionTable id="Table_{id}" hitPolicy="UNIQUE">',
        f'      <input id="InputClause_{id}" label={attribute(asked)}>',
        f'        <inputExpression id="InputExpression_{id}" typeRef="string">',
        f"          <text>{escaped(asked)}</text>",
        "        </inputExpression>",
        "      </input>",
        f'      <output id="Output_{id}" label={attribute(decided)} name={attribute(decided)} typeRef="string"/>',
        f'      <rule id="Rule_{id}">',
        f"        {said}",
        f'        <inputEntry id="InputEntry_{id}">',
        f"          <text>{escaped(quoted(condition))}</text>",
        "        </inputEntry>",
        f'        <outputEntry id="OutputEntry_{id}">',
        f"          <text>{escaped(quoted(value))}</text>",
        "        </outputEntry>",
        "      </rule>",
        "    </decisionTable>",
        "  </decision>",
        f'  <inputData id="Input_{id}" name={attribute(asked)}>',
        f'    <variable id="InputVariable_{id}" name={attribute(asked)} typeRef="string"/>',
        "  </inputData>",
        "</definitions>",
    ]
    return "\n".join(line for line in lines if line.strip()) + "\n"


def _decided(outcome: str, lang: str) -> tuple[str, str]:
    """Answer the output and its value; an outcome without an object is a result of its own."""
    found = DECIDED.match(outcome) if lang == "ko" else None
    return (found["what"].strip(), found["how"]) if found else (CONSEQUENCE[lang], outcome)
