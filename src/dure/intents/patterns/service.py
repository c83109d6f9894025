"""Finds the intents that a sentence asks for, and learns from what was meant.

The patterns of a tenant are an index in memory. Each question asks the database for one number, which every change of a
pattern makes larger; only then are the patterns read again. When they differ in their confidences alone, as after each
use, no sentence is read anew.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import DureError, Invalid
from dure.intents.catalogue import Catalogue
from dure.intents.patterns import learning
from dure.intents.patterns.extracting import Drawn, Lookup, draw
from dure.intents.patterns.learning import CONFIDENCE_FIRST, PATTERN_CHARS_MAX
from dure.intents.patterns.matching import Match, Matcher, Pattern
from dure.intents.patterns.model import Candidate, KnownPattern
from dure.intents.patterns.normalising import LETTERS_MIN, NAME, Lang, Sentence, fold, lang_of, letter_count
from dure.intents.patterns.vocabulary import Glossary
from dure.intents.policies import ZONE
from dure.lang import say
from dure.queue.cursors import id_from_cursor, to_cursor
from dure.queue.registry import HandlerImportError
from dure.queue.threads import in_thread
from dure.queue.views import Page
from dure.settings import Settings

PAGE_MAX = 1_000
INDEXES_MAX = 200
"""So many tenants' patterns are kept in memory; that of the one who has not asked for longest goes first."""

Mentions = Callable[[str, str, str], Awaitable[Sequence[str]]]
"""Answers which names of a tenant's students, classes … (a noun) stand in a sentence: tenant, noun, sentence."""

_VERSION = load("dure.intents.patterns", "version")
_BEHIND_NAME = r"(?:이?(?:를|는|가|의|도|랑)|을|은|이|과|와|에게|한테|께|님|씨|'s)?(?![가-힣A-Za-z])"
_NO_WORDS: Glossary = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Index:
    version: tuple[int, int]
    matcher: Matcher


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, as it is read."""

    text: str
    sentence: Sentence
    today: date
    lookup: Lookup | None


class Patterns:
    """The patterns of a database. Example: `(await patterns.ask("acme", "학생 등록해줘"))[0].intent_key`."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        catalogue: Catalogue,
        glossary: Glossary = _NO_WORDS,
        mentions: Mentions | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._catalogue = catalogue
        self._glossary = glossary
        self._mentions = mentions
        self._indexes: OrderedDict[str, _Index] = OrderedDict()
        self._building: dict[str, asyncio.Lock] = {}
        self._models: dict[str, tuple[type[BaseModel], Mapping[str, Any]]] = {}
        self._seeded = False

    async def ask(
        self, tenant_id: str, sentence: str, lang: Lang | None = None, *, today: date | None = None
    ) -> tuple[Candidate, ...]:
        """Answer the intents that a sentence asks for, three at most, the surest first; none for noise. Nothing is run.

        `lang` is of the reasons, by default the sentence's own.
        """
        sentence = fold(sentence)
        if letter_count(sentence) < LETTERS_MIN:
            return ()
        await self._seed_once()
        matcher, day = await self._matcher(tenant_id)
        lookup = self._lookup(tenant_id)
        names = await lookup(matcher.name_concept, sentence) if lookup is not None else ()
        asked = _Question(sentence, matcher.read(sentence, names), today or day, lookup)
        matches = matcher.match(asked.sentence)
        return tuple([await self._candidate(one, asked, lang or lang_of(sentence)) for one in matches])

    async def list(
        self,
        tenant_id: str,
        *,
        intent_key: str | None = None,
        lang: Lang | None = None,
        holding: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[KnownPattern]:
        """Answer the patterns that hold for a tenant, newest first; `holding` is a part of their words."""
        limit = max(1, min(limit, PAGE_MAX))
        async with self._database.system_tx() as tx:
            found = await learning.list_on(
                tx, tenant_id, limit=limit + 1, before=id_from_cursor(cursor), intent_key=intent_key, lang=lang,
                holding=holding,
            )  # fmt: skip
        more = to_cursor(found[limit - 1].id) if len(found) > limit else None
        return Page(tuple(found[:limit]), more)

    async def get(self, tenant_id: str, pattern_id: str) -> KnownPattern:
        """Answer a pattern with its story."""
        async with self._database.system_tx() as tx:
            return await learning.get_on(tx, tenant_id, pattern_id)

    async def create(
        self,
        tenant_id: str,
        pattern: str,
        intent_key: str,
        *,
        actor: str,
        confidence: float = CONFIDENCE_FIRST,
        lang: Lang | None = None,
    ) -> KnownPattern:
        """Make a pattern; `Conflict` when the tenant has it for this intent already."""
        text = self._checked(pattern, intent_key, confidence)
        await self._seed_once()
        async with self._database.system_tx() as tx:
            made = await learning.create_on(
                tx, tenant_id, text, intent_key, lang=lang or lang_of(text), confidence=confidence, actor=actor
            )
            await learning.record(tx, tenant_id, actor, "create", made)
        return made

    async def learn(self, tenant_id: str, sentence: str, intent_key: str, *, actor: str) -> KnownPattern:
        """Learn that a sentence asks for an intent. Learned again, its confidence grows by 0.1, to 1 at most.

        Names that are found in the tenant's data are left out: a pattern is of no one in particular.
        """
        await self._seed_once()
        text = self._checked(await self._nameless(tenant_id, sentence), intent_key, CONFIDENCE_FIRST)
        async with self._database.system_tx() as tx:
            learned = await learning.learn_on(tx, tenant_id, text, intent_key, actor)
            await learning.record(tx, tenant_id, actor, "learn", learned)
        return learned

    async def used(self, tenant_id: str, pattern_id: str, success: bool) -> KnownPattern:
        """Note whether what a pattern found was meant. From the eleventh use on its confidence is successes by uses."""
        async with self._database.system_tx() as tx:
            return await learning.used_on(tx, tenant_id, pattern_id, success)

    async def edit(
        self,
        tenant_id: str,
        pattern_id: str,
        *,
        actor: str,
        pattern: str | None = None,
        intent_key: str | None = None,
        confidence: float | None = None,
        is_active: bool | None = None,
    ) -> KnownPattern:
        """Change a pattern. One that came with a pack can be switched off or weighed anew, for this tenant alone."""
        if pattern is not None:
            pattern = self._checked(pattern, intent_key, CONFIDENCE_FIRST)
        elif intent_key is not None:
            self._catalogue.declaration(intent_key)
        given = {"pattern": pattern, "intent_key": intent_key, "confidence": confidence, "is_active": is_active}
        changes = {name: value for name, value in given.items() if value is not None}
        async with self._database.system_tx() as tx:
            edited = await learning.edit_on(tx, tenant_id, pattern_id, changes, actor)
            await learning.record(tx, tenant_id, actor, "edit", edited)
        return edited

    async def delete(self, tenant_id: str, pattern_id: str, *, actor: str) -> None:
        """Remove a pattern of the tenant's own; one that came with a pack is switched off instead, by `edit`."""
        async with self._database.system_tx() as tx:
            found = await learning.get_on(tx, tenant_id, pattern_id)
            await learning.delete_on(tx, tenant_id, pattern_id)
            await learning.record(tx, tenant_id, actor, "delete", found)

    async def seed(self) -> int:
        """Make the examples of all intents patterns for all tenants; answer how many are new or gone."""
        async with self._database.system_tx() as tx:
            changed = await learning.seed_on(tx, self._catalogue)
        self._seeded = True
        return changed

    async def _seed_once(self) -> None:
        if not self._seeded:
            await self.seed()

    def _checked(self, pattern: str, intent_key: str | None, confidence: float) -> str:
        text = fold(pattern)
        if intent_key is not None:
            self._catalogue.declaration(intent_key)
        if letter_count(text) < LETTERS_MIN:
            raise Invalid(field="pattern", reason="pattern.too_short", min=LETTERS_MIN)
        if len(pattern) > PATTERN_CHARS_MAX:
            raise Invalid(field="pattern", reason="too_long", length=len(pattern), max=PATTERN_CHARS_MAX)
        if not 0 <= confidence <= 1:
            raise Invalid(field="confidence", reason="out_of_range", min=0, max=1)
        return text

    async def _matcher(self, tenant_id: str) -> tuple[Matcher, date]:
        async with self._building.setdefault(tenant_id, asyncio.Lock()):
            values = {"tenant": tenant_id, "zone": ZONE}
            async with self._database.system_tx() as tx:
                row = await (await tx.execute(_VERSION, values)).fetchone()
                assert row is not None
                version, known = (row[0], row[1]), self._indexes.get(tenant_id)
                stale = known is None or known.version != version
                read = await learning.patterns_of(tx, tenant_id) if stale else []
            if known is None or stale:
                usable = [one for one in read if self._catalogue.knows(one.intent_key)]
                matcher = await self._build(None if known is None else known.matcher, usable)
                known = self._indexes[tenant_id] = _Index(version, matcher)
            self._indexes.move_to_end(tenant_id)
            while len(self._indexes) > INDEXES_MAX:
                self._building.pop(self._indexes.popitem(last=False)[0], None)
            return known.matcher, row[2]

    async def _build(self, before: Matcher | None, patterns: Sequence[Pattern]) -> Matcher:
        if before is not None and (same := before.with_confidences(patterns)) is not None:
            return same
        # Of thousands this takes a while, and nobody else should wait for it.
        return await in_thread(Matcher, patterns, self._glossary, name="patterns")

    async def _nameless(self, tenant_id: str, sentence: str) -> str:
        text, lookup = fold(sentence), self._lookup(tenant_id)
        if lookup is None:
            return text
        for noun in self._glossary.get(NAME, ()):
            for name in await lookup(noun, text):
                text = fold(re.sub(re.escape(name) + _BEHIND_NAME, " ", text))
        return text

    def _lookup(self, tenant_id: str) -> Lookup | None:
        """Answer what finds names for one question: each noun is looked for once."""
        mentions = self._mentions
        if mentions is None:
            return None
        known: dict[str, Sequence[str]] = {}

        async def lookup(noun: str, sentence: str) -> Sequence[str]:
            if noun not in known:
                known[noun] = await mentions(tenant_id, noun, sentence)
            return known[noun]

        return lookup

    async def _candidate(self, match: Match, asked: _Question, lang: Lang) -> Candidate:
        pattern = match.pattern
        words = " + ".join(match.shared)
        reason = say(f"patterns.reasons.{match.how}", lang, pattern=pattern.pattern, words=words)
        drawn = await self._draw(pattern.intent_key, asked)
        return Candidate(
            pattern.intent_key, match.confidence, reason, drawn.params, drawn.missing, pattern.id, pattern.pattern
        )

    async def _draw(self, key: str, asked: _Question) -> Drawn:
        if key not in self._models:
            try:
                model = (await in_thread(self._catalogue.find, key, name="import")).params
            except HandlerImportError:
                # It can still be shown; what is wrong with it is said when it is asked for.
                return Drawn({}, ())
            self._models[key] = model, model.model_json_schema()
        model, schema = self._models[key]
        drawn = await draw(asked.text, asked.sentence, schema, asked.today, asked.lookup)
        params = _fitting(model, drawn.params)
        return Drawn(params, tuple(name for name in schema.get("required", ()) if name not in params))


def _fitting(model: type[BaseModel], drawn: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what the model would not take."""
    try:
        model.model_validate(dict(drawn))
    except DureError:
        # What a model says of its fields together is said when the intent is asked for.
        return drawn
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors() if one["loc"]}
        return {name: value for name, value in drawn.items() if name not in wrong}
    return drawn
