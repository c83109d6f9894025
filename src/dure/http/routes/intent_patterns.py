"""`/v1/intents/patterns`: the sentences that ask for intents: those that came with packs, and a tenant's own."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse

from dure.http.auth import Operator, Person, Tenant, choose_tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.intent_schemas import Lang, LearnIn, PatternEdit, PatternIn, PatternOut
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given

router = APIRouter(
    prefix="/v1/intents/patterns",
    tags=["intents"],
    route_class=StrictRoute,
    responses=problems(401, 403, 422, 500, 503),
)

PatternId = Annotated[str, Path(description="The pattern's id.", max_length=200, json_schema_extra={"format": "uuid"})]
Key = Annotated[str | None, Query(max_length=200, description="Only of this intent.")]
Holding = Annotated[str | None, Query(max_length=200, description="Only such as hold these words.")]
CHANGING = problems(400, 404, 409, 413, 415)


@router.get("", operation_id="listIntentPatterns")
async def find(
    services: Given,
    _who: Person,
    tenant: Tenant,
    intent_key: Key = None,
    lang: Lang | None = None,
    holding: Holding = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOut[PatternOut]:
    """List the patterns that hold for a tenant, newest first."""
    page = await services.patterns.list(
        require_tenant(tenant), intent_key=intent_key, lang=lang, holding=holding, limit=limit, cursor=cursor
    )
    return PageOut(items=[PatternOut.of(one) for one in page.items], next_cursor=page.next_cursor)


@router.post("", status_code=201, operation_id="createIntentPattern", response_model=PatternOut, responses=CHANGING)
async def create(services: Given, who: Operator, tenant: Tenant, body: PatternIn) -> Response:
    """Make a pattern; 409 when the tenant has it for this intent already."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    made = await services.patterns.create(
        owner, body.pattern, body.intent_key, actor=who.actor, confidence=body.confidence, lang=body.lang
    )
    shown = PatternOut.of(made).model_dump(mode="json")
    return JSONResponse(shown, 201, {"Location": f"/v1/intents/patterns/{made.id}"})


@router.post("/learn", operation_id="learnIntentPattern", responses=CHANGING)
async def learn(services: Given, who: Operator, tenant: Tenant, body: LearnIn) -> PatternOut:
    """Learn that a sentence asks for an intent. Learned again, its confidence grows by 0.1, to 1 at most."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    return PatternOut.of(await services.patterns.learn(owner, body.sentence, body.intent_key, actor=who.actor))


@router.get("/{pattern_id}", operation_id="getIntentPattern", responses=problems(404))
async def show(services: Given, _who: Person, tenant: Tenant, pattern_id: PatternId) -> PatternOut:
    """Show a pattern with its story."""
    return PatternOut.of(await services.patterns.get(require_tenant(tenant), pattern_id))


@router.patch("/{pattern_id}", operation_id="editIntentPattern", responses=CHANGING)
async def edit(services: Given, who: Operator, tenant: Tenant, pattern_id: PatternId, body: PatternEdit) -> PatternOut:
    """Change a pattern. One that came with a pack can be switched off or weighed anew, for this tenant alone."""
    edited = await services.patterns.edit(
        require_tenant(tenant),
        pattern_id,
        actor=who.actor,
        pattern=body.pattern,
        intent_key=body.intent_key,
        confidence=body.confidence,
        is_active=body.is_active,
    )
    return PatternOut.of(edited)


@router.delete("/{pattern_id}", status_code=204, operation_id="deleteIntentPattern", responses=problems(404))
async def delete(services: Given, who: Operator, tenant: Tenant, pattern_id: PatternId) -> None:
    """Remove a pattern of the tenant's own; one that came with a pack is switched off instead."""
    await services.patterns.delete(require_tenant(tenant), pattern_id, actor=who.actor)
