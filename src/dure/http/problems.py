"""Every error as a problem document (RFC 9457), in the language of the request, with a stable `code`.

What is wrong with which field stands under `errors`. An error that nobody foresaw is logged with its
traceback and answered with nothing but its number: `request_id`.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from dure.errors import DureError, Invalid, RateLimited, Unauthorized, Unavailable
from dure.lang import knows, pick, say

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:dure:problem:"
ERRORS_MAX = 100
RETRY_AFTER_UNAVAILABLE_S = 2


class Unreadable(Invalid):
    """The body of a request cannot be read at all.

    Example: `raise Unreadable(field="body", reason="not_json")`.
    """

    status = 400


class TooLarge(DureError):
    """The body of a request is larger than this route takes.

    Example: `raise TooLarge(max_bytes=262_144)`.
    """

    code = "too_large"
    status = 413

    def __init__(self, *, max_bytes: int) -> None:
        super().__init__(max_bytes=max_bytes)
        self._name_field("body")


class WrongMediaType(DureError):
    """The body of a request is not marked as JSON.

    Example: `raise WrongMediaType`.
    """

    code = "unsupported_media_type"
    status = 415


class PreconditionFailed(DureError):
    """What is to be changed is not what the client has seen.

    Example: `raise PreconditionFailed(given='"2"', present='"3"')`.
    """

    code = "precondition_failed"
    status = 412
    exit_code = 6

    def __init__(self, *, given: str, present: str) -> None:
        super().__init__(given=given, present=present)
        self._name_field("If-Match")


class NoRoute(DureError):
    """Nothing is at this address.

    Example: `raise NoRoute`.
    """

    code = "route_not_found"
    status = 404


class WrongMethod(DureError):
    """Something is at this address, but not for this method.

    Example: `raise WrongMethod`.
    """

    code = "method_not_allowed"
    status = 405


def install(app: FastAPI) -> None:
    """Let the app answer every error with a problem document. Example: `install(app)`."""
    app.add_exception_handler(DureError, _on_dure_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)


def respond(scope: Scope, error: DureError, headers: Mapping[str, str] | None = None) -> Response:
    """Answer the problem document of an error, in the language that the request asks for."""
    state = scope.get("state") or {}
    lang = str(state.get("lang") or pick(None))
    content = document(error, lang, request_id=state.get("request_id"))
    return JSONResponse(content, error.status, {**_headers(error), **(headers or {})}, MEDIA_TYPE)


def document(error: DureError, lang: str, *, request_id: str | None = None) -> dict[str, Any]:
    """Answer what a client reads of an error. Example: `document(NotFound("job", job_id), "ko")`."""
    problem: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": _title(error, lang),
        "status": error.status,
        "detail": error.text(lang),
        "code": error.code,
    }
    if request_id is not None:
        problem["request_id"] = request_id
    if isinstance(error, Unavailable):
        # Where the database is, and why it does not answer, is for the log.
        problem["detail"] = say("http.unavailable", lang)
    if upgrade_to := error.params.get("upgrade_to"):
        # For the program that is refused, not for its reader.
        problem["upgrade_to"] = upgrade_to
    if errors := list(_field_errors(error, lang)):
        problem["errors"] = errors[:ERRORS_MAX]
    return problem


def _field_errors(error: DureError, lang: str) -> Iterable[dict[str, str]]:
    if isinstance(error, Invalid):
        for part in (error, *error.others):
            yield {"field": part.field, "code": part.reason, "detail": part.field_texts(lang)[part.field]}
        return
    for field, text in error.field_texts(lang).items():
        yield {"field": field, "code": str(getattr(error, "reason", "") or error.code), "detail": text}


def _title(error: DureError, lang: str) -> str:
    key = f"http.titles.{error.code}"
    return say(key, lang) if knows(key) else HTTPStatus(error.status).phrase


def _headers(error: DureError) -> dict[str, str]:
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": 'Bearer realm="dure"'}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(max(1, round(float(str(error.params["retry_after_s"])))))}
    if isinstance(error, Unavailable):
        return {"Retry-After": str(RETRY_AFTER_UNAVAILABLE_S)}
    return {}


async def _on_dure_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DureError)
    return respond(request.scope, error)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return respond(request.scope, invalid(error.errors()))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = request.app.state.methods.of(request.url.path)
        return respond(request.scope, WrongMethod(), {"Allow": ", ".join(allowed)})
    return respond(
        request.scope, NoRoute() if error.status_code == 404 else Unreadable(field="body", reason="not_json")
    )


def invalid(details: Sequence[Mapping[str, Any]]) -> Invalid:
    """Say in our words what pydantic found. Example: `invalid(error.errors())`."""
    return Invalid.together([_invalid(detail) for detail in details[:ERRORS_MAX]])


def _invalid(detail: Mapping[str, Any]) -> Invalid:
    place, field = detail["loc"][0] if detail["loc"] else "body", _field(detail["loc"])
    context: Mapping[str, Any] = detail.get("ctx") or {}
    reason: str
    params: dict[str, Any]
    match str(detail["type"]):
        case "missing":
            reason, params = "missing", {}
        case "extra_forbidden":
            reason, params = "unknown_field", {}
        case "greater_than_equal":
            reason, params = "too_small", {"min": context["ge"]}
        case "less_than_equal":
            reason, params = "too_big", {"max": context["le"]}
        case "literal_error" | "enum":
            reason, params = "not_one_of", {"expected": context["expected"]}
        case "string_too_long":
            reason, params = "too_long", {"length": "…", "max": context["max_length"]}
        case "too_long":
            reason, params = "too_many", {"count": context.get("actual_length"), "max": context["max_length"]}
        case "string_too_short" | "too_short":
            reason, params = "too_small", {"min": context["min_length"]}
        case "timezone_aware" | "datetime_from_date_parsing" | "datetime_parsing" | "datetime_type":
            reason, params = "wrong_format", {"expected": "2030-01-01T09:00:00+09:00"}
        case kind:
            reason, params = "wrong_type", {"expected": _expected(kind)}
    return Invalid(field=field if place != "body" or field else "body", reason=reason, **params)


def _expected(kind: str) -> str:
    """Name what was expected, by the words of JSON."""
    word = kind.split("_")[0]
    return {
        "int": "integer",
        "float": "number",
        "bool": "boolean",
        "dict": "object",
        "model": "object",
        "list": "array",
        "tuple": "array",
        "mapping": "object",
    }.get(word, word)


def _field(location: Sequence[int | str]) -> str:
    """Write where in a request something is: `jobs[3].params`."""
    text = ""
    for step in location[1:]:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
