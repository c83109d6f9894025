"""`dure intents policy`: who may ask for what."""

from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.intents.policies import Policy

Key = typer.Argument(metavar="KEY", help=text("arg_policy"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="policy", help=text("intents_policy"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("policy_list"))(list_policies)
    noun.command("set", help=text("policy_set"), epilog=text("policy_set_epilog"))(write)
    noun.command("delete", help=text("policy_delete"))(delete)
    return noun


def list_policies(tenant: str = Tenant) -> None:
    """List the policies of a tenant."""

    async def work() -> "tuple[Policy, ...]":
        async with session.runtime() as runtime:
            return await runtime.intents.policies.list(tenant)

    _print(session.run(work))


def write(
    key: str = Key,
    allowed: bool = typer.Option(True, "--allow/--deny", help=text("opt_policy_allow")),
    ask: str = typer.Option(None, "--ask", metavar="SCOPE", help=text("opt_policy_ask")),
    agents: bool = typer.Option(None, "--agents/--no-agents", help=text("opt_policy_agents")),
    approval: bool = typer.Option(None, "--approval/--no-approval", help=text("opt_policy_approval")),
    cap: int = typer.Option(None, "--cap", help=text("opt_policy_cap")),
    risk_max: str = typer.Option(None, "--risk-max", metavar="RISK", help=text("opt_policy_risk")),
    note: str = typer.Option("", "--note", help=text("opt_intent_note")),
    tenant: str = Tenant,
) -> None:
    """Write a policy; what is not said is as the intent declares it."""
    from typing import get_args

    from dure.cli.params import one_of
    from dure.intents.model import Risk
    from dure.intents.policies import Policy

    policy = Policy(
        key,
        allowed,
        ask=one_of(ask, ("viewer", "operator", "approver", "admin"), "ask"),
        agents=agents,
        approval=approval,
        cap_per_day=cap,
        risk_max=one_of(risk_max, get_args(Risk), "risk-max"),
        note=note,
    )

    async def work() -> "Policy":
        async with session.runtime() as runtime:
            return await runtime.intents.policies.set(tenant, policy, actor=actor())

    made = session.run(work)
    if output.wants_json():
        output.document(made)
    else:
        _print((made,))


def delete(key: str = Key, tenant: str = Tenant) -> None:
    """Remove a policy."""

    async def work() -> None:
        async with session.runtime() as runtime:
            await runtime.intents.policies.delete(tenant, key, actor=actor())

    session.run(work)
    if output.wants_json():
        output.document({"key": key, "state": "deleted"})
    else:
        output.line(say("intents.policy_deleted", key=key))


def _print(policies: "tuple[Policy, ...]") -> None:
    if output.wants_json():
        output.document({"items": policies, "next_cursor": None})
        return
    names = ("policy", "allowed", "ask", "agents", "approval", "cap", "risk_max", "note", "updated")
    rows = [
        [
            one.key,
            _word(one.allowed),
            one.ask or say("intents.as_declared"),
            _word(one.agents),
            _word(one.approval),
            one.cap_per_day,
            None if one.risk_max is None else say(f"intents.risk_{one.risk_max}"),
            one.note or None,
            one.updated_by,
        ]
        for one in policies
    ]
    output.table([say(f"intents.head_{name}") for name in names], rows)


def _word(answer: bool | None) -> str:
    if answer is None:
        return say("intents.as_declared")
    return say("cli.yes") if answer else say("cli.no")
