"""Waiting for a run: who works on it, how far it is, and how it ended.

Where no live worker serves the queue of runs, the command works on it itself for as long as it waits, so that a plan
can be made and applied with nothing else running. It looks again now and then: a worker may have died since.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from dure.cli import output
from dure.errors import TimedOut
from dure.lang import say
from dure.queue.registry import Registry
from dure.runs.model import Run
from dure.runs.reading import progress_of
from dure.runs.service import QUEUE
from dure.runs.watch import standing
from dure.runs.wording import state_word

if TYPE_CHECKING:
    from rich.progress import TaskID

    from dure.queue.worker import Worker
    from dure.runtime.parts import Runtime

POLL_MIN_S, POLL_MAX_S = 0.05, 0.5
LOOK_ROUND_S = 3.0
"""How often somebody looks whether anybody works."""
JOBS_AT_A_TIME = 2
"""Of the worker in this process: each has several connections in hand."""
WORKERS_MAX = 1_000
WORKING = frozenset({"planning", "applying"})
EXIT_BY_STATE = {"partial": 3, "refused": 4, "cancelled": 6, "rejected": 6, "expired": 6, "failed": 1}
EXIT_APPROVAL, EXIT_CONFLICT = 5, 6


class Hands:
    """Sees that somebody works on runs. Example: `async with Hands(runtime) as hands: await hands.offer()`."""

    def __init__(self, runtime: "Runtime", queues: Sequence[str] = (QUEUE,)) -> None:
        self._runtime = runtime
        self._queues = tuple(queues)
        self._worker: Worker | None = None
        self._looked_at = float("-inf")

    async def __aenter__(self) -> "Hands":
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._worker is not None:
            # Whoever interrupts the command does not wait for what is in hand: another worker will do it again.
            await self._worker.stop(None if error is None else 0)

    async def offer(self) -> None:
        """Begin to work in this process if nobody else does."""
        if self._worker is not None or monotonic() - self._looked_at < LOOK_ROUND_S:
            return
        self._looked_at = monotonic()
        if not await self._somebody_works():
            from dure.queue.worker import Worker

            settings = self._runtime.settings.model_copy(update={"queues": self._queues, "concurrency": JOBS_AT_A_TIME})
            self._worker = Worker(self._runtime.database, await self._registry(), settings)
            await self._worker.start()

    async def declare(self) -> None:
        """Tell the database of the handlers of runs, which it does not know before its first worker."""
        if not await self._somebody_works():
            from dure.queue.declaring import declare

            await declare(self._runtime.database, await self._registry())

    async def _registry(self) -> Registry:
        from dure.runtime.equipment import equip

        return await equip(self._runtime.database, self._runtime.settings)

    async def _somebody_works(self) -> bool:
        alive = await self._runtime.workers.list(alive=True, limit=WORKERS_MAX)
        served = [worker.queues for worker in alive.items]
        return all(any(not queues or queue in queues for queues in served) for queue in self._queues)


@asynccontextmanager
async def hands(runtime: "Runtime", wait: bool, queues: Sequence[str] = (QUEUE,)) -> AsyncIterator[Hands]:
    """See, before anything is asked for, that somebody will do it: now, if the command waits for it."""
    async with Hands(runtime, queues) as made:
        await (made.offer() if wait else made.declare())
        yield made


async def follow(
    runtime: "Runtime", tenant_id: str, run_id: str, helping: Hands, *, patience_s: float | None = None
) -> Run:
    """Wait for as long as a run is being planned or applied; answer how it stands then."""
    try:
        async with asyncio.timeout(patience_s):
            return await _follow(runtime, tenant_id, run_id, helping)
    except asyncio.CancelledError:
        output.note(say("cli.run_goes_on", id=run_id))
        raise
    except TimeoutError:
        raise TimedOut(what=say("nouns.run"), after_s=patience_s or 0) from None


async def _follow(runtime: "Runtime", tenant_id: str, run_id: str, helping: Hands) -> Run:
    pause_s = POLL_MIN_S
    with _teller() as teller:
        while True:
            run = await runtime.runs.get(tenant_id, run_id)
            teller.show(run)
            if run.state not in WORKING:
                return run
            await helping.offer()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.3, POLL_MAX_S)


def exit_code(run: Run, *, wants_apply: bool = False) -> int:
    """Answer the exit code that says how a run stands. Example: `exit_code(run) == 0`."""
    if (run.reason or {}).get("code") == "strict_conflict":
        return EXIT_CONFLICT
    if wants_apply and run.state == "planned":
        # It was to be applied as soon as it was planned: only a person's yes was missing.
        return EXIT_APPROVAL
    return EXIT_BY_STATE.get(run.state, 0)


def _teller() -> "Quiet":
    if sys.stderr.isatty():
        return Bar()
    return Quiet() if output.wants_json() else Lines()


class Quiet:
    """Tells nothing while a command waits."""

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def show(self, run: Run) -> None:
        """Take note of how a run stands."""


class Lines(Quiet):
    """Tells each new state in a line of stderr."""

    def __init__(self) -> None:
        self._told = ""

    def show(self, run: Run) -> None:
        """Tell the state if it is new."""
        if standing(run) != self._told:
            self._told = standing(run)
            if run.state in WORKING:
                output.note(f"{run.id}  {state_word(self._told)}")


class Bar(Quiet):
    """Shows a bar on the terminal's stderr, with how fast it goes and how long the rest takes."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        columns: list[Any] = [
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[pace]}", markup=False),
        ]
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task: TaskID = self._progress.add_task("", total=None, pace="")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def show(self, run: Run) -> None:
        """Move the bar."""
        progress = progress_of(run, datetime.now(UTC))
        pace = ""
        if run.state == "applying":
            pace = f"{progress.done}/{progress.total}"
            if progress.rate is not None and progress.eta_s is not None:
                pace += "  " + say("cli.run_pace", rate=f"{progress.rate:g}", eta=_duration(progress.eta_s))
        total = progress.total if run.state == "applying" else None
        word = state_word(standing(run))
        self._progress.update(self._task, description=word, total=total, completed=progress.done, pace=pace)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
