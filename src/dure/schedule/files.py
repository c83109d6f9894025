"""Schedules from a file: what is in it is made or changed to be so, and nothing else is touched unless asked for.

Nothing is deleted and made again: a schedule that is as the file says keeps its next fire; one that differs is edited.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from dure.db.pool import Database
from dure.errors import Invalid, UnknownHandler
from dure.schedule.checking import stored
from dure.schedule.documents import NAME_SHOWN_CHARS, read_moment
from dure.schedule.model import NewSchedule, Schedule
from dure.schedule.rows import lock_schedule, now_of, read_schedules
from dure.schedule.service import EDITABLE, Schedules

Action = Literal["create", "edit", "keep", "delete"]
FILE_BYTES_MAX = 5_000_000
SCHEDULES_MAX = 10_000
_FIELDS = frozenset(field.name for field in fields(NewSchedule))
_TIMES = ("starts_at", "ends_at")
_TYPES: tuple[tuple[frozenset[str], Any, str], ...] = (
    (frozenset({"name", "zone"}), str, "str"),
    (frozenset({"handler", "operation", "mode", "calendar"}), str | None, "str"),
    (frozenset({"params", "options"}), Mapping, "{…}"),
    (frozenset({"paused"}), bool, "bool"),
)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a file means for one schedule: made, changed (which fields), left as it is, or deleted."""

    name: str
    action: Action
    fields: tuple[str, ...] = ()


def read_file(text: str, *, toml: bool) -> list[NewSchedule]:
    """Read schedules from JSON (`{"schedules": […]}`) or TOML (`[[schedules]]`).

    Example: `read_file(text, toml=True)`.
    """
    if (size := len(text.encode())) > FILE_BYTES_MAX:
        raise Invalid(field="file", reason="too_large", size_bytes=size, max_bytes=FILE_BYTES_MAX)
    try:
        document = tomllib.loads(text) if toml else json.loads(text)
    except ValueError as error:
        raise Invalid(field="file", reason="wrong_value", message=str(error)) from None
    items = document.get("schedules") if isinstance(document, Mapping) else None
    if not isinstance(items, list) or len(items) > SCHEDULES_MAX:
        raise Invalid(field="schedules", reason="wrong_type", expected="list")
    return [_wanted(item, place) for place, item in enumerate(items)]


async def apply(
    database: Database,
    schedules: Schedules,
    tenant_id: str,
    wanted: Sequence[NewSchedule],
    *,
    actor: str,
    preview: bool = False,
    prune: bool = False,
) -> list[Applied]:
    """Make the schedules of a tenant as they are wanted, all or none; with `prune` those that are not wanted go.

    Example: `await apply(database, schedules, "acme", read_file(text, toml=True), actor="kim", preview=True)`.
    """
    names = [one.name for one in wanted]
    if len(set(names)) < len(names):
        raise Invalid(field="schedules", reason="duplicate")
    done: list[Applied] = []
    # A preview is the same work, taken back: what would be refused is refused.
    async with database.system_tx() as tx, tx.transaction(force_rollback=preview):
        now = await now_of(tx)
        present = {one.name: one for one in await read_schedules(tx, tenant_id=tenant_id, limit=SCHEDULES_MAX)}
        for place, one in enumerate(wanted):
            with _named(place):
                found = present.pop(one.name, None)
                differs = () if found is None else _differs(found, one, now)
                if found is None:
                    await schedules.create_on(tx, tenant_id, one, actor=actor)
                elif differs:
                    held, at = await lock_schedule(tx, tenant_id, found.id)
                    await schedules.edit_on(tx, held, {name: getattr(one, name) for name in differs}, at, actor=actor)
                done.append(Applied(one.name, "create" if found is None else "edit" if differs else "keep", differs))
        for name in sorted(present) if prune else ():
            held, at = await lock_schedule(tx, tenant_id, present[name].id)
            await schedules.delete_on(tx, held, at, actor=actor)
            done.append(Applied(name, "delete"))
    return done


@contextmanager
def _named(place: int) -> Iterator[None]:
    """Let what is refused say which schedule of the file it is about."""
    where = f"schedules[{place}]"
    try:
        yield
    except Invalid as error:
        parts = (error, *error.others)
        named = [Invalid(one.message, field=f"{where}.{one.field}", reason=one.reason, **one.params) for one in parts]
        raise Invalid.together(named) from None
    except UnknownHandler as error:
        raise UnknownHandler(str(error.params["handler"]), field=f"{where}.handler") from None


def _differs(found: Schedule, wanted: NewSchedule, now: datetime) -> tuple[str, ...]:
    columns = stored(wanted, found.starts_at or found.created_at)
    different: list[str] = []
    for name in sorted(EDITABLE):
        column = columns[name]
        value = json.loads(column) if name in ("rule", "params", "options") else column
        if name == "rule" and _has_own_anchor(found, wanted):
            value = {**value, "anchor": found.rule["anchor"]}
        if value != getattr(found, name):
            different.append(name)
    return tuple(different)


def _has_own_anchor(found: Schedule, wanted: NewSchedule) -> bool:
    """Whether the anchor of an interval was not said, and so is when the schedule was made."""
    return "anchor" in found.rule and not wanted.rule.get("anchor") and wanted.rule.get("kind") == "interval"


def _wanted(item: Any, place: int) -> NewSchedule:
    with _named(place):
        if not isinstance(item, Mapping):
            raise Invalid(field="name", reason="missing")
        wrong = [Invalid(field=name, reason="missing") for name in ("name", "rule") if name not in item]
        wrong += [
            Invalid(field=str(name)[:NAME_SHOWN_CHARS], reason="unknown_field") for name in item if name not in _FIELDS
        ]
        if wrong:
            raise Invalid.together(wrong)
        return NewSchedule(**{name: _value(name, value) for name, value in item.items()})


def _value(name: str, value: Any) -> Any:
    """Answer a value of a file, its type checked where nobody after us does; a time may be written as a text."""
    for names, kind, expected in _TYPES:
        if name in names and not isinstance(value, kind):
            raise Invalid(field=name, reason="wrong_type", expected=expected)
    return read_moment(value, name) if name in _TIMES and value is not None else value
