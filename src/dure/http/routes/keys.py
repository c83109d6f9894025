"""`/v1/keys`: make, list and revoke keys. A tenant's admin looks after that tenant's keys only."""

from typing import Annotated

from fastapi import APIRouter, Path

from dure.http.auth import Admin, Tenant, choose_tenant
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.http.schemas import KeyCreate, KeyCreatedOut, KeyOut

router = APIRouter(
    prefix="/v1/keys", tags=["keys"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)
KeyId = Annotated[
    str, Path(alias="id", description="The key's id.", max_length=200, json_schema_extra={"format": "uuid"})
]


@router.get("", operation_id="listKeys")
async def find(
    services: Given, _who: Admin, tenant: Tenant, limit: Limit = 50, cursor: Cursor = None
) -> PageOut[KeyOut]:
    """List the keys, newest first; revoked and expired ones too."""
    return PageOut[KeyOut].model_validate(await services.keys.list(tenant, limit=limit, cursor=cursor))


@router.post("", status_code=201, operation_id="createKey", responses=problems(400, 413, 415))
async def create(services: Given, who: Admin, tenant: Tenant, body: KeyCreate) -> KeyCreatedOut:
    """Make a key. Its secret is in the answer and nowhere else."""
    owner = choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id))
    secret, key = await services.keys.create(owner, body.name, body.scope, body.expires_at, actor=who.actor)
    return KeyCreatedOut(**KeyOut.model_validate(key).model_dump(), secret=secret)


@router.delete("/{id}", operation_id="revokeKey", responses=problems(404))
async def revoke(services: Given, who: Admin, key_id: KeyId) -> KeyOut:
    """Revoke a key, now and for ever. Twice is as good as once."""
    return KeyOut.model_validate(await services.keys.revoke(key_id, tenant_id=who.tenant_id, actor=who.actor))
