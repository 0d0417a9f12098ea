"""Patterns as JSON Schema means them, and how long they may take."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.chat.patterns import Search, readable
from swarm.errors import InvalidRequest
from tests.schemas import PATTERNS


@pytest.mark.parametrize(
    ("pattern", "has", "lacks"),
    [
        (r"^\p{L}+$", "äb", "a1"),
        (r"(?<y>\d{4})", "in 2020.", "in 202."),
        (r"^[\w-\.]+$", "a-b.c", "a b"),
        (r"\u{1F600}", "oh 😀", "u"),
        (r"\cA", "\x01", "cA"),
        (r"^[^]+$", "a\n", ""),
        (r"^(\p{Extended_Pictographic}|\p{Emoji_Component})+$", "😀", "a"),
        (r"^\d+$", "12", "12\n"),
        (r"^\w$", "a", "ä"),
        (r"^(?!b)\d+$", "12", "12\n"),
        ('^[^"]$', "a", '"'),
        ('^[^"]$', "\0", '"'),
        (r"^[^\\]+$", "a\n", "\\"),
        (r"^[^\"\\]*\n?$", "a\n", 'a"'),
        ("^[^!-#]$", "a", '"'),
        ("^[[^]$", "^", "a"),
        (r"^[^-\]z]$", "a", "-"),
        (r"^[^-\]z]$", '"', "]"),
        (r"^[\x00-\x21\x23-\x7f]$", "a", '"'),
        (r"^[\u0000-!#-\u{10ffff}]$", "\0", '"'),
        (r"^(?!b)[\d\w]+$", "a1", "ä1"),
        (r"^(?!b)\d\D\w\W$", "1xa!", "1xaa"),
        (r"^(?!\x01)[\cA-\cC\u{1F600}]$", "\x02", "\x01"),
        (r"^(?!a)\[\]$", "[]", "[a]"),
        (r"^(?!\.)(?!.*\.\.)([a-z.]*)[a-z]@[a-z]+$", "a.b@c", "a..b@c"),
        (r"^(.)\1$", "aa", "ab"),
        (r"\bfoo\b", "a foo", "a food"),
        (r"(?!x)[]", "", ""),
        (r"^a|b$", "cb", "bc"),
        (r"a^b", "", "ab"),
        (r"^\x7f\x01\"\\/$", '\x7f\x01"\\/', '"\\/'),
    ],
)
def test_a_pattern_is_one_of_javascript(pattern: str, has: str, lacks: str) -> None:
    assert readable(pattern)
    assert Search()(pattern, has) is (pattern not in {r"(?!x)[]", "a^b"})
    assert not Search()(pattern, lacks)


def test_what_nobody_can_read_is_no_pattern() -> None:
    assert not readable("(")
    assert not readable(r"(?!a)\p{Nonsense}")
    with pytest.raises(InvalidRequest, match=r"'\('"):
        Search()("(", "a")


@settings(deadline=None)
@given(
    st.sampled_from(PATTERNS), st.text(max_size=12) | st.from_regex(r"[a-dx1\n]*", fullmatch=True)
)
def test_what_python_reads_alike_is_found_alike(pattern: str, text: str) -> None:
    said = pattern.replace("$", r"\Z")
    assert Search()(pattern, text) == bool(re.search(said, text, re.ASCII))


@settings(deadline=None)
@given(st.text(st.characters(), min_size=1, max_size=1))
def test_every_character_is_one(character: str) -> None:
    assert Search()(r"^[\s\S]$", character)


def test_half_of_a_pair_is_a_character() -> None:
    assert Search()("^a.$", "a\ud83d")
    assert Search()("^.$", "\ud83d\ude00")


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(a*)*!?b", "^([a-z]+)*$", "(.*a){20}b"]
)
def test_the_time_grows_with_the_text_alone(pattern: str) -> None:
    search = Search()
    assert not search(pattern, "a" * 20_000 + "!")
    assert not search(pattern, "a" * 25 + "!")


def test_a_grammar_that_grows_too_large_is_tried_otherwise() -> None:
    pattern = "^(x{1,1000}){1,1000}$"
    assert Search()(pattern, "x" * 3000)
    assert Search()(pattern, "x")
    assert not Search()(pattern, "y")


def test_all_patterns_of_a_check_share_its_time() -> None:
    begun = time.thread_time()
    search = Search(0.05)
    with pytest.raises(TimeoutError):
        search(r"(?=x)|(.*)(.*)(.*)(.*)[^a]\1\2\3", "a" * 2000)
    with pytest.raises(TimeoutError):
        search("a", "a")
    assert time.thread_time() - begun < 1


@pytest.mark.parametrize("pattern", ["[" * 9_000, "[" * 9_000 + "\\", "(" * 9_000, "(?!" * 3_000])
def test_to_read_a_pattern_takes_no_longer_for_its_brackets(pattern: str) -> None:
    begun = time.thread_time()
    assert not readable(pattern)
    assert time.thread_time() - begun < 2


@pytest.mark.parametrize(
    "pattern",
    ["(?=a)(?:(?:a{1000}){1000}){10}", "(?=a)" + "(?:" * 40 + "a" + ")+" * 40, "(" * 99_999],
)
def test_a_pattern_that_would_become_too_large_is_not_read(pattern: str) -> None:
    with pytest.raises(InvalidRequest, match="more than 10000 parts"):
        readable(pattern)
