"""What is asked for: submitted, approved or rejected by a person, tried again, taken back."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, Invalid, Refused
from dure.intents.catalogue import Catalogue
from dure.intents.declaring import QUEUE
from dure.intents.model import Declaration
from dure.intents.policies import Policies, decide_on, use
from dure.intents.rows import Request, Source, read_request, read_requests
from dure.queue.client import Client, enqueue_on
from dure.queue.cursors import id_from_cursor, to_cursor
from dure.queue.jobs import Jobs
from dure.queue.model import NewJob
from dure.queue.threads import in_thread
from dure.queue.views import Page, Principal
from dure.settings import Settings

PAGE_MAX = 1_000
UNIQUE_CHARS_MAX = 500
OPEN = ("waiting", "pending", "processing")
SHAPES = {
    "date": "2030-01-31", "time": "09:00", "datetime": "2030-01-31T09:00:00+09:00",
    "uuid": "0198a0c2-7d3e-7a51-9c4f-2b1d8e6f0a11", "int": "7", "bool": "true",
}  # fmt: skip
"""What a value of a kind looks like, for whoever sent another."""

_INSERT = load("dure.intents", "request_insert")
_ALONE = load("dure.intents", "request_alone")
_FREE = load("dure.intents", "request_free")
_AGAIN = load("dure.intents", "request_again")
_ENSURE = load("dure.intents", "handler_ensure")
_LOCK = load("dure.intents", "request_lock")
_DECIDE = load("dure.intents", "request_decide")
_TARGETS = load("dure.intents", "targets_page")
_RECORD = load("dure.queue", "record")


class Intents:
    """The intents of a database. Example: `await intents.submit("acme", "student.exec.register", {…}, principal)`."""

    def __init__(self, database: Database, settings: Settings, catalogue: Catalogue) -> None:
        self._database = database
        self._jobs = Jobs(database, Client(database, settings))
        self.catalogue = catalogue
        self.policies = Policies(database)

    async def params_of(self, key: str, given: Mapping[str, Any]) -> BaseModel:
        """Answer the parameters of an intent as its model has them; `Invalid` names the field that does not fit."""
        self.catalogue.declaration(key)
        found = await in_thread(self.catalogue.find, key, name="import")
        try:
            return found.params.model_validate(dict(given))
        except ValidationError as error:
            raise _unfit(error) from None

    async def submit(
        self,
        tenant_id: str,
        key: str,
        params: Mapping[str, Any],
        principal: Principal,
        *,
        unique_key: str | None = None,
        source: Source = "api",
    ) -> Request:
        """Ask for an intent. The same request again, by its `unique_key`, or by its content while that is open,
        answers with the one that there is.
        """
        declared = self.catalogue.declaration(key)
        given = (await self.params_of(key, params)).model_dump(mode="json")
        if unique_key is not None and not 1 <= len(unique_key) <= UNIQUE_CHARS_MAX:
            raise Invalid(field="unique_key", reason="out_of_range", min=1, max=UNIQUE_CHARS_MAX)
        async with self._database.system_tx() as tx:
            return await self.submit_on(tx, tenant_id, declared, given, principal, unique_key=unique_key, source=source)

    async def submit_on(
        self,
        tx: Connection,
        tenant_id: str,
        declared: Declaration,
        given: Mapping[str, Any],
        principal: Principal,
        *,
        unique_key: str | None = None,
        source: Source = "api",
        retry_of: str | None = None,
    ) -> Request:
        """Ask for an intent in a transaction of the system, its parameters being checked already."""
        verdict = await decide_on(tx, tenant_id, declared, principal)
        verdict.require(declared.key)
        once = unique_key or _content_of(declared.key, given, principal, retry_of)
        # Two clicks at a time wait for each other here, and the second finds what the first has asked for.
        await tx.execute(_ALONE, {"once": f"{tenant_id} {once}"})
        there = await self._there(tx, tenant_id, declared.key, once, by_content=unique_key is None)
        if there is not None:
            if unique_key is not None and dict(there.params) != dict(given):
                raise Conflict("same_key_other_params", field="unique_key", id=there.id)
            return replace(there, is_new=False)
        await use(tx, tenant_id, declared.key, verdict.cap_per_day)
        values = {
            "tenant": tenant_id, "key": declared.key, "params": json.dumps(given), "scope": principal.scope,
            "actor": principal.actor, "source": source, "decision": "waiting" if verdict.approval else "none",
            "unique_key": once, "job_id": None, "retry_of": retry_of,
        }  # fmt: skip
        if not verdict.approval:
            values["job_id"] = await self._enqueue(tx, tenant_id, declared, given)
        row = await (await tx.execute(_INSERT, values)).fetchone()
        assert row is not None
        await _record(tx, tenant_id, principal.actor, "intent.submit", row[0], key=declared.key)
        return await read_request(tx, tenant_id, row[0])

    async def get(self, tenant_id: str | None, request_id: str) -> Request:
        """Answer a request by its id, or by its job's."""
        async with self._database.system_tx() as tx:
            return await read_request(tx, tenant_id, request_id)

    async def list(
        self,
        tenant_id: str | None,
        *,
        key: str | None = None,
        state: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Request]:
        """Answer requests, newest first."""
        limit = max(1, min(limit, PAGE_MAX))
        async with self._database.system_tx() as tx:
            found = await read_requests(
                tx, tenant_id, key=key, state=state, before=id_from_cursor(cursor), limit=limit + 1
            )
        return Page(tuple(found[:limit]), to_cursor(found[limit - 1].id) if len(found) > limit else None)

    async def targets(
        self,
        tenant_id: str | None,
        request_id: str,
        *,
        outcome: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[dict[str, Any]]:
        """Answer the targets of a request, one by one, each with what became of it."""
        limit = max(1, min(limit, PAGE_MAX))
        after = "00000000-0000-0000-0000-000000000000" if cursor is None else id_from_cursor(cursor)
        async with self._database.system_tx() as tx:
            request = await read_request(tx, tenant_id, request_id)
            values = {"job": request.job_id, "after": after, "outcome": outcome, "limit": limit + 1}
            rows = await (await tx.execute(_TARGETS, values)).fetchall()
        items = tuple(
            {"job_id": job_id, "target": target, "state": state, "result": result, "error_class": name, "error": error}
            for job_id, target, state, result, name, error in rows[:limit]
        )
        return Page(items, to_cursor(rows[limit - 1][0]) if len(rows) > limit else None)

    async def approve(self, tenant_id: str | None, request_id: str, principal: Principal, *, note: str = "") -> Request:
        """Say yes to a request that waits: its job begins. Twice is once."""
        return await self._decide(tenant_id, request_id, principal, "approved", note)

    async def reject(self, tenant_id: str | None, request_id: str, principal: Principal, *, note: str = "") -> Request:
        """Say no to a request that waits."""
        return await self._decide(tenant_id, request_id, principal, "rejected", note)

    async def cancel(
        self, tenant_id: str | None, request_id: str, principal: Principal, *, reason: str = ""
    ) -> Request:
        """Take a request back: one that waits is rejected, one that runs is asked to stop, with all its targets."""
        found = await self.get(tenant_id, request_id)
        if found.decision == "waiting":
            return await self.reject(tenant_id, found.id, principal, note=reason)
        if found.job_id is None:
            raise Conflict("request_state", state=found.state, expected=", ".join(OPEN))
        await self._jobs.cancel(
            found.tenant_id, found.job_id, reason=reason or "cancelled by request", actor=principal.actor
        )
        return await self.get(tenant_id, found.id)

    async def retry(self, tenant_id: str | None, request_id: str, principal: Principal) -> Request:
        """Try again what failed: of a request with targets only those, as a request of its own."""
        found = await self.get(tenant_id, request_id)
        if found.job_id is None or found.state not in ("failed", "partial", "quarantined", "cancelled"):
            raise Conflict("request_state", state=found.state, expected="failed, partial, quarantined, cancelled")
        if not (await self.targets(tenant_id, found.id, outcome="failed", limit=1)).items:
            await self._jobs.retry(found.tenant_id, found.job_id, actor=principal.actor)
            return await self.get(tenant_id, found.id)
        declared = self.catalogue.declaration(found.key)
        async with self._database.system_tx() as tx:
            return await self.submit_on(
                tx, found.tenant_id, declared, found.params, principal, source="retry", retry_of=found.id
            )

    async def _decide(
        self, tenant_id: str | None, request_id: str, principal: Principal, decision: str, note: str
    ) -> Request:
        async with self._database.system_tx() as tx:
            found = await read_request(tx, tenant_id, request_id)
            await tx.execute(_LOCK, {"id": found.id, "tenant": tenant_id})
            found = await read_request(tx, tenant_id, found.id)
            if found.decision == decision:
                return replace(found, is_new=False)
            if found.decision != "waiting":
                raise Conflict("request_state", state=found.state, expected="waiting")
            if not principal.may("approver"):
                raise Refused("scope_missing", scope="approver")
            job_id = found.job_id
            if decision == "approved":
                declared = self.catalogue.declaration(found.key)
                if job_id is None:
                    job_id = await self._enqueue(tx, found.tenant_id, declared, found.params)
                else:
                    # It came by plain SQL: its job ended when it found that it must wait.
                    await tx.execute(_AGAIN, {"job": job_id})
            values = {"id": found.id, "decision": decision, "actor": principal.actor, "note": note, "job_id": job_id}
            await tx.execute(_DECIDE, values)
            await _record(tx, found.tenant_id, principal.actor, f"intent.{decision}", found.id, note=note)
            return await read_request(tx, tenant_id, found.id)

    async def _there(
        self, tx: Connection, tenant_id: str, key: str, unique_key: str, *, by_content: bool
    ) -> Request | None:
        found = await read_requests(tx, tenant_id, key=key, unique_key=unique_key, limit=1)
        if not found or not by_content:
            return found[0] if found else None
        if found[0].state in OPEN:
            return found[0]
        # It has ended: the same may be asked for anew.
        await tx.execute(_FREE, {"id": found[0].id})
        return None

    async def _enqueue(self, tx: Connection, tenant_id: str, declared: Declaration, given: Mapping[str, Any]) -> str:
        job = NewJob(
            handler=declared.key,
            params=dict(given),
            queue=QUEUE,
            max_retries=declared.max_retries,
            timeout_s=declared.timeout_s,
        )
        await tx.execute(_ENSURE, {"key": declared.key, "queue": QUEUE})
        (made,) = await enqueue_on(tx, tenant_id, [job])
        return made.id


def _content_of(key: str, given: Mapping[str, Any], principal: Principal, retry_of: str | None) -> str:
    text = json.dumps([key, given, principal.actor, retry_of], sort_keys=True, ensure_ascii=False)
    return f"content:{hashlib.sha256(text.encode()).hexdigest()}"


def _unfit(error: ValidationError) -> Invalid:
    first = error.errors(include_url=False)[0]
    field = ".".join(["params", *(str(part) for part in first["loc"])])
    context = first.get("ctx") or {}
    match str(first["type"]):
        case "missing":
            return Invalid(field=field, reason="missing")
        case "extra_forbidden":
            return Invalid(field=field, reason="unknown_field")
        case "literal_error" | "enum":
            return Invalid(field=field, reason="not_one_of", expected=context["expected"])
        case "greater_than_equal":
            return Invalid(field=field, reason="too_small", min=context["ge"])
        case "less_than_equal":
            return Invalid(field=field, reason="too_big", max=context["le"])
        case kind if kind.partition("_")[0] in SHAPES:
            return Invalid(field=field, reason="wrong_format", expected=SHAPES[kind.partition("_")[0]])
        case _:
            return Invalid(field=field, reason="wrong_value", message=first["msg"])


async def _record(tx: Connection, tenant_id: str, actor: str, verb: str, request_id: str, **detail: Any) -> None:
    values = {
        "actor": actor, "verb": verb, "subject": f"request {request_id}", "detail": json.dumps(detail),
        "tenant_id": tenant_id,
    }  # fmt: skip
    await tx.execute(_RECORD, values)
