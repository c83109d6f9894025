"""A skill as a zip: packed the same way each time, unpacked in memory within limits, with nothing believed.

The sizes that an archive states are not trusted: what comes out is counted while it is inflated.
"""

import io
import stat
import zipfile
import zlib
from collections.abc import Mapping

from dure.apps.knowledge.skills.errors import SkillInvalid, SkillTooLarge
from dure.apps.knowledge.skills.folder import (
    DOCUMENT,
    EXECUTABLE,
    FILE_BYTES_MAX,
    FILES_MAX,
    PLAIN,
    SKILL_BYTES_MAX,
    File,
    check_path,
)

ARCHIVE_BYTES_MAX = SKILL_BYTES_MAX + 1024 * 1024
"""What does not compress grows a little, and every file has two headers."""
ENTRIES_MAX = 2 * FILES_MAX
"""Folders are entries too."""
HEADERS_MAX = 20_000
"""How many central headers are looked at before anything is believed; an archive inside an archive has some too."""
CENTRAL_HEADER = b"PK\x01\x02"
UNIX = 3
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
ENCRYPTED = 0x1
OURS_NOT = "__MACOSX/"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def pack(files: Mapping[str, File]) -> bytes:
    """Answer the files as a zip; equal files give equal bytes. Example: `pack(skill.files)`."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, file in sorted(files.items()):
            info = zipfile.ZipInfo(path, _LONG_AGO)
            info.create_system = UNIX
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFREG | int(file.mode, 8)) << 16
            archive.writestr(info, file.content)
    return target.getvalue()


def unpack(data: bytes) -> dict[str, File]:
    """Answer the files of the one skill in a zip, whose SKILL.md is at its top or in its only folder.

    Raises `SkillInvalid`. Example: `unpack(pack(skill.files)) == dict(skill.files)`.
    """
    if len(data) > ARCHIVE_BYTES_MAX:
        raise SkillTooLarge("archive_too_large", size_bytes=len(data), max_bytes=ARCHIVE_BYTES_MAX)
    if data.count(CENTRAL_HEADER) > HEADERS_MAX:
        raise SkillTooLarge("too_many_files", count=HEADERS_MAX, max=FILES_MAX)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _strip(_read(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError, OverflowError) as error:
        raise SkillInvalid("not_zip") from error
    except (ValueError, RuntimeError, OSError) as error:
        raise SkillInvalid("not_zip") from error


def _read(archive: zipfile.ZipFile) -> dict[str, File]:
    entries = archive.infolist()
    if len(entries) > ENTRIES_MAX:
        raise SkillTooLarge("too_many_files", count=len(entries), max=FILES_MAX)
    files: dict[str, File] = {}
    left = SKILL_BYTES_MAX
    for info in entries:
        path = _checked(info)
        if info.is_dir() or path.startswith(OURS_NOT):
            continue
        content = _inflate(archive, info, min(left, FILE_BYTES_MAX))
        left -= len(content)
        if path in files:
            raise SkillInvalid("same_path", path=path, other=path)
        files[path] = File(content, _mode(info))
    return files


def _checked(info: zipfile.ZipInfo) -> str:
    """Check an entry's name and kind. The name as it stands in the archive: the library cuts it at a NUL."""
    name = info.orig_filename
    if name != info.filename:
        raise SkillInvalid("path", path=name)
    check_path(name.removesuffix("/"))
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == UNIX else 0
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or ((kind == stat.S_IFDIR) != info.is_dir() and kind != 0):
        raise SkillInvalid("not_a_file", path=name)
    if info.flag_bits & ENCRYPTED or info.compress_type not in METHODS:
        raise SkillInvalid("not_zip")
    return name


def _inflate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    with archive.open(info) as stream:
        content = stream.read(max_bytes + 1)
        # The checksum is compared at the end of the stream, which a read of exactly its length does not reach.
        if len(content) > max_bytes or stream.read(1):
            raise SkillTooLarge("inflates_too_large", path=info.filename, max_bytes=SKILL_BYTES_MAX)
    return content


def _mode(info: zipfile.ZipInfo) -> str:
    executable = info.create_system == UNIX and (info.external_attr >> 16) & 0o111
    return EXECUTABLE if executable else PLAIN


def _strip(files: dict[str, File]) -> dict[str, File]:
    """Take away the one folder that holds everything, if SKILL.md is not at the top."""
    if DOCUMENT in files:
        return files
    tops = {path.partition("/")[0] for path in files}
    if len(tops) != 1 or f"{next(iter(tops))}/{DOCUMENT}" not in files:
        raise SkillInvalid("no_document")
    prefix = f"{tops.pop()}/"
    return {path.removeprefix(prefix): file for path, file in files.items()}
