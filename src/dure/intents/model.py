"""The values of intents: what is declared, what is asked for, what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dure.queue.views import Scope

Effect = Literal["read", "write", "send"]
Risk = Literal["low", "medium", "high"]
RISKS: tuple[Risk, ...] = ("low", "medium", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What is known of an intent without its code.

    Example: `Declaration(key="report.get.daily", title={"en": "Today's figures", "ko": "오늘의 현황"})`.
    """

    key: str
    title: Mapping[str, str]
    """In each language."""
    target: str = ""
    """`module:Class`; empty for a class that is marked where it stands."""
    effect: Effect = "read"
    risk: Risk = "low"
    ask: Scope = "operator"
    """The least scope of a key that may ask for it."""
    agents: bool = False
    """Whether an agent's key may, too."""
    approval: bool = False
    """Whether a person must approve each request."""
    cap_per_day: int | None = None
    """How often a tenant may have it in a day."""
    max_retries: int = 3
    timeout_s: float = 300.0
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    sends: tuple[str, ...] = ()
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Sentences that ask for it, in each language."""

    @property
    def category(self) -> str:
        """The first part of the key."""
        return self.key.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Target:
    """One of many that an intent is for. Example: `Target("guardian:17", {"name": "…"})`."""

    id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None
    """What it looked like when it was found; `each` may compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to somebody outside. Example: `Outgoing(channel="sms", to="+821000000000", body="…")`."""

    channel: str
    to: str
    body: str
    subject: str = ""
    dedupe: str | None = None
    """What makes two messages the same; None goes by recipient and content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Something that a person reads. Example: `Report(kind="weekly", title="…", format="markdown", body="# …")`."""

    kind: str
    title: str
    format: Literal["markdown", "csv", "text"]
    body: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Skip(Exception):
    """This target needs nothing done. Example: `raise Skip("no guardian wants messages")`."""


class Changed(Exception):
    """This target is gone, or is not what it was when it was found: a conflict, not a failure of the rest."""
