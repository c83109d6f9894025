"""`dure keys`: who may use the HTTP interface."""

from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.lang import say

if TYPE_CHECKING:
    from dure.queue.views import ApiKey, Page

ACTOR = "cli"


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="keys", help=text("keys"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("create", help=text("keys_create"))(create)
    noun.command("list", help=text("keys_list"))(list_keys)
    noun.command("revoke", help=text("keys_revoke"))(revoke)
    return noun


def create(
    name: str = typer.Option(..., "--name", help=text("opt_key_name")),
    scope: str = typer.Option("operator", "--scope", help=text("opt_scope")),
    tenant: str = typer.Option(None, "--tenant", envvar="DURE_TENANT", metavar="ID", help=text("opt_key_tenant")),
    expires: str = typer.Option(None, "--expires", metavar="TIME|DURATION", help=text("opt_expires")),
) -> None:
    """Make a key and print its secret, which is shown this once."""
    from typing import get_args

    from dure.cli.params import one_of
    from dure.cli.times import moment
    from dure.queue.views import Scope

    allowed = one_of(scope, get_args(Scope), "scope")
    until = moment(expires, "expires")

    async def work() -> "tuple[str, ApiKey]":
        async with session.runtime() as runtime:
            return await runtime.keys.create(tenant, name, allowed, until, actor=ACTOR)

    secret, key = session.run(work)
    if output.wants_json():
        output.document({**output.plain(key), "secret": secret})
    else:
        output.note(say("cli.key_once", id=key.id))
        output.line(secret)


def list_keys(
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
    tenant: str = typer.Option(None, "--tenant", envvar="DURE_TENANT", metavar="ID", help=text("opt_tenant_all")),
) -> None:
    """List the keys; their secrets are kept nowhere."""

    async def work() -> "Page[ApiKey]":
        async with session.runtime() as runtime:
            return await runtime.keys.list(tenant, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": page.items, "next_cursor": page.next_cursor})
        return
    names = ("id", "name", "scope", "tenant_id", "last_used_at", "expires_at", "revoked_at")
    output.table(
        [say(f"cli.head_{name}") for name in names],
        [[getattr(key, name) for name in names] for key in page.items],
    )
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def revoke(key_id: str = typer.Argument(metavar="ID", help=text("arg_key_id"))) -> None:
    """End a key, now and for ever."""

    async def work() -> "ApiKey":
        async with session.runtime() as runtime:
            return await runtime.keys.revoke(key_id, actor=ACTOR)

    key = session.run(work)
    if output.wants_json():
        output.document(key)
    else:
        output.facts({"id": key.id, "name": key.name, "revoked_at": key.revoked_at})
