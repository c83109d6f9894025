"""What goes wrong in A2A, with the code of each binding; the sentences live in `dure.lang`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from dure.errors import Conflict, DureError, Invalid, NotFound, RateLimited, Refused, Unavailable, UnknownHandler
from dure.lang import say

Reason = Literal[
    "TASK_NOT_FOUND",
    "TASK_NOT_CANCELABLE",
    "PUSH_NOTIFICATION_NOT_SUPPORTED",
    "UNSUPPORTED_OPERATION",
    "CONTENT_TYPE_NOT_SUPPORTED",
    "VERSION_NOT_SUPPORTED",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "JSON_PARSE",
    "FORBIDDEN",
    "UNAVAILABLE",
    "INTERNAL_ERROR",
]
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
DOMAIN = "a2a-protocol.org"


@dataclass(frozen=True, slots=True)
class Spelling:
    """How an error is written: by its number in JSON-RPC, by a status and a word over plain HTTP."""

    rpc_code: int
    http_status: int
    word: str


SPELLINGS: Mapping[Reason, Spelling] = {
    "TASK_NOT_FOUND": Spelling(-32001, 404, "NOT_FOUND"),
    "TASK_NOT_CANCELABLE": Spelling(-32002, 400, "FAILED_PRECONDITION"),
    "PUSH_NOTIFICATION_NOT_SUPPORTED": Spelling(-32003, 400, "FAILED_PRECONDITION"),
    "UNSUPPORTED_OPERATION": Spelling(-32004, 400, "FAILED_PRECONDITION"),
    "CONTENT_TYPE_NOT_SUPPORTED": Spelling(-32005, 400, "INVALID_ARGUMENT"),
    "VERSION_NOT_SUPPORTED": Spelling(-32009, 400, "FAILED_PRECONDITION"),
    "INVALID_PARAMS": Spelling(-32602, 400, "INVALID_ARGUMENT"),
    "INVALID_REQUEST": Spelling(-32600, 400, "INVALID_ARGUMENT"),
    "METHOD_NOT_FOUND": Spelling(-32601, 404, "NOT_FOUND"),
    "JSON_PARSE": Spelling(-32700, 400, "INVALID_ARGUMENT"),
    "FORBIDDEN": Spelling(-32099, 403, "PERMISSION_DENIED"),
    "UNAVAILABLE": Spelling(-32098, 503, "UNAVAILABLE"),
    "INTERNAL_ERROR": Spelling(-32603, 500, "INTERNAL"),
}


class A2aError(DureError):
    """An error that A2A has a name for.

    Example: `raise A2aError("TASK_NOT_FOUND", id=task_id)`.
    """

    code: ClassVar[str] = "protocol"
    status = 400

    def __init__(self, reason: Reason, /, *, violations: Sequence[tuple[str, str]] = (), **params: object) -> None:
        super().__init__("", **params)
        self.reason: Reason = reason
        self.violations = tuple(violations)
        """Fields of the request, and what is wrong with each."""

    @property
    def spelling(self) -> Spelling:
        """How the bindings write it."""
        return SPELLINGS[self.reason]

    def text(self, lang: str | None = None) -> str:
        """Answer the sentence in `lang`."""
        text = say(f"a2a.errors.{self.reason.lower()}", lang, **{"id": "", "given": "", "reason": "", **self.params})
        return text if not self.violations else f"{text} {self._violated()}"

    def details(self) -> list[dict[str, Any]]:
        """Answer the typed details that both bindings carry."""
        found: list[dict[str, Any]] = [
            {"@type": ERROR_INFO, "reason": self.reason, "domain": DOMAIN, "metadata": self._metadata()}
        ]
        if self.violations:
            fields = [{"field": field, "description": text} for field, text in self.violations]
            found.append({"@type": BAD_REQUEST, "fieldViolations": fields})
        return found

    def over_http(self, lang: str | None = None) -> dict[str, Any]:
        """Answer the body of an answer over plain HTTP."""
        how = self.spelling
        error = {"code": how.http_status, "status": how.word, "message": self.text(lang), "details": self.details()}
        return {"error": error}

    def over_rpc(self, request_id: object, lang: str | None = None) -> dict[str, Any]:
        """Answer the JSON-RPC answer to the request with this id."""
        error = {"code": self.spelling.rpc_code, "message": self.text(lang), "data": self.details()}
        return {"jsonrpc": "2.0", "id": request_id, "error": error}

    def _violated(self) -> str:
        return " ".join(f"{field}: {text}" for field, text in self.violations)

    def _metadata(self) -> dict[str, str]:
        return {"taskId": str(self.params["id"])} if self.params.get("id") else {}


def a2a_error(error: DureError, lang: str | None = None) -> A2aError:
    """Say an error of Dure in A2A's words.

    Example: `a2a_error(NotFound("task", task_id)).reason == "TASK_NOT_FOUND"`.
    """
    match error:
        case A2aError():
            return error
        case NotFound():
            return A2aError("TASK_NOT_FOUND", id=error.params["id"])
        case Invalid() | UnknownHandler():
            return A2aError("INVALID_PARAMS", violations=list(error.field_texts(lang).items()))
        case Refused():
            return A2aError("FORBIDDEN", reason=error.text(lang))
        case Unavailable() | RateLimited():
            # Where the database is, and why it does not answer, is for the log.
            return A2aError("UNAVAILABLE")
        case Conflict():
            return A2aError("UNSUPPORTED_OPERATION", reason=error.text(lang))
        case _ if error.status < 500:
            return A2aError(
                "INVALID_PARAMS", violations=list(error.field_texts(lang).items()) or [("", error.text(lang))]
            )
        case _:
            return A2aError("INTERNAL_ERROR")
