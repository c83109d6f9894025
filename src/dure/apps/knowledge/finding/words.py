"""The words on which two sentences that look alike part: they stand in `words.toml`, in two languages."""

import tomllib
from collections.abc import Mapping
from importlib import resources


def _listed(table: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(table[name].split())


def _entries(table: Mapping[str, str], name: str) -> list[list[str]]:
    return [entry.split() for line in table[name].strip().splitlines() for entry in line.split("|")]


def _opposites(table: Mapping[str, str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one, other in _entries(table, "opposites"):
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return {word: frozenset(others) for word, others in found.items()}


def _dictionary(table: Mapping[str, str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for word, *others in _entries(table, "dictionary"):
        found.setdefault(word, set()).update(others)
    return {word: frozenset(others) for word, others in found.items()}


_TABLE: Mapping[str, str] = tomllib.loads(
    (resources.files("dure.apps.knowledge.finding") / "words.toml").read_text(encoding="utf-8")
)

NEGATIONS = _listed(_TABLE, "negations")
QUANTIFIERS = _listed(_TABLE, "quantifiers")
UNITS = _listed(_TABLE, "units")
DAYS = _listed(_TABLE, "days")
COUNTERS = _listed(_TABLE, "counters")
ADVERBS = _listed(_TABLE, "adverbs")
OPPOSITES = _opposites(_TABLE)
"""Each word with its opposites."""
DICTIONARY = _dictionary(_TABLE)
"""Korean words with their English ones."""
