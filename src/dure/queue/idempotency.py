"""Answering a repeated request with the first answer: what the `Idempotency-Key` header asks for.

The work and its answer are one transaction: there is no moment in which the work is done and its answer is
not kept, so nothing need be cleaned up after a crash and no request is ever done twice. While one request
works, an advisory lock holds its key; another with the same key is told to come back.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import DureError, Invalid

KEY_CHARS_MAX = 255

_LOCK = load("dure.queue", "idempotency_lock")
_FIND = load("dure.queue", "idempotency_find")
_STORE = load("dure.queue", "idempotency_store")


class IdempotencyMismatch(DureError):
    """The key was used for another request within the last 24 hours.

    Example: `raise IdempotencyMismatch(key="4711")`.
    """

    code = "idempotency_mismatch"
    status = 422
    exit_code = 6

    def __init__(self, *, key: str) -> None:
        super().__init__(key=key)
        self._name_field("Idempotency-Key")


class IdempotencyInProgress(DureError):
    """A request with this key is being worked on: come back for its answer.

    Example: `raise IdempotencyInProgress(key="4711")`.
    """

    code = "idempotency_in_progress"
    status = 409
    exit_code = 6

    def __init__(self, *, key: str) -> None:
        super().__init__(key=key)
        self._name_field("Idempotency-Key")


@dataclass(frozen=True, slots=True)
class Once:
    """A request that is to be done once. Example: `Once.of("4711", "POST /v1/jobs", body)`."""

    key: str
    route: str
    digest: bytes

    @classmethod
    def of(cls, key: str, route: str, body: bytes) -> "Once":
        """Check the key and take the digest of the request."""
        if not (0 < len(key) <= KEY_CHARS_MAX):
            raise Invalid(field="Idempotency-Key", reason="out_of_range", min=1, max=KEY_CHARS_MAX)
        if not (key.isascii() and key.isprintable()):
            raise Invalid(
                field="Idempotency-Key",
                reason="wrong_format",
                expected="8e03978e-40d5-43e8-bc93-6894a57f9324",
            )
        return cls(key, route, hashlib.sha256(body).digest())


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body; `replayed` says that it is an earlier request's."""

    status: int
    body: Any
    replayed: bool = False


Work = Callable[[Connection], Awaitable[Answer]]


class Idempotency:
    """Keeps answers by key. Example: `await idempotency.run("acme", once, work)`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, tenant_id: str, once: Once | None, work: Work, *, system: bool = False) -> Answer:
        """Do the work in a transaction of the tenant, or of the system, or answer as the first time.

        Without `once`, just do it.
        """
        async with self._database.system_tx() if system else self._database.tenant_tx(tenant_id) as tx:
            if once is None:
                return await work(tx)
            earlier = await self._earlier(tx, tenant_id, once)
            if earlier is not None:
                return earlier
            answer = await work(tx)
            values = {
                "tenant_id": tenant_id,
                "key": once.key,
                "route": once.route,
                "digest": once.digest,
                "status": answer.status,
                "body": json.dumps(answer.body),
            }
            await tx.execute(_STORE, values)
            return answer

    async def _earlier(self, tx: Connection, tenant_id: str, once: Once) -> Answer | None:
        named = {"tenant_id": tenant_id, "key": once.key}
        locked = await (await tx.execute(_LOCK, named)).fetchone()
        if not (locked and locked[0]):
            raise IdempotencyInProgress(key=once.key)
        # A statement of its own, after the lock: it sees what the holder before has committed.
        row = await (await tx.execute(_FIND, named)).fetchone()
        if row is None:
            return None
        route, digest, status, body = row
        if (route, bytes(digest)) != (once.route, once.digest):
            raise IdempotencyMismatch(key=once.key)
        return Answer(status, body, replayed=True)
