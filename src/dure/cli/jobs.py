"""`dure jobs`: ask for work, look at it, wait for it, stop it."""

from typing import TYPE_CHECKING, Any

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.queue.model import Enqueued, Job, NewJob
    from dure.runtime.parts import Runtime

EXIT_FAILED, EXIT_CANCELLED, EXIT_TIMED_OUT = 1, 6, 8
ACTOR = "cli"

DependsOn = typer.Option(None, "--depends-on", metavar="ID", help=text("opt_depends_on"))
Tags = typer.Option(None, "--tag", help=text("opt_tag"))
Ids = typer.Argument(metavar="ID…", help=text("arg_job_ids"))
Id = typer.Argument(metavar="ID", help=text("arg_job_id"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="jobs", help=text("jobs"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("enqueue", help=text("jobs_enqueue"), epilog=text("jobs_enqueue_epilog"))(enqueue)
    noun.command("list", help=text("jobs_list"))(list_jobs)
    noun.command("show", help=text("jobs_show"))(show)
    noun.command("watch", help=text("jobs_watch"), epilog=text("jobs_watch_epilog"))(watch)
    noun.command("cancel", help=text("jobs_cancel"))(cancel)
    noun.command("retry", help=text("jobs_retry"))(retry)
    noun.command("logs", help=text("jobs_logs"))(logs)
    return noun


def enqueue(
    handler: str = typer.Argument(metavar="HANDLER", help=text("arg_handler")),
    params: str = typer.Option("{}", "--params", metavar="JSON|@FILE|-", help=text("opt_params")),
    queue: str = typer.Option(None, "--queue", help=text("opt_queue")),
    priority: int = typer.Option(None, "--priority", help=text("opt_priority")),
    run_at: str = typer.Option(None, "--run-at", metavar="TIME", help=text("opt_run_at")),
    delay: str = typer.Option(None, "--delay", metavar="DURATION", help=text("opt_delay")),
    deadline: str = typer.Option(None, "--deadline", metavar="TIME", help=text("opt_deadline")),
    max_retries: int = typer.Option(None, "--max-retries", help=text("opt_max_retries")),
    timeout: str = typer.Option(None, "--timeout", metavar="DURATION", help=text("opt_timeout")),
    unique_key: str = typer.Option(None, "--unique-key", help=text("opt_unique_key")),
    unique_for: str = typer.Option(None, "--unique-for", metavar="DURATION", help=text("opt_unique_for")),
    depends_on: list[str] = DependsOn,
    parent: str = typer.Option(None, "--parent", metavar="ID", help=text("opt_parent")),
    tags: list[str] = Tags,
    limit_key: str = typer.Option(None, "--limit-key", help=text("opt_limit_key")),
    tenant: str = Tenant,
    wait: bool = typer.Option(False, "--wait", help=text("opt_wait")),
    wait_timeout: str = typer.Option(None, "--wait-timeout", metavar="DURATION", help=text("opt_wait_timeout")),
) -> None:
    """Ask for one job and print its id; with `--wait`, its result."""
    from dure.cli.params import read_params
    from dure.cli.times import moment, seconds
    from dure.queue.model import NewJob

    job = NewJob(
        handler=handler,
        params=read_params(params),
        queue=queue,
        priority=priority,
        run_at=moment(run_at, "run-at"),
        delay_s=seconds(delay, "delay"),
        deadline_at=moment(deadline, "deadline"),
        max_retries=max_retries,
        timeout_s=seconds(timeout, "timeout"),
        unique_key=unique_key,
        unique_for_s=seconds(unique_for, "unique-for"),
        depends_on=tuple(depends_on or ()),
        parent_id=parent,
        tags=tuple(tags or ()),
        limit_key=limit_key,
    )
    patience_s = seconds(wait_timeout, "wait-timeout")

    async def work() -> int:
        async with session.runtime() as runtime:
            made = await _enqueue(runtime, tenant, job)
            if not wait:
                _say_enqueued(made)
                return 0
            if not output.wants_json():
                output.note(say("cli.enqueued", id=made.id))
            return await until_ended(runtime, tenant, made.id, patience_s)

    raise typer.Exit(session.run(work))


def list_jobs(
    state: str = typer.Option(None, "--state", help=text("opt_state")),
    handler: str = typer.Option(None, "--handler", help=text("opt_handler")),
    queue: str = typer.Option(None, "--queue", help=text("opt_queue_filter")),
    tag: str = typer.Option(None, "--tag", help=text("opt_tag_filter")),
    parent: str = typer.Option(None, "--parent", metavar="ID", help=text("opt_parent_filter")),
    after: str = typer.Option(None, "--created-after", metavar="TIME", help=text("opt_created_after")),
    before: str = typer.Option(None, "--created-before", metavar="TIME", help=text("opt_created_before")),
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
    tenant: str = Tenant,
) -> None:
    """List jobs, newest first."""
    from dure.cli.params import one_of
    from dure.cli.times import moment
    from dure.queue.model import ENDED, OPEN
    from dure.queue.views import JobFilter, Page

    where = JobFilter(
        state=one_of(state, sorted(OPEN | ENDED), "state"),
        handler=handler,
        queue=queue,
        tag=tag,
        parent_id=parent,
        created_after=moment(after, "created-after"),
        created_before=moment(before, "created-before"),
    )

    async def work() -> "Page[Job]":
        async with session.runtime() as runtime:
            return await runtime.jobs.list(tenant, where, limit=limit, cursor=cursor)

    page = session.run(work)
    if output.wants_json():
        output.document({"items": page.items, "next_cursor": page.next_cursor})
        return
    headings = [say(f"cli.head_{name}") for name in ("id", "state", "handler", "created_at", "attempt", "error")]
    rows = [[job.id, job.state, job.handler, job.created_at, job.attempt, job.error] for job in page.items]
    output.table(headings, rows)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def show(job_id: str = Id, tenant: str = Tenant) -> None:
    """Print everything that is known of a job."""

    async def work() -> dict[str, Any]:
        async with session.runtime() as runtime:
            jobs = runtime.jobs
            why = await jobs.why(tenant, job_id)
            return {
                **output.plain(await jobs.get(tenant, job_id)),
                "why": {"code": why.code, "params": output.plain(why.params), "text": why.text()},
                "progress": output.plain(await jobs.progress(tenant, job_id)),
                "attempts": output.plain(await jobs.attempts(tenant, job_id)),
                "children": output.plain(await jobs.children(tenant, job_id)),
            }

    known = session.run(work)
    if output.wants_json():
        output.document(known)
        return
    attempts = known.pop("attempts")
    shown = {**known, "why": known["why"]["text"]}
    # A field that was never set says nothing to a person; JSON has them all.
    output.facts({name: value for name, value in shown.items() if value not in (None, [], {})})
    if attempts:
        output.line()
        names = ("attempt", "outcome", "worker_id", "started_at", "ended_at", "error_class", "error")
        output.table([say(f"cli.head_{name}") for name in names], [[row[name] for name in names] for row in attempts])


def watch(
    job_id: str = Id,
    timeout: str = typer.Option(None, "--timeout", metavar="DURATION", help=text("opt_wait_timeout")),
    tenant: str = Tenant,
) -> None:
    """Follow a job until it has ended; the exit code says how."""
    from dure.cli.times import seconds

    patience_s = seconds(timeout, "timeout")

    async def work() -> int:
        async with session.runtime() as runtime:
            return await until_ended(runtime, tenant, job_id, patience_s)

    raise typer.Exit(session.run(work))


def cancel(
    job_ids: list[str] = Ids,
    reason: str = typer.Option("", "--reason", help=text("opt_reason")),
    tenant: str = Tenant,
) -> None:
    """Cancel jobs and their open descendants."""

    async def one(runtime: "Runtime", job_id: str) -> "Job":
        why = reason or say("cli.cancelled_here")
        return await runtime.jobs.cancel(tenant, job_id, reason=why, actor=ACTOR)

    _each(job_ids, one)


def retry(job_ids: list[str] = Ids, tenant: str = Tenant) -> None:
    """Give jobs that failed, were cancelled or are quarantined a new life."""

    async def one(runtime: "Runtime", job_id: str) -> "Job":
        return await runtime.jobs.retry(tenant, job_id, actor=ACTOR)

    _each(job_ids, one)


def logs(
    job_id: str = Id,
    follow: bool = typer.Option(False, "--follow", "-f", help=text("opt_follow")),
    tenant: str = Tenant,
) -> None:
    """Print what a job's handler logged."""
    from dure.cli.watching import follow_log, print_log

    async def work() -> None:
        async with session.runtime() as runtime:
            await (follow_log if follow else print_log)(runtime.jobs, tenant, job_id)

    session.run(work)


async def _enqueue(runtime: "Runtime", tenant: str, job: "NewJob") -> "Enqueued":
    """Ask for it; a handler that the settings name and the database lacks is declared, as a worker would."""
    from dure.errors import UnknownHandler
    from dure.queue.declaring import declare

    try:
        return await runtime.client.enqueue(tenant, job)
    except UnknownHandler:
        session.import_from_here()
        if not runtime.registry.knows(job.handler):
            raise
        await declare(runtime.database, runtime.registry)
        return await runtime.client.enqueue(tenant, job)


async def until_ended(runtime: "Runtime", tenant: str, job_id: str, patience_s: float | None) -> int:
    """Follow a job until it has ended, print its result, and answer the exit code that says how it ended."""
    import asyncio

    from dure.cli.watching import follow
    from dure.errors import TimedOut

    try:
        async with asyncio.timeout(patience_s):
            await follow(runtime.jobs, tenant, job_id)
    except TimeoutError:
        raise TimedOut(what=say("nouns.job"), after_s=patience_s or 0) from None
    job = await runtime.jobs.get(tenant, job_id)
    if output.wants_json():
        output.document(job)
    elif job.state == "completed":
        output.line(output.cell(output.plain(job.result)) if job.result is not None else "-")
    else:
        output.note(say("cli.ended", id=job.id, state=job.state, error=job.error or "-"))
    return {"completed": 0, "cancelled": EXIT_CANCELLED}.get(job.state, EXIT_FAILED)


def _each(job_ids: list[str], one: Any) -> None:
    """Do something to each job; those for which it could not be done are named, and the exit code says so."""
    from dure.errors import DureError

    done: list[Job] = []
    errors: dict[str, DureError] = {}

    async def work() -> None:
        async with session.runtime() as runtime:
            for job_id in job_ids:
                try:
                    done.append(await one(runtime, job_id))
                except DureError as error:
                    if len(job_ids) == 1:
                        raise
                    errors[job_id] = error

    session.run(work)
    if output.wants_json():
        problems = [{"id": at, "code": error.code, "detail": error.text()} for at, error in errors.items()]
        output.document({"items": done, "errors": problems, "next_cursor": None})
    else:
        for job in done:
            output.line(f"{job.id}  {job.state}")
        for at, error in errors.items():
            output.note(f"{at}  {error.code}: {error.text()}")
    raise typer.Exit(0 if not errors else 3 if done else next(iter(errors.values())).exit_code)


def _say_enqueued(made: "Enqueued") -> None:
    if output.wants_json():
        output.document(made)
    else:
        output.line(made.id)
        if not made.created:
            output.note(say("cli.exists_already"))
