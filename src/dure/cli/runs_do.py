"""What the commands about runs have in common: something is begun, waited for, shown, and its end is an exit code."""

import getpass
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.lang import say

if TYPE_CHECKING:
    from dure.cli.runs_show import Sight
    from dure.runs.model import Run
    from dure.runtime.parts import Runtime

    Begin = Callable[[Runtime], Awaitable[Run]]

ACTOR = "cli"
ACTOR_CHARS_MAX = 200
EXIT_DECLINED = 1


def plan_and_apply(
    begin: "Begin",
    tenant: str,
    *,
    then_apply: bool,
    yes: bool,
    wait: bool,
    timeout: str | None,
    imports: list[str] | None,
) -> None:
    """Have a plan made and show it; apply just that, when that is wanted and a person or `--yes` says so."""
    from dure.cli.runs_show import print_sight
    from dure.cli.runs_wait import exit_code

    if then_apply and not yes:
        require_terminal(is_asked=wait)
    sight = cause(begin, tenant, wait=wait, timeout=timeout, imports=imports)
    run = sight.run
    if not (then_apply and wait and run.state == "planned"):
        print_run(sight)
        raise typer.Exit(exit_code(run) if wait else 0)
    if not output.wants_json():
        print_sight(sight)
    if not yes:
        confirm(run)

    async def go_on(runtime: "Runtime") -> "Run":
        return await runtime.runs.apply(tenant, run.id, actor=actor(), plan_hash=run.plan_hash)

    finish(cause(go_on, tenant, wait=True, timeout=timeout, imports=imports))


def cause(begin: "Begin", tenant: str, *, wait: bool, timeout: str | None, imports: list[str] | None = None) -> "Sight":
    """Begin something and, if it is waited for, answer how the run stands when it is done."""
    from dure.cli.runs_show import look
    from dure.cli.runs_wait import follow, hands
    from dure.cli.times import seconds

    patience_s = seconds(timeout, "timeout")

    async def work() -> "Sight":
        async with (
            session.runtime(imports=tuple(imports or ()) or None) as runtime,
            hands(runtime, wait) as helping,
        ):
            run = await begin(runtime)
            if wait:
                await follow(runtime, tenant, run.id, helping, patience_s=patience_s)
            return await look(runtime, tenant, run.id)

    session.import_from_here()
    return session.run(work)


def finish(sight: "Sight") -> None:
    """Print how a run stands and end with the exit code that says the same."""
    from dure.cli.runs_wait import exit_code

    print_run(sight)
    raise typer.Exit(exit_code(sight.run))


def print_run(sight: "Sight") -> None:
    """Print a run: for a program as one document, for a person with what there is to see of it."""
    from dure.cli.runs_show import as_document, print_outcome, print_sight

    if output.wants_json():
        output.document(as_document(sight))
    else:
        (print_sight if sight.run.started_at is None else print_outcome)(sight)


def require_terminal(*, is_asked: bool = True) -> None:
    """Refuse to go on without `--yes` where nobody can be asked."""
    import sys

    from dure.errors import Invalid

    if not is_asked or output.wants_json() or not sys.stdin.isatty():
        raise Invalid(field="--yes", reason="confirm", option="--yes")


def confirm(run: "Run") -> None:
    """Ask whether a plan is to be applied; whoever says no has changed nothing."""
    if not typer.confirm(say("cli.run_confirm", count=_to_do(run)), err=True):
        output.note(say("cli.run_declined", id=run.id))
        raise typer.Exit(EXIT_DECLINED)


def actor() -> str:
    """Answer who types: two people on one machine are two, where a plan needs another person's yes."""
    with suppress(KeyError, OSError, ImportError):
        return f"{ACTOR}:{getpass.getuser()}"[:ACTOR_CHARS_MAX]
    return ACTOR


def _to_do(run: "Run") -> int:
    return sum(int(count) for kind, count in run.counts.items() if kind not in ("keep", "ask"))
