"""Keys for the HTTP interface: kept as a digest only, with a scope and a tenant, never shown again.

A secret has 256 random bits, so a plain SHA-256 is enough and a look-up by it is one probe of an index.
"""

import hashlib
import json
import re
import secrets
from datetime import datetime
from typing import get_args

from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import Invalid, NotFound
from dure.queue.cursors import id_from_cursor, is_id, to_cursor
from dure.queue.texts import clean_text, clean_time
from dure.queue.views import ApiKey, Page, Principal, Scope

PREFIX = "dure_"
SECRET = re.compile(r"dure_[A-Za-z0-9_-]{20,100}")
"""Use `fullmatch`: what does not look like one of ours is not even looked up."""
NAME_CHARS_MAX = 100
PAGE_MAX = 1_000

_CREATE = load("dure.queue", "key_create")
_LIST = load("dure.queue", "keys_list")
_REVOKE = load("dure.queue", "key_revoke")
_FIND = load("dure.queue", "key_find")
_USED = load("dure.queue", "key_used")
_ANY = load("dure.queue", "keys_any")
_RECORD = load("dure.queue", "record")


class Keys:
    """The keys of a database.

    Example: `secret, key = await keys.create("acme", "ci", "operator", None, actor="ops")`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        tenant_id: str | None,
        name: str,
        scope: Scope,
        expires_at: datetime | None = None,
        *,
        actor: str = "system",
    ) -> tuple[str, ApiKey]:
        """Make a key and answer its secret, which is kept nowhere; without a tenant it is for all of them."""
        clean_text(name, "name", chars_min=1, chars_max=NAME_CHARS_MAX)
        if scope not in get_args(Scope):
            raise Invalid(field="scope", reason="not_one_of", expected=", ".join(get_args(Scope)))
        expires_at = clean_time(expires_at, "expires_at")
        secret = PREFIX + secrets.token_urlsafe(32)
        values = {
            "tenant_id": tenant_id,
            "name": name,
            "scope": scope,
            "expires_at": expires_at,
            "digest": digest(secret),
        }
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_CREATE, values)).fetchone()
            if row is None:
                raise Invalid(field="expires_at", reason="in_the_past")
            key = ApiKey(*row)
            detail = json.dumps({"name": name, "scope": scope})
            await tx.execute(_RECORD, _event(actor, "create", key, detail))
        return secret, key

    async def list(self, tenant_id: str | None = None, *, limit: int = 50, cursor: str | None = None) -> Page[ApiKey]:
        """Answer the keys of a tenant, or all, newest first; revoked and expired ones too."""
        limit = max(1, min(limit, PAGE_MAX))
        values = {"tenant_id": tenant_id, "before": id_from_cursor(cursor), "limit": limit + 1}
        async with self._database.system_tx() as tx:
            rows = await (await tx.execute(_LIST, values)).fetchall()
        items = tuple(ApiKey(*row) for row in rows[:limit])
        return Page(items, to_cursor(items[-1].id) if len(rows) > limit else None)

    async def revoke(self, key_id: str, *, tenant_id: str | None = None, actor: str = "system") -> ApiKey:
        """End a key now and for ever.

        With a tenant, only if it is that tenant's. Twice is as good as once.
        """
        if not is_id(key_id):
            raise NotFound("key", key_id)
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_REVOKE, {"id": key_id, "tenant_id": tenant_id})).fetchone()
            if row is None:
                raise NotFound("key", key_id)
            key = ApiKey(*row)
            await tx.execute(_RECORD, _event(actor, "revoke", key, "{}"))
        return key

    async def authenticate(self, secret: str) -> Principal | None:
        """Answer who holds this secret, None if it is unknown, expired or revoked."""
        if SECRET.fullmatch(secret) is None:
            return None
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_FIND, {"digest": digest(secret)})).fetchone()
            if row is None:
                return None
            key_id, tenant_id, name, scope, stale = row
            if stale:
                await tx.execute(_USED, {"id": key_id})
        return Principal(f"key:{name}", scope, tenant_id, key_id)

    async def any_exist(self) -> bool:
        """Answer whether there has ever been a key; from then on one is needed."""
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_ANY)).fetchone()
        return bool(row and row[0])


def digest(secret: str) -> bytes:
    """Answer what is kept of a secret. Example: `digest(secret).hex()`."""
    return hashlib.sha256(secret.encode()).digest()


def _event(actor: str, verb: str, key: ApiKey, detail: str) -> dict[str, object]:
    return {
        "actor": actor,
        "verb": verb,
        "subject": f"key:{key.id}",
        "detail": detail,
        "tenant_id": key.tenant_id,
    }
