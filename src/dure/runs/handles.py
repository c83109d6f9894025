"""What an operation's plan has in hand of a store outside: reading, and drafts that touch nothing."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from dure.runs.model import Draft, Image, Key, Reason
from dure.runs.stores.protocol import OutsideStore, Record, Scope


class OutsideHandle:
    """A store outside as a planner sees it.

    Example: `skill = (await ctx.store("skills").get(scope, [("tidy",)]))[("tidy",)]`.
    """

    def __init__(self, store: OutsideStore, tenant_id: str) -> None:
        self._store = store
        self._tenant_id = tenant_id
        self.name = store.name

    def list(self, scope: Scope | None = None) -> AsyncIterator[Record]:
        """Answer every record of a scope; the tenant is added to it."""
        return self._store.list(self._scoped(scope))

    async def get(self, keys: Sequence[Key], scope: Scope | None = None) -> dict[Key, Record]:
        """Answer the records that are there."""
        return await self._store.get(self._scoped(scope), keys)

    def create(self, key: Key, values: Image, **options: Any) -> Draft:
        """Draft a new record. Options: `reason`, `ask`, `subject`, `scope`."""
        return self._draft("create", key, after=values, **options)

    def update(self, record: Record, values: Image, **options: Any) -> Draft:
        """Draft other values for a record."""
        return self._draft("update", record.key, record, after=values, **options)

    def delete(self, record: Record, **options: Any) -> Draft:
        """Draft the end of a record."""
        return self._draft("delete", record.key, record, **options)

    def leave(self, record: Record, **options: Any) -> Draft:
        """Draft the leaving half of a record that another draft of the same tuple creates elsewhere."""
        return self._draft("move", record.key, record, **options)

    def move(self, record: Record, to_key: Key, **options: Any) -> Draft:
        """Draft another key for a record, in the same store."""
        return self._draft("move", record.key, record, after=record.values, to_key=to_key, **options)

    def keep(self, record: Record, **options: Any) -> Draft:
        """Say why a record stays."""
        return self._draft("keep", record.key, record, **options)

    def _draft(
        self,
        kind: Any,
        key: Key,
        record: Record | None = None,
        *,
        after: Image | None = None,
        to_key: Key | None = None,
        reason: Reason | str | None = None,
        ask: bool = False,
        subject: str | None = None,
        scope: str = "",
    ) -> Draft:
        return Draft(
            store=self.name,
            kind=kind,
            key=key,
            before=None if record is None else record.values,
            after=after,
            to_key=to_key,
            revision=None if record is None else record.revision,
            ask=ask,
            reason=Reason.of(reason),
            subject=subject,
            scope=scope,
        )

    def _scoped(self, scope: Scope | None) -> dict[str, str]:
        return {**(scope or {}), "tenant_id": self._tenant_id}
