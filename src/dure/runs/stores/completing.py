"""Completes what a planner drafted: exact images before and after, defaults, and all that foreign keys bring along."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from dure.db.pool import Connection
from dure.errors import Invalid
from dure.runs.model import Draft, Image, Key, Planned
from dure.runs.stores import reading
from dure.runs.stores.compose import pin
from dure.runs.stores.entries import Entries, Entry
from dure.runs.stores.following import Follower
from dure.runs.stores.reading import Found, Texts
from dure.runs.stores.shape import Shape
from dure.runs.stores.texts import text_of

Place = tuple[int, int]
"""The unit and the place in it."""


async def complete(
    read: Connection, own: Connection, shapes: Mapping[str, Shape], units: Sequence[Sequence[Draft]]
) -> list[list[Planned]]:
    """Answer the changes of a slice, ready to be written into the plan; drafts of other stores pass as they are.

    `read` is the planner's snapshot, `own` may write: defaults take numbers from sequences. What cannot be done becomes
    a `keep` with its reason; a value that the database does not take raises `Invalid` and names the column.
    Example: `planned = await complete(read, own, {shape.store: shape}, [[draft]])`.
    """
    await pin(read)
    await pin(own)
    drafts: dict[str, list[tuple[Place, Draft]]] = defaultdict(list)
    for unit, members in enumerate(units):
        for at, draft in enumerate(members):
            drafts[draft.store].append(((unit, at), draft))
    made: dict[Place, Entry] = {}
    for store, own_drafts in drafts.items():
        if store in shapes:
            made.update(await _of_table(read, own, shapes[store], own_drafts))
        else:
            made.update({place: _passed(place, draft) for place, draft in own_drafts})
    entries = Entries()
    for unit, members in enumerate(units):
        for entry in _together([made[unit, at] for at in range(len(members))]):
            entries.add(entry)
    await Follower(read, own, shapes, entries).follow()
    return entries.units()


async def _of_table(
    read: Connection, own: Connection, shape: Shape, drafts: Sequence[tuple[Place, Draft]]
) -> dict[Place, Entry]:
    given = await reading.canonical(read, shape, [_texts(shape, draft) for _, draft in drafts])
    missing = [_defaults(shape, draft, texts) for (_, draft), texts in zip(drafts, given, strict=True)]
    defaults = await reading.defaults(own, shape, missing)
    for texts, more in zip(given, defaults, strict=True):
        texts.update(more)
    keys = [_key(shape, draft, texts) for (_, draft), texts in zip(drafts, given, strict=True)]
    found = await reading.by_keys(read, shape, keys)
    return {
        place: _entry(shape, place, draft, key, texts, found.get(key))
        for (place, draft), key, texts in zip(drafts, keys, given, strict=True)
    }


def _texts(shape: Shape, draft: Draft) -> Texts:
    """Answer the texts of a draft's values, which must be of columns that can be written."""
    texts: Texts = {}
    for name, value in (draft.values or {}).items():
        field = f"{shape.store}.{name}"
        column = shape.column(name)
        if column is None:
            raise Invalid(field=field, reason="table.generated" if name in shape.generated else "unknown_field")
        if column.identity == "a" and draft.kind == "update":
            raise Invalid(field=field, reason="table.identity")
        texts[name] = text_of(shape, column, value)
        if texts[name] is None and column.not_null and not shape.user_triggers:
            raise Invalid(field=field, reason="missing")
    return texts


def _defaults(shape: Shape, draft: Draft, texts: Texts) -> frozenset[str]:
    if draft.kind != "create":
        return frozenset()
    return frozenset(column.name for column in shape.columns if column.has_default and column.name not in texts)


def _key(shape: Shape, draft: Draft, texts: Texts) -> Key:
    if draft.kind != "create":
        return draft.key or ()
    for column in shape.columns:
        needed = column.name in shape.key or (column.not_null and not shape.user_triggers)
        if needed and texts.get(column.name) is None:
            raise Invalid(field=f"{shape.store}.{column.name}", reason="missing")
    return tuple(texts[name] or "" for name in shape.key)


def _entry(shape: Shape, place: Place, draft: Draft, key: Key, texts: Texts, found: Found | None) -> Entry:
    entry = Entry(draft=draft, unit=place[0], place=place[1], kind=draft.kind, key=key, reason=draft.reason)
    if found is not None:
        entry.key, entry.before, entry.revision = shape.key_of(found.image), found.image, found.revision
    match draft.kind:
        case "create" if found is not None:
            entry.keep("key_taken")
        case "create":
            entry.after = shape.image_of(texts)
        case "keep":
            entry.revision = None
        case _ if found is None:
            entry.keep("missing")
        case "update":
            _update(shape, entry, found.image, texts)
        case _:
            entry.after = None
    return entry


def _update(shape: Shape, entry: Entry, before: Image, texts: Texts) -> None:
    entry.after = shape.image_of(shape.by_name(before) | texts)
    if entry.after == before:
        entry.keep("no_change")
        return
    key = shape.key_of(entry.after)
    entry.to_key = key if key != entry.key else None


def _passed(place: Place, draft: Draft) -> Entry:
    return Entry(
        draft=draft,
        unit=place[0],
        place=place[1],
        kind=draft.kind,
        key=draft.key or (),
        to_key=draft.to_key,
        before=draft.before,
        after=draft.after,
        revision=draft.revision,
        reason=draft.reason,
    )


def _together(unit: Sequence[Entry]) -> Sequence[Entry]:
    """Keep a whole unit when one of it cannot be done: its record is gone, or its key is taken."""
    undoable = {"missing", "key_taken"}
    if any(entry.kind == "keep" and entry.draft.kind != "keep" and _code(entry) in undoable for entry in unit):
        for entry in unit:
            if entry.kind != "keep":
                entry.keep("unit_mate")
    return unit


def _code(entry: Entry) -> str:
    return entry.reason.code if entry.reason is not None else ""
