"""A notice as a person reads it: plain text, in the language of this process."""

import re
from dataclasses import dataclass
from typing import Literal

from dure.lang import knows, say
from dure.notices.model import Notice
from dure.settings import NoticeEvent

Tone = Literal["info", "success", "warning", "failure"]
TONES: dict[NoticeEvent, Tone] = {
    "waiting": "info", "applied": "success", "partial": "warning", "failed": "failure", "refused": "warning",
    "rejected": "warning", "cancelled": "warning", "expired": "warning", "empty": "info",
}  # fmt: skip
RUN_PATH = "/v1/runs/"


@dataclass(frozen=True, slots=True)
class Words:
    """What is said. Example: `render(notice, "en", None).title == "students.archive waits for approval"`."""

    title: str
    body: str
    tone: Tone


def render(notice: Notice, lang: str | None, public_url: str | None) -> Words:
    """Say a notice in `lang`, with a link when it is known where the server is reached."""
    title = say(f"notices.titles.{notice.event}", lang, operation=notice.operation)
    lines = [
        title,
        say("notices.run", lang, id=notice.run_id, tenant_id=notice.tenant_id),
        say("notices.rollback", lang, id=notice.rollback_of) if notice.rollback_of else "",
        say("notices.counts", lang, counts=_counts(notice.counts, lang)) if notice.counts else "",
        say("notices.reason", lang, reason=_harmless(notice.reason)) if notice.reason else "",
        say("notices.approve" if notice.event == "waiting" else "notices.show", lang, id=notice.run_id),
        link(notice, public_url) or "",
    ]
    return Words(title, "\n".join(line for line in lines if line), TONES[notice.event])


def link(notice: Notice, public_url: str | None) -> str | None:
    """Answer where the run is to be seen."""
    return public_url and public_url + RUN_PATH + notice.run_id


def _counts(counts: dict[str, int], lang: str | None) -> str:
    return ", ".join(f"{_noun(name, lang)} {count:,}" for name, count in counts.items())


def _noun(name: str, lang: str | None) -> str:
    key = f"notices.kinds.{name}"
    return say(key, lang) if knows(key) else name


def _harmless(text: str) -> str:
    # A reason may quote a record, and chat services read `@everyone` and `<!channel>` as a call to all.
    return re.sub(r"[@<]", "\\g<0>\u200b", text)
