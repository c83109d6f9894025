"""What an exception means for its job, by class: no database, no waiting."""

import random
from typing import Any

import pytest

from dure.errors import Invalid, LeaseLost, RateLimited, Unavailable
from dure.queue.registry import HandlerImportError
from dure.queue.retry import RETRY_AFTER_MAX_S, Final, Retryable, ReturnedError, backoff_s, judge

pytestmark = pytest.mark.own_server

SOURCE = random.Random(7)


class Response:
    def __init__(self, status_code: int, headers: dict[str, Any]) -> None:
        self.status_code = status_code
        self.headers = headers


class HttpError(Exception):
    """As httpx, requests and most clients of an API shape theirs."""

    def __init__(self, status_code: int, **headers: Any) -> None:
        super().__init__(f"status {status_code}")
        self.response = Response(status_code, {name.replace("_", "-"): value for name, value in headers.items()})


def test_the_delays_double_up_to_a_minute_and_jitter_only_adds_a_tenth():
    for retry_count, plain_s in enumerate((1, 2, 4, 8, 16, 32, 60, 60)):
        drawn = [backoff_s(retry_count, SOURCE) for _ in range(200)]
        assert plain_s <= min(drawn)
        assert max(drawn) <= plain_s * 1.1
        assert max(drawn) - min(drawn) > plain_s * 0.05
    assert backoff_s(10_000, SOURCE) <= 66


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(), ConnectionResetError(), OSError("no route to host"), EOFError(), Exception("who knows"),
        HttpError(408), HttpError(425), HttpError(429), HttpError(500), HttpError(503), Unavailable(reason="away"),
        MemoryError(), Retryable(),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again(error: Exception):
    assert judge(error, 0, SOURCE).delay_s is not None


@pytest.mark.parametrize(
    "error",
    [
        ValueError(), KeyError("n"), TypeError(), AttributeError(), ImportError(), PermissionError(),
        FileNotFoundError(),
        NotImplementedError(), HttpError(400), HttpError(401), HttpError(403), HttpError(404), HttpError(422), Final(),
        ReturnedError("no"), HandlerImportError("no"), Invalid(field="n", reason="missing"), LeaseLost(id="x"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_itself_is_not(error: Exception):
    assert judge(error, 0, SOURCE).delay_s is None


@pytest.mark.parametrize(
    ("error", "delay_s"),
    [
        (Retryable("busy", after_s=30), 30),
        (Retryable("busy", after_s=-5), 0),
        (Retryable("busy", after_s=float("inf")), RETRY_AFTER_MAX_S),
        (HttpError(429, Retry_After="17"), 17),
        (HttpError(503, Retry_After="0"), 0),
        (HttpError(429, Retry_After=b"3"), 3),
        (HttpError(429, Retry_After="999999"), RETRY_AFTER_MAX_S),
        (HttpError(429, Retry_After="Wed, 01 Jan 2025 00:00:40 GMT", Date="Wed, 01 Jan 2025 00:00:10 GMT"), 30),
        (RateLimited(retry_after_s=2.5), 2.5),
    ],
)
def test_whoever_says_when_is_believed_within_an_hour(error: Exception, delay_s: float):
    assert judge(error, 5, SOURCE).delay_s == delay_s


@pytest.mark.parametrize("given", ["soon", "nan", "Wed, 01 Jan 2025 00:00:40 GMT", ["5"]])
def test_a_retry_after_that_says_nothing_is_no_reason_not_to_back_off(given: Any):
    assert 2 <= (judge(HttpError(429, Retry_After=given), 1, SOURCE).delay_s or 0) <= 2.2


def test_a_status_below_400_is_no_verdict():
    class Closed(Exception):
        code = 104

    assert judge(Closed(), 0, SOURCE).delay_s is not None


def test_what_an_error_says_is_made_fit_to_be_stored():
    verdict = judge(ValueError("a\x00b\udcff" + "x" * 10_000), 0, SOURCE)
    assert verdict.error_class == "ValueError"
    assert verdict.error.startswith("a\ufffdb?x")
    assert len(verdict.error) == 2_000
    assert judge(KeyError(), 0, SOURCE).error == "KeyError"


def test_an_error_that_resists_being_looked_at_is_judged_all_the_same():
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("no")

    assert judge(Broken(), 0, SOURCE).delay_s is not None
