"""Example data of forty invented users with five weeks of records, and one hash over all of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Any
from zlib import crc32

from psycopg import sql
from psycopg.types.json import Jsonb

from dure.apps.interventions.catalog import Catalog, Layout, catalog, identifier
from dure.apps.interventions.checking import PACKAGE
from dure.apps.interventions.config import InterventionSettings, load
from dure.apps.interventions.periods import zone_of
from dure.apps.interventions.tables import Tables
from dure.db.pool import Connection, Database
from dure.db.sql import load as statement
from dure.lang import say

USERS = 40
DAYS = 35
OPTED_OUT = (7, 19)
INACTIVE = (23,)
ENGLISH = (5, 11, 30)
"""By their place among the users."""
MADE = 3
"""Users who have a recommendation for the last day already."""
TABLES: Mapping[str, str] = {"food": "demo_food_table", "exercise": "demo_exercise_table", "sleep": "demo_sleep_table"}
MEALS: Sequence[tuple[int, int]] = ((8, 420), (12, 680), (19, 760), (22, 380))
"""Hours, and what is eaten then more or less."""
INTENSITIES = ("light", "moderate", "moderate", "vigorous")
ROWS_A_FETCH = 2_000

Values = Mapping[str, Any]


async def load_demo(database: Database, say_line: Callable[[str], None]) -> dict[str, Any]:
    """Put the example data into the database in use; where there are users already, nothing is added.

    Example: `await load_demo(database, print)`.
    """
    settings = load()
    tables = settings.tables
    async with database.owner_tx() as tx:
        await make_tables(tx, tables)
        found = await catalog(tx, tables)
        last = await _last_day(tx, settings)
        users = await _insert_users(tx, found)
        counts: dict[str, Any] = {"users": len(users), "food": 0, "exercise": 0, "sleep": 0}
        for name in TABLES:
            if name in found.records:
                counts[name] = await _insert_records(tx, settings, found, name, users, last)
        counts["interventions"] = await _insert_made(tx, found, users[:MADE], last)
    told = {**counts, "date": last.isoformat()}
    say_line(say("interventions.demo.loaded", **told))
    say_line(say("interventions.demo.try_plan", date=told["date"]))
    return told


async def fingerprint(database: Database) -> str:
    """Answer one sha256 over every row of users, their records and their recommendations.

    Example: `assert await fingerprint(database) == before`.
    """
    digest = sha256()
    async with database.owner_tx() as tx:
        await tx.execute("set local row_security = off")
        found = await catalog(tx, load().tables)
        for layout in (found.users, *(one.layout for one in found.records.values()), found.interventions):
            digest.update(f"table {layout.name}\n".encode())
            async with tx.cursor("dure_demo_rows") as cursor:
                cursor.itersize = ROWS_A_FETCH
                await cursor.execute(_composed("table_rows", table=layout.identifier))
                async for (text,) in cursor:
                    digest.update(f"{len(text)}:{text}".encode())
    return digest.hexdigest()


async def make_tables(tx: Connection, tables: Tables) -> None:
    """Make those tables of the configuration that are not there. Example: `await make_tables(tx, load().tables)`."""
    users, own = tables.users, tables.intervention
    columns = {name: identifier(getattr(users, name) or name) for name in ("id", "active", "opted_out", "language")}
    await tx.execute(_composed("demo_users_table", table=_name(users.table), **columns))
    for name, template in TABLES.items():
        if (records := tables.records.get(name)) is not None:
            names = {"user": identifier(records.user), "time": identifier(records.time)}
            await tx.execute(_composed(template, table=_name(records.table), users=_name(users.table), **names))
    names = {name: identifier(getattr(own, name)) for name in ("user", "date", "kind", "period", "content")}
    await tx.execute(_composed("demo_interventions_table", table=_name(own.table), users=_name(users.table), **names))


async def _last_day(tx: Connection, settings: InterventionSettings) -> date:
    row = await (await tx.execute(statement(PACKAGE, "yesterday"), {"zone": settings.zone})).fetchone()
    assert row is not None
    yesterday: date = row[0]
    return yesterday


async def _insert_users(tx: Connection, found: Catalog) -> list[str]:
    users = found.tables.users
    flags = {
        users.active: sql.SQL("n <> all(%(inactive)s)"),
        users.opted_out: sql.SQL("n = any(%(opted_out)s)"),
        users.language: sql.SQL("case when n = any(%(english)s) then 'en' else 'ko' end"),
        users.tenant: sql.Literal(load().tenant),
    }
    given = {name: value for name, value in flags.items() if name}
    composed = _composed(
        "demo_users_insert",
        table=found.users.identifier,
        columns=sql.SQL(", ").join(map(identifier, given)),
        values=sql.SQL(", ").join(given.values()),
        id=identifier(users.id),
    )
    values = {"count": USERS, "inactive": list(INACTIVE), "opted_out": list(OPTED_OUT), "english": list(ENGLISH)}
    return [row[0] for row in await (await tx.execute(composed, values)).fetchall()]


async def _insert_records(
    tx: Connection, settings: InterventionSettings, found: Catalog, name: str, users: Sequence[str], last: date
) -> int:
    table = found.records[name]
    rows = []
    for place, user in enumerate(users, 1):
        for ago in range(DAYS):
            day = last - timedelta(days=ago)
            for values in _records(name, place, day, settings.zone):
                known = {table.records.columns.get(key, ""): value for key, value in values.items() if key != "time"}
                known |= {table.records.user: user, table.records.time: values["time"]}
                rows.append({key: value for key, value in known.items() if key})
    await _insert(tx, table.layout, rows)
    return len(rows)


async def _insert_made(tx: Connection, found: Catalog, users: Sequence[str], last: date) -> int:
    own = found.tables.intervention
    text = say("interventions.advice.diet_tip_1", "ko")
    now = datetime.combine(last + timedelta(days=1), time(9), zone_of(load().zone))
    optional = {own.inputs: Jsonb({}), own.output: Jsonb({}), own.created_at: now, own.updated_at: now}
    rows = [
        {
            own.user: user,
            own.date: last,
            own.kind: found.tables.kind,
            own.period: "day",
            own.content: text,
            **{name: value for name, value in optional.items() if name},
        }
        for user in users
    ]
    await _insert(tx, found.interventions, rows)
    return len(rows)


async def _insert(tx: Connection, layout: Layout, rows: Sequence[Values]) -> None:
    if not rows:
        return
    names = list(rows[0])
    values = [sql.SQL("{}::{}").format(sql.Placeholder(f"v{at}"), layout.type(name)) for at, name in enumerate(names)]
    composed = _composed(
        "demo_insert",
        table=layout.identifier,
        columns=sql.SQL(", ").join(map(identifier, names)),
        values=sql.SQL(", ").join(values),
    )
    given = [{f"v{at}": row[name] for at, name in enumerate(names)} for row in rows]
    async with tx.cursor() as cursor:
        await cursor.executemany(composed, given)


def _records(name: str, place: int, day: date, zone: str) -> Iterator[Values]:
    """Yield the invented records of one user and day; the same ones for the same day, whenever they are made."""
    match name:
        case "food" if _chance(f"food {place} {day}", 100) < 80:
            yield from _meals(place, day, zone)
        case "exercise" if _chance(f"exercise {place} {day}", 100) < 65:
            minutes = 10 + _chance(f"minutes {place} {day}", 60)
            intensity = INTENSITIES[_chance(f"intensity {place} {day}", len(INTENSITIES))]
            yield {"time": _at(day, 18 * 60 + place, zone), "minutes": minutes, "intensity": intensity}
        case "sleep" if _chance(f"sleep {place} {day}", 100) < 70:
            begun = _at(day, 0, zone) - timedelta(minutes=60 - _chance(f"bed {place} {day}", 150))
            hours = 5 + _chance(f"hours {place} {day}", 40) / 10
            yield {"slept_at": begun, "time": begun + timedelta(hours=hours), "hours": hours}


def _meals(place: int, day: date, zone: str) -> Iterator[Values]:
    for hour, usual in MEALS:
        seed = f"meal {place} {day} {hour}"
        if _chance(f"eaten {seed}", 100) >= (85 if hour != MEALS[-1][0] else 20):
            continue
        calories = usual * (70 + _chance(seed, 60)) // 100
        fat_percent = 18 + _chance(f"fat {seed}", 20)
        protein_percent = 8 + _chance(f"protein {seed}", 14)
        yield {
            "time": _at(day, hour * 60 + place % 30, zone),
            "calories": calories,
            "protein_g": round(calories * protein_percent / 400, 1),
            "carbs_g": round(calories * (100 - fat_percent - protein_percent) / 400, 1),
            "fat_g": round(calories * fat_percent / 900, 1),
            "sodium_mg": float(400 + _chance(f"salt {seed}", 900)),
        }


def _at(day: date, minutes: int, zone: str) -> datetime:
    return datetime.combine(day, time(), zone_of(zone)) + timedelta(minutes=minutes)


def _chance(seed: str, of: int) -> int:
    return crc32(seed.encode()) % of


def _composed(name: str, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(statement(PACKAGE, name)).format(**parts)


def _name(table: str) -> sql.Composable:
    """Answer a table's name as the configuration, which checked its form, writes it."""
    return sql.SQL(table.replace("%", "%%"))
