"""`dure tasks`: work for agents: ask for it, ask whom it would go to, look at it, wait for it, stop it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.jobs import until_ended
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.agents.model import Choice, NewTask, Task, Why
    from dure.agents.tasks import Tasks
    from dure.queue.views import Page

EXIT_PARTIAL = 3

Id = typer.Argument(metavar="ID", help=text("arg_task_id"))
Ids = typer.Argument(metavar="ID…", help=text("arg_task_ids"))
Capabilities = typer.Option(None, "--capability", help=text("opt_task_capability"))
DependsOn = typer.Option(None, "--depends-on", metavar="ID", help=text("opt_task_depends_on"))
Tags = typer.Option(None, "--tag", help=text("opt_tag"))
Class = typer.Option(None, "--class", help=text("opt_task_class"))
Named = typer.Option(None, "--agent", metavar="ID", help=text("opt_task_agent"))
Tree = typer.Option(None, "--tree", metavar="ID", help=text("opt_task_tree"))
StrategyName = typer.Option(None, "--strategy", help=text("opt_task_strategy"))
StickyKey = typer.Option(None, "--sticky-key", help=text("opt_task_sticky_key"))
Parent = typer.Option(None, "--parent", metavar="ID", help=text("opt_task_parent"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="tasks", help=text("tasks"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("submit", help=text("tasks_submit"), epilog=text("tasks_submit_epilog"))(submit)
    noun.command("preview", help=text("tasks_preview"))(preview)
    noun.command("list", help=text("tasks_list"))(list_tasks)
    noun.command("show", help=text("tasks_show"))(show)
    noun.command("why", help=text("tasks_why"))(why)
    noun.command("watch", help=text("tasks_watch"), epilog=text("tasks_watch_epilog"))(watch)
    noun.command("cancel", help=text("tasks_cancel"))(cancel)
    noun.command("retry", help=text("tasks_retry"))(retry)
    return noun


def submit(
    params: str = typer.Option("{}", "--params", metavar="JSON|@FILE|-", help=text("opt_params")),
    title: str = typer.Option("", "--title", help=text("opt_task_title")),
    class_: str = Class,
    capabilities: list[str] = Capabilities,
    agent: str = Named,
    tree: str = Tree,
    strategy: str = StrategyName,
    sticky_key: str = StickyKey,
    handler: str = typer.Option(None, "--handler", help=text("opt_task_handler")),
    parent: str = Parent,
    depends_on: list[str] = DependsOn,
    run_at: str = typer.Option(None, "--run-at", metavar="TIME", help=text("opt_run_at")),
    deadline: str = typer.Option(None, "--deadline", metavar="TIME", help=text("opt_deadline")),
    timeout: str = typer.Option(None, "--timeout", metavar="DURATION", help=text("opt_timeout")),
    priority: int = typer.Option(0, "--priority", help=text("opt_priority")),
    max_retries: int = typer.Option(None, "--max-retries", help=text("opt_max_retries")),
    unique_key: str = typer.Option(None, "--unique-key", help=text("opt_unique_key")),
    tags: list[str] = Tags,
    tenant: str = Tenant,
    wait: bool = typer.Option(False, "--wait", help=text("opt_wait")),
    wait_timeout: str = typer.Option(None, "--wait-timeout", metavar="DURATION", help=text("opt_wait_timeout")),
) -> None:
    """Ask for one task and print its id; with `--wait`, its result."""
    from dure.agents.model import PLAIN_TASK
    from dure.cli.params import read_params
    from dure.cli.times import moment, seconds

    new = _wish(
        (class_, capabilities, agent, tree),
        strategy=strategy,
        sticky_key=sticky_key,
        parent_id=parent,
        params=read_params(params),
        title=title,
        handler=handler or PLAIN_TASK,
        depends_on=tuple(depends_on or ()),
        run_at=moment(run_at, "run-at"),
        deadline_at=moment(deadline, "deadline"),
        timeout_s=seconds(timeout, "timeout"),
        priority=priority,
        max_retries=max_retries,
        unique_key=unique_key,
        tags=tuple(tags or ()),
    )
    patience_s = seconds(wait_timeout, "wait-timeout")

    async def work() -> int:
        async with session.runtime() as runtime:
            made = await runtime.tasks.submit(tenant, new, actor=actor())
            if not wait:
                _print_made(made)
                return 0
            if not output.wants_json():
                output.note(say("cli.enqueued", id=made.id))
            return await until_ended(runtime, tenant, made.id, patience_s)

    raise typer.Exit(session.run(work))


def preview(
    class_: str = Class,
    capabilities: list[str] = Capabilities,
    agent: str = Named,
    tree: str = Tree,
    strategy: str = StrategyName,
    sticky_key: str = StickyKey,
    parent: str = Parent,
    tenant: str = Tenant,
) -> None:
    """Say who would be chosen, from whom and why."""
    from dure.cli.tasks_show import print_preview

    new = _wish((class_, capabilities, agent, tree), strategy=strategy, sticky_key=sticky_key, parent_id=parent)

    async def work() -> "Choice":
        async with session.runtime() as runtime:
            return await runtime.tasks.preview(tenant, new)

    print_preview(session.run(work))


def list_tasks(
    state: str = typer.Option(None, "--state", help=text("opt_state")),
    agent: str = typer.Option(None, "--agent", metavar="ID", help=text("opt_task_agent_filter")),
    class_: str = typer.Option(None, "--class", help=text("opt_task_class_filter")),
    strategy: str = typer.Option(None, "--strategy", help=text("opt_task_strategy_filter")),
    root: str = typer.Option(None, "--root", metavar="ID", help=text("opt_task_root_filter")),
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
    tenant: str = Tenant,
) -> None:
    """List tasks, newest first."""
    from typing import get_args

    from dure.agents.model import Strategy, TaskFilter
    from dure.cli.params import one_of
    from dure.cli.tasks_show import print_page
    from dure.queue.model import ENDED, OPEN

    where = TaskFilter(
        state=one_of(state, sorted(OPEN | ENDED), "state"),
        agent=agent,
        class_=class_,
        strategy=one_of(strategy, get_args(Strategy), "strategy"),
        root=root,
    )

    async def work() -> "Page[Task]":
        async with session.runtime() as runtime:
            return await runtime.tasks.list(tenant, where, limit=limit, cursor=cursor)

    print_page(session.run(work))


def show(task_id: str = Id, tenant: str = Tenant) -> None:
    """Print everything that is known of a task."""
    from dure.cli.tasks_show import print_one

    print_one(session.run(lambda: _explain(tenant, task_id)))


def why(task_id: str = Id, tenant: str = Tenant) -> None:
    """Say who was chosen, each time, and what a pending task waits for."""
    from dure.cli.tasks_show import print_why

    print_why(session.run(lambda: _explain(tenant, task_id)))


def watch(
    task_id: str = Id,
    timeout: str = typer.Option(None, "--timeout", metavar="DURATION", help=text("opt_wait_timeout")),
    tenant: str = Tenant,
) -> None:
    """Follow a task until it has ended; the exit code says how."""
    from dure.cli.times import seconds

    patience_s = seconds(timeout, "timeout")

    async def work() -> int:
        async with session.runtime() as runtime:
            await runtime.tasks.get(tenant, task_id)
            return await until_ended(runtime, tenant, task_id, patience_s)

    raise typer.Exit(session.run(work))


def cancel(
    task_ids: list[str] = Ids,
    reason: str = typer.Option("", "--reason", help=text("opt_reason")),
    tenant: str = Tenant,
) -> None:
    """Cancel tasks and all that they handed on."""
    because = reason or say("tasks.cancelled_here")
    each(task_ids, lambda tasks, one: tasks.cancel(tenant, one, reason=because, actor=actor()))


def retry(task_ids: list[str] = Ids, tenant: str = Tenant) -> None:
    """Give tasks that ended badly a new life."""
    each(task_ids, lambda tasks, one: tasks.retry(tenant, one, actor=actor()))


def each(task_ids: Sequence[str], one: "Callable[[Tasks, str], Awaitable[Task]]") -> None:
    """Do something to each task; those for which it could not be done are named, and the exit code says so."""
    from dure.cli.tasks_show import print_each
    from dure.errors import DureError

    done: list[Task] = []
    errors: dict[str, DureError] = {}

    async def work() -> None:
        async with session.runtime() as runtime:
            for task_id in task_ids:
                try:
                    done.append(await one(runtime.tasks, task_id))
                except DureError as error:
                    if len(task_ids) == 1:
                        raise
                    errors[task_id] = error

    session.run(work)
    print_each(done, errors)
    if errors:
        raise typer.Exit(EXIT_PARTIAL if done else next(iter(errors.values())).exit_code)


def _wish(
    needs: tuple[str | None, Sequence[str] | None, str | None, str | None], *, strategy: str | None, **more: Any
) -> "NewTask":
    from typing import get_args

    from dure.agents.model import Need, NewTask, Strategy
    from dure.cli.params import one_of

    class_, capabilities, agent, tree = needs
    wanted = Need(class_=class_, capabilities=tuple(capabilities or ()), agent=agent, tree=tree)
    return NewTask(needs=wanted, strategy=one_of(strategy, get_args(Strategy), "strategy"), **more)


async def _explain(tenant: str, task_id: str) -> "Why":
    async with session.runtime() as runtime:
        return await runtime.tasks.why(tenant, task_id)


def _print_made(made: "Task") -> None:
    from dure.cli.tasks_show import document

    if output.wants_json():
        output.document({**document(made), "created": made.is_new})
        return
    output.line(made.id)
    if not made.is_new:
        output.note(say("tasks.exists_already"))
