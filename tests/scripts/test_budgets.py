import pytest

from scripts.budgets import breaches, functions, spread, spread_breaches


def test_a_docstring_does_not_count() -> None:
    (function,) = functions('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n')
    assert (function.name, function.lines) == ("f", 2)


def test_a_long_function_and_a_long_file_are_breaches() -> None:
    text = "def f():\n" + "    x = 1\n" * 400
    found = breaches("api/x.py", text)
    assert "api/x.py: 401 lines, at most 400" in found
    assert "api/x.py: f has 401 lines, at most 60" in found


def test_a_broad_except_is_for_edges_only() -> None:
    text = "def {}():\n    try:\n        g()\n    except {}:\n        h()\n"
    for caught in ("Exception", "(OSError, BaseException)"):
        assert breaches("api/x.py", text.format("f", caught))
    assert not breaches("api/x.py", text.format("f", "OSError"))
    assert not breaches("api/app.py", text.format("_report", "Exception"))
    assert breaches("api/x.py", "import contextlib\nwith contextlib.suppress(Exception):\n  f()\n")


def test_what_raises_again_is_not_broad() -> None:
    text = "try:\n    g()\nexcept BaseException:\n    h()\n    raise\n"
    assert not breaches("api/x.py", text)


@pytest.mark.parametrize(
    "call", ["p.read_text()", "p.write_text(text)", 'p.open("a")', 'open(p, "w", errors="replace")']
)
def test_a_text_file_is_opened_in_an_encoding_that_is_named(call: str) -> None:
    named = call.replace(")", ', encoding="utf-8")').replace("(, ", "(")
    assert breaches("api/x.py", f"\n{call}\n")[0].startswith("api/x.py: line 2 names no encoding")
    assert not breaches("api/x.py", f"{named}\n")
    assert not breaches("api/x.py", 'p.read_text("utf-8")\np.open("rb")\nchannel.open(sealed)\n')


@pytest.mark.parametrize(
    "leaf",
    ["ending.py", "guard.py", "mistakes.py", "pattern_size.py", "printable.py", "private_files.py"],
)
def test_a_leaf_stands_on_the_standard_library(leaf: str) -> None:
    assert breaches(leaf, "import json\nfrom api.app import make\n") == [f"{leaf}: imports api.app"]


def test_the_spread_of_lengths_is_bounded() -> None:
    assert spread([1, 2, 3]) == "function median 2, p90 2.8 lines"
    assert spread_breaches([5] * 10) == []
    assert spread_breaches([5] * 4 + [40] * 2)
    assert spread_breaches([11] * 10)
