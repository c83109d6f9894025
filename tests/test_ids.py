import time
import uuid
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from dure.db.pool import Database
from dure.ids import MANY_MAX, is_key, is_tenant_id, uuid7, uuid7_many

pytestmark = pytest.mark.own_server


def test_is_a_uuid_of_version_7():
    before_ms = time.time_ns() // 1_000_000
    made = uuid7()
    parsed = uuid.UUID(made)
    assert str(parsed) == made
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert before_ms <= parsed.int >> 80 <= time.time_ns() // 1_000_000


def test_one_by_one_they_ascend():
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("count", [0, 1, 2, 32_767, 32_768, 100_000, MANY_MAX])
def test_many_ascend_at_any_count(count):
    made = uuid7_many(count)
    assert len(made) == count
    assert all(earlier < later for earlier, later in pairwise(made))
    assert all(len(made[at]) == 36 and uuid.UUID(made[at]).version == 7 for at in {0, count // 2, count - 1} if made)


def test_more_than_the_limit_is_refused():
    with pytest.raises(ValueError, match="count"):
        uuid7_many(MANY_MAX + 1)
    with pytest.raises(ValueError, match="count"):
        uuid7_many(-1)


def test_the_next_batch_comes_after_the_last():
    batches = [uuid7_many(100) for _ in range(50)]
    flat = [made for batch in batches for made in batch]
    assert flat == sorted(flat)


@pytest.mark.parametrize("name", ["acme", "acme-1", "학원", "a", "me@example.org", "a b", "x" * 200])
def test_names_of_tenants(name):
    assert is_tenant_id(name)


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "a\nb", "a\x00", "x" * 201, "'; drop table job --"])
def test_not_names_of_tenants(name):
    assert not is_tenant_id(name)


def test_keys_are_free_text_without_control_characters():
    assert is_key("invoice 42/송장 #3")
    assert not is_key("")
    assert not is_key("a\x00b")
    assert not is_key("x" * 513)
    assert not is_key("\ud800")


async def test_the_database_makes_them_too(database: Database):
    async with database.system_tx() as tx:
        rows = await (await tx.execute("select dure.uuid7() from generate_series(1, 10000)")).fetchall()
    made = [row[0] for row in rows]
    assert len(set(made)) == len(made)
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert abs((made[0].int >> 80) - time.time_ns() // 1_000_000) < 10_000
    # Before PostgreSQL 18 those of one microsecond come in no order.
    ticks = [one.int >> 64 for one in made]
    assert ticks == sorted(ticks)


async def test_ids_of_python_and_of_the_database_interleave(database: Database):
    made = []
    async with database.system_tx() as tx:
        for _ in range(20):
            made.append(uuid.UUID(uuid7()))
            made.append((await (await tx.execute("select dure.uuid7()")).fetchone())[0])
    assert made == sorted(made)


async def test_the_lower_bound_of_a_time(database: Database):
    async with database.system_tx() as tx:
        row = await (
            await tx.execute(
                """with made as materialized (
                     select clock_timestamp() - interval '2 ms' as before, dure.uuid7() as id,
                            clock_timestamp() + interval '2 ms' as after
                   )
                   select dure.uuid7_at(before) < id, id < dure.uuid7_at(after),
                          dure.uuid7_at('infinity') > id, dure.uuid7_at('-infinity') < id,
                          dure.uuid7_at(null), dure.uuid7_at(%s)
                   from made""",
                [datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)],
            )
        ).fetchone()
    assert row[:5] == (True, True, True, True, None)
    assert row[5].int >> 80 == 1_767_323_045_678
    assert row[5].int & ((1 << 80) - 1) == 0x7000_8000_0000_0000_0000
