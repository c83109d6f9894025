"""From what happens to a run to the message that arrives: one job for each target, and no secret on the way."""

from datetime import UTC, datetime

import psycopg
import pytest
import structlog

from dure.errors import Invalid
from dure.notices.handlers import HANDLER, announce, deliver
from dure.notices.model import REASON_CHARS_MAX, Notice
from dure.notices.words import render
from dure.settings import load
from queueing import TENANT, ended, known, rows, running, story, until
from receivers import OTHER_SECRET, SECRET, Answer, receiver, verify

RUN = "0198c0de-0000-7000-8000-000000000001"
HAPPENED_AT = datetime(2030, 1, 1, 9, tzinfo=UTC)


@pytest.fixture
def told(monkeypatch):
    """Sets the targets, as the environment of both who asks and the worker."""

    def tell(targets: str, **given: str) -> None:
        values = {"targets": targets, "secrets": SECRET, "allow": "127.0.0.0/8", **given}
        for name, value in values.items():
            monkeypatch.setenv(f"DURE_NOTICE_{name.upper()}", value)

    return tell


def notice(event="waiting", **given):
    facts = {"run_id": RUN, "tenant_id": TENANT, "operation": "students.archive", "counts": {"delete": 12, "keep": 3}}
    return Notice(event=event, happened_at=HAPPENED_AT, **{**facts, **given})


async def tell(database, *notices):
    async with database.tenant_tx(TENANT) as tx:
        return [await announce(tx, TENANT, one, load()) for one in notices]


async def asked_for(database):
    return [row[0] for row in await rows(database, "select id::text from dure.job order by id")]


async def test_a_run_that_waits_is_told_to_every_target(database, told, monkeypatch):
    monkeypatch.setenv("DURE_PUBLIC_URL", "https://dure.example.com/")
    with receiver() as first, receiver() as second:
        told(f"ops={first.url('/a')}, audit={second.url('/b?x=1,2')}")
        async with running(database, [deliver]):
            assert await tell(database, notice()) == [2]
            jobs = [await ended(database, job_id) for job_id in await asked_for(database)]
    assert {(one.state, str(one.result)) for one in jobs} == {
        ("completed", "{'target': 'ops'}"), ("completed", "{'target': 'audit'}"),
    }  # fmt: skip
    [heard] = first.heard
    assert verify(heard, SECRET)
    assert heard.headers["webhook-id"] in {one.id for one in jobs}
    assert heard.json["type"] == "run.waiting"
    assert datetime.fromisoformat(heard.json["timestamp"]) == HAPPENED_AT
    assert heard.json["data"] == {
        "event": "waiting", "run_id": RUN, "tenant_id": TENANT, "operation": "students.archive",
        "counts": {"delete": 12, "keep": 3}, "reason": "", "rollback_of": None,
        "url": f"https://dure.example.com/v1/runs/{RUN}",
    }  # fmt: skip
    assert second.heard[0].path == "/b?x=1,2"


async def test_the_same_is_asked_for_once_and_news_again(database, told):
    told("ops=https://hooks.example/")
    await known(database, [deliver])
    await tell(database, notice(), notice(), notice("failed", reason="a"), notice("failed", reason="a"))
    await tell(database, notice(), notice("failed", reason="b"))
    assert len(await asked_for(database)) == 3


async def test_the_engine_may_ask_for_a_tenant(database, told):
    told("ops=https://hooks.example/")
    await known(database, [deliver])
    async with database.system_tx() as tx:
        assert await announce(tx, TENANT, notice(), load()) == 1
    assert await rows(database, "select tenant_id, handler from dure.job") == [(TENANT, HANDLER)]


async def test_what_nobody_wants_to_hear_is_not_asked_for(database, told, monkeypatch):
    told("ops=https://hooks.example/", events="failed")
    await known(database, [deliver])
    assert await tell(database, notice("waiting"), notice("failed")) == [0, 1]
    monkeypatch.delenv("DURE_NOTICE_TARGETS")
    assert await tell(database, notice("failed", reason="again")) == [0]


async def test_a_run_that_is_not_committed_is_not_told(database, told):
    told("ops=https://hooks.example/")
    await known(database, [deliver])

    async def break_off() -> None:
        async with database.tenant_tx(TENANT) as tx:
            await announce(tx, TENANT, notice(), load())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()
    assert await asked_for(database) == []


async def test_a_notice_that_cannot_be_asked_for_does_not_hurt_the_run(database, told):
    told("ops=https://hooks.example/")
    await rows(database, "delete from dure.handler where handler = 'dure.notice'")
    async with database.tenant_tx(TENANT) as tx:
        assert await announce(tx, TENANT, notice(), load()) == 0
        assert (await (await tx.execute("select 1")).fetchone()) == (1,)


async def test_every_attempt_has_the_same_id(database, told):
    with receiver(Answer(503, {"Retry-After": "0"}), Answer(429, {"Retry-After": "0"}), Answer(204)) as here:
        told(f"ops={here.url()}")
        async with running(database, [deliver]):
            await tell(database, notice())
            [job_id] = await asked_for(database)
            assert (await ended(database, job_id)).state == "completed"
    assert [one.headers["webhook-id"] for one in here.heard] == [job_id] * 3
    assert all(verify(one, SECRET) for one in here.heard)


async def test_a_receiver_says_when_to_come_again(database, told):
    with receiver(Answer(503, {"Retry-After": "120"})) as here:
        told(f"ops={here.url()}")
        async with running(database, [deliver]):
            await tell(database, notice())
            [job_id] = await asked_for(database)
            assert await until(lambda: story(database, job_id)) == [(1, "retried", "NotDelivered")]
            waits = "select extract(epoch from run_at - dure.now())::float8 from dure.job where id = %s"
            [(wait_s,)] = await rows(database, waits, [job_id])
    assert 100 < wait_s <= 120


@pytest.mark.parametrize(("status", "says"), [(410, "wants no more"), (404, "404"), (302, "redirect")])
async def test_who_will_not_have_it_is_not_asked_twice(database, told, status, says):
    with receiver(Answer(status)) as here:
        told(f"ops={here.url()}")
        async with running(database, [deliver]):
            await tell(database, notice())
            [job_id] = await asked_for(database)
            failed = await ended(database, job_id)
    assert (failed.state, len(here.heard)) == ("failed", 1)
    assert says in failed.error


async def test_an_internal_receiver_that_is_not_allowed_hears_nothing(database, told):
    with receiver() as here:
        told(f"ops={here.url()}", allow="10.0.0.0/8")
        async with running(database, [deliver]):
            await tell(database, notice())
            [job_id] = await asked_for(database)
            assert "DURE_NOTICE_ALLOW" in (await ended(database, job_id)).error
    assert here.heard == []


async def test_a_target_that_was_removed_meanwhile_is_said_to_be_gone(database, told):
    told("ops=https://hooks.example/")
    await known(database, [deliver])
    await tell(database, notice())
    told("audit=https://hooks.example/")
    async with running(database, [deliver]):
        [job_id] = await asked_for(database)
        failed = await ended(database, job_id)
    assert failed.state == "failed"
    assert "no target named 'ops'" in failed.error


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_no_secret_is_in_a_row_a_log_or_a_repr(database, told, url):
    secrets = ("hunter2", SECRET.removeprefix("whsec_"), OTHER_SECRET.removeprefix("whsec_"))
    with receiver(Answer(500, {"Retry-After": "0"}), Answer(410)) as here, structlog.testing.capture_logs() as logged:
        told(
            f"ops={here.url('/hunter2')},chat=json://127.0.0.1:1/hunter2?x=hunter2,bad=slack://hunter2",
            secrets=f"{SECRET} {OTHER_SECRET}",
        )
        async with running(database, [deliver]):
            await tell(database, notice())
            for job_id in await asked_for(database):
                await until(lambda job_id=job_id: story(database, job_id))
    assert here.heard[0].path == "/hunter2"
    said = [repr(load()), str(load().model_dump()), load().model_dump_json(), repr(logged)]
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'dure'::regnamespace"
        )
        for (table,) in tables.fetchall():
            said.append(str(connection.execute(f'select t::text from dure."{table}" t').fetchall()))
    assert HANDLER in "".join(said)
    assert [secret for secret in secrets if secret in "".join(said)] == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DURE_NOTICE_TARGETS", "https://hunter2.example/", "ops=https://"),
        ("DURE_NOTICE_TARGETS", "ops=hunter2", "ops=https://"),
        ("DURE_NOTICE_TARGETS", "Ops Team=https://hunter2.example/", "ops=https://"),
        ("DURE_NOTICE_TARGETS", "a=slack://hunter2/b,a=slack://hunter2/c", "more than once"),
        ("DURE_NOTICE_TARGETS", ",".join(f"t{n}=slack://hunter2/{n}" for n in range(21)), "21"),
        ("DURE_NOTICE_SECRETS", "hunter2", "whsec_"),
        ("DURE_NOTICE_SECRETS", "whsec_aHVudGVyMg==", "whsec_"),
        ("DURE_NOTICE_EVENTS", "waiting,dancing", "'waiting'"),
        ("DURE_NOTICE_ALLOW", "10.1.0.0/33", "10.1.0.0/16"),
        ("DURE_NOTICE_ALLOW", "10.1", "10.1.0.0/16"),
        ("DURE_PUBLIC_URL", "dure.example.com", "https://dure.example.com"),
    ],
)
def test_what_is_set_wrongly_stops_the_start_and_is_not_shown(name, value, told, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(Invalid) as caught:
        load()
    assert list(caught.value.fields) == [name]
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(caught.value)


def test_a_webhook_without_a_secret_stops_the_start(monkeypatch):
    monkeypatch.setenv("DURE_NOTICE_TARGETS", "ops=https://hooks.example/")
    with pytest.raises(Invalid) as caught:
        load()
    assert list(caught.value.fields) == ["DURE_NOTICE_SECRETS"]
    monkeypatch.setenv("DURE_NOTICE_TARGETS", "ops=mailto://me:hunter2@example.com")
    assert len(load().notice_targets) == 1


def test_words_in_both_languages():
    waiting = render(notice(rollback_of="0198-6"), "en", "https://dure.example.com")
    assert waiting.title == "students.archive waits for approval"
    assert waiting.body.splitlines()[1:] == [
        f"Run {RUN} of tenant {TENANT}",
        "It undoes run 0198-6",
        "Changes: delete 12, keep 3",
        f"To decide: dure runs show {RUN}, then dure runs approve {RUN} or dure runs reject {RUN}",
        f"https://dure.example.com/v1/runs/{RUN}",
    ]
    failed = render(notice("failed", reason="저장소가 응답하지 않습니다", counts={"삭제됨": 1}), "ko", None)
    assert failed.title == "students.archive: 실패했습니다"
    assert "이유: 저장소가 응답하지 않습니다" in failed.body
    assert "변경: 삭제됨 1" in failed.body
    assert failed.tone == "failure"


def test_a_reason_is_short_masked_and_calls_nobody():
    told = notice("failed", reason="a\nb\x00 guardian@example.com @everyone <!channel> " + "x" * 10_000)
    assert len(told.reason) == REASON_CHARS_MAX
    assert told.reason.startswith("a b *** @everyone")
    body = render(told, "en", None).body
    assert "@everyone" not in body
    assert "<!channel>" not in body
