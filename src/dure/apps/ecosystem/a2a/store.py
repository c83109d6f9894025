"""What is kept of A2A on the serving side: turns and cards. All its SQL is here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dure.apps.ecosystem.a2a.messages import Turn
from dure.apps.ecosystem.a2a.requests import ListTasks
from dure.apps.ecosystem.a2a.states import ENDS, REFUSALS, SAID
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.queue.cursors import bad_cursor, from_cursor, is_id, to_cursor
from dure.queue.texts import read_json

SCAN_MAX = 20_000
"""A list looks at so many tasks at most, the newest ones."""
SKILLS_MAX = 200
AGENTS_MAX = 1_000

_READ = load("dure.apps.ecosystem.a2a", "turns_read")
_OF_MESSAGE = load("dure.apps.ecosystem.a2a", "turn_of_message")
_WRITE = load("dure.apps.ecosystem.a2a", "turn_write")
_GIVE_UP = load("dure.apps.ecosystem.a2a", "turn_give_up")
_GO_ON = load("dure.apps.ecosystem.a2a", "turn_go_on")
_LIST = load("dure.apps.ecosystem.a2a", "tasks_list")
_SKILLS = load("dure.apps.ecosystem.a2a", "skills")
_AGENT = load("dure.apps.ecosystem.a2a", "agent_read")
_AGENTS = load("dure.apps.ecosystem.a2a", "agents_list")


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn that is to be stored."""

    job_id: str
    tenant_id: str
    task_id: str
    turn: int
    context_id: str
    card_agent: str | None
    actor: str
    message_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent as its card shows it."""

    agent_id: str
    class_: str
    version: str


@dataclass(frozen=True, slots=True)
class Found:
    """A page of tasks: their turns, how many there are in all, and where the next page begins."""

    tasks: tuple[tuple[Turn, ...], ...]
    total: int
    next_token: str


class Store:
    """Turns and cards of a database. Example: `await Store(database).turns("acme", task_id)`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def turns(self, tenant_id: str, task_id: str, *, tx: Connection | None = None) -> tuple[Turn, ...]:
        """Answer the turns of a task, none when there is no such task."""
        if not is_id(task_id):
            return ()
        if tx is not None:
            return tuple(await _read(tx, tenant_id, [task_id]))
        async with self._database.tenant_tx(tenant_id) as own:
            return tuple(await _read(own, tenant_id, [task_id]))

    async def of_message(self, tenant_id: str, actor: str, message_id: str) -> tuple[str, str] | None:
        """Answer the task that a message has become, and the digest of the message."""
        async with self._database.tenant_tx(tenant_id) as tx:
            values = {"tenant_id": tenant_id, "actor": actor, "message_id": message_id}
            row = await (await tx.execute(_OF_MESSAGE, values)).fetchone()
        return None if row is None else (row[0], row[1])

    async def write(self, tx: Connection, new: NewTurn) -> bool:
        """Store a turn; False when there is one for this message, or in this place, already."""
        values = {name: getattr(new, name) for name in NewTurn.__slots__}
        return await (await tx.execute(_WRITE, values)).fetchone() is not None

    async def hold(self, tx: Connection, turn: Turn) -> bool:
        """Hold a turn that waits for its client; False when it was given up."""
        row = await (await tx.execute(_GO_ON, {"tenant_id": turn.tenant_id, "job_id": turn.job_id})).fetchone()
        return row is not None and bool(row[0])

    async def give_up(self, turn: Turn) -> bool:
        """Give up a task that waits for its client; False when it goes on already."""
        async with self._database.system_tx() as tx:
            values = {"tenant_id": turn.tenant_id, "job_id": turn.job_id}
            return await (await tx.execute(_GIVE_UP, values)).fetchone() is not None

    async def find(self, tenant_id: str, asked: ListTasks, card_agent: str | None) -> Found:
        """Answer a page of tasks, the one that changed last first."""
        before_at, before_id = _place(asked.page_token)
        values = {
            "tenant_id": tenant_id,
            "context_id": asked.context_id,
            "card_agent": card_agent,
            "scan": SCAN_MAX,
            "refusals": list(REFUSALS),
            "said": json.dumps(SAID),
            "ends": json.dumps(ENDS),
            "state": asked.status,
            "changed_after": asked.status_timestamp_after,
            "before_at": before_at,
            "before_id": before_id,
            "limit": asked.page_size + 1,
        }
        async with self._database.tenant_tx(tenant_id) as tx:
            rows = await (await tx.execute(_LIST, values)).fetchall()
            page = rows[: asked.page_size]
            turns = await _read(tx, tenant_id, [row[0] for row in page])
        token = to_cursor(f"{page[-1][1].isoformat()} {page[-1][0]}") if len(rows) > asked.page_size else ""
        tasks = tuple(tuple(turn for turn in turns if turn.task_id == row[0]) for row in page)
        return Found(tasks, int(rows[0][2]) if rows else 0, token)

    async def skills(self, tenant_id: str, agent_id: str | None = None) -> list[tuple[str, list[str]]]:
        """Answer what agents can do, each with the classes that can."""
        async with self._database.tenant_tx(tenant_id) as tx:
            values = {"tenant_id": tenant_id, "agent_id": agent_id, "limit": SKILLS_MAX}
            return [(row[0], row[1]) for row in await (await tx.execute(_SKILLS, values)).fetchall()]

    async def agent(self, tenant_id: str, agent_id: str) -> AgentRow | None:
        """Answer one agent, None when there is none or it is retired."""
        async with self._database.tenant_tx(tenant_id) as tx:
            values = {"tenant_id": tenant_id, "agent_id": agent_id}
            row = await (await tx.execute(_AGENT, values)).fetchone()
        return None if row is None else AgentRow(*row)

    async def agents(self, tenant_id: str) -> list[tuple[AgentRow, datetime]]:
        """Answer the agents for the catalog, and when each registered."""
        async with self._database.tenant_tx(tenant_id) as tx:
            values = {"tenant_id": tenant_id, "limit": AGENTS_MAX}
            rows = await (await tx.execute(_AGENTS, values)).fetchall()
        return [(AgentRow(*row[:3]), row[3]) for row in rows]


async def _read(tx: Connection, tenant_id: str, ids: Sequence[str]) -> list[Turn]:
    rows = await (await tx.execute(_READ, {"ids": list(ids), "tenant_id": tenant_id})).fetchall()
    return [_turn(row) for row in rows]


def _turn(row: Sequence[object]) -> Turn:
    names = tuple(Turn.__slots__)
    values = dict(zip(names, row, strict=True))
    for name in ("params", "result"):
        text = values[name]
        values[name] = read_json(None if text is None else str(text))
    return Turn(**values)  # type: ignore[arg-type]


def _place(token: str) -> tuple[datetime | None, str | None]:
    if not token:
        return None, None
    at, _, task_id = from_cursor(token).partition(" ")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise bad_cursor() from None
    if moment.tzinfo is None or not is_id(task_id):
        raise bad_cursor()
    return moment, task_id
