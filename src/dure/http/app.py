"""Puts the HTTP interface together; the app holds no state but the services that it is given."""

from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from dure.http import openapi, problems
from dure.http.a2a_paths import Places
from dure.http.agent_paths import SlashedIds
from dure.http.auth import Authentication
from dure.http.edge import BodyLimit, Edge
from dure.http.measures import Measures
from dure.http.routes import (
    a2a,
    agents,
    backfills,
    calendars,
    channels,
    handlers,
    health,
    intent_asks,
    intent_patterns,
    intent_policies,
    intent_requests,
    intents,
    jobs,
    keys,
    operations,
    outbox,
    queues,
    releases,
    rollouts,
    runs,
    schedules,
    tasks,
    windows,
    workers,
)
from dure.http.services import Services


def create_app(services: Services) -> FastAPI:
    """Make the app. Example: `app = create_app(Services.of(settings, database, Registry()))`."""
    app = _bare()
    # FastAPI prepares a route when it is first looked at, which takes half a second for all of them: once a process.
    app.router.routes = _with_routes().router.routes
    app.state.services = services
    app.state.measures = Measures(services)
    app.openapi = _document  # type: ignore[method-assign]
    app.state.methods = openapi.Methods({**_document()["paths"], "/openapi.json": {"get": None}})
    problems.install(app)
    # The last one added is the first one met.
    app.add_middleware(SlashedIds)
    app.add_middleware(Places)
    app.add_middleware(BodyLimit, services=services)
    app.add_middleware(Authentication, services=services)
    app.add_middleware(Edge, services=services)
    return app


def _bare() -> FastAPI:
    return FastAPI(
        title="Dure",
        version=version("dure"),
        openapi_url="/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )


@cache
def _with_routes() -> FastAPI:
    app = _bare()
    app.openapi = _document  # type: ignore[method-assign]
    engine = (health, jobs, handlers, queues, workers, keys)
    for routes in (*engine, operations, runs, schedules, backfills, calendars, windows):
        app.include_router(routes.router)
    # The log and the performance before the agents, among whose addresses they stand.
    for router in (channels.router, channels.log_router, rollouts.performance_router, agents.router, tasks.router):
        app.include_router(router)
    for router in (releases.router, rollouts.router, a2a.router):
        app.include_router(router)
    # What has a word for its address before `/v1/intents/{intent_key}`, which is any word.
    for routes in (intent_asks, intent_policies, intent_patterns, intent_requests, intents, outbox):
        app.include_router(routes.router)
    # Apps stand above this layer, so their routes are found by name, as handlers are.
    for module in import_module("dure.apps.registry").http_modules():
        app.include_router(module.router)
    return app


@cache
def _document() -> dict[str, Any]:
    """Describe the routes, once a process: that takes most of a second, and they are the same in every app."""
    return openapi.document_of(_with_routes())
