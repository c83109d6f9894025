"""The HTTP interface without a network, and helpers to read its problems."""

from contextlib import asynccontextmanager

import httpx

from dure.http.app import create_app
from dure.http.services import Services
from engine import Engine


class Web:
    """Example: `web = Web(engine); async with web.client(key) as http: await http.get("/v1/jobs")`."""

    def __init__(self, engine: Engine, *, host="127.0.0.1", **settings) -> None:
        self.engine = engine
        chosen = engine.settings.model_copy(update=settings)
        self.services = Services.of(chosen, engine.database, engine.metrics, host=host)
        self.app = create_app(self.services)

    @asynccontextmanager
    async def client(self, key=None, *, address="127.0.0.1", base="http://localhost:8000", **headers):
        transport = httpx.ASGITransport(self.app, client=(address, 4711))
        given = {**({"Authorization": f"Bearer {key}"} if key else {}), **headers}
        async with httpx.AsyncClient(transport=transport, base_url=base, headers=given) as client:
            yield client

    async def key(self, scope, tenant=None):
        secret, _ = await self.services.keys.create(tenant, f"{scope}-{tenant}", scope)
        return secret


def problem(answer, status, code):
    """Check that an answer is a problem document, and answer the fields at fault with their codes."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:dure:problem:{code}"), body
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return {error["field"]: error["code"] for error in body.get("errors", [])}
