"""What one agent knows, out of all three stores, read in one snapshot: never planned from half of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from dure.apps.knowledge import dmn
from dure.apps.knowledge.dmn.rows import Row
from dure.apps.knowledge.dmn.rows import rows as rows_of
from dure.apps.knowledge.finding import Item
from dure.apps.knowledge.memories import Memory
from dure.apps.knowledge.rules import RuleDocument
from dure.apps.knowledge.skills.compare import text_of
from dure.apps.knowledge.skills.folder import DOCUMENT, Skill
from dure.apps.knowledge.skills.store import record_of
from dure.runs.stores.protocol import Record

SHARED = "*"
"""The subject, and the scope, of what belongs to no single agent: the tenant's own skills."""


@dataclass(frozen=True, slots=True)
class SkillRecord:
    """A skill with the record that stands for it in the store."""

    skill: Skill
    record: Record

    @classmethod
    def of(cls, skill: Skill) -> "SkillRecord":
        """Pair a skill with its record. Example: `SkillRecord.of(skill).record.key`."""
        return cls(skill, record_of(skill))

    @property
    def item(self) -> Item:
        """What is compared. Its files speak for it: skills that have other files are never equal by their text."""
        files = {path: (file.content, file.mode) for path, file in self.skill.files.items() if path != DOCUMENT}
        steps = " ".join(f"{self.skill.description} {self.skill.body}".split())
        return Item(self.skill.name, "skills", text_of(self.skill), fingerprint=_digest(steps, files))


@dataclass(frozen=True, slots=True)
class RuleItem:
    """One rule of one document: what a memory or a skill may say too."""

    document: RuleDocument
    row: Row

    @property
    def id(self) -> str:
        """What the finding calls it."""
        return f"{self.document.id}#{self.row.place.decision}.{self.row.place.rule}"

    @property
    def text(self) -> str:
        """The rule as a sentence, in the language that its document is written in, whoever asks."""
        return dmn.sentence(self.row.rule, self.row.table, "ko" if _is_korean(self.document.xml) else "en")

    @property
    def item(self) -> Item:
        """What is compared."""
        created = self.document.created_at
        return Item(
            self.id, "rules", self.text, created_at=created, fingerprint=dmn.fingerprint(self.row.rule, self.row.table)
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """All that one agent knows. `shared` are the tenant's own skills, which may be kept for but never leave here."""

    agent: str
    memories: Sequence[Memory] = ()
    rules: Sequence[RuleDocument] = ()
    skills: Sequence[SkillRecord] = ()
    shared: Sequence[SkillRecord] = ()

    @property
    def population(self) -> int:
        """How many records it has."""
        return len(self.memories) + len(self.rules) + len(self.skills)

    @property
    def readable(self) -> list[RuleDocument]:
        """The documents that can be read; the others are left alone."""
        return [each for each in self.rules if each.document is not None]

    def rule_items(self) -> list[RuleItem]:
        """Answer every rule of every document that can be read."""
        documents = self.readable
        found = rows_of([each.document for each in documents if each.document is not None])
        return [RuleItem(documents[row.place.index], row) for row in found]

    def sessions(self) -> Mapping[tuple[str, str], Sequence[Memory]]:
        """Answer the memories by whose they are within the agent; the agent's own come first."""
        found: dict[tuple[str, str], list[Memory]] = {("", ""): []}
        for memory in self.memories:
            found.setdefault(memory.session, []).append(memory)
        return dict(sorted(found.items()))


@dataclass(slots=True)
class Gathering:
    """What was read for some agents, until each has its picture."""

    memories: dict[str, list[Memory]] = field(default_factory=dict)
    rules: dict[str, list[RuleDocument]] = field(default_factory=dict)
    skills: dict[str, list[SkillRecord]] = field(default_factory=dict)

    def pictures(self, agents: Sequence[str]) -> Iterator[Picture]:
        """Answer a picture for each agent, in their order."""
        shared = self.skills.get(SHARED, [])
        for agent in agents:
            yield Picture(
                agent,
                self.memories.pop(agent, []),
                self.rules.pop(agent, []),
                self.skills.get(agent, []),
                [] if agent == SHARED else shared,
            )


def item_of(memory: Memory) -> Item:
    """Answer what of a memory is compared. Example: `item_of(memory).vector`."""
    return Item(memory.id, "memories", memory.text, memory.vector, memory.created_at)


def _is_korean(text: str) -> bool:
    return any("가" <= letter <= "힣" for letter in text)


def _digest(steps: str, files: Mapping[str, tuple[bytes, str]]) -> str:
    digest = sha256(steps.encode())
    for path, (content, mode) in sorted(files.items()):
        for part in (path.encode(), mode.encode(), content):
            digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()
