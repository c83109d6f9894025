"""What of one agent's knowledge is there twice: rules by what they decide, all else by what it says."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dure.apps.knowledge import dmn
from dure.apps.knowledge.finding import Item, Judge, Match, Note, Options, find
from dure.apps.knowledge.picture import Picture, RuleItem, item_of
from dure.apps.knowledge.rules import RuleDocument


@dataclass(frozen=True, slots=True)
class Removal:
    """Something that is said elsewhere too: an item that may go, what is kept for it, and why."""

    item: Item
    kept: Item
    why: str
    """A key of the catalogue's `[knowledge.reasons]`."""
    score: float
    ask: bool
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CopyRemoval:
    """A whole document that decides nothing but what another one decides."""

    document: RuleDocument
    kept: RuleDocument
    ask: bool


@dataclass(frozen=True, slots=True)
class RuleRemoval:
    """One rule of a document that stands elsewhere too."""

    rule: RuleItem
    kept: str
    """The sentence that is kept, and where."""
    why: str
    ask: bool
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Odds:
    """Two rules that a person should look at; nothing is done about them."""

    rule: RuleItem
    other: RuleItem
    relation: str
    witness: str


@dataclass(frozen=True, slots=True)
class Compared:
    """All that was found of one agent."""

    copies: tuple[CopyRemoval, ...]
    rules: tuple[RuleRemoval, ...]
    removals: tuple[Removal, ...]
    odds: tuple[Odds, ...]
    notes: tuple[Note, ...]


async def compare(picture: Picture, options: Options, judge: Judge | None) -> Compared:
    """Compare all that one agent knows; the same picture gives the same answer.

    Example: `(await compare(picture, Options(), None)).removals`.
    """
    rules = picture.rule_items()
    # In a thread, as what follows is: a worker must go on renewing its lease meanwhile.
    copies, repeated, odds = await asyncio.to_thread(_rules, picture, rules)
    gone = {copy.document.id for copy in copies}
    twice = {each.rule.id for each in repeated}
    left = [rule for rule in rules if rule.document.id not in gone and rule.id not in twice]
    removals, notes = await _texts(picture, left, options, judge)
    by_id = {rule.id: rule for rule in left}
    texts = [each for each in removals if each.item.store != "rules"]
    more = [_as_rule(by_id[each.item.id], each) for each in removals if each.item.store == "rules"]
    return Compared(tuple(copies), (*repeated, *more), tuple(texts), tuple(odds), tuple(notes))


def _rules(picture: Picture, rules: Sequence[RuleItem]) -> tuple[list[CopyRemoval], list[RuleRemoval], list[Odds]]:
    documents = picture.readable
    report = dmn.report([each.document for each in documents if each.document is not None])
    at = {(each.row.place.index, each.row.place.decision, each.row.place.rule): each for each in rules}
    copies = [
        CopyRemoval(documents[copy.index], documents[copy.kept_index], ask=not copy.whole) for copy in report.copies
    ]
    repeated = []
    for found in report.duplicates:
        rule, kept = at[_place(found.rule)], at[_place(found.kept)]
        kept_name = f"{kept.document.name}: {kept.text}"
        repeated.append(RuleRemoval(rule, kept_name, f"ground_{found.ground}", ask=not found.certain))
    odds = [
        Odds(at[_place(each.rule)], at[_place(each.other)], str(each.relation), _shown(each.witness))
        for each in report.findings
    ]
    return copies, repeated, odds


async def _texts(
    picture: Picture, rules: Sequence[RuleItem], options: Options, judge: Judge | None
) -> tuple[list[Removal], list[Note]]:
    """Compare texts: first what belongs to the agent, then each user's memories with what is left of that, so that
    nothing of one user's ever goes for another's.
    """
    own = {each.skill.name for each in picture.skills}
    base = [*(rule.item for rule in rules), *(each.item for each in (*picture.skills, *picture.shared))]
    removals: list[Removal] = []
    notes: list[Note] = []
    for number, memories in enumerate(picture.sessions().values()):
        items = [*base, *map(item_of, memories)]
        found = await find(items, options, judge)
        notes.extend(found.notes)
        mine = {memory.id for memory in memories}
        for matches, ask in ((found.deletions, False), (found.questions, True)):
            taken = [match for match in matches if _may_go(match, mine, own, first=number == 0)]
            removals.extend(_removal(match, ask=ask) for match in taken)
        if number == 0:
            certain = {(match.item.store, match.item.id) for match in found.deletions}
            base = [item for item in base if (item.store, item.id) not in certain]
    return removals, notes


def _may_go(match: Match, memories: set[str], own: set[str], *, first: bool) -> bool:
    """Tell whether a match says something that this round may act on."""
    match match.item.store:
        case "memories":
            return match.item.id in memories
        case "skills":
            return first and match.item.id in own
        case _:
            # Two rules were compared already, by what they decide.
            return first and match.kept.store != "rules"


def _removal(match: Match, *, ask: bool) -> Removal:
    why = "same_skill" if match.reason == "same_rule" and match.item.store == "skills" else match.reason
    return Removal(match.item, match.kept, why, match.score, ask, match.params)


def _as_rule(rule: RuleItem, removal: Removal) -> RuleRemoval:
    return RuleRemoval(rule, removal.kept.text, removal.why, removal.ask, removal.params)


def _place(place: dmn.Place) -> tuple[int, int, int]:
    return (place.index, place.decision, place.rule)


def _shown(witness: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in witness.items()) or "-"
