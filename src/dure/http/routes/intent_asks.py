"""`/v1/intents/ask`: a sentence is asked with, and answered as server-sent events; a lost connection loses nothing."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from dure.db.pool import Connection
from dure.errors import DureError
from dure.http import sse
from dure.http.auth import Tenant, Viewer, choose_tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.intent_schemas import AskIn, CandidateOut, RequestOut
from dure.http.openapi import problems
from dure.http.problems import document
from dure.http.routes import Given
from dure.http.routes.jobs import IdempotencyKey, LastEventId
from dure.http.runs_schemas import RunOut
from dure.http.services import Services
from dure.intents.asking import OVER, AskEvent, clean_sentence, place_of
from dure.intents.offering import checked
from dure.intents.patterns import Candidate
from dure.intents.patterns.normalising import Lang, lang_of
from dure.queue.idempotency import Answer, Once
from dure.queue.views import Principal

router = APIRouter(
    prefix="/v1/intents", tags=["intents"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

AskId = Annotated[
    str, Path(description="The id that the first event tells.", max_length=200, json_schema_extra={"format": "uuid"})
]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `status`, `candidates`; with `confirm` also `plan`, `result`; last `done` or `error`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post(
    "/ask",
    operation_id="askIntent",
    response_class=StreamingResponse,
    responses={**STREAM, **problems(400, 409, 413, 415)},
)
async def ask(
    request: Request,
    services: Given,
    who: Viewer,
    tenant: Tenant,
    body: AskIn,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Find the intents that a sentence asks for, three at most. Only what `confirm` names is carried out.

    Nothing is lost with the connection: `/v1/intents/asks/{ask_id}/events` goes on from any event, and the same
    `Idempotency-Key` answers with the same stream.
    """
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    sentence = clean_sentence(body.sentence)
    given = None
    if body.confirm is not None:
        # What does not fit is answered as any other request: nothing was begun that could be followed.
        given = (await checked(services.intents, body.confirm.intent_key, body.confirm.params)).model_dump(mode="json")
    lang = _lang_of(request, lang_of(sentence))
    candidates = await services.patterns.ask(owner, sentence, lang)
    once = None
    if idempotency_key is not None:
        once = Once.of(idempotency_key, f"{request.method} {request.url.path}", await request.body())
    work = _work(services, who, owner, body, given, candidates, lang)
    answer = await services.idempotency.run(owner, once, work, system=True)
    if not answer.replayed:
        await _learn(services, owner, body, candidates, refused=answer.body["refused"])
    events = services.asks.watch(owner, answer.body["id"])
    return sse.respond(events, services.stopping, write=_writer(services, lang))


@router.get(
    "/asks/{ask_id}/events",
    operation_id="watchAsk",
    response_class=StreamingResponse,
    responses={
        **STREAM,
        204: {"description": "The events behind `Last-Event-ID` are over: do not come back."},
        **problems(404),
    },
)
async def events(
    request: Request, services: Given, _who: Viewer, tenant: Tenant, ask_id: AskId, last_event_id: LastEventId = None
) -> Response:
    """Go on with the answer to a sentence, behind `Last-Event-ID` or from its beginning. Kept for a day."""
    found = await services.asks.get(tenant, ask_id)
    after = place_of(last_event_id)
    if after == OVER:
        return Response(status_code=204)
    watch = services.asks.watch(tenant, ask_id, after=after)
    return sse.respond(watch, services.stopping, write=_writer(services, _lang_of(request, found.lang)))


def _lang_of(request: Request, otherwise: Lang) -> Lang:
    """Answer the language that was asked for, or else the sentence's."""
    lang: Lang = request.state.lang
    return lang if "accept-language" in request.headers else otherwise


def _work(
    services: Services,
    who: Principal,
    tenant: str,
    body: AskIn,
    given: Mapping[str, Any] | None,
    candidates: Sequence[Candidate],
    lang: Lang,
) -> Callable[[Connection], Any]:
    """Answer what notes an ask and makes the request that was confirmed, in one transaction."""
    catalogue = services.intents.catalogue
    shown = [CandidateOut.of(one, catalogue, lang).model_dump(mode="json") for one in candidates]

    async def work(tx: Connection) -> Answer:
        request_id, problem = None, None
        if body.confirm is not None and given is not None:
            declared = catalogue.declaration(body.confirm.intent_key)
            try:
                async with tx.transaction():
                    made = await services.intents.submit_on(tx, tenant, declared, given, who, source="ask")
                    request_id = made.id
            except DureError as error:
                # A policy, or the cap of the day: the end of the stream says so.
                problem = document(error, lang)
        ask_id = await services.asks.note_on(
            tx,
            tenant,
            body.sentence,
            shown,
            lang=lang,
            actor=who.actor,
            request_id=request_id,
            problem=problem,
        )
        return Answer(200, {"id": ask_id, "refused": problem is not None})

    return work


async def _learn(
    services: Services, tenant: str, body: AskIn, candidates: Sequence[Candidate], *, refused: bool
) -> None:
    """Note which pattern found what was meant, and that the first one did not when another was meant."""
    if body.confirm is None or refused:
        return
    meant = next((one for one in candidates if one.intent_key == body.confirm.intent_key), None)
    if meant is not None:
        await services.patterns.used(tenant, meant.pattern_id, True)
    if candidates and candidates[0] is not meant:
        await services.patterns.used(tenant, candidates[0].pattern_id, False)


def _writer(services: Services, lang: str) -> Callable[[AskEvent], bytes]:
    def write(event: AskEvent) -> bytes:
        data = json.dumps(_data(services, event, lang), ensure_ascii=False, separators=(",", ":"), default=str)
        return f"id: {event.no}\nevent: {event.kind}\ndata: {data}\n\n".encode()

    return write


def _data(services: Services, event: AskEvent, lang: str) -> dict[str, Any]:
    ask, request = event.ask, event.request
    shown = None
    if request is not None:
        shown = RequestOut.of(request, services.intents.catalogue, lang).model_dump(mode="json")
    match event.kind:
        case "candidates":
            return {"ask_id": ask.id, "candidates": ask.candidates}
        case "plan":
            assert event.run is not None
            return {"ask_id": ask.id, "run": RunOut.of(event.run, lang).model_dump(mode="json")}
        case "error" if shown is None:
            return {"ask_id": ask.id, **(ask.problem or {})}
        case "error":
            assert request is not None
            error = {"code": request.error_class or request.state, "detail": request.error or request.note}
            return {"ask_id": ask.id, "state": request.state, **error, "request": shown}
        case _:
            state = "asked" if request is None else request.state
            more = {"sentence": ask.sentence} if event.no == 1 else {} if shown is None else {"request": shown}
            return {"ask_id": ask.id, "state": "asked" if event.no == 1 else state, **more}
