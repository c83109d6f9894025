"""What a store outside the database must be able to do, so that its records can be changed through a plan and back.

The record before is read while planning and kept in the plan. While applying, each change is an intent that is
committed first, then one call with an idempotency key, then its outcome; after a crash the store is asked what
happened. So a store needs no transactions, only: the same call twice has the effect of one, and a call that names the
revision it expects refuses a record that changed since.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dure.queue.registry import Rate
from dure.runs.model import Image, Key

Scope = Mapping[str, str]
"""Whose records: always `tenant_id`, and what the store adds, such as `agent_id`."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as a store holds it. Example: `Record(("tidy",), ("Tidy up", "…"), "sha256:…")`."""

    key: Key
    values: Image
    """One for each of the store's `fields`, as exact text."""
    revision: str = ""
    """Changes whenever the record does; empty when the store has none, then the values are compared."""


@dataclass(frozen=True, slots=True)
class Undo:
    """What a store can take back; `why_not` says why it cannot do the rest."""

    creates: bool = True
    updates: bool = True
    deletes: bool = True
    moves: bool = True
    why_not: str = ""


class StoreConflict(Exception):
    """The record is not as expected: changed since, there already, or gone.

    Example: `raise StoreConflict("changed", present)`.
    """

    def __init__(self, reason: str, present: Record | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.present = present


class StoreDown(Exception):
    """The store cannot be reached now; it is tried again.

    Example: `raise StoreDown("connection refused", after_s=5)`.
    """

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


@runtime_checkable
class OutsideStore(Protocol):
    """A store outside the database; records are told apart by `key` within a tenant."""

    @property
    def name(self) -> str:
        """What operations and people call it."""

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The names of the parts of a key."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of a record's values."""

    @property
    def undo(self) -> Undo:
        """What it can take back."""

    @property
    def rate(self) -> Rate | None:
        """How many calls it bears, of all workers together."""

    def list(self, scope: Scope) -> AsyncIterator[Record]:
        """Answer every record of a scope."""

    async def get(self, scope: Scope, keys: Sequence[Key]) -> dict[Key, Record]:
        """Answer the records that are there."""

    async def put(self, scope: Scope, record: Record, *, expected: str | None, idempotency_key: str) -> Record:
        """Write a record under the key that it has; `expected` is the revision it replaces, None when it must
        be new.
        """

    async def delete(self, scope: Scope, key: Key, *, expected: str, idempotency_key: str) -> None:
        """Remove a record if it still is at the expected revision; it may be gone already."""

    async def move(self, scope: Scope, key: Key, to_key: Key, *, expected: str, idempotency_key: str) -> Record:
        """Give a record another key."""
