"""The patterns of the academy, asked with sentences that were written apart from them."""

import sys
from importlib import resources
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.patterns import NOISE, patterns, score, sentences

from dure.apps.intents.glossary import GLOSSARY
from dure.apps.intents.mentions import Mentions
from dure.db.pool import Database
from dure.intents.patterns.korean import has_hangul
from dure.intents.patterns.matching import Matcher
from queueing import TENANT

SCHEMA = (resources.files("dure.apps.intents") / "schema.sql").read_text(encoding="utf-8")
FIRST_MIN, THIRD_MIN, FALSE_MAX = 0.8, 0.88, 0.2


async def test_names_of_the_academy_are_found_in_a_sentence(database: Database):
    mentions = Mentions(database)
    assert await mentions(TENANT, "student", "김하늘 출결") == ()
    async with database.owner_tx() as tx:
        await tx.execute(SCHEMA.encode())
        for name in ("김하늘", "하늘", "이바다"):
            await tx.execute("insert into academy.student (tenant_id, name, grade) values (%s, %s, 3)", [TENANT, name])
        await tx.execute(
            "insert into academy.class (tenant_id, name, capacity, weekdays, starts_at, ends_at, opened_on)"
            " values (%s, '중2 수학', 9, '{1}', '17:00', '18:00', '2026-01-01')",
            [TENANT],
        )
    assert await mentions(TENANT, "student", "김하늘 학생 중2 수학 출결 보여줘") == ("김하늘",)
    assert await mentions(TENANT, "class", "김하늘 학생 중2 수학 출결 보여줘") == ("중2 수학",)
    assert await mentions("other", "student", "김하늘") == ()
    assert await mentions(TENANT, "teacher", "김하늘") == ()


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(patterns(), GLOSSARY)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_most_sentences_find_their_intent_and_most_noise_none(matcher: Matcher, lang: str):
    found = score(matcher, [one for one in sentences() if one.lang == lang and one.split == "test"])
    assert found.first >= FIRST_MIN * found.asked, found
    assert found.third >= THIRD_MIN * found.asked, found
    assert found.false <= FALSE_MAX * found.noise, found


def test_every_example_finds_its_own_intent(matcher: Matcher):
    missed = [one for one in patterns() if matcher.match(one.pattern)[0].pattern.intent_key != one.intent_key]
    assert [(one.pattern, one.intent_key) for one in missed] == []


def test_the_test_sentences_are_no_examples():
    examples = {"".join(one.pattern.casefold().split()) for one in patterns()}
    asked = sentences()
    shared = [one.sentence for one in asked if "".join(one.sentence.casefold().split()) in examples]
    assert len(shared) <= 0.02 * len(asked), shared
    assert len([one for one in asked if one.key == NOISE]) >= 100


def test_the_glossary_has_both_languages_and_no_word_twice():
    seen: dict[str, str] = {}
    for concept, terms in GLOSSARY.items():
        if concept.startswith("@"):
            continue
        assert any(has_hangul(term) for term in terms), concept
        assert any(not has_hangul(term) for term in terms), concept
        for term in terms:
            assert seen.setdefault(term, concept) == concept, term
