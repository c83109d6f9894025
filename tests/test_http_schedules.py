"""Schedules over HTTP: made, changed, looked at, their past done again, and who may do what."""

import pytest

from engine import Engine
from queueing import TENANT, one, rows
from scheduling import planned
from web import Web, problem

MISSING = "00000000-0000-7000-8000-000000000000"
MINE = {"Dure-Tenant": TENANT}
NIGHTLY = {
    "name": "nightly",
    "rule": {"kind": "daily", "at": ["02:00"]},
    "zone": "Asia/Seoul",
    "handler": "t.work",
    "params": {"date": "{fire.date-1}"},
}
HOLIDAYS = {"days": [{"date": "2026-03-04", "name": "the move"}], "weekdays": ["sun"]}


@pytest.fixture
async def plan(database, clock):
    return await planned(database, clock)


@pytest.fixture
async def web(plan):
    return Web(Engine(plan.database))


@pytest.fixture
async def http(web):
    async with web.client(**MINE) as client:
        yield client


async def made(http, **given):
    answer = await http.post("/v1/schedules", json={**NIGHTLY, **given})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_schedule_is_made_and_shown_in_both_languages(http):
    answer = await http.post("/v1/schedules", json=NIGHTLY)
    shown = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/schedules/{shown['id']}")
    assert answer.headers["etag"] == '"1"'
    assert {name: shown[name] for name in NIGHTLY} == NIGHTLY
    assert (shown["state"], shown["next_fire_at"]) == ("active", "2026-03-02T17:00:00Z")
    assert (shown["description"], shown["author"]) == ("daily at 02:00 (Asia/Seoul)", "loopback")
    for ref in ("nightly", shown["id"]):
        again = await http.get(f"/v1/schedules/{ref}")
        assert (again.json(), again.headers["etag"]) == (shown, '"1"')
    korean = (await http.get("/v1/schedules/nightly", headers={"Accept-Language": "ko"})).json()
    assert korean["description"] != shown["description"]
    assert any("가" <= letter <= "힣" for letter in korean["description"])


WRONG = [
    ({"name": ""}, {"name": "out_of_range"}),
    ({"rule": {"kind": "daily", "at": ["24:00"]}}, {"rule.at": "wrong_format"}),
    ({"rule": {"kind": "cron", "expr": "60 * * * *"}}, {"rule.expr": "rule.cron_minute"}),
    ({"rule": {"kind": "interval", "every_s": "60"}}, {"rule.every_s": "wrong_type"}),
    ({"rule": {"kind": "weekly", "days": ["sun"]}}, {"rule.at": "missing"}),
    ({"rule": "daily"}, {"rule": "wrong_type"}),
    ({"rule": {"kind": "once", "at": "2026-03-01T00:00:00Z"}}, {"rule": "never_fires"}),
    ({"zone": "Mars/Olympus"}, {"zone": "wrong_format"}),
    ({"handler": None}, {"handler": "missing"}),
    ({"operation": "x.y"}, {"handler": "not_both"}),
    ({"catch_up": "some"}, {"catch_up": "not_one_of"}),
    ({"catch_up_max": 0}, {"catch_up_max": "out_of_range"}),
    ({"jitter_s": "5"}, {"jitter_s": "wrong_type"}),
    ({"params": {"d": "{fire.day}"}}, {"params.d": "not_one_of"}),
    ({"options": {"color": "red"}}, {"options.color": "unknown_field"}),
    ({"starts_at": "2026-03-02T00:00:00"}, {"starts_at": "wrong_format"}),
    ({"ends_at": "9999-12-31T23:59:59-12:00"}, {"ends_at": "out_of_range"}),
    ({"ends_at": "2026-03-02T01:00:00Z"}, {"rule": "never_fires"}),
    ({"colour": "red"}, {"colour": "unknown_field"}),
]


async def test_what_is_wrong_names_its_field(http):
    for given, fields in WRONG:
        assert problem(await http.post("/v1/schedules", json={**NIGHTLY, **given}), 422, "invalid") == fields
    assert (await http.get("/v1/schedules")).json()["items"] == []


async def test_unknown_things_and_taken_names(http):
    problem(await http.post("/v1/schedules", json={**NIGHTLY, "handler": "no.such"}), 422, "unknown_handler")
    problem(await http.post("/v1/schedules", json={**NIGHTLY, "calendar": "none"}), 404, "not_found")
    problem(await http.get("/v1/schedules/nightly"), 404, "not_found")
    problem(await http.post(f"/v1/schedules/{MISSING}/run"), 404, "not_found")
    await made(http)
    problem(await http.post("/v1/schedules", json=NIGHTLY), 409, "conflict")


async def test_a_repeated_request_is_answered_as_the_first_time(http, plan):
    key = {"Idempotency-Key": "k-1"}
    first = await http.post("/v1/schedules", json=NIGHTLY, headers=key)
    again = await http.post("/v1/schedules", json=NIGHTLY, headers=key)
    assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), '"1"')
    assert again.headers["idempotency-replayed"] == "true"
    ran = [await http.post("/v1/schedules/nightly/run", headers={"Idempotency-Key": "k-2"}) for _ in range(2)]
    assert ran[0].json() == ran[1].json()
    assert await one(plan.database, "select count(*) from dure.job") == 1


async def test_pages(http):
    names = [(await made(http, name=f"n{at}"))["name"] for at in range(3)]
    first = (await http.get("/v1/schedules", params={"limit": 2})).json()
    rest = (await http.get("/v1/schedules", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [item["name"] for item in [*first["items"], *rest["items"]]] == names[::-1]
    assert rest["next_cursor"] is None
    assert problem(await http.get("/v1/schedules?cursor=nonsense"), 422, "invalid") == {"cursor": "wrong_format"}


async def test_an_edit_holds_at_once_and_only_what_was_seen_is_changed(http):
    await made(http)
    changes = {"rule": {"kind": "daily", "at": ["03:00"]}, "calendar": None}
    edited = await http.patch("/v1/schedules/nightly", json=changes, headers={"If-Match": '"1"'})
    assert (edited.status_code, edited.headers["etag"]) == (200, '"2"')
    assert edited.json()["next_fire_at"] == "2026-03-02T18:00:00Z"
    stale = await http.patch("/v1/schedules/nightly", json={"jitter_s": 5}, headers={"If-Match": '"1"'})
    assert problem(stale, 412, "precondition_failed") == {"If-Match": "precondition_failed"}
    problem(await http.delete("/v1/schedules/nightly", headers={"If-Match": '"1", "9"'}), 412, "precondition_failed")
    several = await http.patch("/v1/schedules/nightly", json={"name": "early"}, headers={"If-Match": '"1", "2"'})
    assert (several.json()["name"], several.json()["revision"]) == ("early", 3)
    assert (await http.patch("/v1/schedules/early", json={"zone": "UTC"})).json()["revision"] == 4
    assert (await http.patch("/v1/schedules/early", json={}, headers={"If-Match": "*"})).status_code == 200
    for wrong, field in [({"rule": None}, "rule"), ({"options": None}, "options"), ({"paused": True}, "paused")]:
        assert list(problem(await http.patch("/v1/schedules/early", json=wrong), 422, "invalid")) == [field]
    kept = (await http.get("/v1/schedules/early")).json()
    assert kept["params"] == NIGHTLY["params"]


async def test_an_operation_takes_the_place_of_a_handler(http, plan):
    await made(http)
    await rows(
        plan.database,
        "insert into dure.operation (operation, description, params_schema, guards, approval, expires_s)"
        " values ('x.y', '', null, '{}', 'none', 60)",
    )
    edited = (await http.patch("/v1/schedules/nightly", json={"operation": "x.y", "mode": "approve"})).json()
    assert (edited["handler"], edited["operation"], edited["mode"]) == (None, "x.y", "approve")


async def test_it_is_paused_resumed_and_put_off(http):
    await made(http)
    paused = await http.post("/v1/schedules/nightly/pause")
    assert (paused.json()["state"], paused.json()["paused_by"], paused.headers["etag"]) == ("paused", "loopback", '"2"')
    problem(await http.post("/v1/schedules/nightly/snooze", json={"until": "2026-03-05T00:00:00Z"}), 409, "conflict")
    assert (await http.post("/v1/schedules/nightly/resume")).json()["state"] == "active"
    put_off = (await http.post("/v1/schedules/nightly/snooze", json={"until": "2026-03-05T00:00:00Z"})).json()
    assert (put_off["state"], put_off["snoozed_until"]) == ("snoozed", "2026-03-05T00:00:00Z")
    for wrong, reason in [
        ("2026-03-01T00:00:00Z", "in_the_past"),
        ("soon", "wrong_format"),
        ("9999-12-31T23:00:00-09:00", "out_of_range"),
    ]:
        answer = await http.post("/v1/schedules/nightly/snooze", json={"until": wrong})
        assert problem(answer, 422, "invalid") == {"until": reason}


async def test_what_is_to_come_by_two_clocks_and_what_a_calendar_blocks(http):
    assert (await http.put("/v1/calendars/holidays", json=HOLIDAYS)).status_code == 200
    await made(http, calendar="holidays")
    query = {"count": 3, "zone": "America/New_York"}
    answer = (await http.get("/v1/schedules/nightly/next", params=query)).json()
    assert (answer["zone"], answer["state"]) == ("Asia/Seoul", "active")
    assert [(item["at"], item["in_zone"], item["in_yours"]) for item in answer["items"]] == [
        ("2026-03-02T17:00:00Z", "2026-03-03T02:00:00+09:00", "2026-03-02T12:00:00-05:00"),
        ("2026-03-03T17:00:00Z", "2026-03-04T02:00:00+09:00", "2026-03-03T12:00:00-05:00"),
        ("2026-03-04T17:00:00Z", "2026-03-05T02:00:00+09:00", "2026-03-04T12:00:00-05:00"),
    ]
    blocked = [item["blocked"] for item in answer["items"]]
    assert (blocked[0], blocked[2]) == (None, None)
    assert (blocked[1]["code"], blocked[1]["text"]) == ("day", "The calendar leaves out this day: the move.")
    plain = (await http.get("/v1/schedules/nightly/next")).json()["items"]
    assert (len(plain), plain[0]["in_yours"]) == (10, None)
    wrong = await http.get("/v1/schedules/nightly/next", params={"zone": "Mars/Olympus"})
    assert problem(wrong, 422, "invalid") == {"zone": "wrong_format"}
    problem(await http.get("/v1/schedules/nightly/next?count=0"), 422, "invalid")


async def test_what_it_fired_and_why_not(http, plan):
    await made(http, rule={"kind": "cron", "expr": "* * * * *"})
    await plan.tick(after_s=60)
    await plan.tick(after_s=60)
    fire = (await http.post("/v1/schedules/nightly/run", json={"params": {"date": "2020-01-01"}})).json()
    assert (fire["cause"], fire["outcome"], fire["actor"]) == ("manual", "made", "loopback")
    assert (await plan.params())[-1] == {"date": "2020-01-01"}
    items = (await http.get("/v1/schedules/nightly/fires")).json()["items"]
    assert [(item["cause"], item["outcome"]) for item in items] == [
        ("manual", "made"), ("due", "skipped"), ("due", "made"),
    ]  # fmt: skip
    assert items[1]["reason"] == {"code": "overlap", "params": {}, "text": "The job before it was still running."}
    assert items[2]["job_state"] == "pending"
    korean = await http.get("/v1/schedules/nightly/fires?outcome=skipped", headers={"Accept-Language": "ko"})
    assert [item["reason"]["code"] for item in korean.json()["items"]] == ["overlap"]
    assert any("가" <= letter <= "힣" for letter in korean.json()["items"][0]["reason"]["text"])
    page = (await http.get("/v1/schedules/nightly/fires?limit=2")).json()
    rest = (await http.get("/v1/schedules/nightly/fires", params={"cursor": page["next_cursor"]})).json()
    assert [*page["items"], *rest["items"]] == items


async def test_a_deleted_one_keeps_its_history_and_frees_its_name(http, plan):
    gone = await made(http)
    # At one moment of the database's clock, which stands still here.
    for _ in range(3):
        assert (await http.post("/v1/schedules/nightly/run")).status_code == 202
    answer = await http.delete("/v1/schedules/nightly")
    assert (answer.status_code, answer.content) == (204, b"")
    problem(await http.get("/v1/schedules/nightly"), 404, "not_found")
    problem(await http.delete("/v1/schedules/nightly"), 404, "not_found")
    assert len((await http.get(f"/v1/schedules/{gone['id']}/fires")).json()["items"]) == 3
    assert (await made(http))["id"] != gone["id"]


async def test_a_broken_row_is_shown_with_what_is_wrong(http, plan):
    await made(http, rule={"kind": "cron", "expr": "* * * * *"})
    await rows(plan.database, """update dure.schedule set rule = '{"kind": "daily", "at": ["25:00"]}'""")
    await plan.tick(after_s=120)
    shown = (await http.get("/v1/schedules/nightly")).json()
    assert (shown["state"], shown["disabled_reason"]["code"]) == ("disabled", "invalid")
    assert "rule.at" in shown["disabled_reason"]["text"]
    assert "rule.at" in shown["description"]
    assert problem(await http.get("/v1/schedules/nightly/next"), 422, "invalid") == {"rule.at": "wrong_format"}
    mended = await http.patch("/v1/schedules/nightly", json={"rule": {"kind": "daily", "at": ["05:00"]}})
    assert mended.json()["state"] == "active"


async def test_a_backfill_from_preview_to_retry(http, plan):
    await made(http)
    wanted = {"from": "2026-02-25", "until": "2026-02-27T12:00:00+09:00", "at_once": 2}
    path = "/v1/schedules/nightly/backfills"
    preview = (await http.post(path, json={**wanted, "preview": True})).json()
    fires = [f"2026-02-{day}T17:00:00Z" for day in (24, 25, 26)]
    assert preview == {"preview": True, "count": 3, "fires": fires}
    assert (await http.get(path)).json()["items"] == []
    answer = await http.post(path, json=wanted, headers={"Idempotency-Key": "once"})
    backfill = answer.json()
    where = f"/v1/backfills/{backfill['id']}"
    assert (answer.status_code, answer.headers["location"]) == (202, where)
    assert (backfill["state"], backfill["counts"]) == ("running", {"pending": 3})
    assert (await http.post(path, json=wanted, headers={"Idempotency-Key": "once"})).json() == backfill
    assert (await http.post(f"{where}/pause")).json()["state"] == "paused"
    assert await plan.tick() == 0
    assert (await http.post(f"{where}/resume")).json()["state"] == "running"
    assert await plan.tick() == 2
    await plan.end_jobs("failed")
    assert (await http.post(f"{where}/cancel")).json()["state"] == "cancelled"
    problem(await http.post(f"{where}/pause"), 409, "conflict")
    states = [item["state"] for item in (await http.get(f"{where}/fires")).json()["items"]]
    assert states.count("cancelled") == 1
    assert (await http.post(f"{where}/retry")).json()["state"] == "running"
    assert await plan.tick() == 2
    shown = (await http.get(f"{where}/fires", params={"limit": 1})).json()
    assert (shown["items"][0]["fire_at"], shown["items"][0]["tries"]) == (fires[0], 2)
    assert [item["id"] for item in (await http.get(path)).json()["items"]] == [backfill["id"]]
    problem(await http.get(f"/v1/backfills/{MISSING}"), 404, "not_found")
    problem(await http.get("/v1/backfills/nonsense"), 404, "not_found")


WRONG_BACKFILLS = [
    ({"from": "tomorrow"}, {"from": "wrong_format"}),
    ({"from": "0001-01-01"}, {"from": "out_of_range"}),
    ({"from": "2026-03-01"}, {"until": "before_start"}),
    ({"which": "some"}, {"which": "not_one_of"}),
    ({"at_once": 0}, {"at_once": "out_of_range"}),
    ({"at_once": "2"}, {"at_once": "wrong_type"}),
    ({"until": None}, {"until": "wrong_type"}),
]


async def test_a_wrong_backfill_names_its_field(http):
    await made(http)
    for given, fields in WRONG_BACKFILLS:
        body = {"from": "2026-02-25", "until": "2026-02-28", **given}
        assert problem(await http.post("/v1/schedules/nightly/backfills", json=body), 422, "invalid") == fields


async def test_a_check_shows_what_would_move_and_repairs_it(http, plan):
    await made(http)
    await made(http, name="other")
    assert (await http.post("/v1/schedules/check")).json()["items"] == []
    await rows(plan.database, "update dure.schedule set next_fire_at = next_fire_at + '1 hour' where name = 'other'")
    found = (await http.post("/v1/schedules/check")).json()
    assert sorted(found["versions"]) == ["cronsim", "tzdata"]
    assert [(item["name"], item["stored_at"], item["expected_at"]) for item in found["items"]] == [
        ("other", "2026-03-02T18:00:00Z", "2026-03-02T17:00:00Z")
    ]
    assert len((await http.post("/v1/schedules/check", json={"repair": True})).json()["items"]) == 1
    assert (await http.post("/v1/schedules/check")).json()["items"] == []


async def test_schedules_are_made_as_they_are_written(http):
    await made(http, name="old")
    wanted = {"schedules": [NIGHTLY, {**NIGHTLY, "name": "hourly", "rule": {"kind": "cron", "expr": "@hourly"}}]}
    preview = (await http.post("/v1/schedules/apply", json={**wanted, "preview": True, "prune": True})).json()
    assert [(item["name"], item["action"]) for item in preview["items"]] == [
        ("nightly", "create"), ("hourly", "create"), ("old", "delete"),
    ]  # fmt: skip
    assert [item["name"] for item in (await http.get("/v1/schedules")).json()["items"]] == ["old"]
    done = (await http.post("/v1/schedules/apply", json={**wanted, "prune": True})).json()
    assert done == {**preview, "preview": False}
    wanted["schedules"][0] = {**NIGHTLY, "jitter_s": 60}
    again = (await http.post("/v1/schedules/apply", json=wanted)).json()["items"]
    assert [(item["action"], item["fields"]) for item in again] == [("edit", ["jitter_s"]), ("keep", [])]
    broken = {"schedules": [{**NIGHTLY, "name": "new"}, {**NIGHTLY, "rule": {"kind": "daily", "at": ["9"]}}]}
    for preview in (True, False):
        answer = await http.post("/v1/schedules/apply", json={**broken, "preview": preview})
        assert problem(answer, 422, "invalid") == {"schedules[1].rule.at": "wrong_format"}
    problem(await http.get("/v1/schedules/new"), 404, "not_found")


async def test_calendars(http):
    problem(await http.get("/v1/calendars/holidays"), 404, "not_found")
    put = (await http.put("/v1/calendars/holidays", json=HOLIDAYS)).json()
    assert (put["name"], put["days"], put["updated_by"]) == ("holidays", HOLIDAYS["days"], "loopback")
    assert (await http.get("/v1/calendars")).json()["items"] == [put]
    await made(http, calendar="holidays")
    problem(await http.delete("/v1/calendars/holidays"), 409, "conflict")
    assert (await http.patch("/v1/schedules/nightly", json={"calendar": None})).json()["calendar"] is None
    assert (await http.delete("/v1/calendars/holidays")).status_code == 204
    for wrong, field in [
        ({"weekdays": ["noday"]}, "calendar.weekdays"),
        ({"days": [{"date": "2026-02-30"}]}, "calendar.days[0].date"),
        ({"blackouts": [{"daily": ["22:00"]}]}, "calendar.blackouts[0].daily"),
        ({"blackouts": [{"from": "2026-03-02T00:00:00Z"}]}, "calendar.blackouts[0].to"),
        ({"hours": []}, "hours"),
    ]:
        assert list(problem(await http.put("/v1/calendars/x", json=wrong), 422, "invalid")) == [field]


async def test_a_tenant_sees_only_its_own_and_a_viewer_changes_nothing(web, http):
    mine = await made(http)
    other, viewer = await web.key("operator", "other"), await web.key("viewer", TENANT)
    async with web.client(other) as theirs:
        assert (await theirs.get("/v1/schedules")).json()["items"] == []
        for ref in ("nightly", mine["id"]):
            problem(await theirs.get(f"/v1/schedules/{ref}"), 404, "not_found")
            problem(await theirs.post(f"/v1/schedules/{ref}/pause"), 404, "not_found")
            problem(await theirs.post(f"/v1/schedules/{ref}/run"), 404, "not_found")
            problem(await theirs.get(f"/v1/schedules/{ref}/fires"), 404, "not_found")
            problem(await theirs.delete(f"/v1/schedules/{ref}"), 404, "not_found")
        problem(await theirs.post("/v1/schedules", json={**NIGHTLY, "tenant_id": TENANT}), 403, "refused")
    async with web.client(viewer) as reader:
        assert (await reader.get("/v1/schedules/nightly")).json()["state"] == "active"
        problem(await reader.post("/v1/schedules/nightly/pause"), 403, "refused")
        problem(await reader.post("/v1/schedules/check"), 403, "refused")


async def test_without_a_tenant_a_name_says_too_little(web, http):
    mine = await made(http)
    async with web.client() as anyone:
        assert problem(await anyone.get("/v1/schedules/nightly"), 422, "invalid") == {"tenant_id": "missing"}
        assert problem(await anyone.post("/v1/schedules", json=NIGHTLY), 422, "invalid") == {"tenant_id": "missing"}
        assert (await anyone.get(f"/v1/schedules/{mine['id']}")).json()["name"] == "nightly"
        assert len((await anyone.get("/v1/schedules")).json()["items"]) == 1
