"""The agent itself: it registers, keeps its lease, fetches tasks, has them worked on and tells how they ended."""

import asyncio
import os
import platform
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Self, TypeVar
from uuid import uuid4

import structlog

from dure import logs
from dure.agent.hands import CURRENT, Ending, Handler, Hands, refused
from dure.agent.task import Task
from dure.agent.wire import RETRY_FIRST_S, RETRY_MAX_S, Away, Problem, Wire, path_of
from dure.clock import Backoff

UPGRADE_EXIT = 10
"""The exit code of an agent that ended because a newer version is wanted."""
POLL_S = 25.0
"""How long one claim waits for a task; proxies give up at 30 or 60 seconds."""
REPORT_EVERY_S = 1.0
GRACE_S = 30.0
GOODBYE_S = 5.0
"""How long a stopping agent tries to hand back what it holds."""
F = TypeVar("F", bound=Handler)


class Superseded(Exception):
    """Another program registered under this agent's id, with the same key: this one has ended.

    Example: `except Superseded: sys.exit("research-1 runs elsewhere")`.
    """


class Agent:
    """An agent that anyone may run anywhere. The module's own page says what goes over the wire.

    Example: `agent = Agent("http://127.0.0.1:8000", id="research-1", class_="research", version="1.9.0")`.
    """

    def __init__(
        self,
        url: str,
        *,
        id: str,
        class_: str,
        version: str,
        key: str | None = None,
        tenant: str | None = None,
        capabilities: Sequence[str] = (),
        capacity: int = 1,
        handler: Handler | None = None,
        on_upgrade: Callable[[str], Any] | None = None,
        grace_s: float = GRACE_S,
        **more: Any,
    ) -> None:
        """`more` is what else a registration knows: `kind`, `parent_id`, `location`, `labels`, `lease_s` and so on."""
        self.id = id
        self.version = version
        self.epoch: int | None = None
        """This session; none before the agent is registered."""
        self.hold: Mapping[str, Any] | None = None
        """Why the agent gets no work for now, if so."""
        self._capabilities = list(capabilities)
        self._capacity = capacity
        self._wanted = {"agent_id": id, "class": class_, "version": version, "capacity": capacity, **more}
        self._path = path_of(id)
        # A key says whose it is; without one somebody must.
        self._wire = Wire(url, key, tenant if key or tenant else "default")
        self._on_upgrade = on_upgrade
        self._upgrade_to: str | None = None
        self._grace_s = grace_s
        self._tasks: dict[int, Task] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(max_workers=capacity, thread_name_prefix="dure.agent")
        self._hands = Hands(self._threads)
        self._main: asyncio.Task[None] | None = None
        self._stopping, self._free, self._ready = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._turn = asyncio.Lock()
        self._log = logs.get("agent")
        if handler is not None:
            self._hands.add(handler, [])

    def task(self, *names: str) -> Callable[[F], F]:
        """Let a function work on tasks that ask for a capability, or are of a handler, of one of these names.

        The names are registered as capabilities; without one, it is for all other tasks.
        Example: `@agent.task("search")`.
        """

        def add(function: F) -> F:
            self._hands.add(function, names)
            self._capabilities += [name for name in names if name not in self._capabilities]
            return function

        return add

    def run(self) -> None:
        """Work until SIGTERM or Ctrl-C, then end gracefully; exits with `UPGRADE_EXIT` when an upgrade is wanted."""
        if not structlog.is_configured():
            logs.configure()
        try:
            asyncio.run(self._until_signal())
        except Problem as problem:
            if "upgrade_to" not in problem.details:
                raise
        if self._upgrade_to is not None:
            raise SystemExit(UPGRADE_EXIT)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks in hand."""
        return tuple(self._tasks.values())

    @property
    def upgrade_to(self) -> str | None:
        """The version that is wanted instead of this one, if any."""
        return self._upgrade_to

    async def start(self) -> None:
        """Register and begin to work; returns when registered."""
        if self._main is not None:
            return
        self._main = asyncio.create_task(self._live(), name="dure.agent")
        waiting = asyncio.create_task(self._ready.wait())
        await asyncio.wait({self._main, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._main.done():
            await self.wait()

    async def stop(self) -> None:
        """Take no more tasks, let those in hand end, deregister; may be called twice."""
        if self._main is not None:
            self._stopping.set()
            await self.wait()

    async def wait(self) -> None:
        """Return when the agent has ended; raises what ended it, if it did not end by itself."""
        if self._main is not None:
            await asyncio.shield(self._main)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    async def submit(self, params: Mapping[str, Any] | None = None, **wanted: Any) -> dict[str, Any]:
        """Ask for a task and answer it: `title`, `class_`, `capabilities`, `agent`, `tree`, `strategy`, `depends_on` …

        In a handler it stands below the handler's own task. Example: `await agent.submit({"q": 1}, class_="research")`.
        """
        current = CURRENT.get()
        body = {
            "from_agent": self.id,
            "params": dict(params or {}),
            **{name.rstrip("_"): wanted[name] for name in wanted},
        }
        if current is not None:
            body.setdefault("parent_id", current.id)
        # Asked again after a lost answer, it is still one task.
        answer: dict[str, Any] = await self._wire.insist(
            "POST", "/v1/tasks", body, headers={"Idempotency-Key": str(uuid4())}
        )
        return answer

    async def publish(self, channel: str, body: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Say something on a channel. Example: `await agent.publish("agents.research", {"found": 3})`."""
        current = CURRENT.get()
        message = {"body": dict(body), "from_agent": self.id, **({"task_id": current.id} if current else {}), **more}
        answer: dict[str, Any] = await self._wire.insist("POST", f"/v1/channels/{channel}/messages", message)
        return answer

    async def _until_signal(self) -> None:
        loop = asyncio.get_running_loop()
        starting = asyncio.ensure_future(self.start())
        for number in (signal.SIGTERM, signal.SIGINT):
            # Not every system has them.
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, lambda: self._stopping.set())
        await starting
        await self.wait()

    async def _live(self) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        loops: list[asyncio.Task[None]] = []
        try:
            registering = asyncio.create_task(self._register())
            await asyncio.wait({registering, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not registering.done():
                await _cancelled([registering])
                return
            await registering
            self._ready.set()
            loops = [asyncio.create_task(loop()) for loop in (self._keep, self._poll, self._report)]
            done, _ = await asyncio.wait({*loops, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # These never return: one that is done has raised what ends the agent.
            for loop in done & {*loops}:
                loop.result()
            await self._finish(loops[1])
        finally:
            await _cancelled([stopping, *loops])
            await self._leave()

    async def _register(self) -> None:
        wanted = {**self._wanted, "capabilities": self._capabilities}
        wanted.setdefault("location", f"{platform.node()}:{os.getpid()}")
        try:
            session = await self._wire.insist("POST", "/v1/agents", wanted)
        except Problem as problem:
            if version := problem.details.get("upgrade_to"):
                self._upgrade(version)
            raise
        self.epoch, self._renew_every_s = session["epoch"], session["renew_every_s"]
        self._heed(session)
        self._log.info("agent.registered", agent_id=self.id, epoch=self.epoch, lease_s=session["lease_s"])

    async def _keep(self) -> None:
        """Renew the lease, for as long as the agent lives."""
        backoff = Backoff(first_s=RETRY_FIRST_S, max_s=self._renew_every_s)
        delay_s = self._renew_every_s
        while True:
            await asyncio.sleep(delay_s)
            delay_s = self._renew_every_s
            epoch = self.epoch
            load = {"running": len(self._tasks), "capacity": self._capacity}
            try:
                self._heed(await self._wire.call("POST", f"{self._path}/renew", {"epoch": epoch, "load": load}))
                backoff.reset()
            except Away as away:
                delay_s = backoff.next_s()
                self._log.warning("agent.server_away", path="renew", reason=str(away), again_in_s=round(delay_s, 2))
            except Problem as problem:
                await self._again(problem, epoch)

    async def _poll(self) -> None:
        """Fetch tasks, never more than there is room for, one request at a time."""
        backoff = Backoff(first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S)
        while True:
            self._free.clear()
            if (free := self._capacity - len(self._tasks)) <= 0:
                await self._free.wait()
                continue
            epoch = self.epoch
            asked = {"epoch": epoch, "most": free, "wait_s": POLL_S, "holding": list(self._tasks)}
            try:
                answer = await self._wire.call("POST", f"{self._path}/claim", asked, wait_s=POLL_S)
                backoff.reset()
            except Away as away:
                await asyncio.sleep(away.after_s if away.after_s is not None else backoff.next_s())
                continue
            except Problem as problem:
                await self._again(problem, epoch)
                continue
            for assignment in answer["items"]:
                self._take(assignment)

    def _take(self, assignment: dict[str, Any]) -> None:
        task = Task(assignment, asyncio.get_running_loop())
        if task.claim_id not in self._tasks:
            self._tasks[task.claim_id] = task
            working = asyncio.create_task(self._work(task, self.epoch))
            self._working.add(working)
            working.add_done_callback(self._working.discard)

    async def _work(self, task: Task, epoch: int | None) -> None:
        try:
            ending = await self._hands.work(task)
            if ending is not None:
                await self._send_reports(task, epoch)
                await self._tell(task, epoch, ending)
        finally:
            del self._tasks[task.claim_id]
            self._free.set()

    async def _tell(self, task: Task, epoch: int | None, ending: Ending) -> None:
        """Send an outcome until it is answered; one that is refused counts no more."""
        named = {"epoch": epoch, "task_id": task.id, "claim_id": task.claim_id}
        try:
            await self._wire.insist("POST", f"{self._path}/{ending.verb}", {**named, **ending.body})
        except Problem as problem:
            self._log.warning("agent.outcome_refused", task_id=task.id, outcome=ending.verb, code=problem.code)
            if ending.verb == "complete" and problem.status in (400, 413, 422):
                await self._tell(task, epoch, refused(problem.code, str(problem)))

    async def _report(self) -> None:
        """Send what handlers say while they run."""
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            for task in self.tasks:
                await self._send_reports(task, self.epoch)

    async def _send_reports(self, task: Task, epoch: int | None) -> None:
        reports = task.reports()
        if reports:
            named = {"epoch": epoch, "task_id": task.id, "claim_id": task.claim_id}
            # A report that is lost is not worth a task's time.
            with suppress(Away, Problem):
                await self._wire.call("POST", f"{self._path}/progress", {**named, **reports})

    def _heed(self, news: Mapping[str, Any]) -> None:
        """Do what the server says along with a registration or a renewal."""
        self.hold = news.get("hold")
        for wanted in news.get("cancel") or ():
            for task in self.tasks:
                if task.id == wanted["task_id"]:
                    task.cancel(wanted["reason"])
        version = news.get("upgrade_to")
        if version is not None and version != self._upgrade_to:
            self._upgrade(version)

    def _upgrade(self, version: str) -> None:
        self._upgrade_to = version
        self._log.info("agent.upgrade_wanted", agent_id=self.id, version=self.version, upgrade_to=version)
        if self._on_upgrade is None:
            self._stopping.set()
        elif isinstance(told := self._on_upgrade(version), Coroutine):
            working = asyncio.ensure_future(told)
            self._working.add(working)
            working.add_done_callback(self._working.discard)

    async def _again(self, problem: Problem, epoch: int | None) -> None:
        """After a refusal: a lost lease means to let go of all tasks and register anew, all else is the end."""
        if problem.code != "lease_lost":
            raise problem
        async with self._turn:
            if epoch != self.epoch:
                # Another loop has done it while this one waited.
                return
            self._log.warning("agent.lease_lost", agent_id=self.id, epoch=epoch, tasks=len(self._tasks))
            for task in self.tasks:
                task.cancel("the lease was lost", "lost")
            known = await self._wire.insist("GET", self._path)
            if known["epoch"] not in (None, epoch):
                raise Superseded(f"{self.id} is registered by another program")
            await self._register()

    async def _finish(self, polling: asyncio.Task[None]) -> None:
        """Let the tasks in hand end; the lease is kept meanwhile."""
        await _cancelled([polling])
        working = {*self._working}
        if working:
            self._log.info("agent.finishing", agent_id=self.id, tasks=len(working), grace_s=self._grace_s)
            await asyncio.wait(working, timeout=self._grace_s)

    async def _leave(self) -> None:
        """Hand back what is left and deregister, if the server can be reached."""
        for task in self.tasks:
            task.cancel("the agent stops", "stopping")
        try:
            async with asyncio.timeout(GOODBYE_S):
                if self._working:
                    await asyncio.wait({*self._working})
                if self.epoch is not None:
                    await self._wire.call("POST", f"{self._path}/deregister", {"epoch": self.epoch})
        except (Away, Problem, TimeoutError) as error:
            # The lease ends by itself, and the tasks go back into line then.
            self._log.warning("agent.left_silently", agent_id=self.id, reason=str(error))
        finally:
            await _cancelled([*self._working])
            self._threads.shutdown(wait=False)
            await self._wire.close()


async def _cancelled(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
