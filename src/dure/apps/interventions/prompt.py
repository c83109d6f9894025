"""What a model is asked for one user's advice, and the strict reading of what it answers.

It is told sums and averages, never a name, an id or a text that a user wrote; so there is nothing in it that could give
orders. What it answers is checked before anything is stored.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dure.apps.interventions.generator import Ask, Unwritten, Written

VERSION = "1"
PIECES_MIN, PIECES_MAX = 2, 3
TEXT_CHARS_MAX = 400
ANSWER_TOKENS_MAX = 700
CHARS_PER_TOKEN = 2
"""Fewer than any model is known to put into a token of JSON or English, so the estimate is high."""
LANGUAGES: Mapping[str, str] = {"ko": "Korean, in polite style", "en": "English"}
MEDICAL = re.compile(
    r"진단|처방|복용|투약|약물|알약|인슐린|당뇨병|고혈압|우울증|암\s*(?:입니다|일 수|의심)|질환이 (?:있|의심)"
    r"|diagnos|prescri|medicat|medicine|dosage|\bdrug|\bpills?\b|insulin|diabet|hypertension|depressi|\bcancer|disease"
    r"|\d+\s*mg\s*(?:씩|of (?:aspirin|ibuprofen|melatonin))",
    re.IGNORECASE,
)
"""Words of a doctor's business: an answer that has one is not stored."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_INSTRUCTIONS = """\
You write short everyday advice on diet, exercise and sleep for a healthy adult.
You are given sums and averages of what was recorded in a span of days. Figures that are missing are not known.
Write {least} to {most} pieces of advice, the most useful first, each about one of these topics: {topics}.
Write in {language}. Each piece is one or two plain sentences, at most {chars} characters, names a figure that was \
given, and says one thing to do today.
Never name or suggest a diagnosis, a disease, a medicine, a supplement or a dose. Never promise an effect on health.
Answer with JSON alone, in this form:
{{"advice": [{{"topic": "diet", "text": "…"}}]}}"""


class _Piece(BaseModel):
    model_config = ConfigDict(extra="ignore")

    topic: str
    text: Annotated[str, StringConstraints(strip_whitespace=True)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    advice: list[_Piece] = Field(max_length=100)


def request(model: str, ask: Ask) -> dict[str, Any]:
    """Build the request for one user. Example: `request("qwen3:8b", ask)["temperature"] == 0`."""
    topics = list(ask.topics)
    instructions = _INSTRUCTIONS.format(
        least=PIECES_MIN, most=PIECES_MAX, topics=", ".join(topics), language=LANGUAGES[ask.lang], chars=TEXT_CHARS_MAX
    )
    given = {"first_day": str(ask.span.first), "last_day": str(ask.span.last), **ask.facts.to_json()}
    return {
        "model": model,
        "temperature": 0,
        "max_tokens": ANSWER_TOKENS_MAX,
        "messages": [
            {"role": "system", "content": instructions},
            {"role": "user", "content": json.dumps(given, ensure_ascii=False)},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "advice", "strict": True, "schema": _schema(topics)},
        },
    }


def tokens(body: Mapping[str, Any]) -> int:
    """Answer how many tokens a request may cost at most, its answer included. Example: `tokens(request("m", ask))`."""
    chars = sum(len(message["content"]) for message in body["messages"])
    return chars // CHARS_PER_TOKEN + int(body["max_tokens"])


def read(content: bytes, ask: Ask, model: str) -> tuple[Written | Unwritten, int | None]:
    """Read a whole reply: advice, or why it cannot be used; and the tokens that it cost, if that was said."""
    try:
        reply = json.loads(content)
        answer = _Answer.model_validate_json(_bare(reply["choices"][0]["message"]["content"]))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return Unwritten("answer_unreadable"), _cost(content)
    if (wrong := _wrong(answer.advice, ask)) is not None:
        return Unwritten(wrong), _cost(content)
    pieces = [{"topic": piece.topic, "text": piece.text} for piece in answer.advice]
    text = "\n".join(piece.text for piece in answer.advice)
    output = {"generator": f"model-{VERSION}", "model": model, "lang": ask.lang, "advice": pieces}
    return Written(text, output), _cost(content)


def _wrong(pieces: Sequence[_Piece], ask: Ask) -> str | None:
    """Answer what is wrong with an answer of the right form."""
    if not PIECES_MIN <= len(pieces) <= PIECES_MAX:
        return "answer_too_many"
    for piece in pieces:
        if not piece.text:
            return "answer_empty"
        if len(piece.text) > TEXT_CHARS_MAX:
            return "answer_too_long"
        if CONTROL.search(piece.text) or any("\ud800" <= letter <= "\udfff" for letter in piece.text):
            return "answer_unreadable"
        if piece.topic not in ask.topics:
            return "answer_topic"
        if MEDICAL.search(piece.text):
            return "answer_medical"
    return None


def _schema(topics: Sequence[str]) -> dict[str, Any]:
    piece = {
        "type": "object",
        "additionalProperties": False,
        "required": ["topic", "text"],
        "properties": {"topic": {"type": "string", "enum": list(topics)}, "text": {"type": "string"}},
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["advice"],
        "properties": {"advice": {"type": "array", "items": piece}},
    }


def _cost(content: bytes) -> int | None:
    try:
        total = json.loads(content)["usage"]["total_tokens"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None


def _bare(message: str) -> str:
    """Take a code fence off, which many models put around JSON."""
    text = message.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.strip("`").removeprefix("json")
    return text
