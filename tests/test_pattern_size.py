"""How large a pattern becomes, told without reading it."""

import pytest
import regex

from pattern_size import is_bounded


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{4}-\d{2}-\d{2}$",
        r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$",
        "a{9000}",
        "(?:a{90}){90}",
        "(?:a{90}){9}|(?:b{90}){90}",
        "(?:(?:a{0,1000}){0,1000}){,1000}",
        "(?:" * 40 + "a" + ")*" * 40,
        r"\(?#\{1000000}",
        r"[{1000000}(+]{1000}",
        r"(?:\p{Extended_Pictographic}-){1000}",
        "^[[:space:]]*def +[a-z]+",
        "x{1000",
        "}){0}{}",
        "",
    ],
)
def test_what_is_small_is_bounded(pattern: str) -> None:
    assert is_bounded(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * 10_001,
        "a{10000}",
        "a{00010000}",
        "a{99999999999999999999}",
        "(?:ab){1000000}",
        "(){1000000}",
        "(?:(?:a{1000}){1000}){10}",
        "(?:a{1000}b{1000}){10,}?",
        "(?:a{1000}){9}" * 70,
        "(?:" * 40 + "a" + ")+" * 40,
        "(?:" * 14 + "a" + "){2}" * 14,
        r"(?:a{1000}[)][(]){1000}",
        r"(?:a{1000}\)\(){1000}",
        r"(?:a{1000}[[:alpha:])(]){1000}",
        r"(?:a{1000}[])(]){1000}",
        "(?x)(?:a{1 000}){1 000}",
        "(?i-x:a)",
        "(?:a{1000}(?#)(){1000}",
        "(?iV1)(?:a{1000}[[a])(]){1000}",
        "(?fi)(?:[a-z]{100}){50}",
    ],
)
def test_what_is_large_or_cannot_be_told_is_not(pattern: str) -> None:
    assert not is_bounded(pattern)


@pytest.mark.parametrize("pattern", ["(?:a){e<=1}{3}", "a{2}{3}"])
def test_the_library_takes_no_count_of_a_count(pattern: str) -> None:
    """So the item before a count is never one that ends in a brace of another kind."""
    with pytest.raises(regex.error, match="multiple repeat"):
        regex.compile(pattern)


@pytest.mark.parametrize("piece", ["[", "{", "{0", "[\\[", "(?a", "0", "(?"])
def test_telling_it_goes_through_the_pattern_once(piece: str) -> None:
    assert not is_bounded(piece * 20_000)
