"""Versions and ranges: what is newer, what may work beside what; the database sorts them as Python does."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure.agents.versions import Range, Version
from dure.errors import Invalid

# In the order of semver.org, with some of our own.
ORDERED = [
    "0.0.1", "0.9.0", "0.10.0", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
    "1.0.0-alpha-x", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0-rc1", "1.0.0", "1.0.1",
    "1.7.1", "1.8.3", "1.10.0", "2.0.0-rc.1", "2.0.0", "10.0.0", "999999999.0.0",
]  # fmt: skip
words = st.from_regex(r"[0-9A-Za-z-]{1,6}", fullmatch=True).filter(lambda word: not (word[0] == "0" and word.isdigit()))
numbers = st.integers(0, 999_999_999)
versions = st.builds(Version, numbers, numbers, numbers, st.lists(words, max_size=3).map(tuple))
small = st.builds(Version, *[st.integers(0, 3)] * 3, st.lists(st.sampled_from(["rc", "1", "2"]), max_size=2).map(tuple))


def precedence(version: Version) -> tuple[object, ...]:
    """The rule as semver.org words it."""
    given = [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in version.before]
    return (version.major, version.minor, version.patch, not version.before, given)


def test_versions_come_in_their_order():
    shuffled = ORDERED[:]
    random.Random(7).shuffle(shuffled)
    assert sorted(shuffled, key=Version.parse) == ORDERED


@given(versions, versions)
def test_keys_sort_as_the_rule_says(one: Version, other: Version):
    assert (one.key < other.key) == (precedence(one) < precedence(other))
    assert Version.parse(str(one)) == one


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1.2.3 ", "1.2.x", "1.2.3-é",
     "1234567890.0.0", "1.0.0-1234567890", "１.0.0", "1.0.0-" + "a" * 100, "latest", "1.2.3\n"],
)  # fmt: skip
def test_what_is_no_version_names_the_field(text):
    with pytest.raises(Invalid) as caught:
        Version.parse(text, "to_version")
    assert caught.value.field == "to_version"


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=1.7,<2", ["1.7.0", "1.7.1", "1.99.0", "1.8.0-rc.1"], ["1.6.9", "1.7.0-rc.1", "2.0.0", "2.0.0-rc.1"]),
        ("^1.8", ["1.8.0", "1.8.3", "1.99.0"], ["1.7.9", "2.0.0", "2.0.0-alpha"]),
        ("^1.8.3", ["1.8.3", "1.9.0"], ["1.8.2", "2.0.0"]),
        ("^0.3.1", ["0.3.1", "0.3.9"], ["0.3.0", "0.4.0", "1.0.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.2", "0.0.4"]),
        ("~1.8.3", ["1.8.3", "1.8.9"], ["1.8.2", "1.9.0"]),
        ("~1", ["1.0.0", "1.9.0"], ["0.9.0", "2.0.0"]),
        ("1.x", ["1.0.0", "1.9.9", "1.0.0-rc.1"], ["0.9.0", "2.0.0", "2.0.0-rc.1"]),
        ("1.8.x", ["1.8.0", "1.8.9"], ["1.7.9", "1.9.0"]),
        ("1", ["1.0.0", "1.2.3"], ["2.0.0"]),
        ("=1.8.3", ["1.8.3", "1.8.3+build.7"], ["1.8.4", "1.8.3-rc.1"]),
        ("2.0.0-rc.1", ["2.0.0-rc.1"], ["2.0.0", "2.0.0-rc.2"]),
        (">1.8", ["1.9.0"], ["1.8.0", "1.8.9"]),
        (">1.8.3", ["1.8.4"], ["1.8.3"]),
        ("<=1.8", ["1.8.9", "0.1.0"], ["1.9.0"]),
        ("<=1.8.3", ["1.8.3"], ["1.8.4"]),
        ("<2.0.0-rc.2", ["2.0.0-rc.1"], ["2.0.0-rc.2", "2.0.0"]),
        (">= 1.0.0 , < 3.x", ["2.5.0"], ["3.0.0", "3.0.0-a"]),
    ],
)
def test_ranges(text, inside, outside):
    asked = Range.parse(text)
    assert [one for one in inside if not asked.holds(Version.parse(one))] == []
    assert [one for one in outside if asked.holds(Version.parse(one))] == []


@given(small, small)
def test_a_caret_is_its_two_bounds(low: Version, other: Version):
    if low.major:
        assert Range.parse(f"^{low}").holds(other) == (low <= other and other.major == low.major)


@pytest.mark.parametrize(
    "text", ["", " ", "one", ">=", "1.x.3", "1.8,", "^1.8 <2", ">=1 2", "!=1", "<2,>=2", "1." * 99]
)
def test_what_is_no_range_names_the_field(text):
    with pytest.raises(Invalid) as caught:
        Range.parse(text)
    assert caught.value.field == "compatible"


def test_a_release_that_says_nothing_goes_with_its_major_version():
    assert Range.beside(Version.parse("2.1.0")).text == "2.x"
    assert Range.beside(Version.parse("0.3.1")).text == "0.3.x"
