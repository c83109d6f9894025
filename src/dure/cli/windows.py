"""`dure windows`: work that is done every so often for a while, and then by itself no more."""

from typing import TYPE_CHECKING, Any

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.queue.views import Page
    from dure.schedule.model import Window

Key = typer.Argument(metavar="KEY", help=text("arg_window_key"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="windows", help=text("windows"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("start", help=text("windows_start"), epilog=text("windows_start_epilog"))(start)
    noun.command("stop", help=text("windows_stop"))(stop)
    noun.command("status", help=text("windows_status"))(status)
    noun.command("list", help=text("windows_list"))(list_windows)
    return noun


def start(
    key: str = Key,
    handler: str = typer.Option(..., "--handler", help=text("opt_window_handler")),
    params: str = typer.Option("{}", "--params", metavar="JSON|@FILE|-", help=text("opt_params")),
    every: str = typer.Option("1m", "--every", metavar="DURATION", help=text("opt_window_every")),
    lasting: str = typer.Option("15m", "--for", metavar="DURATION", help=text("opt_window_for")),
    queue: str = typer.Option(None, "--queue", help=text("opt_queue")),
    priority: int = typer.Option(None, "--priority", help=text("opt_priority")),
    imports: list[str] = session.Imports,
    tenant: str = Tenant,
) -> None:
    """Open a window; its first tick starts now."""
    from dure.cli.declaring import with_handlers
    from dure.cli.params import read_params
    from dure.cli.schedules_write import whole_seconds

    options = {name: value for name, value in (("queue", queue), ("priority", priority)) if value is not None}
    wanted: dict[str, Any] = {
        "handler": handler,
        "params": read_params(params),
        "every_s": whole_seconds(every, "every"),
        "for_s": whole_seconds(lasting, "for"),
        "options": options,
    }

    async def work() -> "Window":
        async with session.runtime(imports=tuple(imports or ()) or None) as runtime:
            return await with_handlers(runtime, lambda: runtime.windows.start(tenant, key, **wanted, actor=actor()))

    _print(session.run(work))


def stop(
    key: str = Key,
    reason: str = typer.Option("", "--reason", help=text("opt_window_reason")),
    tenant: str = Tenant,
) -> None:
    """Close an open window now; the tick in hand is asked to stop."""

    async def work() -> "Window":
        async with session.runtime() as runtime:
            return await runtime.windows.stop(tenant, key, actor=actor(), reason=reason)

    _print(session.run(work))


def status(key: str = Key, tenant: str = Tenant) -> None:
    """Print the open window of a key, or the last one."""

    async def work() -> "Window":
        async with session.runtime() as runtime:
            return await runtime.windows.get(tenant, key)

    _print(session.run(work))


def list_windows(
    open_only: bool = typer.Option(False, "--open", help=text("opt_open")),
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
    tenant: str = Tenant,
) -> None:
    """List windows, newest first."""

    async def work() -> "Page[Window]":
        async with session.runtime() as runtime:
            return await runtime.windows.list(tenant, open_only=open_only, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": [_document(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    keys = ("schedules.head_key", "cli.head_state", "cli.head_handler", "cli.head_started_at", "schedules.head_ends")
    rows = [
        [one.key, say(f"schedules.window_{one.state}"), one.handler, one.started_at, one.ends_at, one.ticks]
        for one in page.items
    ]
    output.table([*(say(key) for key in keys), say("schedules.head_ticks")], rows)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def _document(window: "Window") -> dict[str, Any]:
    from dure.cli.schedules_show import reason_document

    return {**output.plain(window), "reason": reason_document(window.reason)}


def _print(window: "Window") -> None:
    from datetime import timedelta

    from dure.schedule.wording import span_text

    if output.wants_json():
        output.document(_document(window))
        return
    facts = {
        "key": window.key,
        "state": say(f"schedules.window_{window.state}"),
        "why": window.text(),
        "what": window.handler,
        "params": dict(window.params),
        "every": span_text(timedelta(seconds=window.every_s)),
        "starts": window.started_at,
        "ends": window.ends_at,
        "closed": window.closed_at,
        "closed_by": window.closed_by,
        "ticks": window.ticks,
        "last": window.last_tick_at,
        "last_job": window.last_job_id,
        "author": window.author,
        "id": window.id,
    }
    shown = {name: value for name, value in facts.items() if value not in (None, {}, "")}
    output.facts({say(f"schedules.fact_{name}"): value for name, value in shown.items()})
