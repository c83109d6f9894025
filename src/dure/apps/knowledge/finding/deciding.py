"""From verdicts and scores to deletions and questions, each a star around what is kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dure.apps.knowledge.finding.judge import Verdict
from dure.apps.knowledge.finding.model import Match, Options
from dure.apps.knowledge.finding.proposing import Proposal
from dure.apps.knowledge.finding.settling import Settled

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Decided:
    """Who is deleted for whom by verdict, and which pairs would have to be judged to decide the rest."""

    kept_for: Mapping[int, int]
    missing: tuple[Place, ...]


def decide(verdicts: Mapping[Place, Verdict]) -> Decided:
    """Go from the best item to the least: each is deleted for the best survivor of which the judge said the same.

    Where that one is itself deleted, its survivor must be judged too: sameness is never passed on unasked.
    Example: `decide({(1, 0): "same"}).kept_for == {1: 0}`.
    """
    kept_for: dict[int, int] = {}
    missing: list[Place] = []
    same: dict[int, list[int]] = {}
    for (later, earlier), verdict in sorted(verdicts.items()):
        if verdict == "same":
            same.setdefault(later, []).append(earlier)
    for later in sorted(same):
        alive = [earlier for earlier in same[later] if earlier not in kept_for]
        if alive:
            kept_for[later] = alive[0]
            continue
        beyond = sorted({kept_for[earlier] for earlier in same[later]})
        missing.extend((later, keeper) for keeper in beyond if (later, keeper) not in verdicts)
    return Decided(kept_for, tuple(missing))


def deletions(settled: Settled, decided: Decided, scores: Mapping[Place, float]) -> list[Match]:
    """Answer all deletions; what was certain of an item that is deleted now is kept by that item's survivor.

    Example: `deletions(settled, decide(verdicts), scores)`.
    """
    survivors = settled.survivors
    place = {(item.store, item.id): number for number, item in enumerate(survivors)}
    found: list[Match] = []
    for match in settled.matches:
        kept = place[match.kept.store, match.kept.id]
        keeper = decided.kept_for.get(kept)
        if keeper is None:
            found.append(match)
            continue
        score = scores.get((kept, keeper), 0.0)
        through = {"through": match.kept.id}
        found.append(Match(match.item, survivors[keeper], "judged", score, "judged_through", through))
    for later, earlier in sorted(decided.kept_for.items()):
        score = scores.get((later, earlier), 0.0)
        found.append(Match(survivors[later], survivors[earlier], "judged", score, "judged"))
    return found


def questions(
    settled: Settled, proposals: Iterable[Proposal], reasons: Mapping[Place, str], gone: Iterable[int], options: Options
) -> list[Match]:
    """Ask about each item at most once, against a survivor that is not itself in question, in the order of worth.

    `reasons` are those that the judge's silence or doubt gives; a doubt is asked about whatever its score.
    Example: `questions(settled, proposals, {}, (), Options())`.
    """
    asked: set[int] = set(gone)
    by_item: dict[int, list[Proposal]] = {}
    for found in proposals:
        doubted = reasons.get((found.later, found.earlier)) == "judge_unsure"
        if doubted or found.score >= options.ask_at:
            by_item.setdefault(found.later, []).append(found)
    matches = []
    for later in sorted(by_item):
        open_to = [found for found in by_item[later] if found.earlier not in asked]
        if later in asked or not open_to:
            continue
        asked.add(later)
        matches.append(_question(settled, min(open_to, key=_worth), reasons))
    return matches


def _worth(found: Proposal) -> tuple[float, int]:
    return (-found.score, found.earlier)


def _question(settled: Settled, found: Proposal, reasons: Mapping[Place, str]) -> Match:
    reason = reasons.get((found.later, found.earlier), found.reason)
    params = {"difference": found.reason} if reason != found.reason else {}
    item, kept = settled.survivors[found.later], settled.survivors[found.earlier]
    return Match(item, kept, "probable", round(found.score, 4), reason, params)


def judgeable(proposals: Sequence[Proposal], options: Options) -> list[Proposal]:
    """Answer the pairs for the judge, the most probable first; across languages all that were proposed.

    Example: `judgeable(propose(settled, options), options)`.
    """
    return [found for found in proposals if found.across or found.score >= options.judge_at]
