"""Intents over HTTP: what may be asked for, asking for it, deciding about it, and what came of it."""

import asyncio
from dataclasses import replace

import pytest

from dure.intents.catalogue import Catalogue
from dure.intents.model import Declaration
from dure.intents.offering import Offers
from dure.intents.patterns import Patterns
from dure.intents.requests import Intents
from engine import Engine
from intending import ALL, CATALOGUE, HEALED, TITLE, allow, working
from queueing import TENANT, one, rows, settings, until
from web import Web, problem

MISSING = "00000000-0000-7000-8000-000000000000"
DOUBLE = "/v1/intents/test.get.double"


def web_of(database, catalogue=CATALOGUE):
    """The interface, with the intents of the tests."""
    web = Web(Engine(database))
    services = replace(
        web.services,
        intents=Intents(database, settings(), catalogue),
        offers=Offers(database, catalogue),
        patterns=Patterns(database, settings(), catalogue),
    )
    web.services = web.app.state.services = services
    return web


@pytest.fixture
def web(database):
    return web_of(database)


@pytest.fixture
async def http(web):
    async with web.client(**{"Dure-Tenant": TENANT}) as client:
        yield client


async def ended(http, request_id):
    async def has_ended():
        found = (await http.get(f"/v1/intents/requests/{request_id}")).json()
        return None if found["state"] in ("waiting", "pending", "processing") else found

    return await until(has_ended)


class TestTheCatalogue:
    async def test_says_what_the_policies_say_to_this_caller(self, web, http, database):
        await allow(database, "test.get.*", cap_per_day=2)
        await allow(database, "test.exec.each", allowed=False)
        items = {item["key"]: item for item in (await http.get("/v1/intents")).json()["items"]}
        assert list(items) == sorted(one.key for one in CATALOGUE)
        double, each, rename = (items[f"test.{name}"]["policy"] for name in ("get.double", "exec.each", "exec.rename"))
        assert (double["allowed"], double["code"], double["policy"]) == (True, "allowed", "test.get.*")
        assert (double["cap_per_day"], double["cap_left"]) == (2, 2)
        assert (each["code"], each["text"]) == (
            "not_allowed", "The policy test.exec.each does not allow test.exec.each."
        )  # fmt: skip
        assert (rename["allowed"], rename["code"]) == (False, "no_policy")
        korean = (await http.get("/v1/intents", headers={"Accept-Language": "ko"})).json()["items"]
        assert "정책이 없" in next(item for item in korean if item["key"] == "test.exec.rename")["policy"]["text"]
        viewer = await web.key("viewer", TENANT)
        async with web.client(viewer) as other:
            offered = (await other.get("/v1/intents/test.get.double")).json()["policy"]
            assert offered["code"] == "allowed"
            await allow(database, "test.get.double", ask="approver")
            offered = (await other.get("/v1/intents/test.get.double")).json()["policy"]
            assert (offered["code"], "approver" in offered["text"]) == ("scope_missing", True)

    async def test_filters_and_pages(self, http, database):
        await allow(database, "test.get.*")
        keys = [item["key"] for item in (await http.get("/v1/intents?effect=send&category=test")).json()["items"]]
        assert keys == ["test.exec.each", "test.exec.say"]
        assert (await http.get("/v1/intents?category=other")).json()["items"] == []
        keys = [item["key"] for item in (await http.get("/v1/intents?allowed=true")).json()["items"]]
        assert keys == ["test.get.double", "test.get.swallows"]
        found, cursor = [], ""
        while cursor is not None:
            page = (await http.get("/v1/intents", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
            found += [item["key"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert found == [one.key for one in CATALOGUE]

    async def test_one_tells_what_it_takes(self, http):
        found = (await http.get("/v1/intents/test.exec.each")).json()
        assert (found["form"], found["params_schema"]["properties"]["good"]["type"]) == ("targets", "integer")
        problem(await http.get("/v1/intents/test.get.nothing"), 404, "not_found")

    async def test_one_whose_code_does_not_import_says_so_and_the_others_are_there(self, database):
        declared = Declaration(key="test.get.broken", title=TITLE, target="no.such.module:Broken")
        async with web_of(database, Catalogue({declared.key: declared}, ALL)).client(**{"Dure-Tenant": TENANT}) as http:
            for answer in (
                await http.get("/v1/intents/test.get.broken"),
                await http.post("/v1/intents/test.get.broken"),
            ):
                assert problem(answer, 500, "intent_broken") == {"intent": "intent_broken"}
                assert "no.such.module" in answer.json()["detail"]
            assert len((await http.get("/v1/intents")).json()["items"]) == len(ALL) + 1


class TestAsking:
    async def test_a_request_from_202_to_its_answer(self, http, database):
        await allow(database)
        async with working(database):
            made = await http.post(DOUBLE, json={"params": {"n": 21}})
            assert (made.status_code, made.json()["created"]) == (202, True)
            assert made.headers["location"] == f"/v1/intents/requests/{made.json()['id']}"
            found = await ended(http, made.json()["id"])
        assert (found["state"], found["result"]["twice"], found["key"]) == ("completed", 42, "test.get.double")
        by_job = (await http.get(f"/v1/intents/requests/{found['job_id']}")).json()
        assert by_job["id"] == found["id"]
        listed = (await http.get("/v1/intents/requests?key=test.get.double&state=completed")).json()["items"]
        assert [item["id"] for item in listed] == [found["id"]]

    async def test_a_double_click_is_one_request(self, http, database):
        await allow(database)
        both = await asyncio.gather(*[http.post(DOUBLE, json={"params": {"n": 1}}) for _ in range(2)])
        assert sorted(answer.status_code for answer in both) == [200, 202]
        assert len({answer.json()["id"] for answer in both}) == 1
        keyed = [await http.post(DOUBLE, json={"params": {"n": 2}}, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert [answer.status_code for answer in keyed] == [202, 202]
        assert keyed[1].headers["idempotency-replayed"] == "true"
        assert keyed[0].json() == keyed[1].json()
        named = [await http.post(DOUBLE, json={"params": {"n": 3}, "unique_key": "u"}) for _ in range(2)]
        assert [answer.json()["created"] for answer in named] == [True, False]
        other = await http.post(DOUBLE, json={"params": {"n": 4}, "unique_key": "u"})
        assert problem(other, 409, "conflict") == {"unique_key": "same_key_other_params"}
        assert await one(database, "select count(*) from dure.job") == 3

    async def test_what_may_not_be_had_is_refused_with_the_reason(self, web, http, database):
        refused = await http.post(DOUBLE)
        assert problem(refused, 403, "refused") == {"intent": "intent_no_policy"}
        korean = await http.post(DOUBLE, headers={"Accept-Language": "ko"})
        assert "test.get.double" in korean.json()["detail"]
        await allow(database)
        viewer, agent = await web.key("viewer", TENANT), await web.key("agent", TENANT)
        async with web.client(agent) as bot:
            assert problem(await bot.post(DOUBLE), 403, "refused") == {"intent": "intent_agents_not_allowed"}
        async with web.client(viewer) as sees:
            assert (await sees.post(DOUBLE)).status_code == 202
            answer = await sees.post("/v1/intents/test.exec.each")
            assert problem(answer, 403, "refused") == {"intent": "intent_scope_missing"}

    async def test_the_cap_of_the_day_says_when_it_ends(self, web, http, database):
        await allow(database, cap_per_day=1)
        assert (await http.post(DOUBLE, json={"params": {"n": 1}})).status_code == 202
        answer = await http.post(DOUBLE, json={"params": {"n": 2}})
        assert problem(answer, 429, "rate_limited") == {"intent": "cap_reached"}
        assert answer.json()["detail"] == "test.get.double may be had 1 times a day, and was."
        assert 1 <= int(answer.headers["retry-after"]) <= 86_400
        offered = (await http.get(DOUBLE)).json()["policy"]
        assert (offered["allowed"], offered["code"], offered["cap_left"]) == (False, "cap_reached", 0)

    async def test_what_does_not_fit_is_named(self, http, database):
        await allow(database)
        answer = await http.post(DOUBLE, json={"params": {"n": "many"}})
        assert problem(answer, 422, "invalid") == {"params.n": "wrong_format"}
        answer = await http.post(DOUBLE, json={"params": {}, "unique_key": ""})
        assert problem(answer, 422, "invalid") == {"unique_key": "out_of_range"}
        problem(await http.post("/v1/intents/test.get.nothing"), 404, "not_found")


class TestWhatCameOfIt:
    async def test_partial_names_both_and_a_retry_does_only_the_failed(self, http, database):
        await allow(database)
        async with working(database):
            made = (await http.post("/v1/intents/test.exec.each", json={"params": {"good": 7, "bad": 3}})).json()
            found = await ended(http, made["id"])
            assert (found["state"], found["result"]["done"], found["result"]["failed"]) == ("partial", 7, 3)
            listed = (await http.get("/v1/intents/requests?state=partial")).json()["items"]
            assert [item["id"] for item in listed] == [made["id"]]
            targets = f"/v1/intents/requests/{made['id']}/targets"
            failed = (await http.get(f"{targets}?outcome=failed")).json()["items"]
            assert [(item["target"], item["outcome"]) for item in failed] == [(f"bad:{n}", "failed") for n in range(3)]
            assert failed[0]["reason"] == "bad:0 is bad"
            page = (await http.get(f"{targets}?outcome=done&limit=4")).json()
            rest = (await http.get(f"{targets}?outcome=done&limit=4&cursor={page['next_cursor']}")).json()
            assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (4, 3, None)
            HEALED.add(TENANT)
            try:
                again = await http.post(f"/v1/intents/requests/{made['id']}/retry")
                assert (again.status_code, again.json()["retry_of"]) == (202, made["id"])
                assert (await ended(http, again.json()["id"]))["result"]["done"] == 3
            finally:
                HEALED.discard(TENANT)

    async def test_cancelling(self, http, database):
        await allow(database)
        made = (await http.post("/v1/intents/test.exec.each", json={"params": {"good": 5}})).json()
        gone = await http.post(f"/v1/intents/requests/{made['id']}/cancel", json={"note": "enough"})
        assert (gone.status_code, gone.json()["state"]) == (202, "cancelled")
        again = await http.post(f"/v1/intents/requests/{MISSING}/cancel")
        problem(again, 404, "not_found")


class TestDeciding:
    @pytest.fixture
    async def thing(self, database):
        await rows(database, "create table public.thing (id int primary key, name text)")
        await rows(database, "insert into public.thing values (1, 'a'), (2, 'b')")
        await allow(database)

    async def test_approve_and_execute_is_idempotent(self, web, http, database, thing):
        made = (await http.post("/v1/intents/test.exec.rename", json={"params": {"name": "z"}})).json()
        assert (made["state"], made["job_id"]) == ("waiting", None)
        wanted = {"action": "approve-and-execute", "task_id": made["id"]}
        operator = await web.key("operator", TENANT)
        approver = await web.key("approver", TENANT)
        async with web.client(operator) as who:
            problem(await who.post("/v1/intents/execute", json=wanted), 403, "refused")
        async with working(database), web.client(approver) as who:
            # It takes longer than nothing: whoever asks again meets the same request.
            first = await who.post("/v1/intents/execute", json={**wanted, "wait_s": 0})
            assert (first.status_code, first.json()["id"]) == (202, made["id"])
            both = await asyncio.gather(*[who.post("/v1/intents/execute", json={**wanted, "wait_s": 30}) for _ in "ab"])
        for answer in both:
            assert (answer.status_code, answer.json()["state"]) == (200, "completed")
            assert answer.json()["result"]["state"] == "applied"
        assert await rows(database, "select distinct name from public.thing") == [("z",)]
        assert await one(database, "select count(*) from dure.run") == 1
        run = await http.get(f"/v1/runs/{both[0].json()['run_id']}", headers={"Authorization": f"Bearer {approver}"})
        assert run.json()["state"] == "applied"

    async def test_of_what_was_rejected_nothing_is_done(self, http, database, thing):
        made = (await http.post("/v1/intents/test.exec.rename")).json()
        answer = await http.post(f"/v1/intents/requests/{made['id']}/reject", json={"note": "why?"})
        assert (answer.json()["state"], answer.json()["note"]) == ("rejected", "why?")
        wanted = {"action": "approve-and-execute", "task_id": made["id"]}
        problem(await http.post("/v1/intents/execute", json=wanted), 409, "conflict")
        problem(await http.post(f"/v1/intents/requests/{made['id']}/approve"), 409, "conflict")
        assert await one(database, "select count(*) from dure.job") == 0

    async def test_what_is_not_understood(self, http):
        answer = await http.post("/v1/intents/execute", json={"action": "drop", "task_id": MISSING})
        assert problem(answer, 422, "invalid") == {"action": "not_one_of"}
        wanted = {"action": "approve-and-execute", "task_id": MISSING}
        problem(await http.post("/v1/intents/execute", json=wanted), 404, "not_found")
        assert problem(await http.post("/v1/intents/execute", json={**wanted, "wait_s": 61}), 422, "invalid") == {
            "wait_s": "out_of_range"
        }


class TestPolicies:
    async def test_they_hold_at_once_and_are_changed_by_who_has_seen_them(self, http):
        url = "/v1/intents/policies/test.*"
        made = await http.put(url, json={"allowed": True, "cap_per_day": 5})
        assert (made.status_code, made.headers["etag"], made.json()["key"]) == (200, '"1"', "test.*")
        assert (await http.post(DOUBLE)).status_code == 202
        closed = await http.put(url, json={"allowed": False}, headers={"If-Match": '"1"'})
        assert (closed.headers["etag"], closed.json()["cap_per_day"]) == ('"2"', None)
        late = await http.put(url, json={"allowed": True}, headers={"If-Match": '"1"'})
        problem(late, 412, "precondition_failed")
        assert problem(await http.post(DOUBLE, json={"params": {"n": 9}}), 403, "refused") == {
            "intent": "intent_not_allowed"
        }
        assert [item["key"] for item in (await http.get("/v1/intents/policies")).json()["items"]] == ["test.*"]
        assert (await http.delete(url)).status_code == 204
        problem(await http.delete(url), 404, "not_found")

    @pytest.mark.parametrize(
        ("key", "body", "field"),
        [
            ("Billing", {"allowed": True}, "key"),
            ("a..b", {"allowed": True}, "key"),
            ("a.*.b", {"allowed": True}, "key"),
            ("*", {}, "allowed"),
            ("*", {"allowed": True, "cap_per_day": -1}, "cap_per_day"),
            ("*", {"allowed": True, "cap_per_day": 2**31}, "cap_per_day"),
            ("*", {"allowed": True, "ask": "agent"}, "ask"),
            ("*", {"allowed": True, "risk_max": "huge"}, "risk_max"),
            ("*", {"allowed": True, "note": "x" * 2001}, "note"),
            ("*", {"allowed": True, "zone": "UTC"}, "zone"),
        ],
    )
    async def test_what_is_wrong_is_named(self, http, key, body, field):
        assert [*problem(await http.put(f"/v1/intents/policies/{key}", json=body), 422, "invalid")] == [field]


class TestPatterns:
    async def test_made_learned_changed_removed(self, http):
        body = {"pattern": "double it", "intent_key": "test.get.double"}
        made = await http.post("/v1/intents/patterns", json=body)
        assert (made.status_code, made.json()["confidence"], made.json()["is_shipped"]) == (201, 0.8, False)
        url = made.headers["location"]
        problem(await http.post("/v1/intents/patterns", json=body), 409, "conflict")
        learn = {"sentence": "Double it!", "intent_key": "test.get.double"}
        learned = [(await http.post("/v1/intents/patterns/learn", json=learn)).json() for _ in range(3)]
        assert [round(one["confidence"], 6) for one in learned] == [0.9, 1, 1]
        assert (await http.get(url)).json()["id"] == learned[0]["id"]
        off = await http.patch(url, json={"is_active": False, "confidence": 0.5})
        assert (off.json()["is_active"], off.json()["base_confidence"]) == (False, 0.5)
        listed = (await http.get("/v1/intents/patterns?intent_key=test.get.double&holding=double")).json()["items"]
        assert [one["id"] for one in listed] == [made.json()["id"]]
        assert (await http.delete(url)).status_code == 204
        problem(await http.get(url), 404, "not_found")

    async def test_what_is_too_short_or_for_nothing_is_refused(self, http):
        for text in ("a", "한", "", "!!"):
            answer = await http.post("/v1/intents/patterns", json={"pattern": text, "intent_key": "test.get.double"})
            assert [*problem(answer, 422, "invalid")] == ["pattern"]
        answer = await http.post("/v1/intents/patterns", json={"pattern": "what is it", "intent_key": "no.such"})
        problem(answer, 404, "not_found")


class TestTheSwitch:
    async def test_only_for_the_whole_installation(self, web, http, database):
        assert (await http.get("/v1/intents/switch")).json() == {"ticking": False, "running": True}
        assert (await http.put("/v1/intents/switch", json={"on": False})).json()["running"] is False
        admin, all_admin = await web.key("admin", TENANT), await web.key("admin")
        async with web.client(admin) as tenants:
            problem(await tenants.put("/v1/intents/switch", json={"on": True}), 403, "refused")
            assert (await tenants.get("/v1/intents/switch")).json()["running"] is False
        async with web.client(all_admin) as every:
            assert (await every.put("/v1/intents/switch", json={"on": True})).json() == {
                "ticking": True, "running": True
            }  # fmt: skip


class TestTheOutbox:
    async def test_a_message_that_failed_is_sent_again_or_taken_back(self, http, database, tmp_path, monkeypatch):
        monkeypatch.setenv("DURE_OUTBOX_CHANNELS", f"file=file://{tmp_path}")
        await allow(database)
        async with working(database):
            wanted = {"params": {"to": ["a", "b"], "channel": "nowhere"}}
            made = (await http.post("/v1/intents/test.exec.say", json=wanted)).json()
            await ended(http, made["id"])

            async def failed():
                found = (await http.get(f"/v1/outbox?state=failed&request_id={made['id']}")).json()["items"]
                return found if len(found) == 2 else None

            first, second = await until(failed)
        assert "nowhere" in first["error"]
        again = await http.post(f"/v1/outbox/{first['id']}/again")
        assert (again.status_code, again.json()["state"]) == (202, "planned")
        assert (await http.post(f"/v1/outbox/{first['id']}/cancel")).json()["state"] == "cancelled"
        assert (await http.get(f"/v1/outbox/{first['id']}")).json()["decided_by"]
        problem(await http.post(f"/v1/outbox/{second['id']}/was-sent"), 409, "conflict")
        problem(await http.get(f"/v1/outbox/{MISSING}"), 404, "not_found")
        problem(await http.get("/v1/outbox?request_id=x"), 422, "invalid")

    async def test_another_tenant_sees_none_of_it(self, web, http, database):
        await allow(database)
        made = (await http.post(DOUBLE)).json()
        await allow(database, tenant="other")
        key = await web.key("admin", "other")
        async with web.client(key) as other:
            for path in ("", "/targets"):
                problem(await other.get(f"/v1/intents/requests/{made['id']}{path}"), 404, "not_found")
            problem(await other.post(f"/v1/intents/requests/{made['id']}/cancel"), 404, "not_found")
            assert (await other.get("/v1/intents/requests")).json()["items"] == []
            assert (await other.post(DOUBLE)).json()["id"] != made["id"]


async def test_reading_patterns_makes_none(web):
    async with web.client(await web.key("viewer", "acme")) as http:
        assert (await http.get("/v1/intents/patterns")).json()["items"] == []
    async with web.engine.database.system_tx() as tx:
        row = await (await tx.execute("select count(*) from dure.intent_pattern")).fetchone()
    assert row == (0,)
