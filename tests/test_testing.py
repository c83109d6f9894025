"""The helper that users test their handlers with."""

from datetime import UTC, datetime, timedelta

import pytest

from dure import Context, Retryable, handler
from dure.errors import TimedOut
from dure.testing import queue


async def test_runs_what_is_due_and_nothing_else(empty_url):
    seen = []

    @handler("mail.send")
    async def send(params: dict, ctx: Context) -> dict:
        seen.append(params["to"])
        return {"sent": params["to"]}

    async with queue(empty_url, [send]) as q:
        now = await q.enqueue("mail.send", {"to": 1})
        later = await q.enqueue("mail.send", {"to": 2}, delay_s=3600)
        assert await q.run_due() == 1
        assert seen == [1]
        assert (await q.job(now.id)).result == {"sent": 1}
        assert (await q.job(later.id)).state == "pending"


async def test_the_clock_is_the_tests_own(empty_url):
    @handler("mail.send")
    async def send() -> None: ...

    async with queue(empty_url, [send]) as q:
        await q.set_clock(datetime(2030, 1, 1, tzinfo=UTC))
        job = await q.enqueue("mail.send", delay_s=3600)
        assert await q.run_due() == 0
        await q.advance(timedelta(minutes=59))
        assert await q.run_due() == 0
        await q.advance(60)
        assert await q.run_due() == 1
        assert (await q.job(job.id)).finished_at == datetime(2030, 1, 1, 1, tzinfo=UTC)


async def test_retries_wait_for_the_clock(empty_url):
    tries = []

    @handler("flaky.call")
    async def call(params: dict, ctx: Context) -> None:
        tries.append(ctx.attempt)
        if ctx.attempt < 3:
            raise Retryable("busy", after_s=30)

    async with queue(empty_url, [call]) as q:
        await q.set_clock(datetime(2030, 1, 1, tzinfo=UTC))
        job = await q.enqueue("flaky.call")
        for _ in range(3):
            await q.run_due()
            await q.advance(31)
        assert tries == [1, 2, 3]
        assert (await q.job(job.id)).state == "completed"


async def test_what_a_job_asks_for_runs_too(empty_url):
    @handler("tree.parent")
    async def parent(params: dict, ctx: Context) -> None:
        await ctx.enqueue("tree.child", {}, parent_id=ctx.job.id)

    @handler("tree.child")
    async def child() -> None: ...

    async with queue(empty_url, [parent, child]) as q:
        await q.enqueue("tree.parent")
        assert await q.run_due() == 2


async def test_a_chain_of_jobs_runs_to_its_end(empty_url):
    @handler("chain.link")
    async def link(params: dict, ctx: Context) -> None:
        if params["left"]:
            await ctx.enqueue("chain.link", {"left": params["left"] - 1})

    async with queue(empty_url, [link]) as q:
        await q.enqueue("chain.link", {"left": 59})
        assert await q.run_due() == 60


async def test_jobs_under_a_limit_run_one_after_the_other(empty_url):
    @handler("tree.parent")
    async def parent(params: dict, ctx: Context) -> None:
        for _ in range(3):
            await ctx.enqueue("one.at_a_time", {}, parent_id=ctx.job.id)

    @handler("one.at_a_time", concurrency=1)
    async def child() -> None: ...

    async with queue(empty_url, [parent, child]) as q:
        await q.enqueue("tree.parent")
        assert await q.run_due() == 4


async def test_a_handler_that_does_not_end_is_a_timeout_not_a_hang(empty_url):
    import asyncio

    @handler("stuck.forever")
    async def stuck() -> None:
        await asyncio.Event().wait()

    async with queue(empty_url, [stuck]) as q:
        await q.enqueue("stuck.forever")
        with pytest.raises(TimedOut):
            await q.run_due(timeout_s=0.5)


async def test_an_operation_is_planned_applied_and_taken_back(empty_url):
    import dure

    @dure.operation("letters.shout")
    class Shout:
        """Makes every letter a capital one."""

        stores = (dure.Table("public.letter"),)

        async def subjects(self, params, ctx):
            async for row in ctx.rows("select id from public.letter order by id"):
                yield row.id

        async def plan(self, subjects, ctx):
            letters = ctx.store("public.letter")
            for row in await letters.get(subjects):
                yield letters.update(row, {"text": row["text"].upper()})

    async with queue(empty_url, operations=[Shout]) as q:
        async with q.database.owner_tx() as tx:
            await tx.execute("create table public.letter (id int primary key, text text)")
            await tx.execute("insert into public.letter values (1, 'a'), (2, 'b'), (3, 'C')")
        run = await q.plan("letters.shout")
        assert (run.state, run.counts["update"], run.counts["keep"]) == ("planned", 2, 1)
        assert (await q.apply(run)).state == "applied"
        assert (await q.rollback(run)).state == "applied"
        async with q.database.owner_tx() as tx:
            texts = await (await tx.execute("select string_agg(text, '' order by id) from public.letter")).fetchone()
        assert texts == ("abC",)
