"""`/v1/releases`: the versions of a class of agents, and which one is current.

A release is named by its class and version, which are of one tenant: whoever asks for all must say which.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from dure.agents.releases import ReleaseState
from dure.db.pool import Connection
from dure.http.auth import Operator, Person, Tenant, choose_tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.release_schemas import ReleaseCreate, ReleaseOut, WithdrawIn
from dure.http.routes import Given
from dure.http.routes.jobs import IdempotencyKey
from dure.queue.idempotency import Answer, Once

router = APIRouter(
    prefix="/v1/releases", tags=["releases"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

Class = Annotated[str, Path(alias="class", max_length=100, description="The class of agents.", examples=["executor"])]
Version = Annotated[str, Path(max_length=100, description="The version.", examples=["1.8.3"])]
OfClass = Annotated[str | None, Query(alias="class", max_length=100, description="Only of this class.")]
CHANGING = problems(400, 404, 409, 413, 415)
MADE = {201: {"headers": {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}}}


@router.get("", operation_id="listReleases")
async def find(
    request: Request,
    services: Given,
    _who: Person,
    tenant: Tenant,
    limit: Limit = 50,
    cursor: Cursor = None,
    class_: OfClass = None,
    state: ReleaseState | None = None,
) -> PageOut[ReleaseOut]:
    """List releases, the last made first."""
    page = await services.releases.list(tenant, class_=class_, state=state, limit=limit, cursor=cursor)
    return PageOut(items=[ReleaseOut.of(one, request.state.lang) for one in page.items], next_cursor=page.next_cursor)


@router.post(
    "",
    status_code=201,
    operation_id="createRelease",
    response_model=ReleaseOut,
    responses={**MADE, **CHANGING},  # type: ignore[dict-item]
)
async def create(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    body: ReleaseCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a release: the first of its class is current, any other a draft that a rollout brings to the agents."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))

    async def work(tx: Connection) -> Answer:
        made = await services.releases.create_on(tx, owner, body.to_new(), actor=who.actor)
        return Answer(201, ReleaseOut.of(made, request.state.lang).model_dump(mode="json", by_alias=True))

    answer = await services.idempotency.run(owner, await once_of(request, idempotency_key), work, system=True)
    return answered(answer, f"/v1/releases/{answer.body['class']}/{answer.body['version']}")


@router.get("/{class}/{version}", operation_id="getRelease", responses=problems(404))
async def show(
    request: Request, services: Given, _who: Person, tenant: Tenant, class_: Class, version: Version
) -> ReleaseOut:
    """Show a release."""
    return ReleaseOut.of(await services.releases.get(require_tenant(tenant), class_, version), request.state.lang)


@router.post("/{class}/{version}/withdraw", operation_id="withdrawRelease", responses=CHANGING)
async def withdraw(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    class_: Class,
    version: Version,
    body: WithdrawIn | None = None,
) -> ReleaseOut:
    """Let no agent of this version register any more; those that there are get no work."""
    owner, reason = require_tenant(tenant), (body or WithdrawIn()).reason
    gone = await services.releases.withdraw(owner, class_, version, actor=who.actor, reason=reason)
    return ReleaseOut.of(gone, request.state.lang)


@router.post("/{class}/{version}/current", operation_id="makeReleaseCurrent", responses=CHANGING)
async def make_current(
    request: Request, services: Given, who: Operator, tenant: Tenant, class_: Class, version: Version
) -> ReleaseOut:
    """Make a release the current one at once, without a rollout; agents that may not work beside it are told so."""
    owner = require_tenant(tenant)
    made = await services.releases.make_current(owner, class_, version, actor=who.actor)
    return ReleaseOut.of(made, request.state.lang)


def answered(answer: Answer, location: str) -> Response:
    """Answer what was made, and where it is. Example: `return answered(answer, f"/v1/rollouts/{id}")`."""
    replayed = {"Idempotency-Replayed": "true"} if answer.replayed else {}
    return JSONResponse(answer.body, answer.status, {**replayed, "Location": location})


async def once_of(request: Request, key: str | None) -> Once | None:
    """Answer what makes a request the same one again, if it has a key."""
    return None if key is None else Once.of(key, f"{request.method} {request.url.path}", await request.body())
