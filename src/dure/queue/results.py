"""What a handler's return value means. It returns only when it is done: an error text is never a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from dure.errors import Invalid
from dure.queue.payload import depth_of, encode
from dure.queue.retry import ReturnedError

RESULT_BYTES_MAX = 1_048_576
RESULT_DEPTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Done:
    """Says that the job is done, with a result of any shape, a text included.

    Example: `return Done("3 letters sent")`.
    """

    result: Any = None


@dataclass(frozen=True, slots=True)
class WaitForChildren:
    """Returned by a handler that made children: its job waits until all have ended, then the handler runs again.

    Example: `return WaitForChildren()`; on the next run `ctx.children()` tells how they ended.
    """


def to_json(value: Any) -> str | None:
    """Answer the JSON of a result; raises `ReturnedError` for what looks like an error that was swallowed.

    Example: `to_json({"sent": 3})` is `{"sent":3}`.
    """
    if value is None:
        return None
    if isinstance(value, Done):
        return None if value.result is None else _encode(_plain(value.result))
    value = _plain(value)
    if isinstance(value, str | bytes):
        raise ReturnedError(
            f"the handler returned a text, which may be an error: return Done(…) if it is a result: {value[:200]!r}"
        )
    if isinstance(value, BaseException):
        raise ReturnedError(f"the handler returned an error instead of raising it: {_short(value)}")
    if isinstance(value, Mapping) and (value.get("error") or value.get("success") is False or value.get("ok") is False):
        raise ReturnedError(f"the handler returned an error instead of raising it: {_short(dict(value))}")
    return _encode(value)


def _encode(value: Any) -> str:
    if (depth := depth_of(value, RESULT_DEPTH_MAX)) > RESULT_DEPTH_MAX:
        raise Invalid(field="result", reason="too_deep", depth=depth, max=RESULT_DEPTH_MAX)
    text = encode(value, field="result")
    # Characters bound the bytes from both sides, so most results are never counted.
    if len(text) * 4 > RESULT_BYTES_MAX and (size := len(text.encode())) > RESULT_BYTES_MAX:
        raise Invalid(field="result", reason="too_large", size_bytes=size, max_bytes=RESULT_BYTES_MAX)
    return text


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _short(value: object) -> str:
    return repr(value)[:500]
