"""`dure runs`: plan changes, look at them, decide about them, apply and undo them.

A command waits for what it causes; where no worker runs, it does the work itself. What is shown is what is applied: a
plan is applied by its hash.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.runs_do import actor, cause, confirm, finish, plan_and_apply, print_run, require_terminal
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.cli.runs_show import Sight
    from dure.queue.views import Page
    from dure.runs.model import Change, Run
    from dure.runtime.parts import Runtime

    Begin = Callable[[Runtime], Awaitable[Run]]

Id = typer.Argument(metavar="ID", help=text("arg_run_id"))
Yes = typer.Option(False, "--yes", "-y", help=text("opt_yes"))
Wait = typer.Option(True, "--wait/--no-wait", help=text("opt_run_wait"))
Timeout = typer.Option(None, "--timeout", metavar="DURATION", help=text("opt_wait_timeout"))
PlanHash = typer.Option(None, "--plan-hash", metavar="HASH", help=text("opt_plan_hash"))
Reason = typer.Option("", "--reason", help=text("opt_run_reason"))
Note = typer.Option("", "--note", help=text("opt_note"))
YesTo = typer.Option(None, "--yes-to", metavar="SEQ", help=text("opt_yes_to"))
Subjects = typer.Option(None, "--subject", metavar="S", help=text("opt_subject"))
Changes = typer.Option(None, "--change", metavar="SEQ", help=text("opt_change"))
Limit = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit"))
Cursor = typer.Option(None, "--cursor", help=text("opt_cursor"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="runs", help=text("runs"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("plan", help=text("runs_plan"), epilog=text("runs_plan_epilog"))(plan)
    noun.command("show", help=text("runs_show"))(show)
    noun.command("changes", help=text("runs_changes"))(changes)
    noun.command("diff", help=text("runs_diff"))(diff)
    noun.command("approve", help=text("runs_approve"))(approve)
    noun.command("reject", help=text("runs_reject"))(reject)
    noun.command("apply", help=text("runs_apply"))(apply)
    noun.command("watch", help=text("runs_watch"))(watch)
    noun.command("pause", help=text("runs_pause"))(pause)
    noun.command("resume", help=text("runs_resume"))(resume)
    noun.command("cancel", help=text("runs_cancel"))(cancel)
    noun.command("retry", help=text("runs_retry"))(retry)
    noun.command("rollback", help=text("runs_rollback"), epilog=text("runs_rollback_epilog"))(rollback)
    noun.command("list", help=text("runs_list"))(list_runs)
    return noun


def plan(
    operation: str = typer.Argument(metavar="OPERATION", help=text("arg_operation")),
    params: str = typer.Option("{}", "--params", metavar="JSON|@FILE|-", help=text("opt_operation_params")),
    note: str = Note,
    then_apply: bool = typer.Option(False, "--apply", help=text("opt_then_apply")),
    yes: bool = Yes,
    wait: bool = Wait,
    timeout: str = Timeout,
    imports: list[str] = session.Imports,
    tenant: str = Tenant,
) -> None:
    """Plan an operation, show the plan, and apply it if that is wanted."""
    from dure.cli.params import read_params

    given = read_params(params)

    async def begin(runtime: "Runtime") -> "Run":
        # Nobody is asked when nobody waits, so then the worker goes on by itself.
        return await runtime.runs.plan(
            tenant, operation, given, author=actor(), note=note, then_apply=then_apply and not wait
        )

    plan_and_apply(begin, tenant, then_apply=then_apply, yes=yes, wait=wait, timeout=timeout, imports=imports)


def show(run_id: str = Id, limit: int = Limit, tenant: str = Tenant) -> None:
    """Print a run: counts, guards, its changes with their reasons, and what stays."""
    from dure.cli.runs_show import as_document, look, print_sight

    async def work() -> "Sight":
        async with session.runtime() as runtime:
            return await look(runtime, tenant, run_id, limit=limit)

    sight = session.run(work)
    output.document(as_document(sight)) if output.wants_json() else print_sight(sight)


def changes(
    run_id: str = Id,
    kind: str = typer.Option(None, "--kind", help=text("opt_kind")),
    state: str = typer.Option(None, "--state", help=text("opt_change_state")),
    store: str = typer.Option(None, "--store", help=text("opt_store")),
    subject: str = typer.Option(None, "--subject", metavar="S", help=text("opt_subject")),
    limit: int = Limit,
    cursor: str = Cursor,
    tenant: str = Tenant,
) -> None:
    """List the changes of a run, some kinds of them or all."""
    from dure.cli.runs_show import change_document, print_changes

    page = session.run(lambda: _changes(tenant, run_id, kind, state, store, subject, limit, cursor))
    if output.wants_json():
        output.document({"items": [change_document(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    print_changes(page.items)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def diff(
    run_id: str = Id,
    seq: int = typer.Argument(None, metavar="SEQ", help=text("arg_seq")),
    kind: str = typer.Option(None, "--kind", help=text("opt_kind")),
    limit: int = Limit,
    cursor: str = Cursor,
    tenant: str = Tenant,
) -> None:
    """Print changes field by field: one of them, or all."""
    from dure.cli.runs_diff import diff_document, print_diff
    from dure.queue.views import Page

    async def one() -> "Page[Change]":
        async with session.runtime() as runtime:
            return Page((await runtime.runs.change(tenant, run_id, seq),))

    async def some() -> "Page[Change]":
        return await _changes(tenant, run_id, kind, None, None, None, limit, cursor)

    page = session.run(some if seq is None else one)
    if output.wants_json():
        output.document({"items": [diff_document(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    for change in page.items:
        print_diff(change)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def approve(
    run_id: str = Id,
    override: bool = typer.Option(False, "--override", help=text("opt_override")),
    reason: str = Reason,
    yes_to: list[int] = YesTo,
    yes_to_all: bool = typer.Option(False, "--yes-to-all", help=text("opt_yes_to_all")),
    plan_hash: str = PlanHash,
    tenant: str = Tenant,
) -> None:
    """Say yes to a plan, and to its questions."""

    async def work() -> "Run":
        async with session.runtime() as runtime:
            runs, who = runtime.runs, actor()
            if yes_to or yes_to_all:
                seqs = None if yes_to_all else yes_to
                await runs.answer(tenant, run_id, actor=who, accepted=True, seqs=seqs)
            return await runs.approve(tenant, run_id, actor=who, plan_hash=plan_hash, override=override, reason=reason)

    _print(session.run(work))


def reject(run_id: str = Id, reason: str = Reason, tenant: str = Tenant) -> None:
    """Say no to a plan."""
    _decide(lambda runtime: runtime.runs.reject(tenant, run_id, actor=actor(), reason=reason))


def apply(
    run_id: str = Id,
    yes: bool = Yes,
    plan_hash: str = PlanHash,
    wait: bool = Wait,
    timeout: str = Timeout,
    imports: list[str] = session.Imports,
    tenant: str = Tenant,
) -> None:
    """Apply a plan."""
    if not yes:
        from dure.cli.runs_show import look, print_sight

        async def before() -> "Sight":
            async with session.runtime() as runtime:
                return await look(runtime, tenant, run_id)

        require_terminal()
        sight = session.run(before)
        print_sight(sight)
        confirm(sight.run)
        plan_hash = plan_hash or sight.run.plan_hash or ""

    async def begin(runtime: "Runtime") -> "Run":
        return await runtime.runs.apply(tenant, run_id, actor=actor(), plan_hash=plan_hash)

    finish(cause(begin, tenant, wait=wait, timeout=timeout, imports=imports))


def watch(run_id: str = Id, timeout: str = Timeout, imports: list[str] = session.Imports, tenant: str = Tenant) -> None:
    """Follow a run for as long as it is planned or applied; the exit code says how it stands."""

    async def begin(runtime: "Runtime") -> "Run":
        return await runtime.runs.get(tenant, run_id)

    finish(cause(begin, tenant, wait=True, timeout=timeout, imports=imports))


def pause(run_id: str = Id, tenant: str = Tenant) -> None:
    """Let an application rest."""
    _decide(lambda runtime: runtime.runs.pause(tenant, run_id, actor=actor()))


def resume(
    run_id: str = Id,
    wait: bool = Wait,
    timeout: str = Timeout,
    imports: list[str] = session.Imports,
    tenant: str = Tenant,
) -> None:
    """Let a resting application go on."""

    async def begin(runtime: "Runtime") -> "Run":
        return await runtime.runs.resume(tenant, run_id, actor=actor())

    finish(cause(begin, tenant, wait=wait, timeout=timeout, imports=imports))


def cancel(
    run_id: str = Id,
    reason: str = Reason,
    wait: bool = Wait,
    timeout: str = Timeout,
    imports: list[str] = session.Imports,
    tenant: str = Tenant,
) -> None:
    """End a run; what is applied stays, and can be undone."""

    async def begin(runtime: "Runtime") -> "Run":
        return await runtime.runs.cancel(tenant, run_id, actor=actor(), reason=reason)

    print_run(cause(begin, tenant, wait=wait, timeout=timeout, imports=imports))


def retry(
    run_id: str = Id,
    conflicts: bool = typer.Option(False, "--conflicts", help=text("opt_conflicts")),
    wait: bool = Wait,
    timeout: str = Timeout,
    imports: list[str] = session.Imports,
    tenant: str = Tenant,
) -> None:
    """Try again what failed and what was not done."""

    async def begin(runtime: "Runtime") -> "Run":
        return await runtime.runs.retry(tenant, run_id, actor=actor(), conflicts=conflicts)

    finish(cause(begin, tenant, wait=wait, timeout=timeout, imports=imports))


def rollback(
    run_id: str = Id,
    preview: bool = typer.Option(False, "--preview", help=text("opt_preview")),
    mode: str = typer.Option("strict", "--mode", metavar="MODE", help=text("opt_mode")),
    subjects: list[str] = Subjects,
    seqs: list[int] = Changes,
    note: str = Note,
    yes: bool = Yes,
    wait: bool = Wait,
    timeout: str = Timeout,
    imports: list[str] = session.Imports,
    tenant: str = Tenant,
) -> None:
    """Plan the way back, show it, and go it."""
    from dure.cli.params import one_of

    chosen = one_of(mode, ("strict", "clean_only", "force"), "mode")

    async def begin(runtime: "Runtime") -> "Run":
        return await runtime.runs.rollback(
            tenant,
            run_id,
            author=actor(),
            mode=chosen,
            subjects=tuple(subjects or ()),
            seqs=tuple(seqs or ()),
            note=note,
            then_apply=not preview and not wait,
        )

    plan_and_apply(begin, tenant, then_apply=not preview, yes=yes, wait=wait, timeout=timeout, imports=imports)


def list_runs(
    operation: str = typer.Option(None, "--operation", help=text("opt_operation")),
    state: str = typer.Option(None, "--state", help=text("opt_run_state")),
    author: str = typer.Option(None, "--author", help=text("opt_author")),
    limit: int = Limit,
    cursor: str = Cursor,
    tenant: str = Tenant,
) -> None:
    """List runs, newest first."""
    from dure.cli.params import one_of
    from dure.cli.runs_show import counts_line, run_document
    from dure.runs.model import RUN_OVER
    from dure.runs.reading import RunFilter

    states = sorted(RUN_OVER | {"planning", "planned", "approved", "applying"})
    where = RunFilter(operation=operation, state=one_of(state, states, "state"), author=author)

    async def work() -> "Page[Run]":
        async with session.runtime() as runtime:
            return await runtime.runs.list(tenant, where, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": [run_document(run) for run in page.items], "next_cursor": page.next_cursor})
        return
    headings = [say(f"cli.head_{name}") for name in ("id", "state", "operation", "changes", "author", "created_at")]
    rows = [
        [run.id, _standing(run), run.operation, counts_line(run) if run.counts else None, run.author, run.created_at]
        for run in page.items
    ]
    output.table(headings, rows)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


async def _changes(
    tenant: str,
    run_id: str,
    kind: str | None,
    state: str | None,
    store: str | None,
    subject: str | None,
    limit: int,
    cursor: str | None,
) -> "Page[Change]":
    from typing import get_args

    from dure.cli.params import one_of
    from dure.runs.model import KINDS, ChangeState
    from dure.runs.reading import ChangeFilter

    where = ChangeFilter(
        kind=one_of(kind, KINDS, "kind"),
        state=one_of(state, get_args(ChangeState), "state"),
        store=store,
        subject=subject,
    )
    async with session.runtime() as runtime:
        return await runtime.runs.changes(tenant, run_id, where, limit=limit, cursor=cursor)


def _decide(decide: "Begin") -> None:
    async def work() -> "Run":
        async with session.runtime() as runtime:
            return await decide(runtime)

    _print(session.run(work))


def _print(run: "Run") -> None:
    from dure.cli.runs_show import print_head, run_document

    output.document(run_document(run)) if output.wants_json() else print_head(run)


def _standing(run: "Run") -> str:
    from dure.cli.runs_show import undone_word
    from dure.runs.watch import standing
    from dure.runs.wording import state_word

    undone = undone_word(run)
    return state_word(standing(run)) + (f" ({say('cli.fact_rolled_back')}: {undone})" if undone else "")
