"""Runs, for those who ask for them and decide about them: plan, approve, apply, pause, take back.

Every decision is one compare-and-set on the run's state, in one transaction with its event and with the job that goes
on from there. What the jobs do is in `planning`, `applying` and `undoing`.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import ApprovalNeeded, Conflict, Invalid, NotFound, Refused
from dure.ids import is_tenant_id
from dure.queue.client import enqueue_on
from dure.queue.cursors import is_id
from dure.queue.model import NewJob
from dure.runs.model import Mode, Reason, Run, Then
from dure.runs.operation import Operations
from dure.runs.reading import RunReader, read_run
from dure.runs.states import move, record
from dure.settings import Settings

PLAN_JOB = "dure.run.plan"
APPLY_JOB = "dure.run.apply"
SQL_OPERATION = "dure.sql"
ROLLBACK_SEQS_MAX = 100_000
STATEMENT_CHARS_MAX = 100_000
NOTE_CHARS_MAX = 2_000
QUEUE = "dure.runs"
WORKING = ("planning", "applying")
"""States in which a job works; when that is lost or rests, nobody does."""

_INSERT = load("dure.runs", "run_insert")
_LOCK = load("dure.runs", "run_lock")
_JOB = load("dure.runs", "run_job")
_PAUSE = load("dure.runs", "run_pause")
_RESUME = load("dure.runs", "run_resume")
_STOP = load("dure.runs", "run_stop")
_APPROVAL = load("dure.runs", "approval_insert")
_APPROVALS = load("dure.runs", "approvals_of_plan")
_ANSWERS = load("dure.runs", "answers_write")
_RETRY = load("dure.runs", "run_retry")
_KNOWN = load("dure.runs", "operation_known")


class Runs(RunReader):
    """The runs of a database.

    Example: `run = await runs.plan("acme", "students.archive_inactive", {}, author="kim")`.
    """

    def __init__(self, database: Database, settings: Settings, operations: Operations) -> None:
        super().__init__(database)
        self._settings = settings
        self._operations = operations

    async def plan(
        self,
        tenant_id: str,
        operation: str,
        params: Mapping[str, Any] | None = None,
        *,
        author: str,
        note: str = "",
        then_apply: bool = False,
        tx: Connection | None = None,
    ) -> Run:
        """Ask for a plan: a worker makes it. With `then_apply` it is applied as soon as it is planned, if nobody must
        approve it and no guard refuses. With `tx`, of the system, inside that transaction, which the caller commits.
        """
        if operation == SQL_OPERATION:
            raise Invalid(field="operation", reason="not_one_of", expected="dure sql")
        params = dict(params or {})
        if operation in self._operations.names():
            # Defaults are written down, so that what is stored is all that the plan follows from.
            params = self._operations.find(operation).params(params).model_dump(mode="json")
        return await self._begin(tenant_id, operation, params, author, note, _then(then_apply), tx)

    async def plan_sql(
        self,
        tenant_id: str,
        statement: str,
        *,
        author: str,
        note: str = "",
        leaves: Sequence[str] = (),
        then_apply: bool = False,
        tx: Connection | None = None,
    ) -> Run:
        """Ask for the plan of one UPDATE, DELETE, INSERT or MERGE: it is rehearsed, and nothing of it stays."""
        if not statement.strip() or len(statement) > STATEMENT_CHARS_MAX or "\x00" in statement:
            raise Invalid(field="statement", reason="out_of_range", min=1, max=STATEMENT_CHARS_MAX)
        params = {"statement": statement, "leaves": list(leaves)}
        return await self._begin(tenant_id, SQL_OPERATION, params, author, note, _then(then_apply), tx)

    async def plan_for_job(
        self,
        tx: Connection,
        tenant_id: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        author: str,
        then: Then,
        job_id: str,
    ) -> Run:
        """Ask for a plan inside the transaction of a job, which waits for it: what is done for it is its child.

        With `then="approve"` it is applied as soon as somebody has said yes.
        """
        params = self._operations.find(operation).params(params).model_dump(mode="json")
        return await self._begin(tenant_id, operation, params, author, "", then, tx, job_id)

    async def rollback(
        self,
        tenant_id: str | None,
        run_id: str,
        *,
        author: str,
        mode: Mode = "strict",
        subjects: Sequence[str] = (),
        seqs: Sequence[int] = (),
        note: str = "",
        then_apply: bool = False,
        tx: Connection | None = None,
    ) -> Run:
        """Ask for the way back as a run of its own, planned like any other: `Conflict` when there is nothing to
        undo.
        """
        if len(seqs) > ROLLBACK_SEQS_MAX or len(subjects) > ROLLBACK_SEQS_MAX:
            raise Invalid(field="seqs", reason="too_many", count=max(len(seqs), len(subjects)), max=ROLLBACK_SEQS_MAX)
        params = {"subjects": list(subjects), "seqs": list(seqs)}
        async with self._inside(tx) as own:
            await self._lock(own, tenant_id, run_id)
            source = await read_run(own, run_id)
            _require_undoable(source)
            return await self._insert(
                own,
                source.tenant_id,
                source.operation,
                params,
                author,
                note,
                _then(then_apply),
                rollback_of=run_id,
                mode=mode,
            )

    async def approve(
        self,
        tenant_id: str | None,
        run_id: str,
        *,
        actor: str,
        plan_hash: str | None = None,
        override: bool = False,
        reason: str = "",
    ) -> Run:
        """Say yes to a plan, by its hash. With `override` and a reason also to one that its guards refused."""
        async with self._database.system_tx() as tx:
            head = await self._lock(tx, tenant_id, run_id, plan_hash)
            await self._require_current(tx, run_id, head)
            approval = await self._approval_of(tx, head["operation"])
            if approval == "other" and actor == head["author"]:
                raise Refused("approve_own", actor=actor)
            decision = "approve"
            if head["state"] == "refused":
                decision = "override"
                _require_override(head, override, reason)
            await self._say(tx, run_id, head, decision, actor, reason)
            await self._move(tx, run_id, ["planned", "refused"], "approved", keep_reason=False)
            approved = await self._record(tx, run_id, head, actor, f"run.{decision}", {"reason": reason})
            if head["then_do"] != "approve":
                return approved
            job_id = await self._enqueue(tx, head["tenant_id"], APPLY_JOB, run_id)
            await self._move(tx, run_id, ["approved"], "applying", job_id=job_id)
            return await self._record(tx, run_id, head, actor, "run.apply", {})

    async def reject(self, tenant_id: str | None, run_id: str, *, actor: str, reason: str = "") -> Run:
        """Say no to a plan; it can never be applied."""
        async with self._database.system_tx() as tx:
            head = await self._lock(tx, tenant_id, run_id)
            await self._say(tx, run_id, head, "reject", actor, reason)
            why = Reason("rejected", {"actor": actor, "text": reason or "-"})
            await self._move(tx, run_id, ["planned", "approved"], "rejected", reason=why)
            return await self._record(tx, run_id, head, actor, "run.reject", {"reason": reason})

    async def answer(
        self, tenant_id: str | None, run_id: str, *, actor: str, accepted: bool, seqs: Sequence[int] | None = None
    ) -> int:
        """Answer questions of a plan, all of them when none is named; answer how many that were."""
        async with self._database.system_tx() as tx:
            head = await self._lock(tx, tenant_id, run_id)
            if head["state"] not in ("planned", "refused"):
                raise Conflict("run_state", state=head["state"], expected="planned")
            values = {"id": run_id, "seqs": None if seqs is None else list(seqs), "accepted": accepted, "actor": actor}
            row = await (await tx.execute(_ANSWERS, values)).fetchone()
            count = int(row[0]) if row else 0
            if seqs is not None and count < len(set(seqs)):
                raise Invalid(field="seqs", reason="not_a_question")
            await self._record(tx, run_id, head, actor, "run.answer", {"accepted": accepted, "count": count})
            return count

    async def apply(self, tenant_id: str | None, run_id: str, *, actor: str, plan_hash: str | None = None) -> Run:
        """Apply a plan, once: a worker does it. Refused without the approvals that the operation asks for."""
        async with self._database.system_tx() as tx:
            head = await self._lock(tx, tenant_id, run_id, plan_hash)
            await self._require_current(tx, run_id, head)
            await self._require_approval(tx, run_id, head, actor)
            job_id = await self._enqueue(tx, head["tenant_id"], APPLY_JOB, run_id)
            await self._move(tx, run_id, ["planned", "approved"], "applying", job_id=job_id)
            return await self._record(tx, run_id, head, actor, "run.apply", {})

    async def pause(self, tenant_id: str | None, run_id: str, *, actor: str) -> Run:
        """Let an application rest after the chunk in hand."""
        return await self._ask(tenant_id, run_id, _PAUSE, actor, "run.pause")

    async def resume(self, tenant_id: str | None, run_id: str, *, actor: str) -> Run:
        """Let a resting application go on."""
        async with self._database.system_tx() as tx:
            head = await self._lock(tx, tenant_id, run_id)
            if not await (await tx.execute(_RESUME, {"id": run_id})).fetchall():
                raise Conflict("run_state", state=head["state"], expected="paused")
            await self._set_job(tx, run_id, await self._enqueue(tx, head["tenant_id"], APPLY_JOB, run_id))
            return await self._record(tx, run_id, head, actor, "run.resume", {})

    async def cancel(self, tenant_id: str | None, run_id: str, *, actor: str, reason: str = "") -> Run:
        """End a run: at once while it waits, after what is in hand while it works. What is applied stays, and can be
        taken back.
        """
        why = Reason("cancelled", {"actor": actor, "text": reason or "-"})
        async with self._database.system_tx() as tx:
            head = await self._lock(tx, tenant_id, run_id)
            if head["state"] in ("planned", "approved") or (head["state"] in WORKING and head["is_job_over"]):
                await self._move(tx, run_id, [head["state"]], "cancelled", reason=why)
            else:
                values = {"id": run_id, "actor": actor, "reason": json.dumps(why.to_json())}
                if not await (await tx.execute(_STOP, values)).fetchall():
                    raise Conflict("run_state", state=head["state"], expected="planning, planned, approved, applying")
            return await self._record(tx, run_id, head, actor, "run.cancel", {"reason": reason})

    async def retry(self, tenant_id: str | None, run_id: str, *, actor: str, conflicts: bool = False) -> Run:
        """Try again what failed, and what never came to be done; with `conflicts` also what was in conflict."""
        async with self._database.system_tx() as tx:
            head = await self._lock(tx, tenant_id, run_id)
            if not head["is_started"]:
                # What was never applied needs an approval first, not another try.
                raise Conflict("run_state", state=head["state"], expected="partial, failed, cancelled")
            values = {"id": run_id, "states": ["failed", "skipped", *(["conflict"] if conflicts else [])]}
            row = await (await tx.execute(_RETRY, values)).fetchone()
            if row is None or not row[0]:
                raise Conflict("nothing_to_retry", id=run_id)
            job_id = await self._enqueue(tx, head["tenant_id"], APPLY_JOB, run_id)
            again = ["partial", "failed", "cancelled", *(["applying"] if head["is_job_over"] else [])]
            await self._move(tx, run_id, again, "applying", job_id=job_id, keep_reason=False)
            return await self._record(tx, run_id, head, actor, "run.retry", {"count": int(row[0])})

    async def _begin(
        self,
        tenant_id: str,
        operation: str,
        params: Mapping[str, Any],
        author: str,
        note: str,
        then: Then,
        tx: Connection | None,
        asked_by_job: str | None = None,
    ) -> Run:
        if not is_tenant_id(tenant_id):
            raise Invalid(field="tenant_id", reason="wrong_format", expected="acme-1")
        async with self._inside(tx) as own:
            if not await self._knows(own, operation):
                raise NotFound("operation", operation)
            return await self._insert(own, tenant_id, operation, params, author, note, then, asked_by_job=asked_by_job)

    @asynccontextmanager
    async def _inside(self, tx: Connection | None) -> AsyncIterator[Connection]:
        """The caller's transaction, or one of our own."""
        if tx is not None:
            yield tx
            return
        async with self._database.system_tx() as own:
            yield own

    async def _knows(self, tx: Connection, operation: str) -> bool:
        if operation == SQL_OPERATION or operation in self._operations.names():
            return True
        return await (await tx.execute(_KNOWN, {"operation": operation})).fetchone() is not None

    async def _insert(
        self,
        tx: Connection,
        tenant_id: str,
        operation: str,
        params: Mapping[str, Any],
        author: str,
        note: str,
        then: Then,
        *,
        rollback_of: str | None = None,
        mode: Mode | None = None,
        asked_by_job: str | None = None,
    ) -> Run:
        if len(note) > NOTE_CHARS_MAX:
            raise Invalid(field="note", reason="too_large", size_bytes=len(note), max_bytes=NOTE_CHARS_MAX)
        values = {
            "tenant_id": tenant_id,
            "operation": operation,
            "rollback_of": rollback_of,
            "mode": mode,
            "params": json.dumps(params, ensure_ascii=False),
            "author": author,
            "note": note,
            "then_do": then,
            "asked_by_job": asked_by_job,
        }
        row = await (await tx.execute(_INSERT, values)).fetchone()
        assert row is not None
        run_id = str(row[0])
        # The job that asked waits for what it asked for, as a parent does for its children.
        await self._set_job(tx, run_id, await self._enqueue(tx, tenant_id, PLAN_JOB, run_id, parent_id=asked_by_job))
        head = {"tenant_id": tenant_id}
        return await self._record(
            tx, run_id, head, author, "run.plan", {"operation": operation, "rollback_of": rollback_of}
        )

    async def _lock(
        self, tx: Connection, tenant_id: str | None, run_id: str, plan_hash: str | None = None
    ) -> dict[str, Any]:
        if not is_id(run_id):
            raise NotFound("run", run_id)
        cursor = await tx.execute(_LOCK, {"id": run_id})
        row = await cursor.fetchone()
        assert cursor.description is not None
        if row is None or (tenant_id is not None and row[-1] != tenant_id):
            raise NotFound("run", run_id)
        head = {column.name: value for column, value in zip(cursor.description, row, strict=True)}
        if plan_hash is not None and plan_hash != head["plan_hash"]:
            raise Conflict("other_plan", id=run_id, given=plan_hash, present=head["plan_hash"] or "-")
        return head

    async def _require_current(self, tx: Connection, run_id: str, head: Mapping[str, Any]) -> None:
        """Refuse a plan that is past its time, or not waiting for anybody."""
        if head["state"] not in ("planned", "approved", "refused"):
            raise Conflict("run_state", state=head["state"], expected="planned, approved")
        if head["is_expired"]:
            raise Conflict("run_expired", id=run_id)

    async def _require_approval(self, tx: Connection, run_id: str, head: Mapping[str, Any], actor: str) -> None:
        if head["state"] == "refused":
            raise Refused("guards_refused", id=run_id)
        rows = await (await tx.execute(_APPROVALS, {"id": run_id, "plan_hash": head["plan_hash"]})).fetchall()
        approval = await self._approval_of(tx, head["operation"])
        if approval == "none" or head["rollback_of"] is not None:
            return
        by = {name for decision, name in rows if decision in ("approve", "override")}
        if not (by - {head["author"]} if approval == "other" else by):
            raise ApprovalNeeded(id=run_id)

    async def _approval_of(self, tx: Connection, operation: str) -> str:
        row = await (await tx.execute(_KNOWN, {"operation": operation})).fetchone()
        return str(row[0]) if row is not None else "none"

    async def _ask(self, tenant_id: str | None, run_id: str, statement: Any, actor: str, verb: str) -> Run:
        async with self._database.system_tx() as tx:
            head = await self._lock(tx, tenant_id, run_id)
            if not await (await tx.execute(statement, {"id": run_id, "actor": actor})).fetchall():
                raise Conflict("run_state", state=head["state"], expected="applying")
            return await self._record(tx, run_id, head, actor, verb, {})

    async def _say(
        self, tx: Connection, run_id: str, head: Mapping[str, Any], decision: str, actor: str, reason: str
    ) -> None:
        if head["plan_hash"] is None:
            raise Conflict("run_state", state=head["state"], expected="planned")
        values = {
            "id": run_id,
            "tenant_id": head["tenant_id"],
            "plan_hash": head["plan_hash"],
            "decision": decision,
            "actor": actor,
            "reason": reason[:NOTE_CHARS_MAX],
        }
        await tx.execute(_APPROVAL, values)

    async def _move(
        self,
        tx: Connection,
        run_id: str,
        come_from: Sequence[str],
        to: str,
        *,
        reason: Reason | None = None,
        job_id: str | None = None,
        keep_reason: bool = True,
    ) -> None:
        await move(tx, run_id, come_from, to, reason=reason, job_id=job_id, keep_reason=keep_reason)

    async def _enqueue(
        self, tx: Connection, tenant_id: str, handler: str, run_id: str, *, parent_id: str | None = None
    ) -> str:
        job = NewJob(handler=handler, params={"run_id": run_id}, queue=QUEUE, parent_id=parent_id)
        return (await enqueue_on(tx, tenant_id, [job]))[0].id

    async def _set_job(self, tx: Connection, run_id: str, job_id: str) -> None:
        await tx.execute(_JOB, {"id": run_id, "job_id": job_id})

    async def _record(
        self, tx: Connection, run_id: str, head: Mapping[str, Any], actor: str, verb: str, detail: Mapping[str, Any]
    ) -> Run:
        await record(tx, str(head["tenant_id"]), run_id, actor, verb, detail)
        return await read_run(tx, run_id)


def _then(then_apply: bool) -> Then:
    return "apply" if then_apply else "plan"


def _require_undoable(source: Run) -> None:
    if source.state in ("planning", "applying"):
        raise Conflict("run_state", state=source.state, expected="applied, partial, failed, cancelled")
    if source.applied == 0:
        raise Conflict("nothing_to_undo" if source.started_at or source.state == "empty" else "dry_run", id=source.id)
    if source.rolled_back == "wholly":
        raise Conflict("already_undone", id=source.id)


def _require_override(head: Mapping[str, Any], override: bool, reason: str) -> None:
    if not override or not reason.strip():
        raise Refused("override_needed", id=head["plan_hash"] or "-")
    if head["plan_hash"] is None:
        raise Refused("not_overridable")
