"""An example page, in the tables alone: with no key for Notion a window over it works it here and sends nothing."""

import json
from collections.abc import Callable
from hashlib import sha256

from dure.apps.notion.config import load
from dure.apps.notion.crawl import Seen
from dure.apps.notion.store import Store
from dure.db.pool import Database
from dure.db.sql import load as statement
from dure.lang import say

PAGE = "demo-page"
TEXTS = (
    "Summarise last week's questions from customers",
    "다음 주 회의 안건을 정리하기",
    "Draft the release note",
    "오래된 문서 세 개를 찾아 목록으로 만들기",
    "Ask the warehouse about late parcels",
)
NESTED = 3
"""Which of them lies beneath the one before it."""
TICKED = 2
"""Which of them somebody has done already."""
EDITED_AT = "2026-01-05T09:00:00+00:00"

_ROWS = statement("dure.apps.notion", "demo_rows")


async def load_demo(database: Database, say_line: Callable[[str], None]) -> dict[str, int]:
    """Put an example page with its to-dos into the tables; what is there already stays, with what was done about it.

    Example: `await load_demo(database, print)`.
    """
    settings = load()
    store = Store(database, settings.tenant)
    await store.page(PAGE)
    todos = [
        Seen(
            block_id=f"demo-{no}",
            text=text,
            checked=no == TICKED,
            last_edited_at=EDITED_AT,
            position=no,
            path=(f"demo-{no - 1}",) if no == NESTED else (),
        )
        for no, text in enumerate(TEXTS)
        if await store.todo(f"demo-{no}") is None
    ]
    for todo in todos:
        await store.seen(PAGE, todo, await store.clock())
    say_line(say("notion.demo.loaded", todos=len(TEXTS), page=PAGE))
    say_line(say("notion.demo.start", page=PAGE))
    say_line(say("notion.demo.no_key" if settings.key is None else "notion.demo.key", page=PAGE))
    return {"todos": len(todos)}


async def fingerprint(database: Database) -> str:
    """Answer one sha256 over every to-do of all tenants. Example: `await fingerprint(database) == before`."""
    digest = sha256()
    async with database.system_tx() as tx:
        for row in await (await tx.execute(_ROWS)).fetchall():
            digest.update(json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n")
    return digest.hexdigest()
