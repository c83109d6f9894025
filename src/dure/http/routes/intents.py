"""`/v1/intents`: what may be asked for, and asking for it; the switch of the whole.

An intent whose key is one of the words that stand here (`requests`, `policies`, …) is found in the list alone.
"""

import inspect
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from dure.db.pool import Connection
from dure.errors import Invalid
from dure.http.auth import Tenant, Viewer, choose_tenant, require_tenant, requires
from dure.http.bodies import StrictRoute
from dure.http.intent_schemas import (
    IntentDetailOut,
    IntentOut,
    RequestMadeOut,
    RequestOut,
    SubmitIn,
    SwitchIn,
    SwitchOut,
)
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.http.routes.jobs import IdempotencyKey
from dure.intents.model import Effect
from dure.intents.offering import checked
from dure.intents.requests import UNIQUE_CHARS_MAX
from dure.intents.switching import switch, switched
from dure.queue.idempotency import Answer, Once
from dure.queue.views import Principal

router = APIRouter(
    prefix="/v1/intents", tags=["intents"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

Key = Annotated[
    str,
    Path(description="The intent's key.", max_length=200, examples=["attendance.exec.notify_guardians_late"]),
]
Category = Annotated[str | None, Query(max_length=200, description="Only of this category.", examples=["billing"])]
Allowed = Annotated[bool | None, Query(description="Only what the caller may have now, or may not.")]
SystemAdmin = Annotated[Principal, Depends(requires("admin", system=True))]
CHANGING = problems(400, 404, 409, 413, 415)


@router.get("", operation_id="listIntents")
async def find(
    request: Request,
    services: Given,
    who: Viewer,
    tenant: Tenant,
    category: Category = None,
    effect: Effect | None = None,
    allowed: Allowed = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> PageOut[IntentOut]:
    """List the intents by key, each with what the policies say of it to the caller."""
    page = await services.offers.list(
        require_tenant(tenant), who, category=category, effect=effect, allowed=allowed, limit=limit, cursor=cursor
    )
    lang = request.state.lang
    return PageOut(items=[IntentOut.of(one, lang) for one in page.items], next_cursor=page.next_cursor)


@router.get("/switch", operation_id="getIntentsSwitch")
async def how_it_stands(services: Given, _who: Viewer) -> SwitchOut:
    """Say whether jobs of intents begin, and whether the minute's tick is on."""
    return SwitchOut.model_validate(await switched(services.database))


@router.put("/switch", operation_id="setIntentsSwitch", responses=problems(400, 413, 415))
async def turn(services: Given, who: SystemAdmin, body: SwitchIn) -> SwitchOut:
    """Switch the queue of intents, and its tick, on or off for the whole installation."""
    return SwitchOut.model_validate(await switch(services.database, body.on, actor=who.actor))


@router.get("/{intent_key}", operation_id="getIntent", responses=problems(404))
async def show(request: Request, services: Given, who: Viewer, tenant: Tenant, intent_key: Key) -> IntentDetailOut:
    """Show an intent with the JSON schema of its parameters; its code is imported for that."""
    offer = await services.offers.get(require_tenant(tenant), intent_key, who)
    found = await services.offers.code_of(intent_key)
    return IntentDetailOut(
        **IntentOut.values(offer, request.state.lang),
        form=found.form,
        description=inspect.getdoc(found.make) or "",
        params_schema=found.params.model_json_schema(),
        max_retries=found.declaration.max_retries,
        timeout_s=found.declaration.timeout_s,
    )


@router.post(
    "/{intent_key}",
    status_code=202,
    operation_id="submitIntent",
    response_model=RequestMadeOut,
    responses={
        200: {"model": RequestMadeOut, "description": "The same was asked for before: this is it."},
        **CHANGING,
        **problems(429),
    },
)
async def submit(
    request: Request,
    services: Given,
    who: Viewer,
    tenant: Tenant,
    intent_key: Key,
    body: SubmitIn | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask for an intent. What the policies do not allow is 403, what is over the cap of the day 429, with the reason.

    The same request, while it is open, answers with the one that there is.
    """
    wanted = body or SubmitIn()
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", wanted.tenant_id)))
    intents, lang = services.intents, request.state.lang
    given = (await checked(intents, intent_key, wanted.params)).model_dump(mode="json")
    if wanted.unique_key is not None and not 1 <= len(wanted.unique_key) <= UNIQUE_CHARS_MAX:
        raise Invalid(field="unique_key", reason="out_of_range", min=1, max=UNIQUE_CHARS_MAX)
    once = None
    if idempotency_key is not None:
        once = Once.of(idempotency_key, f"{request.method} {request.url.path}", await request.body())

    async def work(tx: Connection) -> Answer:
        declared = intents.catalogue.declaration(intent_key)
        made = await intents.submit_on(tx, owner, declared, given, who, unique_key=wanted.unique_key)
        shown = RequestOut.of(made, intents.catalogue, lang).model_dump(mode="json")
        return Answer(202 if made.is_new else 200, {**shown, "created": made.is_new})

    answer = await services.idempotency.run(owner, once, work, system=True)
    headers = {"Location": f"/v1/intents/requests/{answer.body['id']}"}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return JSONResponse(answer.body, answer.status, headers)
