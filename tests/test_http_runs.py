"""Runs over HTTP: who may see and do what, and what a client is told."""

import pytest

from dure.runtime.equipment import equip
from engine import Engine
from queueing import one, rows, running
from runs_by_hand import COUNTS, HASH, STORE, TENANT, declare_runs, make_outcome, make_run
from test_cli_runs import STUDENTS
from test_http_events import Stream, serving
from web import Web, problem

MISSING = "00000000-0000-7000-8000-000000000000"
MINE = {"Dure-Tenant": TENANT}
OTHER_HASH = "0" * 64
PICTURE = "select s::text from public.student s order by id"


@pytest.fixture
async def web(database):
    return Web(Engine(database))


@pytest.fixture
async def http(web):
    async with web.client(**MINE) as client:
        yield client


async def state(web, run_id):
    return await one(web.engine.database, "select state from dure.run where id = %s::uuid", [run_id])


async def test_a_run_with_all_that_is_known_of_it(web, http):
    await declare_runs(web.engine.database, approval="other")
    run_id = await make_run(web.engine.database, note="spring")
    shown = (await http.get(f"/v1/runs/{run_id}")).json()
    assert (shown["state"], shown["author"], shown["note"], shown["approval"]) == ("planned", "kim", "spring", "other")
    assert (shown["counts"], shown["plan_hash"], shown["stores"]) == (COUNTS, HASH, [STORE])
    assert (shown["rolled_back"], shown["to_do"]) == ("no", 4)
    assert shown["progress"] == {"done": 0, "total": 4, "rate": None, "eta_s": None}
    assert shown["created_at"].endswith(("Z", "+00:00"))
    guards = (await http.get(f"/v1/runs/{run_id}/guards")).json()["items"]
    assert guards == shown["guards"]
    assert guards[1]["text"] == "Leaving: 2, more than 1 (limit: 200)."
    korean = (await http.get(f"/v1/runs/{run_id}", headers={"Accept-Language": "ko"})).json()
    assert korean["guards"][1]["text"] == "레코드 2개가 없어집니다. 1개를 넘었습니다(한도: 200)."
    assert korean["guards"][1]["guard"] == "leaving"


async def test_what_has_not_changed_is_not_sent_again(web, http):
    run_id = await make_run(web.engine.database)
    first = await http.get(f"/v1/runs/{run_id}")
    again = await http.get(f"/v1/runs/{run_id}", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await http.post(f"/v1/runs/{run_id}/approve", json={"plan_hash": HASH})
    changed = await http.get(f"/v1/runs/{run_id}", headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["state"]) == (200, "approved")


async def test_changes_by_column_with_their_reasons(web, http):
    run_id = await make_run(web.engine.database, state="partial")
    why = {"code": "strict_conflict", "params": {"conflicts": 3}}
    await make_outcome(web.engine.database, run_id, 2, "conflict", why)
    found = (await http.get(f"/v1/runs/{run_id}/changes")).json()["items"]
    assert [(change["seq"], change["kind"], change["state"]) for change in found] == [
        (1, "update", "applied"), (2, "delete", "conflict"), (3, "create", "applied"),
        (4, "delete", "asked"), (5, "keep", "kept"),
    ]  # fmt: skip
    assert found[0]["before"] == {"id": "1", "name": "김하나", "note": None}
    assert found[0]["after"] == {"id": "1", "name": "김하나", "note": "moved"}
    assert (found[1]["after"], found[2]["before"]) == (None, None)
    assert found[1]["reason"] == {"code": "said", "params": {"text": "left"}, "text": "left"}
    assert found[1]["outcome"]["code"] == "strict_conflict"
    assert found[1]["outcome"]["text"].startswith("Nothing was done, because there are conflicts (3)")
    assert (await http.get(f"/v1/runs/{run_id}/changes/2")).json() == found[1]
    problem(await http.get(f"/v1/runs/{run_id}/changes/6"), 404, "not_found")
    assert problem(await http.get(f"/v1/runs/{run_id}/changes/0"), 422, "invalid") == {"seq": "too_small"}


async def test_some_changes(web, http):
    run_id = await make_run(web.engine.database)
    for query, wanted in [
        ({"kind": "delete"}, [2, 4]),
        ({"state": "asked"}, [4]),
        ({"store": STORE, "kind": "keep"}, [5]),
        ({"store": "elsewhere"}, []),
        ({"subject": "class 3"}, [3]),
    ]:
        page = (await http.get(f"/v1/runs/{run_id}/changes", params=query)).json()
        assert [change["seq"] for change in page["items"]] == wanted


async def test_pages_of_changes_and_runs(web, http):
    ids = [await make_run(web.engine.database) for _ in range(3)]
    first = (await http.get("/v1/runs", params={"limit": 2})).json()
    rest = (await http.get("/v1/runs", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [run["id"] for run in [*first["items"], *rest["items"]]] == ids[::-1]
    assert rest["next_cursor"] is None
    path, seqs, cursor = f"/v1/runs/{ids[0]}/changes", [], None
    for _ in range(3):
        page = (await http.get(path, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seqs, cursor = [*seqs, *(change["seq"] for change in page["items"])], page["next_cursor"]
    assert (seqs, cursor) == ([1, 2, 3, 4, 5], None)
    assert problem(await http.get(path, params={"cursor": "nonsense"}), 422, "invalid") == {"cursor": "wrong_format"}
    assert problem(await http.get("/v1/runs", params={"state": "gone"}), 422, "invalid") == {"state": "not_one_of"}


async def test_runs_are_found_by_what_they_are(web, http):
    planned = await make_run(web.engine.database)
    applied = await make_run(web.engine.database, state="applied", author="lee", operation="books.sort")
    for query, wanted in [
        ({"state": "planned"}, planned), ({"author": "lee"}, applied), ({"operation": "books.sort"}, applied),
    ]:  # fmt: skip
        found = (await http.get("/v1/runs", params=query)).json()["items"]
        assert [run["id"] for run in found] == [wanted]
    assert (await http.get("/v1/runs", params={"rollback_of": "nonsense"})).json()["items"] == []
    # A plan that is past its time is found as what it reads as.
    await rows(web.engine.database, "update dure.run set expires_at = dure.now() where state = 'planned'")
    assert (await http.get("/v1/runs", params={"state": "planned"})).json()["items"] == []
    (expired,) = (await http.get("/v1/runs", params={"state": "expired"})).json()["items"]
    assert (expired["id"], expired["state"]) == (planned, "expired")


async def test_one_tenant_knows_nothing_of_another(web):
    run_id = await make_run(web.engine.database)
    async with web.client(await web.key("admin", "other")) as http:
        assert (await http.get("/v1/runs")).json()["items"] == []
        for path in ("", "/changes", "/changes/1", "/guards", "/approvals", "/events"):
            problem(await http.get(f"/v1/runs/{run_id}{path}"), 404, "not_found")
        for verb, body in [
            ("approve", {"plan_hash": HASH}), ("reject", {}), ("apply", {"plan_hash": HASH}), ("pause", None),
            ("answers", {"all": True, "accepted": True}), ("resume", None), ("cancel", {}), ("retry", {}),
            ("rollback", {}),
        ]:  # fmt: skip
            problem(await http.post(f"/v1/runs/{run_id}/{verb}", json=body), 404, "not_found")
    assert await state(web, run_id) == "planned"


async def test_scopes(web):
    run_id = await make_run(web.engine.database)
    path = f"/v1/runs/{run_id}"
    async with web.client(await web.key("agent", TENANT)) as agent:
        problem(await agent.get(path), 403, "refused")
        problem(await agent.post("/v1/runs", json={"operation": "students.tidy"}), 403, "refused")
    async with web.client(await web.key("viewer", TENANT)) as viewer:
        assert (await viewer.get(path)).status_code == 200
        for verb, body in [("apply", {"plan_hash": HASH}), ("cancel", {}), ("rollback", {}), ("pause", None)]:
            problem(await viewer.post(f"{path}/{verb}", json=body), 403, "refused")
        problem(await viewer.post("/v1/runs", json={"operation": "students.tidy"}), 403, "refused")
    async with web.client(await web.key("operator", TENANT)) as operator:
        problem(await operator.post(f"{path}/approve", json={"plan_hash": HASH}), 403, "refused")
        problem(await operator.post(f"{path}/reject", json={}), 403, "refused")
        answered = await operator.post(f"{path}/answers", json={"seqs": [4], "accepted": True})
        assert answered.json() == {"answered": 1}
    async with web.client(await web.key("approver", TENANT)) as approver:
        assert (await approver.post(f"{path}/approve", json={"plan_hash": HASH})).json()["state"] == "approved"
        (said,) = (await approver.get(f"{path}/approvals")).json()["items"]
        assert (said["decision"], said["actor"], said["plan_hash"]) == ("approve", "key:approver-acme", HASH)


async def test_no_page_of_a_browser_may_change_anything(web):
    run_id = await make_run(web.engine.database)
    async with web.client(**MINE, Origin="https://elsewhere.example") as page:
        problem(await page.post(f"/v1/runs/{run_id}/apply", json={"plan_hash": HASH}), 403, "refused")
        problem(await page.post("/v1/runs", json={"operation": "students.tidy"}), 403, "refused")
    assert await state(web, run_id) == "planned"


async def test_what_is_applied_is_the_plan_that_was_looked_at(web, http):
    await declare_runs(web.engine.database, approval="one")
    run_id = await make_run(web.engine.database)
    path = f"/v1/runs/{run_id}"
    assert problem(await http.post(f"{path}/apply", json={}), 422, "invalid") == {"plan_hash": "missing"}
    problem(await http.post(f"{path}/apply", json={"plan_hash": OTHER_HASH}), 409, "conflict")
    problem(await http.post(f"{path}/approve", json={"plan_hash": OTHER_HASH}), 409, "conflict")
    problem(await http.post(f"{path}/apply", json={"plan_hash": HASH}), 403, "approval_needed")
    assert (await http.post(f"{path}/approve", json={"plan_hash": HASH})).json()["state"] == "approved"
    applying = await http.post(f"{path}/apply", json={"plan_hash": HASH})
    assert (applying.status_code, applying.json()["state"]) == (202, "applying")
    job = "select handler from dure.job where id = %s::uuid"
    assert await one(web.engine.database, job, [applying.json()["job_id"]]) == "dure.run.apply"
    problem(await http.post(f"{path}/apply", json={"plan_hash": HASH}), 409, "conflict")
    events = (await http.get(f"{path}/events")).json()["items"]
    assert [(event["verb"], event["actor"]) for event in events] == [
        ("run.approve", "loopback"),
        ("run.apply", "loopback"),
    ]


async def test_a_person_other_than_the_author_must_approve(web, http):
    await declare_runs(web.engine.database, approval="other")
    run_id = await make_run(web.engine.database, author="loopback")
    problem(await http.post(f"/v1/runs/{run_id}/approve", json={"plan_hash": HASH}), 403, "refused")
    async with web.client(await web.key("approver", TENANT)) as other:
        assert (await other.post(f"/v1/runs/{run_id}/approve", json={"plan_hash": HASH})).status_code == 200


async def test_guards_are_overridden_for_one_plan_with_a_reason(web, http):
    run_id = await make_run(web.engine.database, state="refused")
    path = f"/v1/runs/{run_id}"
    problem(await http.post(f"{path}/apply", json={"plan_hash": HASH}), 403, "refused")
    problem(await http.post(f"{path}/approve", json={"plan_hash": HASH}), 403, "refused")
    problem(await http.post(f"{path}/approve", json={"plan_hash": HASH, "override": True}), 403, "refused")
    given = {"plan_hash": HASH, "override": True, "reason": "the school closes"}
    assert (await http.post(f"{path}/approve", json=given)).json()["state"] == "approved"
    (said,) = (await http.get(f"{path}/approvals")).json()["items"]
    assert (said["decision"], said["reason"]) == ("override", "the school closes")


async def test_answers(web, http):
    run_id = await make_run(web.engine.database)
    path = f"/v1/runs/{run_id}/answers"
    assert problem(await http.post(path, json={"seqs": [1], "accepted": True}), 422, "invalid") == {
        "seqs": "not_a_question"
    }
    assert problem(await http.post(path, json={"accepted": True}), 422, "invalid") == {"seqs": "missing"}
    both = {"accepted": True, "all": True, "seqs": [4]}
    assert problem(await http.post(path, json=both), 422, "invalid") == {"seqs": "not_both"}
    assert problem(await http.post(path, json={"seqs": [2**80], "accepted": True}), 422, "invalid")
    assert (await http.post(path, json={"all": True, "accepted": True})).json() == {"answered": 1}
    asked = (await http.get(f"/v1/runs/{run_id}/changes/4")).json()
    assert (asked["ask"], asked["accepted"], asked["state"]) == (True, True, "planned")
    await http.post(path, json={"seqs": [4], "accepted": False})
    assert (await http.get(f"/v1/runs/{run_id}/changes/4")).json()["accepted"] is False


async def test_pause_resume_cancel_retry(web, http):
    await declare_runs(web.engine.database)
    run_id = await make_run(web.engine.database, state="applying")
    path = f"/v1/runs/{run_id}"
    problem(await http.post(f"{path}/resume"), 409, "conflict")
    assert (await http.post(f"{path}/pause")).json()["paused_at"] is not None
    problem(await http.post(f"{path}/pause"), 409, "conflict")
    assert (await http.post(f"{path}/resume")).json()["paused_at"] is None
    await http.post(f"{path}/pause")
    # The worker has come to rest.
    await rows(web.engine.database, "update dure.job set state = 'completed', finished_at = dure.now()")
    cancelled = await http.post(f"{path}/cancel", json={"reason": "enough"}, headers={"Accept-Language": "ko"})
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    assert cancelled.json()["reason"]["text"] == "loopback 사용자가 취소했습니다: enough"
    problem(await http.post(f"{path}/cancel"), 409, "conflict")
    # What was not done may be gone on with; where all is done there is nothing to try again.
    assert (await http.post(f"{path}/retry", json={"conflicts": True})).json()["state"] == "applying"
    whole = await make_run(web.engine.database, state="applied")
    problem(await http.post(f"/v1/runs/{whole}/retry"), 409, "conflict")


async def test_a_rejected_plan_is_never_applied(web, http):
    run_id = await make_run(web.engine.database)
    rejected = (await http.post(f"/v1/runs/{run_id}/reject", json={"reason": "no"})).json()
    assert (rejected["state"], rejected["reason"]["text"]) == ("rejected", "loopback rejected it: no")
    problem(await http.post(f"/v1/runs/{run_id}/apply", json={"plan_hash": HASH}), 409, "conflict")


async def test_asking_for_a_plan(web, http):
    await declare_runs(web.engine.database)
    wanted = {"operation": "students.tidy", "params": {"days": 3}, "note": "spring"}
    made = await http.post("/v1/runs", json=wanted, headers={"Idempotency-Key": "4711"})
    run = made.json()
    assert (made.status_code, run["state"], run["params"], run["author"]) == (202, "planning", {"days": 3}, "loopback")
    assert made.headers["location"] == f"/v1/runs/{run['id']}"
    again = await http.post("/v1/runs", json=wanted, headers={"Idempotency-Key": "4711"})
    assert (again.status_code, again.json()) == (202, run)
    assert (again.headers["idempotency-replayed"], again.headers["location"]) == ("true", made.headers["location"])
    assert await one(web.engine.database, "select count(*) from dure.run") == 1
    other = await http.post("/v1/runs", json={**wanted, "note": "autumn"}, headers={"Idempotency-Key": "4711"})
    problem(other, 422, "idempotency_mismatch")
    then = (await http.post("/v1/runs", json={**wanted, "then": "apply"})).json()
    assert await one(web.engine.database, "select then_do from dure.run where id = %s::uuid", [then["id"]]) == "apply"


async def test_what_cannot_be_asked_for(web, http):
    await declare_runs(web.engine.database)
    known = {"operation": "students.tidy"}
    for body, fields in [
        ({}, {"operation": "missing"}),
        ({"operation": "dure.sql"}, {"operation": "not_one_of"}),
        ({**known, "sql": "delete from t"}, {"operation": "not_both"}),
        ({"sql": "delete from t", "params": {}}, {"params": "not_both"}),
        ({**known, "leaves": ["t"]}, {"leaves": "not_both"}),
        ({**known, "then": "go"}, {"then": "not_one_of"}),
        ({**known, "note": "x" * 2001}, {"note": "too_large"}),
        ({**known, "quux": 1}, {"quux": "unknown_field"}),
        ({"sql": " "}, {"statement": "out_of_range"}),
    ]:
        assert problem(await http.post("/v1/runs", json=body), 422, "invalid") == fields
    problem(await http.post("/v1/runs", json={"operation": "no.such"}), 404, "not_found")
    assert await one(web.engine.database, "select count(*) from dure.run") == 0


async def test_sql_is_for_admins_of_no_single_tenant(web):
    await declare_runs(web.engine.database)
    body = {"sql": "delete from public.student", "tenant_id": TENANT}
    for scope, tenant in [("operator", None), ("approver", None), ("admin", TENANT)]:
        async with web.client(await web.key(scope, tenant)) as http:
            problem(await http.post("/v1/runs", json=body), 403, "refused")
    async with web.client(await web.key("admin")) as http:
        run = (await http.post("/v1/runs", json=body)).json()
        assert (run["operation"], run["params"]["statement"]) == ("dure.sql", body["sql"])
    # It sees the rows of all tenants, so the key of one does not see it, not even its own tenant's.
    async with web.client(await web.key("admin", TENANT)) as http:
        assert (await http.get("/v1/runs")).json()["items"] == []
        problem(await http.get(f"/v1/runs/{run['id']}"), 404, "not_found")
        problem(await http.get(f"/v1/runs/{run['id']}/changes"), 404, "not_found")
        problem(await http.post(f"/v1/runs/{run['id']}/rollback", json={}), 404, "not_found")


async def test_the_way_back_is_a_run_of_its_own(web, http):
    await declare_runs(web.engine.database)
    planned = await make_run(web.engine.database)
    problem(await http.post(f"/v1/runs/{planned}/rollback"), 409, "conflict")
    applied = await make_run(web.engine.database, state="applied")
    given = {"mode": "clean_only", "subjects": ["class 3"], "seqs": [3], "note": "sorry"}
    made = await http.post(f"/v1/runs/{applied}/rollback", json=given, headers={"Idempotency-Key": "back"})
    back = made.json()
    assert (made.status_code, back["rollback_of"], back["mode"], back["state"]) == (
        202,
        applied,
        "clean_only",
        "planning",
    )
    assert back["params"] == {"subjects": ["class 3"], "seqs": [3]}
    again = await http.post(f"/v1/runs/{applied}/rollback", json=given, headers={"Idempotency-Key": "back"})
    assert again.json()["id"] == back["id"]
    found = (await http.get("/v1/runs", params={"rollback_of": applied})).json()["items"]
    assert [run["id"] for run in found] == [back["id"]]
    bad = await http.post(f"/v1/runs/{applied}/rollback", json={"mode": "gently"})
    assert problem(bad, 422, "invalid") == {"mode": "not_one_of"}


async def test_operations(web, http):
    await declare_runs(web.engine.database, approval="one")
    known = {one["operation"]: one for one in (await http.get("/v1/operations")).json()["items"]}
    assert known["students.tidy"]["approval"] == "one"
    assert known["students.tidy"]["description"] == "Tidies up."


async def test_pages_of_events(web, http):
    await declare_runs(web.engine.database)
    run_id = await make_run(web.engine.database, state="applying")
    for verb in ("pause", "resume", "pause"):
        await http.post(f"/v1/runs/{run_id}/{verb}")
    first = (await http.get(f"/v1/runs/{run_id}/events", params={"limit": 2})).json()
    rest = (await http.get(f"/v1/runs/{run_id}/events", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    verbs = [event["verb"] for event in [*first["items"], *rest["items"]]]
    assert verbs == ["run.pause", "run.resume", "run.pause"]
    assert rest["next_cursor"] is None


async def test_a_run_can_be_followed_and_nothing_is_missed(web):
    await declare_runs(web.engine.database)
    run_id = await make_run(web.engine.database, state="applying")
    path, stream = f"/v1/runs/{run_id}/events", {"Accept": "text/event-stream", **MINE}
    async with serving(web) as (_, http):
        async with http.stream("GET", path, headers=stream) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = Stream(answer)
            assert (await events.next())["data"] == {"state": "applying", "paused": False, "reason": None}
            await http.post(f"/v1/runs/{run_id}/pause", headers=MINE)
            assert (await events.next())["data"]["verb"] == "run.pause"
            last = await events.next()
            assert (last["event"], last["data"]["paused"]) == ("state", True)
        # Away; things go on.
        await rows(web.engine.database, "update dure.chunk set state = 'done', applied = 4")
        await rows(
            web.engine.database, "update dure.run set state = 'applied', paused_at = null, finished_at = dure.now()"
        )
        async with http.stream("GET", path, headers={**stream, "Last-Event-ID": last["id"]}) as answer:
            events, told = Stream(answer), []
            while (event := await events.next()) is not None:
                told.append(event)
        assert [event["event"] for event in told] == ["state", "progress", "end"]
        assert told[1]["data"]["done"] == 4
        assert (told[2]["data"]["state"], told[2]["data"]["applied"]) == ("applied", 4)
        over = await http.get(path, headers={**stream, "Last-Event-ID": told[2]["id"]})
        assert (over.status_code, over.content) == (204, b"")


async def test_errors_come_before_the_stream(web):
    run_id = await make_run(web.engine.database)
    async with web.client(**MINE, Accept="text/event-stream") as http:
        problem(await http.get(f"/v1/runs/{MISSING}/events"), 404, "not_found")
        answer = await http.get(f"/v1/runs/{run_id}/events", headers={"Last-Event-ID": "nonsense"})
        assert problem(answer, 422, "invalid") == {"Last-Event-ID": "wrong_format"}


async def test_plan_apply_and_undo_with_a_worker(database):
    settings = {"imports": ("cli_batches",)}
    web = Web(Engine(database), **settings)
    async with database.owner_tx() as tx:
        await tx.execute(STUDENTS)
    before = await rows(database, PICTURE)

    async def ended(http, answer):
        assert answer.status_code == 202, answer.text
        path = answer.headers.get("location") or f"/v1/runs/{answer.json()['id']}"
        async with http.stream("GET", f"{path}/events", headers={"Accept": "text/event-stream"}) as stream:
            events = Stream(stream)
            while (event := await events.next()) is not None:
                if event["event"] == "state" and event["data"]["state"] not in ("planning", "applying"):
                    break
        return (await http.get(path)).json()

    async with (
        running(database, await equip(database, web.services.settings), **settings),
        serving(web) as (_, server),
    ):
        server.headers["Dure-Tenant"] = TENANT
        asked = await server.post("/v1/runs", json={"operation": "students.tidy", "params": {"before": 2010}})
        run = await ended(server, asked)
        assert (run["state"], run["counts"]["delete"], run["counts"]["keep"]) == ("planned", 2, 1)
        assert await rows(database, PICTURE) == before
        given = {"plan_hash": run["plan_hash"]}
        run = await ended(server, await server.post(f"/v1/runs/{run['id']}/apply", json=given))
        assert (run["state"], run["applied"], run["progress"]["done"]) == ("applied", 3, 3)
        back = await ended(server, await server.post(f"/v1/runs/{run['id']}/rollback", json={"then": "apply"}))
        assert (back["state"], back["applied"]) == ("applied", 3)
        assert await rows(database, PICTURE) == before
        problem(await server.post(f"/v1/runs/{run['id']}/rollback", json={}), 409, "conflict")
        verbs = [event["verb"] for event in (await server.get(f"/v1/runs/{run['id']}/events")).json()["items"]]
        assert verbs == ["run.plan", "run.planned", "run.apply", "run.applied"]
