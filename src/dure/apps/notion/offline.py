"""The handler that works to-dos until another is named: it needs no network, and says the same of the same text."""

from pydantic import BaseModel, ConfigDict

from dure.lang import say
from dure.queue.registry import handler
from dure.queue.results import Done

OFFLINE = "notion.work.offline"


class WorkParams(BaseModel):
    """What a handler of to-dos is given."""

    model_config = ConfigDict(extra="ignore")

    page_id: str = ""
    block_id: str = ""
    text: str
    text_hash: str = ""
    attempt: int = 1
    """How often this text was tried, this time included."""


@handler(OFFLINE)
async def work(params: WorkParams) -> Done:
    """Answer a to-do without asking anybody: how many words and letters it has."""
    words = params.text.split()
    lang = "ko" if any("가" <= letter <= "힣" for letter in params.text) else "en"
    return Done(say("notion.offline", lang, words=len(words), letters=sum(map(len, words))))
