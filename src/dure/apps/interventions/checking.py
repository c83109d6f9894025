"""Who gets a recommendation: ranges of users, each checked with one statement however many users it holds."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql

from dure.apps.interventions.catalog import FALSE, TRUE, Catalog, RecordTable, bounds, identifier
from dure.apps.interventions.periods import Span
from dure.db.pool import Connection
from dure.db.sql import load

PACKAGE = "dure.apps.interventions"
_RANGES = load(PACKAGE, "ranges")
_CHECK = load(PACKAGE, "check")
_MISSING = load(PACKAGE, "record_missing")
ROWS_A_FETCH = 10_000

State = Literal["new", "made", "opted_out", "inactive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be recommended, and whether again. Example: `Question(tenant_id="acme", span=span, kind="diet")`."""

    tenant_id: str
    span: Span
    kind: str
    redo: bool = False

    def values(self) -> dict[str, Any]:
        """Answer the parameters of the statements."""
        return {
            **bounds(self.span),
            "tenant": self.tenant_id,
            "date": self.span.last,
            "kind": self.kind,
            "period": self.span.period,
            "redo": self.redo,
        }


@dataclass(frozen=True, slots=True)
class Some:
    """Which users: those from one id to before another, or those that are named."""

    first: str | None = None
    until: str | None = None
    users: tuple[str, ...] | None = None

    @classmethod
    def of(cls, subject: Mapping[str, Any]) -> "Some":
        """Answer what a subject of the run names."""
        users = subject.get("users")
        return cls(subject.get("first"), subject.get("until"), None if users is None else tuple(users))

    def to_json(self) -> dict[str, Any]:
        """Answer it as a subject of the run."""
        if self.users is not None:
            return {"users": list(self.users)}
        return {"first": self.first, "until": self.until}


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one user."""

    user: str
    language: str | None
    state: State
    missing: int
    """The kinds of record that the user has none of, as bits in the order that they were asked in."""


async def ranges(tx: Connection, catalog: Catalog, tenant_id: str, size: int) -> AsyncIterator[Some]:
    """Yield ranges of so many users that together hold all of them, the last one open."""
    statement = sql.SQL(_RANGES).format(
        id=identifier(catalog.tables.users.id), users=catalog.users.identifier, tenant=catalog.tenant("t")
    )
    begun: str | None = None
    async with tx.cursor("dure_user_ranges") as cursor:
        cursor.itersize = ROWS_A_FETCH
        await cursor.execute(statement, {"size": size, "tenant": tenant_id})
        async for (first,) in cursor:
            if begun is not None:
                yield Some(begun, str(first))
            begun = str(first)
    if begun is not None:
        yield Some(begun)


async def check(
    tx: Connection, catalog: Catalog, question: Question, some: Some, required: Sequence[str]
) -> list[Checked]:
    """Check some users, in one statement."""
    statement = check_statement(catalog, some, required)
    values = {**question.values(), "first": some.first, "until": some.until, "users": list(some.users or ())}
    # Not prepared: a plan that is kept was made when the tables may have been empty.
    cursor = await tx.execute(statement, values, prepare=False)
    return [Checked(*row) for row in await cursor.fetchall()]


def check_statement(catalog: Catalog, some: Some, required: Sequence[str]) -> sql.Composed:
    """Answer the statement that checks some users. Its parameters are those of `check`."""
    users, own = catalog.tables.users, catalog.tables.intervention
    missing = [_missing(catalog, catalog.records[name], bit) for bit, name in enumerate(required)]
    return sql.SQL(_CHECK).format(
        users=catalog.users.identifier,
        interventions=catalog.interventions.identifier,
        id=identifier(users.id),
        language=sql.SQL("{}::text").format(catalog.users.column("u", users.language)),
        active=_flag(catalog, users.active, otherwise=TRUE),
        opted_out=_flag(catalog, users.opted_out, otherwise=FALSE),
        user=identifier(own.user),
        date=identifier(own.date),
        kind=identifier(own.kind),
        period=identifier(own.period),
        missing=sql.SQL(" + ").join(missing),
        some=_some(catalog, some),
        tenant=catalog.tenant("u"),
    )


def missing_of(bits: int, required: Sequence[str]) -> list[str]:
    """Answer the kinds of record that are missing. Example: `missing_of(2, ["food", "exercise"]) == ["exercise"]`."""
    return [name for bit, name in enumerate(required) if bits >> bit & 1]


def _missing(catalog: Catalog, table: RecordTable, bit: int) -> sql.Composed:
    return sql.SQL(_MISSING).format(
        records=table.layout.identifier,
        user=table.user,
        time=table.time,
        id=identifier(catalog.tables.users.id),
        first=table.bound("first"),
        until=table.bound("until"),
        bit=sql.Literal(1 << bit),
    )


def _flag(catalog: Catalog, name: str, *, otherwise: sql.SQL) -> sql.Composable:
    if not name:
        return otherwise
    return sql.SQL("coalesce({}::boolean, false)").format(catalog.users.column("u", name))


def _some(catalog: Catalog, some: Some) -> sql.Composable:
    id, kind = catalog.users.column("u", catalog.tables.users.id), catalog.id_type
    if some.users is not None:
        return sql.SQL("{} = any(%(users)s::text[]::{}[])").format(id, kind)
    if some.until is None:
        return sql.SQL("{} >= %(first)s::text::{}").format(id, kind)
    return sql.SQL("{0} >= %(first)s::text::{1} and {0} < %(until)s::text::{1}").format(id, kind)
