"""A run's budget for a model, shared out among its slices before any of them begins.

Slices run in many processes that share nothing; so each is told what it may spend, and together they never spend more.
Who is to be asked about is counted first, with the same check as planning makes.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from dure.apps.interventions.catalog import Catalog
from dure.apps.interventions.checking import Question, Some, check
from dure.apps.interventions.endpoint import ATTEMPTS_MAX, TOKENS_A_REQUEST
from dure.db.pool import Connection


@dataclass(frozen=True, slots=True)
class Budget:
    """What a whole run may spend. Example: `Budget(requests=100, tokens=200_000)`."""

    requests: int
    tokens: int

    async def shared(
        self, tx: Connection, catalog: Catalog, question: Question, slices: AsyncIterator[Some]
    ) -> AsyncIterator[tuple[Some, dict[str, Any]]]:
        """Yield each slice with what it may spend."""
        required = catalog.tables.required(question.kind)
        counted = [(some, await _to_write(tx, catalog, question, some, required)) async for some in slices]
        for (some, _), share in zip(counted, self.shares([count for _, count in counted]), strict=True):
            yield some, share

    def shares(self, counts: list[int]) -> list[dict[str, Any]]:
        """Answer what each of some slices may spend, that has so many users to ask about.

        Example: `Budget(3, 10_000).shares([1, 2])[1]["requests"] == 2`.
        """
        total = sum(counts)
        # As many requests as the tokens surely last for, and never more than could be made.
        requests = min(self.requests, self.tokens // TOKENS_A_REQUEST, total * ATTEMPTS_MAX)
        shares, before = [], 0
        for count in counts:
            after = before + count
            own = _part(requests, after, total) - _part(requests, before, total)
            shares.append({"requests": own, "tokens": _part(self.tokens, own, requests)})
            before = after
        return shares


def _part(amount: int, some: int, of: int) -> int:
    return amount * some // of if of else 0


async def _to_write(tx: Connection, catalog: Catalog, question: Question, some: Some, required: list[str]) -> int:
    wanted = ("new", "made") if question.redo else ("new",)
    checked = await check(tx, catalog, question, some, required)
    return sum(one.state in wanted and not one.missing for one in checked)
