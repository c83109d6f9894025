"""Every error that a client meets: a stable code, HTTP status, exit code, and a sentence in two languages.

Codes and exit codes are promises, never translated; the sentences live in `dure.lang`. The database raises
the same errors with SQLSTATE `DU001` and a JSON detail, see `dure.raise_error` in the first migration and
`from_database`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import psycopg

from dure.lang import knows, say

SQLSTATE = "DU001"
"""What our SQL functions raise with, whatever the code."""

RENDERED_CHARS_MAX = 1000
"""A value that a client sent is shown in an error up to this length; the rest would only fill logs."""


class DureError(Exception):
    """The base of all errors that Dure raises on purpose.

    Example: `try: … except DureError as error: print(error.code, error.text("ko"))`.
    """

    code: ClassVar[str] = "error"
    """Stable, for programs; part of a problem document and of `--json` output."""
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", /, **params: object) -> None:
        self.message = message
        """What the sender said, for a key that the catalogue does not know."""
        self.params: dict[str, object] = {name: _short(value) for name, value in params.items()}
        self.fields: dict[str, str] = {}
        super().__init__(message)

    def __str__(self) -> str:
        return self.text("en")

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions with keyword-only arguments do not pickle by themselves, and a handler's child process
        # sends them.
        return _restore, (type(self), self.__dict__.copy())

    def text(self, lang: str | None = None) -> str:
        """Answer the sentence in `lang`, by default the language of this process."""
        return _sentence(f"errors.{self.code}", self.message, lang, self.params)

    def field_texts(self, lang: str | None = None) -> dict[str, str]:
        """Answer what is wrong with each named field, in `lang`; `fields` is the same in English."""
        return dict.fromkeys(self.fields, self.text(lang))

    def _name_field(self, field: str | None) -> None:
        if field:
            self.fields = {field: self.text("en")}


class Invalid(DureError):
    """Something that a caller sent cannot be accepted; `fields` says what and why.

    Example: `raise Invalid(field="payload", reason="too_large", size_bytes=300_000, max_bytes=262_144)`.
    """

    code = "invalid"
    status = 422
    exit_code = 2

    def __init__(self, message: str = "", /, *, field: str, reason: str, **params: object) -> None:
        super().__init__(message, **params)
        self.field = field
        self.reason = reason
        self.others: tuple[Invalid, ...] = ()
        self.fields = {field: self._reason("en")}

    @classmethod
    def together(cls, errors: Sequence["Invalid"]) -> "Invalid":
        """Join what is wrong with several fields into one error, which tells all of them.

        Example: `raise Invalid.together([Invalid(field=name, reason="missing") for name in missing])`.
        """
        first, *others = errors
        joined = cls(first.message, field=first.field, reason=first.reason, **first.params)
        joined.others = tuple(others)
        joined.fields = {error.field: error._reason("en") for error in reversed(errors)}
        return joined

    def text(self, lang: str | None = None) -> str:
        """Answer one sentence for each field, in `lang`."""
        sentences = (
            say("errors.invalid", lang, field=error.field, reason=error._reason(lang)) for error in (self, *self.others)
        )
        return " ".join(sentences)

    def field_texts(self, lang: str | None = None) -> dict[str, str]:
        """Answer what is wrong with each field, in `lang`."""
        return {error.field: error._reason(lang) for error in reversed((self, *self.others))}

    def _reason(self, lang: str | None) -> str:
        return _reason(self.reason, self.message, lang, self.params)


class UnknownHandler(DureError):
    """No handler has this name, here or in the database.

    Example: `raise UnknownHandler("dure.demo.ecko")`.
    """

    code = "unknown_handler"
    status = 422
    exit_code = 2

    def __init__(self, handler: str, *, field: str | None = "handler") -> None:
        super().__init__(handler=handler)
        self._name_field(field)


class NotFound(DureError):
    """There is nothing with this id, or not for this tenant: the two are never told apart.

    Example: `raise NotFound("job", job_id)`.
    """

    code = "not_found"
    status = 404
    exit_code = 7

    def __init__(self, what: str, id: object) -> None:
        super().__init__(what=what, id=id)

    def text(self, lang: str | None = None) -> str:
        """Answer the sentence, with the noun in `lang` too."""
        what = str(self.params["what"])
        noun = say(f"nouns.{what}", lang) if knows(f"nouns.{what}") else what
        return say("errors.not_found", lang, what=noun, id=self.params["id"])


class Conflict(DureError):
    """The thing is not in the state that the request needs, or somebody else was faster.

    `reason` is a key of the catalogue, in `[reasons]`.
    Example: `raise Conflict("wrong_state", state="completed", wanted="failed")`.
    """

    code = "conflict"
    status = 409
    exit_code = 6

    def __init__(self, reason: str, message: str = "", /, *, field: str | None = None, **params: object) -> None:
        super().__init__(message, **params)
        self.reason = reason
        self._name_field(field)

    def text(self, lang: str | None = None) -> str:
        """Answer the reason as a sentence in `lang`."""
        return _reason(self.reason, self.message, lang, self.params)


class UniqueKeyMismatch(DureError):
    """The unique key belongs to a job with other parameters: answering with that job would hide a mistake.

    Example: `raise UniqueKeyMismatch(unique_key="day-42", id=job_id)`.
    """

    code = "unique_key_mismatch"
    status = 409
    exit_code = 6

    def __init__(self, *, unique_key: str, id: object, field: str | None = "unique_key") -> None:
        super().__init__(unique_key=unique_key, id=id)
        self._name_field(field)


class DependencyCycle(DureError):
    """The jobs would wait for each other forever.

    Example: `raise DependencyCycle(id=job_id)`.
    """

    code = "dependency_cycle"
    status = 422
    exit_code = 2

    def __init__(self, *, id: object, field: str | None = "depends_on") -> None:
        super().__init__(id=id)
        self._name_field(field)


class LeaseLost(DureError):
    """The lease ran out or was taken back, so the caller's outcome was not recorded.

    Example: `raise LeaseLost(id=job_id)`.
    """

    code = "lease_lost"
    status = 409
    exit_code = 6

    def __init__(self, *, id: object) -> None:
        super().__init__(id=id)


class Refused(DureError):
    """Allowed for nobody here (a guard, a policy), or not for this key.

    `reason` is a key of the catalogue, in `[reasons]`, or a sentence.
    Example: `raise Refused("scope_missing", scope="operator")`.
    """

    code = "refused"
    status = 403
    exit_code = 4

    def __init__(self, reason: str, message: str = "", /, *, field: str | None = None, **params: object) -> None:
        super().__init__(message, **params)
        self.reason = reason
        self._name_field(field)

    def text(self, lang: str | None = None) -> str:
        """Answer the refusal with its reason, in `lang`."""
        return say("errors.refused", lang, reason=_reason(self.reason, self.message, lang, self.params))


class ApprovalNeeded(Refused):
    """Nobody has approved the plan, or the request, yet who may.

    Example: `raise ApprovalNeeded(id=run_id)`.
    """

    code = "approval_needed"
    exit_code = 5

    def __init__(self, *, id: object, reason: str = "approval_needed") -> None:
        super().__init__(reason, id=id)


class Unauthorized(DureError):
    """No key, or one that is unknown, expired or revoked: which of them is not said.

    Example: `raise Unauthorized`.
    """

    code = "unauthorized"
    status = 401
    exit_code = 4


class RateLimited(DureError):
    """Too much at once; `retry_after_s` says when to come again.

    Example: `raise RateLimited(retry_after_s=1.5)`.
    """

    code = "rate_limited"
    status = 429

    def __init__(self, *, retry_after_s: float) -> None:
        super().__init__(retry_after_s=retry_after_s)


class Unavailable(DureError):
    """The database cannot be reached now; nothing was changed, or it is not known whether it was.

    Example: `raise Unavailable(reason="connection refused")`.
    """

    code = "database_unavailable"
    status = 503

    def __init__(self, *, reason: str) -> None:
        # One line: libpq lists every address that it tried.
        super().__init__(reason=" ".join(reason.split()))


class TimedOut(DureError):
    """What was waited for did not happen in time; it may happen later.

    Example: `raise TimedOut(what="job", after_s=30)`.
    """

    code = "timed_out"
    status = 504
    exit_code = 8

    def __init__(self, *, what: str, after_s: float) -> None:
        super().__init__(what=what, after_s=after_s)


class EmbeddedError(DureError):
    """The embedded server cannot be had; the message says why and what to do.

    Example: `raise EmbeddedError("no space left on /var/lib")`.
    """

    code = "embedded_server"
    status = 503

    def __init__(self, message: str) -> None:
        super().__init__(message, reason=message)


def from_database(error: psycopg.Error) -> DureError | None:
    """Answer the error that our SQL raised, or None for any other error of the database.

    Example: `except psycopg.Error as error: raise (from_database(error) or error) from error`.
    """
    if error.sqlstate != SQLSTATE:
        return None
    return from_detail(error.diag.message_detail or "", error.diag.message_primary or "")


def from_detail(detail: str, message: str) -> DureError:
    """Answer the error of a detail as `dure.raise_error` writes it; for drivers other than psycopg.

    Example: `from_detail('{"code": "lease_lost", "params": {"id": 7}}', "lease lost")`.
    """
    try:
        known = json.loads(detail)
        code, field, params = str(known["code"]), known.get("field"), known.get("params") or {}
        return _choose(code, str(field or ""), message, {str(name): value for name, value in params.items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return Invalid(message, field="sql", reason="database", message=message)


def _choose(code: str, field: str, message: str, params: dict[str, object]) -> DureError:
    """Choose the class; a code that is no class of ours is the reason of an `Invalid`."""
    where = field or None
    match code:
        case "not_found":
            return NotFound(str(params.get("what", "")), params.get("id", ""))
        case "unknown_handler":
            return UnknownHandler(str(params.get("handler", "")), field=where)
        case "unique_key_mismatch":
            return UniqueKeyMismatch(unique_key=str(params.get("unique_key", "")), id=params.get("id", ""), field=where)
        case "dependency_cycle":
            return DependencyCycle(id=params.get("id", ""), field=where)
        case "lease_lost":
            return LeaseLost(id=params.get("id", ""))
        case "conflict" | "refused":
            kind = Conflict if code == "conflict" else Refused
            return kind(str(params.pop("reason", "")), message, field=where, **params)
        case "unauthorized":
            return Unauthorized()
        case "rate_limited":
            return RateLimited(retry_after_s=float(str(params.get("retry_after_s", 1))))
        case _:
            reason = str(params.pop("reason", code))
            params.pop("field", None)
            if code != "invalid":
                reason = code
            return Invalid(message, field=field, reason=reason, **params)


def _restore(kind: type[DureError], state: Mapping[str, object]) -> DureError:
    error = kind.__new__(kind, state["message"])
    error.__dict__.update(state)
    return error


def _sentence(key: str, message: str, lang: str | None, params: Mapping[str, object]) -> str:
    """Say it in `lang`; a sender's own words serve where the catalogue cannot."""
    try:
        return say(key, lang, **params)
    except KeyError:
        return message or key


def _reason(reason: str, message: str, lang: str | None, params: Mapping[str, object]) -> str:
    return _sentence(f"reasons.{reason}", message or reason, lang, params)


def _short(value: object) -> object:
    if isinstance(value, str) and len(value) > RENDERED_CHARS_MAX:
        return value[:RENDERED_CHARS_MAX] + "…"
    return value
