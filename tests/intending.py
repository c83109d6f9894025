"""Intents in tests: a few of each form, a policy, and a worker that knows them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel

import dure
from dure.db.pool import Database
from dure.intents import Changed, Outgoing, Skip, Target, intent
from dure.intents.catalogue import Catalogue
from dure.intents.outbox import sending
from dure.intents.policies import Policies, Policy
from dure.intents.requests import Intents
from dure.intents.rows import Request
from dure.intents.running import handlers
from dure.queue.registry import Registry
from dure.queue.views import Principal
from dure.runs.declaring import declare_operations
from dure.runs.jobs import handlers as run_handlers
from dure.runs.operation import Operations
from queueing import TENANT, make, settings, until

KIM = Principal("kim", "operator", TENANT)
LEE = Principal("lee", "approver", TENANT)
SEES = Principal("park", "viewer", TENANT)
AGENT = Principal("key:bot", "agent", TENANT)
TITLE = {"en": "x", "ko": "x"}


class Number(BaseModel):
    n: int = 1


class Targets(BaseModel):
    good: int = 0
    bad: int = 0
    gone: int = 0
    idle: int = 0
    healed: bool = False


@intent("test.get.double", title=TITLE, ask="viewer")
class Double:
    Params = Number

    async def answer(self, params: Number, ctx: Any) -> Any:
        return {"twice": params.n * 2, "today": ctx.today.isoformat(), "for": ctx.actor}


@intent("test.get.swallows", title=TITLE, ask="viewer")
class Swallows:
    async def answer(self, params: Any, ctx: Any) -> Any:
        return ValueError("something went wrong")


HEALED: set[str] = set()
"""Tenants in which the bad targets have been mended; a test names a tenant of its own."""


@intent("test.exec.each", title=TITLE, effect="send", max_retries=0)
class Each:
    Params = Targets

    async def targets(self, params: Targets, ctx: Any) -> AsyncIterator[Target]:
        for kind in ("good", "bad", "gone", "idle"):
            for n in range(getattr(params, kind)):
                yield Target(f"{kind}:{n}", {"kind": kind})

    async def each(self, params: Targets, target: Target, ctx: Any) -> Any:
        match target.data["kind"]:
            case "bad" if ctx.tenant_id not in HEALED:
                raise ValueError(f"{target.id} is bad")
            case "gone":
                raise Changed("moved away")
            case "idle":
                raise Skip("wants nothing")
        return {"did": target.id}


class Said(BaseModel):
    text: str = "hello"
    to: list[str] = ["a"]
    channel: str = "file"


@intent("test.exec.say", title=TITLE, effect="send", max_retries=0)
class Say:
    Params = Said

    async def targets(self, params: Said, ctx: Any) -> AsyncIterator[Target]:
        for name in params.to:
            yield Target(name)

    async def each(self, params: Said, target: Target, ctx: Any) -> Any:
        return Outgoing(channel=params.channel, to=target.id, body=params.text)


@dure.operation("test.rename")
class Rename:
    """Gives all things a name."""

    class Params(BaseModel):
        name: str

    stores = (dure.Table("public.thing"),)

    async def subjects(self, params: Any, ctx: Any) -> AsyncIterator[Any]:
        async for row in ctx.rows("select id from public.thing order by id"):
            yield row.id

    async def plan(self, subjects: Any, ctx: Any) -> AsyncIterator[Any]:
        things = ctx.store("public.thing")
        for row in await things.get(subjects):
            yield things.update(row, {"name": ctx.params.name})


class Named(BaseModel):
    name: str = "new"


@intent("test.exec.rename", title=TITLE, effect="write", risk="high", approval=True, cap_per_day=3)
class RenameAll:
    Params = Named
    operation = "test.rename"

    def plan(self, params: Named) -> dict[str, Any]:
        return {"name": params.name}


ALL = (Double, Swallows, Each, Say, RenameAll)
CATALOGUE = Catalogue(marked=ALL)


def intents_of(database: Database, catalogue: Catalogue = CATALOGUE) -> Intents:
    return Intents(database, settings(), catalogue)


async def allow(database: Database, key: str = "*", *, tenant: str = TENANT, **given: Any) -> Policy:
    return await Policies(database).set(tenant, Policy(key, **{"allowed": True, **given}), actor="lee")


@asynccontextmanager
async def working(database: Database, catalogue: Catalogue = CATALOGUE, **given: Any) -> AsyncIterator[None]:
    """A worker that knows the intents of a catalogue."""
    operations = Operations([Rename])
    await declare_operations(database, operations)
    registry = Registry()
    for cls in ALL if catalogue is CATALOGUE else ():
        registry.add(cls)
    registry.add_entries(catalogue.entries())
    for one in (*handlers(catalogue), *sending.handlers(), *run_handlers(database, settings(), operations)):
        registry.add(one)
    worker = make(database, registry, **given)
    await worker.start()
    try:
        yield
    finally:
        await worker.stop(0)


async def ended(database: Database, request: Request, *, patience_s: float = 30.0) -> Request:
    """Answer a request as soon as its job has ended."""

    async def has_ended() -> Request | None:
        found = await intents_of(database).get(None, request.id)
        return None if found.state in ("waiting", "pending", "processing") else found

    found = await until(has_ended, patience_s=patience_s)
    assert isinstance(found, Request)
    await asyncio.sleep(0)
    return found
