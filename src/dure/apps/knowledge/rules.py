"""Decision rules as rows of process definitions: `type = 'dmn'`, `owner` is the agent, `bpmn` holds the DMN document.

A document that goes is deleted, not marked by `isdeleted`: a deletion is what guards count, and every program that
reads the table sees it gone. What another program marked as deleted already is not looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from psycopg import sql

from dure.apps.knowledge import dmn
from dure.apps.knowledge.layouts import NULL, Layout
from dure.db.pool import Connection
from dure.db.sql import load
from dure.runs.model import Key

_AGENTS = load("dure.apps.knowledge", "rules_agents")
_READ = load("dure.apps.knowledge", "rules_read")
TRUE = sql.SQL("true")


@dataclass(frozen=True, slots=True)
class RuleDocument:
    """A row with its document; `document` is None for one that cannot be read, and `problem` says why."""

    table: str
    key: Key
    agent: str
    name: str
    created_at: str
    xml: str
    document: dmn.Document | None
    problem: str = ""

    @property
    def id(self) -> str:
        """What the finding calls it, unique over all tables."""
        return f"{self.table}/{'/'.join(self.key)}"


async def agents(tx: Connection, layout: Layout, whose: Mapping[str, Any], agent: str | None) -> set[str]:
    """Answer the agents that have rules here."""
    statement = sql.SQL(_AGENTS).format(table=layout.identifier, **_parts(layout))
    rows = await (await tx.execute(statement, {**whose, "agent": agent})).fetchall()
    return {row[0] for row in rows}


async def read(tx: Connection, layout: Layout, whose: Mapping[str, Any], agents: Sequence[str]) -> list[RuleDocument]:
    """Answer the rules of some agents, by agent, the older first."""
    created = next((name for name in ("created_at", "updated_at") if name in layout.columns), "")
    statement = sql.SQL(_READ).format(
        table=layout.identifier,
        key=layout.key_texts("r"),
        name=layout.text("r", "name"),
        created_at=layout.text("r", created) if created else NULL,
        **_parts(layout),
    )
    rows = await (await tx.execute(statement, {**whose, "agents": list(agents)})).fetchall()
    return [_document(layout.name, row) for row in rows]


def new_row(layout: Layout, seed: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the columns of a new row, as many as this table has; the same seed gives the same ids.

    Example: `new_row(layout, "acme/agent-1/m-7", {"name": "VIP", "owner": "agent-1", "bpmn": xml})`.
    """
    made = str(uuid5(NAMESPACE_URL, f"dure:knowledge:{layout.name}:{seed}"))
    given = {"type": "dmn", "isdeleted": False, **values}
    # A definition's id is read by people and programs alike where it is text.
    given["id"] = made if layout.columns.get("id") == "uuid" else f"dmn_{made}"
    for name in layout.key:
        if name not in given and layout.columns.get(name) == "uuid":
            given[name] = made
    return {name: value for name, value in given.items() if name in layout.columns}


def _document(table: str, row: Sequence[Any]) -> RuleDocument:
    key, agent, name, created_at, xml = row
    document, problem = None, ""
    try:
        document = dmn.read(xml or "", key=f"{table}/{'/'.join(key)}")
    except dmn.RulesError as error:
        problem = error.text("en")
    said = name or (document.name if document else "") or "/".join(key)
    return RuleDocument(table, tuple(key), agent, said, created_at or "", xml or "", document, problem)


def _parts(layout: Layout) -> dict[str, sql.Composable]:
    layout.require("owner", "type", "bpmn")
    is_there = TRUE
    if layout.columns.get("isdeleted") == "boolean":
        is_there = sql.SQL("not coalesce(r.isdeleted, false)")
    return {"is_there": is_there, "tenant": layout.text("r", "tenant_id")}
