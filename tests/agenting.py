"""Agents over HTTP: what they send, one request at a time, so that a test decides what happens when."""

from contextlib import asynccontextmanager

import httpx

from dure.runtime.web import HttpServer, bind
from engine import Engine
from queueing import TENANT
from web import Web

ONE = {"agent_id": "research-1", "class": "research", "version": "1.9.0", "capabilities": ["search"]}


class Faces(Web):
    """Example: `faces = Faces(database); async with faces.http(key) as http: …`."""

    def __init__(self, database, **settings):
        super().__init__(Engine(database), **settings)

    @asynccontextmanager
    async def serving(self, key=None):
        """A real server and a client of it, so that there are sockets to lose."""
        server = HttpServer(self.app, bind("127.0.0.1", 0), stopping=self.services.stopping, then=self.services.stop)
        await server.start()
        url = f"http://127.0.0.1:{server.port}"
        try:
            async with httpx.AsyncClient(base_url=url, headers=headers_of(key), timeout=20) as http:
                yield url, http
        finally:
            await server.stop()

    @asynccontextmanager
    async def http(self, key=None, **headers):
        """A client without sockets."""
        async with self.client(None, **headers_of(key), **headers) as client:
            yield client
        await self.services.stop()

    async def sql(self, statement, *values):
        async with self.engine.database.system_tx() as tx:
            cursor = await tx.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []


def headers_of(key):
    """Without a key, a program of this machine names the tenant."""
    return {"Authorization": f"Bearer {key}"} if key else {"Dure-Tenant": TENANT}


async def registered(http, **changes):
    """Register an agent that can search; answer its session."""
    answer = await http.post("/v1/agents", json={**ONE, **changes})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def asked(http, **wanted):
    """Ask for a task; answer its id."""
    answer = await http.post("/v1/tasks", json=wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def said(http, session, verb, task=None, **body):
    """Send what an agent says, of a task in its hands where one is given."""
    named = {"epoch": session["epoch"], **body}
    if task is not None:
        named |= {"task_id": task["task_id"], "claim_id": task["claim_id"]}
    at = session["agent_id"].replace("/", "%2F")
    return await http.post(f"/v1/agents/{at}/{verb}", json=named)


async def taken(http, session, **body):
    """Claim; answer the tasks."""
    answer = await said(http, session, "claim", **body)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def state_of(http, task_id):
    return (await http.get(f"/v1/tasks/{task_id}")).json()["state"]
