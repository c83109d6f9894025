import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from dure.errors import Conflict, Invalid, NotFound
from dure.lang import LANGUAGES
from dure.queue.admin import Handlers, Queues, Workers
from dure.queue.jobs import Jobs
from dure.queue.views import JobFilter
from engine import ECHO, Engine

MISSING = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def engine(database):
    engine = Engine(database)
    await engine.declare()
    return engine


@pytest.fixture
def jobs(engine):
    return Jobs(engine.database, engine.client)


async def ids(jobs, tenant="acme", limit=50, **where):
    return [job.id for job in (await jobs.list(tenant, JobFilter(**where), limit=limit)).items]


async def test_get_shows_all_that_was_asked_for(engine, jobs):
    parent = await engine.enqueue()
    job_id = await engine.enqueue(
        params={"n": [1, {"k": None}]}, priority=7, tags=("a", "b"), parent_id=parent, unique_key="k"
    )
    job = await jobs.get("acme", job_id)
    assert (job.params, job.priority, job.tags, job.parent_id) == ({"n": [1, {"k": None}]}, 7, ("a", "b"), parent)
    assert (job.state, job.queue, job.unique_key, job.result) == ("pending", "default", "k", None)
    assert job.created_at.tzinfo is not None


@pytest.mark.parametrize("job_id", [MISSING, "", "x", "1" * 36, "'; drop table dure.job", "\x00", MISSING + "0"])
async def test_what_is_not_there_is_not_found(jobs, job_id):
    for ask in (
        jobs.get, jobs.logs, jobs.attempts, jobs.children, jobs.progress, jobs.why,
        lambda tenant, id: jobs.cancel(tenant, id, reason="", actor="t"),
        lambda tenant, id: jobs.retry(tenant, id, actor="t"),
    ):  # fmt: skip
        for tenant in ("acme", None):
            with pytest.raises(NotFound):
                await ask(tenant, job_id)
    with pytest.raises(NotFound):
        await anext(jobs.watch("acme", job_id))


async def test_another_tenants_job_is_as_if_it_were_not_there(engine, jobs):
    theirs = await engine.enqueue("other")
    for ask in (
        jobs.get, jobs.logs, jobs.attempts, jobs.children, jobs.progress, jobs.why,
        lambda tenant, id: jobs.cancel(tenant, id, reason="", actor="t"),
        lambda tenant, id: jobs.retry(tenant, id, actor="t"),
    ):  # fmt: skip
        with pytest.raises(NotFound) as hidden:
            await ask("acme", theirs)
        with pytest.raises(NotFound) as absent:
            await ask("acme", MISSING)
        assert str(hidden.value).replace(theirs, "ID") == str(absent.value).replace(MISSING, "ID")
    for state in (None, "pending", "processing", "failed", "completed"):
        assert await ids(jobs, state=state) == []
    assert await ids(jobs, parent_id=theirs) == []
    assert await ids(jobs, tenant=None) == [theirs]
    assert (await jobs.get("other", theirs)).state == "pending"


async def test_list_is_newest_first_and_pages_without_gaps(engine, jobs):
    made = [await engine.enqueue(params={"n": n}) for n in range(7)]
    seen, cursor = [], None
    while True:
        page = await jobs.list("acme", JobFilter(), limit=3, cursor=cursor)
        seen += [job.id for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.items) == 3
        await engine.enqueue()  # what comes meanwhile is newer, and moves nothing
    assert seen == made[::-1]


@pytest.mark.parametrize("cursor", ["", "x", "not base64!", "AAAA", "A" * 500, "Zm9v\x00", "한글"])
async def test_a_cursor_that_no_page_gave_is_refused(jobs, cursor):
    with pytest.raises(Invalid) as error:
        await jobs.list("acme", JobFilter(), cursor=cursor)
    assert error.value.field == "cursor"


async def test_list_by_state_finds_each_job_wherever_it_stands(engine, jobs):
    await engine.declare("limited", concurrency_max=1)
    await engine.run("insert into dure.limit (handler, concurrency_max) values ('limited', 1)")
    await engine.register()
    failed, cancelled, completed, processing = [await engine.enqueue() for _ in range(4)]
    held_by_worker = {held[0]: held for held in await engine.claim(4)}
    await engine.settle(held_by_worker[failed], "failed", error_class="Boom", error="boom")
    await engine.settle(held_by_worker[cancelled], "cancelled")
    await engine.complete(held_by_worker[completed], {"ok": 1})
    ready = await engine.enqueue(priority=-5)
    urgent = await engine.enqueue(priority=900)
    later = await engine.enqueue(delay_s=1000)
    blocked = await engine.enqueue(depends_on=(ready,))
    limited = await engine.enqueue(handler="limited")
    theirs = await engine.enqueue("other")
    for tenant, waiting in (("acme", []), (None, [theirs])):
        assert await ids(jobs, tenant, state="failed") == [failed]
        assert await ids(jobs, tenant, state="cancelled") == [cancelled]
        assert await ids(jobs, tenant, state="completed") == [completed]
        assert await ids(jobs, tenant, state="processing") == [processing]
        assert await ids(jobs, tenant, state="pending") == [*waiting, limited, blocked, later, urgent, ready]
    assert await ids(jobs, state="pending", limit=2) == [limited, blocked]
    assert await ids(jobs, state="pending", handler="limited") == [limited]
    assert (await jobs.get("acme", completed)).result == {"ok": 1}


async def test_list_by_tag_queue_parent_handler_and_time(engine, jobs):
    await engine.declare("other.handler", queue="q2")
    first = await engine.enqueue(tags=("x", "y"))
    second = await engine.enqueue(queue="q1", parent_id=first)
    third = await engine.enqueue(handler="other.handler")
    created = (await jobs.get("acme", second)).created_at
    assert await ids(jobs, tag="y") == [first]
    assert await ids(jobs, queue="q1") == await ids(jobs, queue="q1", state="pending") == [second]
    assert await ids(jobs, queue="q2") == await ids(jobs, handler="other.handler") == [third]
    assert await ids(jobs, parent_id=first) == await ids(jobs, parent_id=first, state="pending") == [second]
    assert await ids(jobs, parent_id=first, state="failed") == await ids(jobs, parent_id="nonsense") == []
    assert await ids(jobs, created_after=created) == [third, second]
    assert await ids(jobs, created_before=created) == [first]
    assert await ids(jobs, created_after=created, created_before=created + timedelta(microseconds=1)) == [second]


async def test_list_by_time_goes_by_created_at_while_the_clock_stands_elsewhere(engine, jobs):
    async with engine.database.owner_tx() as tx:
        await tx.execute("update dure.clock set fake_now = '2031-05-01Z'")
    job_id = await engine.enqueue()
    assert await ids(jobs, created_after=datetime(2031, 4, 1, tzinfo=UTC)) == [job_id]
    assert await ids(jobs, created_before=datetime(2031, 4, 1, tzinfo=UTC)) == []


async def test_a_filter_that_fits_few_looks_at_a_limited_number_of_jobs(engine, jobs, monkeypatch):
    monkeypatch.setattr("dure.queue.jobs.SCAN_MAX", 20)
    old = await engine.enqueue(tags=("rare",))
    for _ in range(50):
        await engine.enqueue()
    pages, cursor = 0, None
    while True:
        page = await jobs.list("acme", JobFilter(tag="rare"), limit=5, cursor=cursor)
        pages, cursor = pages + 1, page.next_cursor
        if page.items:
            break
        assert cursor is not None
    assert [job.id for job in page.items] == [old]
    assert pages == 3


async def test_cancel_and_retry_say_who_did_it(engine, jobs):
    job_id = await engine.enqueue()
    assert (await jobs.cancel("acme", job_id, reason="wrong day", actor="key:ops")).state == "cancelled"
    with pytest.raises(Conflict):
        await jobs.cancel("acme", job_id, reason="again", actor="key:ops")
    assert (await jobs.retry("acme", job_id, actor="key:ops")).state == "pending"
    with pytest.raises(Conflict):
        await jobs.retry("acme", job_id, actor="key:ops")
    events = await engine.run("select tenant_id, actor, verb, subject, detail from dure.event order by event_id")
    assert events == [
        ("acme", "key:ops", "cancel", f"job:{job_id}", {"reason": "wrong day"}),
        ("acme", "key:ops", "retry", f"job:{job_id}", {}),
    ]


@pytest.mark.parametrize(("reason", "why"), [("a\x00b", "nul_byte"), ("x" * 2001, "too_long"), ("\ud800", "not_utf8")])
async def test_cancel_refuses_a_reason_that_cannot_be_stored(engine, jobs, reason, why):
    job_id = await engine.enqueue()
    with pytest.raises(Invalid) as error:
        await jobs.cancel("acme", job_id, reason=reason, actor="t")
    assert (error.value.field, error.value.reason) == ("reason", why)
    assert (await jobs.get("acme", job_id)).state == "pending"


async def test_logs_attempts_progress_and_children(engine, jobs):
    await engine.register()
    job_id = await engine.enqueue()
    (held,) = await engine.claim()
    children = [await engine.enqueue(parent_id=job_id) for _ in range(2)]
    await jobs.cancel("acme", children[0], reason="", actor="t")
    for n in range(3):
        await engine.log(job_id, f"line {n}")
    await engine.progress(job_id, 3, 10)
    lines = await jobs.logs("acme", job_id)
    assert [line.message for line in lines] == ["line 0", "line 1", "line 2"]
    assert [line.message for line in await jobs.logs("acme", job_id, after=lines[0].id, limit=1)] == ["line 1"]
    progress = await jobs.progress("acme", job_id)
    assert (progress.done, progress.total, progress.note) == (3, 10, "3 done")
    assert await jobs.progress("acme", children[1]) is None
    assert await jobs.children("acme", job_id) == {"pending": 1, "cancelled": 1}
    assert [(a.attempt, a.outcome) for a in await jobs.attempts("acme", job_id)] == [(1, None)]
    await engine.settle(held, "retried", error_class="Timeout", error="slow", traceback="at line 1")
    await jobs.cancel("acme", children[1], reason="", actor="t")
    (held,) = await engine.claim()
    await engine.complete(held)
    attempts = await jobs.attempts("acme", job_id)
    assert [(a.attempt, a.outcome, a.error_class) for a in attempts] == [
        (1, "retried", "Timeout"),
        (2, "completed", None),
    ]
    assert attempts[0].traceback == "at line 1"
    assert await jobs.attempts("acme", children[0]) == []


async def codes(jobs, job_id, tenant="acme"):
    why = await jobs.why(tenant, job_id)
    for lang in LANGUAGES:
        assert "{" not in why.text(lang)
    return why.code, why.params


async def test_why_a_waiting_job_waits(engine, jobs):
    first, second = await engine.enqueue(), await engine.enqueue()
    theirs = await engine.enqueue("other")
    assert await codes(jobs, first) == ("no_worker", {})
    await engine.register(queues=["elsewhere"])
    assert await codes(jobs, first) == ("no_worker_for_queue", {"queue": "default"})
    await engine.register()
    assert await codes(jobs, first) == ("in_line", {"position": 1})
    assert await codes(jobs, second) == ("in_line", {"position": 2})
    # A tenant's place is in its own line: how many others wait is not told.
    assert await codes(jobs, theirs, "other") == ("in_line", {"position": 1})
    urgent = await engine.enqueue(priority=5)
    assert (await codes(jobs, urgent))[1] == {"position": 1}
    assert (await codes(jobs, second))[1] == {"position": 3}

    later = await engine.enqueue(delay_s=3600)
    code, params = await codes(jobs, later)
    assert code == "waits_for_time"
    assert datetime.fromisoformat(params["run_at"]) > datetime.now(UTC)
    blocked = await engine.enqueue(depends_on=(first, second))
    code, params = await codes(jobs, blocked)
    assert (code, params["count"], params["ids"]) == ("waits_for_jobs", 2, [first, second])

    await Queues(engine.database).pause("default", actor="ops")
    code, params = await codes(jobs, first)
    assert (code, params["queue"], params["by"]) == ("queue_paused", "default", "ops")
    await Handlers(engine.database).pause(ECHO, actor="ann")
    code, params = await codes(jobs, first)
    assert (code, params["handler"], params["by"]) == ("handler_paused", ECHO, "ann")


async def test_why_a_job_far_behind_is_counted_to_a_thousand_only(engine, jobs):
    await engine.register()
    await engine.run(
        "select dure.enqueue_batch(%s, (select jsonb_agg('{}'::jsonb) from generate_series(1, 1200)), 'acme')", [ECHO]
    )
    newest, *_ = await ids(jobs, limit=1)
    oldest = (await ids(jobs, limit=1000, created_before=datetime.now(UTC) + timedelta(days=1)))[-1]
    assert (await codes(jobs, newest))[0] == "in_line_far"
    assert await codes(jobs, oldest) == ("in_line", {"position": 201})


async def test_why_a_limited_job_waits(engine, jobs):
    await engine.declare("limited", rate_max=1, rate_period_s=60)
    await engine.run("insert into dure.limit (handler, rate_max, rate_period_s) values ('limited', 1, 60)")
    await engine.declare("narrow", concurrency_max=1)
    await engine.run("insert into dure.limit (handler, concurrency_max) values ('narrow', 1)")
    await engine.register()
    for handler in ("limited", "narrow"):
        await engine.enqueue("aaa", handler)
    waiting = {handler: await engine.enqueue(handler=handler) for handler in ("limited", "narrow")}
    assert (await codes(jobs, waiting["narrow"])) == ("in_line", {"position": 1})
    await engine.run("select dure.claim_limited(%s, '{}', '{}', 100)", [engine.worker_id])
    starts = await engine.run("select count(*) from dure.limit_start")
    code, params = await codes(jobs, waiting["limited"])
    assert (code, params["limit"], params["max"], params["period_s"]) == ("limited_until", "limited", 1, 60)
    assert datetime.fromisoformat(params["again_at"]) > datetime.now(UTC)
    code, params = await codes(jobs, waiting["narrow"])
    assert (code, params["limit"], params["max"]) == ("limited", "narrow", 1)
    assert await engine.run("select count(*) from dure.limit_start") == starts, "asking changes nothing"


async def test_why_a_job_runs_or_what_became_of_it(engine, jobs):
    await engine.register()
    done, failed, asked, retried, lost = [await engine.enqueue() for _ in range(5)]
    held = {job[0]: job for job in await engine.claim()}
    code, params = await codes(jobs, done)
    assert (code, params["worker_id"]) == ("running", engine.worker_id)
    await engine.complete(held[done])
    assert (await codes(jobs, done))[0] == "completed"
    await engine.settle(held[failed], "failed", error_class="Boom", error="it broke {badly}")
    why = await jobs.why("acme", failed)
    assert why.code == "failed"
    assert "Boom: it broke {badly}" in why.text("ko")
    await jobs.cancel("acme", asked, reason="enough", actor="t")
    code, params = await codes(jobs, asked)
    assert (code, params["reason"]) == ("asked_to_stop", "enough")
    await engine.settle(held[retried], "retried", delay_s=30, error_class="Timeout", error="slow")
    code, params = await codes(jobs, retried)
    assert (code, params["error_class"], params["retry"]) == ("waits_for_retry", "Timeout", 1)
    await engine.run("update dure.worker set lease_until = dure.now() - interval '1 second'")
    assert (await codes(jobs, lost))[0] == "worker_lost"
    for _ in range(3):
        await engine.run("select dure.bury(array(select worker_id from dure.worker where ended_at is null))")
        await engine.register()
        await engine.claim()
    cancelled = await engine.enqueue()
    await jobs.cancel("acme", cancelled, reason="not needed", actor="t")
    assert (await codes(jobs, cancelled))[0] == "cancelled"


async def test_queues_count_what_stands_where_for_whoever_asks(engine, jobs):
    await engine.register()
    queues = Queues(engine.database)
    await engine.enqueue()
    await engine.claim()
    ready = await engine.enqueue()
    await engine.enqueue(delay_s=60)
    await engine.enqueue(depends_on=(ready,))
    await engine.enqueue("other")
    await engine.enqueue("other", queue="theirs")
    mine = {queue.queue: queue.counts for queue in await queues.list("acme")}
    # The queues of Dure's own runs and intents are there from the start.
    assert mine == {"default": {"processing": 1, "ready": 1, "later": 1, "blocked": 1}, "dure.runs": {}, "intents": {}}
    everyones = {queue.queue: queue.counts for queue in await queues.list()}
    assert everyones == {
        "default": {"processing": 1, "ready": 2, "later": 1, "blocked": 1},
        "dure.runs": {},
        "intents": {},
        "theirs": {"ready": 1},
    }


async def test_pause_and_resume(engine):
    queues, handlers = Queues(engine.database), Handlers(engine.database)
    paused = await queues.pause("default", actor="ann")
    assert (paused.paused_by, paused.paused_at is not None) == ("ann", True)
    assert (await queues.pause("default", actor="bob")).paused_by == "ann"
    assert (await queues.resume("default", actor="bob")).paused_at is None
    assert (await handlers.pause(ECHO, actor="ann")).paused_by == "ann"
    assert (await handlers.resume(ECHO, actor="bob")).paused_at is None
    for ask in (queues.pause, queues.resume, handlers.pause, handlers.resume):
        with pytest.raises(NotFound):
            await ask("nowhere", actor="ann")
    events = await engine.run("select actor, verb, subject from dure.event order by event_id")
    assert events[0] == ("ann", "pause", "queue:default")
    assert events[-1] == ("bob", "resume", f"handler:{ECHO}")


async def test_handlers_and_workers_are_paged(engine):
    for n in range(5):
        await engine.declare(f"h{n}")
        await engine.register()
    handlers, workers = Handlers(engine.database), Workers(engine.database)
    page = await handlers.list(limit=10)
    rest = await handlers.list(limit=20, cursor=page.next_cursor)
    named = [item.handler for item in page.items + rest.items]
    assert [name for name in named if not name.startswith("dure.")] == ["h0", "h1", "h2", "h3", "h4", ECHO]
    assert rest.next_cursor is None
    await engine.run("update dure.worker set ended_at = dure.now(), end_reason = 'stopped' where worker_id = 5")
    everyone = await workers.list(limit=3)
    assert [worker.worker_id for worker in everyone.items] == [5, 4, 3]
    assert [w.worker_id for w in (await workers.list(cursor=everyone.next_cursor)).items] == [2, 1]
    assert [w.worker_id for w in (await workers.list(alive=True, limit=1)).items] == [4]
    with pytest.raises(Invalid):
        await workers.list(cursor="AAAA")


async def seen(jobs, job_id, after=None):
    return [event async for event in jobs.watch("acme", job_id, after=after, poll_s=0.01)]


async def test_watch_tells_the_whole_story_and_ends(engine, jobs):
    await engine.register()
    job_id = await engine.enqueue()
    (held,) = await engine.claim()
    await engine.log(job_id, "first try")
    await engine.settle(held, "retried", error_class="Timeout", error="slow")
    (held,) = await engine.claim()
    await engine.log(job_id, "second try", 2)
    await engine.progress(job_id, 5, 5)
    await engine.complete(held, {"n": 1})
    events = await seen(jobs, job_id)
    told = [event.data.get("state") or event.data.get("message") or event.data["done"] for event in events]
    assert told == ["processing", "first try", "pending", "processing", "second try", 5, "completed", "completed"]
    assert [event.kind for event in events][-2:] == ["state", "end"]
    assert events[-1].data["result"] == {"n": 1}
    assert events[2].data["outcome"] == "retried"
    # From any event on: exactly what lies behind it.
    for at, event in enumerate(events):
        assert await seen(jobs, job_id, event.id) == events[at + 1 :]


async def test_watch_follows_as_it_happens(engine, jobs):
    await engine.register()
    job_id = await engine.enqueue()
    told = []

    async def follow():
        async for event in jobs.watch("acme", job_id, poll_s=0.01):
            told.append(event)
            arrived.set()

    async def next_kind():
        async with asyncio.timeout(5):
            await arrived.wait()
        arrived.clear()
        return told[-1].kind, told[-1].data.get("state")

    arrived = asyncio.Event()
    following = asyncio.create_task(follow())
    assert await next_kind() == ("state", "pending")
    (held,) = await engine.claim()
    assert await next_kind() == ("state", "processing")
    await engine.log(job_id, "hello")
    assert await next_kind() == ("log", None)
    await engine.settle(held, "failed", error_class="Boom", error="boom")
    await following
    assert [event.kind for event in told] == ["state", "state", "log", "state", "end"]
    assert len({event.id for event in told}) == len(told)
    # A new life is watched again, from where the old one ended.
    await jobs.retry("acme", job_id, actor="t")
    (held,) = await engine.claim()
    await engine.complete(held)
    states = [event.data["state"] for event in await seen(jobs, job_id, told[-1].id)]
    assert states[-1] == "completed"
    assert "processing" in states


async def test_watch_reads_long_logs_to_the_end(engine, jobs, monkeypatch):
    monkeypatch.setattr("dure.queue.watch.LINES_A_LOOK", 7)
    await engine.register()
    job_id = await engine.enqueue()
    (held,) = await engine.claim()
    for n in range(20):
        await engine.log(job_id, str(n))
    await engine.complete(held)
    events = await seen(jobs, job_id)
    assert [event.data["message"] for event in events if event.kind == "log"] == [str(n) for n in range(20)]
    assert events[-1].kind == "end"


@pytest.mark.parametrize("after", ["x", "1r", "1r.2", "1z.0.0", "-1r.0.0", "1r.0.0e1", "9" * 30 + "r.0.0"])
async def test_watch_refuses_a_position_that_it_never_gave(engine, jobs, after):
    job_id = await engine.enqueue()
    with pytest.raises(Invalid):
        await anext(jobs.watch("acme", job_id, after=after))


async def test_numbers_that_python_cannot_read_do_not_hide_the_list(engine, jobs):
    await engine.run("select dure.enqueue(%s, '{\"n\": 1e5000, \"m\": 1.5e400}', 'acme')", [ECHO])
    (job,) = (await jobs.list("acme", JobFilter())).items
    assert job.params["n"].startswith("1000")
