"""`interventions.generate`: for every user with the records for it, a recommendation for one day, week or month.

subjects   ranges of users, or those that are named
plan       a range checked with one statement, the records of those who get one read with one each, advice written

Each user who gets none stays in the plan with the reason. Applying and undoing is Dure's.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from dure.apps.interventions.budget import Budget
from dure.apps.interventions.catalog import Catalog, catalog
from dure.apps.interventions.checking import Checked, Question, Some, check, missing_of, ranges
from dure.apps.interventions.config import InterventionSettings, load
from dure.apps.interventions.endpoint import Endpoint
from dure.apps.interventions.gathering import gather
from dure.apps.interventions.generator import Allowance, Answer, Ask, Generator, RuleEngine, Unwritten, Written
from dure.apps.interventions.params import What
from dure.apps.interventions.periods import Span
from dure.db.pool import Connection
from dure.errors import Refused
from dure.runs.context import PlanContext
from dure.runs.model import Draft, Reason
from dure.runs.operation import operation
from dure.runs.stores.handle import TableHandle
from dure.runs.stores.table import Table

NAME = "interventions.generate"
LANGS = ("ko", "en")


@operation(NAME, slice_subjects=1)
class Generate:
    """Writes a recommendation for every user who has the records for it and none yet."""

    Params = What

    def __init__(self) -> None:
        self._generator: tuple[InterventionSettings, Generator] | None = None

    def stores(self, _params: What, tenant_id: str) -> list[Table]:
        """Answer the table of recommendations, in which no two of a user are about the same."""
        settings = load()
        own = settings.tables.intervention
        if not settings.tables.users.tenant and tenant_id != settings.tenant:
            raise Refused("interventions_tenant", tenant=tenant_id, own=settings.tenant)
        return [Table(own.table, key=own.key)]

    async def subjects(self, params: What, ctx: PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield ranges of users, with the day that this run is about."""
        settings = load()
        found = await catalog(ctx.tx, settings.tables)
        span = params.span()
        somebody = _somebody(ctx.tx, found, params, ctx.tenant_id, settings.slice_size)
        if settings.url is None:
            async for some in somebody:
                yield {"date": span.last.isoformat(), **some.to_json()}
            return
        question = _question(params, ctx.tenant_id, span)
        budget = Budget(settings.requests_max, settings.tokens_max)
        async for some, share in budget.shared(ctx.tx, found, question, somebody):
            yield {"date": span.last.isoformat(), **some.to_json(), **share}

    async def plan(self, subjects: Sequence[Any], ctx: PlanContext) -> AsyncIterator[Draft]:
        """Yield a recommendation, or the reason why there is none, for every user of a range."""
        settings = load()
        found = await catalog(ctx.tx, settings.tables)
        for subject in subjects:
            planner = _Range(settings, found, ctx, self._writes(settings), subject)
            async for draft in planner.drafts():
                yield draft

    def _writes(self, settings: InterventionSettings) -> Generator:
        """Answer who writes; the same for all slices, since it keeps to a rate."""
        if self._generator is None or self._generator[0] != settings:
            self._generator = (settings, _generator(settings))
        return self._generator[1]


class _Range:
    """Plans for one range of users."""

    def __init__(
        self,
        settings: InterventionSettings,
        found: Catalog,
        ctx: PlanContext,
        generator: Generator,
        subject: Mapping[str, Any],
    ) -> None:
        params: What = ctx.params
        self._settings = settings
        self._catalog = found
        self._ctx = ctx
        self._generator = generator
        self._some = Some.of(subject)
        self._allowance = Allowance(subject.get("requests"), subject.get("tokens"))
        self._question = _question(params, ctx.tenant_id, params.span(subject["date"]))
        self._required = settings.tables.required(self._question.kind)
        span = self._question.span
        self._about = (span.last.isoformat(), self._question.kind, span.period)
        self._own = settings.tables.intervention
        self._store: TableHandle = ctx.store(self._own.table)
        self._reasons: dict[tuple[str, int], Reason] = {}
        self._counts: Counter[str] = Counter()

    async def drafts(self) -> AsyncIterator[Draft]:
        """Yield one draft a user."""
        checked = await check(self._ctx.tx, self._catalog, self._question, self._some, self._required)
        chosen: list[Checked] = []
        for one in checked:
            reason = self._skipped(one)
            if reason is None:
                chosen.append(one)
            else:
                yield self._keep(one.user, reason)
        for user in self._unknown(checked):
            yield self._keep(user, Reason("unknown_user"))
        asks = await self._asks(chosen)
        answers = await self._generator.write(asks, self._allowance) if asks else []
        for one, ask, answer in zip(chosen, asks, answers, strict=True):
            yield self._draft(one, ask, answer)
        self._tell(len(checked))

    async def _asks(self, chosen: Sequence[Checked]) -> list[Ask]:
        users = [one.user for one in chosen]
        about = self._settings.tables.about(self._question.kind)
        facts = await gather(self._ctx.tx, self._catalog, self._question, about, users)
        return [
            Ask(one.user, self._lang(one.language), self._question.span, self._question.kind, facts[one.user])
            for one in chosen
        ]

    def _skipped(self, one: Checked) -> Reason | None:
        """Answer why a user gets no recommendation; None when there is one to write."""
        if one.state == "made" and not self._question.redo:
            return self._reason("already_made", 0)
        if one.state in ("opted_out", "inactive"):
            return self._reason(one.state, 0)
        return self._reason("no_records", one.missing) if one.missing else None

    def _reason(self, code: str, missing: int) -> Reason:
        """Answer a reason; there are few different ones, however many users there are."""
        found = self._reasons.get((code, missing))
        if found is None:
            kinds = [{"code": name} for name in missing_of(missing, self._required)]
            found = self._reasons[code, missing] = Reason(code, {"kinds": kinds} if kinds else {})
        return found

    def _keep(self, user: str, reason: Reason) -> Draft:
        self._counts[reason.code] += 1
        # As `self._store.keep` makes it; the key is texts already, and most drafts of a large run are these.
        return Draft(store=self._own.table, kind="keep", key=self._key(user), reason=reason, subject=user)

    def _draft(self, one: Checked, ask: Ask, answer: Answer) -> Draft:
        if not isinstance(answer, Written):
            return self._keep(one.user, _failure(answer))
        values: dict[str, Any] = {self._own.content: answer.content}
        if self._own.inputs:
            values[self._own.inputs] = {"span": _span_json(ask), **ask.facts.to_json()}
        if self._own.output:
            values[self._own.output] = {**answer.output, "made_at": self._ctx.now.isoformat()}
        if self._own.updated_at:
            values[self._own.updated_at] = self._ctx.now
        if one.state == "made":
            self._counts["redone"] += 1
            return self._store.update(self._key(one.user), values, subject=one.user)
        self._counts["new"] += 1
        return self._store.create({**self._identity(one.user), **values}, subject=one.user)

    def _identity(self, user: str) -> dict[str, Any]:
        """Answer the columns that a new row has besides what is written."""
        key = self._key(user)
        values: dict[str, Any] = dict(zip(self._own.key, key, strict=True))
        if self._own.created_at:
            values[self._own.created_at] = self._ctx.now
        id = self._store.shape.column(self._own.id)
        if id is not None and id.base == "uuid" and not id.has_default:
            # Some programs make the id of a row themselves.
            values[self._own.id] = str(uuid5(NAMESPACE_OID, "/".join((self._ctx.run_id, *key))))
        return values

    def _key(self, user: str) -> tuple[str, str, str, str]:
        return (user, *self._about)

    def _lang(self, known: str | None) -> str:
        lang = (known or "").strip().lower()[:2]
        return lang if lang in LANGS else self._settings.lang

    def _unknown(self, checked: Sequence[Checked]) -> Iterator[str]:
        if self._some.users is not None:
            known = {one.user for one in checked}
            yield from (user for user in self._some.users if user not in known)

    def _tell(self, count: int) -> None:
        """Write what became of the range into the job's log: numbers alone, nobody's records."""
        span = self._question.span
        counts = ", ".join(f"{name} {number}" for name, number in sorted(self._counts.items()))
        self._ctx.log(f"{span.first} to {span.last} ({span.zone}), {self._question.kind}: users {count}: {counts}")


def _failure(answer: Unwritten) -> Reason:
    error = {"code": answer.error, "params": {"text": answer.detail}}
    return Reason("generator_failed", {"error": error})


def _question(params: What, tenant_id: str, span: Span) -> Question:
    return Question(tenant_id=tenant_id, span=span, kind=params.kind_of, redo=params.redo)


async def _somebody(tx: Connection, found: Catalog, params: What, tenant_id: str, size: int) -> AsyncIterator[Some]:
    if params.users is None:
        async for some in ranges(tx, found, tenant_id, size):
            yield some
        return
    users = list(dict.fromkeys(params.users))
    for at in range(0, len(users), size):
        yield Some(users=tuple(users[at : at + size]))


def _generator(settings: InterventionSettings) -> Generator:
    if settings.url is None:
        return RuleEngine()
    return Endpoint.of(settings)


def _span_json(ask: Ask) -> dict[str, str]:
    return {"first": ask.span.first.isoformat(), "last": ask.span.last.isoformat(), "zone": ask.span.zone}
