"""The jobs that carry runs: planning, a slice of it, applying, and a share of that. One screen, one run's life.

dure.run.begin         a schedule's job: asks for a run, and waits for what is done for it
dure.run.plan          planning ─► planned | refused | empty | failed
dure.run.plan_slice    a child of it: the changes of some subjects
dure.run.apply         applying ─► applied | partial | failed | cancelled
dure.run.apply_chunks  a child of it, where an operation is applied by several jobs at a time
"""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any, NoReturn

import psycopg
from pydantic import BaseModel

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import DureError, Refused
from dure.queue.context import Context
from dure.queue.model import OPEN, NewJob
from dure.queue.registry import handler
from dure.queue.results import WaitForChildren
from dure.queue.retry import Final, Retryable, judge
from dure.runs import applying, planning
from dure.runs.context import TENANT
from dure.runs.guards import Guards, evaluate
from dure.runs.model import Reason, Run, Then
from dure.runs.news import tell
from dure.runs.operation import EXPIRES_S, Operations
from dure.runs.reading import read_run
from dure.runs.service import APPLY_JOB, PLAN_JOB, QUEUE, SQL_OPERATION, Runs
from dure.runs.shapes import Stores, shapes_of
from dure.runs.states import move, record
from dure.runs.stores.protocol import StoreDown
from dure.runs.stores.rehearsal import rehearse
from dure.runs.undoing import plan_rollback
from dure.runs.wording import sentence
from dure.settings import Settings

BEGIN_JOB = "dure.run.begin"
CHUNKS_JOB = "dure.run.apply_chunks"
TIMEOUT_S = 86_400.0
RETRIES = 5
CONNECTIONS_A_JOB = 3

WRONG = (
    psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError, psycopg.IntegrityError,
    psycopg.InternalError,
)  # fmt: skip
"""What the database says of a statement that would be no better another time."""

_ASKED = load("dure.runs", "run_asked_by")
_GUARDS = load("dure.runs", "run_guards")
_APPROVALS = load("dure.runs", "approvals_of_plan")


class RunParams(BaseModel):
    """Which run."""

    run_id: str


class BeginParams(BaseModel):
    """Which operation, for whom, and what follows its plan."""

    operation: str
    params: dict[str, Any] = {}
    mode: Then = "plan"
    author: str


class SliceParams(BaseModel):
    """Which slice of which run."""

    run_id: str
    slice: int


def handlers(database: Database, settings: Settings, operations: Operations) -> list[Callable[..., Any]]:
    """Answer the handlers of runs, for a worker's registry. Example: `for one in handlers(…): registry.add(one)`."""
    jobs = RunJobs(database, settings, operations)
    options: dict[str, Any] = {"queue": QUEUE, "timeout_s": TIMEOUT_S, "max_retries": RETRIES}

    @handler(BEGIN_JOB, **options)
    async def begin(params: BeginParams, ctx: Context) -> Any:
        """Ask for a run, and wait for it."""
        return await jobs.begin(params, ctx)

    @handler(PLAN_JOB, **options)
    async def plan(params: RunParams, ctx: Context) -> Any:
        """Plan a run."""
        async with jobs.room:
            return await jobs.plan(params.run_id, ctx)

    @handler(planning.SLICE_JOB, **options)
    async def plan_slice(params: SliceParams, ctx: Context) -> Any:
        """Plan a slice of a run's subjects."""
        async with jobs.room:
            return await jobs.plan_slice(params.run_id, params.slice, ctx)

    @handler(APPLY_JOB, **options)
    async def apply(params: RunParams, ctx: Context) -> Any:
        """Apply a run's plan."""
        async with jobs.room:
            return await jobs.apply(params.run_id, ctx)

    @handler(CHUNKS_JOB, **options)
    async def apply_chunks(params: RunParams, ctx: Context) -> Any:
        """Apply chunks of a run's plan until there are none left."""
        async with jobs.room:
            return await jobs.apply_chunks(params.run_id, ctx)

    return [begin, plan, plan_slice, apply, apply_chunks]


class RunJobs:
    """What the handlers of runs do. Example: made by `handlers`."""

    def __init__(self, database: Database, settings: Settings, operations: Operations) -> None:
        self._database = database
        self._settings = settings
        self._operations = operations
        self._planner = planning.Planner(database, operations)
        self._runs = Runs(database, settings, operations)
        # Each holds up to three connections, and waits for one while it holds another: more of them at a time than the
        # pool can bear would wait for each other for ever.
        self.room = asyncio.Semaphore(max(1, settings.pool_max // CONNECTIONS_A_JOB))

    async def begin(self, params: BeginParams, ctx: Context) -> Any:
        """Ask for a run, and say when its jobs have ended what came of it; one that failed is this job's failure."""
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_ASKED, {"job_id": ctx.job.id})).fetchone()
        if row is None:
            await self._runs.plan_for_job(
                await ctx.tx(), ctx.tenant_id, params.operation, params.params,
                author=params.author, then=params.mode, job_id=ctx.job.id,
            )  # fmt: skip
            return WaitForChildren()
        children = await ctx.children()
        if any(children.get(state) for state in OPEN):
            # Its planning has ended, and asked for its application.
            return WaitForChildren()
        run = await self._read(row[0], ctx)
        if run.state in ("failed", "refused", "cancelled"):
            raise Final(f"run {run.id} is {run.state}: {sentence(run.reason, 'en')}")
        return {"run_id": run.id, "state": run.state, "counts": dict(run.counts)}

    async def plan(self, run_id: str, ctx: Context) -> Any:
        """Plan a run, in two goes when it has slices: the first asks for them, the second adds them up."""
        run = await self._read(run_id, ctx)
        if run.state != "planning":
            return {"state": run.state}
        try:
            if run.rollback_of is not None:
                return await self._plan_rollback(run, ctx)
            if run.operation == SQL_OPERATION:
                return await self._plan_statement(run, ctx)
            return await self._plan_operation(run, ctx)
        except Exception as error:
            await self._plan_failed(run, ctx, error)

    async def plan_slice(self, run_id: str, no: int, ctx: Context) -> Any:
        """Plan one slice; what goes wrong for good is this job's failure, and then the run's."""
        run = await self._read(run_id, ctx)
        if run.state != "planning":
            return {"state": run.state}
        try:
            return {"changes": await self._planner.slice(run, no, ctx)}
        except Exception as error:
            await self._plan_failed(run, ctx, error)

    async def apply(self, run_id: str, ctx: Context) -> Any:
        """Apply a plan: alone, or with children that share the chunks."""
        run = await self._read(run_id, ctx)
        if run.state != "applying" or run.job_id != ctx.job.id:
            return {"state": run.state}
        try:
            guards, parallel = self._limits(run)
            if not await ctx.children():
                if not await self._allowed(run, guards):
                    return {"state": "refused"}
                if parallel > 1 and run.rollback_of is None:
                    job = NewJob(handler=CHUNKS_JOB, params={"run_id": run_id}, queue=QUEUE, parent_id=ctx.job.id)
                    await ctx.enqueue_many([job] * parallel)
                    return WaitForChildren()
            # With children this only finds what they left, because one of them was lost.
            stop = await applying.Applier(self._database, run, await self._stores(run), guards, ctx).work()
        except Exception as error:
            await ctx.give_up(error)
            if not _is_last(error, ctx):
                raise as_job_error(error) from error
            return await self._end(run, ctx, "done", Guards(), _text(error))
        return await self._end(run, ctx, stop, guards)

    async def apply_chunks(self, run_id: str, ctx: Context) -> Any:
        """Apply chunks, beside others that do the same."""
        run = await self._read(run_id, ctx)
        if run.state == "applying":
            try:
                stores, guards = await self._stores(run), self._limits(run)[0]
                await applying.Applier(self._database, run, stores, guards, ctx, shared=True).work()
            except StoreDown as error:
                raise as_job_error(error) from error

    async def _plan_operation(self, run: Run, ctx: Context) -> Any:
        loaded = self._operations.find(run.operation)
        tx = await ctx.tx()
        slices, not_planned = await planning.open_slices(tx, run.id)
        if slices == 0:
            waiting = await self._planner.begin(run, ctx)
            if waiting is not None:
                return waiting
        elif not_planned:
            raise Refused("slices_failed", count=not_planned)
        spec = loaded.spec
        return await self._planned(
            run, ctx, planning.Ending(spec.guards, spec.expires_s), may_apply=spec.approval == "none"
        )

    async def _plan_statement(self, run: Run, ctx: Context) -> Any:
        # The rehearsal writes by itself, so what an earlier attempt left is taken away first, and for good.
        async with self._database.owner_tx() as own:
            await planning.clear(own, run.id)
        found = await rehearse(
            self._database,
            run_id=run.id,
            tenant_id=run.tenant_id,
            statement=run.params["statement"],
            leaves=run.params.get("leaves", ()),
        )
        await planning.keep_stores(await ctx.tx(), run, Stores(found.shapes).to_json(), found.notes)
        return await self._planned(run, ctx, planning.Ending(Guards(), EXPIRES_S))

    async def _plan_rollback(self, run: Run, ctx: Context) -> Any:
        tx = await ctx.tx()
        assert run.rollback_of is not None
        source = await read_run(tx, run.rollback_of)
        conflicts = await plan_rollback(tx, run, source, await self._stores(source))
        refusal = Reason("strict_conflict", {"conflicts": conflicts}) if conflicts and run.mode == "strict" else None
        return await self._planned(run, ctx, planning.Ending(None, EXPIRES_S, refusal))

    async def _planned(
        self, run: Run, ctx: Context, ending: planning.Ending, *, may_apply: bool = True
    ) -> dict[str, Any]:
        tx = await ctx.tx()
        await planning.policies_hold(tx)
        state, then_do = await planning.finish(tx, run, ending)
        if state == "planned" and then_do == "apply" and may_apply:
            await planning.apply_next(tx, run, ctx)
        done = await read_run(tx, run.id)
        await tell(tx, done, self._settings)
        return {"state": done.state, "counts": dict(done.counts)}

    async def _plan_failed(self, run: Run, ctx: Context, error: Exception) -> NoReturn:
        """Try again later, or say for good why there is no plan: outside the job's transaction, which is given up."""
        await ctx.give_up(error)
        if _is_last(error, ctx):
            async with self._database.owner_tx() as tx:
                await tx.execute(TENANT, (run.tenant_id,))
                if (await read_run(tx, run.id)).state == "planning":
                    await planning.fail(tx, run, error)
                    await tell(tx, await read_run(tx, run.id), self._settings)
        raise as_job_error(error) from error

    async def _allowed(self, run: Run, guards: Guards) -> bool:
        """Hold the plan against its guards once more, with the questions that were answered since.

        In a transaction of its own: the job's would hold the run's row until the end, and nobody could ask it to rest.
        """
        if run.rollback_of is not None or run.applied + run.conflicts + run.failed:
            # What goes on was allowed when it began; by now it has changed the very population that it is held against.
            return True
        async with self._database.owner_tx() as tx:
            await tx.execute(TENANT, (run.tenant_id,))
            facts, _ = await planning.figures(tx, run)
            answers = evaluate(guards, facts)
            said = [answer.to_json() for answer in answers]
            await tx.execute(_GUARDS, {"id": run.id, "guards": json.dumps(said, ensure_ascii=False, default=str)})
            refused = next((answer for answer in answers if answer.verdict == "refused"), None)
            if refused is None or await _overridden(tx, run):
                return True
            await move(tx, run.id, ["applying"], "refused", reason=Reason("guard_" + refused.guard, refused.params))
            await record(tx, run.tenant_id, run.id, planning.WORKER, "run.refused", {"guard": refused.guard})
            await tell(tx, await read_run(tx, run.id), self._settings)
            return False

    async def _end(
        self, run: Run, ctx: Context, stop: applying.Stop, guards: Guards, problem: str | None = None
    ) -> dict[str, Any]:
        if stop == "paused":
            return {"state": "paused"}
        tx = await ctx.tx()
        state = await applying.finish(tx, run, stop, guards, problem)
        await tell(tx, await read_run(tx, run.id), self._settings)
        return {"state": state}

    async def _read(self, run_id: str, ctx: Context) -> Run:
        async with self._database.tenant_tx(ctx.tenant_id) as tx:
            return await read_run(tx, run_id)

    async def _stores(self, run: Run) -> Stores:
        if run.operation == SQL_OPERATION:
            return shapes_of(run.stores)
        loaded = self._operations.find(run.operation)
        params = (await self._origin(run)).params
        return shapes_of(run.stores, loaded.stores(loaded.params(params), run.tenant_id))

    async def _origin(self, run: Run) -> Run:
        """Answer the run that was no rollback: the stores of a way back are those that it named by its parameters."""
        async with self._database.system_tx() as tx:
            while run.rollback_of is not None:
                run = await read_run(tx, run.rollback_of)
        return run

    def _limits(self, run: Run) -> tuple[Guards, int]:
        if run.operation == SQL_OPERATION or run.rollback_of is not None:
            return Guards(), 1
        spec = self._operations.find(run.operation).spec
        return spec.guards, spec.parallel


async def _overridden(tx: Connection, run: Run) -> bool:
    rows = await (await tx.execute(_APPROVALS, {"id": run.id, "plan_hash": run.plan_hash})).fetchall()
    return any(decision == "override" for decision, _ in rows)


def as_job_error(error: Exception) -> Exception:
    """Answer what a job raises: a store that is down is tried again when it asks to be, a wrong statement never."""
    if isinstance(error, StoreDown):
        return Retryable(str(error), after_s=error.after_s)
    if isinstance(error, WRONG):
        return Final(f"{type(error).__name__}: {error}")
    return error


def _is_last(error: Exception, ctx: Context) -> bool:
    """Whether the job will not be tried again after this."""
    return ctx.job.retry_count >= ctx.job.max_retries or judge(as_job_error(error), 0, random.Random()).delay_s is None  # noqa: S311


def _text(error: Exception) -> str:
    return error.text() if isinstance(error, DureError) else f"{type(error).__name__}: {error}"
