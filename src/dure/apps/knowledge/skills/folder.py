"""A skill: a folder with a SKILL.md, scripts and references, any bytes.

Read liberally, because real skills break the rules for names; written strictly. Every file is kept exactly: its
bytes, its path as it was spelled, and whether it may be executed. Folders without files are not part of a skill.
"""

import base64
import binascii
import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType

from dure.apps.knowledge.skills import front
from dure.apps.knowledge.skills.errors import SkillInvalid, SkillTooLarge

DOCUMENT = "SKILL.md"
NAME_CHARS_MAX = 64
DESCRIPTION_CHARS_MAX = 1024
READ_NAME_CHARS_MAX = 200
"""Real names are longer than the rule allows; this long they are still read."""
FILES_MAX = 500
FILE_BYTES_MAX = 8 * 1024 * 1024
SKILL_BYTES_MAX = 16 * 1024 * 1024
PATH_CHARS_MAX = 240
PATH_DEPTH_MAX = 8
PLAIN, EXECUTABLE = "644", "755"


@dataclass(frozen=True, slots=True)
class File:
    """One file. Example: `File(b"#!/bin/sh\\n", "755")`."""

    content: bytes
    mode: str = PLAIN
    """`644`, or `755` if it may be executed; nothing else of a file's mode is kept."""


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill with all its files; made by `Skill.of`, which checks them.

    Example: `Skill.of({"SKILL.md": File(document("tidy-up", "Tidies up.", "1. Look."))}).name`.
    """

    name: str
    description: str
    body: str
    """What comes after the front matter: the steps."""
    files: Mapping[str, File]
    agent_id: str | None = None
    """Whose it is, as `metadata.agent_id` of its front matter says; None for the whole tenant's."""
    metadata: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, files: Mapping[str, File], *, fallback_name: str = "") -> "Skill":
        """Check the files and read what SKILL.md says of them; `fallback_name` serves one that has no name."""
        check_files(files)
        # No database takes a NUL; the file keeps it.
        said, body = front.split(files[DOCUMENT].content.decode("utf-8", "replace").replace("\0", "\ufffd"))
        name = unicodedata.normalize("NFC", said.get("name", "").strip() or fallback_name)
        return cls(
            name=check_name(name),
            description=said.get("description", "").strip(),
            body=body,
            files=MappingProxyType(dict(sorted(files.items()))),
            agent_id=said.get("metadata.agent_id") or said.get("agent_id") or None,
            metadata=MappingProxyType(said),
        )

    @property
    def is_nameless(self) -> bool:
        """Its SKILL.md has no name, so that its folder is what it is called."""
        return not self.metadata.get("name", "").strip()

    @property
    def revision(self) -> str:
        """One hash over every path, mode and byte; it changes whenever the skill does."""
        digest = hashlib.sha256()
        for path, file in sorted(self.files.items()):
            for part in (path.encode(), file.mode.encode(), file.content):
                digest.update(len(part).to_bytes(8) + part)
        return f"sha256:{digest.hexdigest()}"


def document(name: str, description: str, body: str, *, agent_id: str | None = None) -> bytes:
    """Write a SKILL.md, strictly by the rules: they are checked here and nowhere else.

    Example: `document("tidy-up", "Tidies a desk up.", "1. Look.\\n2. Sort.", agent_id="agent-1")`.
    """
    if not _is_strict_name(name):
        raise SkillInvalid("strict_name", name=name, max=NAME_CHARS_MAX)
    if not description.strip() or len(description) > DESCRIPTION_CHARS_MAX:
        raise SkillInvalid("strict_description", max=DESCRIPTION_CHARS_MAX)
    head = [f"name: {front.quote(name)}", f"description: {front.quote(' '.join(description.split()))}"]
    if agent_id is not None:
        head += ["metadata:", f"  agent_id: {front.quote(agent_id)}"]
    return "\n".join(["---", *head, "---", "", body.strip("\n"), ""]).encode()


def check_name(name: str) -> str:
    """Answer the name if it can be read as one: liberal, but no path, no control characters, no tricks.

    Example: `check_name("배송 안내")`.
    """
    if not name or len(name) > READ_NAME_CHARS_MAX or name != name.strip() or name in (".", ".."):
        raise SkillInvalid("name", name=name, max=READ_NAME_CHARS_MAX)
    if any(_is_bad(letter) or letter in "/\\" for letter in name):
        raise SkillInvalid("name", name=name, max=READ_NAME_CHARS_MAX)
    return name


def check_path(path: str) -> str:
    """Answer the path if it stays inside a skill's folder on every system, however it is spelled.

    Example: `check_path("scripts/run.sh")`; `check_path("../x")` raises `SkillInvalid`.
    """
    # The look-alikes of dots and slashes too: what one reader takes for a letter another folds into a separator.
    folded = unicodedata.normalize("NFKC", path)
    parts = folded.split("/")
    if (
        not path
        or len(path) > PATH_CHARS_MAX
        or len(parts) > PATH_DEPTH_MAX
        or len(parts) != path.count("/") + 1
        or any(_is_bad(letter) or letter in "\\:" for letter in folded)
        or any(part.strip(" ") in ("", ".", "..") or part != part.rstrip(" .") for part in parts)
    ):
        raise SkillInvalid("path", path=path)
    base = PurePosixPath("/skill")
    if not (base / path).is_relative_to(base):
        raise SkillInvalid("path", path=path)
    return path


def check_files(files: Mapping[str, File]) -> None:
    """Raise unless these files make a skill: a SKILL.md, safe paths that no system confuses, within the limits."""
    if len(files) > FILES_MAX:
        raise SkillTooLarge("too_many_files", count=len(files), max=FILES_MAX)
    if DOCUMENT not in files:
        raise SkillInvalid("no_document")
    seen: dict[str, str] = {}
    for path, file in files.items():
        check_path(path)
        if file.mode not in (PLAIN, EXECUTABLE):
            raise SkillInvalid("mode", path=path)
        if len(file.content) > FILE_BYTES_MAX:
            raise SkillTooLarge("file_too_large", path=path, size_bytes=len(file.content), max_bytes=FILE_BYTES_MAX)
        if (other := seen.setdefault(_same(path), path)) != path:
            raise SkillInvalid("same_path", path=path, other=other)
    for path in files:
        if any(_same(str(parent)) in seen for parent in PurePosixPath(path).parents):
            raise SkillInvalid("path", path=path)
    size = sum(len(file.content) for file in files.values())
    if size > SKILL_BYTES_MAX:
        raise SkillTooLarge("skill_too_large", size_bytes=size, max_bytes=SKILL_BYTES_MAX)


def files_text(files: Mapping[str, File]) -> str:
    """Write all files as one canonical JSON text, exact to the byte. Example: `files_text(skill.files)`."""
    content = {
        path: {"base64": base64.b64encode(file.content).decode("ascii"), "mode": file.mode}
        for path, file in files.items()
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def read_files(text: str) -> dict[str, File]:
    """Read what `files_text` wrote; raises `SkillInvalid` for anything else.

    Example: `read_files(files_text(skill.files)) == dict(skill.files)`.
    """
    try:
        return {
            str(path): File(base64.b64decode(entry["base64"], validate=True), str(entry["mode"]))
            for path, entry in json.loads(text).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise SkillInvalid("files_text") from error


def _is_strict_name(name: str) -> bool:
    return (
        0 < len(name) <= NAME_CHARS_MAX
        and name == unicodedata.normalize("NFKC", name).lower()
        and all(part and part.isalnum() for part in name.split("-"))
    )


def _is_bad(letter: str) -> bool:
    """Tell control characters, lone surrogates, and marks that turn or hide what a person reads."""
    return unicodedata.category(letter) in ("Cc", "Cs", "Cf", "Zl", "Zp")


def _same(path: str) -> str:
    """Spell a path as a system would that knows neither case nor two spellings of one letter."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
