"""What finding takes and gives: items in, deletions that are certain and questions that are not out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dure.errors import Invalid

StoreName = Literal["rules", "skills", "memories"]
Certainty = Literal["exact", "near", "judged", "probable"]

STORES: tuple[StoreName, ...] = ("rules", "skills", "memories")
TEXT_CHARS_MAX = 20_000
"""Of a longer text only this much is compared for likeness; equality always sees the whole."""


@dataclass(frozen=True, slots=True)
class Item:
    """One record as it is compared. `id` is unique within its store.

    Example: `Item("m1", "memories", "VIP 고객은 배송비를 면제한다", created_at="2026-01-01T00:00:00Z")`.
    """

    id: str
    store: StoreName
    text: str
    vector: Sequence[float] | Any | None = field(default=None, compare=False, repr=False)
    """A multilingual embedding that the store has kept, when there is one. Too long to be read in a log or a trace."""
    created_at: str = ""
    """ISO 8601; the older is kept among equals, and one without a time is the youngest."""
    fingerprint: str = ""
    """What the record decides, in canonical form: equal means duplicate, unequal means that no text can prove it."""


@dataclass(frozen=True, slots=True)
class Match:
    """One item against the survivor of its group. `reason` is a key in `[knowledge.reasons]` of the catalogue."""

    item: Item
    kept: Item
    certainty: Certainty
    score: float
    reason: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know about the finding itself. `reason` is a key in `[knowledge.reasons]`."""

    reason: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found. Nothing that is kept for another is itself deleted or asked about."""

    deletions: tuple[Match, ...] = ()
    questions: tuple[Match, ...] = ()
    judged_different: int = 0
    judge_calls: int = 0
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """How to find.

    Example: `Options(store_order=("skills", "rules", "memories"), ask_at=0.6)`.
    """

    store_order: tuple[StoreName, ...] = STORES
    """The better store first: it keeps what two stores hold."""
    ask_at: float = 0.5
    """A pair at least this probable is asked about."""
    judge_at: float = 0.1
    """A pair at least this probable is shown to the judge, when there is one."""
    candidates_max: int = 5
    """How many earlier records each record is compared with, for each way of searching."""
    vector_cosine_min: float = 0.75
    """Stored vectors less alike than this are no candidates."""
    judge_calls_max: int = 200
    judge_chars_max: int = 2_000_000

    def __post_init__(self) -> None:
        if sorted(self.store_order) != sorted(STORES):
            raise Invalid(field="store_order", reason="not_one_of", expected=", ".join(STORES))
        ranges = (
            ("ask_at", self.ask_at, 0, 1), ("judge_at", self.judge_at, 0, 1),
            ("vector_cosine_min", self.vector_cosine_min, 0, 1), ("candidates_max", self.candidates_max, 1, 50),
            ("judge_calls_max", self.judge_calls_max, 0, 100_000),
            ("judge_chars_max", self.judge_chars_max, 0, 1_000_000_000),
        )  # fmt: skip
        for name, value, least, most in ranges:
            if not least <= value <= most:
                raise Invalid(field=name, reason="out_of_range", min=least, max=most)
