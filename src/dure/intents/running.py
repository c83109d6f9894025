"""The life of a request's job.

    begin ──► asked again: does the policy still hold, is it approved ──► no: refused, with the reason
        ├─ answer      reads and answers
        ├─ operation   begins a run, waits for it: planned, shown, applied, can be undone
        └─ targets     finds them all, makes a child of each, waits; then says what became of whom

A child does `each` for its target. What it sends goes to the outbox in the transaction that completes it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from pydantic import BaseModel

from dure.db.sql import load
from dure.errors import ApprovalNeeded, Conflict, NotFound
from dure.intents.catalogue import Catalogue
from dure.intents.context import IntentContext
from dure.intents.declaring import QUEUE, Intent
from dure.intents.model import Changed, Outgoing, Report, Skip, Target
from dure.intents.outbox.store import put
from dure.intents.policies import CapReached, decide_on, today, use
from dure.intents.rows import Request, read_request, read_requests
from dure.queue.context import Context
from dure.queue.model import NewJob
from dure.queue.registry import handler
from dure.queue.results import Done, WaitForChildren
from dure.queue.retry import Final
from dure.queue.threads import in_thread
from dure.queue.views import Principal
from dure.runs.jobs import BEGIN_JOB

TARGET_JOB = "dure.intent.target"
TARGETS_MAX = 100_000
BATCH = 1_000
NAMED_MAX = 100
"""So many of those that were not done are named in a result; all of them can be read one by one."""
SQL_ACTOR = "sql"

_COUNTED = load("dure.intents", "targets_counted")
_FAILED = load("dure.intents", "targets_failed")
_INSERT = load("dure.intents", "request_insert")
_RUN = load("dure.intents", "run_of_job")


class TargetParams(BaseModel):
    """Which target of which request."""

    key: str
    params: dict[str, Any]
    target: dict[str, Any]
    request_id: str
    actor: str


async def run(found: Intent, params: BaseModel, ctx: Context) -> Any:
    """Do what a request asks for, if it may still be had."""
    request = await _allowed(found, params, ctx)
    around = await _around(ctx, request.id, found.key, request.actor)
    match found.form:
        case "answer":
            return _answered(await found.make().answer(params, around))
        case "operation":
            return await _operate(found, params, ctx, request)
        case "targets":
            if not await ctx.children():
                return await _find_targets(found, params, ctx, around, request)
            return await _gather(ctx)


def handlers(catalogue: Catalogue) -> list[Callable[..., Any]]:
    """Answer the handlers that go with a catalogue, for a worker's registry."""

    @handler(TARGET_JOB, queue=QUEUE)
    async def target(params: TargetParams, ctx: Context) -> Any:
        """Do one target of an intent."""
        found = await in_thread(catalogue.find, params.key, name="import")
        around = await _around(ctx, params.request_id, params.key, params.actor)
        one = Target(params.target["id"], params.target.get("data", {}), params.target.get("version"))
        try:
            done = await found.make().each(found.params.model_validate(params.params), one, around)
        except Skip as skip:
            return {"outcome": "skipped", "reason": str(skip)}
        except (Changed, Conflict, NotFound) as change:
            return {"outcome": "conflict", "reason": str(change)}
        return {"outcome": "done", **await _sent(done, ctx, params)}

    return [target]


async def _allowed(found: Intent, params: BaseModel, ctx: Context) -> Request:
    """Ask the policy again, which may have changed since; what came by plain SQL is asked for here first."""
    async with ctx.database.system_tx() as tx:
        known = await read_requests(tx, None, id=ctx.job.id, limit=1)
        scope = known[0].scope if known else "operator"
        actor = known[0].actor if known else SQL_ACTOR
        verdict = await decide_on(tx, ctx.tenant_id, found.declaration, Principal(actor, scope, ctx.tenant_id))
        verdict.require(found.key)
        if known:
            request = known[0]
        else:
            try:
                await use(tx, ctx.tenant_id, found.key, verdict.cap_per_day)
            except CapReached as reached:
                # Refused, as it is when it is asked for: nobody wants tomorrow what was one too many today.
                raise Final(str(reached)) from None
            values = {
                "tenant": ctx.tenant_id, "key": found.key, "params": params.model_dump_json(), "scope": scope,
                "actor": actor, "source": "sql", "decision": "waiting" if verdict.approval else "none",
                "unique_key": None, "job_id": ctx.job.id, "retry_of": None,
            }  # fmt: skip
            row = await (await tx.execute(_INSERT, values)).fetchone()
            assert row is not None
            request = await read_request(tx, None, row[0])
    # After the commit: what waits is on record, though its job ends here; approving gives it a new life.
    if verdict.approval and request.decision != "approved":
        raise ApprovalNeeded(id=request.id, reason="request_approval_needed")
    return request


async def _around(ctx: Context, request_id: str, key: str, actor: str) -> IntentContext:
    async with ctx.database.system_tx() as tx:
        now, day = await today(tx)
    return IntentContext(ctx, request_id=request_id, key=key, actor=actor, now=now, today=day)


def _answered(answer: Any) -> Any:
    if isinstance(answer, Report):
        return {
            "report": {"kind": answer.kind, "title": answer.title, "format": answer.format, "body": answer.body},
            "data": dict(answer.data),
        }
    # A text that an intent answers is its answer; an error that it returns is none.
    return Done(answer) if isinstance(answer, str) else answer


async def _operate(found: Intent, params: BaseModel, ctx: Context, request: Request) -> Any:
    """Begin a run, and say when it has ended what came of it."""
    async with ctx.database.system_tx() as tx:
        row = await (await tx.execute(_RUN, {"job": ctx.job.id})).fetchone()
    if row is not None and row[3]:
        state, result, error, _ = row
        if state in ("failed", "cancelled", "quarantined"):
            raise Final(error or "the run was not carried out")
        return result if state == "completed" else WaitForChildren()
    instance = found.make()
    plan: Mapping[str, Any] = instance.plan(params) if hasattr(instance, "plan") else params.model_dump(mode="json")
    begun = {"operation": instance.operation, "params": dict(plan), "author": request.actor, "mode": "apply"}
    await ctx.enqueue(BEGIN_JOB, begun, parent_id=ctx.job.id)
    return WaitForChildren()


async def _find_targets(found: Intent, params: BaseModel, ctx: Context, around: IntentContext, request: Request) -> Any:
    count = 0
    batch: list[NewJob] = []
    declared, given = found.declaration, params.model_dump(mode="json")
    async for target in _targets(found, params, ctx, around, request):
        count += 1
        if count > TARGETS_MAX:
            raise Final(f"{found.key} has more than {TARGETS_MAX} targets")
        one = TargetParams(key=found.key, params=given, target=target, request_id=request.id, actor=request.actor)
        batch.append(
            NewJob(
                handler=TARGET_JOB,
                params=one.model_dump(),
                parent_id=ctx.job.id,
                max_retries=declared.max_retries,
                timeout_s=declared.timeout_s,
            )
        )
        if len(batch) == BATCH:
            await ctx.enqueue_many(batch)
            batch = []
    if batch:
        await ctx.enqueue_many(batch)
    return WaitForChildren() if count else _result({})


async def _targets(
    found: Intent, params: BaseModel, ctx: Context, around: IntentContext, request: Request
) -> AsyncIterator[dict[str, Any]]:
    """Yield the targets; of a retry those that failed, as they were."""
    if request.retry_of is None:
        async for target in found.make().targets(params, around):
            yield {"id": target.id, "data": dict(target.data), "version": target.version}
        return
    async with ctx.database.system_tx() as tx:
        before = await read_request(tx, ctx.tenant_id, request.retry_of)
        rows = await (await tx.execute(_FAILED, {"job": before.job_id})).fetchall()
    for (target,) in rows:
        yield target


async def _gather(ctx: Context) -> Any:
    async with ctx.database.system_tx() as tx:
        rows = await (await tx.execute(_COUNTED, {"job": ctx.job.id, "most": NAMED_MAX})).fetchall()
    if any(outcome == "open" for outcome, _, _ in rows):
        return WaitForChildren()
    result = _result({outcome: (count, named) for outcome, count, named in rows})
    if result["failed"] and not result["done"] and not result["skipped"] and not result["conflicts"]:
        raise Final(f"none of {result['failed']} targets was done: {result['items']['failed'][0]['reason']}")
    return result


def _result(by_outcome: Mapping[str, tuple[int, list[dict[str, Any]]]]) -> dict[str, Any]:
    def of(outcome: str) -> tuple[int, list[dict[str, Any]]]:
        return by_outcome.get(outcome, (0, []))

    return {
        "done": of("done")[0],
        "skipped": of("skipped")[0],
        "conflicts": of("conflict")[0],
        "failed": of("failed")[0],
        "items": {"failed": of("failed")[1], "conflicts": of("conflict")[1], "skipped": of("skipped")[1]},
    }


async def _sent(done: Any, ctx: Context, params: TargetParams) -> dict[str, Any]:
    """Put what is to be sent into the outbox, in the transaction that completes this job."""
    outgoing = [done] if isinstance(done, Outgoing) else done if isinstance(done, list) else []
    if not outgoing:
        return {"data": done} if isinstance(done, dict) else {}
    tx = await ctx.tx()
    messages = [
        await put(tx, ctx.tenant_id, one, request_id=params.request_id, target=params.target["id"]) for one in outgoing
    ]
    return {"messages": [{"id": message_id, "new": is_new} for message_id, is_new in messages]}
