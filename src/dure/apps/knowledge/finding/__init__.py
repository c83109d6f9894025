"""Finding what an agent knows twice: items in, certain deletions and open questions out. No database, no engine."""

from dure.apps.knowledge.finding.find import find
from dure.apps.knowledge.finding.judge import Budget, Cache, Judge, MemoryCache, Verdict
from dure.apps.knowledge.finding.model import Certainty, Findings, Item, Match, Note, Options, StoreName

__all__ = [
    "Budget", "Cache", "Certainty", "Findings", "Item", "Judge", "Match", "MemoryCache", "Note", "Options", "StoreName",
    "Verdict", "find",
]  # fmt: skip
