"""A worker by hand: the engine's own statements, one at a time, so that a test decides what happens when."""

import json

from dure.db.pool import Database
from dure.db.sql import load
from dure.metrics import Registry
from dure.queue.client import Client
from dure.queue.model import NewJob
from dure.settings import Settings

ECHO = "test.echo"


class Engine:
    """Example: `engine = Engine(database); await engine.declare(); held = await engine.claim()`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.settings = Settings(database_url=database.url)
        self.client = Client(database, self.settings)
        self.metrics = Registry()
        self.worker_id = 0

    async def declare(self, handler=ECHO, **columns):
        names = ["handler", *columns]
        statement = f"insert into dure.handler ({', '.join(names)}) values ({', '.join(['%s'] * len(names))})"
        await self.run(statement, [handler, *columns.values()])

    async def enqueue(self, tenant="acme", handler=ECHO, **given):
        return (await self.client.enqueue(tenant, NewJob(handler=handler, **given))).id

    async def register(self, queues=(), lease_s=60.0):
        values = {"name": "w", "host": "h", "pid": 1, "queues": list(queues), "version": "0", "lease_s": lease_s}
        self.worker_id = (await self.run(load("dure.queue", "register"), values))[0][0]
        return self.worker_id

    async def claim(self, most=10):
        """Answers (id, claim_id, attempt) of what was taken."""
        values = {
            "walk": True,
            "lanes": [],
            "ranks": [],
            "ids": [],
            "queues": [],
            "shunned": [],
            "tenant": "",
            "most": most,
            "bundles": most,
        }
        rows = await self.run(load("dure.queue", "claim"), {**values, "worker": self.worker_id})
        return [(row[0], row[1], row[5]) for row in rows]

    async def complete(self, held, result=None):
        values = {"ids": [held[0]], "claims": [held[1]], "results": [json.dumps(result)], "closed": []}
        await self.run(load("dure.queue", "finish"), values)

    async def settle(self, held, outcome, **more):
        entry = {"id": held[0], "claim_id": held[1], "outcome": outcome, **more}
        await self.run("select dure.settle(%s::text::jsonb, '{}')", [json.dumps([entry])])

    async def log(self, job_id, message, attempt=1, tenant="acme"):
        await self.run(
            "insert into dure.job_log (job_id, tenant_id, attempt, level, message) values (%s, %s, %s, 'info', %s)",
            [job_id, tenant, attempt, message],
        )

    async def progress(self, job_id, done, total=None, tenant="acme"):
        report = {"job_id": job_id, "tenant_id": tenant, "done": done, "total": total, "note": f"{done} done"}
        await self.run(load("dure.queue", "write_progress"), {"reports": json.dumps([report])})

    async def run(self, statement, values=None):
        async with self.database.system_tx() as tx:
            cursor = await tx.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []
