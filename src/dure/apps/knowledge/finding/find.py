"""Find what an agent knows twice: certain first, then probable, then as a judge says."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dure.apps.knowledge.finding import deciding
from dure.apps.knowledge.finding.deciding import Decided, Place
from dure.apps.knowledge.finding.judge import Budget, Judge, Verdict
from dure.apps.knowledge.finding.model import Findings, Item, Note, Options
from dure.apps.knowledge.finding.proposing import Proposal, propose
from dure.apps.knowledge.finding.settling import Settled, settle
from dure.errors import Invalid

ROUNDS_MAX = 3


async def find(items: Sequence[Item], options: Options | None = None, judge: Judge | None = None) -> Findings:
    """Find duplicates. The same items in any order give the same findings.

    Example: `(await find([Item("1", "memories", "Tea"), Item("2", "memories", "tea")])).deletions`.
    """
    chosen = options or Options()
    _check(items)
    settled = await asyncio.to_thread(settle, items, chosen)
    proposals = await asyncio.to_thread(propose, settled, chosen, judge is not None)
    hearing = _Hearing()
    if judge is not None:
        await _hear(settled, deciding.judgeable(proposals, chosen), chosen, judge, hearing)
    decided = deciding.decide(hearing.verdicts)
    scores = {(found.later, found.earlier): round(found.score, 4) for found in proposals}
    answered = {pair for pair, verdict in hearing.verdicts.items() if verdict in ("different", "contradicts", "same")}
    open_pairs = [found for found in proposals if (found.later, found.earlier) not in answered]
    asked = deciding.questions(settled, open_pairs, hearing.reasons(), decided.kept_for, chosen)
    return Findings(
        deletions=tuple(deciding.deletions(settled, decided, scores)),
        questions=tuple(asked),
        judged_different=sum(1 for verdict in hearing.verdicts.values() if verdict == "different"),
        judge_calls=hearing.calls,
        notes=hearing.notes(settled),
    )


def _check(items: Sequence[Item]) -> None:
    seen = Counter((item.store, item.id) for item in items)
    twice = next((name for name, count in seen.items() if count > 1), None)
    if twice is not None:
        raise Invalid(f"{twice[0]} {twice[1]}", field="items", reason="duplicate")


@dataclass(slots=True)
class _Hearing:
    """What the judge has said so far."""

    verdicts: dict[Place, Verdict] = field(default_factory=dict)
    failures: dict[Place, str] = field(default_factory=dict)
    calls: int = 0

    def reasons(self) -> dict[Place, str]:
        unsure = {pair: "judge_unsure" for pair, verdict in self.verdicts.items() if verdict == "unsure"}
        return {**self.failures, **unsure}

    def notes(self, settled: Settled) -> tuple[Note, ...]:
        failed = Counter(self.failures.values())
        notes = [Note(reason, {"count": failed[reason]}) for reason in sorted(failed)]
        for (later, earlier), verdict in sorted(self.verdicts.items()):
            if verdict == "contradicts":
                one, other = settled.survivors[later], settled.survivors[earlier]
                stores = {"store": one.store, "other_store": other.store}
                notes.append(Note("contradicts", {"id": one.id, "other": other.id, **stores}))
        return tuple(notes)


async def _hear(
    settled: Settled, proposals: Sequence[Proposal], options: Options, judge: Judge, hearing: _Hearing
) -> None:
    """Ask about the proposals, then about what the answers leave open, a few rounds at most."""
    budget = Budget(options.judge_calls_max, options.judge_chars_max)
    pairs: Sequence[Place] = [(found.later, found.earlier) for found in proposals]
    for _ in range(ROUNDS_MAX):
        texts = [(settled.survivors[earlier].text, settled.survivors[later].text) for later, earlier in pairs]
        answers = await judge.ask(texts, budget)
        for pair, answer in zip(pairs, answers, strict=True):
            if answer.verdict is None:
                hearing.failures[pair] = answer.reason
            else:
                hearing.verdicts[pair] = answer.verdict
        decided: Decided = deciding.decide(hearing.verdicts)
        pairs = [pair for pair in decided.missing if pair not in hearing.failures]
        if not pairs:
            break
    hearing.calls = budget.calls
