"""Whether a record is in the wrong store: an if-then belongs among the rules, steps among the skills, a taste among the
memories.

Precise before complete: what is not plainly one of the three stays where it is, and no answer is ever a guess about
what the text means. A condition inside a preference ("I like tea when it rains") is a preference.
"""

import re
from dataclasses import dataclass

from dure.apps.knowledge.finding import patterns
from dure.apps.knowledge.finding.model import TEXT_CHARS_MAX, StoreName
from dure.apps.knowledge.finding.texts import compatible

STEPS_MIN = 3
TITLE_CHARS_MAX = 64
RULE_CHARS_MAX = 400
MEMORY_CHARS_MAX = 400


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a record belongs, how sure that is, and its parts as the other store wants them."""

    target: StoreName
    confidence: float
    reason: str
    """A key in `[knowledge.reasons]`."""
    condition: str = ""
    outcome: str = ""
    title: str = ""
    steps: tuple[str, ...] = ()


def place(text: str, store: StoreName) -> Placement | None:
    """Answer where a record of `store` belongs, or None when it is well where it is or nothing is plain.

    Example: `place("만약 VIP 고객이면 배송비를 면제한다", "memories").target == "rules"`.
    """
    if len(text) > TEXT_CHARS_MAX:
        return None
    plain = compatible(patterns.CIRCLED.sub(_numbered, text)).strip()
    match store:
        case "memories":
            return _skill(plain) or _rule(plain)
        case "skills":
            if _skill(plain) is not None or _listed(plain):
                return None
            return _rule(plain) or _memory(plain)
        case "rules":
            return _memory(plain)


def _numbered(match: re.Match[str]) -> str:
    return f"\n{ord(match.group(1)) - 0x2460 + 1}. "


def _listed(text: str) -> bool:
    """Whether it has any list at all, or speaks of a procedure: then a skill stays one."""
    return (
        len(patterns.BULLET.findall(text)) >= 2
        or len(patterns.STEP.findall(text)) >= 2
        or patterns.PROCEDURE.search(text) is not None
    )


def _skill(text: str) -> Placement | None:
    title, steps = _numbered_steps(text)
    confidence = 0.95
    if len(steps) < STEPS_MIN:
        title, steps = _told_steps(text)
        confidence = 0.85
    if len(steps) < STEPS_MIN or any(len(step) < 2 for step in steps):
        return None
    return Placement("skills", confidence, "misplaced_skill", title=_title(title or steps[0]), steps=steps)


def _numbered_steps(text: str) -> tuple[str, tuple[str, ...]]:
    marks = list(patterns.STEP.finditer(text))
    if not marks or [int(mark["number"]) for mark in marks] != list(range(1, len(marks) + 1)):
        return "", ()
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    steps = tuple(text[mark.end() : end].strip(" \n,;") for mark, end in zip(marks, ends, strict=True))
    return text[: marks[0].start()], steps


def _told_steps(text: str) -> tuple[str, tuple[str, ...]]:
    """`First … then … finally …`: only when it begins with the first of them, maybe after a title and a colon."""
    marks = list(patterns.SEQUENCE.finditer(text))
    if len(marks) < STEPS_MIN or not patterns.BEGINNING.match(marks[0].group()):
        return "", ()
    title = text[: marks[0].start()].strip()
    if title and not title.endswith(":"):
        return "", ()
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return title, tuple(text[mark.end() : end].strip(" \n,;.") for mark, end in zip(marks, ends, strict=True))


def _title(text: str) -> str:
    return text.strip().rstrip(":.").strip()[:TITLE_CHARS_MAX]


def _rule(text: str) -> Placement | None:
    sentence = re.sub(r"\s+", " ", text)
    if len(sentence) > RULE_CHARS_MAX or sentence.endswith("?"):
        return None
    if re.search(r"[.!]\s+\S", sentence):
        return None
    return _korean_rule(sentence) or _english_rule(sentence)


def _english_rule(sentence: str) -> Placement | None:
    if patterns.EN_UNREAL.search(sentence):
        return None
    found = patterns.EN_IF.match(sentence)
    confidence = 0.9
    if found is None:
        found, confidence = patterns.EN_AFTER.match(sentence), 0.8
    if found is None:
        return None
    condition, outcome = _part(found["condition"]), _part(found["outcome"])
    if (
        patterns.EN_SELF.match(outcome)
        or patterns.EN_FEELING.search(outcome)
        or re.match(r"(?:i|my)\b", condition, re.IGNORECASE)
    ):
        return None
    return Placement("rules", confidence, "misplaced_rule", condition=condition, outcome=outcome)


def _korean_rule(sentence: str) -> Placement | None:
    found = patterns.KO_IF.match(sentence)
    if found is None or patterns.KO_UNREAL.search(sentence):
        return None
    condition, outcome = _part(found["condition"]), _part(found["outcome"])
    if patterns.KO_FEELING.search(outcome) or not patterns.KO_DECIDES.search(outcome):
        return None
    if patterns.KO_SELF.match(sentence):
        return None
    confidence = 0.95 if found["marker"] else 0.85
    return Placement("rules", confidence, "misplaced_rule", condition=condition, outcome=outcome)


def _part(text: str) -> str:
    return text.strip().rstrip(".!,;").strip()


def _memory(text: str) -> Placement | None:
    sentence = re.sub(r"\s+", " ", text)
    if len(sentence) > MEMORY_CHARS_MAX or sentence.endswith("?") or patterns.OBLIGED.search(sentence):
        return None
    if patterns.EN_TASTE.search(sentence) or patterns.KO_TASTE.search(sentence):
        return Placement("memories", 0.9, "misplaced_memory")
    if patterns.EN_PAST.match(sentence) or patterns.KO_PAST.match(sentence):
        return Placement("memories", 0.8, "misplaced_memory")
    return None
