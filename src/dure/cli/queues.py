"""`dure queues`: the lines that jobs wait in."""

from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.lang import say

if TYPE_CHECKING:
    from dure.queue.views import QueueView

ACTOR = "cli"
PLACES = ("ready", "later", "held", "blocked", "processing")

Name = typer.Argument(metavar="QUEUE", help=text("arg_queue"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="queues", help=text("queues"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("queues_list"))(list_queues)
    noun.command("pause", help=text("queues_pause"))(pause)
    noun.command("resume", help=text("queues_resume"))(resume)
    return noun


def list_queues(
    tenant: str = typer.Option(None, "--tenant", envvar="DURE_TENANT", metavar="ID", help=text("opt_tenant_all")),
) -> None:
    """List the queues and what stands in them."""

    async def work() -> "list[QueueView]":
        async with session.runtime() as runtime:
            return await runtime.queues.list(tenant)

    views = session.run(work)
    if output.wants_json():
        output.document({"items": views, "next_cursor": None})
        return
    headings = [say(f"cli.head_{name}") for name in ("queue", *PLACES, "paused_at")]
    output.table(
        headings,
        [[view.queue, *(view.counts.get(place, 0) for place in PLACES), view.paused_at] for view in views],  # type: ignore[call-overload]
    )


def pause(queue: str = Name) -> None:
    """Let no job of a queue start."""

    async def work() -> "QueueView":
        async with session.runtime() as runtime:
            return await runtime.queues.pause(queue, actor=ACTOR)

    _print(session.run(work))


def resume(queue: str = Name) -> None:
    """Let the jobs of a queue start again."""

    async def work() -> "QueueView":
        async with session.runtime() as runtime:
            return await runtime.queues.resume(queue, actor=ACTOR)

    _print(session.run(work))


def _print(view: "QueueView") -> None:
    shown = {"queue": view.queue, "paused_at": view.paused_at, "paused_by": view.paused_by}
    if output.wants_json():
        output.document(shown)
    else:
        output.facts(shown)
