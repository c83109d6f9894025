"""The skill server over real HTTP: both faces, both exact, tenants apart, and nothing outside its folder."""

import asyncio
import io
import os
import socket
import zipfile

import pytest
from mcp import Client

from dure.apps.knowledge.skills.archive import unpack
from dure.apps.knowledge.skills.errors import SkillsRefused
from dure.apps.knowledge.skills.folder import File, document
from dure.apps.knowledge.skills.gate import BODY_BYTES_MAX
from dure.apps.knowledge.skills.server import create_app, serve
from skill_servers import BINARY, browsing, running, skill, tools, upload

pytestmark = pytest.mark.own_server

TRAVERSALS = ["../secret", "..%2fsecret", "%2e%2e/secret", "a/../../secret", "/etc/passwd", "..\\secret", "x%00y"]


def tree(root):
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


async def tool(server, name, tenant=None, **arguments):
    async with tools(server, tenant) as call:
        return await call(name, **arguments)


async def test_a_skill_comes_back_byte_for_byte(tmp_path):
    made = skill(files=BINARY)
    async with running(tmp_path) as server, browsing(server, **{"Dure-Tenant": "acme"}) as http:
        assert (await upload(http, made)).json()["revision"] == made.revision
        before = tree(tmp_path)
        answer = await http.get("/skills/download", params={"name": made.name})
        assert answer.headers["etag"] == f'"{made.revision}"'
        assert unpack(answer.content) == dict(made.files)
        gone = await http.delete(f"/skills/{made.name}", params={"expected": made.revision})
        assert gone.status_code == 200
        assert tree(tmp_path) == {}
        assert (await http.get("/skills/check", params={"name": made.name})).status_code == 404
        back = await http.post("/skills/upload", content=answer.content, headers={"Content-Type": "application/zip"})
        assert back.json()["revision"] == made.revision
    assert tree(tmp_path) == before
    assert before["acme/tidy-up/bin/all"] == (BINARY["bin/all"].content, 0o755)


async def test_it_says_what_it_has(tmp_path):
    one = skill("one", agent_id="agent-1", files=BINARY)
    async with running(tmp_path) as server, browsing(server) as http:
        for made in (one, skill("two", agent_id="agent-2"), skill("배송-안내")):
            assert (await upload(http, made, tenant_id="acme")).status_code == 200
        listed = (await http.get("/skills/list", params={"tenant_id": "acme"})).json()
        assert [entry["name"] for entry in listed["skills"]] == ["one", "two", "배송-안내"]
        assert (listed["count"], listed["tenant_id"]) == (3, "acme")
        assert listed["skills"][0] == {
            "name": "one", "description": "About one.", "tenant_id": "acme", "agent_id": "agent-1", "builtin": False,
            "revision": one.revision, "file_count": 5, "size_bytes": sum(len(f.content) for f in one.files.values()),
            "problem": "",
        }  # fmt: skip
        ours = (await http.get("/skills/list", params={"tenant_id": "acme", "agent_id": "agent-2"})).json()
        assert [entry["name"] for entry in ours["skills"]] == ["two"]
        check = (await http.get("/skills/check", params={"name": "one", "tenant_id": "acme"})).json()
        assert (check["exists"], check["document_count"]) == (True, 4)
        files = (await http.get("/skills/one/files?tenant_id=acme")).json()["files"]
        assert {"path": "bin/all", "size": 10240, "mode": "755"} in files
        text = (await http.get("/skills/one/files/SKILL.md?tenant_id=acme")).json()
        assert (text["type"], text["content"]) == ("text", one.files["SKILL.md"].content.decode())
        assert (await http.get("/skills/one/files/bin/all?tenant_id=acme")).json()["type"] == "binary"
        korean = await http.get("/skills/배송-안내/files?tenant_id=acme")
        assert korean.json()["skill_name"] == "배송-안내"
        missing = await http.get("/skills/one/files/no?tenant_id=acme", headers={"Accept-Language": "ko"})
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
        assert missing.json()["code"] == "no_file"
        assert missing.json()["detail"] == "스킬 one에 파일 no이(가) 없습니다."


async def test_replacing_needs_to_be_asked_for(tmp_path):
    first, second = skill(files={"x": File(b"1")}), skill(files={"x": File(b"2")})
    async with running(tmp_path) as server, browsing(server) as http:
        assert (await upload(http, first)).json()["changed"] is True
        assert (await upload(http, first)).json()["changed"] is False
        assert (await upload(http, second)).json()["code"] == "exists"
        stale = await upload(http, second, replace="true", expected=second.files["x"].mode)
        assert (stale.status_code, stale.json()["code"]) == (409, "changed")
        assert (await upload(http, second, replace="true", expected=first.revision)).status_code == 200
        assert (await http.delete("/skills/tidy-up", params={"expected": first.revision})).json()["code"] == "changed"
        assert (await upload(http, first, replace="true")).json()["changed"] is True
        assert (await upload(http, first, agent_id="agent-9")).json()["code"] == "agent"


async def test_tenants_never_meet_on_either_face(tmp_path):
    ours, theirs = skill(files={"x": File(b"ours")}), skill(files={"x": File(b"theirs")})
    async with running(tmp_path) as server, browsing(server) as http:
        await upload(http, ours, tenant_id="acme")
        await upload(http, theirs, tenant_id="zenith")
        for tenant, made in (("acme", ours), ("zenith", theirs)):
            answer = await http.get("/skills/download?name=tidy-up", headers={"Dure-Tenant": tenant})
            assert unpack(answer.content) == dict(made.files)
            said = await tool(server, "read_skill_document", tenant, skill_name="tidy-up", document_path="x")
            assert said.structured_content["content"] == made.files["x"].content.decode()
            listed = (await tool(server, "list_skills", tenant)).structured_content["skills"]
            assert [(entry["tenant_id"], entry["revision"]) for entry in listed] == [(tenant, made.revision)]
        assert (await tool(server, "list_skills")).structured_content["count"] == 0
        assert (await tool(server, "delete_skill", "acme", skill_name="tidy-up")).is_error is False
        assert (await http.get("/skills/check?name=tidy-up&tenant_id=acme")).status_code == 404
        assert (await http.get("/skills/check?name=tidy-up&tenant_id=zenith")).status_code == 200
        two = await http.get("/skills/list?tenant_id=acme", headers={"Dure-Tenant": "zenith"})
        assert (two.status_code, two.json()["code"]) == (422, "two_tenants")
        both = await tool(server, "delete_skill", "acme", skill_name="tidy-up", tenant_id="zenith")
        assert "two_tenants" in both.content[0].text
        assert (await http.get("/skills/list?tenant_id=..%2fzenith")).json()["code"] == "tenant"


async def test_agents_keep_a_skill_up_by_the_tools(tmp_path):
    async with running(tmp_path) as server, tools(server) as call:
        made = document("fresh", "Made by a tool.", "1. Do.").decode()
        created = await call("update_skill_file", skill_name="fresh", file_path="SKILL.md", content=made, create=True)
        assert created.is_error is False, created
        await call("update_skill_file", skill_name="fresh", file_path="a/b.bin", content_base64="AP8=", mode="755")
        for odd in ('{"a": 1}', "null", "true", "7", '"x"'):
            assert not (await call("update_skill_file", skill_name="fresh", file_path="null", content=odd)).is_error
            back = await call("read_skill_document", skill_name="fresh", document_path="null", tenant_id=None)
            assert back.structured_content["content"] == odd
        await call("delete_skill_file", skill_name="fresh", file_path="null")
        read = await call("read_skill_document", skill_name="fresh", document_path="SKILL.md", include_base64=True)
        assert read.structured_content["type"] == "binary"
        contents = (await call("read_skill_document", skill_name="fresh")).structured_content
        assert contents["files"][1] == {"path": "a/b.bin", "size": 2, "mode": "755"}
        stale = await call("delete_skill_file", skill_name="fresh", file_path="a/b.bin", expected="sha256:0")
        assert "skill_conflict/changed" in stale.content[0].text
        await call("delete_skill_file", skill_name="fresh", file_path="a/b.bin", expected=contents["revision"])
        assert (tmp_path / "default/fresh/SKILL.md").read_text() == made
        assert not (tmp_path / "default/fresh/a").exists()
        for name, arguments, reason in (
            ("delete_skill_file", {"skill_name": "fresh", "file_path": "SKILL.md"}, "document_stays"),
            ("delete_skill", {"skill_name": "no"}, "no_skill"),
            ("update_skill_file", {"skill_name": "no", "file_path": "x", "content": "x"}, "no_skill"),
            ("update_skill_file", {"skill_name": "fresh", "file_path": "x"}, "content"),
            ("update_skill_file", {"skill_name": "fresh", "file_path": "x", "content_base64": "!"}, "content"),
        ):
            answer = await call(name, **arguments)
            assert answer.is_error
            assert f"/{reason}: " in answer.content[0].text
        # Clients of the older protocol too.
        async with Client(server.url, mode="legacy") as client:
            assert (await client.call_tool("list_skills", {})).structured_content["count"] == 1


async def test_no_entrance_leads_outside(tmp_path):
    (tmp_path / "secret").write_text("not yours")
    root = tmp_path / "root"
    async with running(root) as server, browsing(server) as http, tools(server) as call:
        await upload(http, skill())
        inside = tree(root)
        for path in TRAVERSALS:
            plain = path.replace("%2f", "/").replace("%2e", ".").replace("%00", "\x00")
            for method, body in (("GET", None), ("PUT", {"content": "mine"}), ("DELETE", None)):
                for address in (f"/skills/tidy-up/files/{path}", f"/skills/{path}/files/SKILL.md"):
                    answer = await http.request(method, address, json=body)
                    assert answer.status_code in (404, 405, 422), (address, answer.text)
                    assert "not yours" not in answer.text
            assert (await http.delete(f"/skills/{path}")).status_code in (404, 405, 422)
            for address in ("/skills/download", "/skills/check"):
                assert (await http.get(address, params={"name": plain})).status_code in (404, 422)
            for name, given, more in (
                ("read_skill_document", "document_path", {}),
                ("update_skill_file", "file_path", {"content": "mine"}),
                ("delete_skill_file", "file_path", {}),
            ):
                assert (await call(name, skill_name="tidy-up", **{given: plain}, **more)).is_error
                assert (await call(name, skill_name=plain, **{given: "SKILL.md"}, **more)).is_error
            assert (await call("delete_skill", skill_name=plain)).is_error
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("SKILL.md", document("slip", "Slips.", "1. Slip."))
                archive.writestr(plain.replace("\x00", "\x01"), b"mine")
            slipped = await http.post("/skills/upload", files={"file": ("a.zip", packed.getvalue())})
            assert (slipped.status_code, slipped.json()["code"]) == (422, "path")
    assert tree(root) == inside
    assert (tmp_path / "secret").read_text() == "not yours"
    assert sorted(os.listdir(tmp_path)) == ["root", "secret"]


async def test_links_are_not_followed(tmp_path):
    (tmp_path / "secret").write_text("not yours")
    root = tmp_path / "root"
    async with running(root) as server, browsing(server) as http:
        await upload(http, skill())
        (root / "default/tidy-up/link").symlink_to(tmp_path / "secret")
        for path in ("/skills/tidy-up/files/link", "/skills/download?name=tidy-up", "/skills/tidy-up/files"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (422, "unreadable")
            assert "not yours" not in answer.text
        (entry,) = (await http.get("/skills/list")).json()["skills"]
        assert "link" in entry["problem"]


async def test_bombs_and_floods_are_refused(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("SKILL.md", document("bomb", "Bursts.", "1. Burst."))
        archive.writestr("x", b"\0" * 64 * 1024 * 1024)

    async def endless():
        for _ in range(BODY_BYTES_MAX // 2**20 + 2):
            yield b"\0" * 2**20

    async with running(tmp_path) as server, browsing(server) as http:
        bomb = await http.post("/skills/upload", files={"file": ("a.zip", packed.getvalue())})
        assert (bomb.status_code, bomb.json()["code"]) == (413, "inflates_too_large")
        flood = await http.post("/skills/upload", content=endless(), headers={"Content-Type": "application/zip"})
        assert (flood.status_code, flood.json()["code"]) == (413, "body_too_large")
        for body in (b"", b"PK\x05\x06", b"not a zip"):
            answer = await http.post("/skills/upload", files={"file": ("a.zip", body)})
            assert (answer.status_code, answer.json()["code"]) == (422, "not_zip")
        assert (await http.post("/skills/upload", data={"file": "text"})).status_code == 422
        assert (
            await http.post("/skills/upload", content=b"x", headers={"Content-Type": "multipart/form-data"})
        ).status_code in (400, 422)
        assert (await http.get("/skills/list")).json()["count"] == 0
    assert tree(tmp_path) == {}


async def test_built_in_skills_stay(tmp_path):
    place = tmp_path / "builtin" / "pdf"
    place.mkdir(parents=True)
    (place / "SKILL.md").write_bytes(document("pdf", "Reads PDFs.", "1. Read."))
    before = tree(tmp_path / "builtin")
    async with running(tmp_path / "root", builtin=tmp_path / "builtin") as server, browsing(server) as http:
        for answer in (
            await upload(http, skill("pdf"), replace="true"),
            await http.delete("/skills/pdf"),
            await http.put("/skills/pdf/files/x", json={"content": "mine"}),
            await http.delete("/skills/pdf/files/x"),
        ):
            assert answer.status_code in (403, 404), answer.text
        for name, arguments in (
            ("delete_skill", {}),
            ("delete_skill_file", {"file_path": "SKILL.md"}),
            ("update_skill_file", {"file_path": "SKILL.md", "content": "mine"}),
            ("update_skill_file", {"file_path": "SKILL.md", "content": "mine", "create": True}),
        ):
            assert (await tool(server, name, "acme", skill_name="pdf", **arguments)).is_error
        listed = (await http.get("/skills/list?tenant_id=acme")).json()["skills"]
        assert [(entry["name"], entry["builtin"]) for entry in listed] == [("pdf", True)]
        assert unpack((await http.get("/skills/download?name=pdf")).content)["SKILL.md"]
    assert tree(tmp_path / "builtin") == before


async def test_who_may_ask(tmp_path):
    with pytest.raises(SkillsRefused, match="token"):
        serve(tmp_path, host="0.0.0.0", port=0)
    async with running(tmp_path) as server, browsing(server) as http:
        for headers in ({"Host": "evil.example"}, {"Origin": "http://127.0.0.1"}, {"Sec-Fetch-Site": "same-origin"}):
            for path in ("/skills/list", "/mcp"):
                assert (await http.post(path, headers=headers)).status_code == 403
    async with running(tmp_path, token="a-secret") as server, browsing(server) as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "a-secret"}):
            for path in ("/skills/list", "/mcp", "/health"):
                answer = await http.get(path, headers=headers)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="skills"')
        listed = await http.get("/skills/list", headers={"Authorization": "bearer a-secret"})
        assert listed.status_code == 200


async def test_with_a_token_it_may_be_bound_anywhere(tmp_path):
    async with running(tmp_path, host="0.0.0.0", token="a-secret") as server, browsing(server) as http:
        answer = await http.get("/health", headers={"Authorization": "Bearer a-secret", "Host": "skills.internal"})
        assert answer.json() == {"status": "ok"}


async def test_it_starts_and_stops_and_gives_the_port_back(tmp_path):
    server = serve(tmp_path, port=0)
    await server.start()
    await server.start()
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    await server.stop()
    await server.stop()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    again = create_app(tmp_path)
    async with again.router.lifespan_context(again):
        assert again.state is not None


async def test_writers_wait_for_each_other(tmp_path):
    made = [skill(files={"x": File(os.urandom(1000)), "n": File(str(n).encode())}) for n in range(8)]
    async with running(tmp_path) as server, browsing(server) as http:
        answers = await asyncio.gather(*(upload(http, one) for one in made))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
        kept = unpack((await http.get("/skills/download?name=tidy-up")).content)
        assert kept in [dict(one.files) for one in made]
