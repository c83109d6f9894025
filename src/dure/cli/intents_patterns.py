"""`dure intents patterns`: the sentences that ask for intents."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.painted import visible
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.intents.patterns import KnownPattern
    from dure.queue.views import Page

Id = typer.Argument(metavar="ID", help=text("arg_pattern"))
Sentence = typer.Argument(metavar="SENTENCE", help=text("arg_sentence"))
Key = typer.Argument(metavar="KEY", help=text("arg_intent"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="patterns", help=text("intents_patterns"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("patterns_list"))(list_patterns)
    noun.command("learn", help=text("patterns_learn"))(learn)
    noun.command("edit", help=text("patterns_edit"))(edit)
    noun.command("delete", help=text("patterns_delete"))(delete)
    return noun


def list_patterns(
    key: str = typer.Option(None, "--key", help=text("opt_intent_key")),
    lang: str = typer.Option(None, "--pattern-lang", metavar="ko|en", help=text("opt_pattern_lang")),
    holding: str = typer.Option(None, "--holding", metavar="WORDS", help=text("opt_pattern_holding")),
    limit: int = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = typer.Option(None, "--cursor", help=text("opt_cursor")),
    tenant: str = Tenant,
) -> None:
    """List patterns, newest first."""
    from dure.cli.params import one_of

    wanted = one_of(lang, ("ko", "en"), "pattern-lang")

    async def work() -> "Page[KnownPattern]":
        async with session.runtime() as runtime:
            return await runtime.patterns.list(
                tenant, intent_key=key, lang=wanted, holding=holding, limit=limit, cursor=cursor
            )

    page = session.run(work)
    if output.wants_json():
        output.document({"items": page.items, "next_cursor": page.next_cursor})
        return
    _print(page.items)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def learn(sentence: str = Sentence, key: str = Key, tenant: str = Tenant) -> None:
    """Learn that a sentence asks for an intent."""

    async def work() -> "KnownPattern":
        async with session.runtime() as runtime:
            return await runtime.patterns.learn(tenant, sentence, key, actor=actor())

    _print_one(session.run(work))


def edit(
    pattern_id: str = Id,
    words: str = typer.Option(None, "--pattern", help=text("opt_pattern_text")),
    key: str = typer.Option(None, "--intent", metavar="KEY", help=text("opt_pattern_intent")),
    confidence: float = typer.Option(None, "--confidence", help=text("opt_pattern_confidence")),
    on: bool = typer.Option(None, "--on/--off", help=text("opt_pattern_on")),
    tenant: str = Tenant,
) -> None:
    """Change a pattern."""

    async def work() -> "KnownPattern":
        async with session.runtime() as runtime:
            return await runtime.patterns.edit(
                tenant, pattern_id, actor=actor(), pattern=words, intent_key=key, confidence=confidence, is_active=on
            )

    _print_one(session.run(work))


def delete(pattern_id: str = Id, tenant: str = Tenant) -> None:
    """Remove a pattern of the tenant's own."""

    async def work() -> "KnownPattern":
        async with session.runtime() as runtime:
            found = await runtime.patterns.get(tenant, pattern_id)
            await runtime.patterns.delete(tenant, pattern_id, actor=actor())
            return found

    gone = session.run(work)
    if output.wants_json():
        output.document({"id": gone.id, "state": "deleted"})
    else:
        output.line(say("intents.pattern_deleted", pattern=visible(gone.pattern)))


def _print_one(pattern: "KnownPattern") -> None:
    if output.wants_json():
        output.document(pattern)
    else:
        _print((pattern,))


def _print(patterns: "Sequence[KnownPattern]") -> None:
    names = ("id", "pattern", "key", "confidence", "used", "on", "from")
    rows = [
        [
            one.id,
            visible(one.pattern),
            one.intent_key,
            f"{one.confidence:.0%}",
            f"{one.success_count}/{one.usage_count}",
            say("cli.yes") if one.is_active else say("cli.no"),
            one.learned_from,
        ]
        for one in patterns
    ]
    output.table([say(f"intents.head_{name}") for name in names], rows)
