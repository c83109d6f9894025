"""`dure schedules`: when work is done again, what came of it, and what is to come."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.queue.views import Page
    from dure.runtime.parts import Runtime
    from dure.schedule.ahead import Ahead
    from dure.schedule.model import Fire, Schedule

SHOWN_NEXT = 3

Name = typer.Argument(metavar="NAME", help=text("arg_schedule"))
Limit = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit"))
Cursor = typer.Option(None, "--cursor", help=text("opt_cursor"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    from dure.cli.backfills import backfill
    from dure.cli.schedules_tend import apply, check
    from dure.cli.schedules_write import create, edit

    noun = typer.Typer(name="schedules", help=text("schedules"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("schedules_list"))(list_schedules)
    noun.command("create", help=text("schedules_create"), epilog=text("schedules_create_epilog"))(create)
    noun.command("show", help=text("schedules_show"))(show)
    noun.command("next", help=text("schedules_next"))(following)
    noun.command("pause", help=text("schedules_pause"))(pause)
    noun.command("resume", help=text("schedules_resume"))(resume)
    noun.command("snooze", help=text("schedules_snooze"), epilog=text("schedules_snooze_epilog"))(snooze)
    noun.command("edit", help=text("schedules_edit"), epilog=text("schedules_edit_epilog"))(edit)
    noun.command("run", help=text("schedules_run"))(run)
    noun.command("delete", help=text("schedules_delete"))(delete)
    noun.command("history", help=text("schedules_history"))(history)
    noun.command("backfill", help=text("schedules_backfill"), epilog=text("schedules_backfill_epilog"))(backfill)
    noun.command("check", help=text("schedules_check"), epilog=text("schedules_check_epilog"))(check)
    noun.command("apply", help=text("schedules_apply"), epilog=text("schedules_apply_epilog"))(apply)
    return noun


def list_schedules(limit: int = Limit, cursor: str = Cursor, tenant: str = Tenant) -> None:
    """List schedules, newest first."""
    from dure.cli.schedules_show import print_schedules, schedule_document

    async def work() -> "Page[Schedule]":
        async with session.runtime() as runtime:
            return await runtime.schedules.list(tenant, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": [schedule_document(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    print_schedules(page.items)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def show(name: str = Name, tenant: str = Tenant) -> None:
    """Print a schedule, how it stands, and when it fires next."""
    from dure.cli.schedules_show import print_next, print_schedule
    from dure.errors import Invalid
    from dure.schedule.ahead import look_ahead

    async def work() -> "tuple[Schedule, list[Ahead]]":
        async with session.runtime() as runtime:
            try:
                return await look_ahead(runtime.database, tenant, name, count=SHOWN_NEXT)
            except Invalid:
                # A row that cannot be read has no next fire; what is wrong with it is shown.
                return await runtime.schedules.get(tenant, name), []

    schedule, fires = session.run(work)
    print_schedule(schedule)
    if fires and not output.wants_json():
        output.line()
        print_next(schedule, fires)


def following(
    name: str = Name,
    count: int = typer.Option(10, "--count", "-n", min=1, max=1000, help=text("opt_count")),
    zone: str = typer.Option(None, "--zone", help=text("opt_zone_yours")),
    tenant: str = Tenant,
) -> None:
    """Print the next fires, by the clocks of the schedule's zone and by one's own."""
    from dure.cli.schedules_show import next_document, print_next
    from dure.schedule.ahead import look_ahead
    from dure.schedule.rules import zone_of

    yours = None if zone is None else zone_of(zone)

    async def work() -> "tuple[Schedule, list[Ahead]]":
        async with session.runtime() as runtime:
            return await look_ahead(runtime.database, tenant, name, count=count)

    schedule, fires = session.run(work)
    if output.wants_json():
        output.document(next_document(schedule, fires, yours))
        return
    print_next(schedule, fires, yours)
    if schedule.state != "active":
        output.note(say("schedules.not_active", state=say(f"schedules.state_{schedule.state}")))


def pause(name: str = Name, tenant: str = Tenant) -> None:
    """Let a schedule fire no more."""
    _change(lambda runtime: runtime.schedules.pause(tenant, name, actor=actor()))


def resume(name: str = Name, tenant: str = Tenant) -> None:
    """Let a schedule fire again."""
    _change(lambda runtime: runtime.schedules.resume(tenant, name, actor=actor()))


def snooze(
    name: str = Name,
    span: str = typer.Argument(None, metavar="[DURATION]", help=text("arg_span")),
    until: str = typer.Option(None, "--until", metavar="TIME", help=text("opt_snooze_until")),
    tenant: str = Tenant,
) -> None:
    """Let a schedule pass by its fires for a while."""
    from dure.cli.times import moment_in_zone
    from dure.errors import Invalid
    from dure.schedule.rules import zone_of

    if (span is None) == (until is None):
        raise Invalid(field="until", reason="missing" if span is None else "not_both", other="DURATION")

    async def put_off(runtime: "Runtime") -> "Schedule":
        zone = zone_of((await runtime.schedules.get(tenant, name)).zone)
        return await runtime.schedules.snooze(
            tenant, name, until=moment_in_zone(span or until, zone, "until"), actor=actor()
        )

    _change(put_off)


def run(
    name: str = Name,
    params: str = typer.Option(None, "--params", metavar="JSON|@FILE|-", help=text("opt_run_params")),
    tenant: str = Tenant,
) -> None:
    """Fire now, and print the job's id."""
    from dure.cli.params import read_params
    from dure.cli.schedules_show import fire_document

    given = None if params is None else read_params(params)

    async def work() -> "Fire":
        async with session.runtime() as runtime:
            return await runtime.schedules.run(tenant, name, actor=actor(), params=given)

    fire = session.run(work)
    if output.wants_json():
        output.document(fire_document(fire))
        return
    output.line(fire.job_id or "-")
    output.note(say("schedules.ran", id=fire.job_id))


def delete(name: str = Name, tenant: str = Tenant) -> None:
    """Remove a schedule; its history stays under its id."""

    async def work() -> "Schedule":
        async with session.runtime() as runtime:
            found = await runtime.schedules.get(tenant, name)
            await runtime.schedules.delete(tenant, found.id, actor=actor())
            return found

    gone = session.run(work)
    if output.wants_json():
        output.document({"id": gone.id, "name": gone.name, "state": "deleted"})
    else:
        output.line(gone.id)
        output.note(say("schedules.deleted", name=gone.name, id=gone.id))


def history(
    name: str = Name,
    outcome: str = typer.Option(None, "--outcome", help=text("opt_outcome")),
    limit: int = Limit,
    cursor: str = Cursor,
    tenant: str = Tenant,
) -> None:
    """Print what a schedule fired and what it did not, and why."""
    from typing import get_args

    from dure.cli.params import one_of
    from dure.cli.schedules_show import fire_document, print_fires
    from dure.schedule.model import Outcome

    wanted = one_of(outcome, get_args(Outcome), "outcome")

    async def work() -> "Page[Fire]":
        async with session.runtime() as runtime:
            return await runtime.schedules.history(tenant, name, outcome=wanted, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": [fire_document(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    print_fires(page.items)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def _change(change: "Callable[[Runtime], Awaitable[Schedule]]") -> None:
    from dure.cli.schedules_show import print_schedule

    async def work() -> "Schedule":
        async with session.runtime() as runtime:
            return await change(runtime)

    print_schedule(session.run(work))
