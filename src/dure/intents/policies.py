"""Who may ask for what: data of each tenant, asked when a request is made and again when it is carried out.

The most exact row holds: the key itself, then `billing.exec.*`, `billing.*`, `*`. What a row does not say is as the
intent declares it. Where there is no row the answer is no.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, Invalid, NotFound, RateLimited, Refused
from dure.intents.model import RISKS, Declaration, Risk
from dure.lang import say
from dure.queue.texts import clean_text
from dure.queue.views import Principal, Scope

ZONE = "Asia/Seoul"
KEY_CHARS_MAX = 200
NOTE_CHARS_MAX = 2_000
CAP_MAX = 2**31 - 1

_KEY = re.compile(r"\*|[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?")

_FIND = load("dure.intents", "policy_find")
_LIST = load("dure.intents", "policies_list")
_SET = load("dure.intents", "policy_set")
_DELETE = load("dure.intents", "policy_delete")
_USE = load("dure.intents", "use")
_TODAY = load("dure.intents", "today")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a tenant says of some intents; None is as the intent declares it."""

    key: str
    allowed: bool
    ask: Scope | None = None
    agents: bool | None = None
    approval: bool | None = None
    cap_per_day: int | None = None
    risk_max: Risk | None = None
    note: str = ""
    revision: int = 0
    updated_by: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of the policies, with its reason."""

    allowed: bool
    code: str
    """`allowed`, or why not: no_policy, not_allowed, scope_missing, agents_not_allowed, risk_too_high."""
    policy: str | None
    """The key of the row that holds."""
    approval: bool = False
    cap_per_day: int | None = None
    ask: Scope = "operator"
    """The least scope of a key that may ask for it."""

    def require(self, key: str) -> None:
        """Raise `Refused` with the reason, if the answer is no."""
        if not self.allowed:
            raise Refused(f"intent_{self.code}", field="intent", **self.said(key))

    def said(self, key: str) -> dict[str, object]:
        """Answer what the sentence of the reason, `reasons.intent_…`, is filled with."""
        return {"intent": key, "policy": self.policy or "", "scope": self.ask}


class Policies:
    """The policies of a database. Example: `(await policies.decide("acme", declared, principal)).allowed`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def decide(self, tenant_id: str, declared: Declaration, principal: Principal) -> Verdict:
        """Answer whether somebody may have an intent, and why."""
        async with self._database.system_tx() as tx:
            return await decide_on(tx, tenant_id, declared, principal)

    async def list(self, tenant_id: str) -> tuple[Policy, ...]:
        """Answer all policies of a tenant."""
        async with self._database.system_tx() as tx:
            return tuple(Policy(*row) for row in await (await tx.execute(_LIST, {"tenant": tenant_id})).fetchall())

    async def get(self, tenant_id: str, key: str) -> Policy:
        """Answer the policy that has this very key."""
        async with self._database.system_tx() as tx:
            return await _get(tx, tenant_id, key)

    async def set(self, tenant_id: str, policy: Policy, *, actor: str, revision: int | None = None) -> Policy:
        """Write a policy; it holds from now on, for what waits too. With `revision` only over the one that has it."""
        _check(policy)
        values = {
            "tenant": tenant_id, "key": policy.key, "allowed": policy.allowed, "ask": policy.ask,
            "agents": policy.agents,
            "approval": policy.approval, "cap_per_day": policy.cap_per_day, "risk_max": policy.risk_max,
            "note": policy.note, "actor": actor, "revision": revision,
        }  # fmt: skip
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_SET, values)).fetchone()
            if row is None:
                present = await _get(tx, tenant_id, policy.key)
                raise Conflict("other_revision", field="revision", given=revision, present=present.revision)
            await _record(tx, tenant_id, actor, "set", policy.key)
        return Policy(*row)

    async def delete(self, tenant_id: str, key: str, *, actor: str) -> None:
        """Remove a policy."""
        async with self._database.system_tx() as tx:
            if await (await tx.execute(_DELETE, {"tenant": tenant_id, "key": key})).fetchone() is None:
                raise NotFound("policy", key)
            await _record(tx, tenant_id, actor, "delete", key)


async def _get(tx: Connection, tenant_id: str, key: str) -> Policy:
    row = await (await tx.execute(_FIND, {"tenant": tenant_id, "keys": [key]})).fetchone()
    if row is None:
        raise NotFound("policy", key)
    return Policy(*row)


async def decide_on(tx: Connection, tenant_id: str, declared: Declaration, principal: Principal) -> Verdict:
    """Answer whether somebody may have an intent, in the caller's transaction."""
    row = await (await tx.execute(_FIND, {"tenant": tenant_id, "keys": keys_of(declared.key)})).fetchone()
    return judge(None if row is None else Policy(*row), declared, principal)


def judge(policy: Policy | None, declared: Declaration, principal: Principal) -> Verdict:
    """Answer what a policy says. Example: `judge(None, declared, principal).code` is `no_policy`."""
    if policy is None:
        return Verdict(False, "no_policy", None)
    ask = policy.ask or declared.ask
    no = Verdict(False, "not_allowed", policy.key, ask=ask)
    if not policy.allowed:
        return no
    if principal.scope == "agent":
        if not (declared.agents if policy.agents is None else policy.agents):
            return replace(no, code="agents_not_allowed")
    elif not principal.may(ask):
        return replace(no, code="scope_missing")
    if policy.risk_max is not None and RISKS.index(declared.risk) > RISKS.index(policy.risk_max):
        return replace(no, code="risk_too_high")
    caps = [cap for cap in (policy.cap_per_day, declared.cap_per_day) if cap is not None]
    approval = declared.approval if policy.approval is None else policy.approval
    return Verdict(True, "allowed", policy.key, approval, min(caps, default=None), ask)


async def use(tx: Connection, tenant_id: str, key: str, cap_per_day: int | None) -> None:
    """Count one use of today; `RateLimited` when the cap of the day is reached, until the next day begins."""
    now, day = await today(tx)
    values = {"tenant": tenant_id, "key": key, "day": day, "cap": cap_per_day}
    row = await (await tx.execute(_USE, values)).fetchone()
    if row is None or not row[0]:
        raise CapReached(key, cap_per_day or 0, retry_after_s=(_next_day(day) - now).total_seconds())


async def today(tx: Connection, zone: str = ZONE) -> tuple[datetime, date]:
    """Answer the time, and the day that it is in a zone."""
    row = await (await tx.execute(_TODAY, {"zone": zone})).fetchone()
    assert row is not None
    return row[0], row[1]


def _next_day(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(ZONE))


class CapReached(RateLimited):
    """An intent was asked for as often as a tenant may have it in a day; `retry_after_s` is to the next day.

    Example: `raise CapReached("billing.exec.remind", 100, retry_after_s=3_600)`.
    """

    reason = "cap_reached"
    exit_code = 4

    def __init__(self, key: str, cap_per_day: int, *, retry_after_s: float) -> None:
        super().__init__(retry_after_s=retry_after_s)
        self.params = {**self.params, "intent": key, "cap_per_day": cap_per_day}
        self._name_field("intent")

    def text(self, lang: str | None = None) -> str:
        """Answer the sentence in `lang`."""
        return say("reasons.cap_reached", lang, **self.params)


def keys_of(key: str) -> Sequence[str]:
    """Answer what a key is found under, the most exact first. Example: `keys_of("a.b")` is `["a.b", "a.*", "*"]`."""
    parts = key.split(".")
    return [key, *(".".join(parts[:n]) + ".*" for n in range(len(parts) - 1, 0, -1)), "*"]


def _check(policy: Policy) -> None:
    if not _KEY.fullmatch(policy.key) or len(policy.key) > KEY_CHARS_MAX:
        raise Invalid(field="key", reason="wrong_format", expected="billing.exec.remind, billing.*, *")
    for field, known in (("ask", ("viewer", "operator", "approver", "admin")), ("risk_max", get_args(Risk))):
        given = getattr(policy, field)
        if given is not None and given not in known:
            raise Invalid(field=field, reason="not_one_of", expected=", ".join(known))
    if policy.cap_per_day is not None and not 0 <= policy.cap_per_day <= CAP_MAX:
        raise Invalid(field="cap_per_day", reason="out_of_range", min=0, max=CAP_MAX)
    clean_text(policy.note, "note", chars_max=NOTE_CHARS_MAX)


async def _record(tx: Connection, tenant_id: str, actor: str, verb: str, key: str) -> None:
    values: dict[str, Any] = {
        "actor": actor,
        "verb": f"policy.{verb}",
        "subject": f"intent {key}",
        "detail": "{}",
        "tenant_id": tenant_id,
    }
    await tx.execute(load("dure.queue", "record"), values)
