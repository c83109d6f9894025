"""Skills as a store of records, over our server and over other people's, on good days and bad ones."""

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from dure.apps.knowledge.skills.archive import pack
from dure.apps.knowledge.skills.client import SkillClient
from dure.apps.knowledge.skills.errors import SkillInvalid, SkillsDown, SkillsRefused, SkillsUnauthorized
from dure.apps.knowledge.skills.folder import File, document, files_text
from dure.apps.knowledge.skills.store import SkillStore, record_of, skill_of
from dure.errors import Invalid
from dure.runs.stores.protocol import OutsideStore, Record, StoreConflict, StoreDown, Undo
from skill_servers import BINARY, Killable, OtherMcp, OtherPlain, browsing, running, serving, skill, upload

pytestmark = pytest.mark.own_server

ACME = {"tenant_id": "acme"}
ZENITH = {"tenant_id": "zenith"}


@asynccontextmanager
async def stored(server, *, tries=3, timeout_s=10.0, token=None, builtin=None, **options):
    client = SkillClient(server.url, tries=tries, timeout_s=timeout_s, token=token, builtin=builtin)
    async with client:
        yield SkillStore(client, **options)


async def everything(store, scope=ACME):
    return {record.key: record async for record in store.list(scope)}


async def create(store, made, scope=ACME):
    return await store.put(scope, record_of(made), expected=None, idempotency_key="k")


async def test_deleted_and_put_back_it_is_the_same_to_the_byte(tmp_path):
    made = skill(files=BINARY)
    async with running(tmp_path) as server, stored(server) as store, browsing(server) as http:
        assert isinstance(store, OutsideStore)
        assert not store.undo.deletes
        await upload(http, made, tenant_id="acme")
        records = await everything(store)
        assert records == {("tidy-up",): record_of(made)}
        assert store.undo == Undo()
        record = records["tidy-up",]
        for _ in range(2):
            await store.delete(ACME, record.key, expected=record.revision, idempotency_key="k1")
        assert await store.get(ACME, [record.key]) == {}
        for _ in range(2):
            assert await store.put(ACME, record, expected=None, idempotency_key="k2") == record
        assert await everything(store) == records
    restored = tmp_path / "acme/tidy-up"
    assert {str(path.relative_to(restored)) for path in restored.rglob("*") if path.is_file()} == set(made.files)
    assert all((restored / path).read_bytes() == file.content for path, file in made.files.items())
    assert os.access(restored / "bin/all", os.X_OK)


async def test_a_skill_without_front_matter_is_put_back_too(tmp_path):
    place = tmp_path / "acme" / "bare"
    place.mkdir(parents=True)
    (place / "SKILL.md").write_bytes(b"1. Look.\r\n")
    async with running(tmp_path) as server, stored(server) as store:
        assert await store.ask(ACME) == Undo()
        (record,) = (await everything(store)).values()
        await store.delete(ACME, record.key, expected=record.revision, idempotency_key="k")
        assert await store.put(ACME, record, expected=None, idempotency_key="k") == record
    assert (place / "SKILL.md").read_bytes() == b"1. Look.\r\n"


async def test_a_conflict_shows_what_is_there(tmp_path):
    first, second, third = (skill(files={"x": File(n)}) for n in (b"1", b"2", b"3"))
    async with running(tmp_path) as server, stored(server) as store:
        await create(store, first)
        updated = await store.put(ACME, record_of(second), expected=first.revision, idempotency_key="k")
        assert updated == record_of(second)
        key = ("tidy-up",)
        for act in (
            lambda: store.put(ACME, record_of(third), expected=first.revision, idempotency_key="k"),
            lambda: store.delete(ACME, key, expected=first.revision, idempotency_key="k"),
            lambda: store.put(ACME, record_of(third), expected=None, idempotency_key="k"),
        ):
            with pytest.raises(StoreConflict) as caught:
                await act()
            assert caught.value.present == record_of(second)
        assert caught.value.reason == "exists"
        await store.delete(ACME, key, expected=second.revision, idempotency_key="k")
        with pytest.raises(StoreConflict, match="gone") as caught:
            await store.put(ACME, record_of(third), expected=second.revision, idempotency_key="k")
        assert caught.value.present is None
        with pytest.raises(SkillsRefused, match="another name"):
            await store.move(ACME, key, ("other",), expected="", idempotency_key="k")


async def test_tenants_with_a_skill_of_the_same_name(tmp_path):
    ours, theirs = skill(files={"x": File(b"ours")}), skill(files={"x": File(b"theirs")})
    async with running(tmp_path) as server, stored(server) as store:
        await create(store, ours)
        await create(store, theirs, ZENITH)
        assert await everything(store, ACME) == {("tidy-up",): record_of(ours)}
        with pytest.raises(StoreConflict):
            await store.delete(ACME, ("tidy-up",), expected=theirs.revision, idempotency_key="k")
        await store.delete(ACME, ("tidy-up",), expected=ours.revision, idempotency_key="k")
        assert await everything(store, ACME) == {}
        assert await everything(store, ZENITH) == {("tidy-up",): record_of(theirs)}
        korean = {"tenant_id": "두레"}
        await create(store, ours, korean)
        assert list(await everything(store, korean)) == [("tidy-up",)]


async def test_an_agent_has_its_own(tmp_path):
    mine, theirs, shared = skill("mine", agent_id="a-1"), skill("theirs", agent_id="a-2"), skill("shared")
    scope = {**ACME, "agent_id": "a-1"}
    async with running(tmp_path) as server, stored(server) as store:
        for made in (mine, theirs, shared):
            await create(store, made)
        assert list(await everything(store, scope)) == [("mine",)]
        assert list(await everything(store, {**ACME, "scope": "a-2"})) == [("theirs",)]
        assert list(await everything(store)) == [("mine",), ("shared",), ("theirs",)]
        for made in (theirs, shared):
            assert await store.get(scope, [(made.name,)]) == {}
            with pytest.raises(SkillsRefused, match="does not belong"):
                await store.delete(scope, (made.name,), expected=made.revision, idempotency_key="k")
            with pytest.raises(SkillsRefused, match="does not belong"):
                await store.put(scope, record_of(made), expected=made.revision, idempotency_key="k")
            taken = skill(made.name, agent_id="a-1")
            with pytest.raises(SkillsRefused, match="does not belong"):
                await store.put(scope, record_of(taken), expected=made.revision, idempotency_key="k")
    async with running(tmp_path) as server, stored(server, shared=True) as store:
        assert list(await everything(store, scope)) == [("mine",), ("shared",)]
    async with running(tmp_path) as server, stored(server, owners={"a-1": ["theirs"]}) as store:
        assert list(await everything(store, scope)) == [("theirs",)]


async def test_built_in_and_broken_skills_are_not_records(tmp_path):
    place = tmp_path / "builtin" / "pdf"
    place.mkdir(parents=True)
    (place / "SKILL.md").write_bytes(document("pdf", "Reads PDFs.", "1. Read."))
    async with running(tmp_path / "root", builtin=tmp_path / "builtin") as server, stored(server) as store:
        await create(store, skill())
        broken = tmp_path / "root/acme/broken"
        broken.mkdir()
        (broken / "SKILL.md").symlink_to(place / "SKILL.md")
        assert list(await everything(store)) == [("tidy-up",)]
        assert [(entry.name, entry.builtin, bool(entry.problem)) for entry in await store.untouched(ACME)] == [
            ("broken", False, True),
            ("pdf", True, False),
        ]
        present = (await store.get(ACME, [("pdf",)]))["pdf",]
        with pytest.raises(SkillsRefused, match="built in"):
            await store.delete(ACME, present.key, expected=present.revision, idempotency_key="k")
        with pytest.raises(SkillsRefused, match="built in"):
            await store.put(ACME, record_of(skill("pdf")), expected=present.revision, idempotency_key="k")
    assert (place / "SKILL.md").read_bytes() == document("pdf", "Reads PDFs.", "1. Read.")


async def test_a_record_that_does_not_agree_with_its_files_is_refused():
    made = skill()
    assert skill_of(record_of(made)) == made
    files = files_text(made.files)
    for record in (
        Record(("other",), ("other", made.description, files)),
        Record(("tidy-up",), ("tidy-up", "else", files)),
        Record(("tidy-up",), ("tidy-up", made.description, None)),
        Record(("tidy-up",), ("tidy-up", made.description, files.replace("SKILL.md", "../SKILL.md"))),
    ):
        with pytest.raises(SkillInvalid):
            skill_of(record)


async def test_a_server_killed_in_the_middle_of_a_call(tmp_path):
    made, changed = skill(files=BINARY), skill(files={"x": File(b"new")})
    server = Killable(tmp_path)
    await server.start()
    try:
        async with stored(server, tries=1) as store:
            await create(store, made)
            # The server's own lock, so that the call is under way for as long as we like.
            handle = os.open(tmp_path / "acme/.lock", os.O_RDWR)
            fcntl.flock(handle, fcntl.LOCK_EX)
            put = asyncio.create_task(store.put(ACME, record_of(changed), expected=made.revision, idempotency_key="k"))
            done, _ = await asyncio.wait({put}, timeout=0.3)
            assert not done
            await server.kill()
            with pytest.raises(StoreDown):
                await put
            os.close(handle)
            with pytest.raises(StoreDown):
                await store.get(ACME, [("tidy-up",)])
            await server.start()
            assert await everything(store) == {("tidy-up",): record_of(made)}
            again = await store.put(ACME, record_of(changed), expected=made.revision, idempotency_key="k")
            assert again == record_of(changed)
    finally:
        await server.kill()


async def test_a_busy_server_is_asked_again_and_a_refusing_one_is_not():
    calls = []

    async def listing(request):
        calls.append(request.query_params["tenant_id"])
        tenant = calls[-1]
        if tenant == "busy" and len(calls) < 3:
            return JSONResponse({"detail": "loading"}, 503, {"Retry-After": "0.01"})
        if tenant == "later":
            return JSONResponse({"detail": "limit"}, 429, {"Retry-After": "120"})
        if tenant == "refused":
            return JSONResponse({"detail": "not for you"}, 403)
        return JSONResponse({"skills": [], "tenant_id": tenant})

    async with serving(Starlette(routes=[Route("/skills/list", listing)], lifespan=None)) as server:
        async with stored(server) as store:
            assert await everything(store, {"tenant_id": "busy"}) == {}
            assert calls[:3] == ["busy"] * 3
        calls.clear()
        async with stored(server) as store:
            with pytest.raises(StoreDown) as caught:
                await everything(store, {"tenant_id": "later"})
            assert (caught.value.after_s, len(calls)) == (120, 1)
        calls.clear()
        async with stored(server) as store:
            with pytest.raises(SkillsRefused, match="not for you"):
                await everything(store, {"tenant_id": "refused"})
            assert len(calls) == 1


async def test_a_silent_server_is_given_up_after_its_time():
    held = asyncio.Event()

    async def silent(reader, writer):
        await held.wait()
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
    async with SkillClient(url, tries=1, timeout_s=0.2) as client:
        with pytest.raises(SkillsDown):
            await client.list("acme")
    held.set()
    listener.close()


async def test_answers_that_cannot_be_trusted(monkeypatch):
    answers = {}

    async def anything(request):
        return answers[request.url.path]

    app = Starlette(routes=[Route("/{path:path}", anything)], lifespan=None)
    listed = JSONResponse({"skills": [{"name": "a"}, {"name": "b", "tenant_id": "zenith"}, 7, {}], "tenant_id": "acme"})
    other = skill("other")
    async with serving(app) as server:
        for download in (
            PlainTextResponse("not a zip"),
            PlainTextResponse(b""),
            PlainTextResponse("Not Found", 404),
            JSONResponse({"detail": "Not Found"}, 404),
        ):
            answers.update({"/skills/list": listed, "/skills/download": download})
            async with stored(server) as store:
                with pytest.raises((SkillsRefused, SkillInvalid)):
                    await everything(store)
        answers["/skills/download"] = PlainTextResponse(pack(other.files))
        async with stored(server) as store:
            with pytest.raises(SkillsRefused, match="the server sent other"):
                await everything(store)
        monkeypatch.setattr("dure.apps.knowledge.skills.plain.ANSWER_BYTES_MAX", 10)
        async with stored(server) as store:
            with pytest.raises(SkillsRefused, match="over 10 bytes"):
                await everything(store)


async def test_another_server_without_revisions(tmp_path):
    other = OtherPlain()
    made, changed = skill(files={"x": File(b"1")}), skill(files={"x": File(b"2"), "새.txt": File(b"3")})
    async with serving(other.app()) as server, stored(server) as store:
        assert await create(store, made) == record_of(made)
        assert await create(store, made) == record_of(made)
        assert other.calls == [("upload", "acme", "tidy-up")]
        with pytest.raises(StoreConflict, match="changed"):
            await store.put(ACME, record_of(changed), expected="sha256:0", idempotency_key="k")
        with pytest.raises(StoreConflict, match="exists"):
            await store.put(ACME, record_of(changed), expected=None, idempotency_key="k")
        with pytest.raises(StoreConflict, match="changed"):
            await store.delete(ACME, ("tidy-up",), expected="sha256:0", idempotency_key="k")
        assert other.calls == [("upload", "acme", "tidy-up")]
        assert await store.put(ACME, record_of(changed), expected=made.revision, idempotency_key="k") == record_of(
            changed
        )
        assert await everything(store, ZENITH) == {}
        for _ in range(2):
            await store.delete(ACME, ("tidy-up",), expected=changed.revision, idempotency_key="k")
        assert other.kept == {}
        assert store.undo.deletes
        # What it cannot keep is told: a mode is lost there, and the record says so; a changed byte is an error.
        executable = skill(files={"run": File(b"#!", "755")})
        assert (await create(store, executable)).revision != executable.revision
        other.changes_files = True
        with pytest.raises(SkillsRefused, match="as they were sent"):
            await create(store, skill("second"))


async def test_another_server_with_the_tools_alone():
    other = OtherMcp(says_builtin=True)
    made = skill(files={"a.bin": File(bytes(range(256))), "b.txt": File("안녕".encode())})
    changed = skill(steps="1. Else.", files={"b.txt": File("안녕".encode()), "c/d.txt": File(b"new")})
    other.kept = {
        "tidy-up": {path: file.content for path, file in made.files.items()},
        "pdf": {"SKILL.md": document("pdf", "Reads PDFs.", "1. Read.")},
    }
    async with other.running() as server, stored(server) as strict:
        with pytest.raises(SkillsRefused, match="keep tenants apart"):
            await everything(strict)
        async with stored(server, only_tenant="acme") as store:
            with pytest.raises(SkillsRefused, match="keep tenants apart"):
                await everything(store, ZENITH)
            assert await everything(store) == {("tidy-up",): record_of(made)}
            assert (store.undo.updates, store.undo.deletes) == (True, False)
            assert "no way to create" in store.undo.why_not
            written = await store.put(ACME, record_of(changed), expected=made.revision, idempotency_key="k")
            assert written == record_of(changed)
            assert ("update", "tidy-up", "b.txt") not in other.calls
            assert ("delete file", "tidy-up", "a.bin") in other.calls
            with pytest.raises(SkillsRefused, match="no way to create"):
                await create(store, skill("fresh"))
            with pytest.raises(StoreConflict, match="changed"):
                await store.delete(ACME, ("tidy-up",), expected=made.revision, idempotency_key="k")
            present = (await store.get(ACME, [("pdf",)]))["pdf",]
            with pytest.raises(SkillsRefused, match="built in"):
                await store.delete(ACME, ("pdf",), expected=present.revision, idempotency_key="k")
            for _ in range(2):
                await store.delete(ACME, ("tidy-up",), expected=changed.revision, idempotency_key="k")
            assert list(other.kept) == ["pdf"]


async def test_tools_that_do_not_say_what_is_built_in_or_answer_in_prose():
    other = OtherMcp()
    other.kept = {name: {"SKILL.md": document(name, "b", "c")} for name in ("pdf", "tidy-up")}
    async with other.running() as server:
        async with stored(server, only_tenant="acme") as store:
            assert await everything(store) == {}
            assert [entry.problem for entry in await store.untouched(ACME)] == ["builtin_unknown"] * 2
            (present,) = (await store.get(ACME, [("tidy-up",)])).values()
            with pytest.raises(SkillsRefused, match="built in"):
                await store.delete(ACME, present.key, expected=present.revision, idempotency_key="k")
        async with stored(server, only_tenant="acme", builtin=["pdf"]) as store:
            assert list(await everything(store)) == [("tidy-up",)]
        other.prose = True
        async with stored(server, only_tenant="acme") as store:
            with pytest.raises(SkillsRefused, match="shape"):
                await everything(store)
    assert other.calls == []


async def test_our_own_server_by_its_tools_alone(tmp_path, monkeypatch):
    made, changed = skill(files=BINARY), skill(files={"run": File(b"#!", "755")})

    async def no_plain(self, tenant):
        return None

    monkeypatch.setattr("dure.apps.knowledge.skills.plain.PlainFace.abilities", no_plain)
    async with running(tmp_path, token="a-secret") as server:
        async with stored(server, token="a-secret") as store:
            for scope in (ACME, {"tenant_id": "두레"}):
                assert await create(store, made, scope) == record_of(made)
                assert await everything(store, scope) == {("tidy-up",): record_of(made)}
            updated = await store.put(ACME, record_of(changed), expected=made.revision, idempotency_key="k")
            assert updated == record_of(changed)
            await store.delete(ACME, ("tidy-up",), expected=changed.revision, idempotency_key="k")
            assert await everything(store) == {}
            assert store.undo.deletes
            monkeypatch.setattr("dure.apps.knowledge.skills.mcp_face.ANSWER_BYTES_MAX", 100)
            with pytest.raises(SkillsRefused, match="over 100 bytes"):
                await everything(store)
        monkeypatch.setattr("dure.apps.knowledge.skills.mcp_face.ANSWER_BYTES_MAX", 10**7)
        async with stored(server, token="wrong", tries=1) as store:
            with pytest.raises(SkillsUnauthorized):
                await everything(store)
    async with stored(server, token="a-secret", tries=1) as store:
        with pytest.raises(StoreDown):
            await everything(store)


async def test_a_wrong_token_or_address_is_final(tmp_path):
    async with running(tmp_path, token="a-secret") as server, stored(server, token="wrong") as store:
        with pytest.raises(SkillsUnauthorized, match="token"):
            await everything(store)
    async with serving(Starlette(routes=[])) as server, stored(server) as store:
        with pytest.raises(SkillsRefused, match="no skill server"):
            await everything(store)
    for url in ("", "localhost:8765/mcp", "ftp://localhost/mcp", "http:///mcp"):
        with pytest.raises(Invalid):
            SkillClient(url)
