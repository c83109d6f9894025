"""The batch of interventions as an older system had it, over Dure's schedules and runs.

Both show the same: what is made here is seen by `dure schedules` and `dure runs`, and the other way about.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dure.apps.interventions.checking import PACKAGE
from dure.apps.interventions.config import InterventionSettings, load
from dure.apps.interventions.documents import (
    PERIOD_OF,
    YESTERDAY,
    number_of,
    read_id,
    read_run,
    read_schedule,
    rule_of,
    timing_of,
    written,
)
from dure.apps.interventions.operation import NAME
from dure.apps.interventions.status import failures, jobs_of, tell
from dure.db.pool import Database
from dure.db.sql import load as statement
from dure.errors import Conflict, Invalid, NotFound
from dure.queue.cursors import is_id
from dure.runs.reading import RunFilter
from dure.runs.service import Runs
from dure.schedule.model import NewSchedule, Schedule
from dure.schedule.service import Schedules

DEFAULT_NAME = "일일 중재 권고사항 생성"
"""What the schedule is called that `init_schedule` makes: the older system's own name."""
DEFAULT: Mapping[str, Any] = {"name": DEFAULT_NAME, "frequency": "daily", "hour": 9, "minute": 0, "is_active": True}
RUNS_MAX = 100
PAGE = 1_000
PARAMS = "params."
_YESTERDAY = statement(PACKAGE, "yesterday")


class Interventions:
    """The schedules and runs of `interventions.generate`.

    Example: `await Interventions(database, runs, schedules).status("acme")`.
    """

    def __init__(
        self, database: Database, runs: Runs, schedules: Schedules, settings: InterventionSettings | None = None
    ) -> None:
        self._database = database
        self._runs = runs
        self._schedules = schedules
        self._settings = settings or load()

    @property
    def tenant(self) -> str:
        """Who is meant by a request that names no tenant."""
        return self._settings.tenant

    async def list(self, tenant_id: str) -> list[dict[str, Any]]:
        """Answer all schedules of the operation, the newest first."""
        return [written(one) for one in await self._all(tenant_id)]

    async def create(self, tenant_id: str, document: Any, *, actor: str) -> dict[str, Any]:
        """Make a schedule; `Invalid` names each field that is wrong, `Conflict` says that the name is taken."""
        return written(await self._create(tenant_id, read_schedule(document), actor))

    async def update(self, tenant_id: str, document: Any, *, actor: str, ref: str | None = None) -> dict[str, Any]:
        """Change what the document says of the schedule that it names; it holds at once."""
        changes = read_schedule(document, partly=True)
        found = await self._find(tenant_id, read_id(document, ref))
        return written(await self._edit(found, changes, actor))

    async def delete(self, tenant_id: str, document: Any, *, actor: str, ref: str | None = None) -> dict[str, Any]:
        """Remove a schedule; what it did stays in its history."""
        found = await self._find(tenant_id, read_id(document, ref))
        await self._schedules.delete(tenant_id, found.id, actor=actor)
        return {"id": number_of(found.id), "name": found.name, "deleted": True}

    async def run(self, tenant_id: str, document: Any, *, actor: str) -> dict[str, Any]:
        """Ask for recommendations now, whatever schedules there are; a worker writes them."""
        wanted = read_run({} if document is None else document)
        params: dict[str, Any] = {
            "date": wanted.get("date") or await self._yesterday(),
            "period": PERIOD_OF[wanted["frequency"]],
            "kind": wanted.get("kind"),
            "zone": self._settings.zone,
            "redo": wanted["redo"],
            "users": wanted.get("users"),
        }
        try:
            run = await self._runs.plan(tenant_id, NAME, params, author=actor, then_apply=True)
        except Invalid as error:
            raise _plainly(error) from None
        return {
            "run_id": run.id,
            "job_id": run.job_id,
            "status": "running",
            **{name: run.params[name] for name in ("date", "period", "kind", "zone", "redo")},
        }

    async def status(
        self,
        tenant_id: str,
        *,
        limit: int = 10,
        run_id: str | None = None,
        job_id: str | None = None,
        lang: str | None = None,
    ) -> dict[str, Any]:
        """Answer how the last runs went and how the schedules stand; or one run with whom it failed for; or one job."""
        if job_id is not None:
            return await self._job(tenant_id, job_id)
        if run_id is not None:
            return await self._one(tenant_id, run_id, lang)
        page = await self._runs.list(tenant_id, RunFilter(operation=NAME), limit=max(1, min(limit, RUNS_MAX)))
        runs = [run for run in page.items if run.rollback_of is None]
        told = await tell(self._database, tenant_id, runs, lang)
        schedules = await self._all(tenant_id)
        jobs = await jobs_of(self._database, tenant_id, [one.last_job_id for one in schedules if one.last_job_id])
        return {
            "running": any(one["status"] == "running" for one in told),
            "schedules": [{**written(one), "last_job": jobs.get(one.last_job_id or "")} for one in schedules],
            "runs": told,
        }

    async def sync(
        self, tenant_id: str, rows: Sequence[Mapping[str, Any]] | None = None, *, actor: str
    ) -> dict[str, Any]:
        """Make schedules be as some rows say, by their names, and change only what differs; what no row names is told
        and stays. Without rows only the stored next fires are looked at, and mended where they are wrong.
        """
        told: dict[str, list[str]] = {name: [] for name in ("created", "updated", "unchanged", "extra", "repaired")}
        known = {one.name: one for one in await self._all(tenant_id)}
        for wanted in [read_schedule(dict(row)) for row in rows or ()]:
            found = known.pop(wanted["name"], None)
            if found is None:
                await self._create(tenant_id, wanted, actor)
                told["created"].append(wanted["name"])
            elif _differs(found, wanted):
                await self._edit(found, wanted, actor)
                told["updated"].append(found.name)
            else:
                told["unchanged"].append(found.name)
        told["unchanged" if rows is None else "extra"] += sorted(known)
        moved = await self._schedules.check(tenant_id, repair=True, actor=actor)
        told["repaired"] = [one.schedule.name for one in moved]
        return {**told, "changed": bool(told["created"] or told["updated"] or told["repaired"])}

    async def init_schedule(self, tenant_id: str, *, actor: str, force: bool = False) -> tuple[Schedule, bool]:
        """Make the daily schedule unless it is there; with `force` make it anew, and its history stays. Answers it,
        and whether it was made.
        """
        found = next((one for one in await self._all(tenant_id) if one.name == DEFAULT_NAME), None)
        if found is not None:
            if not force:
                return found, False
            await self._schedules.delete(tenant_id, found.id, actor=actor)
        try:
            return await self._create(tenant_id, DEFAULT, actor), True
        except Conflict:
            # Somebody else was just as quick; there is one now, which is what was asked for.
            return await self._schedules.get(tenant_id, DEFAULT_NAME), False

    async def _create(self, tenant_id: str, wanted: Mapping[str, Any], actor: str) -> Schedule:
        new = NewSchedule(
            name=wanted["name"],
            rule=rule_of(wanted),
            zone=self._settings.zone,
            operation=NAME,
            mode="apply",
            params=self._params(wanted["frequency"]),
            paused=not wanted["is_active"],
        )
        return await self._schedules.create(tenant_id, new, actor=actor)

    async def _edit(self, found: Schedule, changes: Mapping[str, Any], actor: str) -> Schedule:
        timing = {name: value for name, value in changes.items() if name in ("frequency", "hour", "minute")}
        edits: dict[str, Any] = {"name": changes["name"]} if changes.get("name", found.name) != found.name else {}
        if timing and timing != {name: timing_of(found.rule)[name] for name in timing}:
            whole = {**timing_of(found.rule), **timing}
            if missing := [name for name, value in whole.items() if value is None]:
                # A rule that the older API cannot say is replaced as a whole or not at all.
                raise Invalid.together([Invalid(field=name, reason="missing") for name in missing])
            edits["rule"] = rule_of(whole)
            edits["params"] = {**found.params, "period": PERIOD_OF[whole["frequency"]]}
        if edits:
            found = await self._schedules.edit(found.tenant_id, found.id, edits, actor=actor)
        if "is_active" in changes and changes["is_active"] != (found.state == "active"):
            change = self._schedules.resume if changes["is_active"] else self._schedules.pause
            found = await change(found.tenant_id, found.id, actor=actor)
        return found

    async def _all(self, tenant_id: str) -> Sequence[Schedule]:
        found: list[Schedule] = []
        cursor: str | None = None
        while True:
            page = await self._schedules.list(tenant_id, limit=PAGE, cursor=cursor)
            found += [one for one in page.items if one.operation == NAME]
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def _find(self, tenant_id: str, ref: str) -> Schedule:
        for one in await self._all(tenant_id):
            if ref in (str(number_of(one.id)), one.id, one.name):
                return one
        raise NotFound("schedule", ref)

    async def _one(self, tenant_id: str, run_id: str, lang: str | None) -> dict[str, Any]:
        run = await self._runs.get(tenant_id, run_id)
        if run.operation != NAME:
            raise NotFound("run", run_id)
        (told,) = await tell(self._database, tenant_id, [run], lang)
        return {**told, "failures": await failures(self._database, tenant_id, run_id, lang)}

    async def _job(self, tenant_id: str, job_id: str) -> dict[str, Any]:
        found = await jobs_of(self._database, tenant_id, [job_id]) if is_id(job_id) else {}
        if not found:
            raise NotFound("job", job_id)
        return next(iter(found.values()))

    def _params(self, frequency: str) -> dict[str, Any]:
        return {"date": YESTERDAY, "period": PERIOD_OF[frequency], "zone": self._settings.zone}

    async def _yesterday(self) -> str:
        """Answer yesterday's date in the zone, by the database's clock: this machine's may be wrong."""
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_YESTERDAY, {"zone": self._settings.zone})).fetchone()
        assert row is not None
        return str(row[0])


def _differs(found: Schedule, wanted: Mapping[str, Any]) -> bool:
    present = {**timing_of(found.rule), "is_active": found.state == "active"}
    return any(wanted[name] != value for name, value in present.items())


def _plainly(error: Invalid) -> Invalid:
    """Name fields as the document has them, not as the operation's parameters."""
    told = [
        Invalid(one.message, field=one.field.removeprefix(PARAMS), reason=one.reason, **one.params)
        for one in (error, *error.others)
    ]
    return Invalid.together(told)
