"""`dure calendars`: days and hours at which schedules that name them do not fire."""

from typing import TYPE_CHECKING, Any

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.schedule.holidays import NamedCalendar

PARTS = ("days", "weekdays", "blackouts")

Name = typer.Argument(metavar="NAME", help=text("arg_calendar"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="calendars", help=text("calendars"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("calendars_list"))(list_calendars)
    noun.command("show", help=text("calendars_show"))(show)
    noun.command("put", help=text("calendars_put"), epilog=text("calendars_put_epilog"))(put)
    noun.command("delete", help=text("calendars_delete"))(delete)
    return noun


def list_calendars(tenant: str = Tenant) -> None:
    """List the calendars, by name."""

    async def work() -> "list[NamedCalendar]":
        async with session.runtime() as runtime:
            return await runtime.calendars.list(tenant)

    found = session.run(work)
    if output.wants_json():
        output.document({"items": [_document(one) for one in found], "next_cursor": None})
        return
    headings = [say("cli.head_name"), *(say(f"schedules.head_{part}") for part in PARTS)]
    output.table(headings, [[one.name, *(len(one.entries.get(part) or ()) for part in PARTS)] for one in found])


def show(name: str = Name, tenant: str = Tenant) -> None:
    """Print a calendar, entry by entry."""

    async def work() -> "NamedCalendar":
        async with session.runtime() as runtime:
            return await runtime.calendars.get(tenant, name)

    _print(session.run(work))


def put(
    name: str = Name,
    entries: str = typer.Argument(metavar="JSON|@FILE|-", help=text("arg_calendar_entries")),
    tenant: str = Tenant,
) -> None:
    """Write a calendar, a new one or over the one that is there."""
    from dure.cli.params import read_params

    given = read_params(entries)

    async def work() -> "NamedCalendar":
        async with session.runtime() as runtime:
            return await runtime.calendars.put(tenant, name, given, actor=actor())

    _print(session.run(work))


def delete(name: str = Name, tenant: str = Tenant) -> None:
    """Remove a calendar that no schedule names."""

    async def work() -> None:
        async with session.runtime() as runtime:
            await runtime.calendars.delete(tenant, name, actor=actor())

    session.run(work)
    if output.wants_json():
        output.document({"name": name, "deleted": True})
    else:
        output.note(say("cli.ok"))


def _document(calendar: "NamedCalendar") -> dict[str, Any]:
    entries = {part: list(calendar.entries.get(part) or ()) for part in PARTS}
    return {"name": calendar.name, **entries, "updated_at": calendar.updated_at, "updated_by": calendar.updated_by}


def _print(calendar: "NamedCalendar") -> None:
    document = _document(calendar)
    if output.wants_json():
        output.document(document)
        return
    for day in document["days"]:
        output.line(f"{day['date']}  {day.get('name') or ''}".rstrip())
    for day in document["weekdays"]:
        output.line(say(f"schedule.weekdays.{day}"))
    for blackout in document["blackouts"]:
        begin, end = blackout.get("daily") or (blackout["from"], blackout["to"])
        output.line(f"{begin} – {end}  {blackout.get('name') or ''}".rstrip())
    output.note(say("schedules.calendar_written", by=calendar.updated_by, at=output.cell(calendar.updated_at)))
