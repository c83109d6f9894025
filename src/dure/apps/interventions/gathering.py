"""Reads what users' records say: for many users with one statement a kind of record, added up by the database."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, LiteralString

from psycopg import sql

from dure.apps.interventions.catalog import DATE, Catalog, RecordTable
from dure.apps.interventions.checking import PACKAGE, Question
from dure.apps.interventions.facts import Exercise, Facts, Food, Sleep
from dure.apps.interventions.rules import LATE_FROM, LATE_UNTIL, MORNING_FROM, MORNING_UNTIL
from dure.db.pool import Connection
from dure.db.sql import load

VIGOROUS = ("vigorous", "high", "hard", "intense", "고강도", "높음", "상", "3")
LIGHT = ("light", "low", "easy", "저강도", "낮음", "하", "1")
"""What tables write for how hard it was; anything else counts as moderate."""
DIGITS = 1
NO_HOUR, NO_NUMBER = sql.SQL("null::integer"), sql.SQL("null::float8")

_FOOD = load(PACKAGE, "facts_food")
_EXERCISE = load(PACKAGE, "facts_exercise")
_SLEEP = load(PACKAGE, "facts_sleep")
_OTHER = load(PACKAGE, "facts_other")
_NUMBERS = ("calories", "protein_g", "carbs_g", "fat_g", "sodium_mg")


async def gather(
    tx: Connection, catalog: Catalog, question: Question, about: Sequence[str], users: Sequence[str]
) -> dict[str, Facts]:
    """Answer what the records of some users say, in one statement a kind of record.

    Example: `(await gather(tx, catalog, question, ["food"], ["17"]))["17"].food`.
    """
    found = {user: Facts() for user in users}
    values = {**question.values(), "users": list(users)}
    for name in about if users else ():
        table = catalog.records[name]
        match name:
            case "food":
                async for user, *row in _rows(tx, _food(table), {**values, **_HOURS}):
                    found[user].food = _food_of(row, with_hours=table.has_hours)
            case "exercise":
                async for user, *row in _rows(tx, _exercise(table), {**values, **_INTENSITIES}):
                    found[user].exercise = Exercise(
                        row[0], row[1], _round(row[2]), _round(row[3]) or 0.0, _round(row[4]) or 0.0
                    )
            case "sleep":
                async for user, *row in _rows(tx, _sleep(table), values):
                    found[user].sleep = Sleep(row[0], *(_round(number) for number in row[1:]))
            case _:
                async for user, count in _rows(tx, _parts(_OTHER, table), values):
                    found[user].others[name] = count
    return found


_HOURS: Mapping[str, Any] = {
    "morning_from": MORNING_FROM,
    "morning_until": MORNING_UNTIL,
    "late_from": LATE_FROM,
    "late_until": LATE_UNTIL,
}
_INTENSITIES: Mapping[str, Any] = {"vigorous": list(VIGOROUS), "light": list(LIGHT)}


async def _rows(tx: Connection, statement: sql.Composed, values: Mapping[str, Any]) -> AsyncIterator[Any]:
    for row in await (await tx.execute(statement, values, prepare=False)).fetchall():
        yield row


def _food(table: RecordTable) -> sql.Composed:
    hour: sql.Composable = sql.SQL("extract(hour from {})::integer").format(table.wall_time)
    parts = {name: sql.SQL("({})::float8").format(table.column(name)) for name in _NUMBERS}
    return _parts(_FOOD, table, hour=hour if table.has_hours else NO_HOUR, **parts)


def _exercise(table: RecordTable) -> sql.Composed:
    minutes = sql.SQL("({})::float8").format(table.column("minutes"))
    return _parts(_EXERCISE, table, minutes=minutes, intensity=table.column("intensity"))


def _sleep(table: RecordTable) -> sql.Composed:
    slept_at, hours = table.records.columns.get("slept_at", ""), table.records.columns.get("hours", "")
    bedtime: sql.Composable = NO_NUMBER
    length: sql.Composable = sql.SQL("({})::float8").format(table.column("hours"))
    if slept_at and table.layout.columns[slept_at] != DATE:
        begun = table.layout.wall("r", slept_at)
        bedtime = sql.SQL("mod(extract(hour from {0})::integer * 60 + extract(minute from {0})::integer + 720, 1440)")
        bedtime = bedtime.format(begun)
        if not hours and table.has_hours:
            ended, own = table.time_column, table.column("slept_at")
            if table.layout.columns[slept_at] != table.layout.columns[table.records.time]:
                ended, own = table.wall_time, begun
            length = sql.SQL("extract(epoch from {} - {})::float8 / 3600").format(ended, own)
    return _parts(_SLEEP, table, hours=length, bedtime=bedtime)


def _parts(statement: LiteralString, table: RecordTable, **more: sql.Composable) -> sql.Composed:
    return sql.SQL(statement).format(
        records=table.layout.identifier,
        user=table.user,
        time=table.time,
        type=table.layout.type(table.records.user),
        day=sql.SQL("({})::date").format(table.wall_time),
        first=table.bound("first"),
        until=table.bound("until"),
        **more,
    )


def _food_of(row: Sequence[Any], *, with_hours: bool) -> Food:
    numbers: list[Any] = [_round(number) for number in row[2:7]]
    return Food(row[0], row[1], *numbers, *(row[7:9] if with_hours else ()))


def _round(number: float | None) -> float | None:
    return None if number is None else round(number, DIGITS)
