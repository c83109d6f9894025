"""Writes down what handlers report, in batches: log lines all, progress the latest of each job."""

import asyncio
import json
from collections import deque
from typing import Any, LiteralString

import psycopg

from dure import logs
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import DureError, Unavailable
from dure.queue.hotline import Hotline
from dure.queue.model import Claimed

WRITE_LOGS = load("dure.queue", "write_logs")
WRITE_PROGRESS = load("dure.queue", "write_progress")
EVERY_S = 0.2
LINES_MAX = 10_000
"""Lines that wait while the database is away; more are dropped, and their number is said."""


class Scribe:
    """Start and stop it like everything else; `log` and `progress` may be called from any thread."""

    def __init__(self, database: Database) -> None:
        # A connection of its own, made when first needed: handlers may have borrowed all of the pool's.
        self._line = Hotline(database, "scribe")
        self._lines: deque[dict[str, Any]] = deque()
        self._progress: dict[str, dict[str, Any]] = {}
        self._dropped = 0
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._log = logs.get("scribe")

    async def start(self) -> None:
        """Begin to write what comes."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dure.scribe")

    async def stop(self) -> None:
        """Write what is left and end; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            try:
                await self.flush()
            finally:
                await self._line.close()

    def log(self, job: Claimed, level: str, message: str) -> None:
        """Note a line of a job's log."""
        if len(self._lines) >= LINES_MAX:
            self._dropped += 1
            return
        line = {"job_id": job.id, "tenant_id": job.tenant_id, "attempt": job.attempt}
        self._lines.append({**line, "level": level, "message": message})

    def progress(self, job: Claimed, done: int, total: int | None, note: str) -> None:
        """Note how far a job is; only the latest is written."""
        report = {"job_id": job.id, "tenant_id": job.tenant_id, "done": done, "total": total, "note": note}
        self._progress[job.id] = report

    @property
    def has_notes(self) -> bool:
        """Whether anything waits to be written, or is being written now."""
        return bool(self._lines or self._progress or self._writing.locked())

    async def flush(self) -> None:
        """Write all notes now; those that cannot be written are kept for the next time."""
        async with self._writing:
            # Taken out one by one, never by changing the container: a thread may be adding to it at this moment.
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if lines and not await self._write(WRITE_LOGS, "lines", lines):
                self._lines.extendleft(reversed(lines))
            reports = [self._progress.pop(job_id) for job_id in list(self._progress)]
            if reports and not await self._write(WRITE_PROGRESS, "reports", reports):
                for report in reports:
                    self._progress.setdefault(report["job_id"], report)
        if self._dropped:
            self._log.warning("scribe.dropped", lines=self._dropped)
            self._dropped = 0

    async def _write(self, statement: LiteralString, name: str, notes: list[dict[str, Any]]) -> bool:
        """Answer whether the notes are dealt with: written, or such that they never will be."""
        try:
            await self._line.run(statement, {name: json.dumps(notes)})
        except (Unavailable, psycopg.OperationalError, OSError) as error:
            self._log.warning("scribe.late", reason=str(error), notes=len(notes))
            return False
        except (DureError, psycopg.Error) as error:
            if len(notes) > 1:
                for note in notes:
                    await self._write(statement, name, [note])
            else:
                self._log.warning("scribe.refused", reason=str(error), job_id=notes[0]["job_id"])
        return True

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            if self.has_notes:
                await self.flush()
