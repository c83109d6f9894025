import pytest

from dure.http.auth import is_loopback
from engine import ECHO, Engine
from web import Web, problem

SCOPES = ("viewer", "operator", "approver", "admin", "agent")
READERS = {"viewer", "operator", "approver", "admin"}
OPERATORS = READERS - {"viewer"}
APPROVERS = OPERATORS - {"operator"}
MISSING = "00000000-0000-7000-8000-000000000000"

# What each scope may do with a key of no tenant, and whether a tenant's key may do it too.
ROUTES = [
    ("GET", "/", READERS, True),
    ("GET", "/metrics", READERS, False),
    ("GET", "/openapi.json", {*SCOPES}, True),
    ("POST", "/v1/jobs", {*OPERATORS, "agent"}, True),
    ("POST", "/v1/jobs/bulk", {*OPERATORS, "agent"}, True),
    ("GET", "/v1/jobs", {*SCOPES}, True),
    ("GET", "/v1/jobs/{job_id}", {*SCOPES}, True),
    ("POST", "/v1/jobs/{job_id}/cancel", OPERATORS, True),
    ("POST", "/v1/jobs/{job_id}/retry", OPERATORS, True),
    ("GET", "/v1/jobs/{job_id}/logs", {*SCOPES}, True),
    ("GET", "/v1/jobs/{job_id}/attempts", {*SCOPES}, True),
    ("GET", "/v1/jobs/{job_id}/events", {*SCOPES}, True),
    ("GET", "/v1/operations", {*SCOPES}, True),
    ("POST", "/v1/runs", OPERATORS, True),
    ("GET", "/v1/runs", READERS, True),
    ("GET", "/v1/runs/{run_id}", READERS, True),
    ("GET", "/v1/runs/{run_id}/changes", READERS, True),
    ("GET", "/v1/runs/{run_id}/changes/{seq}", READERS, True),
    ("GET", "/v1/runs/{run_id}/guards", READERS, True),
    ("GET", "/v1/runs/{run_id}/approvals", READERS, True),
    ("GET", "/v1/runs/{run_id}/events", READERS, True),
    ("POST", "/v1/runs/{run_id}/approve", APPROVERS, True),
    ("POST", "/v1/runs/{run_id}/reject", APPROVERS, True),
    ("POST", "/v1/runs/{run_id}/answers", OPERATORS, True),
    ("POST", "/v1/runs/{run_id}/apply", OPERATORS, True),
    ("POST", "/v1/runs/{run_id}/pause", OPERATORS, True),
    ("POST", "/v1/runs/{run_id}/resume", OPERATORS, True),
    ("POST", "/v1/runs/{run_id}/cancel", OPERATORS, True),
    ("POST", "/v1/runs/{run_id}/retry", OPERATORS, True),
    ("POST", "/v1/runs/{run_id}/rollback", OPERATORS, True),
    ("GET", "/v1/schedules", READERS, True),
    ("POST", "/v1/schedules", OPERATORS, True),
    ("POST", "/v1/schedules/check", OPERATORS, True),
    ("POST", "/v1/schedules/apply", OPERATORS, True),
    ("GET", "/v1/schedules/{ref}", READERS, True),
    ("PATCH", "/v1/schedules/{ref}", OPERATORS, True),
    ("DELETE", "/v1/schedules/{ref}", OPERATORS, True),
    ("GET", "/v1/schedules/{ref}/next", READERS, True),
    ("GET", "/v1/schedules/{ref}/fires", READERS, True),
    ("POST", "/v1/schedules/{ref}/pause", OPERATORS, True),
    ("POST", "/v1/schedules/{ref}/resume", OPERATORS, True),
    ("POST", "/v1/schedules/{ref}/snooze", OPERATORS, True),
    ("POST", "/v1/schedules/{ref}/run", OPERATORS, True),
    ("GET", "/v1/schedules/{ref}/backfills", READERS, True),
    ("POST", "/v1/schedules/{ref}/backfills", OPERATORS, True),
    ("GET", "/v1/backfills/{backfill_id}", READERS, True),
    ("GET", "/v1/backfills/{backfill_id}/fires", READERS, True),
    ("POST", "/v1/backfills/{backfill_id}/pause", OPERATORS, True),
    ("POST", "/v1/backfills/{backfill_id}/resume", OPERATORS, True),
    ("POST", "/v1/backfills/{backfill_id}/cancel", OPERATORS, True),
    ("POST", "/v1/backfills/{backfill_id}/retry", OPERATORS, True),
    ("GET", "/v1/calendars", READERS, True),
    ("GET", "/v1/calendars/{name}", READERS, True),
    ("PUT", "/v1/calendars/{name}", OPERATORS, True),
    ("DELETE", "/v1/calendars/{name}", OPERATORS, True),
    ("GET", "/v1/windows", READERS, True),
    ("POST", "/v1/windows", OPERATORS, True),
    ("GET", "/v1/windows/{key}", READERS, True),
    ("POST", "/v1/windows/{key}/stop", OPERATORS, True),
    ("GET", "/v1/channels", {*SCOPES}, True),
    ("POST", "/v1/channels", {"admin"}, True),
    ("GET", "/v1/channels/{name}", {*SCOPES}, True),
    ("PATCH", "/v1/channels/{name}", {"admin"}, True),
    ("DELETE", "/v1/channels/{name}", {"admin"}, True),
    ("GET", "/v1/channels/{name}/messages", {*SCOPES}, True),
    ("POST", "/v1/channels/{name}/messages", {*OPERATORS, "agent"}, True),
    ("GET", "/v1/channels/{name}/stream", {*SCOPES}, True),
    ("GET", "/v1/agents/log", READERS, True),
    ("GET", "/v1/agents/performance", READERS, True),
    ("GET", "/v1/releases", READERS, True),
    ("POST", "/v1/releases", OPERATORS, True),
    ("GET", "/v1/releases/{class}/{version}", READERS, True),
    ("POST", "/v1/releases/{class}/{version}/withdraw", OPERATORS, True),
    ("POST", "/v1/releases/{class}/{version}/current", OPERATORS, True),
    ("GET", "/v1/rollouts", READERS, True),
    ("POST", "/v1/rollouts", OPERATORS, True),
    ("GET", "/v1/rollouts/{rollout_id}", READERS, True),
    ("GET", "/v1/rollouts/{rollout_id}/events", READERS, True),
    ("POST", "/v1/rollouts/{rollout_id}/promote", OPERATORS, True),
    ("POST", "/v1/rollouts/{rollout_id}/revert", OPERATORS, True),
    ("POST", "/v1/rollouts/{rollout_id}/pause", OPERATORS, True),
    ("POST", "/v1/rollouts/{rollout_id}/resume", OPERATORS, True),
    ("POST", "/v1/agents", {*OPERATORS, "agent"}, True),
    ("GET", "/v1/agents", {*SCOPES}, True),
    ("GET", "/v1/agents/tree", {*SCOPES}, True),
    ("GET", "/v1/agents/{agent_id}", {*SCOPES}, True),
    ("GET", "/v1/agents/{agent_id}/tree", {*SCOPES}, True),
    ("PUT", "/v1/agents/{agent_id}/parent", OPERATORS, True),
    ("POST", "/v1/agents/{agent_id}/drain", OPERATORS, True),
    ("POST", "/v1/agents/{agent_id}/resume", OPERATORS, True),
    ("POST", "/v1/agents/{agent_id}/retire", OPERATORS, True),
    ("POST", "/v1/agents/{agent_id}/renew", {*OPERATORS, "agent"}, True),
    ("POST", "/v1/agents/{agent_id}/claim", {*OPERATORS, "agent"}, True),
    ("POST", "/v1/agents/{agent_id}/complete", {*OPERATORS, "agent"}, True),
    ("POST", "/v1/agents/{agent_id}/fail", {*OPERATORS, "agent"}, True),
    ("POST", "/v1/agents/{agent_id}/release", {*OPERATORS, "agent"}, True),
    ("POST", "/v1/agents/{agent_id}/progress", {*OPERATORS, "agent"}, True),
    ("POST", "/v1/agents/{agent_id}/deregister", {*OPERATORS, "agent"}, True),
    ("POST", "/v1/tasks", {*OPERATORS, "agent"}, True),
    ("POST", "/v1/tasks/preview", {*OPERATORS, "agent"}, True),
    ("GET", "/v1/tasks", {*SCOPES}, True),
    ("GET", "/v1/tasks/{task_id}", {*SCOPES}, True),
    ("GET", "/v1/tasks/{task_id}/why", {*SCOPES}, True),
    ("POST", "/v1/tasks/{task_id}/cancel", OPERATORS, True),
    ("POST", "/v1/tasks/{task_id}/retry", OPERATORS, True),
    ("GET", "/.well-known/agent-card.json", {*SCOPES}, True),
    ("GET", "/.well-known/ai-catalog.json", {*SCOPES}, True),
    ("GET", "/a2a/agents/{agent_id}/agent-card.json", {*SCOPES}, True),
    ("POST", "/a2a/v1/rpc", {*SCOPES}, True),
    ("POST", "/a2a/v1/message:send", {*OPERATORS, "agent"}, True),
    ("POST", "/a2a/v1/message:stream", {*OPERATORS, "agent"}, True),
    ("GET", "/a2a/v1/tasks", {*SCOPES}, True),
    ("GET", "/a2a/v1/tasks/{id}", {*SCOPES}, True),
    ("POST", "/a2a/v1/tasks/{id}:cancel", {*OPERATORS, "agent"}, True),
    ("POST", "/a2a/v1/tasks/{id}:subscribe", {*SCOPES}, True),
    ("GET", "/a2a/v1/extendedAgentCard", {*SCOPES}, True),
    ("POST", "/api/v1/batch/start", OPERATORS, True),
    ("POST", "/api/v1/batch/stop/{notion_page_id}", OPERATORS, True),
    ("GET", "/api/v1/batch/status/{notion_page_id}", READERS, True),
    ("GET", "/api/v1/batch/status", READERS, True),
    ("GET", "/api/batch/schedule/", READERS, True),
    ("POST", "/api/batch/schedule/", OPERATORS, True),
    ("PUT", "/api/batch/schedule/", OPERATORS, True),
    ("DELETE", "/api/batch/schedule/", OPERATORS, True),
    ("POST", "/api/batch/run/", OPERATORS, True),
    ("GET", "/api/batch/status/", READERS, True),
    ("POST", "/api/batch/sync/", OPERATORS, True),
    ("GET", "/batch/deduplicate", OPERATORS, True),
    ("POST", "/batch/deduplicate", OPERATORS, True),
    ("GET", "/batch/history", READERS, True),
    ("POST", "/batch/rollback/{job_id}", OPERATORS, True),
    ("GET", "/v1/intents", {*SCOPES}, True),
    ("GET", "/v1/intents/{intent_key}", {*SCOPES}, True),
    # Who may ask for what is for the policies to say.
    ("POST", "/v1/intents/{intent_key}", {*SCOPES}, True),
    ("POST", "/v1/intents/ask", {*SCOPES}, True),
    ("GET", "/v1/intents/asks/{ask_id}/events", {*SCOPES}, True),
    ("GET", "/v1/intents/requests", {*SCOPES}, True),
    ("GET", "/v1/intents/requests/{request_id}", {*SCOPES}, True),
    ("GET", "/v1/intents/requests/{request_id}/targets", {*SCOPES}, True),
    ("POST", "/v1/intents/requests/{request_id}/approve", APPROVERS, True),
    ("POST", "/v1/intents/requests/{request_id}/reject", APPROVERS, True),
    ("POST", "/v1/intents/requests/{request_id}/cancel", OPERATORS, True),
    ("POST", "/v1/intents/requests/{request_id}/retry", OPERATORS, True),
    ("POST", "/v1/intents/execute", OPERATORS, True),
    ("GET", "/v1/intents/policies", READERS, True),
    ("PUT", "/v1/intents/policies/{policy_key}", {"admin"}, True),
    ("DELETE", "/v1/intents/policies/{policy_key}", {"admin"}, True),
    ("GET", "/v1/intents/patterns", READERS, True),
    ("POST", "/v1/intents/patterns", OPERATORS, True),
    ("POST", "/v1/intents/patterns/learn", OPERATORS, True),
    ("GET", "/v1/intents/patterns/{pattern_id}", READERS, True),
    ("PATCH", "/v1/intents/patterns/{pattern_id}", OPERATORS, True),
    ("DELETE", "/v1/intents/patterns/{pattern_id}", OPERATORS, True),
    ("GET", "/v1/intents/switch", {*SCOPES}, True),
    ("PUT", "/v1/intents/switch", {"admin"}, False),
    ("GET", "/v1/outbox", READERS, True),
    ("GET", "/v1/outbox/{message_id}", READERS, True),
    ("POST", "/v1/outbox/{message_id}/cancel", OPERATORS, True),
    ("POST", "/v1/outbox/{message_id}/was-sent", OPERATORS, True),
    ("POST", "/v1/outbox/{message_id}/again", OPERATORS, True),
    ("GET", "/v1/handlers", {*SCOPES}, True),
    ("GET", "/v1/handlers/{handler}", {*SCOPES}, True),
    ("POST", "/v1/handlers/{handler}/pause", OPERATORS, False),
    ("POST", "/v1/handlers/{handler}/resume", OPERATORS, False),
    ("GET", "/v1/queues", {*SCOPES}, True),
    ("POST", "/v1/queues/{queue}/pause", OPERATORS, False),
    ("POST", "/v1/queues/{queue}/resume", OPERATORS, False),
    ("GET", "/v1/workers", READERS, False),
    ("GET", "/v1/keys", {"admin"}, True),
    ("POST", "/v1/keys", {"admin"}, True),
    ("DELETE", "/v1/keys/{id}", {"admin"}, True),
]
OPEN = {("GET", "/healthz"), ("GET", "/readyz")}


@pytest.fixture
async def web(database):
    engine = Engine(database)
    await engine.declare()
    return Web(engine)


def path_of(route):
    ids = dict.fromkeys(("job_id", "run_id", "id", "ref", "backfill_id", "task_id", "rollout_id"), MISSING)
    ids |= dict.fromkeys(("request_id", "ask_id", "pattern_id", "message_id"), MISSING)
    names = dict.fromkeys(
        ("handler", "queue", "name", "key", "notion_page_id", "agent_id", "class", "version"), "nowhere"
    )
    names |= dict.fromkeys(("intent_key", "policy_key"), "nowhere")
    return route.format(**ids, **names, seq=1)


def test_the_matrix_names_every_route(web):
    documented = {(method.upper(), path) for path, methods in web.app.openapi()["paths"].items() for method in methods}
    assert {(method, path) for method, path, _, _ in ROUTES} | OPEN == documented | {("GET", "/openapi.json")}


async def test_every_scope_may_do_what_it_may_and_nothing_else(web):
    keys = {(scope, tenant): await web.key(scope, tenant) for scope in SCOPES for tenant in (None, "acme")}
    for (scope, tenant), key in keys.items():
        async with web.client(key) as http:
            for method, route, allowed, for_tenants in ROUTES:
                answer = await http.request(method, path_of(route))
                if scope in allowed and (tenant is None or for_tenants):
                    assert answer.status_code not in (401, 403), (scope, tenant, method, route, answer.text)
                elif answer.status_code != 422:  # a body is read before a scope is looked at
                    problem(answer, 403, "refused")


async def test_nothing_is_open_once_a_key_exists(web):
    key = await web.key("viewer")
    wrong = [None, "nonsense", "dure_" + "x" * 43, key[:-1]]
    for secret in wrong:
        async with web.client(secret) as http:
            for method, route, _, _ in [*ROUTES, ("GET", "/nowhere", {}, True), ("PUT", "/v1/jobs", {}, True)]:
                answer = await http.request(method, path_of(route))
                problem(answer, 401, "unauthorized")
                assert answer.headers["www-authenticate"].startswith("Bearer")
            for method, path in OPEN:
                assert (await http.request(method, path)).status_code == 200
    async with web.client() as http:
        for header in ("Basic " + key, "Bearer", "Bearer ", key, "Bearer \x80"):
            problem(
                await http.get("/v1/jobs", headers={"Authorization": header.encode("latin-1")}), 401, "unauthorized"
            )
        assert (await http.get("/v1/jobs", headers={"authorization": "bearer " + key})).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.org"])
async def test_beyond_loopback_nothing_goes_without_a_key(web, host):
    async with Web(web.engine, host=host).client() as http:
        problem(await http.get("/v1/jobs"), 401, "unauthorized")
        assert (await http.get("/healthz")).status_code == 200


async def test_on_loopback_without_keys_all_is_allowed_until_the_first(web):
    async with web.client() as http:
        made = await http.post("/v1/jobs", json={"handler": ECHO, "tenant_id": "acme"})
        assert made.status_code == 201
        key = (await http.post("/v1/keys", json={"name": "first", "scope": "admin"})).json()
        problem(await http.get("/v1/jobs"), 401, "unauthorized")
    async with web.client(key["secret"]) as http:
        assert (await http.get("/v1/jobs")).status_code == 200
        assert (await http.delete(f"/v1/keys/{key['id']}")).json()["revoked_at"]
        problem(await http.get("/v1/jobs"), 401, "unauthorized")
    async with web.client() as http:
        problem(await http.get("/v1/jobs"), 401, "unauthorized")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
    ],
)
async def test_behind_a_proxy_a_client_is_not_taken_for_a_local_one(web, headers):
    async with web.client(**headers) as http:
        problem(await http.get("/v1/jobs"), 401, "unauthorized")


async def test_other_machines_are_refused(web):
    for address in ("10.0.0.1", "::ffff:10.0.0.1", "example"):
        async with web.client(address=address) as http:
            problem(await http.get("/v1/jobs"), 401, "unauthorized")
    for address in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"):
        async with web.client(address=address) as http:
            assert (await http.get("/v1/jobs")).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "[::2]:80"]
)
async def test_a_foreign_name_for_this_machine_is_refused(web, host):
    async with web.client() as http:
        problem(await http.get("/v1/jobs", headers={"Host": host}), 403, "refused")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:9", "[::1]:8000", "LOCALHOST:1", "127.8.8.8"]
)
async def test_names_of_this_machine_are_fine(web, host):
    async with web.client() as http:
        assert (await http.get("/v1/jobs", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://localhost:8000.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_foreign_page_cannot_change_anything(web, headers):
    async with web.client() as http:
        answer = await http.post("/v1/jobs", json={"handler": ECHO, "tenant_id": "acme"}, headers=headers)
        problem(answer, 403, "refused")
        assert (await http.get("/v1/jobs")).json()["items"] == []


async def test_our_own_page_can(web):
    async with web.client() as http:
        for headers in (
            {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none"},
        ):
            answer = await http.post("/v1/jobs", json={"handler": ECHO, "tenant_id": "acme"}, headers=headers)
            assert answer.status_code == 201


async def test_a_tenants_key_is_for_that_tenant(web):
    key, job = await web.key("admin", "acme"), {"handler": ECHO}
    theirs = await web.engine.enqueue("other")
    async with web.client(key) as http:
        made = (await http.post("/v1/jobs", json=job)).json()
        assert made["tenant_id"] == "acme"
        assert (await http.post("/v1/jobs", json={**job, "tenant_id": "acme"})).status_code == 201
        for answer in (
            await http.post("/v1/jobs", json={**job, "tenant_id": "other"}),
            await http.post("/v1/jobs", json=job, headers={"Dure-Tenant": "other"}),
            await http.post("/v1/jobs/bulk", json={"jobs": [job], "tenant_id": "other"}),
            await http.get("/v1/jobs?tenant_id=other"),
            await http.get(f"/v1/jobs/{theirs}", headers={"Dure-Tenant": "other"}),
            await http.post("/v1/keys", json={"name": "k", "scope": "viewer", "tenant_id": "other"}),
            await http.get("/v1/queues?tenant_id=other"),
        ):
            problem(answer, 403, "refused")
        for route in ("", "/logs", "/attempts", "/events"):
            there, nowhere = await http.get(f"/v1/jobs/{theirs}{route}"), await http.get(f"/v1/jobs/{MISSING}{route}")
            problem(there, 404, "not_found")
            assert there.json()["detail"].replace(theirs, "") == nowhere.json()["detail"].replace(MISSING, "")
        for verb in ("cancel", "retry"):
            problem(await http.post(f"/v1/jobs/{theirs}/{verb}"), 404, "not_found")
        refused = await http.post("/v1/jobs", json={**job, "parent_id": theirs})
        assert problem(refused, 404, "not_found") == {}
        assert {item["tenant_id"] for item in (await http.get("/v1/jobs")).json()["items"]} == {"acme"}
        assert (await http.get("/v1/queues")).json()["items"][0]["counts"] == {"ready": 2}
        own = (await http.post("/v1/keys", json={"name": "k", "scope": "viewer"})).json()
        assert own["tenant_id"] == "acme"
        assert {item["tenant_id"] for item in (await http.get("/v1/keys")).json()["items"]} == {"acme"}
    _, other = await web.services.keys.create("other", "o", "viewer")
    async with web.client(key) as http:
        problem(await http.delete(f"/v1/keys/{other.id}"), 404, "not_found")


async def test_a_system_key_names_the_tenant_in_one_of_three_ways(web):
    key, job = await web.key("operator"), {"handler": ECHO}
    async with web.client(key) as http:
        for answer in (
            await http.post("/v1/jobs", json={**job, "tenant_id": "acme"}),
            await http.post("/v1/jobs", json=job, headers={"Dure-Tenant": "acme"}),
            await http.post("/v1/jobs?tenant_id=acme", json=job),
        ):
            assert (answer.status_code, answer.json()["tenant_id"]) == (201, "acme")
        assert problem(await http.post("/v1/jobs", json=job), 422, "invalid") == {"tenant_id": "missing"}
        assert problem(await http.get("/v1/jobs?tenant_id=a/b"), 422, "invalid") == {"tenant_id": "wrong_format"}
        await web.engine.enqueue("other")
        assert len((await http.get("/v1/jobs")).json()["items"]) == 4
        assert len((await http.get("/v1/jobs?tenant_id=acme")).json()["items"]) == 3


@pytest.mark.parametrize(("host", "is_local"), [
    ("localhost", True), ("LocalHost.", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True),
    ("::ffff:127.0.0.1", True), ("0.0.0.0", False), ("::", False),
    ("localhost.example", False), ("", False), ("10.0.0.1", False),
])  # fmt: skip
def test_is_loopback(host, is_local):
    assert is_loopback(host) is is_local
