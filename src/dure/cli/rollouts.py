"""`dure rollouts`: the way of a class of agents from one release to another, begun, watched and decided about."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.agents.rollout_model import Rollout, RolloutAgent
    from dure.agents.rollouts import Happening, Rollouts
    from dure.queue.views import Page

EXIT_BY_STATE = {"promoted": 0, "reverted": 4, "failed": 1}
"""Of `watch`: taken back by a gate is refused."""

RolloutId = typer.Argument(metavar="ID", help=text("arg_rollout"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="rollouts", help=text("rollouts"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("start", help=text("rollouts_start"), epilog=text("rollouts_start_epilog"))(start)
    noun.command("list", help=text("rollouts_list"))(list_rollouts)
    noun.command("show", help=text("rollouts_show"))(show)
    noun.command("watch", help=text("rollouts_watch"))(watch)
    noun.command("promote", help=text("rollouts_promote"))(promote)
    noun.command("revert", help=text("rollouts_revert"))(revert)
    noun.command("pause", help=text("rollouts_pause"))(pause)
    noun.command("resume", help=text("rollouts_resume"))(resume)
    return noun


def start(
    class_: str = typer.Argument(metavar="CLASS", help=text("arg_class")),
    version: str = typer.Argument(metavar="VERSION", help=text("arg_version")),
    strategy: str = typer.Option("canary", "--strategy", help=text("opt_strategy")),
    steps: list[str] = typer.Option(None, "--step", metavar="SHARE:BAKE_S", help=text("opt_step")),  # noqa: B008
    max_parallel: int = typer.Option(None, "--max-parallel", help=text("opt_max_parallel")),
    min_healthy_s: float = typer.Option(30.0, "--min-healthy", metavar="SECONDS", help=text("opt_min_healthy")),
    deadline_s: float = typer.Option(
        600.0, "--progress-deadline", metavar="SECONDS", help=text("opt_progress_deadline")
    ),
    no_promote: bool = typer.Option(False, "--no-auto-promote", help=text("opt_no_promote")),
    no_revert: bool = typer.Option(False, "--no-auto-revert", help=text("opt_no_revert")),
    in_flight: str = typer.Option("drain", "--in-flight", help=text("opt_in_flight")),
    gates: str = typer.Option("{}", "--gates", metavar="JSON|@FILE|-", help=text("opt_gates")),
    tenant: str = Tenant,
) -> None:
    """Begin a rollout."""
    from dure.agents.rollout_model import NewRollout
    from dure.cli.params import read_params

    wanted = NewRollout(
        class_=class_,
        to_version=version,
        strategy=strategy,
        steps=[_step(one) for one in steps] if steps else None,
        max_parallel=max_parallel,
        min_healthy_s=min_healthy_s,
        progress_deadline_s=deadline_s,
        auto_promote=not no_promote,
        auto_revert=not no_revert,
        in_flight=in_flight,
        gates=read_params(gates),
    )
    _change(lambda rollouts: rollouts.start(tenant, wanted, actor=actor()))


def list_rollouts(
    class_: str = typer.Option(None, "--class", metavar="CLASS", help=text("opt_class")),
    state: str = typer.Option(None, "--state", help=text("opt_rollout_state")),
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
    tenant: str = Tenant,
) -> None:
    """List rollouts, newest first."""
    from dure.agents.rollout_model import STATES
    from dure.agents.rollouts import Rollouts
    from dure.cli.params import one_of
    from dure.cli.rollouts_show import print_rollouts, rollout_document

    wanted = one_of(state, STATES, "state")

    async def work() -> "Page[Rollout]":
        async with session.runtime() as runtime:
            rollouts = Rollouts(runtime.database)
            return await rollouts.list(tenant, class_=class_, state=wanted, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": [rollout_document(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    print_rollouts(page.items)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def show(rollout_id: str = RolloutId, tenant: str = Tenant) -> None:
    """Print a rollout, what its gates said last, and its agents."""
    from dure.agents.rollouts import Rollouts
    from dure.cli.rollouts_show import agent_document, print_agents, print_rollout, print_verdicts, rollout_document

    async def work() -> "tuple[Rollout, Sequence[RolloutAgent]]":
        async with session.runtime() as runtime:
            rollouts = Rollouts(runtime.database)
            return await rollouts.get(tenant, rollout_id), await rollouts.agents(tenant, rollout_id)

    rollout, agents = session.run(work)
    if output.wants_json():
        output.document({**rollout_document(rollout), "agents": [agent_document(one) for one in agents]})
        return
    print_rollout(rollout)
    print_verdicts(rollout)
    print_agents(rollout, agents)


def watch(rollout_id: str = RolloutId, tenant: str = Tenant) -> None:
    """Print what happens to a rollout until it is over; the exit code tells how it ended."""
    from dure.agents.rollouts import Rollouts
    from dure.cli.rollouts_show import print_happening

    async def follow(happenings: "AsyncIterator[Happening]") -> str:
        state = ""
        async for happening in happenings:
            print_happening(happening)
            state = str(happening.data.get("state", state))
        return state

    async def work() -> str:
        async with session.runtime() as runtime:
            return await follow(Rollouts(runtime.database).watch(tenant, rollout_id))

    raise typer.Exit(EXIT_BY_STATE.get(session.run(work), 1))


def promote(rollout_id: str = RolloutId, tenant: str = Tenant) -> None:
    """Make the new release the current one now."""
    _change(lambda rollouts: rollouts.promote(tenant, rollout_id, actor=actor()))


def revert(
    rollout_id: str = RolloutId,
    reason: str = typer.Option("", "--reason", help=text("opt_withdraw_reason")),
    tenant: str = Tenant,
) -> None:
    """Take a rollout back now."""
    _change(lambda rollouts: rollouts.revert(tenant, rollout_id, actor=actor(), reason=reason))


def pause(rollout_id: str = RolloutId, tenant: str = Tenant) -> None:
    """Let a rollout rest."""
    _change(lambda rollouts: rollouts.pause(tenant, rollout_id, actor=actor()))


def resume(rollout_id: str = RolloutId, tenant: str = Tenant) -> None:
    """Let a paused rollout go on."""
    _change(lambda rollouts: rollouts.resume(tenant, rollout_id, actor=actor()))


def _change(change: "Callable[[Rollouts], Awaitable[Rollout]]") -> None:
    from dure.agents.rollouts import Rollouts
    from dure.cli.rollouts_show import print_rollout, rollout_document

    async def work() -> "Rollout":
        async with session.runtime() as runtime:
            return await change(Rollouts(runtime.database))

    rollout = session.run(work)
    if output.wants_json():
        output.document(rollout_document(rollout))
    else:
        print_rollout(rollout)


def _step(given: str) -> dict[str, Any]:
    from dure.errors import Invalid

    share, colon, bake = given.partition(":")
    try:
        return {"share_pct": float(share.rstrip("%")), **({"bake_s": float(bake)} if colon else {})}
    except ValueError:
        raise Invalid(field="step", reason="wrong_format", expected="10:300") from None
