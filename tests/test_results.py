"""What a handler's return value means: no database."""

from typing import Any

import pytest
from pydantic import BaseModel

from dure.errors import Invalid
from dure.queue.results import RESULT_BYTES_MAX, RESULT_DEPTH_MAX, Done, to_json
from dure.queue.retry import ReturnedError

pytestmark = pytest.mark.own_server


class Outcome(BaseModel):
    success: bool
    sent: int = 0


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        (Done(), None),
        (Done("3 letters sent"), '"3 letters sent"'),
        (Done({"error": "is a result here"}), '{"error":"is a result here"}'),
        ({"sent": 3}, '{"sent":3}'),
        ({"error": None, "sent": 3}, '{"error":null,"sent":3}'),
        ([1, 2], "[1,2]"),
        (0, "0"),
        ({"name": "두레"}, '{"name":"두레"}'),
        (Outcome(success=True, sent=2), '{"success":true,"sent":2}'),
    ],
)
def test_what_is_stored(value: Any, stored: str | None):
    assert to_json(value) == stored


@pytest.mark.parametrize(
    "value",
    ["text", b"bytes", {"error": "no"}, {"error": {"code": 4}}, {"success": False}, {"ok": False},
     Outcome(success=False), ValueError("returned, not raised")],
)  # fmt: skip
def test_what_looks_like_an_error_that_was_swallowed(value: Any):
    with pytest.raises(ReturnedError):
        to_json(value)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "not_finite"),
        ({"n": float("inf")}, "not_finite"),
        ({"o": object()}, "not_json"),
        ({"n": "\x00"}, "nul_byte"),
        ({"n": "\udcff"}, "not_utf8"),
        (_nested(RESULT_DEPTH_MAX + 1), "too_deep"),
        (_nested(50_000), "too_deep"),
        (Done("x" * (RESULT_BYTES_MAX + 1)), "too_large"),
        (Done("두" * (RESULT_BYTES_MAX // 3 + 1)), "too_large"),
    ],
)
def test_what_cannot_be_stored(value: Any, reason: str):
    with pytest.raises(Invalid) as caught:
        to_json(value)
    assert (caught.value.field, caught.value.reason) == ("result", reason)


def test_the_limits_themselves_are_within():
    assert to_json(_nested(RESULT_DEPTH_MAX)) is not None
    assert len(to_json(Done("x" * (RESULT_BYTES_MAX - 2))) or "") == RESULT_BYTES_MAX
