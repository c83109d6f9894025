"""Where a server keeps skills: `<root>/<tenant>/<skill>`, every change made whole or not at all.

A new version is written beside the old one and takes its place by renaming. A process that dies between the two
renames leaves the old version under a name that says whose it is; the next one that opens the shelf puts it back.
Folders whose name begins with a dot are the shelf's own. One lock per tenant, held by the file system, keeps writers
apart, those of other processes too.
"""

import fcntl
import hashlib
import os
import re
import shutil
import unicodedata
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

from dure.apps.knowledge.skills import front
from dure.apps.knowledge.skills.disk import inside, read_file, read_folder, sync, write_files
from dure.apps.knowledge.skills.errors import (
    SkillConflict,
    SkillInvalid,
    SkillMissing,
    SkillsDown,
    SkillsRefused,
    SkillTooLarge,
)
from dure.apps.knowledge.skills.folder import DOCUMENT, File, Skill, check_name, check_path
from dure.ids import is_tenant_id

SKILLS_MAX = 10_000
"""How many skills one tenant may have."""
NAMES_MAX = 100_000
"""How many names are remembered, of all tenants together."""
LOCK_WAIT_S = 10.0
LOCK_PAUSE_S = 0.01
_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NEW, _OLD, _GONE, _LOCK = ".new-", ".old-", ".gone-", ".lock"


@dataclass(frozen=True, slots=True)
class Shelved:
    """What a list says of a skill. `problem` says why one that cannot be read or told apart is left alone."""

    name: str
    builtin: bool
    description: str = ""
    agent_id: str | None = None
    revision: str = ""
    files: int = 0
    size_bytes: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    path: str
    builtin: bool


class Shelf:
    """The skills of all tenants, and the built-in ones that nobody changes.

    Example: `Shelf(Path("skills")).put("acme", Skill.of(files), expected=None)`.
    """

    def __init__(self, root: Path, *, builtin: Path | None = None) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root.resolve(strict=True)
        self._builtin = builtin.resolve(strict=True) if builtin is not None else None
        self._names: dict[str, tuple[tuple[int, ...], str]] = {}
        for tenant in self._root.iterdir():
            if tenant.is_dir() and not tenant.is_symlink() and not tenant.name.startswith("."):
                with _locked(tenant):
                    _recover(tenant)

    def skills(self, tenant: str) -> list[Shelved]:
        """Answer the tenant's skills and the built-in ones, by name; two of one name have a `problem` both."""
        with self._reading(tenant):
            places = sorted(self._places(tenant), key=lambda place: (place.name, not place.builtin, place.path))
            times = Counter(place.name for place in places)
            return [
                replace(_describe(place), problem="ambiguous") if times[place.name] > 1 else _describe(place)
                for place in places
            ]

    def get(self, tenant: str, name: str) -> Skill:
        """Answer one skill with all its files; raises `SkillMissing`, or says why it cannot be read."""
        with self._reading(tenant):
            place = self._find(tenant, name)
            if place is None:
                raise SkillMissing("no_skill", name=name)
            return _load(place)

    def put(self, tenant: str, skill: Skill, *, expected: str | None, overwrite: bool = False) -> bool:
        """Write a skill; answer whether anything changed.

        With neither `expected` nor `overwrite` it must be new. The very files that are there already are no conflict:
        a call that was repeated because its answer was lost has been done.
        """
        folder = self._folder(tenant)
        folder.mkdir(mode=0o700, exist_ok=True)
        with _locked(folder):
            place = self._writable(tenant, skill.name)
            present = _load(place) if place is not None else None
            if present is not None and dict(present.files) == dict(skill.files):
                return False
            _compare(skill.name, present, expected, overwrite=overwrite)
            self._write(folder, skill, place)
        return True

    def delete(self, tenant: str, name: str, *, expected: str | None = None) -> bool:
        """Remove a skill, if it still is at the expected revision; answer whether it was there."""
        folder = self._folder(tenant)
        if not folder.is_dir():
            self._writable(tenant, name)
            return False
        with _locked(folder):
            place = self._writable(tenant, name)
            if place is None:
                return False
            if expected is not None:
                _compare(name, _load(place), expected)
            gone = folder / f"{_GONE}{uuid.uuid4().hex}"
            os.rename(place.path, gone)
            sync(folder)
            shutil.rmtree(gone, ignore_errors=True)
        return True

    def change(self, tenant: str, name: str, path: str, file: File | None, *, expected: str | None = None) -> Skill:
        """Write or, with None, remove one file of a skill; answer the skill as it is now."""
        check_path(path)
        present = self.get(tenant, name)
        files = dict(present.files)
        if file is None:
            if path == DOCUMENT:
                raise SkillsRefused("document_stays", name=name)
            if files.pop(path, None) is None:
                raise SkillMissing("no_file", name=name, path=path)
        else:
            files[path] = file
        changed = Skill.of(files, fallback_name=name)
        if changed.name != name:
            raise SkillsRefused("name_stays", name=name, other=changed.name)
        if expected is not None and expected != present.revision:
            raise SkillConflict("changed", name=name)
        self.put(tenant, changed, expected=present.revision)
        return changed

    def _folder(self, tenant: str) -> Path:
        if not is_tenant_id(tenant):
            raise SkillInvalid("tenant", tenant=tenant)
        return inside(self._root, folder_name(tenant))

    def _find(self, tenant: str, name: str) -> _Place | None:
        check_name(name)
        found = [place for place in self._places(tenant) if place.name == name]
        if len(found) > 1 and not found[0].builtin:
            raise SkillConflict("ambiguous", name=name)
        return found[0] if found else None

    def _writable(self, tenant: str, name: str) -> _Place | None:
        """Answer what a change would replace; a built-in one is never replaced."""
        place = self._find(tenant, name)
        if place is not None and place.builtin:
            raise SkillsRefused("builtin", name=name)
        return place

    def _places(self, tenant: str) -> Iterator[_Place]:
        """Answer every place of a skill that the tenant sees, the built-in ones first."""
        if self._builtin is not None:
            yield from self._scan(self._builtin, builtin=True)
        yield from self._scan(self._folder(tenant), builtin=False)

    def _scan(self, folder: Path, *, builtin: bool) -> Iterator[_Place]:
        """Yield the folders that have a SKILL.md; no links, nothing of the shelf's own.

        The name is read again only where SKILL.md is another one than last time.
        """
        if not folder.is_dir():
            return
        with os.scandir(folder) as entries:
            candidates = [
                entry.path for entry in entries if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)
            ]
        if len(candidates) > SKILLS_MAX:
            raise SkillTooLarge("too_many_skills", max=SKILLS_MAX)
        for path in candidates:
            try:
                found = os.lstat(f"{path}/{DOCUMENT}")
            except FileNotFoundError:
                continue
            version = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            known = self._names.get(path)
            if known is None or known[0] != version:
                if len(self._names) >= NAMES_MAX:
                    self._names.clear()
                known = self._names[path] = (version, _name_of(Path(path)))
            yield _Place(known[1], path, builtin)

    @contextmanager
    def _reading(self, tenant: str) -> Iterator[None]:
        """Keep writers away meanwhile; a tenant who has no folder yet has none to keep away."""
        folder = self._folder(tenant)
        with _locked(folder, fcntl.LOCK_SH) if folder.is_dir() else nullcontext():
            yield

    def _write(self, folder: Path, skill: Skill, place: _Place | None) -> None:
        target = Path(place.path) if place is not None else inside(folder, folder_name(skill.name))
        if place is None and skill.is_nameless and (target.name != skill.name or target.exists()):
            raise SkillInvalid("nameless", name=skill.name)
        if place is None and target.exists():
            # A folder of this name that holds a skill of another name, or none.
            target = inside(folder, f"{folder_name(skill.name)[:64]}~{uuid.uuid4().hex[:12]}")
        fresh = folder / f"{_NEW}{uuid.uuid4().hex}"
        try:
            write_files(fresh, skill.files)
            if place is None:
                fresh.rename(target)
            else:
                old = folder / f"{_OLD}{target.name}"
                target.rename(old)
                try:
                    fresh.rename(target)
                except OSError:
                    old.rename(target)
                    raise
                sync(folder)
                shutil.rmtree(old, ignore_errors=True)
            sync(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def folder_name(name: str) -> str:
    """Answer the folder for a name: itself if that is plain, otherwise one that no other name has.

    Example: `folder_name("tidy-up")`.
    """
    if _PLAIN_NAME.fullmatch(name):
        return name
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{readable or 'name'}~{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def _compare(name: str, present: Skill | None, expected: str | None, *, overwrite: bool = False) -> None:
    if present is None:
        if expected is not None:
            raise SkillConflict("gone", name=name)
    elif expected is None and not overwrite:
        raise SkillConflict("exists", name=name)
    elif expected is not None and present.revision != expected:
        raise SkillConflict("changed", name=name)


def _name_of(folder: Path) -> str:
    """Answer what SKILL.md calls the skill, or the folder's name where it says nothing that can be read."""
    try:
        text = read_file(folder / DOCUMENT, DOCUMENT).content.decode("utf-8", "replace")
        return check_name(unicodedata.normalize("NFC", front.split(text)[0].get("name", "").strip()))
    except (OSError, SkillInvalid):
        return folder.name


def _load(place: _Place) -> Skill:
    """Read a skill whole. One that only its folder names must be in a folder that it would be put back into."""
    folder = Path(place.path)
    try:
        skill = Skill.of(read_folder(folder), fallback_name=folder.name)
        if skill.is_nameless and folder_name(folder.name) != folder.name:
            raise SkillInvalid("nameless", name=folder.name)
        return skill
    except SkillInvalid as error:
        raise SkillInvalid("unreadable", name=place.name, problem=error.text("en")) from error
    except OSError as error:
        raise SkillInvalid("unreadable", name=place.name, problem=error.strerror or type(error).__name__) from error


def _describe(place: _Place) -> Shelved:
    try:
        skill = _load(place)
    except SkillInvalid as error:
        return Shelved(place.name, place.builtin, problem=str(error.params["problem"]))
    return Shelved(
        name=skill.name,
        builtin=place.builtin,
        description=skill.description,
        agent_id=skill.agent_id,
        revision=skill.revision,
        files=len(skill.files),
        size_bytes=sum(len(file.content) for file in skill.files.values()),
    )


def _recover(folder: Path) -> None:
    """Finish what a process left undone: the old version goes back where no new one took its place."""
    for leftover in folder.glob(".*"):
        if leftover.name.startswith(_OLD):
            target = folder / leftover.name.removeprefix(_OLD)
            if not target.exists():
                leftover.rename(target)
                continue
        if leftover.name.startswith((_OLD, _NEW, _GONE)):
            shutil.rmtree(leftover, ignore_errors=True)
    sync(folder)


@contextmanager
def _locked(folder: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _lock(handle, kind)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, kind: int) -> None:
    """Wait for the lock, but not for ever: another process may hold it that hangs."""
    give_up_at = monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if monotonic() >= give_up_at:
                raise SkillsDown("locked", after_s=LOCK_WAIT_S) from error
            sleep(LOCK_PAUSE_S)
        else:
            return
