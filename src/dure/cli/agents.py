"""`dure agents`: who there is, who belongs to whom, who gets work."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from dure.cli import agents_audit, output, session
from dure.cli.help import text
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.agents.model import Agent, Branch, NewAgent, Session
    from dure.agents.work import Agents
    from dure.errors import DureError
    from dure.queue.views import Page

EXIT_PARTIAL = 3

Id = typer.Argument(metavar="ID", help=text("arg_agent_id"))
Ids = typer.Argument(metavar="ID…", help=text("arg_agent_ids"))
Capabilities = typer.Option(None, "--capability", help=text("opt_agent_capability"))
Endpoints = typer.Option(None, "--endpoint", metavar="NAME=URL", help=text("opt_agent_endpoint"))
Labels = typer.Option(None, "--label", metavar="NAME=TEXT", help=text("opt_agent_label"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="agents", help=text("agents"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("agents_list"))(list_agents)
    noun.command("tree", help=text("agents_tree"))(tree)
    noun.command("show", help=text("agents_show"))(show)
    noun.command("register", help=text("agents_register"), epilog=text("agents_register_epilog"))(register)
    noun.command("drain", help=text("agents_drain"))(drain)
    noun.command("resume", help=text("agents_resume"))(resume)
    noun.command("retire", help=text("agents_retire"))(retire)
    noun.add_typer(agents_audit.build())
    return noun


def list_agents(
    state: str = typer.Option(None, "--state", help=text("opt_agent_state")),
    class_: str = typer.Option(None, "--class", help=text("opt_agent_class_filter")),
    kind: str = typer.Option(None, "--kind", help=text("opt_agent_kind_filter")),
    capability: str = typer.Option(None, "--capability", help=text("opt_agent_capability_filter")),
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
    tenant: str = Tenant,
) -> None:
    """List agents, by id; such as are gone only when their state is asked for."""
    from typing import get_args

    from dure.agents.model import AgentFilter, AgentState, Kind
    from dure.cli.agents_show import print_page
    from dure.cli.params import one_of

    where = AgentFilter(
        state=one_of(state, get_args(AgentState), "state"),
        class_=class_,
        kind=one_of(kind, get_args(Kind), "kind"),
        capability=capability,
        gone=state in ("reaped", "retired"),
    )

    async def work() -> "Page[Agent]":
        async with session.runtime() as runtime:
            return await runtime.agents.list(tenant, where, limit=limit, cursor=cursor)

    print_page(session.run(work))


def tree(
    agent_id: str = typer.Argument(None, metavar="[ID]", help=text("arg_agent_tree")), tenant: str = Tenant
) -> None:
    """Draw who stands below whom."""
    from dure.cli.agents_show import print_tree

    async def work() -> "Sequence[Branch]":
        async with session.runtime() as runtime:
            return await runtime.agents.tree(tenant, agent_id)

    print_tree(session.run(work))


def show(agent_id: str = Id, tenant: str = Tenant) -> None:
    """Print everything that is known of an agent."""
    from dure.cli.agents_show import print_one

    async def work() -> "Agent":
        async with session.runtime() as runtime:
            return await runtime.agents.get(tenant, agent_id)

    print_one(session.run(work))


def register(
    agent_id: str = Id,
    class_: str = typer.Option(..., "--class", help=text("opt_agent_class")),
    version: str = typer.Option(..., "--version", help=text("opt_agent_version")),
    kind: str = typer.Option("child", "--kind", help=text("opt_agent_kind")),
    capabilities: list[str] = Capabilities,
    parent: str = typer.Option(None, "--parent", metavar="ID", help=text("opt_agent_parent")),
    capacity: int = typer.Option(1, "--capacity", help=text("opt_agent_capacity")),
    location: str = typer.Option("", "--location", help=text("opt_agent_location")),
    endpoints: list[str] = Endpoints,
    labels: list[str] = Labels,
    protocol: str = typer.Option("claim", "--protocol", help=text("opt_agent_protocol")),
    on_death: str = typer.Option("parent", "--on-death", help=text("opt_agent_on_death")),
    lease: str = typer.Option(None, "--lease", metavar="DURATION", help=text("opt_agent_lease")),
    tenant: str = Tenant,
) -> None:
    """Register an agent, and print its session."""
    from typing import get_args

    from dure.agents.model import Kind, NewAgent, OnDeath, Protocol
    from dure.cli.params import one_of
    from dure.cli.times import seconds

    new = NewAgent(
        agent_id=agent_id,
        class_=class_,
        version=version,
        kind=one_of(kind, get_args(Kind), "kind"),
        capabilities=tuple(capabilities or ()),
        parent_id=parent,
        capacity=capacity,
        location=location,
        endpoints=pairs(endpoints, "endpoint"),
        labels=pairs(labels, "label"),
        protocol=one_of(protocol, get_args(Protocol), "protocol"),
        on_death=one_of(on_death, get_args(OnDeath), "on-death"),
        lease_s=seconds(lease, "lease"),
    )
    _print_session(session.run(lambda: _register(tenant, new)))


def drain(
    agent_ids: list[str] = Ids,
    cascade: bool = typer.Option(True, "--cascade/--alone", help=text("opt_agents_cascade")),
    tenant: str = Tenant,
) -> None:
    """Give agents no more work."""
    from dure.cli.runs_do import actor

    each(agent_ids, lambda agents, one: agents.drain(tenant, one, cascade=cascade, actor=actor()))


def resume(
    agent_ids: list[str] = Ids,
    cascade: bool = typer.Option(False, "--cascade/--alone", help=text("opt_agents_cascade")),
    tenant: str = Tenant,
) -> None:
    """Let agents have work again."""
    from dure.cli.runs_do import actor

    each(agent_ids, lambda agents, one: agents.resume(tenant, one, cascade=cascade, actor=actor()))


def retire(agent_ids: list[str] = Ids, tenant: str = Tenant) -> None:
    """Take agents out for good."""
    from dure.cli.runs_do import actor

    each(agent_ids, lambda agents, one: agents.retire(tenant, one, actor=actor()))


def pairs(given: Sequence[str] | None, field: str) -> dict[str, str]:
    """Answer NAME=TEXT options as an object. Example: `pairs(["team=a"], "label") == {"team": "a"}`."""
    from dure.errors import Invalid

    read: dict[str, str] = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise Invalid(field=field, reason="wrong_format", expected="name=text")
        read[name] = value
    return read


def each(agent_ids: Sequence[str], one: "Callable[[Agents, str], Awaitable[Agent | tuple[str, ...]]]") -> None:
    """Do something to each agent; those for which it could not be done are named, and the exit code says so."""
    from dure.errors import DureError

    reached: list[str] = []
    errors: dict[str, DureError] = {}

    async def work() -> None:
        async with session.runtime() as runtime:
            for agent_id in agent_ids:
                try:
                    answer = await one(runtime.agents, agent_id)
                except DureError as error:
                    if len(agent_ids) == 1:
                        raise
                    errors[agent_id] = error
                else:
                    reached.extend(answer if isinstance(answer, tuple) else [answer.agent_id])

    session.run(work)
    _print_each(reached, errors)
    if errors:
        raise typer.Exit(EXIT_PARTIAL if len(errors) < len(agent_ids) else next(iter(errors.values())).exit_code)


def _print_each(reached: Sequence[str], errors: "Mapping[str, DureError]") -> None:
    if output.wants_json():
        problems = [{"id": at, "code": error.code, "detail": error.text()} for at, error in errors.items()]
        output.document({"items": reached, "errors": problems})
        return
    for agent_id in reached:
        output.line(agent_id)
    for at, error in errors.items():
        output.note(f"{at}  {error.code}: {error.text()}")
    if not reached and not errors:
        output.note(say("agents.nothing_changed"))


async def _register(tenant: str, new: "NewAgent") -> "Session":
    async with session.runtime() as runtime:
        return await runtime.agents.register(tenant, new)


def _print_session(made: "Session") -> None:
    known = {**output.plain(made), "renew_every_s": made.renew_every_s}
    if output.wants_json():
        output.document(known)
        return
    output.facts(
        {say(f"agents.fact_{name}"): known[name] for name in ("epoch", "upgrade_to", "hold") if known[name] is not None}
    )
    output.note(say("agents.registered", id=made.agent_id, seconds=f"{made.lease_s:g}"))
