"""Releases of an agent's class: which versions there are, which one is current, and which may work beside it.

What an agent is told when it registers follows from these rows, see `dure.advise` in the database. One release of a
class is current; the way from it to another is a rollout, or, at once and without a look at how it does,
`make_current`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from dure.agents.steering import WITHDRAWN, record, steer
from dure.agents.versions import Range, Version
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, Invalid, NotFound
from dure.ids import is_tenant_id
from dure.queue.cursors import id_from_cursor, to_cursor
from dure.queue.views import Page

ReleaseType = Literal["initial", "major", "minor", "patch", "prerelease", "hotfix"]
ReleaseState = Literal["draft", "current", "superseded", "reverted", "withdrawn"]
RELEASE_TYPES: tuple[ReleaseType, ...] = get_args(ReleaseType)
PAGE_MAX = 1_000
NOTES_CHARS_MAX = 10_000
REASON_CHARS_MAX = 1_000
CLASS_CHARS_MAX = 100

_FIELDS = (
    "id", "tenant_id", "class_", "version", "release_type", "compatible", "notes", "pin_knowledge", "pinned_at",
    "state", "reason", "created_by", "created_at", "current_at", "ended_at",
)  # fmt: skip
"""What `sql/release_read.sql` answers, in its order."""

_LOCK = load("dure.agents", "release_lock")
_INSERT = load("dure.agents", "release_insert")
_READ = load("dure.agents", "release_read")
_SUPERSEDE = load("dure.agents", "release_supersede")
_CURRENT = load("dure.agents", "release_current")
_WITHDRAW = load("dure.agents", "release_withdraw")
_ROLLOUT = load("dure.agents", "release_rollout")
_AGENTS = load("dure.agents", "release_agents")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRelease:
    """A release that is wanted. What is not said follows from the version and from the current release.

    Example: `NewRelease(class_="executor", version="1.9.0", compatible=">=1.7,<2")`.
    """

    class_: str
    version: str
    release_type: str | None = None
    compatible: str | None = None
    """Which versions may still work beside it, once it is current."""
    notes: str = ""
    pin_knowledge: bool = False
    """When a rollout to it is taken back, what its agents learned meanwhile is taken back too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release as it stands."""

    id: str
    tenant_id: str
    class_: str
    version: str
    release_type: ReleaseType
    compatible: str
    notes: str
    pin_knowledge: bool
    pinned_at: datetime | None
    state: ReleaseState
    reason: Mapping[str, Any] | None
    created_by: str
    created_at: datetime
    current_at: datetime | None
    ended_at: datetime | None


class Releases:
    """The releases of a database.

    Example: `await Releases(database).create("acme", NewRelease(class_="executor", version="1.9.0"), actor="kim")`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, tenant_id: str, wanted: NewRelease, *, actor: str) -> Release:
        """Make a release: the first of its class is current, any other a draft. `Conflict` when it is there."""
        async with self._database.system_tx() as tx:
            return await self.create_on(tx, tenant_id, wanted, actor=actor)

    async def create_on(self, tx: Connection, tenant_id: str, wanted: NewRelease, *, actor: str) -> Release:
        """Make a release in a transaction of the system, which the caller commits."""
        if not is_tenant_id(tenant_id):
            raise Invalid(field="tenant_id", reason="wrong_format", expected="acme-1")
        version = Version.parse(wanted.version)
        beside = Range.beside(version) if wanted.compatible is None else Range.parse(wanted.compatible)
        if not beside.holds(version):
            raise Invalid(field="compatible", reason="releases.not_itself", version=wanted.version)
        _require_text(wanted)
        current = await lock_class(tx, tenant_id, wanted.class_)
        values = {
            "tenant_id": tenant_id, "class": wanted.class_, "version": str(version), "compatible": beside.text,
            "release_type": wanted.release_type or _type_of(version, current), "low": beside.low, "high": beside.high,
            "notes": wanted.notes, "pin_knowledge": wanted.pin_knowledge, "actor": actor, "first": current is None,
        }  # fmt: skip
        if await (await tx.execute(_INSERT, values)).fetchone() is None:
            raise Conflict("release_exists", field="version", class_=wanted.class_, version=str(version))
        made = await read_release(tx, tenant_id, wanted.class_, str(version))
        await record(tx, made.tenant_id, actor, "release.create", f"release:{made.class_} {made.version}")
        return made

    async def list(
        self,
        tenant_id: str | None,
        *,
        class_: str | None = None,
        state: ReleaseState | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Release]:
        """Answer releases, the last made first."""
        limit = max(1, min(limit, PAGE_MAX))
        values = {
            "tenant_id": tenant_id, "class": class_, "version": None, "state": state, "limit": limit + 1,
            "before": None if cursor is None else id_from_cursor(cursor),
        }  # fmt: skip
        async with self._database.system_tx() as tx:
            rows = await (await tx.execute(_READ, values)).fetchall()
        items = tuple(release_of(row) for row in rows[:limit])
        return Page(items, to_cursor(items[-1].id) if len(rows) > limit else None)

    async def get(self, tenant_id: str, class_: str, version: str) -> Release:
        """Answer a release."""
        async with self._database.system_tx() as tx:
            return await read_release(tx, tenant_id, class_, version)

    async def withdraw(self, tenant_id: str, class_: str, version: str, *, actor: str, reason: str = "") -> Release:
        """Let no agent of this version register any more; those that there are get no work, and are told what to
        become. The current release cannot be withdrawn, nor one that is rolled out just now.
        """
        if len(reason) > REASON_CHARS_MAX:
            raise Invalid(field="reason", reason="too_long", length=len(reason), max=REASON_CHARS_MAX)
        async with self._database.system_tx() as tx:
            current = await lock_class(tx, tenant_id, class_)
            found = await read_release(tx, tenant_id, class_, version)
            if found.state == "withdrawn":
                return found
            if found.state == "current":
                raise Conflict("release_current", version=found.version)
            await _require_no_rollout(tx, found)
            why = {"code": "withdrawn", "params": {"actor": actor, "text": reason or "-"}}
            await tx.execute(_WITHDRAW, {"id": found.id, "reason": json.dumps(why, ensure_ascii=False)})
            instead = None if current is None else current.version
            hold = {"code": WITHDRAWN, "params": {"version": found.version}}
            agents = await _agents_of(tx, found, "this")
            await steer(tx, tenant_id, agents, target=instead, hold=hold)
            subject = f"release:{found.class_} {found.version}"
            await record(tx, tenant_id, actor, "release.withdraw", subject, reason=reason, agents=len(agents))
            return await read_release(tx, tenant_id, class_, version)

    async def make_current(self, tenant_id: str, class_: str, version: str, *, actor: str) -> Release:
        """Make a release the current one at once, without a look at how it does. Agents that may not work beside it are
        told to become it; those of its own version get work.
        """
        async with self._database.system_tx() as tx:
            await lock_class(tx, tenant_id, class_)
            found = await read_release(tx, tenant_id, class_, version)
            if found.state == "current":
                return found
            if found.state == "withdrawn":
                raise Conflict("release_state", state=found.state, expected="draft, superseded, reverted")
            await _require_no_rollout(tx, found)
            made = await become_current(tx, found)
            await steer(tx, tenant_id, await _agents_of(tx, made, "this"), target=None, hold=None)
            await steer(tx, tenant_id, await _agents_of(tx, made, "outside"), target=made.version, hold=None)
            await record(tx, tenant_id, actor, "release.make_current", f"release:{made.class_} {made.version}")
            return made


def release_of(row: tuple[Any, ...]) -> Release:
    """Make a release of a row of `sql/release_read.sql`."""
    return Release(**dict(zip(_FIELDS, row, strict=True)))


async def lock_class(tx: Connection, tenant_id: str, class_: str) -> Release | None:
    """Let nobody else change the releases of a class until the end of the transaction; answer the current one."""
    await tx.execute(_LOCK, {"tenant_id": tenant_id, "class": class_})
    values = {
        "tenant_id": tenant_id, "class": class_, "version": None, "state": "current", "before": None, "limit": 1,
    }  # fmt: skip
    row = await (await tx.execute(_READ, values)).fetchone()
    return None if row is None else release_of(row)


async def read_release(tx: Connection, tenant_id: str, class_: str, version: str) -> Release:
    """Read one release; `NotFound` when it is not there."""
    values = {
        "tenant_id": tenant_id, "class": class_, "version": version, "state": None, "before": None, "limit": 1,
    }  # fmt: skip
    row = await (await tx.execute(_READ, values)).fetchone()
    if row is None:
        raise NotFound("release", f"{class_} {version}")
    return release_of(row)


async def become_current(tx: Connection, release: Release) -> Release:
    """Make a release the current one of its class; the one before it is superseded. The caller has locked the class."""
    values = {"tenant_id": release.tenant_id, "class": release.class_, "id": release.id}
    # Two statements: a moment with two current ones is a moment too long for the index.
    await tx.execute(_SUPERSEDE, values)
    await tx.execute(_CURRENT, values)
    return await read_release(tx, release.tenant_id, release.class_, release.version)


async def _agents_of(tx: Connection, release: Release, which: Literal["this", "outside"]) -> list[str]:
    rows = await (await tx.execute(_AGENTS, {"id": release.id, "which": which})).fetchall()
    return [row[0] for row in rows]


async def _require_no_rollout(tx: Connection, release: Release) -> None:
    values = {"tenant_id": release.tenant_id, "class": release.class_}
    row = await (await tx.execute(_ROLLOUT, values)).fetchone()
    if row is not None:
        raise Conflict("rollout_open", class_=release.class_, id=row[0])


def _require_text(wanted: NewRelease) -> None:
    if not is_class(wanted.class_):
        raise Invalid(field="class", reason="wrong_format", expected="executor")
    if wanted.release_type is not None and wanted.release_type not in RELEASE_TYPES:
        raise Invalid(field="release_type", reason="not_one_of", expected=", ".join(RELEASE_TYPES))
    if len(wanted.notes) > NOTES_CHARS_MAX:
        raise Invalid(field="notes", reason="too_long", length=len(wanted.notes), max=NOTES_CHARS_MAX)
    if "\x00" in wanted.notes:
        raise Invalid(field="notes", reason="nul_byte")


def is_class(text: str) -> bool:
    """Answer whether a text can name a class. Example: `is_class("executor")`."""
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    return 0 < len(text) <= CLASS_CHARS_MAX and set(text) <= letters and text[0] not in "._-"


def _type_of(version: Version, current: Release | None) -> ReleaseType:
    if version.before:
        return "prerelease"
    if current is None:
        return "initial"
    before = Version.parse(current.version)
    if version.major != before.major:
        return "major"
    return "minor" if version.minor != before.minor else "patch"
