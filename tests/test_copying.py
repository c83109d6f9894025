"""COPY, the fastest way in: as checked and as ordered as every other."""

import pytest

from dure import Context, NewJob, Rate, Registry, handler
from dure.errors import DureError, Invalid, Refused, UnknownHandler
from dure.queue.client import Client
from dure.queue.declaring import declare
from dure.queue.worker import Worker
from dure.settings import Settings
from waiting import until


@handler("copy.plain")
async def plain(params: dict, ctx: Context) -> None: ...


@handler("copy.limited", rate=Rate(1, per_s=60))
async def limited(params: dict) -> None: ...


@pytest.fixture
async def client(database, url):
    await declare(database, Registry([plain, limited]))
    return Client(database, Settings(database_url=url, payload_bytes_max=200, payload_depth_max=5))


async def rows(database, statement):
    async with database.owner_tx() as tx:
        return await (await tx.execute(statement)).fetchall()


async def test_copied_jobs_are_jobs_like_any_other(database, url, client):
    texts = ["", "a\tb\nc", "back\\slash", "\\N", "한글", 'quote"d', "\u2028"]
    ids = await client.copy("acme", "copy.plain", [{"text": text} for text in texts], priority=7)
    stored = await rows(
        database, "select id::text, params ->> 'text', priority, tenant_id, state from dure.job order by id"
    )
    assert stored == [(job_id, text, 7, "acme", "pending") for job_id, text in zip(ids, texts, strict=True)]

    worker = Worker(database, Registry([plain, limited]), Settings(database_url=url, poll_s=0.05))
    await worker.start()
    await until(lambda: worker.health()["finished"] == len(texts))
    await worker.stop()


async def test_they_stand_in_line_by_age_with_the_others(database, client):
    first = await client.copy("acme", "copy.plain", [{"n": n} for n in range(250)])
    await client.enqueue("acme", NewJob(handler="copy.plain"))
    bundles = await rows(database, "select ids::text[] from dure.ready order by lane_id, rank, first_id")
    assert [len(ids) for (ids,) in bundles] == [100, 100, 50, 1]
    assert [job_id for (ids,) in bundles[:3] for job_id in ids] == first


@pytest.mark.parametrize(
    ("params", "options", "kind", "field"),
    [
        ({"text": "x" * 300}, {}, Invalid, "params"),
        (
            {"a": {"b": {"c": {"d": {"e": {"f": "deeper than five, and longer than ten characters"}}}}}},
            {},
            Invalid,
            "params",
        ),
        ({"text": "nul \x00"}, {}, Invalid, "params"),
        ({"text": "\ud800"}, {}, Invalid, "params"),
        ({"n": float("nan")}, {}, Invalid, "params"),
        ({"n": object()}, {}, Invalid, "params"),
        ({}, {"priority": 5000}, Invalid, "priority"),
        ({}, {"delay_s": 5}, Refused, "delay_s"),
    ],
)
async def test_what_cannot_be_stored_is_refused_whole(database, client, params, options, kind, field):
    with pytest.raises(kind) as caught:
        await client.copy("acme", "copy.plain", [{}, params], **options)
    assert field in caught.value.fields
    assert await rows(database, "select count(*) from dure.job") == [(0,)]


async def test_handlers_that_need_more_are_sent_elsewhere(client):
    with pytest.raises(Refused):
        await client.copy("acme", "copy.limited", [{}])
    with pytest.raises(UnknownHandler):
        await client.copy("acme", "copy.nobody", [{}])
    with pytest.raises(DureError):
        await client.copy("not/a tenant", "copy.plain", [{}])
