"""Finds the students and classes that a request names: by what people call them, or by their id.

Somebody who is here comes before somebody of the same name who has left; two who are here must be told apart by the id.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dure.apps.intents.reading import Reader
from dure.db.sql import load
from dure.errors import Invalid

_STUDENTS = load("dure.apps.intents", "students_named")
_CLASSES = load("dure.apps.intents", "classes_named")
SHOWN_MAX = 5
"""How many of the same name an error shows."""


@dataclass(frozen=True, slots=True)
class Student:
    """A student that was named. Example: `(await student(ctx, "김하늘")).id`."""

    id: str
    name: str
    grade: int | None
    status: str


@dataclass(frozen=True, slots=True)
class Class:
    """A class that was named. Example: `(await class_of(ctx, "중2 수학")).capacity`."""

    id: str
    name: str
    capacity: int
    is_open: bool


async def students(ctx: Reader, named: Sequence[str]) -> list[Student]:
    """Answer the students of these names or ids, each once, in that order; `Invalid` when one is not one of them.

    Example: `[kim, lee] = await students(ctx, ["김하늘", "이바다"])`.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in await ctx.rows(_STUDENTS, _asked(named)):
        found[row["given"]].append(row)
    chosen = [_only(found[name], name, "student") for name in dict.fromkeys(named)]
    unique = {str(row["id"]): row for row in chosen}
    return [Student(id, row["name"], row["grade"], row["status"]) for id, row in unique.items()]


async def student(ctx: Reader, named: str) -> Student:
    """Answer the student of this name or id."""
    return (await students(ctx, [named]))[0]


async def class_of(ctx: Reader, named: str) -> Class:
    """Answer the class of this name or id; one that is open comes before those that are closed."""
    row = _only(await ctx.rows(_CLASSES, _asked([named])), named, "class")
    return Class(str(row["id"]), row["name"], row["capacity"], row["here"])


async def class_id_of(ctx: Reader, named: str | None) -> str | None:
    """Answer the id of a class, or None when none is named, which means all."""
    return None if named is None else (await class_of(ctx, named)).id


def _asked(named: Sequence[str]) -> dict[str, Any]:
    unique = list(dict.fromkeys(named))
    return {"named": unique, "ids": [_id(name) for name in unique]}


def _id(named: str) -> UUID | None:
    try:
        return UUID(named)
    except ValueError:
        return None


def _only(rows: Sequence[dict[str, Any]], named: str, what: str) -> dict[str, Any]:
    rows = [row for row in rows if row["here"]] or rows
    if not rows:
        raise Invalid(field=f"params.{what}", reason=f"academy.unknown_{what}", name=named)
    if len(rows) > 1:
        shown = ", ".join(f"{row['about']} {row['id']}" for row in rows[:SHOWN_MAX])
        raise Invalid(field=f"params.{what}", reason=f"academy.ambiguous_{what}", name=named, found=shown)
    return rows[0]
