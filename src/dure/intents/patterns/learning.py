"""Patterns as rows: read, made, learned from use, changed, and seeded from what intents declare."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Conflict, NotFound
from dure.intents.model import Declaration
from dure.intents.patterns.matching import Pattern
from dure.intents.patterns.model import KnownPattern
from dure.intents.patterns.normalising import LETTERS_MIN, lang_of, letter_count
from dure.queue.cursors import LAST_ID, is_id

CONFIDENCE_FIRST = 0.8
"""Of an example of a pack, and of a pattern that is made or learned for the first time."""
PATTERN_CHARS_MAX = 200

_READ = load("dure.intents.patterns", "read")
_LIST = load("dure.intents.patterns", "list")
_LEARN = load("dure.intents.patterns", "learn")
_CREATE = load("dure.intents.patterns", "create")
_EDIT = load("dure.intents.patterns", "edit")
_USED = load("dure.intents.patterns", "used")
_DELETE = load("dure.intents.patterns", "delete")
_SEED = load("dure.intents.patterns", "seed")
_SEED_STALE = load("dure.intents.patterns", "seed_stale")
_RECORD = load("dure.queue", "record")


async def patterns_of(tx: Connection, tenant_id: str) -> list[Pattern]:
    """Answer the patterns that a tenant's sentences are compared with."""
    return [Pattern(*row) for row in await (await tx.execute(_READ, {"tenant": tenant_id})).fetchall()]


async def list_on(
    tx: Connection,
    tenant_id: str,
    *,
    limit: int,
    before: str = LAST_ID,
    intent_key: str | None = None,
    lang: str | None = None,
    holding: str | None = None,
    id: str | None = None,
) -> list[KnownPattern]:
    """Answer the patterns of a tenant with their stories, newest first."""
    values = {
        "tenant": tenant_id, "before": before, "intent_key": intent_key, "lang": lang, "holding": holding, "id": id,
        "limit": limit,
    }  # fmt: skip
    return [KnownPattern(*row) for row in await (await tx.execute(_LIST, values)).fetchall()]


async def get_on(tx: Connection, tenant_id: str, pattern_id: str) -> KnownPattern:
    """Answer one pattern, or say that there is none."""
    require_id(pattern_id)
    found = await list_on(tx, tenant_id, limit=1, id=pattern_id)
    if not found:
        raise NotFound("pattern", pattern_id)
    return found[0]


async def learn_on(tx: Connection, tenant_id: str, sentence: str, intent_key: str, actor: str) -> KnownPattern:
    """Learn that a sentence asks for an intent; learned again it counts for more."""
    values = {
        "tenant": tenant_id, "pattern": sentence, "intent_key": intent_key, "lang": lang_of(sentence), "actor": actor,
    }  # fmt: skip
    return await get_on(tx, tenant_id, await _id(tx, _LEARN, values))


async def create_on(
    tx: Connection, tenant_id: str, pattern: str, intent_key: str, *, lang: str, confidence: float, actor: str
) -> KnownPattern:
    """Make a pattern; `Conflict` when the tenant has it for this intent already."""
    values = {
        "tenant": tenant_id, "pattern": pattern, "lang": lang, "intent_key": intent_key, "confidence": confidence,
        "actor": actor,
    }  # fmt: skip
    row = await (await tx.execute(_CREATE, values)).fetchone()
    if row is None:
        raise Conflict("already_exists", field="pattern")
    return await get_on(tx, tenant_id, row[0])


async def edit_on(
    tx: Connection, tenant_id: str, pattern_id: str, changes: Mapping[str, Any], actor: str
) -> KnownPattern:
    """Change a pattern; of one that came with a pack the tenant gets a row of its own."""
    require_id(pattern_id)
    values = {
        "tenant": tenant_id, "id": pattern_id, "changes": json.dumps(dict(changes), ensure_ascii=False), "actor": actor,
    }  # fmt: skip
    return await get_on(tx, tenant_id, await _id(tx, _EDIT, values))


async def used_on(tx: Connection, tenant_id: str, pattern_id: str, success: bool) -> KnownPattern:
    """Note that a pattern was used, and whether it found what was meant."""
    require_id(pattern_id)
    values = {"tenant": tenant_id, "id": pattern_id, "success": success}
    return await get_on(tx, tenant_id, await _id(tx, _USED, values))


async def delete_on(tx: Connection, tenant_id: str, pattern_id: str) -> None:
    """Remove a pattern of the tenant's own."""
    require_id(pattern_id)
    await tx.execute(_DELETE, {"tenant": tenant_id, "id": pattern_id})


async def seed_on(tx: Connection, declared: Iterable[Declaration]) -> int:
    """Make the examples and titles of intents patterns for all tenants; answer how many were made or removed."""
    rows = [
        (text, lang, one.key)
        for one in declared
        for lang, texts in sorted(one.examples.items())
        for text in (*texts, *([one.title[lang]] if lang in one.title else []))
        if letter_count(text) >= LETTERS_MIN
    ]
    values = {
        "patterns": [text for text, _, _ in rows], "langs": [lang for _, lang, _ in rows],
        "keys": [key for _, _, key in rows], "confidence": CONFIDENCE_FIRST,
    }  # fmt: skip
    removed = await tx.execute(_SEED_STALE, values)
    made = await tx.execute(_SEED, values)
    return removed.rowcount + made.rowcount


async def record(tx: Connection, tenant_id: str, actor: str, verb: str, pattern: KnownPattern) -> None:
    """Note who did what to a pattern."""
    detail = {"pattern": pattern.pattern, "intent_key": pattern.intent_key, "confidence": pattern.base_confidence}
    values = {
        "actor": actor, "verb": f"pattern.{verb}", "subject": f"pattern:{pattern.id}", "tenant_id": tenant_id,
        "detail": json.dumps(detail, ensure_ascii=False),
    }  # fmt: skip
    await tx.execute(_RECORD, values)


def require_id(pattern_id: str) -> None:
    """Refuse what has not the form of an id, as what is not there."""
    if not is_id(pattern_id):
        raise NotFound("pattern", pattern_id)


async def _id(tx: Connection, statement: Any, values: Mapping[str, Any]) -> str:
    row = await (await tx.execute(statement, values)).fetchone()
    assert row is not None
    return str(row[0])
