"""The tables as they are in the database, and the parts of statements that follow from that.

Names come from the configuration, types from the database's own catalogue; nothing of a request is ever a part of a
statement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, LiteralString

from psycopg import sql

from dure.apps.interventions.periods import Span, zone_of
from dure.apps.interventions.tables import Records, Tables
from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Refused

_LAYOUTS = load("dure.apps.interventions", "layouts")
TRUE, FALSE, NULL = sql.SQL("true"), sql.SQL("false"), sql.SQL("null")
ZONED, LOCAL, DATE = "timestamp with time zone", "timestamp without time zone", "date"
TIMES: Mapping[str, str] = {ZONED: "at", LOCAL: "local", DATE: "day"}
"""The types that a record's time may have, and which of the bounds each is compared with."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One table as it is. Example: `layout.column("r", "user_id")`."""

    name: str
    schema: str
    table: str
    columns: Mapping[str, str]
    """Their types, as SQL names them."""

    @property
    def identifier(self) -> sql.Identifier:
        """The table's name for a statement."""
        return identifier(self.schema, self.table)

    def column(self, alias: str, name: str) -> sql.Composable:
        """Answer a column; null where the configuration names none."""
        return identifier(alias, name) if name else NULL

    def type(self, name: str) -> sql.Composable:
        """Answer a column's type."""
        # What the database named, in its own quotes, is as much SQL as our own words.
        return sql.SQL(_plain(self.columns[name]))

    def wall(self, alias: str, name: str) -> sql.Composable:
        """Answer a time as a clock in the zone shows it."""
        column = self.column(alias, name)
        if self.columns[name] == ZONED:
            return sql.SQL("({} at time zone %(zone)s)").format(column)
        return column

    def require(self, *names: str) -> None:
        """Raise `Refused` when a column that the configuration names is missing."""
        if missing := [name for name in names if name and name not in self.columns]:
            raise Refused("interventions_table", table=self.name, columns=", ".join(missing))


@dataclass(frozen=True, slots=True)
class RecordTable:
    """A kind of record, and where it is."""

    name: str
    records: Records
    layout: Layout

    def bound(self, which: LiteralString) -> sql.Placeholder:
        """Answer the parameter that the time of a record is compared with: of the column's own type, so that an index
        serves it.
        """
        return sql.Placeholder(f"{which}_{TIMES[self.layout.columns[self.records.time]]}")

    def column(self, name: str) -> sql.Composable:
        """Answer the column that holds something, as a number or a text; null where there is none."""
        return self.layout.column("r", self.records.columns.get(name, ""))

    @property
    def user(self) -> sql.Identifier:
        """The column that names the user."""
        return identifier(self.records.user)

    @property
    def time(self) -> sql.Identifier:
        """The column that says when."""
        return identifier(self.records.time)

    @property
    def wall_time(self) -> sql.Composable:
        """The record's time as a clock in the zone shows it; a date as it is."""
        return self.layout.wall("r", self.records.time)

    @property
    def time_column(self) -> sql.Composable:
        """The record's time as it is stored."""
        return self.layout.column("r", self.records.time)

    @property
    def has_hours(self) -> bool:
        """Whether its time is more than a date."""
        return self.layout.columns[self.records.time] != DATE


@dataclass(frozen=True, slots=True)
class Catalog:
    """All tables of the configuration, as they are. Example: `await catalog(tx, settings.tables)`."""

    tables: Tables
    users: Layout
    interventions: Layout
    records: Mapping[str, RecordTable]

    def tenant(self, alias: str) -> sql.Composable:
        """Answer the condition that a user is of the run's tenant."""
        column = self.tables.users.tenant
        if not column:
            return TRUE
        return sql.SQL("{}::text = %(tenant)s").format(self.users.column(alias, column))

    @property
    def id_type(self) -> sql.Composable:
        """The type of a user's id."""
        return self.users.type(self.tables.users.id)


async def catalog(tx: Connection, tables: Tables) -> Catalog:
    """Look at the tables; raises `Refused` that names the table or the column that is not there."""
    names = [tables.users.table, tables.intervention.table, *(one.table for one in tables.records.values())]
    rows = await (await tx.execute(_LAYOUTS, {"names": list(dict.fromkeys(names))})).fetchall()
    found = {row[0]: Layout(*row) for row in rows}
    if missing := [name for name in names if name not in found]:
        raise Refused("table.not_found", table=missing[0])
    users, own = tables.users, tables.intervention
    found[users.table].require(users.id, users.active, users.opted_out, users.language, users.tenant)
    found[own.table].require(*own.key, own.content, own.inputs, own.output, own.created_at, own.updated_at)
    records = {name: _record_table(name, one, found[one.table]) for name, one in tables.records.items()}
    return Catalog(tables, found[users.table], found[own.table], records)


def bounds(span: Span) -> dict[str, Any]:
    """Answer the parameters that say where a span begins and ends, once for each type of a record's time."""
    zone = zone_of(span.zone)
    first, until = span.first, span.last + timedelta(days=1)
    return {
        "first_day": first,
        "until_day": until,
        "first_local": datetime.combine(first, time()),
        "until_local": datetime.combine(until, time()),
        "first_at": datetime.combine(first, time(), zone),
        "until_at": datetime.combine(until, time(), zone),
        "zone": span.zone,
    }


def _record_table(name: str, records: Records, layout: Layout) -> RecordTable:
    layout.require(records.user, records.time, *records.columns.values())
    if layout.columns[records.time] not in TIMES:
        raise Refused("interventions_time", table=layout.name, columns=records.time)
    return RecordTable(name, records, layout)


def identifier(*names: str) -> sql.Identifier:
    """Answer a name for a statement. Example: `identifier("u", "user_id")`."""
    return sql.Identifier(*map(_plain, names))


def _plain(name: str) -> str:
    # Parameters always go along, so a percent sign in a name is doubled.
    return name.replace("%", "%%")
