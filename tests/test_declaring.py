"""What a process tells the database: the handlers it knows, and how large payloads may be."""

import sys
from pathlib import Path

import pytest

from dure import NewJob, Registry, handler
from dure.errors import Invalid
from dure.queue.client import Client
from dure.queue.declaring import declare
from dure.settings import Settings
from queueing import running, until

SHOP = """
from pydantic import BaseModel
from dure import handler

class Order(BaseModel):
    item: str
    count: int = 1

@handler("shop.buy", queue="shop", max_retries=1, concurrency=2)
async def buy(order: Order): ...
"""


@handler("t.plain")
async def plain() -> None: ...


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "shop_of_this_test.py").write_text(SHOP)
    monkeypatch.syspath_prepend(tmp_path)
    yield "shop_of_this_test:buy"
    sys.modules.pop("shop_of_this_test", None)


async def row(database, statement):
    async with database.owner_tx() as tx:
        return await (await tx.execute(statement)).fetchone()


async def test_an_entry_says_the_rest_when_it_is_imported(database, shop):
    registry = Registry(entries={"shop.buy": shop})
    client = Client(database, Settings())
    async with running(database, registry):
        job = await client.enqueue("acme", NewJob(handler="shop.buy", params={"item": "pen"}))
        told = "select queue, max_retries, concurrency_max from dure.handler where handler = 'shop.buy'"

        async def said() -> bool:
            return await row(database, told) == ("shop", 1, 2)

        await until(said)
        assert job.created
        with pytest.raises(Invalid) as caught:
            await client.enqueue("acme", NewJob(handler="shop.buy", params={"count": 2}))
        assert "params.item" in caught.value.fields

        # Another start of the same fleet knows only the name again, and takes nothing back.
        await declare(database, Registry(entries={"shop.buy": shop, "shop.sell": shop}))
        assert await said()


async def test_the_limit_on_payloads_that_was_chosen_holds_for_everyone(database):
    await declare(database, Registry([plain]), Settings(payload_bytes_max=300))
    everyone = Client(database, Settings())
    with pytest.raises(Invalid) as caught:
        await everyone.enqueue("acme", NewJob(handler="t.plain", params={"text": "x" * 300}))
    assert caught.value.reason == "too_large"
    # A process that chose nothing leaves the choice of the other.
    await declare(database, Registry([plain]), Settings())
    with pytest.raises(Invalid):
        await everyone.enqueue("acme", NewJob(handler="t.plain", params={"text": "x" * 300}))


async def test_ten_thousand_entries_are_declared_in_one_statement(database):
    registry = Registry(entries={f"t.h{n}": "nowhere:nothing" for n in range(10_000)})
    await declare(database, registry)
    assert await row(database, "select count(*) from dure.handler where handler like 't.%%'") == (10_000,)
