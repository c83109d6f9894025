"""A server for the whole run, a template that is migrated once, and for each test a database of its own."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import structlog

import servers
from dure.db.migrate import migrate, migrations
from dure.db.pool import Database
from sqlside import Clock, Side

TEMPLATE_LOCK = 42
HOME = pytest.StashKey[Path]()
LANG = "en"
"""What is said is compared in English, whatever the developer speaks."""
NewUrl = Callable[..., str]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        choices=["embedded", "debian"],
        default="debian" if os.environ.get("DURE_TEST_POSTGRES") == "15" else "embedded",
        help="the server to test on",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Short, because a socket's path may have about a hundred bytes; one for all workers of xdist.
    given = getattr(config, "workerinput", {}).get("dure_home")
    os.environ["DURE_LANG"] = LANG
    config.stash[HOME] = Path(given or tempfile.mkdtemp(prefix="dure-test-", dir=servers.place()))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    node.workerinput["dure_home"] = str(node.config.stash[HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and HOME in config.stash:
        home = config.stash[HOME]
        servers.remove(servers.choose(config.getoption("--postgres"), home), home)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs in one worker after another, or takes long, begins first: at the end the others would wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("own_server") is None)


@pytest.fixture(autouse=True)
def as_found() -> Iterator[None]:
    """What one test says about logs, or about the language of its process, does not hold for the next."""
    yield
    structlog.reset_defaults()
    os.environ["DURE_LANG"] = LANG


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of the server's maintenance database, as its superuser."""
    server = servers.choose(request.config.getoption("--postgres"), request.config.stash[HOME])
    yield servers.with_name(server.start(), "postgres")
    server.release()


@pytest.fixture(scope="session")
def admin(server_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def template(admin: psycopg.Connection, server_url: str) -> str:
    """The name of a database with all migrations; whoever comes first makes it, the others wait."""
    checksum = sha256("".join(file.checksum for file in migrations()).encode()).hexdigest()[:12]
    name = f"template_{checksum}"
    with _only_one(admin):
        if not admin.execute("select from pg_database where datname = %s", [name]).fetchall():
            unfinished = f"{name}_unfinished"
            servers.drop(admin, unfinished)
            servers.create(admin, unfinished)
            asyncio.run(_migrate(servers.with_name(server_url, unfinished)))
            admin.execute(f'alter database "{unfinished}" rename to "{name}"')
    return name


@pytest.fixture
def new_url(admin: psycopg.Connection, server_url: str) -> Iterator[NewUrl]:
    """Makes databases that end with the test: `new_url()` is empty, `new_url(template)` is a clone."""
    names: list[str] = []

    def make(template: str | None = None) -> str:
        names.append(f"test_{uuid4().hex[:16]}")
        servers.create(admin, names[-1], template)
        return servers.with_name(server_url, names[-1])

    yield make
    for name in names:
        servers.drop(admin, name)


@pytest.fixture
def empty_url(new_url: NewUrl) -> str:
    """Of a database in which nothing is."""
    return new_url()


@pytest.fixture
def url(new_url: NewUrl, template: str) -> str:
    """Of a migrated database that nobody else uses."""
    return new_url(template)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A migrated database that nobody else uses, its pool open."""
    async with Database(url) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_url(admin: psycopg.Connection, server_url: str, template: str) -> Iterator[str]:
    """A migrated database for the tests of one file, which empty it themselves."""
    name = f"test_{uuid4().hex[:16]}"
    servers.create(admin, name, template)
    yield servers.with_name(server_url, name)
    servers.drop(admin, name)


@pytest.fixture
def new_side(url: str) -> Iterator[Callable[..., Side]]:
    """Makes connections to the test's queue that send what workers and clients send; see `sqlside`."""
    made: list[Side] = []

    def make(**options: str | None) -> Side:
        made.append(Side(url, **options))
        return made[-1]

    yield make
    for side in made:
        side.close()


@pytest.fixture
def side(new_side: Callable[..., Side]) -> Side:
    """A queue with a handler `t.h`, without a worker."""
    made = new_side()
    made.handler("t.h")
    return made


@pytest.fixture
def clock(url: str) -> Iterator[Clock]:
    """The database's clock, which stands still until it is moved."""
    made = Clock(url)
    yield made
    made.close()


@contextmanager
def _only_one(admin: psycopg.Connection) -> Iterator[None]:
    admin.execute("select pg_advisory_lock(%s)", [TEMPLATE_LOCK])
    try:
        yield
    finally:
        admin.execute("select pg_advisory_unlock(%s)", [TEMPLATE_LOCK])


async def _migrate(url: str) -> None:
    async with Database(url) as opened:
        await migrate(opened)
