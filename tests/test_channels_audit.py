"""The log of what agents said: chained in order, and every way to change it found."""

from datetime import UTC, datetime

import psycopg
import pytest

from dure.agents import audit as auditing
from dure.agents.audit import Audit, Broken, LogFilter
from dure.agents.channels import Caller, Channels, NewChannel, tend
from dure.db.pool import Database
from dure.errors import Invalid
from queueing import TENANT, one, rows
from sqlside import Clock

TASK = "0198a0c2-7d3e-7a51-9c4f-2b1d8e6f0a11"
REST = "from_agent, to_agent, protocol, kind, task_id, trace_id, size_bytes, latency_ms, ok, error"
SAY = "select dure.log_message(%s, 'planner', %s, 'claim', 'task', %s, %s, %s, %s, %s, %s)"


@pytest.fixture
def audit(database: Database) -> Audit:
    return Audit(database)


async def say(database: Database, count: int = 1, *, tenant: str = TENANT, to: str = "worker", ok: bool = True) -> None:
    async with database.system_tx() as tx:
        for n in range(count):
            error = None if ok else "it broke 깨짐"
            await tx.execute(SAY, [tenant, to, TASK if n % 2 else None, f"trace-{n}", 10 + n, n / 3, ok, error])


async def forge(database: Database, *statements: str) -> None:
    """As somebody who owns the database does it."""
    async with database.owner_tx() as tx:
        await tx.execute("set local session_replication_role = replica")
        for statement in statements:
            await tx.execute(statement.encode())


async def test_entries_are_chained_in_order_for_each_tenant(database: Database, audit: Audit) -> None:
    await say(database, 3)
    await say(database, 2, tenant="other")
    assert (await audit.read(TENANT)).items == ()
    assert await tend(database) == 5
    await say(database, 2)
    assert await tend(database) == 2
    assert await tend(database) == 0
    chain = "select seq, prev_hash, hash from dure.agent_log where tenant_id = %s order by seq"
    found = await rows(database, chain, [TENANT])
    assert [seq for seq, _, _ in found] == [1, 2, 3, 4, 5]
    assert [prev for _, prev, _ in found][1:] == [made for _, _, made in found][:-1]
    verified = await audit.verify(TENANT)
    assert (verified.ok, verified.rows, verified.head_seq, verified.head_hash) == (True, 5, 5, found[-1][2].hex())
    assert (await audit.verify("other")).rows == 2
    assert await audit.tenants() == (TENANT, "other")
    nobody = await audit.verify("nobody")
    assert (nobody.ok, nobody.rows, nobody.head_seq) == (True, 0, 0)


async def test_a_hash_does_not_depend_on_a_sessions_settings(database: Database, audit: Audit, url: str) -> None:
    await say(database, 4)
    await tend(database)
    await say(database, 1)
    odd = (
        "-c timezone=Asia/Seoul -c datestyle=German -c extra_float_digits=-4 -c bytea_output=escape -c role=dure_system"
    )
    with psycopg.connect(url, options=odd) as other:
        other.execute("select dure.seal_log()")
        made = "sha256(prev_hash || convert_to(dure.log_text(l), 'UTF8'))"
        assert other.execute(f"select count(*) from dure.agent_log l where hash <> {made}").fetchone() == (0,)
    assert (await audit.verify(TENANT)).rows == 5


@pytest.mark.parametrize(
    ("statements", "broken"),
    [
        (("update dure.agent_log set latency_ms = 2 where seq = 4",), Broken(4, "changed")),
        (("update dure.agent_log set error = '' where seq = 2",), Broken(2, "changed")),
        (("update dure.agent_log set at = at + interval '1 microsecond' where seq = 6",), Broken(6, "changed")),
        (("update dure.agent_log set to_agent = null where seq = 1",), Broken(1, "changed")),
        (("delete from dure.agent_log where seq = 3",), Broken(3, "missing")),
        (("delete from dure.agent_log where seq in (5, 6)",), Broken(5, "missing")),
        (("delete from dure.agent_log where seq = 1",), Broken(1, "missing")),
        ((f"insert into dure.agent_log select tenant_id, 7, at, sealed_at, {REST}, hash, hash"
          " from dure.agent_log where seq = 6",),
         Broken(7, "inserted")),
        # One that is forged well, with a hash that fits it.
        (("update dure.agent_log set kind = 'x' where seq = 3",
          "update dure.agent_log l set hash = sha256(prev_hash || convert_to(dure.log_text(l), 'UTF8')) where seq = 3"),
         Broken(3, "changed")),
        (("update dure.agent_log set kind = 'x' where seq = 6",
          "update dure.agent_log l set hash = sha256(prev_hash || convert_to(dure.log_text(l), 'UTF8')) where seq = 6"),
         Broken(6, "changed")),
        # The numbers closed up after one was taken out.
        (("delete from dure.agent_log where seq = 3", "update dure.agent_log set seq = seq - 1 where seq > 3"),
         Broken(3, "changed")),
        (("delete from dure.agent_log_head",), Broken(1, "inserted")),
    ],
)  # fmt: skip
async def test_whatever_is_done_to_it_is_found(
    database: Database, audit: Audit, statements: tuple[str, ...], broken: Broken
) -> None:
    await say(database, 6)
    await tend(database)
    assert (await audit.verify(TENANT)).ok
    await forge(database, *statements)
    verified = await audit.verify(TENANT)
    assert verified.broken == broken
    assert not verified.ok


async def test_a_row_put_in_beside_another_is_found(
    database: Database, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say(database, 6)
    await tend(database)
    twin = (
        "insert into dure.agent_log"
        f" select tenant_id, seq, at, sealed_at + interval '1 second', {REST}, prev_hash, hash"
        " from dure.agent_log where seq = 3"
    )
    await forge(database, twin)
    for batch in (2, 3, 4, 100):
        monkeypatch.setattr(auditing, "VERIFY_BATCH", batch)
        assert (await audit.verify(TENANT)).broken == Broken(3, "inserted")


async def test_a_whole_new_chain_is_found_by_who_kept_its_head(database: Database, audit: Audit) -> None:
    await say(database, 3)
    await tend(database)
    before = await audit.verify(TENANT)
    known = (before.head_seq, before.head_hash)
    await say(database, 2)
    await tend(database)
    assert (await audit.verify(TENANT, known=known)).ok
    await forge(database, "delete from dure.agent_log", "delete from dure.agent_log_head")
    await say(database, 5, to="nobody")
    await tend(database)
    assert (await audit.verify(TENANT)).ok
    assert (await audit.verify(TENANT, known=known)).broken == Broken(3, "changed")
    assert (await audit.verify(TENANT, known=(9, known[1]))).broken == Broken(6, "missing")


async def test_nobody_changes_it_not_even_its_owner(database: Database, url: str) -> None:
    await say(database, 2)
    await tend(database)
    part = await one(
        database, "select 'dure.' || relname from dure.agent_log l join pg_class c on c.oid = l.tableoid limit 1"
    )
    with psycopg.connect(url, autocommit=True) as owner:
        for table in ("dure.agent_log", part):
            for act in (f"update {table} set ok = false", f"delete from {table}", f"truncate {table}"):
                with pytest.raises(psycopg.Error) as refused:
                    owner.execute(act)
                assert "append-only" in str(refused.value)
        for role in ("dure_system", "dure_app"):
            owner.execute(f"set role {role}")
            for act in (
                "update dure.agent_log set ok = false",
                "delete from dure.agent_log",
                "delete from dure.agent_log_new",
                "insert into dure.agent_log select * from dure.agent_log",
                "update dure.agent_log_head set seq = 0",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    owner.execute(act)


async def test_old_months_go_whole_and_the_chain_holds(database: Database, audit: Audit, clock: Clock) -> None:
    for month in ("2030-01", "2030-02", "2030-03"):
        clock.to(f"{month}-15 00:00:00+00")
        await say(database, 3)
        await say(database, 1, tenant="other")
        await tend(database)
    clock.to("2031-02-02 00:00:00+00")
    await tend(database)
    tables = "select relname::text from pg_class where relname ~ '^agent_log_2030..$' order by 1"
    assert await rows(database, tables) == [("agent_log_203002",), ("agent_log_203003",)]
    verified = await audit.verify(TENANT)
    assert (verified.ok, verified.rows, verified.first_seq, verified.head_seq) == (True, 6, 4, 9)
    assert (await audit.verify("other")).rows == 2
    with pytest.raises(Invalid):
        await audit.verify(TENANT, known=(3, "00" * 32))
    # What is left can still be told from what was tampered with, also where it begins.
    await forge(database, f"delete from dure.agent_log where tenant_id = '{TENANT}' and seq = 4")
    assert (await audit.verify(TENANT)).broken == Broken(4, "missing")
    # All of it may go, and it goes on.
    clock.to("2032-01-01 00:00:00+00")
    await say(database, 2, tenant="other")
    await tend(database)
    verified = await audit.verify("other")
    assert (verified.ok, verified.rows, verified.first_seq, verified.head_seq) == (True, 2, 4, 5)


async def test_how_long_it_is_kept_is_a_setting(database: Database, clock: Clock) -> None:
    clock.to("2030-01-15 00:00:00+00")
    await say(database)
    await tend(database)
    await rows(database, "update dure.setting set value = '10' where name = 'agent_log_keep_days'")
    clock.to("2030-02-09 00:00:00+00")
    await tend(database)
    assert await one(database, "select count(*) from dure.agent_log") == 1
    clock.to("2030-02-11 00:00:01+00")
    await tend(database)
    assert await one(database, "select count(*) from dure.agent_log") == 0


async def test_a_transaction_that_commits_late_is_chained_late(database: Database, audit: Audit, url: str) -> None:
    with psycopg.connect(url, options="-c role=dure_system") as slow:
        slow.execute(SAY, [TENANT, "slow", None, None, 1, 1.0, True, None])
        await say(database, 2, to="quick")
        assert await tend(database) == 2
        slow.commit()
    assert await tend(database) == 1
    assert [entry.to_agent for entry in (await audit.read(TENANT)).items] == ["slow", "quick", "quick"]
    assert (await audit.verify(TENANT)).ok


async def test_more_than_a_batch_and_a_clock_that_goes_back(
    database: Database, audit: Audit, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "SEAL_BATCH", 4)
    monkeypatch.setattr(auditing, "VERIFY_BATCH", 3)
    clock.to("2030-02-01 00:00:00+00")
    await say(database, 10)
    assert await tend(database) == 10
    clock.to("2030-01-31 23:59:59+00")
    await say(database, 5)
    assert await tend(database) == 5
    parts = "select distinct relname::text from dure.agent_log l join pg_class c on c.oid = l.tableoid"
    assert await rows(database, parts) == [("agent_log_203002",)]
    assert (await audit.verify(TENANT)).rows == 15


async def test_it_is_read_by_whom_what_and_when(database: Database, audit: Audit, clock: Clock) -> None:
    clock.to("2030-01-15 00:00:00+00")
    await say(database, 3)
    clock.to("2030-01-16 00:00:00+00")
    await say(database, 2, to="other-worker", ok=False)
    await say(database, 1, tenant="other")
    await tend(database)

    async def found(**where: object) -> list[int]:
        return [entry.seq for entry in (await audit.read(TENANT, LogFilter(**where))).items]  # type: ignore[arg-type]

    assert await found() == [5, 4, 3, 2, 1]
    assert await found(agent="worker") == [3, 2, 1]
    assert await found(agent="planner", ok=False) == [5, 4]
    assert await found(task_id=TASK) == [5, 2]
    assert await found(task_id="no id") == []
    assert await found(trace_id="trace-2") == [3]
    assert await found(since=datetime(2030, 1, 16, tzinfo=UTC)) == [5, 4]
    assert await found(until=datetime(2030, 1, 16, tzinfo=UTC)) == [3, 2, 1]
    page = await audit.read(TENANT, limit=2)
    assert [entry.seq for entry in page.items] == [5, 4]
    assert [entry.seq for entry in (await audit.read(TENANT, cursor=page.next_cursor, limit=3)).items] == [3, 2, 1]
    assert (page.items[0].error, page.items[0].size_bytes, page.items[0].latency_ms) == ("it broke 깨짐", 11, 1 / 3)
    with pytest.raises(Invalid):
        await audit.read(TENANT, cursor="nonsense")
    async with database.tenant_tx("other") as tx:
        assert await (await tx.execute("select distinct tenant_id from dure.agent_log")).fetchall() == [("other",)]


async def test_a_message_to_an_agent_is_logged(database: Database, audit: Audit) -> None:
    channels = Channels(database)
    await channels.create(TENANT, NewChannel("builds.done"), actor="ops")
    me = Caller("ops", "admin")
    await channels.publish(TENANT, "builds.done", {}, caller=me)
    await channels.publish(TENANT, "builds.done", {"n": 1}, caller=me, kind="result", to="planner", task_id=TASK)
    assert await tend(database) == 1
    (entry,) = (await audit.read(TENANT)).items
    told = (entry.from_agent, entry.to_agent, entry.protocol, entry.kind, entry.task_id, entry.size_bytes, entry.ok)
    assert told == ("ops", "planner", "channel", "result", TASK, 8, True)
