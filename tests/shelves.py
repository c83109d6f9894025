"""A store outside the database for tests: a folder with a file for each record, which can go down or be slow."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from dure.queue.registry import Rate
from dure.runs.model import Key
from dure.runs.stores.protocol import Record, Scope, StoreConflict, StoreDown, Undo


class Shelf:
    """Records in files `<tenant>/<key>`; it counts its calls, and does before each what the test asks."""

    key_fields = ("name",)
    fields = ("title", "body")

    def __init__(self, root: Path, name: str = "shelf", rate: Rate | None = None, undo: Undo | None = None) -> None:
        self.name = name
        self.root = root
        self.rate = rate
        self.undo = undo or Undo()
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda _call: None
        self.after: Callable[[str], None] = lambda _call: None

    def write(self, tenant: str, name: str, title: str, body: str = "") -> None:
        path = self._path({"tenant_id": tenant}, (name,))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([title, body]))

    def picture(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.root)): path.read_text()
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }

    async def list(self, scope: Scope) -> AsyncIterator[Record]:
        folder = self.root / scope["tenant_id"]
        for path in sorted(folder.iterdir()) if folder.exists() else []:
            yield self._read(path)

    async def get(self, scope: Scope, keys: Sequence[Key]) -> dict[Key, Record]:
        self._call("get", keys)
        paths = {key: self._path(scope, key) for key in keys}
        return {key: self._read(path) for key, path in paths.items() if path.exists()}

    async def put(self, scope: Scope, record: Record, *, expected: str | None, idempotency_key: str) -> Record:
        self._call("put", [record.key])
        path = self._path(scope, record.key)
        self._require(path, expected)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(list(record.values)))
        self.after("put")
        return self._read(path)

    async def delete(self, scope: Scope, key: Key, *, expected: str, idempotency_key: str) -> None:
        self._call("delete", [key])
        path = self._path(scope, key)
        if path.exists():
            self._require(path, expected)
            path.unlink()
        self.after("delete")

    async def move(self, scope: Scope, key: Key, to_key: Key, *, expected: str, idempotency_key: str) -> Record:
        self._call("move", [key])
        self._require(self._path(scope, key), expected)
        self._path(scope, key).rename(self._path(scope, to_key))
        self.after("move")
        return self._read(self._path(scope, to_key))

    def made(self) -> Sequence[tuple[str, str]]:
        """The calls that change something."""
        return [call for call in self.calls if call[0] != "get"]

    def _call(self, call: str, keys: Sequence[Key]) -> None:
        self.calls.extend((call, key[0]) for key in keys)
        self.before(call)

    def _require(self, path: Path, expected: str | None) -> None:
        present = self._read(path) if path.exists() else None
        if (present.revision if present else None) != expected:
            raise StoreConflict("changed", present)

    def _read(self, path: Path) -> Record:
        text = path.read_text()
        return Record((path.name,), tuple(json.loads(text)), hashlib.sha256(text.encode()).hexdigest())

    def _path(self, scope: Scope, key: Key) -> Path:
        return self.root / scope["tenant_id"] / key[0]


def down(times: int) -> Callable[[str], None]:
    """A store that is down for so many calls that change something."""
    left = [times]

    def before(call: str) -> None:
        if call != "get" and left[0] > 0:
            left[0] -= 1
            raise StoreDown("connection refused", after_s=0.05)

    return before
