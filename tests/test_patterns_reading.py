"""How a sentence is read: words, meaning, spelling, and what it says for the parameters of an intent."""

import asyncio
from datetime import date

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dure.intents.patterns.extracting import draw
from dure.intents.patterns.matching import Matcher, Pattern
from dure.intents.patterns.moments import clocks, spans
from dure.intents.patterns.normalising import SENTENCE_CHARS_MAX, read
from dure.intents.patterns.vocabulary import Vocabulary

WEDNESDAY = date(2026, 3, 11)
GLOSSARY = {
    "@name": ("student",),
    "student": ("학생", "student", "pupil"),
    "register": ("등록", "register", "sign up"),
    "late": ("지각", "늦~", "late"),
    "absent": ("결석", "안 온", "absent"),
    "guardian": ("보호자", "학부모", "guardian", "parent"),
    "tell": ("알림", "보내~", "알리~", "tell", "notify"),
    "invoice": ("청구서", "invoice"),
}
PATTERNS = (
    Pattern("1", "학생 등록해줘", "student.exec.register", 0.8),
    Pattern("2", "tell the guardians of late students", "attendance.exec.notify_guardians_late", 0.8),
    Pattern("3", "결석한 학생", "attendance.get.absent", 0.8),
    Pattern("4", "청구서 보내줘", "billing.exec.send_invoices", 0.8),
)
WORDS = Vocabulary(GLOSSARY)


def found(sentence: str, patterns: tuple[Pattern, ...] = PATTERNS) -> list[str]:
    return [one.pattern.intent_key for one in Matcher(patterns, GLOSSARY).match(sentence)]


@pytest.mark.parametrize(
    "sentence",
    [
        "학생 등록해줘",
        "학생을 등록해 주세요",
        "학생등록좀해줄래요?",
        "학생 등록 부탁드립니다",
        "학생 등록!",
        "ＲＥＧＩＳＴＥＲ a student",
        "register a student",
        "please sign up new students",
        "Could you register a pupil?",
        "학셍 등록",
        "registr a studnet",
    ],
)
def test_one_intent_by_many_words(sentence: str):
    assert found(sentence)[0] == "student.exec.register"


def test_both_languages_find_what_was_written_in_the_other():
    assert found("지각한 학생 보호자에게 알림 보내줘")[0] == "attendance.exec.notify_guardians_late"
    assert found("absent students")[0] == "attendance.get.absent"


@pytest.mark.parametrize(
    "noise",
    [
        "",
        " ",
        "a",
        "학",
        "?!",
        "12345",
        "😀😀",
        "ㅋ",
        "오늘 날씨 어때",
        "hello there",
        "what time is it",
        "반찬 뭐 먹지",
        "\x00\ud7a3",
    ],
)
def test_noise_finds_nothing(noise: str):
    assert found(noise) == []


def test_patterns_of_one_letter_never_match():
    patterns = (Pattern("1", "학", "student.exec.register", 1.0), Pattern("2", "a", "student.exec.register", 1.0))
    assert (
        found("학", patterns)
        == found("a", patterns)
        == found("학생 등록", patterns)
        == found("a student", patterns)
        == []
    )


def test_korean_is_read_whatever_its_spaces():
    said = read("지각한학생보호자에게알림좀보내주세요", WORDS)
    assert said.concepts == {"late", "student", "guardian", "tell"}
    assert said.unknown == ()


def test_a_word_that_only_begins_like_one_that_is_known_is_another():
    assert read("반찬 보내는 반", Vocabulary({"class": ("반",), "tell": ("보내~",)})).unknown == ("반찬",)


def test_names_are_neither_known_nor_strange():
    for sentence in ("김민수 학생 등록", "민수님 등록", "register Mina Park", "'민수' 학생 등록해줘"):
        said = read(sentence, WORDS)
        assert "register" in said.concepts
        assert said.unknown == ()


def test_a_pattern_s_own_words_need_no_glossary():
    patterns = (*PATTERNS, Pattern("9", "교재 주문해줘", "book.exec.order", 0.8))
    assert found("교재를 주문해 주세요", patterns)[0] == "book.exec.order"
    assert found("교재를 주문해 주세요") == []


def test_confidence_decides_between_equals():
    patterns = (
        Pattern("1", "학생 등록", "student.exec.register", 0.3),
        Pattern("2", "학생 등록", "class.exec.enrol", 0.9),
    )
    assert found("학생 등록", patterns) == ["class.exec.enrol", "student.exec.register"]
    hopeless = (Pattern("1", "학생 등록", "student.exec.register", 0.05),)
    assert found("학생 등록", hopeless) == []


def test_at_most_three_each_once_and_always_the_same():
    patterns = tuple(Pattern(str(n), f"학생 등록 {n % 6}호", f"student.exec.k{n % 6}", 0.8) for n in range(24))
    first = found("학생 등록", patterns)
    assert len(first) == len(set(first)) == 3
    assert all(found("학생 등록", patterns) == first for _ in range(3))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("오늘 출석", "2026-03-11", "2026-03-11"),
        ("어제", "2026-03-10", "2026-03-10"),
        ("yesterday", "2026-03-10", "2026-03-10"),
        ("지난주 결석", "2026-03-02", "2026-03-08"),
        ("last week", "2026-03-02", "2026-03-08"),
        ("이번 달", "2026-03-01", "2026-03-31"),
        ("3월 5일", "2026-03-05", "2026-03-05"),
        ("March 5th", "2026-03-05", "2026-03-05"),
        ("the 5th of March 2025", "2025-03-05", "2025-03-05"),
        ("2026-03-05", "2026-03-05", "2026-03-05"),
        ("12월 28일", "2025-12-28", "2025-12-28"),
        ("지난주 금요일", "2026-03-06", "2026-03-06"),
        ("next Tuesday", "2026-03-17", "2026-03-17"),
        ("3월 5일부터 9일까지", "2026-03-05", "2026-03-09"),
        ("from March 5 to March 9", "2026-03-05", "2026-03-09"),
        ("최근 7일", "2026-03-05", "2026-03-11"),
        ("3일 전", "2026-03-08", "2026-03-08"),
        ("7월분", "2026-07-01", "2026-07-31"),
        ("in May", "2026-05-01", "2026-05-31"),
    ],
)
def test_days_in_both_languages(text: str, first: str, last: str):
    [span] = spans(text, WEDNESDAY)
    assert (span.first.isoformat(), span.last.isoformat()) == (first, last)


@pytest.mark.parametrize("text", ["2월 30일", "13월", "may I see it", "이번 주문", "2026-99-99", "", "9999년 99월"])
def test_what_is_no_day_is_none(text: str):
    assert spans(text, WEDNESDAY) == ()


def test_times_of_day():
    for text in ("오후 3시 반", "15:30", "3:30 pm"):
        assert [one.at.isoformat("minutes") for one in clocks(text)] == ["15:30"]
    assert clocks("2시간") == clocks("25:00") == ()


def text_field(**more: object) -> dict[str, object]:
    return {"anyOf": [{"type": "string", **more}, {"type": "null"}]}


SCHEMA = {
    "properties": {
        "student": {"type": "string"},
        "date": text_field(format="date"),
        "from_on": text_field(format="date"),
        "until_on": text_field(format="date"),
        "month": text_field(format="date"),
        "starts_at": text_field(format="time"),
        "amount_won": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "grade": {"type": "integer"},
        "status": {"enum": ["late", "absent"], "type": "string"},
        "body": {"type": "string"},
    },
    "required": ["student", "body"],
}


async def drawn(sentence: str) -> tuple[dict[str, object], tuple[str, ...]]:
    found = await draw(sentence, read(sentence, WORDS), SCHEMA, WEDNESDAY)
    return dict(found.params), found.missing


async def test_parameters_are_drawn_by_their_types():
    params, missing = await drawn("김민수 학생 어제 지각, 3학년, 오후 3시, 3만 5천원")
    assert params == {
        "student": "김민수",
        "date": "2026-03-10",
        "from_on": "2026-03-10",
        "until_on": "2026-03-10",
        "month": "2026-03-01",
        "starts_at": "15:00",
        "amount_won": 35_000,
        "grade": 3,
        "status": "late",
    }
    assert missing == ("body",)


async def test_a_range_fills_its_ends_and_no_day():
    params, _ = await drawn("absences of Mina Park from 2026-03-02 to 2026-03-06")
    assert params == {"student": "Mina Park", "from_on": "2026-03-02", "until_on": "2026-03-06", "status": "absent"}


async def test_what_leaves_a_choice_is_left_open():
    params, missing = await drawn("김민수 학생과 이서연 학생, 3만원이나 5만원")
    assert "student" not in params
    assert "amount_won" not in params
    assert missing == ("student", "body")


SOME = st.text(st.one_of(st.characters(), st.sampled_from("학생등록해주세요지각3월5일 '\"~ -a1")), max_size=80)


@given(SOME)
@hypothesis_settings(max_examples=150, deadline=None)
def test_whatever_is_typed_gets_an_answer(sentence: str):
    matcher = Matcher(PATTERNS, GLOSSARY)
    assert len(matcher.match(sentence)) <= 3
    assert matcher.match(sentence) == matcher.match(sentence)
    asyncio.run(draw(sentence, matcher.read(sentence), SCHEMA, WEDNESDAY))


@pytest.mark.parametrize("sentence", ["가" * 100_000, "학생" * 50_000, "a" * 100_000, "1 " * 50_000, "반 " * 50_000])
def test_a_very_long_sentence_is_read_by_its_beginning(sentence: str):
    assert len(read(sentence, WORDS).tight) <= SENTENCE_CHARS_MAX


async def test_names_that_the_caller_knows():
    async def lookup(noun: str, sentence: str) -> list[str]:
        known = {"student": ["하늘", "바다"]}
        return [name for name in known.get(noun, []) if name in sentence]

    said = "하늘이 결석"
    found = await draw(said, read(said, WORDS), SCHEMA, WEDNESDAY, lookup)
    assert found.params["student"] == "하늘"
