"""`/healthz`, `/readyz`, `/metrics`, and an index at `/`."""

from importlib.metadata import version

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from dure.db.migrate import check
from dure.errors import DureError, Unavailable
from dure.http import problems as documents
from dure.http.auth import Person, SystemViewer
from dure.http.measures import Measures
from dure.http.openapi import problems
from dure.http.routes import Given
from dure.http.schemas import CheckOut, HealthOut, IndexOut, NotReadyOut, ReadyOut
from dure.http.services import Services
from dure.lang import say

router = APIRouter(tags=["health"])
METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class NotReady(DureError):
    """The process cannot do its work now.

    Example: `raise NotReady`.
    """

    code = "not_ready"
    status = 503


@router.get("/", operation_id="index", responses=problems(401, 403, 500, 503))
async def index(request: Request, _who: Person) -> IndexOut:
    """Say where things are."""
    paths = request.app.openapi()["paths"]
    routes = {path: ", ".join(sorted(method.upper() for method in methods)) for path, methods in paths.items()}
    return IndexOut(name="dure", version=version("dure"), routes={**routes, "/openapi.json": "GET"})


@router.get("/healthz", operation_id="healthz")
async def health() -> HealthOut:
    """Say that the process is alive."""
    return HealthOut()


@router.get(
    "/readyz",
    operation_id="readyz",
    response_model=ReadyOut,
    responses={
        503: {"model": NotReadyOut, "description": "Not ready, and why."},
    },
)
async def ready(request: Request, services: Given) -> Response:
    """Say whether the database can be reached and has the migrations of this version."""
    checks = await _checks(services, request.state.lang)
    if all(check.ok for check in checks.values()):
        return JSONResponse(ReadyOut(checks=checks).model_dump())
    problem = documents.document(NotReady(), request.state.lang, request_id=request.state.request_id)
    problem["checks"] = {name: check.model_dump() for name, check in checks.items()}
    return JSONResponse(problem, 503, {"Retry-After": "2"}, documents.MEDIA_TYPE)


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=PlainTextResponse,
    responses=problems(401, 403, 500, 503),
)
async def metrics(request: Request, _who: SystemViewer) -> Response:
    """Answer the measures of this process and the depths of the queues, in the Prometheus text format."""
    measures: Measures = request.app.state.measures
    return Response(await measures.render(), media_type=METRICS_MEDIA_TYPE)


async def _checks(services: Services, lang: str) -> dict[str, CheckOut]:
    if services.stopping.is_set():
        return {"process": CheckOut(ok=False, detail=say("http.stopping", lang))}
    try:
        wrong = await check(services.database)
    except Unavailable:
        return {"database": CheckOut(ok=False, detail=say("http.unavailable", lang))}
    return {"database": CheckOut(ok=True), "migrations": CheckOut(ok=not wrong, detail=" ".join(wrong))}
