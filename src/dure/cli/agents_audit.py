"""`dure agents audit`: whether the log of what agents said to each other is as it was written."""

from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.lang import say

if TYPE_CHECKING:
    from dure.agents.audit import Verified

EXIT_BROKEN = 1

OfTenant = typer.Option(None, "--tenant", envvar="DURE_TENANT", metavar="ID", help=text("opt_audit_tenant"))


def build() -> typer.Typer:
    """Answer the commands, to be put below `dure agents`."""
    noun = typer.Typer(name="audit", help=text("agents_audit"), no_args_is_help=True, rich_markup_mode=None)
    # With a command alone typer would leave its name out.
    noun.callback()(_below)
    noun.command("verify", help=text("audit_verify"), epilog=text("audit_verify_epilog"))(verify)
    return noun


def _below() -> None:
    """The log of what agents said to each other."""


def verify(
    tenant: str = OfTenant,
    known: str = typer.Option(None, "--known", metavar="N:HASH", help=text("opt_audit_known")),
) -> None:
    """Walk the log's chain; exit code 1 if a row is not as it was written."""
    from dure.agents.audit import Audit

    before = None if known is None else _known(known, tenant)

    async def work() -> "list[Verified]":
        async with session.runtime() as runtime:
            audit = Audit(runtime.database)
            chosen = (tenant,) if tenant else await audit.tenants()
            return [await audit.verify(one, known=before) for one in chosen]

    found = session.run(work)
    if output.wants_json():
        output.document({"ok": all(one.ok for one in found), "items": found})
    else:
        _print(found)
    raise typer.Exit(0 if all(one.ok for one in found) else EXIT_BROKEN)


def _print(found: "list[Verified]") -> None:
    if not found:
        output.line(say("channels.log_none"))
    for one in found:
        if one.broken is not None:
            output.line(say(f"channels.log_{one.broken.damage}", tenant=one.tenant_id, seq=one.broken.seq))
            continue
        facts = {"rows": one.rows, "first": one.first_seq, "head": one.head_seq, "waiting": one.waiting}
        output.line(say("channels.log_ok", tenant=one.tenant_id, **facts))
        output.line(say("channels.log_head", seq=one.head_seq, hash=one.head_hash))


def _known(given: str, tenant: str | None) -> tuple[int, str]:
    from dure.errors import Invalid

    seq, _, digest = given.partition(":")
    if tenant is None:
        raise Invalid(field="tenant", reason="missing")
    if not (seq.isascii() and seq.isdecimal() and len(seq) <= 18 and len(digest) == 64):
        raise Invalid(field="known", reason="wrong_format", expected="4711:9f86d0…")
    return int(seq), digest.lower()
