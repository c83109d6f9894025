"""Undo before one's eyes: what three agents know is planned, guarded, applied, met by a conflict, and put back exactly.

Everything happens in a database of its own, with a real skill server on a port of its own; both are gone at the end.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from psycopg import sql

from dure import logs
from dure.apps.knowledge.batch import OPERATION
from dure.apps.knowledge.config import MEMORIES
from dure.apps.knowledge.demo import fingerprint, load_demo
from dure.apps.knowledge.skills.server import serve
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import DureError, TimedOut
from dure.lang import say
from dure.runs.model import Change, Run
from dure.runs.service import Runs
from dure.runs.wording import guard_sentence, sentence, state_word
from dure.runtime.demo import own_database
from dure.runtime.parts import Runtime
from dure.settings import Settings

TENANT = "default"
ACTOR, APPROVER, COLLEAGUE = "mina", "june", "another program"
WAIT_MAX_S = 50.0
POLL_S = 0.03
SHOWN_MAX = 200
OURS = ("DURE_KNOWLEDGE_", "DURE_JUDGE_", "BATCH_DEDUP_")
"""What of the environment must not change the story."""

_EDIT = load("dure.apps.knowledge", "story_edit")
_HISTORY = load("dure.apps.knowledge", "story_history")


class Story:
    """One telling. Example: `await Story(settings, say_line=print).run()`."""

    def __init__(self, settings: Settings, *, say_line: Callable[[str], None]) -> None:
        self._settings = settings
        self._line = say_line
        self._chapter = 0
        self._facts: dict[str, Any] = {}
        self._database: Database
        self._runs: Runs

    async def run(self) -> dict[str, Any]:
        """Tell it; answers its figures."""
        began_s = time.monotonic()
        logs.configure(log_level="error")
        async with AsyncExitStack() as stack:
            await self._start(stack)
            await self._guard()
            planned = await self._plan()
            before = await self._conflict(planned)
            applied = await self._apply(planned)
            await self._history()
            await self._rollback(applied, before)
        self._facts["took_s"] = round(time.monotonic() - began_s, 1)
        self._line("")
        self._say("end", took_s=self._facts["took_s"])
        for command in ("load", "plan", "show", "undo", "queue"):
            self._line(f"    {say(f'knowledge.demo.try_{command}')}")
        return self._facts

    async def _start(self, stack: AsyncExitStack) -> None:
        self._say("starting", home=self._settings.home)
        url = await stack.enter_async_context(own_database(self._settings))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dure-demo-")))
        server = serve(place / "skills", port=0)
        await server.start()
        stack.push_async_callback(server.stop)
        stack.enter_context(
            _environment({"MCP_SERVER_URL": server.url, "DURE_HOME": str(place), "DURE_TENANT": TENANT})
        )
        changes = {
            "database_url": url,
            "queues": (),
            "imports": (),
            "notice_targets": (),
            "pooler": False,
            "poll_s": 0.05,
        }
        settings = self._settings.model_copy(update=changes)
        runtime = await stack.enter_async_context(Runtime.open(settings, worker=True, migrate=True))
        self._database, self._runs = runtime.database, runtime.runs
        await load_demo(self._database, lambda line: self._line(f"   {line}"))
        self._say("server", url=server.url)

    async def _guard(self) -> None:
        self._title("guard")
        run = await self._planned({"agent_id": "ops-agent"})
        await self._tell_changes(run)
        for answer in run.guards:
            if answer["verdict"] == "refused":
                self._say("guard_said", text=guard_sentence(answer))
        self._facts["guarded"] = run.state
        try:
            await self._runs.apply(TENANT, run.id, actor=ACTOR, plan_hash=run.plan_hash)
        except DureError as error:
            self._say("guard_apply", code=error.code, text=error.text())
        why = say("knowledge.demo.override_reason")
        await self._runs.approve(TENANT, run.id, actor=APPROVER, plan_hash=run.plan_hash, override=True, reason=why)
        self._say("guard_override", actor=APPROVER, hash=(run.plan_hash or "")[:12], reason=why)
        await self._runs.reject(TENANT, run.id, actor=ACTOR, reason=say("knowledge.demo.override_not_now"))

    async def _plan(self) -> Run:
        self._title("plan")
        run = await self._planned({})
        await self._tell_changes(run)
        self._say("counts", **{name: run.counts.get(name, 0) for name in ("delete", "move", "update", "create", "ask")})
        for answer in run.guards:
            if answer["verdict"] == "warned":
                self._say("guard_said", text=guard_sentence(answer))
        self._facts["planned"] = dict(run.counts)
        return run

    async def _conflict(self, run: Run) -> str:
        self._title("conflict")
        asked = [change for change in await self._changes(run) if change.state == "asked"]
        if asked:
            likely = max(asked, key=lambda change: float((change.reason or {}).get("params", {}).get("score", 0)))
            await self._runs.answer(TENANT, run.id, actor=APPROVER, accepted=True, seqs=[likely.seq])
            self._say("answered", actor=APPROVER, text=sentence(likely.reason))
        leaving = next(
            c for c in await self._changes(run) if c.kind == "delete" and c.store == MEMORIES and c.scope == "ops-agent"
        )
        async with self._database.owner_tx() as tx:
            statement = sql.SQL(_EDIT).format(table=sql.Identifier(*MEMORIES.split(".")))
            await tx.execute(statement, {"id": leaving.key[0], "text": say("knowledge.demo.edited_text")})
        self._say("edited", actor=COLLEAGUE, id=leaving.key[0])
        before = await fingerprint(self._database)
        self._say("fingerprint", hash=before)
        return before

    async def _apply(self, run: Run) -> Run:
        self._title("apply")
        await self._runs.apply(TENANT, run.id, actor=ACTOR, plan_hash=run.plan_hash)
        done = await self._ended(run.id)
        self._say("ended", state=state_word(done.state), applied=done.applied, conflicts=done.conflicts)
        for change in await self._changes(done):
            if change.state in ("conflict", "failed", "skipped"):
                self._line(f"   ! {'/'.join(change.key)}  {change.state}: {sentence(change.outcome)}")
        self._facts.update(applied=done.applied, conflicts=done.conflicts)
        self._say("fingerprint", hash=await fingerprint(self._database))
        return done

    async def _history(self) -> None:
        self._title("history")
        for line in _HISTORY.splitlines():
            self._line(f"      {line}")
        async with self._database.owner_tx() as tx:
            rows = await (await tx.execute(_HISTORY)).fetchall()
        for row in rows:
            self._line("      " + "  ".join(str(value) for value in row))

    async def _rollback(self, run: Run, before: str) -> None:
        self._title("rollback")
        back = await self._runs.rollback(TENANT, run.id, author=ACTOR, then_apply=True)
        done = await self._ended(back.id)
        self._say("ended", state=state_word(done.state), applied=done.applied, conflicts=done.conflicts)
        after = await fingerprint(self._database)
        self._say("fingerprint_before", hash=before)
        self._say("fingerprint_after", hash=after)
        self._say("same" if after == before else "different")
        self._facts.update(rolled_back=done.applied, identical=after == before)

    async def _planned(self, params: Mapping[str, Any]) -> Run:
        run = await self._runs.plan(TENANT, OPERATION, params, author=ACTOR)
        return await self._ended(run.id)

    async def _ended(self, run_id: str) -> Run:
        deadline_s = time.monotonic() + WAIT_MAX_S
        while time.monotonic() < deadline_s:
            run = await self._runs.get(TENANT, run_id)
            if run.state not in ("planning", "applying"):
                return run
            await asyncio.sleep(POLL_S)
        raise TimedOut(what=say("nouns.run"), after_s=WAIT_MAX_S)

    async def _changes(self, run: Run) -> list[Change]:
        return list((await self._runs.changes(TENANT, run.id, limit=SHOWN_MAX)).items)

    async def _tell_changes(self, run: Run) -> None:
        scope = None
        for change in await self._changes(run):
            if change.scope != scope:
                scope = change.scope
                self._line(f"   {scope}")
            mark = (
                "?" if change.ask else {"delete": "-", "create": "+", "move": ">", "update": "~"}.get(change.kind, " ")
            )
            name = (change.reason or {}).get("params", {}).get("name", "/".join(change.key))
            self._line(f"   {mark} {_one_line(str(name))}")
            self._line(f"        {_one_line(sentence(change.reason), 150)}")

    def _title(self, key: str) -> None:
        self._chapter += 1
        self._line("")
        self._line(f"{self._chapter}. {say(f'knowledge.demo.{key}')}")

    def _say(self, key: str, **params: object) -> None:
        self._line(f"   {say(f'knowledge.demo.{key}', **params)}".rstrip())


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the story, and put back what was there."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(OURS):
            del os.environ[name]
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _one_line(text: str, chars: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= chars else line[: chars - 1] + "…"
