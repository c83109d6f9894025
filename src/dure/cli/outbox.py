"""`dure intents outbox`: messages to people outside: what was sent, what was not, and of which nobody knows."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.painted import visible
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.intents.outbox.store import Message, Outbox
    from dure.queue.views import Page

EXIT_PARTIAL = 3

Id = typer.Argument(metavar="ID", help=text("arg_messages"))
Ids = typer.Argument(metavar="ID…", help=text("arg_messages"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="outbox", help=text("intents_outbox"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("outbox_list"))(list_messages)
    noun.command("show", help=text("outbox_show"))(show)
    noun.command("cancel", help=text("outbox_cancel"))(cancel)
    noun.command("was-sent", help=text("outbox_was_sent"))(was_sent)
    noun.command("again", help=text("outbox_again"))(again)
    return noun


def list_messages(
    state: str = typer.Option(None, "--state", help=text("opt_message_state")),
    request: str = typer.Option(None, "--request", metavar="ID", help=text("opt_message_request")),
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
    tenant: str = Tenant,
) -> None:
    """List messages, newest first."""
    from typing import get_args

    from dure.cli.params import one_of
    from dure.intents.outbox.store import State

    wanted = one_of(state, get_args(State), "state")

    async def work() -> "Page[Message]":
        async with session.runtime() as runtime:
            return await runtime.outbox.list(tenant, state=wanted, request_id=request, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": page.items, "next_cursor": page.next_cursor})
        return
    names = ("id", "state", "channel", "to", "body", "tries", "created", "error")
    rows = [
        [
            one.id,
            say(f"intents.state_{one.state}"),
            one.channel,
            visible(one.to),
            visible(one.body),
            one.tries,
            one.created_at,
            visible(one.error) if one.error else None,
        ]
        for one in page.items
    ]
    output.table([say(f"intents.head_{name}") for name in names], rows)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def show(message_id: str = Id, tenant: str = Tenant) -> None:
    """Print a message."""

    async def work() -> "Message":
        async with session.runtime() as runtime:
            return await runtime.outbox.get(tenant, message_id)

    found = session.run(work)
    if output.wants_json():
        output.document(found)
        return
    known = {
        "id": found.id,
        "state": say(f"intents.state_{found.state}"),
        "channel": found.channel,
        "to": visible(found.to),
        "subject": visible(found.subject) if found.subject else None,
        "body": found.body,
        "request": found.request_id,
        "target": found.target,
        "job": found.job_id,
        "tries": found.tries,
        "error": visible(found.error) if found.error else None,
        "created": found.created_at,
        "sent": found.sent_at,
        "decided": found.decided_by,
    }
    output.facts({say(f"intents.fact_{name}"): value for name, value in known.items() if value is not None})


def cancel(message_ids: list[str] = Ids, tenant: str = Tenant) -> None:
    """Take back messages that were not sent yet."""
    _each(message_ids, lambda outbox, one: outbox.cancel(tenant, one, actor=actor()))


def was_sent(message_ids: list[str] = Ids, tenant: str = Tenant) -> None:
    """Say of messages of which nobody knew that they went out."""
    _each(message_ids, lambda outbox, one: outbox.was_sent(tenant, one, actor=actor()))


def again(message_ids: list[str] = Ids, tenant: str = Tenant) -> None:
    """Send messages again."""
    _each(message_ids, lambda outbox, one: outbox.again(tenant, one, actor=actor()))


def _each(message_ids: Sequence[str], one: "Callable[[Outbox, str], Awaitable[Message]]") -> None:
    """Do something to each message; those for which it could not be done are named, and the exit code says so."""
    from dure.errors import DureError

    done: list[Message] = []
    errors: dict[str, DureError] = {}

    async def work() -> None:
        async with session.runtime() as runtime:
            for message_id in message_ids:
                try:
                    done.append(await one(runtime.outbox, message_id))
                except DureError as error:
                    if len(message_ids) == 1:
                        raise
                    errors[message_id] = error

    session.run(work)
    if output.wants_json():
        problems = [{"id": at, "code": error.code, "detail": error.text()} for at, error in errors.items()]
        output.document({"items": done, "errors": problems, "next_cursor": None})
    else:
        for message in done:
            output.line(f"{message.id}  {say(f'intents.state_{message.state}')}")
        for at, error in errors.items():
            output.note(f"{at}  {error.code}: {error.text()}")
    if errors:
        raise typer.Exit(EXIT_PARTIAL if done else next(iter(errors.values())).exit_code)
