"""Follows foreign keys from what a plan deletes: what would go with it, be set to null, or stand in the way.

Level by level, and each level with one query for each foreign key, however many records there are. So nothing is left
for the database to do by itself: what a cascade would take is in the plan, with its image.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from dure.db.pool import Connection
from dure.runs.model import Image, Key, Reason
from dure.runs.stores import reading
from dure.runs.stores.entries import LEAVING, Entries, Entry
from dure.runs.stores.reading import Found
from dure.runs.stores.shape import Action, Reference, Shape

Blocked = dict[int, Reason]


class Follower:
    """Completes the entries of one slice. Example: `await Follower(read, own, shapes, entries).follow()`."""

    def __init__(self, read: Connection, own: Connection, shapes: Mapping[str, Shape], entries: Entries) -> None:
        self._read = read
        self._own = own
        self._shapes = shapes
        self._entries = entries
        self._blocked: Blocked = {}

    async def follow(self) -> None:
        """Add what follows, join units that belong together, and keep the records of units that cannot be done."""
        level = [entry for entry in self._entries if self._may_be_missed(entry)]
        while level:
            added: list[Entry] = []
            for store, entries in _by_store(level).items():
                for reference in self._shapes[store].references_in:
                    added += await self._follow(self._shapes[store], reference, entries)
            level = [entry for entry in added if self._may_be_missed(entry)]
        self._order_creates()
        self._entries.block(set(self._blocked), self._blocked)

    def _may_be_missed(self, entry: Entry) -> bool:
        return entry.draft.store in self._shapes and (entry.kind in LEAVING or entry.kind == "update")

    async def _follow(self, parent: Shape, reference: Reference, entries: Sequence[Entry]) -> list[Entry]:
        if any(parent.column(name) is None for name in reference.refers):
            return []
        roots = _referred(parent, reference, entries)
        if not roots:
            return []
        child = self._shapes.get(reference.store or "")
        if child is None:
            found = await reading.children_exist(self._read, parent, reference, list(roots))
            for values, count in found.items():
                self._block(roots[values], reference, count)
            return []
        added = []
        rows = await reading.children(self._read, parent, child, reference, list(roots))
        setter = await self._setter(child, reference, roots.values())
        for values, row in rows:
            more = self._child(roots[values], child, reference, row, setter)
            added += [more] if more is not None else []
        return added

    def _child(self, root: Entry, child: Shape, reference: Reference, row: Found, setter: "Setter") -> Entry | None:
        """Decide about one row that refers to a record that goes or gets another key."""
        key = child.key_of(row.image)
        known = self._entries.of((child.store, key))
        if known is root:
            return None
        action = reference.on_delete if root.kind in LEAVING else reference.on_update
        if known is not None:
            if known.kind in LEAVING:
                self._first(known, root)
                return None
            if known.after is not None and _values(child, reference.columns, known.after) != _values(
                child, reference.columns, row.image
            ):
                self._first(known, root)
                return None
        if action in ("nothing", "restrict"):
            self._block(root, reference, 1)
            return None
        if known is not None:
            return self._amend(known, root, child, action, setter)
        self._entries.forget_kept((child.store, key))
        entry = _derived(root, child, reference, key, row, action)
        if entry.kind == "update":
            entry.after = setter(root, row.image)
            entry.to_key = _to_key(child, entry)
        self._entries.add(entry)
        self._arrange(entry, root, action)
        return entry

    def _amend(self, known: Entry, root: Entry, child: Shape, action: Action, setter: "Setter") -> Entry | None:
        """Let what a foreign key does to a row join what the plan does to it anyway."""
        was_update = known.kind == "update"
        if root.kind in LEAVING and action == "cascade":
            self._entries.forget_kept(known.record)
            known.kind, known.after, known.to_key = "delete", None, None
        elif known.after is not None:
            known.after = setter(root, known.after)
            known.to_key = _to_key(child, known)
        self._arrange(known, root, action)
        return known if was_update and known.kind == "delete" else None

    def _arrange(self, entry: Entry, root: Entry, action: Action) -> None:
        if root.kind == "update" and action == "cascade":
            # The new key must be there before a row can refer to it; the cascade itself brings the row along.
            self._first(root, entry)
        else:
            self._first(entry, root)

    def _first(self, earlier: Entry, later: Entry) -> None:
        self._entries.join(earlier.unit, later.unit)
        earlier.later.append(later)

    def _block(self, root: Entry, reference: Reference, count: int) -> None:
        table = reference.store or f"{reference.schema}.{reference.table}"
        reason = Reason("blocked_by_reference", {"table": table, "constraint": reference.name, "count": count})
        self._blocked.setdefault(root.unit, reason)

    async def _setter(self, child: Shape, reference: Reference, roots: Iterable[Entry]) -> "Setter":
        """Answer what a foreign key writes into a row when the record that it refers to goes or changes."""
        parent = self._shapes.get(reference.target or "")
        defaults: Mapping[str, str | None] = {}
        leaving = any(root.kind in LEAVING for root in roots)
        if "set_default" in (reference.on_delete if leaving else reference.on_update,):
            columns = frozenset(name for name in reference.columns if (c := child.column(name)) and c.has_default)
            defaults = (await reading.defaults(self._own, child, [columns]))[0]

        def set_columns(root: Entry, image: Image) -> Image:
            values = child.by_name(image)
            action = reference.on_delete if root.kind in LEAVING else reference.on_update
            if action == "cascade" and parent is not None and root.after is not None:
                values.update(zip(reference.columns, _values(parent, reference.refers, root.after), strict=True))
            else:
                some = reference.set_columns if root.kind in LEAVING else ()
                values.update({name: defaults.get(name) for name in some or reference.columns})
            return child.image_of(values)

        return set_columns

    def _order_creates(self) -> None:
        """Have a record that is created come before those of its unit that refer to it."""
        made: dict[tuple[str, tuple[str, ...], Key], Entry] = {}
        wanted = {
            (reference.target, reference.refers)
            for shape in self._shapes.values()
            for reference in shape.references_out
            if reference.target in self._shapes
        }
        creates = [entry for entry in self._entries if entry.kind == "create" and entry.after is not None]
        for entry in creates:
            for store, refers in wanted:
                if store == entry.draft.store and entry.after is not None:
                    values = _values(self._shapes[store], refers, entry.after)
                    made[store, refers, tuple(value or "" for value in values)] = entry
        for entry in self._entries if made else ():
            self._after_what_it_needs(entry, made)

    def _after_what_it_needs(self, entry: Entry, made: Mapping[tuple[str, tuple[str, ...], Key], Entry]) -> None:
        shape = self._shapes.get(entry.draft.store)
        if shape is None or entry.after is None or entry.kind not in ("create", "update"):
            return
        for reference in shape.references_out:
            values = tuple(value or "" for value in _values(shape, reference.columns, entry.after))
            needed = made.get((reference.target or "", reference.refers, values))
            if needed is not None and needed is not entry:
                needed.later.append(entry)


Setter = Callable[[Entry, Image], Image]


def _referred(parent: Shape, reference: Reference, entries: Sequence[Entry]) -> dict[Key, Entry]:
    """Answer, by the values that rows may refer to, the records that go or get others."""
    roots: dict[Key, Entry] = {}
    for entry in entries:
        if entry.before is None:
            continue
        values = _values(parent, reference.refers, entry.before)
        if entry.after is not None and values == _values(parent, reference.refers, entry.after):
            continue
        if None not in values:
            roots[tuple(value or "" for value in values)] = entry
    return roots


def _derived(root: Entry, child: Shape, reference: Reference, key: Key, row: Found, action: Action) -> Entry:
    kind = "delete" if action == "cascade" and root.kind in LEAVING else "update"
    params = {"constraint": reference.name, "table": root.draft.store, "key": ", ".join(root.key)}
    draft = type(root.draft)(
        store=child.store,
        kind="delete" if kind == "delete" else "update",
        ask=root.draft.ask,
        subject=root.draft.subject,
        scope=root.draft.scope,
    )
    return Entry(
        draft=draft,
        unit=root.unit,
        place=root.place,
        kind=draft.kind,
        key=key,
        before=row.image,
        revision=row.revision,
        reason=Reason(action, params),
        is_derived=True,
    )


def _to_key(child: Shape, entry: Entry) -> Key | None:
    if entry.after is None:
        return None
    key = child.key_of(entry.after)
    return key if key != entry.key else None


def _values(shape: Shape, names: Sequence[str], image: Image) -> tuple[str | None, ...]:
    values = shape.by_name(image)
    return tuple(values[name] for name in names)


def _by_store(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    stores: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        stores[entry.draft.store].append(entry)
    return stores
