"""Intents: what a sentence, a button or a program asks for, and what may come of it."""

from dure.intents.declaring import intent
from dure.intents.model import Changed, Declaration, Outgoing, Report, Skip, Target

__all__ = ["Changed", "Declaration", "Outgoing", "Report", "Skip", "Target", "intent"]
