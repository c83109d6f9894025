"""The values of patterns, as people and programs see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dure.intents.patterns.normalising import Lang


@dataclass(frozen=True, slots=True)
class Candidate:
    """An intent that a sentence may ask for: shown and confirmed, never run unasked."""

    intent_key: str
    confidence: float
    """How sure it is, 0 to 1: the pattern's own confidence, by how alike sentence and pattern are."""
    reason: str
    params: Mapping[str, Any]
    """What the sentence says for its parameters; a proposal."""
    missing: tuple[str, ...]
    """Parameters that are required and that the sentence does not say."""
    pattern_id: str
    """Say by it, with `Patterns.used`, whether this was what was meant."""
    pattern: str


@dataclass(frozen=True, slots=True)
class KnownPattern:
    """A pattern with its story."""

    id: str
    is_shipped: bool
    """It came with a pack and is for all tenants."""
    pattern: str
    lang: Lang
    intent_key: str
    confidence: float
    """The one that holds: from the eleventh use on successes by uses, until then `base_confidence`."""
    base_confidence: float
    usage_count: int
    success_count: int
    is_active: bool
    learned_from: str
    last_used_at: datetime | None
    updated_at: datetime
