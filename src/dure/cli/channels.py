"""`dure channels`: named streams of messages, kept for some days and pushed live."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.agents.channels import Caller, Channel, Message
    from dure.queue.views import Page
    from dure.runtime.parts import Runtime

TAIL = 20

Name = typer.Argument(metavar="NAME", help=text("arg_channel"))
Publish = typer.Option(None, "--publish", metavar="WHO", help=text("opt_channel_publish"))
Subscribe = typer.Option(None, "--subscribe", metavar="WHO", help=text("opt_channel_subscribe"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="channels", help=text("channels"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("channels_list"))(list_channels)
    noun.command("show", help=text("channels_show"))(show)
    noun.command("tail", help=text("channels_tail"), epilog=text("channels_tail_epilog"))(tail)
    noun.command("publish", help=text("channels_publish"), epilog=text("channels_publish_epilog"))(publish)
    noun.command("create", help=text("channels_create"), epilog=text("channels_create_epilog"))(create)
    noun.command("edit", help=text("channels_edit"))(edit)
    noun.command("delete", help=text("channels_delete"))(delete)
    return noun


def list_channels(
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
    tenant: str = Tenant,
) -> None:
    """List the channels, by name."""
    from dure.agents.channels import Channels

    async def work() -> "Page[Channel]":
        async with session.runtime() as runtime:
            return await Channels(runtime.database).list(tenant, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": page.items, "next_cursor": page.next_cursor})
        return
    names = ("type", "messages", "subscribers", "last", "keep")
    headings = [say("cli.head_name"), *(say(f"channels.head_{name}") for name in names)]
    rows = [[one.name, one.type, one.messages, one.subscribers, one.last_message_at, _days(one)] for one in page.items]
    output.table(headings, rows)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def show(name: str = Name, tenant: str = Tenant) -> None:
    """Print a channel, who may use it, and how much it is used."""
    from dure.agents.channels import Channels

    async def work() -> "Channel":
        async with session.runtime() as runtime:
            return await Channels(runtime.database).get(tenant, name)

    _print(session.run(work))


def tail(
    name: str = Name,
    after: int = typer.Option(None, "--after", metavar="N", min=0, help=text("opt_channel_after")),
    last: int = typer.Option(TAIL, "--last", metavar="N", min=0, max=1000, help=text("opt_channel_last")),
    follow: bool = typer.Option(False, "--follow", "-f", help=text("opt_channel_follow")),
    tenant: str = Tenant,
) -> None:
    """Print a channel's messages: the last ones, or all behind a number."""

    async def work() -> None:
        async with session.runtime() as runtime:
            await _tail(runtime, tenant, name, after, last, follow)

    session.run(work)


def publish(
    name: str = Name,
    body: str = typer.Argument(metavar="JSON|@FILE|-", help=text("arg_message")),
    kind: str = typer.Option("message", "--kind", help=text("opt_message_kind")),
    to: str = typer.Option(None, "--to", metavar="AGENT", help=text("opt_message_to")),
    task: str = typer.Option(None, "--task", metavar="ID", help=text("opt_message_task")),
    tenant: str = Tenant,
) -> None:
    """Publish a message and print its number."""
    from dure.agents.channels import Channels
    from dure.cli.params import read_params

    message = read_params(body)

    async def work() -> int:
        async with session.runtime() as runtime:
            channels = Channels(runtime.database)
            return await channels.publish(tenant, name, message, caller=_caller(), kind=kind, to=to, task_id=task)

    no = session.run(work)
    if output.wants_json():
        output.document({"channel": name, "no": no})
    else:
        output.line(str(no))


def create(
    name: str = Name,
    kind: str = typer.Option("custom", "--type", help=text("opt_channel_type")),
    description: str = typer.Option("", "--description", help=text("opt_channel_description")),
    publish: list[str] = Publish,
    subscribe: list[str] = Subscribe,
    keep_days: int = typer.Option(None, "--keep-days", metavar="N", help=text("opt_channel_keep")),
    tenant: str = Tenant,
) -> None:
    """Make a channel; nobody may publish or read who is not named."""
    from dure.agents.channels import KEEP_DAYS, Channels, NewChannel

    days = KEEP_DAYS if keep_days is None else keep_days
    wanted = NewChannel(name, kind, description, tuple(publish or ()), tuple(subscribe or ()), days)

    async def work() -> "Channel":
        async with session.runtime() as runtime:
            return await Channels(runtime.database).create(tenant, wanted, actor=actor())

    _print(session.run(work))


def edit(
    name: str = Name,
    kind: str = typer.Option(None, "--type", help=text("opt_channel_type")),
    description: str = typer.Option(None, "--description", help=text("opt_channel_description")),
    publish: list[str] = Publish,
    subscribe: list[str] = Subscribe,
    keep_days: int = typer.Option(None, "--keep-days", metavar="N", help=text("opt_channel_keep")),
    tenant: str = Tenant,
) -> None:
    """Change what is named; an empty name in a list (`--publish ''`) leaves it to administrators alone."""
    from dure.agents.channels import Channels

    given = {
        "type": kind, "description": description, "publish": _who(publish), "subscribe": _who(subscribe),
        "keep_days": keep_days,
    }  # fmt: skip
    changes = {field: value for field, value in given.items() if value is not None}

    async def work() -> "Channel":
        async with session.runtime() as runtime:
            return await Channels(runtime.database).edit(tenant, name, changes, actor=actor())

    _print(session.run(work))


def delete(name: str = Name, tenant: str = Tenant) -> None:
    """Delete a channel with its messages; a built-in one stays."""
    from dure.agents.channels import Channels

    async def work() -> None:
        async with session.runtime() as runtime:
            await Channels(runtime.database).delete(tenant, name, actor=actor())

    session.run(work)
    if output.wants_json():
        output.document({"name": name, "deleted": True})
    else:
        output.note(say("cli.ok"))


async def _tail(runtime: "Runtime", tenant: str, name: str, after: int | None, last: int, follow: bool) -> None:
    from dure.agents.channels import PAGE_MAX, Channels
    from dure.agents.streaming import Hub

    channels, hub = Channels(runtime.database), Hub(runtime.database, runtime.settings)
    channel = await channels.require_subscriber(tenant, name, caller=_caller(), after=after or 0)
    place = max(channel.messages - last, 0) if after is None else after
    found: list[Message] = []
    while page := await channels.messages(tenant, name, after=place, limit=PAGE_MAX):
        place = page[-1].no
        _print_messages(page, follow)
        found += page if output.wants_json() and not follow else ()
    if output.wants_json() and not follow:
        output.document({"items": [_document(message) for message in found], "next_cursor": None})
    while follow:
        # A change of the channel ends a subscription; a deleted one is not found again.
        channel = await channels.require_subscriber(tenant, name, caller=_caller())
        async for told in hub.watch(tenant, name, after=place, revision=channel.revision):
            place = told.message.no
            _print_messages([told.message], follow)


def _print_messages(messages: "Iterable[Message]", follow: bool) -> None:
    for message in messages:
        if not output.wants_json():
            sender = f"{message.from_agent or '-'} → {message.to_agent}" if message.to_agent else message.from_agent
            parts = (message.no, message.at, sender, message.kind, dict(message.body))
            output.line("  ".join(output.cell(part) for part in parts))
        elif follow:
            output.document(_document(message))


def _document(message: "Message") -> dict[str, Any]:
    from dure.agents.streaming import document_of

    return document_of(message)


def _caller() -> "Caller":
    from dure.agents.channels import Caller

    # Whoever has the database's address has all of it.
    return Caller(actor(), "admin")


def _who(given: list[str] | None) -> list[str] | None:
    return [entry for entry in given if entry] if given else None


def _days(channel: "Channel") -> str:
    return say("channels.days", days=channel.keep_days)


def _print(channel: "Channel") -> None:
    if output.wants_json():
        output.document(channel)
        return
    values = {
        "name": channel.name, "type": channel.type, "description": channel.description,
        "publish": ", ".join(channel.publish) or say("channels.admins"),
        "subscribe": ", ".join(channel.subscribe) or say("channels.admins"),
        "keep": _days(channel), "built_in": say("channels.yes" if channel.built_in else "channels.no"),
        "messages": channel.messages, "bytes": channel.bytes, "subscribers": channel.subscribers,
        "last": channel.last_message_at,
    }  # fmt: skip
    output.facts({say(f"channels.fact_{name}"): value for name, value in values.items()})
