"""`dure sql`: one statement that changes data, as a run that is planned first and can be undone."""

import sys
from typing import TYPE_CHECKING

import typer

from dure.cli import runs
from dure.cli.help import text
from dure.cli.runs_do import actor, plan_and_apply
from dure.cli.session import Tenant

if TYPE_CHECKING:
    from dure.runs.model import Run
    from dure.runtime.parts import Runtime

READ_CHARS_MAX = 1 << 20
"""More than a statement may have; a pipe that never ends must not eat the memory."""

Leaves = typer.Option(None, "--leave", metavar="TABLE", help=text("opt_leave"))


def add_to(root: typer.Typer) -> None:
    """Add the command."""
    root.command("sql", help=text("sql"), epilog=text("sql_epilog"))(sql)


def sql(
    statement: str = typer.Argument(metavar="STATEMENT", help=text("arg_statement")),
    leaves: list[str] = Leaves,
    note: str = runs.Note,
    then_apply: bool = typer.Option(False, "--apply", help=text("opt_then_apply")),
    yes: bool = runs.Yes,
    wait: bool = runs.Wait,
    timeout: str = runs.Timeout,
    tenant: str = Tenant,
) -> None:
    """Rehearse one UPDATE, DELETE, INSERT or MERGE, show what it would do, and do just that if it is wanted."""
    given = sys.stdin.read(READ_CHARS_MAX) if statement == "-" else statement

    async def begin(runtime: "Runtime") -> "Run":
        return await runtime.runs.plan_sql(
            tenant,
            given,
            author=actor(),
            note=note,
            leaves=tuple(leaves or ()),
            then_apply=then_apply and not wait,
        )

    plan_and_apply(begin, tenant, then_apply=then_apply, yes=yes, wait=wait, timeout=timeout, imports=None)
