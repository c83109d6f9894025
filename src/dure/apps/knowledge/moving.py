"""Records that stand in the wrong store: a rule or steps that were remembered, a rule that was made a skill."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from dure.apps.knowledge import dmn
from dure.apps.knowledge.finding.model import StoreName
from dure.apps.knowledge.finding.placing import Placement, place
from dure.apps.knowledge.memories import Memory
from dure.apps.knowledge.picture import SkillRecord
from dure.apps.knowledge.rules import RuleDocument
from dure.apps.knowledge.skills.errors import SkillInvalid
from dure.apps.knowledge.skills.folder import DESCRIPTION_CHARS_MAX, DOCUMENT, File, Skill, document

SURE = 0.9
"""What is placed with less than this is asked about."""
NAME_WORDS = 4
NAME_LETTERS_MAX = 40


@dataclass(frozen=True, slots=True)
class Move:
    """A record that goes to another store, and what becomes of it there: a DMN document or a skill."""

    source: Memory | SkillRecord
    to: StoreName
    name: str
    why: str
    """A key of the catalogue's `[knowledge.reasons]`."""
    ask: bool
    xml: str = ""
    skill: Skill | None = None


@dataclass(frozen=True, slots=True)
class Targets:
    """Which stores can take a record, and the names of skills that there are."""

    rules: bool
    skills: bool
    names: Collection[str] = ()


def moves(memories: Sequence[Memory], skills: Sequence[SkillRecord], agent: str, targets: Targets) -> list[Move]:
    """Answer which of these go where. A memory of one user or one session is asked about, because a rule or a skill is
    there for all of the agent's users.

    Example: `moves(memories, [], "agent-1", Targets(rules=True, skills=False))`.
    """
    found = []
    names = set(targets.names)
    for memory in memories:
        placed = place(memory.text, "memories")
        move: Move | None = None
        if placed is not None and placed.target == "rules" and targets.rules:
            move = _to_rule(memory, memory.name, memory.text, placed, ask=_is_private(memory))
        elif placed is not None and placed.target == "skills" and targets.skills:
            move = _to_skill(memory, agent, placed, names)
        if move is not None:
            found.append(move)
            names.add(move.name)
    for record in skills:
        skill = record.skill
        placed = place(skill.body, "skills") if len(skill.files) == 1 else None
        if placed is not None and placed.target == "rules" and targets.rules:
            move = _to_rule(record, skill.name, " ".join(skill.body.split()), placed, ask=False)
            found += [move] if move is not None else []
    return found


def misplaced(skills: Sequence[SkillRecord], rules: Sequence[RuleDocument]) -> Iterator[SkillRecord | RuleDocument]:
    """Answer what belongs among the memories and stays: a memory has a vector, and only its own model can make one."""
    for record in skills:
        if (placed := place(record.skill.body, "skills")) is not None and placed.target == "memories":
            yield record
    for rule in rules:
        said = rule.document.description if rule.document is not None else ""
        if (placed := place(said, "rules")) is not None and placed.target == "memories":
            yield rule


def _to_rule(source: Memory | SkillRecord, name: str, text: str, placed: Placement, *, ask: bool) -> Move | None:
    condition, outcome = dmn.if_then(text) or (placed.condition, placed.outcome)
    try:
        xml = dmn.new_document(name, condition, outcome, sentence=text)
    except dmn.RulesError:
        return None
    return Move(source, "rules", name, placed.reason, ask or placed.confidence < SURE, xml=xml)


def _to_skill(memory: Memory, agent: str, placed: Placement, taken: Collection[str]) -> Move | None:
    name = skill_name(placed.title, memory.text)
    if name in taken:
        return None
    ask = _is_private(memory) or placed.confidence < SURE
    try:
        content = document(name, placed.title[:DESCRIPTION_CHARS_MAX], memory.text, agent_id=agent)
        skill = Skill.of({DOCUMENT: File(content)})
    except SkillInvalid:
        return None
    return Move(memory, "skills", name, placed.reason, ask, skill=skill)


def skill_name(title: str, text: str) -> str:
    """Answer a name by the rules for skills, made of the title's first words; the same text gets the same name.

    Example: `skill_name("환불 처리 절차", text)` begins with `환불-처리-절차`.
    """
    plain = re.sub(r"[^\w\s]|_", " ", unicodedata.normalize("NFKC", title).lower())
    readable = "-".join(plain.split()[:NAME_WORDS])[:NAME_LETTERS_MAX].strip("-")
    return "-".join(part for part in (readable, sha256(text.encode()).hexdigest()[:6]) if part)


def _is_private(memory: Memory) -> bool:
    return memory.session != ("", "")
