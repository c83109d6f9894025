"""`dure intents`: what may be asked for, asking for it, deciding about it, and what came of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from dure.cli import session
from dure.cli.help import text
from dure.cli.runs_do import actor
from dure.cli.session import Imports, Tenant
from dure.lang import say

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from dure.intents.offering import Offer
    from dure.intents.patterns import Candidate
    from dure.intents.rows import Request
    from dure.intents.switching import Switch
    from dure.queue.views import Page, Principal
    from dure.runtime.parts import Runtime

EXIT_PARTIAL = 3
STATES = (
    "waiting", "rejected", "pending", "processing", "completed", "partial", "failed", "cancelled", "quarantined",
)  # fmt: skip
OUTCOMES = ("done", "skipped", "conflict", "failed", "open")

Key = typer.Argument(metavar="KEY", help=text("arg_intent"))
Id = typer.Argument(metavar="ID", help=text("arg_request"))
Ids = typer.Argument(metavar="ID…", help=text("arg_requests"))
Sentence = typer.Argument(metavar="SENTENCE", help=text("arg_sentence"))
Limit = typer.Option(50, "--limit", min=1, max=1000, help=text("opt_limit"))
Cursor = typer.Option(None, "--cursor", help=text("opt_cursor"))
Note = typer.Option("", "--note", help=text("opt_intent_note"))
Wait = typer.Option(False, "--wait", help=text("opt_wait"))
Patience = typer.Option(None, "--wait-timeout", metavar="DURATION", help=text("opt_wait_timeout"))


def build() -> typer.Typer:
    """Answer the noun's commands."""
    from dure.cli import intents_patterns, intents_policy, outbox

    noun = typer.Typer(name="intents", help=text("intents"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("list", help=text("intents_list"))(list_intents)
    noun.command("show", help=text("intents_show"))(show)
    noun.command("ask", help=text("intents_ask"), epilog=text("intents_ask_epilog"))(ask)
    noun.command("submit", help=text("intents_submit"), epilog=text("intents_submit_epilog"))(submit)
    noun.command("requests", help=text("intents_requests"))(requests)
    noun.command("result", help=text("intents_result"))(result)
    noun.command("targets", help=text("intents_targets"))(targets)
    noun.command("approve", help=text("intents_approve"))(approve)
    noun.command("reject", help=text("intents_reject"))(reject)
    noun.command("cancel", help=text("intents_cancel"))(cancel)
    noun.command("retry", help=text("intents_retry"))(retry)
    noun.command("enable", help=text("intents_enable"))(enable)
    noun.command("disable", help=text("intents_disable"))(disable)
    noun.command("status", help=text("intents_status"))(status)
    noun.add_typer(intents_policy.build())
    noun.add_typer(intents_patterns.build())
    noun.add_typer(outbox.build())
    return noun


def list_intents(
    category: str = typer.Option(None, "--category", help=text("opt_category")),
    effect: str = typer.Option(None, "--effect", help=text("opt_effect")),
    allowed: bool = typer.Option(None, "--allowed/--not-allowed", help=text("opt_allowed")),
    imports: list[str] = Imports,
    tenant: str = Tenant,
) -> None:
    """List what may be asked for."""
    from typing import get_args

    from dure.cli.intents_show import print_offers
    from dure.cli.params import one_of
    from dure.intents.model import Effect

    wanted = one_of(effect, get_args(Effect), "effect")

    async def work() -> "list[Offer]":
        found: list[Offer] = []
        async with _runtime(imports) as runtime:
            cursor = None
            while True:
                page = await runtime.offers.list(
                    tenant, me(tenant), category=category, effect=wanted, allowed=allowed, limit=1000, cursor=cursor
                )
                found += page.items
                cursor = page.next_cursor
                if cursor is None:
                    return found

    print_offers(session.run(work))


def show(key: str = Key, imports: list[str] = Imports, tenant: str = Tenant) -> None:
    """Print an intent with what it takes."""
    from dure.cli.intents_show import print_intent

    async def work() -> "tuple[Offer, Any]":
        async with _runtime(imports) as runtime:
            return await runtime.offers.get(tenant, key, me(tenant)), await runtime.offers.code_of(key)

    print_intent(*session.run(work))


def ask(sentence: list[str] = Sentence, imports: list[str] = Imports, tenant: str = Tenant) -> None:
    """Find what a sentence asks for."""
    from dure.cli.intents_show import print_candidates
    from dure.intents.asking import clean_sentence
    from dure.lang import default

    words = clean_sentence(" ".join(sentence))

    async def work() -> "tuple[Candidate, ...]":
        async with _runtime(imports) as runtime:
            return await runtime.patterns.ask(tenant, words, "ko" if default() == "ko" else "en")

    print_candidates(session.run(work))


def submit(
    key: str = Key,
    params: str = typer.Option("{}", "--params", metavar="JSON|@FILE|-", help=text("opt_params")),
    unique_key: str = typer.Option(None, "--unique-key", help=text("opt_intent_unique_key")),
    imports: list[str] = Imports,
    tenant: str = Tenant,
    wait: bool = Wait,
    wait_timeout: str = Patience,
) -> None:
    """Ask for an intent and print the request's id; with `--wait`, what came of it."""
    from dure.cli.params import read_params
    from dure.intents.offering import checked

    given = read_params(params)

    async def begin(runtime: "Runtime") -> "Request":
        await checked(runtime.intents, key, given)
        return await runtime.intents.submit(tenant, key, given, me(tenant), unique_key=unique_key, source="cli")

    _begin(begin, imports, wait, wait_timeout)


def requests(
    key: str = typer.Option(None, "--key", help=text("opt_intent_key")),
    state: str = typer.Option(None, "--state", help=text("opt_request_state")),
    limit: int = Limit,
    cursor: str = Cursor,
    tenant: str = Tenant,
) -> None:
    """List requests, newest first."""
    from dure.cli.intents_show import print_requests
    from dure.cli.params import one_of

    wanted = one_of(state, STATES, "state")

    async def work() -> "Page[Request]":
        async with session.runtime() as runtime:
            return await runtime.intents.list(tenant, key=key, state=wanted, limit=limit, cursor=cursor)

    print_requests(session.run(work))


def result(
    request_id: str = Id,
    out: str = typer.Option(None, "--out", metavar="FILE", help=text("opt_out")),
    tenant: str = Tenant,
) -> None:
    """Print how a request stands and what came of it."""
    from dure.cli.intents_show import exit_code, print_request, write_report

    async def work() -> "Request":
        async with session.runtime() as runtime:
            return await runtime.intents.get(tenant, request_id)

    found = session.run(work)
    if out is not None:
        write_report(found, out)
    else:
        print_request(found)
    raise typer.Exit(exit_code(found))


def targets(
    request_id: str = Id,
    outcome: str = typer.Option(None, "--outcome", help=text("opt_target_outcome")),
    limit: int = typer.Option(100, "--limit", min=1, max=1000, help=text("opt_limit")),
    cursor: str = Cursor,
    tenant: str = Tenant,
) -> None:
    """Print whom a request was for."""
    from dure.cli.intents_show import print_targets
    from dure.cli.params import one_of

    wanted = one_of(outcome, OUTCOMES, "outcome")

    async def work() -> "Page[dict[str, Any]]":
        async with session.runtime() as runtime:
            return await runtime.intents.targets(tenant, request_id, outcome=wanted, limit=limit, cursor=cursor)

    print_targets(session.run(work))


def approve(
    request_ids: list[str] = Ids,
    note: str = Note,
    imports: list[str] = Imports,
    tenant: str = Tenant,
    wait: bool = Wait,
    wait_timeout: str = Patience,
) -> None:
    """Say yes to requests that wait."""
    if not wait:
        _each(request_ids, lambda runtime, one: runtime.intents.approve(tenant, one, me(tenant), note=note))
        return
    for request_id in request_ids:

        async def begin(runtime: "Runtime", one: str = request_id) -> "Request":
            return await runtime.intents.approve(tenant, one, me(tenant), note=note)

        _begin(begin, imports, wait, wait_timeout, last=request_id == request_ids[-1])


def reject(request_ids: list[str] = Ids, note: str = Note, tenant: str = Tenant) -> None:
    """Say no to requests that wait."""
    _each(request_ids, lambda runtime, one: runtime.intents.reject(tenant, one, me(tenant), note=note))


def cancel(
    request_ids: list[str] = Ids,
    reason: str = typer.Option("", "--reason", help=text("opt_reason")),
    tenant: str = Tenant,
) -> None:
    """Take requests back."""
    because = reason or say("intents.cancelled_here")
    _each(request_ids, lambda runtime, one: runtime.intents.cancel(tenant, one, me(tenant), reason=because))


def retry(
    request_id: str = Id,
    imports: list[str] = Imports,
    tenant: str = Tenant,
    wait: bool = Wait,
    wait_timeout: str = Patience,
) -> None:
    """Try again what failed."""

    async def begin(runtime: "Runtime") -> "Request":
        return await runtime.intents.retry(tenant, request_id, me(tenant))

    _begin(begin, imports, wait, wait_timeout)


def enable() -> None:
    """Switch the queue of intents on."""
    _switch(True)


def disable() -> None:
    """Switch the queue of intents off."""
    _switch(False)


def status() -> None:
    """Say how the queue of intents stands."""
    _switch(None)


def me(tenant: str) -> "Principal":
    """Answer who types: whoever reaches the database with this command may do what its owner may."""
    from dure.queue.views import Principal

    return Principal(actor(), "admin", tenant)


def _runtime(imports: Sequence[str] | None) -> "AbstractAsyncContextManager[Runtime]":
    session.import_from_here()
    return session.runtime(imports=tuple(imports or ()) or None)


def _begin(
    begin: "Callable[[Runtime], Awaitable[Request]]",
    imports: Sequence[str] | None,
    wait: bool,
    wait_timeout: str | None,
    *,
    last: bool = True,
) -> None:
    """Begin something; print its id, or with `wait` what came of it; the exit code says how it stands."""
    from dure.cli.intents_show import exit_code, print_made, print_request
    from dure.cli.intents_wait import follow, helping
    from dure.cli.times import seconds

    patience_s = seconds(wait_timeout, "wait-timeout")

    async def work() -> "Request":
        async with _runtime(imports) as runtime:
            if not wait:
                return await begin(runtime)
            async with helping(runtime) as hands:
                made = await begin(runtime)
                return await follow(runtime, made, hands, patience_s=patience_s)

    found = session.run(work)
    (print_request if wait else print_made)(found)
    code = exit_code(found) if wait or found.state == "waiting" else 0
    if last or code:
        raise typer.Exit(code)


def _each(request_ids: Sequence[str], one: "Callable[[Runtime, str], Awaitable[Request]]") -> None:
    """Do something to each request; those for which it could not be done are named, and the exit code says so."""
    from dure.cli.intents_show import print_each
    from dure.errors import DureError

    done: list[Request] = []
    errors: dict[str, DureError] = {}

    async def work() -> None:
        async with session.runtime() as runtime:
            for request_id in request_ids:
                try:
                    done.append(await one(runtime, request_id))
                except DureError as error:
                    if len(request_ids) == 1:
                        raise
                    errors[request_id] = error

    session.run(work)
    print_each(done, errors)
    if errors:
        raise typer.Exit(EXIT_PARTIAL if done else next(iter(errors.values())).exit_code)


def _switch(on: bool | None) -> None:
    from dure.cli.intents_show import print_switch
    from dure.intents.switching import switch, switched

    async def work() -> "Switch":
        async with session.runtime() as runtime:
            if on is None:
                return await switched(runtime.database)
            return await switch(runtime.database, on, actor=actor())

    print_switch(session.run(work))
