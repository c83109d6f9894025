"""`dure releases`: the versions of a class of agents, which one is current, and what its agents did."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.agents.metrics import Performance
    from dure.agents.releases import Release, Releases
    from dure.queue.views import Page

Class = typer.Argument(metavar="CLASS", help=text("arg_class"))
Version = typer.Argument(metavar="VERSION", help=text("arg_version"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="releases", help=text("releases"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("releases_list"))(list_releases)
    noun.command("create", help=text("releases_create"), epilog=text("releases_create_epilog"))(create)
    noun.command("show", help=text("releases_show"))(show)
    noun.command("current", help=text("releases_current"))(make_current)
    noun.command("withdraw", help=text("releases_withdraw"))(withdraw)
    noun.command("performance", help=text("releases_performance"))(performance)
    return noun


def list_releases(
    class_: str = typer.Option(None, "--class", metavar="CLASS", help=text("opt_class")),
    state: str = typer.Option(None, "--state", help=text("opt_release_state")),
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
    tenant: str = Tenant,
) -> None:
    """List releases, the last made first."""
    from typing import get_args

    from dure.agents.releases import Releases, ReleaseState
    from dure.cli.params import one_of

    wanted = one_of(state, get_args(ReleaseState), "state")

    async def work() -> "Page[Release]":
        async with session.runtime() as runtime:
            releases = Releases(runtime.database)
            return await releases.list(tenant, class_=class_, state=wanted, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": [_document(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    names = ("class", "version", "type", "compatible", "made")
    head = [*(say(f"releases.head_{name}") for name in names), say("cli.head_state")]
    rows = [
        [
            one.class_,
            one.version,
            say(f"releases.type_{one.release_type}"),
            one.compatible,
            one.created_at,
            say(f"releases.state_{one.state}"),
        ]
        for one in page.items
    ]
    output.table(head, rows)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def create(
    class_: str = Class,
    version: str = Version,
    release_type: str = typer.Option(None, "--type", help=text("opt_release_type")),
    compatible: str = typer.Option(None, "--compatible", metavar="RANGE", help=text("opt_compatible")),
    notes: str = typer.Option("", "--notes", help=text("opt_notes")),
    pin_knowledge: bool = typer.Option(False, "--pin-knowledge", help=text("opt_pin_knowledge")),
    tenant: str = Tenant,
) -> None:
    """Make a release."""
    from dure.agents.releases import NewRelease

    wanted = NewRelease(
        class_=class_,
        version=version,
        release_type=release_type,
        compatible=compatible,
        notes=notes,
        pin_knowledge=pin_knowledge,
    )
    _change(lambda releases: releases.create(tenant, wanted, actor=actor()))


def show(class_: str = Class, version: str = Version, tenant: str = Tenant) -> None:
    """Print a release."""
    _change(lambda releases: releases.get(tenant, class_, version))


def make_current(class_: str = Class, version: str = Version, tenant: str = Tenant) -> None:
    """Make a release the current one at once."""
    _change(lambda releases: releases.make_current(tenant, class_, version, actor=actor()))


def withdraw(
    class_: str = Class,
    version: str = Version,
    reason: str = typer.Option("", "--reason", help=text("opt_withdraw_reason")),
    tenant: str = Tenant,
) -> None:
    """Let no agent of this version register any more."""
    _change(lambda releases: releases.withdraw(tenant, class_, version, actor=actor(), reason=reason))


def performance(
    class_: str = Class,
    by: str = typer.Option("version", "--by", help=text("opt_by")),
    agent: str = typer.Option(None, "--agent", metavar="ID", help=text("opt_of_agent")),
    version: str = typer.Option(None, "--version", metavar="VERSION", help=text("opt_of_version")),
    since: str = typer.Option(None, "--from", metavar="TIME", help=text("opt_from_ago")),
    until: str = typer.Option(None, "--until", metavar="TIME", help=text("opt_until_ago")),
    tenant: str = Tenant,
) -> None:
    """Print what the agents of a class did."""
    from dure.agents.metrics import Metrics
    from dure.cli.times import moment_ago

    from_at, until_at = moment_ago(since, "from"), moment_ago(until, "until")

    async def work() -> "tuple[Performance, ...]":
        async with session.runtime() as runtime:
            return await Metrics(runtime.database).of(
                tenant, class_=class_, agent_id=agent, version=version, from_at=from_at, until_at=until_at, by=by
            )

    found = session.run(work)
    if output.wants_json():
        output.document({"items": [_done(one) for one in found]})
        return
    if not found:
        output.note(say("releases.nothing_done"))
        return
    _print_performance(found, by)


def _print_performance(found: "Sequence[Performance]", by: str) -> None:
    first = {"agent": ["agent"], "minute": ["minute"]}.get(by, [])
    names = ["version", *first, "agents", "done", "failed", "errors", "leases", "p50", "p95", "p99"]
    rows: list[list[Any]] = []
    for one in found:
        more = [one.agent_id if by == "agent" else one.minute] if first else []
        counts = [one.agents, one.tasks_ok, one.tasks_failed, one.errors, one.leases_lost]
        times = [one.latency_p50_ms, one.latency_p95_ms, one.latency_p99_ms]
        rows.append([one.version, *more, *counts, *(None if ms is None else f"{ms:.1f}" for ms in times)])
    output.table([say(f"releases.head_{name}") for name in names], rows)


def _change(change: "Callable[[Releases], Awaitable[Release]]") -> None:
    from dure.agents.releases import Releases

    async def work() -> "Release":
        async with session.runtime() as runtime:
            return await change(Releases(runtime.database))

    _print(session.run(work))


def _print(release: "Release") -> None:
    from dure.agents.rollout_wording import reason_text
    from dure.cli.painted import visible

    if output.wants_json():
        output.document(_document(release))
        return
    facts: dict[str, Any] = {
        "class": release.class_,
        "version": release.version,
        "state": say(f"releases.state_{release.state}"),
        "why": visible(reason_text(release.reason)),
        "type": say(f"releases.type_{release.release_type}"),
        "compatible": release.compatible,
        "pins": say("releases.yes") if release.pin_knowledge else None,
        "notes": visible(release.notes),
        "by": release.created_by,
        "made": release.created_at,
        "current": release.current_at,
        "ended": release.ended_at,
    }
    output.facts({say(f"releases.fact_{name}"): value for name, value in facts.items() if value not in (None, "")})


def _document(release: "Release") -> dict[str, Any]:
    """Answer a release as a program reads it: the words of the HTTP interface."""
    from dure.agents.rollout_wording import reason_text

    plain = {name.rstrip("_"): value for name, value in output.plain(release).items()}
    if release.reason is not None:
        plain["reason"] = {**plain["reason"], "text": reason_text(release.reason)}
    return plain


def _done(found: "Performance") -> dict[str, Any]:
    plain = {name.rstrip("_"): value for name, value in output.plain(found).items()}
    return {**plain, "success_rate": found.success_rate}
