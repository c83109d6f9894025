"""What somebody may ask for: each declared intent with what the policies say to this caller, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import DureError
from dure.intents.catalogue import Catalogue
from dure.intents.declaring import Intent
from dure.intents.model import Declaration, Effect
from dure.intents.policies import ZONE, Policy, Verdict, judge, keys_of
from dure.intents.requests import Intents
from dure.lang import say
from dure.queue.cursors import from_cursor, to_cursor
from dure.queue.registry import HandlerImportError
from dure.queue.threads import in_thread
from dure.queue.views import Page, Principal

PAGE_MAX = 1_000
CAP = "cap_reached"

_POLICIES = load("dure.intents", "policies_list")
_USES = load("dure.intents", "uses_read")


class IntentBroken(DureError):
    """The code of an intent cannot be loaded here; the other intents are none the worse for it.

    Example: `raise IntentBroken(intent="school.get.bells", error="ModuleNotFoundError: …")`.
    """

    code = "intent_broken"
    status = 500

    def __init__(self, *, intent: str, error: str) -> None:
        super().__init__(intent=intent, error=error)
        self._name_field("intent")


@dataclass(frozen=True, slots=True)
class Offer:
    """An intent, and whether this caller may have it now."""

    declaration: Declaration
    verdict: Verdict
    used_today: int

    @property
    def cap_left(self) -> int | None:
        """How often the tenant may still have it today; None without a cap."""
        cap = self.verdict.cap_per_day
        return None if cap is None else max(0, cap - self.used_today)

    @property
    def allowed(self) -> bool:
        """Whether it may be asked for now."""
        return self.code == "allowed"

    @property
    def code(self) -> str:
        """`allowed`, or why not: what the policy says, or `cap_reached`."""
        return CAP if self.verdict.allowed and self.cap_left == 0 else self.verdict.code

    def text(self, lang: str | None = None) -> str:
        """Answer the reason as a sentence."""
        key, said = self.declaration.key, self.verdict.said(self.declaration.key)
        match self.code:
            case "allowed":
                waits = "intents.allowed_approval" if self.verdict.approval else "intents.allowed"
                return say(waits, lang, **said)
            case "cap_reached":
                return say(f"reasons.{CAP}", lang, intent=key, cap_per_day=self.verdict.cap_per_day)
            case code:
                return say(f"reasons.intent_{code}", lang, **said)


class Offers:
    """The catalogue as a caller sees it. Example: `await offers.list("acme", principal, category="billing")`."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def list(
        self,
        tenant_id: str,
        principal: Principal,
        *,
        category: str | None = None,
        effect: Effect | None = None,
        allowed: bool | None = None,
        limit: int = 200,
        cursor: str | None = None,
    ) -> Page[Offer]:
        """Answer intents by key, each with what the policies say."""
        limit = max(1, min(limit, PAGE_MAX))
        after = "" if cursor is None else from_cursor(cursor)
        policies, uses = await self._read(tenant_id)
        found: list[Offer] = []
        for one in self._catalogue:
            if one.key <= after or category not in (None, one.category) or effect not in (None, one.effect):
                continue
            offer = _offer(one, policies, uses, principal)
            if allowed in (None, offer.allowed):
                found.append(offer)
            if len(found) > limit:
                return Page(tuple(found[:limit]), to_cursor(found[limit - 1].declaration.key))
        return Page(tuple(found), None)

    async def get(self, tenant_id: str, key: str, principal: Principal) -> Offer:
        """Answer one intent, with what the policies say."""
        declared = self._catalogue.declaration(key)
        policies, uses = await self._read(tenant_id)
        return _offer(declared, policies, uses, principal)

    async def code_of(self, key: str) -> Intent:
        """Answer an intent with its code; `IntentBroken` when that does not import."""
        try:
            return await in_thread(self._catalogue.find, key, name="import")
        except HandlerImportError as error:
            raise IntentBroken(intent=key, error=str(error)) from error

    async def _read(self, tenant_id: str) -> tuple[Mapping[str, Policy], Mapping[str, int]]:
        async with self._database.system_tx() as tx:
            policies = [Policy(*row) for row in await (await tx.execute(_POLICIES, {"tenant": tenant_id})).fetchall()]
            uses = await (await tx.execute(_USES, {"tenant": tenant_id, "zone": ZONE})).fetchall()
        return {policy.key: policy for policy in policies}, dict(uses)


async def checked(intents: Intents, key: str, given: Mapping[str, Any]) -> BaseModel:
    """Answer the parameters as the intent's model has them; `IntentBroken` when its code does not import."""
    try:
        return await intents.params_of(key, given)
    except HandlerImportError as error:
        raise IntentBroken(intent=key, error=str(error)) from error


def _offer(
    declared: Declaration, policies: Mapping[str, Policy], uses: Mapping[str, int], principal: Principal
) -> Offer:
    exact = next((policies[key] for key in keys_of(declared.key) if key in policies), None)
    return Offer(declared, judge(exact, declared, principal), uses.get(declared.key, 0))
