"""`/v1/intents/policies`: who may ask for what: data of each tenant, which holds as soon as it is written."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from dure.http.auth import Admin, Person, Tenant, choose_tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.intent_schemas import PolicyIn, PolicyOut
from dure.http.openapi import problems
from dure.http.paging import PageOut
from dure.http.revisions import IF_MATCH, TAGGED, IfMatch, expected_revision, tag_of
from dure.http.routes import Given

router = APIRouter(
    prefix="/v1/intents/policies",
    tags=["intents"],
    route_class=StrictRoute,
    responses=problems(401, 403, 422, 500, 503),
)

Key = Annotated[
    str, Path(description="An intent's key, all of a domain, or `*`.", max_length=200, examples=["billing.*"])
]


@router.get("", operation_id="listIntentPolicies")
async def find(services: Given, _who: Person, tenant: Tenant) -> PageOut[PolicyOut]:
    """List the policies of a tenant, by key. The most exact one holds; without one an intent is refused."""
    found = await services.intents.policies.list(require_tenant(tenant))
    return PageOut(items=[PolicyOut.model_validate(one) for one in found])


@router.put(
    "/{policy_key}",
    operation_id="setIntentPolicy",
    response_model=PolicyOut,
    responses={**TAGGED[200], **IF_MATCH, **problems(400, 404, 409, 413, 415)},
)
async def write(
    request: Request,
    services: Given,
    who: Admin,
    tenant: Tenant,
    policy_key: Key,
    body: PolicyIn,
    if_match: IfMatch = None,
) -> Response:
    """Write a policy; it holds at once, for what waits too."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    policies = services.intents.policies
    async with expected_revision(if_match, lambda: policies.get(owner, policy_key)) as revision:
        made = await policies.set(owner, body.to_policy(policy_key), actor=who.actor, revision=revision)
    shown = PolicyOut.model_validate(made).model_dump(mode="json")
    return JSONResponse(shown, headers={"ETag": tag_of(made.revision)})


@router.delete("/{policy_key}", status_code=204, operation_id="deleteIntentPolicy", responses=problems(404))
async def delete(services: Given, who: Admin, tenant: Tenant, policy_key: Key) -> None:
    """Remove a policy; a less exact one holds then, or none."""
    await services.intents.policies.delete(require_tenant(tenant), policy_key, actor=who.actor)
