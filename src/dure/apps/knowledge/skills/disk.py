"""A skill's files on disk: read without following a link, written so that they are there after a power cut."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from dure.apps.knowledge.skills.errors import SkillInvalid, SkillTooLarge
from dure.apps.knowledge.skills.folder import (
    EXECUTABLE,
    FILE_BYTES_MAX,
    FILES_MAX,
    PATH_DEPTH_MAX,
    PLAIN,
    File,
    check_path,
)


def read_folder(folder: Path) -> dict[str, File]:
    """Read all files of a skill's folder; a link or anything else that is no plain file is refused.

    Example: `Skill.of(read_folder(Path("skills/acme/tidy-up")))`.
    """
    files: dict[str, File] = {}
    for path, entry in _walk(folder, "", 0):
        if len(files) >= FILES_MAX:
            raise SkillTooLarge("too_many_files", count=FILES_MAX + 1, max=FILES_MAX)
        files[path] = read_file(entry, path)
    return files


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, Path]]:
    if depth >= PATH_DEPTH_MAX:
        raise SkillInvalid("path", path=prefix)
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = check_path(f"{prefix}{entry.name}")
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{path}/", depth + 1)
            elif entry.is_file(follow_symlinks=False):
                yield path, Path(entry.path)
            else:
                raise SkillInvalid("not_a_file", path=path)


def read_file(file: Path, path: str) -> File:
    """Read one plain file. Example: `read_file(folder / "SKILL.md", "SKILL.md")`."""
    # Not through a link that took the file's place since it was listed.
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as stream:
        content = stream.read(FILE_BYTES_MAX + 1)
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
    if len(content) > FILE_BYTES_MAX:
        raise SkillTooLarge("file_too_large", path=path, size_bytes=len(content), max_bytes=FILE_BYTES_MAX)
    return File(content, EXECUTABLE if mode & 0o111 else PLAIN)


def write_files(folder: Path, files: Mapping[str, File]) -> None:
    """Write all files into a new folder. Example: `write_files(Path("fresh"), skill.files)`."""
    folder.mkdir(mode=0o700)
    for path, file in files.items():
        target = inside(folder, check_path(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            stream.write(file.content)
            stream.flush()
            os.fchmod(stream.fileno(), int(file.mode, 8))
            os.fsync(stream.fileno())
    sync(folder)


def inside(folder: Path, path: str) -> Path:
    """Answer a path below the folder, and be sure of it: links on the way count as where they lead.

    Example: `inside(Path("skills"), "acme")`.
    """
    target = (folder / path).resolve()
    if not target.is_relative_to(folder.resolve()) or target == folder.resolve():
        raise SkillInvalid("path", path=path)
    return target


def sync(folder: Path) -> None:
    """Make what happened to a folder's entries last. Example: `sync(Path("skills"))`."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
