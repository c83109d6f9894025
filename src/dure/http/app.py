"""Puts the HTTP interface together; the app holds no state but the services that it is given."""

from importlib import import_module
from importlib.metadata import version

from fastapi import FastAPI

from dure.http import openapi, problems
from dure.http.auth import Authentication
from dure.http.edge import BodyLimit, Edge
from dure.http.measures import Measures
from dure.http.routes import handlers, health, jobs, keys, operations, queues, runs, workers
from dure.http.services import Services


def create_app(services: Services) -> FastAPI:
    """Make the app. Example: `app = create_app(Services.of(settings, database, Registry()))`."""
    app = FastAPI(
        title="Dure",
        version=version("dure"),
        openapi_url="/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    app.state.measures = Measures(services)
    for routes in (health, jobs, handlers, queues, workers, keys, operations, runs):
        app.include_router(routes.router)
    # Apps stand above this layer, so their routes are found by name, as handlers are.
    for module in import_module("dure.apps.registry").http_modules():
        app.include_router(module.router)
    problems.install(app)
    openapi.install(app)
    app.state.methods = openapi.Methods({**app.openapi()["paths"], "/openapi.json": {"get": None}})
    # The last one added is the first one met.
    app.add_middleware(BodyLimit, services=services)
    app.add_middleware(Authentication, services=services)
    app.add_middleware(Edge, services=services)
    return app
