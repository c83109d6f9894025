"""What agents ask most often reads a few rows, also before PostgreSQL has counted how many agents there are."""

import psycopg
import pytest
from psycopg import AsyncConnection

from dure.db.pool import Database

AGENTS = 400
NEEDS = 300
REGISTER = """
    select dure.register_agent('acme', jsonb_build_object('agent_id', %s || n, 'class', 'research', 'version', '1.9.0',
        'capabilities', '["search"]'::jsonb, 'capacity', 100))
    from generate_series(1, %s) n"""
READ = """
    select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
    from pg_stat_xact_user_tables where schemaname = 'dure' and relname = %s"""


async def read_by(connection: AsyncConnection[tuple[int]], table: str, statement: str, values: list[object]) -> int:
    """How many rows of a table a statement reads."""
    async with connection.transaction():
        before = await (await connection.execute(READ.encode(), [table])).fetchone()
        await connection.execute(statement.encode(), values)
        after = await (await connection.execute(READ.encode(), [table])).fetchone()
    assert before is not None
    assert after is not None
    return after[0] - before[0]


@pytest.fixture
async def connection(database: Database, url: str) -> psycopg.AsyncConnection[tuple[int]]:
    """One connection with its plans, made when there is one agent, and statistics that say so."""
    made = await AsyncConnection.connect(url, autocommit=True)
    await made.execute(REGISTER.encode(), ["first", 1])
    await made.execute("select dure.submit_task('acme', '{\"capabilities\": [\"search\"]}')")
    for table in ("agent", "worker", "need", "lane", "job", "ready"):
        await made.execute(psycopg.sql.SQL("analyze dure.{}").format(psycopg.sql.Identifier(table)))
    return made


async def test_a_renewal_reads_the_rows_of_those_who_renew(connection: AsyncConnection[tuple[int]]) -> None:
    async with connection:
        renew = "select count(*) from dure.renew_agents(%s::bigint[], %s::jsonb[])"
        await connection.execute(renew.encode(), [[1], [None]])
        await connection.execute(REGISTER.encode(), ["a", AGENTS])
        epochs = [
            row[0] for row in await (await connection.execute("select epoch from dure.agent limit 50")).fetchall()
        ]
        for table in ("worker", "agent"):
            assert await read_by(connection, table, renew, [epochs, [None] * 50]) <= 4 * 50


async def test_a_claim_reads_each_need_and_its_line_once(connection: AsyncConnection[tuple[int]]) -> None:
    async with connection:
        claim = "select count(*) from dure.claim_tasks('acme', 'first1', %s, 1)"
        row = await (await connection.execute("select epoch from dure.agent where agent_id = 'first1'")).fetchone()
        assert row is not None
        await connection.execute(claim.encode(), [row[0]])
        await connection.execute(
            "select dure.submit_task('acme', jsonb_build_object('capabilities', jsonb_build_array('other-' || n)))"
            " from generate_series(1, %s) n",
            [NEEDS],
        )
        assert await read_by(connection, "need", claim, [row[0]]) <= 2 * NEEDS
        assert await read_by(connection, "lane", claim, [row[0]]) <= 2 * NEEDS
