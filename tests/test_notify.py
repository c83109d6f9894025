import asyncio

import pytest
import structlog

from dure.clock import Backoff
from dure.db.notify import CHANNEL, Listener
from dure.db.pool import Database
from dure.errors import Unavailable
from dure.settings import Settings
from proxies import proxied
from waiting import until

TERMINATE = """select pg_terminate_backend(pid, 5000) from pg_stat_activity
               where application_name = 'dure/listener' and datname = %s"""


class Heard:
    """What the callback was given, and a way to wait for it."""

    def __init__(self) -> None:
        self.wakes: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def __call__(self, channel: str, payload: str) -> None:
        self.wakes.put_nowait((channel, payload))

    async def next(self) -> tuple[str, str]:
        return await asyncio.wait_for(self.wakes.get(), 10)


@pytest.fixture
def heard() -> Heard:
    return Heard()


def quick(**given: float) -> Backoff:
    return Backoff(first_s=0.01, max_s=0.1, **given)


async def notify(database: Database, payload: str, channel: str = CHANNEL) -> None:
    async with database.system_tx() as tx:
        await tx.execute("select pg_notify(%s, %s)", [channel, payload])


async def test_hears_what_comes(database, heard):
    listener = Listener(database, heard, channels=("dure_ready", "Other channel"))
    await listener.start()
    await listener.start()
    assert listener.connected
    await notify(database, "one")
    await notify(database, "two", "Other channel")
    assert [await heard.next(), await heard.next()] == [("dure_ready", "one"), ("Other channel", "two")]
    await listener.stop()
    await listener.stop()
    assert not listener.connected
    await notify(database, "three")
    assert heard.wakes.empty()


async def test_a_lost_connection_comes_back_and_wakes_once(database, heard, admin):
    listener = Listener(database, heard, backoff=quick())
    await listener.start()
    with structlog.testing.capture_logs() as logs:
        for round_number in range(2):
            admin.execute(TERMINATE, [database.describe()["dbname"]])
            # A hint may have been missed meanwhile, so being back is a hint too.
            assert await heard.next() == (CHANNEL, "")
            await notify(database, f"after {round_number}")
            assert await heard.next() == (CHANNEL, f"after {round_number}")
    await listener.stop()
    events = [line["event"] for line in logs]
    assert events.count("listener.lost") == events.count("listener.back") == 2


async def test_a_server_that_is_away_for_a_while(url, heard):
    async with proxied(url) as proxy, Database(proxy.url) as through, Database(url) as direct:
        listener = Listener(through, heard, backoff=quick())
        await listener.start()
        with structlog.testing.capture_logs() as logs:
            await proxy.refuse()
            await until(lambda: any(line["event"] == "listener.still_lost" for line in logs))
            assert not listener.connected
            await proxy.start()
            assert await heard.next() == (CHANNEL, "")
        await notify(direct, "again")
        assert await heard.next() == (CHANNEL, "again")
        await listener.stop()


async def test_a_half_open_socket_is_noticed(url, heard):
    async with proxied(url) as proxy, Database(proxy.url) as through, Database(url) as direct:
        listener = Listener(through, heard, liveness_s=0.1, liveness_timeout_s=0.2, backoff=quick())
        await listener.start()
        proxy.silence()
        proxy.resume()
        assert await heard.next() == (CHANNEL, "")
        await notify(direct, "again")
        assert await heard.next() == (CHANNEL, "again")
        await listener.stop()


async def test_stops_at_once_on_a_half_open_socket(url, heard):
    async with proxied(url) as proxy, Database(proxy.url) as through:
        listener = Listener(through, heard, liveness_s=0.05, liveness_timeout_s=0.5)
        await listener.start()
        proxy.silence()
        await asyncio.sleep(0.1)
        await asyncio.wait_for(listener.stop(), 10)


async def test_nothing_is_lost_between_signs_of_life(database, heard):
    listener = Listener(database, heard, liveness_s=0.001)
    await listener.start()
    for number in range(200):
        await notify(database, str(number))
    assert [await heard.next() for _ in range(200)] == [(CHANNEL, str(number)) for number in range(200)]
    await listener.stop()


async def test_a_failing_callback_costs_only_its_own_hint(database, heard):
    def on_wake(channel: str, payload: str) -> None:
        if payload == "bad":
            raise ZeroDivisionError
        heard(channel, payload)

    listener = Listener(database, on_wake)
    await listener.start()
    with structlog.testing.capture_logs() as logs:
        await notify(database, "bad")
        await notify(database, "good")
        assert await heard.next() == (CHANNEL, "good")
    await listener.stop()
    assert [line["event"] for line in logs] == ["listener.callback_failed"]


@pytest.mark.parametrize("way", ["pooler", "disabled"])
async def test_does_nothing_where_it_cannot_listen(url, heard, way):
    async with Database(Settings(database_url=url, pooler=way == "pooler")) as database:
        listener = Listener(database, heard, enabled=way != "disabled")
        await listener.start()
        assert not listener.connected
        async with database.owner_tx() as tx:
            sessions = await (
                await tx.execute(
                    "select from pg_stat_activity where application_name = 'dure/listener' "
                    "and datname = current_database()"
                )
            ).fetchall()
        assert sessions == []
        await listener.stop()


async def test_a_start_that_fails_says_so(url, heard):
    async with proxied(url) as proxy, Database(proxy.url) as database:
        await proxy.refuse()
        with pytest.raises(Unavailable):
            await Listener(database, heard).start()
