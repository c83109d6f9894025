"""Who there is: agents register, renew their leases, are read, linked, drained and retired.

An agent's life, by the database's clock:

    register ──► alive ──► suspect ──► dead ──► reaped
                   ▲  renew   │          │
                   └──────────┘          └── register again: a new epoch, and the old one's late words are refused
    alive ──► draining (ends what it has) ──► retired (its session ends at once, what waits for it by name fails)

What it is given, and how it answers, is in `dure.agents.work`.
"""

from collections.abc import Mapping
from typing import Any

from dure.agents.model import Agent, AgentFilter, Branch, NewAgent, Renewal, Session
from dure.agents.renewals import Renewals
from dure.agents.rows import agent_of
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Invalid, LeaseLost, NotFound, Refused
from dure.queue.cursors import bad_cursor, from_cursor, to_cursor
from dure.queue.payload import encode
from dure.queue.views import Page
from dure.settings import Settings

PAGE_MAX = 1_000
TREE_MAX = 10_000
"""So many agents of a tree are shown at most."""
DOCUMENT_BYTES_MAX = 65_536
"""Of a registration, and of a report of load."""
OWNERS_MAX = 100_000

_REGISTER = load("dure.agents", "agent_register")
_READ = load("dure.agents", "agents_read")
_OWNER = load("dure.agents", "agent_owner")
_LINK = load("dure.agents", "agent_link")
_DRAIN = load("dure.agents", "agent_drain")
_RESUME = load("dure.agents", "agent_resume")
_RETIRE = load("dure.agents", "agent_retire")
_LEAVE = load("dure.agents", "agent_leave")


class Registry:
    """The agents of a database.

    Example: `session = await agents.register("acme", NewAgent(agent_id="r1", class_="research", version="1.9.0"))`.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._renewals = Renewals(database)
        self._owners: dict[tuple[str, str, int], str | None] = {}

    async def register(self, tenant_id: str, agent: NewAgent, *, key_id: str | None = None) -> Session:
        """Begin a session; one that the agent had ends, and what that held goes back into line."""
        document = fit(encode(_document(agent), field="agent"), "agent", DOCUMENT_BYTES_MAX)
        async with self._database.system_tx() as tx:
            row = await (
                await tx.execute(_REGISTER, {"tenant": tenant_id, "agent": document, "key": key_id})
            ).fetchone()
        assert row is not None
        told: dict[str, Any] = row[0]
        return Session(
            told["agent_id"], told["epoch"], told["lease_s"], told["state"], told["upgrade_to"], told["hold"]
        )

    async def renew(
        self, tenant_id: str, agent_id: str, epoch: int, *, load: Mapping[str, Any] | None = None
    ) -> Renewal:
        """Keep a session; raises `LeaseLost` when it is over. Many at once are one small write."""
        report = None if load is None else fit(encode(dict(load), field="load"), "load", DOCUMENT_BYTES_MAX)
        found = await self._renewals.renew(epoch, report)
        if found is None or found[:2] != (tenant_id, agent_id):
            raise LeaseLost(id=agent_id)
        _, _, lease_until, draining, upgrade_to, hold, cancel = found
        stops = tuple((str(one["task_id"]), str(one["reason"])) for one in cancel or ())
        return Renewal(lease_until, draining, upgrade_to, hold, stops)

    async def require_key(self, tenant_id: str, agent_id: str, epoch: int, key_id: str | None) -> None:
        """Refuse to act for a session that another key began."""
        place = (tenant_id, agent_id, epoch)
        if place not in self._owners:
            async with self._database.system_tx() as tx:
                values = {"tenant": tenant_id, "agent": agent_id, "epoch": epoch}
                row = await (await tx.execute(_OWNER, values)).fetchone()
            if row is None:
                raise LeaseLost(id=agent_id)
            if len(self._owners) >= OWNERS_MAX:
                self._owners.clear()
            # For good: a session has the key that it began with.
            self._owners[place] = row[0]
        if self._owners[place] != key_id:
            raise Refused("agent_taken", agent=agent_id)

    async def get(self, tenant_id: str | None, agent_id: str) -> Agent:
        """Answer an agent, gone or not."""
        async with self._database.system_tx() as tx:
            return await read_agent(tx, tenant_id, agent_id)

    async def list(
        self,
        tenant_id: str | None,
        wanted: AgentFilter | None = None,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Agent]:
        """Answer agents in the order of their ids."""
        limit = max(1, min(limit, PAGE_MAX))
        async with self._database.system_tx() as tx:
            found = await _read(tx, tenant_id, wanted or AgentFilter(), after=_place_of(cursor), limit=limit + 1)
        items, more = found[:limit], len(found) > limit
        following = to_cursor(f"{items[-1].tenant_id}\n{items[-1].agent_id}") if more else None
        return Page(tuple(items), following)

    async def tree(self, tenant_id: str, agent_id: str | None = None) -> tuple[Branch, ...]:
        """Answer an agent with all below it, or all roots with theirs."""
        async with self._database.system_tx() as tx:
            top = None if agent_id is None else await read_agent(tx, tenant_id, agent_id)
            wanted = AgentFilter(tree=agent_id, gone=top is not None and top.state in ("retired", "reaped"))
            found = await _read(tx, tenant_id, wanted, after=("", ""), limit=TREE_MAX)
        below: dict[str | None, list[Agent]] = {}
        there = {one.agent_id for one in found}
        for one in found:
            parent = one.link.parent_id if one.link is not None else None
            below.setdefault(parent if parent in there and one.agent_id != agent_id else None, []).append(one)

        def branch(one: Agent) -> Branch:
            return Branch(one, tuple(branch(child) for child in below.get(one.agent_id, ())))

        return tuple(branch(one) for one in below.get(None, ()))

    async def link(
        self,
        tenant_id: str,
        child_id: str,
        parent_id: str,
        *,
        protocol: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Agent:
        """Make an agent another's child; what is not said about how they speak stays as it is."""
        document = (
            None if settings is None else fit(encode(dict(settings), field="settings"), "settings", DOCUMENT_BYTES_MAX)
        )
        values = {
            "tenant": tenant_id, "child": child_id, "parent": parent_id, "protocol": protocol, "settings": document,
        }  # fmt: skip
        async with self._database.system_tx() as tx:
            await read_agent(tx, tenant_id, child_id)
            await tx.execute(_LINK, values)
            return await read_agent(tx, tenant_id, child_id)

    async def drain(self, tenant_id: str, agent_id: str, *, cascade: bool = True, actor: str) -> tuple[str, ...]:
        """Give an agent, and all below it, no more work; answer whom that changed."""
        return await self._each(_DRAIN, tenant_id, agent_id, cascade, actor)

    async def resume(self, tenant_id: str, agent_id: str, *, cascade: bool = False, actor: str) -> tuple[str, ...]:
        """Take a drain or a retirement back; answer whom that changed."""
        return await self._each(_RESUME, tenant_id, agent_id, cascade, actor)

    async def retire(self, tenant_id: str, agent_id: str, *, actor: str) -> Agent:
        """Let an agent go for good: its session ends now, and it may not register again until it is resumed."""
        async with self._database.system_tx() as tx:
            await tx.execute(_RETIRE, {"tenant": tenant_id, "agent": agent_id, "actor": actor})
            return await read_agent(tx, tenant_id, agent_id)

    async def leave(self, tenant_id: str, agent_id: str, epoch: int) -> None:
        """End a session in order, as its agent asks; `LeaseLost` when it has ended already."""
        values = {"tenant": tenant_id, "agent": agent_id, "epoch": epoch}
        async with self._database.system_tx() as tx:
            if await (await tx.execute(_LEAVE, values)).fetchone() is None:
                raise LeaseLost(id=agent_id)

    async def _each(self, statement: Any, tenant_id: str, agent_id: str, cascade: bool, actor: str) -> tuple[str, ...]:
        values = {"tenant": tenant_id, "agent": agent_id, "cascade": cascade, "actor": actor}
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(statement, values)).fetchone()
        return tuple(row[0]) if row else ()


async def read_agent(tx: Connection, tenant_id: str | None, agent_id: str) -> Agent:
    """Answer an agent; `NotFound` when there is none, or when all tenants' were asked and two have one of this id."""
    found = await _read(tx, tenant_id, AgentFilter(gone=True), after=("", ""), limit=2, agent_id=agent_id)
    if len(found) != 1:
        raise NotFound("agent", agent_id)
    return found[0]


async def _read(
    tx: Connection,
    tenant_id: str | None,
    wanted: AgentFilter,
    *,
    after: tuple[str, str],
    limit: int,
    agent_id: str | None = None,
) -> list[Agent]:
    values = {
        "tenant": tenant_id,
        "after_tenant": after[0],
        "after": after[1],
        "id": agent_id,
        "class": wanted.class_,
        "kind": wanted.kind,
        "capability": wanted.capability,
        "tree": wanted.tree,
        "gone": wanted.gone or wanted.state in ("retired", "reaped"),
        "state": wanted.state,
        "limit": limit,
    }
    return [agent_of(row) for row in await (await tx.execute(_READ, values)).fetchall()]


def fit(text: str, field: str, bytes_max: int) -> str:
    """Answer a text that is not too large. Example: `fit("{}", "load", 65_536)`."""
    size_bytes = len(text.encode())
    if size_bytes > bytes_max:
        raise Invalid(field=field, reason="too_large", size_bytes=size_bytes, max_bytes=bytes_max)
    return text


def _place_of(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return "", ""
    tenant_id, newline, agent_id = from_cursor(cursor).partition("\n")
    if not newline:
        raise bad_cursor()
    return tenant_id, agent_id


def _document(agent: NewAgent) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "agent_id": agent.agent_id,
        "kind": agent.kind,
        "class": agent.class_,
        "version": agent.version,
        "capabilities": list(agent.capabilities),
        "parent_id": agent.parent_id,
        "link_protocol": agent.link_protocol,
        "link_settings": None if agent.link_settings is None else dict(agent.link_settings),
        "location": agent.location,
        "endpoints": dict(agent.endpoints),
        "labels": dict(agent.labels),
        "protocol": agent.protocol,
        "capacity": agent.capacity,
        "on_death": agent.on_death,
        "lease_s": agent.lease_s,
    }
    return {name: value for name, value in asked.items() if value is not None}
