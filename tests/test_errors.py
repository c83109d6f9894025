import json
import pickle

import psycopg
import pytest

from dure import errors
from dure.db.pool import Database

pytestmark = pytest.mark.own_server

SAMPLES = [
    errors.DureError(),
    errors.Invalid(field="payload", reason="too_large", size_bytes=300_000, max_bytes=262_144),
    errors.UnknownHandler("dure.demo.ecko"),
    errors.NotFound("job", 7),
    errors.Conflict("wrong_state", state="completed", wanted="failed"),
    errors.UniqueKeyMismatch(unique_key="day-42", id=7),
    errors.DependencyCycle(id=7),
    errors.LeaseLost(id=7),
    errors.Refused("scope_missing", scope="operator"),
    errors.Unauthorized(),
    errors.RateLimited(retry_after_s=1.5),
    errors.Unavailable(reason="connection refused"),
    errors.TimedOut(what="job", after_s=30),
    errors.EmbeddedError("no space left"),
]
PROMISED = {
    "error": (500, 1),
    "invalid": (422, 2),
    "unknown_handler": (422, 2),
    "not_found": (404, 7),
    "conflict": (409, 6),
    "unique_key_mismatch": (409, 6),
    "dependency_cycle": (422, 2),
    "lease_lost": (409, 6),
    "refused": (403, 4),
    "unauthorized": (401, 4),
    "rate_limited": (429, 1),
    "database_unavailable": (503, 1),
    "timed_out": (504, 8),
    "embedded_server": (503, 1),
}


def test_codes_are_promises():
    assert {error.code: (error.status, error.exit_code) for error in SAMPLES} == PROMISED


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: error.code)
def test_speaks_both_languages_and_survives_a_process_boundary(error):
    assert str(error) == error.text("en") != error.text("ko")
    assert "{" not in error.text("en") + error.text("ko")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.fields, copy.params) == (
        type(error),
        str(error),
        error.fields,
        error.params,
    )


def test_what_it_says():
    assert str(SAMPLES[1]) == "payload: This is 300000 bytes; at most 262144 are allowed."
    assert errors.NotFound("job", 7).text("ko") == "7에 해당하는 작업 항목이 없습니다."
    assert str(errors.Refused("No rollback of a rollback on Sundays.")).endswith("on Sundays.")


def test_several_fields_at_once():
    both = errors.Invalid.together(
        [errors.Invalid(field="a", reason="missing"), errors.Invalid(field="b", reason="nul_byte")]
    )
    assert set(both.fields) == {"a", "b"}
    assert set(both.field_texts("ko")) == {"a", "b"}
    assert "a: " in str(both)
    assert "b: " in str(both)


def test_a_long_value_is_cut():
    assert len(str(errors.UnknownHandler("x" * 1_000_000))) < 2_000


RAISED = [
    ("too_large", "payload", {"size_bytes": 3, "max_bytes": 2}, errors.Invalid, {"payload"}),
    ("invalid", "payload", {"reason": "too_deep", "depth": 40, "max": 32}, errors.Invalid, {"payload"}),
    ("unheard_of", "payload", {"reason": "x", "field": "y"}, errors.Invalid, {"payload"}),
    ("not_found", None, {"what": "job", "id": "7"}, errors.NotFound, set()),
    ("unknown_handler", "intent_key", {"handler": "x.y"}, errors.UnknownHandler, {"intent_key"}),
    (
        "unique_key_mismatch",
        "unique_key",
        {"unique_key": "k", "id": 1},
        errors.UniqueKeyMismatch,
        {"unique_key"},
    ),
    ("dependency_cycle", "depends_on", {"id": 1}, errors.DependencyCycle, {"depends_on"}),
    ("lease_lost", None, {"id": 1}, errors.LeaseLost, set()),
    ("conflict", "state", {"reason": "wrong_state", "state": "a", "wanted": "b"}, errors.Conflict, {"state"}),
    ("refused", None, {"reason": "not_allowed"}, errors.Refused, set()),
    ("unauthorized", None, None, errors.Unauthorized, set()),
    ("rate_limited", None, {"retry_after_s": 2}, errors.RateLimited, set()),
]


async def test_the_database_raises_the_same_errors(database: Database):
    for code, field, params, kind, fields in RAISED:
        with pytest.raises(errors.DureError) as caught:
            async with database.system_tx() as tx:
                await tx.execute(
                    "select dure.raise_error(%s, %s, 'said by SQL', %s)",
                    [code, field, None if params is None else json.dumps(params)],
                )
        assert type(caught.value) is kind
        assert set(caught.value.fields) == fields
        assert caught.value.text("ko")


async def test_an_unknown_code_keeps_the_message_of_the_database(database: Database):
    with pytest.raises(errors.Invalid, match="payload: said by SQL"):
        async with database.system_tx() as tx:
            await tx.execute("select dure.raise_error('unheard_of', 'payload', 'said by SQL')")


async def test_other_errors_of_the_database_stay_themselves(database: Database):
    with pytest.raises(psycopg.errors.DivisionByZero) as caught:
        async with database.system_tx() as tx:
            await tx.execute("select 1 / 0")
    assert errors.from_database(caught.value) is None


async def test_a_detail_that_is_not_ours_is_still_told(database: Database):
    with pytest.raises(errors.Invalid, match="odd"):
        async with database.system_tx() as tx:
            await tx.execute("do $$ begin raise exception 'odd' using errcode = 'DU001', detail = '[1]'; end $$")


@pytest.mark.parametrize(
    "detail", ["", "{", "[]", "7", "null", '"x"', '{"field": "x"}', '{"code": "x", "params": [1]}']
)
def test_any_detail_gives_an_error(detail):
    assert "said" in str(errors.from_detail(detail, "said"))
