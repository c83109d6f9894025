"""From what was found to the changes of a plan, each with its reason, the score, and the record that is kept.

A record is in one change at most. What would be a second one, such as a question about a document that changes anyway,
stays as it is with a note that the next run asks.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dure.apps.knowledge import dmn
from dure.apps.knowledge.comparing import Compared, CopyRemoval, Odds, Removal, RuleRemoval
from dure.apps.knowledge.finding import Item
from dure.apps.knowledge.joining import Groups, Leaving, Mended
from dure.apps.knowledge.layouts import Layout
from dure.apps.knowledge.memories import Memory, Mending
from dure.apps.knowledge.moving import Move, misplaced
from dure.apps.knowledge.picture import Picture, SkillRecord
from dure.apps.knowledge.rules import RuleDocument, new_row
from dure.apps.knowledge.skills.compare import mentions
from dure.apps.knowledge.skills.store import NAME as SKILLS
from dure.runs.model import Draft, Key, Kind, Reason
from dure.runs.stores.protocol import Record

NAMES_MAX = 10
"""So many names stand in one reason."""
Named = tuple[str, str]
"""A kind of knowledge and what the finding calls a record of it."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Where new rules go, and what their table looks like; None when there is none."""

    rules: Layout | None


@dataclass(slots=True)
class Drafting:
    """Drafts the changes of one agent. Example: `for unit in Drafting(picture, tables, tenant).units(…): …`."""

    picture: Picture
    tables: Tables
    tenant_id: str
    _kept_for: dict[Named, list[str]] = field(default_factory=lambda: defaultdict(list))
    _changed: set[Named] = field(default_factory=set)
    _known: dict[Named, Memory | RuleDocument | SkillRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known.update((("memories", each.id), each) for each in self.picture.memories)
        self._known.update((("rules", each.id), each) for each in self.picture.rules)
        skills = (*self.picture.shared, *self.picture.skills)
        self._known.update((("skills", each.skill.name), each) for each in skills)

    def units(
        self, compared: Compared, moves: Sequence[Move], mendings: Sequence[Mending]
    ) -> Iterator[tuple[Draft, ...]]:
        """Yield the changes, those that belong together in one tuple; then what stays, and why."""
        yield from ((draft,) for draft in self._copies(compared.copies))
        yield from ((draft,) for draft in self._rules(compared.rules))
        skills = [each for each in compared.removals if each.item.store == "skills"]
        yield from ((draft,) for draft in self._skills(skills))
        for move in moves:
            if isinstance(move.source, SkillRecord):
                self._changed.add(("skills", move.source.skill.name))
                yield self._move(move)
        removals = [each for each in compared.removals if each.item.store == "memories"]
        yield from self._memories(removals, moves, mendings)
        yield from ((draft,) for draft in self._named(skills))
        yield from ((draft,) for draft in self._kept())
        yield from ((draft,) for draft in self._at_odds(compared.odds))
        yield from ((draft,) for draft in self._unreadable())
        yield from ((draft,) for draft in self._misplaced())

    def _copies(self, copies: Sequence[CopyRemoval]) -> Iterator[Draft]:
        for copy in copies:
            kept = copy.kept
            why = "copy_part" if copy.ask else "copy_whole"
            reason = _reason(copy.document.name, "rules", kept.id, kept.name, why, 1.0, ask=copy.ask)
            self._note(("rules", copy.document.id), ("rules", kept.id), copy.document.name)
            yield self._row("delete", copy.document.table, copy.document.key, reason, ask=copy.ask)

    def _rules(self, removals: Sequence[RuleRemoval]) -> Iterator[Draft]:
        """Take rules out of their documents: one change a document, the certain ones first."""
        by_document: dict[str, list[RuleRemoval]] = defaultdict(list)
        for removal in removals:
            by_document[removal.rule.document.id].append(removal)
        for id, found in sorted(by_document.items()):
            document = found[0].rule.document
            certain = [each for each in found if not each.ask]
            if ("rules", id) in self._changed:
                yield self._later(document)
                continue
            chosen = certain or found[:1]
            self._changed.add(("rules", id))
            yield self._without(document, chosen)
            if len(chosen) < len(found):
                yield self._later(document)

    def _without(self, document: RuleDocument, removals: Sequence[RuleRemoval]) -> Draft:
        ask = removals[0].ask
        total = sum(len(table.rules) for table in document.document.tables) if document.document else 0
        first = removals[0]
        params = {
            "name": document.name,
            "rules": [each.rule.text for each in removals][:NAMES_MAX],
            "count": len(removals),
            "kept_store": _code("store_rules"),
            "kept_name": first.kept,
            "why": _why(first.why, first.params),
            "score": 1.0,
        }
        reason = Reason("rule_maybe" if ask else "rule_repeated", params)
        if len(removals) >= total:
            return self._row("delete", document.table, document.key, reason, ask=ask)
        xml = document.xml
        # From the last to the first, so that the places of those before stay what they are.
        for each in sorted(
            removals, key=lambda one: (one.rule.row.place.decision, one.rule.row.place.rule), reverse=True
        ):
            xml = dmn.without_rule(xml, each.rule.row.place.rule, decision=each.rule.row.place.decision)
        return self._row("update", document.table, document.key, reason, ask=ask, values={"bpmn": xml})

    def _skills(self, removals: Sequence[Removal]) -> Iterator[Draft]:
        records = {each.skill.name: each.record for each in self.picture.skills}
        for removal in sorted(removals, key=lambda each: each.item.id):
            record = records[removal.item.id]
            self._note(("skills", removal.item.id), _named(removal.kept), removal.item.id)
            yield self._outside("delete", record, self._because(removal.item.id, removal), ask=removal.ask)

    def _memories(
        self, removals: Sequence[Removal], moves: Sequence[Move], mendings: Sequence[Mending]
    ) -> Iterator[tuple[Draft, ...]]:
        memories = {memory.id: memory for memory in self.picture.memories}
        units: list[tuple[Memory, bool, tuple[Draft, ...]]] = []
        for removal in sorted(removals, key=lambda each: each.item.id):
            memory = memories[removal.item.id]
            self._note(("memories", memory.id), _named(removal.kept), memory.name)
            draft = self._row("delete", memory.table, memory.key, self._because(memory.name, removal), ask=removal.ask)
            units.append((memory, removal.ask, (draft,)))
        for move in moves:
            if isinstance(move.source, Memory):
                self._changed.add(("memories", move.source.id))
                units.append((move.source, move.ask, self._move(move)))
        yield from self._mended(units, mendings)

    def _move(self, move: Move) -> tuple[Draft, ...]:
        source = move.source
        name = source.name if isinstance(source, Memory) else source.skill.name
        params = {"name": name, "to_store": _code(f"store_{move.to}"), "to_name": move.name, "why": _why(move.why)}
        reason = Reason("move_maybe" if move.ask else "moved", params)
        arrives = Reason("arrives", {**params, "name": move.name, "from_name": name})
        if isinstance(source, Memory):
            seed, leaves = source.id, self._row("move", source.table, source.key, reason, ask=move.ask)
        else:
            seed, leaves = f"{SKILLS}/{name}", self._outside("move", source.record, reason, ask=move.ask)
        if move.skill is not None:
            return (self._outside("create", SkillRecord.of(move.skill).record, arrives, ask=move.ask), leaves)
        layout = self.tables.rules
        assert layout is not None
        values = {"name": move.name, "owner": self.picture.agent, "bpmn": move.xml, "tenant_id": self.tenant_id}
        row = new_row(layout, f"{self.tenant_id}/{seed}", values)
        return (self._row("create", layout.name, None, arrives, ask=move.ask, values=row), leaves)

    def _mended(
        self, units: Sequence[tuple[Memory, bool, tuple[Draft, ...]]], mendings: Sequence[Mending]
    ) -> Iterator[tuple[Draft, ...]]:
        """Join the entities that name leaving memories to the changes that take those."""
        groups = Groups([Leaving(*unit) for unit in units], mendings)
        for joined in groups.joined():
            yield (*joined.drafts, *(self._entity(each, ask=joined.ask) for each in joined.mended))
        for memory in groups.later:
            yield (self._row("keep", memory.table, memory.key, Reason("asked_later", {"name": memory.name})),)

    def _entity(self, mended: Mended, *, ask: bool) -> Draft:
        row = mended.row
        params = {"name": str(row.payload.get("data", "")), "count": len(row.linked) - len(mended.linked)}
        values = {row.column: {**row.payload, "linked_memory_ids": list(mended.linked)}}
        return self._row("update", row.table, row.key, Reason("entity", params), ask=ask, values=values)

    def _named(self, removals: Sequence[Removal]) -> Iterator[Draft]:
        """Warn where a text names a skill that goes."""
        for removal in removals:
            params = {"skill": removal.item.id, "kept_name": removal.kept.id}
            for memory in self.picture.memories:
                if ("memories", memory.id) not in self._changed and mentions(removal.item.id, memory.text):
                    yield self._row(
                        "keep", memory.table, memory.key, Reason("names_skill", {**params, "name": memory.name})
                    )
            for document in self.picture.rules:
                if ("rules", document.id) not in self._changed and mentions(removal.item.id, document.xml):
                    said = Reason("names_skill", {**params, "name": document.name})
                    yield self._row("keep", document.table, document.key, said)

    def _kept(self) -> Iterator[Draft]:
        """Say of each record that is kept for others which those are."""
        for (store, id), names in sorted(self._kept_for.items()):
            if (store, id) in self._changed:
                continue
            reason = Reason(
                "kept_for", {"name": self._title(store, id), "count": len(names), "names": names[:NAMES_MAX]}
            )
            if (draft := self._keep(store, id, reason)) is not None:
                yield draft

    def _at_odds(self, odds: Sequence[Odds]) -> Iterator[Draft]:
        for each in odds:
            other = each.other.document
            params = {
                "rule": each.rule.text,
                "other": each.other.text,
                "other_name": other.name,
                "witness": each.witness,
            }
            reason = Reason(f"rules_{each.relation}", params)
            yield self._row("keep", each.rule.document.table, each.rule.document.key, reason)

    def _unreadable(self) -> Iterator[Draft]:
        for document in self.picture.rules:
            if document.document is None:
                reason = Reason("unreadable", {"name": document.name, "problem": document.problem})
                yield self._row("keep", document.table, document.key, reason)

    def _misplaced(self) -> Iterator[Draft]:
        for each in misplaced(self.picture.skills, self.picture.readable):
            if isinstance(each, SkillRecord):
                if ("skills", each.skill.name) not in self._changed:
                    yield self._outside(
                        "keep", each.record, Reason("misplaced_memory_stays", {"name": each.skill.name})
                    )
            elif ("rules", each.id) not in self._changed:
                yield self._row("keep", each.table, each.key, Reason("misplaced_memory_stays", {"name": each.name}))

    def _keep(self, store: str, id: str, reason: Reason) -> Draft | None:
        match self._known.get((store, id)):
            case SkillRecord(record=record):
                return self._outside("keep", record, reason)
            case Memory() | RuleDocument() as found:
                return self._row("keep", found.table, found.key, reason)
        return None

    def _title(self, store: str, id: str) -> str:
        found = self._known.get((store, id))
        return found.name if isinstance(found, Memory | RuleDocument) else id

    def _later(self, document: RuleDocument) -> Draft:
        return self._row("keep", document.table, document.key, Reason("asked_later", {"name": document.name}))

    def _note(self, gone: Named, kept: Named, name: str) -> None:
        self._changed.add(gone)
        self._kept_for[kept].append(name)

    def _because(self, name: str, removal: Removal) -> Reason:
        kept = removal.kept
        return _reason(
            name,
            kept.store,
            kept.id,
            self._name_of(kept),
            removal.why,
            removal.score,
            ask=removal.ask,
            more=removal.params,
        )

    def _name_of(self, item: Item) -> str:
        if item.store != "rules":
            return self._title(item.store, item.id)
        return f"{self._title(*_named(item))}: {item.text}"

    def _row(
        self, kind: Kind, table: str, key: Key | None, reason: Reason, *, ask: bool = False,
        values: Mapping[str, Any] | None = None,
    ) -> Draft:  # fmt: skip
        agent = self.picture.agent
        return Draft(store=table, kind=kind, key=key, values=values, ask=ask, reason=reason, subject=agent, scope=agent)

    def _outside(self, kind: Kind, record: Record, reason: Reason, *, ask: bool = False) -> Draft:
        agent = self.picture.agent
        create = kind == "create"
        return Draft(
            store=SKILLS,
            kind=kind,
            key=record.key,
            before=None if create else record.values,
            after=record.values if create else None,
            revision=None if create else record.revision,
            ask=ask,
            reason=reason,
            subject=agent,
            scope=agent,
        )


def _named(item: Item) -> Named:
    return (item.store, item.id.partition("#")[0] if item.store == "rules" else item.id)


def _reason(
    name: str, kept_store: str, kept_id: str, kept_name: str, why: str, score: float, *, ask: bool,
    more: Mapping[str, Any] | None = None,
) -> Reason:  # fmt: skip
    params = {
        "name": name,
        "kept_store": _code(f"store_{kept_store}"),
        "kept_id": kept_id,
        "kept_name": kept_name,
        "why": _why(why, more),
        "score": round(score, 3),
    }
    return Reason("duplicate_maybe" if ask else "duplicate", params)


def _why(code: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"code": code, "params": dict(params or {})}


def _code(code: str) -> dict[str, Any]:
    return {"code": code, "params": {}}
