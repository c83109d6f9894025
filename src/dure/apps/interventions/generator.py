"""Who writes the advice: the rules here, or a model behind an endpoint. Both are asked in the same way.

An answer is either a text with what it is made of, or the reason why there is none; never an empty text.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dure.apps.interventions.facts import Facts
from dure.apps.interventions.periods import Span
from dure.apps.interventions.rules import VERSION, Advice, advise
from dure.lang import say


@dataclass(frozen=True, slots=True)
class Ask:
    """One user's advice, asked for."""

    user: str
    lang: str
    span: Span
    kind: str
    facts: Facts = field(repr=False)
    """Health data: it never reaches a log."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What the advice is to be about."""
        return tuple(self.kind.split("+"))


@dataclass(frozen=True, slots=True)
class Written:
    """Advice as it is stored."""

    content: str
    output: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unwritten:
    """Why there is no advice for a user: a key of `[interventions.reasons]`, and what its sentence names."""

    error: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one slice may spend of its run's budget; None is no limit."""

    requests: int | None = None
    tokens: int | None = None


Answer = Written | Unwritten


class Generator(Protocol):
    """Writes advice."""

    async def write(self, asks: Sequence[Ask], allowance: Allowance) -> list[Answer]:
        """Answer for every user, in order, advice or why there is none; never raises for what one user's data does."""


class RuleEngine:
    """Advice by rules alone: nothing leaves this process. Example: `await RuleEngine().write([ask], Allowance())`."""

    async def write(self, asks: Sequence[Ask], _allowance: Allowance) -> list[Answer]:
        """Answer what the rules say."""
        # In a thread: a worker must go on renewing its lease meanwhile.
        return await asyncio.to_thread(lambda: [_written(ask) for ask in asks])


def _written(ask: Ask) -> Answer:
    try:
        found = advise(ask.facts, ask.span.days, f"{ask.user}:{ask.span.last}")
    except (ArithmeticError, ValueError) as error:
        # One user's odd numbers are that user's failure; what they are is for nobody's log.
        return Unwritten("generator_failed", type(error).__name__)
    if not found:
        return Unwritten("nothing_to_say")
    texts = [sentence(one, ask.lang) for one in found]
    pieces = [
        {"rule": one.rule, "topic": one.topic, "text": text, "figures": dict(one.figures)}
        for one, text in zip(found, texts, strict=True)
    ]
    return Written("\n".join(texts), {"generator": VERSION, "lang": ask.lang, "advice": pieces})


def sentence(advice: Advice, lang: str) -> str:
    """Answer a piece of advice in words. Example: `sentence(Advice("sleep_tip_1", "sleep", 10), "en")`."""
    return say(f"interventions.advice.{advice.rule}", lang, **advice.figures)
