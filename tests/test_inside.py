"""A job asked for inside somebody's transaction lives and dies with it, whatever driver holds it."""

import asyncio
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any

import asyncpg
import django
import psycopg
import pytest
import sqlalchemy
from django.conf import settings
from django.db.utils import ConnectionHandler
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row, dict_row
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from dure.errors import DependencyCycle, Invalid, Refused, UnknownHandler
from dure.queue.client import enqueue_on
from dure.queue.inside import enqueue, enqueue_async
from dure.queue.model import NewJob


class Stop(Exception):
    """What a caller's transaction fails with."""


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture
def side(new_side):
    made = new_side()
    made.empty()
    made.handler("t.h")
    return made


def parts(url: str) -> dict[str, Any]:
    given = conninfo_to_dict(url)
    return {
        "host": given["host"],
        "port": int(given.get("port", 5432)),
        "user": given["user"],
        "database": given["dbname"],
    }


def dialect(url: str, name: str) -> sqlalchemy.URL:
    given = parts(url)
    query = {"host": given["host"], "port": str(given["port"])}
    return sqlalchemy.URL.create(f"postgresql+{name}", username=given["user"], database=given["database"], query=query)


@contextmanager
def by_psycopg(url, **options):
    with psycopg.connect(url, **options) as connection:
        yield connection


@contextmanager
def by_rows_as_objects(url):
    with by_psycopg(url, row_factory=class_row(dict)) as connection:
        yield connection


@contextmanager
def by_rows_as_dicts(url):
    with by_psycopg(url, row_factory=dict_row) as connection:
        yield connection


@contextmanager
def by_sqlalchemy(url):
    engine = sqlalchemy.create_engine(dialect(url, "psycopg"), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


@contextmanager
def by_session(url):
    engine = sqlalchemy.create_engine(dialect(url, "psycopg"), poolclass=NullPool)
    with Session(engine) as session, session.begin():
        yield session


@contextmanager
def by_django(url):
    if not settings.configured:
        settings.configure(USE_TZ=True)
        django.setup()
    given = parts(url)
    options = {
        "ENGINE": "django.db.backends.postgresql", "NAME": given["database"], "USER": given["user"],
        "HOST": given["host"], "PORT": given["port"],
    }  # fmt: skip
    connection = ConnectionHandler({"default": options})["default"]
    connection.set_autocommit(False)
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


@asynccontextmanager
async def by_psycopg_async(url, **options):
    async with await psycopg.AsyncConnection.connect(url, **options) as connection:
        yield connection


@asynccontextmanager
async def by_rows_as_dicts_async(url):
    async with by_psycopg_async(url, row_factory=dict_row) as connection:
        yield connection


@asynccontextmanager
async def by_asyncpg(url):
    connection = await asyncpg.connect(**parts(url))
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def by_asyncpg_pool(url):
    async with (
        asyncpg.create_pool(**parts(url), min_size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        yield connection


@asynccontextmanager
async def by_sqlalchemy_async(url):
    given = parts(url)
    name = sqlalchemy.URL.create("postgresql+asyncpg", username=given["user"], database=given["database"])
    arguments = {"host": given["host"], "port": given["port"]}
    engine = create_async_engine(name, poolclass=NullPool, connect_args=arguments)
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


@asynccontextmanager
async def by_session_async(url):
    async with by_sqlalchemy_async(url) as connection, AsyncSession(bind=connection) as session:
        yield session


SYNC = [by_psycopg, by_rows_as_objects, by_rows_as_dicts, by_sqlalchemy, by_session, by_django]
ASYNC = [by_psycopg_async, by_rows_as_dicts_async, by_asyncpg, by_asyncpg_pool, by_sqlalchemy_async, by_session_async]


@contextmanager
def opened(way, url):
    """The connection in its transaction, with a function that enqueues on it, whatever its colour."""
    if way in SYNC:
        with way(url) as connection:
            yield lambda *given, **options: enqueue(connection, *given, **options)
        return
    with asyncio.Runner() as runner:
        entered = way(url)
        connection = runner.run(entered.__aenter__())

        def send(*given: Any, **options: Any) -> Any:
            return runner.run(enqueue_async(connection, *given, **options))

        try:
            yield send
        except BaseException as error:
            runner.run(entered.__aexit__(type(error), error, error.__traceback__))
            raise
        runner.run(entered.__aexit__(None, None, None))


@pytest.fixture(params=[*SYNC, *ASYNC], ids=lambda way: way.__name__)
def way(request):
    return request.param


def test_it_exists_when_the_transaction_commits(way, url, side):
    with opened(way, url) as send:
        made = send("acme", "t.h", {"to": "학생", "n": [1, {"a": None}]}, priority=5, tags=("a",))
        assert side.states() == {}
    assert made.created
    row = side.rows("select id::text, params, priority, tags, tenant_id from dure.job")
    assert row == [(made.id, {"to": "학생", "n": [1, {"a": None}]}, 5, ["a"], "acme")]


def test_it_never_existed_when_the_transaction_does_not(way, url, side):
    with pytest.raises(Stop), opened(way, url) as send:  # noqa: PT012
        assert send("acme", "t.h").created
        raise Stop
    assert side.states() == {}


def test_a_repeated_key_answers_with_the_first(way, url, side):
    with opened(way, url) as send:
        first = send("acme", "t.h", {"n": 1}, unique_key="k")
        again = send("acme", "t.h", {"n": 1}, unique_key="k")
    assert (again.id, again.created) == (first.id, False)
    assert side.states() == {"pending": 1}


@pytest.mark.parametrize(
    ("given", "options", "kind"),
    [
        (("acme", "t.none"), {}, UnknownHandler),
        (("a/b", "t.h"), {}, Invalid),
        (("acme", "t.h", {"text": "x" * 300_000}), {}, Invalid),
        (("acme", "t.h"), {"priority": 5000}, Invalid),
    ],
    ids=["handler", "tenant", "payload", "priority"],
)
def test_what_the_database_refuses_comes_out_as_our_error(way, url, side, given, options, kind):
    with pytest.raises(kind) as caught, opened(way, url) as send:
        send(*given, **options)
    assert caught.value.fields
    assert side.states() == {}


def test_what_python_refuses_leaves_the_transaction_as_it_was(way, url, side):
    with opened(way, url) as send:
        with pytest.raises(Invalid, match="known"):
            send("acme", "t.h", colour="red")
        with pytest.raises(Invalid, match="NUL"):
            send("acme", "t.h", {"a": "\x00"})
        with pytest.raises(DependencyCycle):
            send("acme", "t.h", ref="a", depends_on=("a",))
        with pytest.raises(Invalid, match="look like"):
            send("acme", "t.h", run_at=datetime(2030, 1, 1))
        send("acme", "t.h")
    assert side.states() == {"pending": 1}


def test_errors_that_are_not_ours_stay_what_they_are(url, side):
    with psycopg.connect(url) as connection:
        with pytest.raises(UnknownHandler):
            enqueue(connection, "acme", "t.none")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            enqueue(connection, "acme", "t.h")
        connection.rollback()
    assert side.states() == {}


async def test_an_asynchronous_connection_must_be_awaited(url, side):
    for way in (by_psycopg_async, by_asyncpg, by_sqlalchemy_async):
        async with way(url) as connection:
            with pytest.raises(TypeError, match="enqueue_async"):
                enqueue(connection, "acme", "t.h")


async def test_many_on_a_connection_of_dictionaries(url, side):
    async with by_rows_as_dicts_async(url) as connection:
        jobs = [NewJob(handler="t.h", ref="a"), NewJob(handler="t.h", depends_on=("a",))]
        made = await enqueue_on(connection, "acme", jobs)
    assert [side.one("select blocked_by from dure.job where id = %s", [one.id]) for one in made] == [0, 1]


def test_a_session_of_a_tenant_may_not_ask_for_another(url, side):
    with psycopg.connect(url) as connection:
        connection.execute("select set_config('dure.tenant_id', 'acme', true)")
        connection.execute("set local role dure_app")
        assert enqueue(connection, "acme", "t.h").created
        with pytest.raises(Refused):
            enqueue(connection, "other", "t.h")


def test_others_of_the_same_tenant_do_not_wait_for_an_open_transaction(url, side):
    side.db.execute("set lock_timeout = '100ms'")
    with psycopg.connect(url) as connection:
        enqueue(connection, "new-tenant", "t.h")
        assert side.enqueue(tenant="new-tenant")
    assert len(side.claim(side.worker())) == 2
