"""`dure backfills`, and `dure schedules backfill`: a range of a schedule's past, done again or for the first time."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.runs_do import EXIT_DECLINED, actor, require_terminal
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.queue.views import Page
    from dure.runtime.parts import Runtime
    from dure.schedule.model import Backfill, BackfillFire, Schedule

SHOWN_MAX = 20

Id = typer.Argument(metavar="ID", help=text("arg_backfill_id"))
Name = typer.Argument(metavar="NAME", help=text("arg_schedule"))
Limit = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit"))
Cursor = typer.Option(None, "--cursor", help=text("opt_cursor"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="backfills", help=text("backfills"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("backfills_list"))(list_backfills)
    noun.command("show", help=text("backfills_show"))(show)
    noun.command("pause", help=text("backfills_pause"))(pause)
    noun.command("resume", help=text("backfills_resume"))(resume)
    noun.command("cancel", help=text("backfills_cancel"))(cancel)
    noun.command("retry", help=text("backfills_retry"))(retry)
    return noun


def backfill(
    name: str = Name,
    begin: str = typer.Option(..., "--from", metavar="DATE|TIME", help=text("opt_from")),
    end: str = typer.Option(..., "--until", metavar="DATE|TIME", help=text("opt_backfill_until")),
    which: str = typer.Option("missing", "--which", metavar="missing|failed|all", help=text("opt_which")),
    at_once: int = typer.Option(1, "--at-once", help=text("opt_at_once")),
    preview: bool = typer.Option(False, "--preview", help=text("opt_backfill_preview")),
    yes: bool = typer.Option(False, "--yes", "-y", help=text("opt_yes")),
    tenant: str = Tenant,
) -> None:
    """Do a range of a schedule's past again, or for the first time; shows it and asks before it begins."""
    from dure.cli.params import one_of
    from dure.cli.times import moment_in_zone
    from dure.schedule.model import WHICH
    from dure.schedule.rules import zone_of

    wanted: dict[str, Any] = {"which": one_of(which, WHICH, "which")}
    if not preview and not yes:
        require_terminal()

    async def look() -> "tuple[Schedule, list[datetime]]":
        async with session.runtime() as runtime:
            found = await runtime.schedules.get(tenant, name)
            zone = zone_of(found.zone)
            wanted["from_at"] = moment_in_zone(begin, zone, "from")
            wanted["until_at"] = moment_in_zone(end, zone, "until")
            if yes and not preview:
                return found, []
            return found, await runtime.backfills.preview(tenant, found.id, **wanted)

    async def work() -> "Backfill":
        async with session.runtime() as runtime:
            return await runtime.backfills.start(tenant, found.id, **wanted, at_once=at_once, actor=actor())

    found, fires = session.run(look)
    if preview and output.wants_json():
        output.document({"preview": True, "count": len(fires), "fires": fires})
        return
    if preview or not yes:
        _print_fires(found, fires)
    if preview:
        return
    if not yes and not (fires and typer.confirm(say("schedules.backfill_confirm", count=len(fires)), err=True)):
        raise typer.Exit(EXIT_DECLINED)
    _print(session.run(work))


def list_backfills(name: str = Name, limit: int = Limit, cursor: str = Cursor, tenant: str = Tenant) -> None:
    """List the backfills of a schedule, newest first."""

    async def work() -> "Page[Backfill]":
        async with session.runtime() as runtime:
            return await runtime.backfills.list(tenant, name, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": page.items, "next_cursor": page.next_cursor})
        return
    keys = ("cli.head_id", "cli.head_state", "schedules.head_from", "schedules.head_until", "schedules.head_which")
    rows = [[one.id, _state(one), one.from_at, one.until_at, one.which, _counts(one)] for one in page.items]
    output.table([*(say(key) for key in keys), say("schedules.head_fires")], rows)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def show(
    backfill_id: str = Id,
    state: str = typer.Option(None, "--state", help=text("opt_backfill_state")),
    limit: int = Limit,
    cursor: str = Cursor,
    tenant: str = Tenant,
) -> None:
    """Print a backfill, how far it is, and its fires."""
    from typing import get_args

    from dure.cli.params import one_of
    from dure.schedule.model import BackfillFireState

    wanted = one_of(state, get_args(BackfillFireState), "state")

    async def work() -> "tuple[Backfill, Page[BackfillFire]]":
        async with session.runtime() as runtime:
            found = await runtime.backfills.get(tenant, backfill_id)
            return found, await runtime.backfills.fires(tenant, backfill_id, state=wanted, limit=limit, cursor=cursor)

    found, page = session.run(work)
    if output.wants_json():
        output.document({**output.plain(found), "fires": page.items, "next_cursor": page.next_cursor})
        return
    _print(found)
    output.line()
    keys = ("schedules.head_fired", "cli.head_state", "schedules.head_tries", "schedules.head_job")
    rows = [[one.fire_at, say(f"schedules.fire_{one.state}"), one.tries, one.job_id] for one in page.items]
    output.table([say(key) for key in keys], rows)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def pause(backfill_id: str = Id, tenant: str = Tenant) -> None:
    """Make no more jobs; those that run go on."""
    _change(lambda runtime: runtime.backfills.pause(tenant, backfill_id, actor=actor()))


def resume(backfill_id: str = Id, tenant: str = Tenant) -> None:
    """Go on with a backfill that rests."""
    _change(lambda runtime: runtime.backfills.resume(tenant, backfill_id, actor=actor()))


def cancel(backfill_id: str = Id, tenant: str = Tenant) -> None:
    """End a backfill; jobs that it has made go on."""
    _change(lambda runtime: runtime.backfills.cancel(tenant, backfill_id, actor=actor()))


def retry(backfill_id: str = Id, tenant: str = Tenant) -> None:
    """Do again what failed or was cancelled, and nothing else."""
    _change(lambda runtime: runtime.backfills.retry(tenant, backfill_id, actor=actor()))


def _change(change: "Callable[[Runtime], Awaitable[Backfill]]") -> None:
    async def work() -> "Backfill":
        async with session.runtime() as runtime:
            return await change(runtime)

    _print(session.run(work))


def _print(found: "Backfill") -> None:
    if output.wants_json():
        output.document(found)
        return
    facts = {
        "id": found.id,
        "state": _state(found),
        "from": found.from_at,
        "until": found.until_at,
        "which": found.which,
        "at_once": found.at_once,
        "fires": _counts(found),
        "author": found.author,
    }
    output.facts({say(f"schedules.fact_{name}"): value for name, value in facts.items()})


def _print_fires(schedule: "Schedule", fires: "list[datetime]") -> None:
    from dure.cli.schedules_show import clock_text
    from dure.schedule.rules import zone_of

    zone = zone_of(schedule.zone)
    shown = fires if len(fires) <= SHOWN_MAX else [*fires[: SHOWN_MAX // 2], *fires[-SHOWN_MAX // 2 :]]
    for place, at in enumerate(shown):
        if place == SHOWN_MAX // 2 and len(fires) > SHOWN_MAX:
            output.line(say("schedules.fires_between", count=len(fires) - SHOWN_MAX))
        output.line(clock_text(at, zone))
    output.note(say("schedules.fires_to_make", count=len(fires)))


def _state(found: "Backfill") -> str:
    return say(f"schedules.backfill_{found.state}")


def _counts(found: "Backfill") -> str:
    counts = [f"{count} {say(f'schedules.fire_{state}')}" for state, count in found.counts.items() if count]
    return ", ".join(counts)
