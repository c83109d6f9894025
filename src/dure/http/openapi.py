"""The document at `/openapi.json`, every error included: a client can be made or tested from it."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from dure.apps.ecosystem.a2a.cards import A2A_TYPE
from dure.http.problems import MEDIA_TYPE
from dure.http.schemas import FieldError, Problem

DESCRIPTION = (
    "Reversible batch jobs on PostgreSQL. Lists are `{items, next_cursor}`; every error is a problem document"
    " with a stable `code`; sentences come in English or Korean, by `Accept-Language`; times are ISO 8601."
)
REFERENCE = {"$ref": "#/components/schemas/Problem"}
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answer the documentation of errors, for a route's `responses`.

    Example: `responses=problems(404, 409)`.
    """
    answers: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        answers[status] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": REFERENCE}},
        }
        if status in (429, 503):
            answers[status]["headers"] = RETRY_AFTER
    return answers


def document_of(app: FastAPI) -> dict[str, Any]:
    """Answer our document of an app's routes, in place of FastAPI's own. Example: `document_of(app)["paths"]`."""
    made = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes
    )
    return _complete(made)


def _complete(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the schemas that only errors name, and mark every 503 of readiness as the problem that it is."""
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    template = "#/components/schemas/{model}"
    problem = Problem.model_json_schema(ref_template=template)
    problem.pop("$defs", None)
    components["Problem"] = problem
    components["FieldError"] = FieldError.model_json_schema(ref_template=template)
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    for operation in (operation for methods in schema["paths"].values() for operation in methods.values()):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            # FastAPI adds this by itself; a route that means it says so in our words.
            del operation["responses"]["422"]
        for status, answer in operation["responses"].items():
            content = answer.get("content", {})
            # FastAPI puts a route's own media type beside the problem's: an error is never that.
            if int(status) >= 400 and content and A2A_TYPE not in content:
                kept = content.get(MEDIA_TYPE) or content.get("application/json")
                answer["content"] = {MEDIA_TYPE: kept}
    return schema


class Methods:
    """Which methods an address knows, for the `Allow` header of a 405."""

    def __init__(self, paths: Mapping[str, Mapping[str, Any]]) -> None:
        self._known = [
            (
                re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path))),
                sorted(method.upper() for method in methods),
            )
            for path, methods in paths.items()
        ]

    def of(self, path: str) -> list[str]:
        """Answer the methods.

        Example: `Methods(app.openapi()["paths"]).of("/v1/jobs") == ["GET", "POST"]`.
        """
        found = next((methods for pattern, methods in self._known if pattern.fullmatch(path)), [])
        return found or ["GET"]
