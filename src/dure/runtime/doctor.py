"""What is wrong, and how to mend it: `dure doctor`.

Each check answers one finding and is on its own: what one of them cannot find out is a finding too, and the
others go on. Nothing is changed. Checks that walk a line of jobs do so from lane to lane, so that a doctor
may be called to a queue with a million jobs in it.
"""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg
from psycopg import sql

from dure.db.migrate import check as check_migrations
from dure.db.notify import Listener
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import DureError
from dure.lang import knows, say
from dure.queue.keys import Keys
from dure.runtime.web import is_loopback
from dure.settings import Settings

Level = Literal["ok", "warn", "fail"]
PYTHON_MIN = (3, 11)
SERVER_MIN = 140_000
SKEW_MAX_S = 2.0
WAIT_WARN_S = 300.0
DEAD_WARN = 50_000
DISK_WARN_BYTES = 1 << 30
DISK_FAIL_BYTES = 100 << 20
ECHO_TIMEOUT_S = 3.0
LATE_WARN_S = 60.0
"""A schedule that should have fired so long ago: no worker looks."""

Rows = Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; the sentences are `doctor.<key>` and `doctor.<key>_mend` of the catalogue.

    Example: `Finding("workers", "warn", "workers_none").text("ko")`.
    """

    check: str
    level: Level
    key: str
    params: dict[str, object] = field(default_factory=dict)

    def text(self, lang: str | None = None) -> str:
        """Answer what was found, one sentence."""
        return say(f"doctor.{self.key}", lang, **self.params)

    def mend(self, lang: str | None = None) -> str | None:
        """Answer how to mend it, if that is not plain from the finding."""
        key = f"doctor.{self.key}_mend"
        return say(key, lang, **self.params) if knows(key) else None


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined."""

    settings: Settings
    database: Database
    embedded: bool


Check = Callable[[Patient], Awaitable[Finding]]


async def examine(patient: Patient) -> list[Finding]:
    """Run every check, in the order in which one would mend things.

    Example: `findings = await examine(Patient(settings, database, embedded=True))`.
    """
    findings = []
    for name, check in CHECKS:
        try:
            finding = await check(patient)
        except (DureError, psycopg.Error, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            finding = Finding(name, "fail", "not_checked", {"check": name, "reason": reason})
        findings.append(finding)
    return findings


def unreachable(error: DureError) -> list[Finding]:
    """Answer the findings when there is no database to examine."""
    return [_python_finding(), Finding("database", "fail", "database_unreachable", {"reason": error.text()})]


async def _python(_patient: Patient) -> Finding:
    return _python_finding()


def _python_finding() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] >= PYTHON_MIN
    return Finding("python", "ok" if good else "fail", "python" if good else "python_old", {"version": version})


async def _server(patient: Patient) -> Finding:
    number, version, *_rest = (await _rows(patient, "doctor_server"))[0]
    where = ", ".join(f"{name}={value}" for name, value in patient.database.describe().items())
    params: dict[str, object] = {"version": version, "where": where}
    if number < SERVER_MIN:
        return Finding("database", "fail", "database_old", params)
    return Finding("database", "ok", "database_embedded" if patient.embedded else "database_given", params)


async def _clock(patient: Patient) -> Finding:
    before = datetime.now(UTC)
    *_rest, theirs, _off = (await _rows(patient, "doctor_server"))[0]
    after = datetime.now(UTC)
    skew_s = abs((theirs - (before + (after - before) / 2)).total_seconds())
    good = skew_s <= SKEW_MAX_S
    return Finding("clock", "ok" if good else "warn", "clock" if good else "clock_skewed", {"skew_s": f"{skew_s:.1f}"})


async def _durability(patient: Patient) -> Finding:
    off = (await _rows(patient, "doctor_server"))[0][3]
    if off:
        return Finding("durability", "warn", "durability_off", {"names": ", ".join(off)})
    return Finding("durability", "ok", "durability")


async def _migrations(patient: Patient) -> Finding:
    problems = await check_migrations(patient.database)
    if problems:
        return Finding("migrations", "fail", "migrations_wrong", {"problems": " ".join(problems)})
    return Finding("migrations", "ok", "migrations")


async def _roles(patient: Patient) -> Finding:
    missing = [name for name, usable in await _rows(patient, "doctor_roles") if not usable]
    if missing:
        return Finding("roles", "fail", "roles_missing", {"names": ", ".join(missing)})
    return Finding("roles", "ok", "roles")


async def _row_security(patient: Patient) -> Finding:
    open_tables = [name for (name,) in await _rows(patient, "doctor_rls")]
    if open_tables:
        return Finding("row_security", "fail", "row_security_off", {"names": ", ".join(open_tables)})
    return Finding("row_security", "ok", "row_security")


async def _trigram(patient: Patient) -> Finding:
    """A server whose C library takes Hangul for punctuation finds all Korean texts alike, or none."""
    rows = await _rows(patient, "doctor_trigram_schema")
    if not rows:
        return Finding("trigram", "ok", "trigram_absent")
    statement = sql.SQL("select {}.similarity('가나다', '라마바'), {}.similarity('가나다', '가나다')").format(
        *[sql.Identifier(rows[0][0])] * 2
    )
    async with patient.database.owner_tx() as tx:
        row = await (await tx.execute(statement)).fetchone()
    if row is not None and row[0] == 0 and row[1] == 1:
        return Finding("trigram", "ok", "trigram")
    return Finding("trigram", "fail", "trigram_blind")


async def _executions(patient: Patient) -> Finding:
    kind = (await _rows(patient, "doctor_executions"))[0][0]
    if kind == "v":
        return Finding("job_executions", "ok", "job_executions")
    return Finding("job_executions", "warn", "job_executions_foreign" if kind else "job_executions_missing")


async def _cron(patient: Patient) -> Finding:
    """The switch of older programs, and how it lives with pg_cron."""
    whose = (await _rows(patient, "doctor_cron"))[0][0]
    return Finding("cron", "warn" if whose == "foreign" else "ok", f"cron_{whose}")


async def _workers(patient: Patient) -> Finding:
    alive, listening = (await _rows(patient, "doctor_workers", system=True))[0]
    if not alive:
        return Finding("workers", "warn", "workers_none")
    return Finding("workers", "ok", "workers", {"alive": alive, "listening": listening})


async def _listener(patient: Patient) -> Finding:
    """A notification must come back; behind a transaction pooler it does not."""
    if patient.settings.pooler or not patient.settings.notify:
        return Finding("listener", "ok", "listener_off")
    heard = asyncio.Event()
    channel = "dure_doctor"
    listener = Listener(patient.database, lambda _channel, _payload: heard.set(), channels=[channel])
    await listener.start()
    try:
        async with patient.database.owner_tx() as tx:
            await tx.execute("select pg_notify(%s, '')", [channel])
        async with asyncio.timeout(ECHO_TIMEOUT_S):
            await heard.wait()
    except TimeoutError:
        return Finding("listener", "warn", "listener_deaf")
    finally:
        await listener.stop()
    return Finding("listener", "ok", "listener")


async def _unserved(patient: Patient) -> Finding:
    queues = [name for (name,) in await _rows(patient, "doctor_unserved", system=True)]
    if queues:
        return Finding("queues", "warn", "queues_unserved", {"names": ", ".join(queues)})
    return Finding("queues", "ok", "queues")


async def _paused(patient: Patient) -> Finding:
    rows = await _rows(patient, "doctor_paused", system=True)
    if rows:
        names = ", ".join(f"{say(f'nouns.{what}')} {name}" for what, name in rows)
        return Finding("paused", "warn", "paused", {"names": names})
    return Finding("paused", "ok", "paused_none")


async def _trouble(patient: Patient) -> Finding:
    failed, quarantined = (await _rows(patient, "doctor_trouble", system=True))[0]
    params = {"failed": failed, "quarantined": quarantined}
    if quarantined:
        return Finding("trouble", "warn", "trouble_quarantined", params)
    return Finding("trouble", "ok", "trouble", params)


async def _waiting(patient: Patient) -> Finding:
    wait_s = (await _rows(patient, "doctor_waiting", system=True))[0][0]
    good = wait_s <= WAIT_WARN_S
    return Finding(
        "waiting",
        "ok" if good else "warn",
        "waiting" if good else "waiting_long",
        {"wait_s": f"{wait_s:.0f}"},
    )


async def _schedules(patient: Patient) -> Finding:
    disabled, names, _, _ = (await _rows(patient, "doctor_schedules", system=True, late_s=LATE_WARN_S))[0]
    if disabled:
        return Finding("schedules", "warn", "schedules_disabled", {"count": disabled, "names": ", ".join(names)})
    return Finding("schedules", "ok", "schedules")


async def _fires(patient: Patient) -> Finding:
    _, _, late, late_s = (await _rows(patient, "doctor_schedules", system=True, late_s=LATE_WARN_S))[0]
    if late:
        return Finding("fires", "warn", "fires_late", {"count": late, "late_s": f"{late_s:.0f}"})
    return Finding("fires", "ok", "fires")


async def _old_transactions(patient: Patient) -> Finding:
    rows = await _rows(patient, "doctor_old_transactions")
    if rows:
        names = ", ".join(f"{pid} ({name or '?'}, {age_s / 60:.0f} min)" for pid, name, age_s in rows)
        return Finding("transactions", "warn", "transactions_old", {"names": names, "pid": rows[0][0]})
    return Finding("transactions", "ok", "transactions")


async def _dead_tuples(patient: Patient) -> Finding:
    rows = await _rows(patient, "doctor_dead_tuples")
    live, dead = rows[0] if rows else (0, 0)
    good = dead <= max(DEAD_WARN, live)
    return Finding("dead_rows", "ok" if good else "warn", "dead_rows" if good else "dead_rows_many", {"dead": dead})


async def _disk(patient: Patient) -> Finding:
    home = patient.settings.home.resolve()
    free = shutil.disk_usage(next(path for path in (home, *home.parents) if path.exists())).free
    params: dict[str, object] = {"free_mb": free >> 20, "home": str(home)}
    if not patient.embedded or free >= DISK_WARN_BYTES:
        return Finding("disk", "ok", "disk", params)
    return Finding("disk", "fail" if free < DISK_FAIL_BYTES else "warn", "disk_low", params)


async def _keys(patient: Patient) -> Finding:
    host = patient.settings.host
    if await Keys(patient.database).any_exist():
        return Finding("keys", "ok", "keys")
    if is_loopback(host):
        return Finding("keys", "ok", "keys_none_loopback")
    return Finding("keys", "fail", "keys_none", {"host": host})


CHECKS: tuple[tuple[str, Check], ...] = (
    ("python", _python),
    ("database", _server),
    ("migrations", _migrations),
    ("roles", _roles),
    ("row_security", _row_security),
    ("durability", _durability),
    ("clock", _clock),
    ("disk", _disk),
    ("trigram", _trigram),
    ("job_executions", _executions),
    ("cron", _cron),
    ("keys", _keys),
    ("listener", _listener),
    ("workers", _workers),
    ("queues", _unserved),
    ("paused", _paused),
    ("waiting", _waiting),
    ("trouble", _trouble),
    ("schedules", _schedules),
    ("fires", _fires),
    ("transactions", _old_transactions),
    ("dead_rows", _dead_tuples),
)


async def _rows(patient: Patient, name: str, *, system: bool = False, **values: Any) -> Rows:
    begin = patient.database.system_tx if system else patient.database.owner_tx
    async with begin() as tx:
        return await (await tx.execute(load("dure.runtime", name), values or None)).fetchall()
