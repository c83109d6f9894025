"""Reading a request's JSON strictly: what another parser might read differently is refused, with its place.

UTF-8, one value for a name, no NaN, nothing nested so deep that a parser gives up, no NUL that PostgreSQL
could not store. And only what says that it is JSON: a form sent by a foreign web page does not.
"""

import json
import math
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from dure.errors import Invalid
from dure.http.problems import Unreadable, WrongMediaType

DEPTH_MAX = 200
"""Of a whole body; how deep parameters may be is less, and checked with all else about them."""
DIGITS_MAX = 1_000

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """A route whose JSON body is read by `loads`, before anything else is made of it."""

    def get_route_handler(self) -> Handle:
        """Answer the handler that reads strictly and goes on as usual."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def strict(request: Request) -> Response:
            body = await request.body()
            if body:
                require_json(request.headers.get("content-type"))
                # FastAPI asks the request for its JSON and is given this.
                request._json = loads(body)
            return await handle(request)

        return strict


def loads(body: bytes) -> Any:
    """Read JSON strictly. Example: `loads(b'{"n": 1}') == {"n": 1}`."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Unreadable(field="body", reason="not_utf8") from None
    _require_flat(text)
    try:
        value = json.loads(
            text.removeprefix("\ufeff"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_number,
            parse_int=_integer,
        )
    except json.JSONDecodeError:
        raise Unreadable(field="body", reason="not_json") from None
    _require_texts(value)
    return value


def require_json(content_type: str | None) -> None:
    """Refuse what does not say that it is JSON. Example: `require_json("application/json")`."""
    message = Message()
    message["content-type"] = content_type or "text/plain"
    kind = message.get_content_type()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise WrongMediaType()


def _require_flat(text: str) -> None:
    """Refuse deep nesting before a recursive parser meets it.

    Brackets inside strings count too, if only there are many.
    """
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return
    depth, deepest, inside, escaped = 0, 0, False, False
    for letter in text:
        if inside:
            inside = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            inside = True
        elif letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
    if deepest > DEPTH_MAX:
        raise Invalid(field="body", reason="too_deep", depth=deepest, max=DEPTH_MAX)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Invalid(field=_printable(twice), reason="duplicate")
    return value


def _refuse_constant(_name: str) -> Any:
    raise Invalid(field="body", reason="not_finite")


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Invalid(field="body", reason="not_finite")
    return number


def _integer(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise Invalid(field="body", reason="too_long", length=len(digits), max=DIGITS_MAX)
    return int(digits)


def _require_texts(value: Any) -> None:
    """Refuse texts that PostgreSQL cannot store, naming where they are. Without recursion."""
    level: list[tuple[str, Any]] = [("", value)]
    while level:
        below: list[tuple[str, Any]] = []
        for path, item in level:
            if isinstance(item, str):
                _require_text(item, path)
            elif isinstance(item, dict):
                for name, child in item.items():
                    _require_text(name, path)
                    below.append((f"{path}.{name}" if path else name, child))
            elif isinstance(item, list):
                below += [(f"{path}[{at}]", child) for at, child in enumerate(item)]
        level = below


def _require_text(text: str, path: str) -> None:
    if "\x00" in text:
        raise Invalid(field=_printable(path) or "body", reason="nul_byte")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Invalid(field=_printable(path) or "body", reason="not_utf8")


def _printable(path: str) -> str:
    return path[:200].replace("\x00", "�").encode(errors="replace").decode()
