from datetime import UTC, datetime, timedelta

import pytest

from dure.errors import Invalid, NotFound
from dure.queue.keys import Keys
from dure.queue.views import Principal


@pytest.fixture
def keys(database):
    return Keys(database)


async def rows(database, statement):
    async with database.system_tx() as tx:
        return await (await tx.execute(statement)).fetchall()


async def test_the_secret_is_shown_once_and_kept_nowhere(database, keys):
    assert not await keys.any_exist()
    secret, key = await keys.create("acme", "ci", "operator", None, actor="ops")
    assert secret.startswith("dure_")
    assert len(secret) > 40
    assert await keys.any_exist()
    assert (key.tenant_id, key.name, key.scope, key.last_used_at) == ("acme", "ci", "operator", None)
    ((dump,),) = await rows(
        database,
        "select string_agg(k::text, ' ') || (select string_agg(e::text, ' ') from dure.event e) from dure.api_key k",
    )
    assert secret not in dump
    assert secret.removeprefix("dure_") not in dump
    assert await rows(database, "select tenant_id, actor, verb from dure.event") == [("acme", "ops", "create")]


async def test_authenticate(database, keys):
    secret, _ = await keys.create("acme", "ci", "operator")
    assert await keys.authenticate(secret) == Principal("key:ci", "operator", "acme")
    system, _ = await keys.create(None, "root", "admin")
    assert await keys.authenticate(system) == Principal("key:root", "admin", None)
    for wrong in (
        "",
        "x",
        "dure_",
        secret[:-1],
        secret + "x",
        secret.upper(),
        "dure_" + "\x00" * 40,
        "dure_" + "가" * 40,
        "x" * 100_000,
    ):
        assert await keys.authenticate(wrong) is None


async def test_expired_and_revoked_keys_are_nothing(database, keys):
    secret, key = await keys.create("acme", "ci", "operator", datetime.now(UTC) + timedelta(hours=1))
    assert await keys.authenticate(secret)
    async with database.owner_tx() as tx:
        await tx.execute("update dure.clock set fake_now = clock_timestamp() + interval '2 hours'")
    assert await keys.authenticate(secret) is None
    async with database.owner_tx() as tx:
        await tx.execute("update dure.clock set fake_now = null")
    assert await keys.authenticate(secret)
    revoked = await keys.revoke(key.id, tenant_id="acme", actor="ops")
    assert await keys.authenticate(secret) is None
    assert (await keys.revoke(key.id)).revoked_at == revoked.revoked_at
    assert await keys.any_exist(), "the door never opens again by itself"


async def test_last_use_is_noted_at_most_once_a_minute(database, keys):
    secret, _ = await keys.create("acme", "ci", "operator")

    async def version():
        ((row,),) = await rows(database, "select xmin::text from dure.api_key")
        return row

    await keys.authenticate(secret)
    first = await version()
    await keys.authenticate(secret)
    assert await version() == first
    async with database.owner_tx() as tx:
        await tx.execute("update dure.clock set fake_now = clock_timestamp() + interval '61 seconds'")
    await keys.authenticate(secret)
    assert await version() != first
    assert (await keys.list()).items[0].last_used_at is not None


async def test_list_and_revoke_know_their_tenant(keys):
    _, mine = await keys.create("acme", "mine", "viewer")
    _, theirs = await keys.create("other", "theirs", "viewer")
    assert [key.name for key in (await keys.list("acme")).items] == ["mine"]
    page = await keys.list(limit=1)
    assert [key.name for key in page.items] == ["theirs"]
    assert [key.name for key in (await keys.list(cursor=page.next_cursor)).items] == ["mine"]
    for key_id, tenant in ((theirs.id, "acme"), ("nonsense", None), ("00000000-0000-7000-8000-000000000000", None)):
        with pytest.raises(NotFound):
            await keys.revoke(key_id, tenant_id=tenant)
    assert mine.revoked_at is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"scope": "root"}, "scope"),
        ({"tenant_id": "a b/c"}, "tenant_id"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expires_at"),
        ({"expires_at": datetime(2099, 1, 1)}, "expires_at"),
    ],
)
async def test_bad_keys_are_refused_and_nothing_is_stored(keys, given, field):
    with pytest.raises(Invalid) as error:
        await keys.create(**{"tenant_id": "acme", "name": "ci", "scope": "viewer", **given})
    assert error.value.field == field
    assert not await keys.any_exist()


def test_scopes_are_a_ladder_and_agent_is_apart():
    ladder = ["viewer", "operator", "approver", "admin"]
    for height, held in enumerate(ladder):
        assert [needed for needed in ladder if Principal("x", held).may(needed)] == ladder[: height + 1]
        assert not Principal("x", held).may("agent")
        assert not Principal("x", "agent").may(held)
    assert Principal("x", "agent").may("agent")
