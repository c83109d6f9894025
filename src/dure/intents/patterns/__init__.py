"""Patterns: a sentence in Korean or English finds the intent that it asks for."""

from dure.intents.patterns.model import Candidate, KnownPattern
from dure.intents.patterns.service import Patterns

__all__ = ["Candidate", "KnownPattern", "Patterns"]
