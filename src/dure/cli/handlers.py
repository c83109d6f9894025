"""`dure handlers`: the kinds of work there are."""

from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.lang import say

if TYPE_CHECKING:
    from dure.queue.views import HandlerView, Page

ACTOR = "cli"

Name = typer.Argument(metavar="HANDLER", help=text("arg_handler"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="handlers", help=text("handlers"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("handlers_list"))(list_handlers)
    noun.command("show", help=text("handlers_show"))(show)
    noun.command("pause", help=text("handlers_pause"))(pause)
    noun.command("resume", help=text("handlers_resume"))(resume)
    noun.command("check", help=text("handlers_check"))(check)
    return noun


def list_handlers(
    limit: int = typer.Option(100, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
) -> None:
    """List the handlers that the database knows."""

    async def work() -> "Page[HandlerView]":
        async with session.runtime() as runtime:
            return await runtime.handlers.list(limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": page.items, "next_cursor": page.next_cursor})
        return
    headings = [say(f"cli.head_{name}") for name in ("handler", "queue", "paused_at", "description")]
    output.table(headings, [[item.handler, item.queue, item.paused_at, item.description] for item in page.items])
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def show(handler: str = Name) -> None:
    """Print what a handler declares."""

    async def work() -> "HandlerView":
        async with session.runtime() as runtime:
            return await runtime.handlers.get(handler)

    _print(session.run(work))


def pause(handler: str = Name) -> None:
    """Let no job of a handler start."""

    async def work() -> "HandlerView":
        async with session.runtime() as runtime:
            return await runtime.handlers.pause(handler, actor=ACTOR)

    _print(session.run(work))


def resume(handler: str = Name) -> None:
    """Let the jobs of a handler start again."""

    async def work() -> "HandlerView":
        async with session.runtime() as runtime:
            return await runtime.handlers.resume(handler, actor=ACTOR)

    _print(session.run(work))


def check(imports: list[str] = session.Imports) -> None:
    """Import every handler that the settings name and say which fail; needs no database."""
    from dure.queue.registry import HandlerImportError, Registry

    session.import_from_here()
    chosen = session.settings(imports=tuple(imports or ()) or None)
    registry = Registry.build(chosen.imports, demo=chosen.demo)
    failures: dict[str, str] = {}
    for name in registry.names():
        try:
            registry.find(name)
        except HandlerImportError as error:
            failures[name] = str(error)
    if output.wants_json():
        items = [
            {"handler": name, "ok": name not in failures, "error": failures.get(name)} for name in registry.names()
        ]
        output.document({"items": items, "next_cursor": None})
    else:
        for reason in failures.values():
            output.line(reason)
        output.line(say("cli.handlers_checked", count=len(registry.names()), failed=len(failures)))
    raise typer.Exit(1 if failures else 0)


def _print(view: "HandlerView") -> None:
    shown = output.plain(view)
    if output.wants_json():
        output.document(shown)
    else:
        output.facts({name: value for name, value in shown.items() if value not in (None, "")})
