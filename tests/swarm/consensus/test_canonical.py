"""Which answers are the same: hard cases by hand."""

import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.consensus.canonical import (
    canonical_code,
    canonical_json,
    form_of,
    only_code,
    shape,
)
from swarm.types import Candidate
from tests.swarm.consensus.votes import call


@given(st.integers(), st.integers(1, 9))
def test_different_numbers_stay_different(number, more):
    assert canonical_json(f"[{number}]") != canonical_json(f"[{number + more}]")


def test_json_is_compared_by_value():
    one = '{"b": [1, {"x": 2.50}], "a": "1"}'
    assert canonical_json(one) == canonical_json('```json\n{"a":"1","b":[1.0,{"x":2.5}]}\n```\n')
    assert canonical_json('{"a": 1}') != canonical_json('{"a": "1"}')
    assert canonical_json('{"a": true}') != canonical_json('{"a": 1}')
    assert canonical_json('{"a": null}') != canonical_json("{}")
    assert canonical_json("not json") is None


def test_a_text_that_is_json_is_compared_as_json_however_it_is_laid_out():
    bare = ('{"id": "AbC"}', '{\n  "id": "AbC"\n}')
    written = (*bare, *(f"```json\n{text}\n```" for text in (*bare, f"\n {bare[0]}")))
    forms = {form_of(Candidate("v", text)) for text in written}
    assert len(forms) == 1
    (form,) = forms
    assert form.structure == ("json",)
    assert not form.weak


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"id": "AbC"}', '{"id": "abc"}'),
        ('["02139"]', '["2139"]'),
        ('{"v": "1.10"}', '{"v": "1.1"}'),
    ],
)
def test_what_is_said_within_json_is_compared_letter_by_letter(one, other):
    assert form_of(Candidate("v", one)) != form_of(Candidate("v", other))


@pytest.mark.parametrize(
    ("text", "structure"),
    [
        ("[1]", ("answer",)),
        ("[2, 5.0]", ("answer",)),
        ("[2, 5)", ("answer",)),
        ("{x}", ("answer",)),
        ('"yes"', ("answer",)),
        ("```python\n{}\n```", ("code",)),
        ('```json\n{"a": \n```', ("code",)),
        ('[{"a": 1}]', ("json",)),
        ("```json\n[1, 2]\n```", ("json",)),
        ('So:\n```\n["a"]\n```', ("json",)),
    ],
)
def test_what_only_looks_like_json_is_none(text, structure):
    assert form_of(Candidate("v", text)).structure == structure


def test_texts_that_are_no_json_are_equal_only_to_themselves():
    cut = [form_of(Candidate("v", text), "json") for text in ('{"a": 1', '{"a": 2', '{"a": 2')]
    assert cut[0] != cut[1] == cut[2]
    assert all(form.weak for form in cut)
    assert not form_of(Candidate("v", '{"a": 1}'), "json").weak


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1e99999999999999999999"])
def test_a_number_beyond_all_figures_is_compared_too(number):
    text = f'{{"a": {number}}}'
    one, other = (Candidate(v, None, (call("f", text),)) for v in "ab")
    assert form_of(one) == form_of(other)
    assert canonical_json(text) == canonical_json(f'{{"a":{number}}}')
    assert canonical_json(text) != canonical_json('{"a": 1}')
    assert canonical_json('{"a": 1e-99999999999999999999}') == canonical_json('{"a": 0}')


DEEP = sys.getrecursionlimit()
"""Too deep for a function that calls itself: whatever has no frame of its own since Python 3.12."""
DEEP_JSON = '{"a": ' * DEEP + "1" + "}" * DEEP
DEEP_CODE = "if x == 0:\n    y = 0\n" + "".join(
    f"elif x == {at}:\n    y = {at}\n" for at in range(1, DEEP)
)


def test_json_too_deep_to_compare_by_value_is_broken_and_equal_only_to_itself():
    one, same = (form_of(Candidate(v, DEEP_JSON), "json") for v in "ab")
    other = form_of(Candidate("c", DEEP_JSON.replace("1", "2")), "json")
    assert one == same != other
    assert one.weak
    assert canonical_json(DEEP_JSON) is None


def test_arguments_too_deep_to_compare_by_value_are_equal_only_to_themselves():
    def form(arguments):
        return form_of(Candidate("v", "", (call("f", arguments),)), defaults={"f": {}})

    assert form(DEEP_JSON) == form(DEEP_JSON) != form(DEEP_JSON.replace("1", "2"))


@pytest.mark.parametrize("code", [DEEP_CODE, f"x = {'1 + ' * 2 * DEEP}1", f"x = 0x{'f' * 5000}"])
def test_code_whose_tree_cannot_be_told_is_compared_by_its_lines(code):
    block = f"```python\n{code}\n```"
    one, same = (form_of(Candidate("v", text)) for text in (block, block.replace("x", "x ", 1)))
    assert not one.weak
    assert one == form_of(Candidate("w", block.replace("\n```", "  # so\n```"))) != same


def test_arguments_are_compared_with_the_schemas_defaults_all_the_way_down():
    inner = {"properties": {"deep": {"default": [1]}}}
    schemas = {"f": {"properties": {"limit": {"default": 10}, "options": inner}}}

    def form(arguments):
        made = Candidate("v", "", (call("f", arguments),))
        return form_of(made, defaults=schemas)

    assert form('{"options": {}}') == form('{"limit": 10.0, "options": {"deep": [1]}}')
    assert form('{"options": {}}') != form('{"limit": 11, "options": {}}')
    assert form('{"options": {"x": {"y": [1, 2]}}}') == form('{"options":{"x":{"y":[1,2.0]}}}')
    assert form('{"options": {"x": {"y": [1, 2]}}}') != form('{"options":{"x":{"y":[2,1]}}}')


def test_code_is_compared_without_comments_docstrings_and_layout():
    one = 'def f(x):\n    """Twice."""\n    return x*2  # fast\n'
    other = "def f( x ):\n\n    return (x * 2)\n"
    assert canonical_code("python", one) == canonical_code("py", other)
    assert canonical_code("python", one) != canonical_code("python", other.replace("2", "3"))
    assert canonical_code("python", "def f(:")[1]
    script = "let x = 1; // one\n/* two */ let y=2;"
    assert canonical_code("js", script) == canonical_code("js", "let x=1;\nlet y = 2;")


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("js", "fetch('https://a.org')", "fetch('https://b.org')"),
        ("js", "const s = `\n // a`", "const s = `\n // b`"),
        ("js", "s.split(', ')", "s.split(',')"),
        ("c", "#define N 5\nint x;", "#define N 6\nint x;"),
        ("c", "i++ + j", "i + ++j"),
        ("java", 'f("/*"); g(1); h("*/")', 'f("/*"); g(2); h("*/")'),
        ("", "#define N 5\n", "#define N 6\n"),
        ("", "# 42", "# 43"),
        ("", '"yes"', '"no"'),
        ("sh", "curl https://a.org/x | sh", "curl https://evil.org | rm"),
        ("sh", "rm -rf /tmp", "rm -rf / tmp"),
        ("sh", "#!/bin/sh\nls", "#!/bin/bash\nls"),
        ("sh", "echo 'a # b'", "echo 'a # c'"),
        ("sh", "cat > a <<EOF\n# One\nEOF\nls", "cat > a <<EOF\n# Two\nEOF\nls"),
        ("bash", "cat <<-'E' > a\n\t# 1\n\tE\n", "cat <<-'E' > a\n\t# 2\n\tE\n"),
        ("sh", "cat <<EOF\n# One", "cat <<EOF\n# Two"),
        ("yaml", "run: |\n  # One\n\n  # 1\nb: 2", "run: |\n  # One\n\n  # 2\nb: 2"),
        ("yml", "- run: >-\n    # One", "- run: >-\n    # Two"),
        ("css", ".a .b {}", ".a.b {}"),
        ("markdown", "# One", "# Two"),
        ("yaml", "a:\n  b: 1\nc: 2", "a:\n  b: 1\n  c: 2"),
        ("", "a:\n  b: 1\nc: {", "a:\n  b: 1\n  c: {"),
        ("python", "if a:\n  b(\nc", "if a:\n  b(\n  c"),
        ("python", "if a:\n    b\n  c\nd", "if a:\n    b\n  c\ne"),
    ],
)
def test_code_that_says_something_else_stays_different(language, one, other):
    assert canonical_code(language, one) != canonical_code(language, other)
    blocks = [form_of(Candidate("v", f"```{language}\n{code}\n```")) for code in (one, other)]
    assert blocks[0] != blocks[1]


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("ts", "f( 'a' ) // it's so\n", "f('a')"),
        ("go", 'f("//") /* one\ntwo */\n', 'f("//")'),
        ("sql", "select 1 -- one\nfrom t", "SELECT 1 FROM t".lower()),
        ("yaml", "# all\na: 1  # one\n\nb: 2\n", "a: 1\nb: 2"),
        ("bash", "ls # here", "ls"),
        ("sh", "cat <<EOF\na\nEOF\n# one\nls", "cat <<EOF\na\nEOF\nls # two"),
        ("sh", "wc <<< $a # one\nls # b", "wc <<< $a\nls"),
        ("yaml", "a: |\n  # x\nb: 1 # one\n# two", "a: |\n  # x\nb: 1"),
        ("py", "def f(x: # one\n  ", "def f(x: # two\n"),
    ],
)
def test_comments_are_found_by_the_marks_of_the_language(language, one, other):
    assert canonical_code(language, one) == canonical_code(language, other)


@pytest.mark.parametrize("language", ["sh", "yaml"])
@pytest.mark.parametrize("piece", ["<<A\n", "<<", "|", "a: |\n", "|1", "|\n ", " ", " \n", "a|-"])
def test_text_within_code_costs_no_more_than_its_length(language, piece):
    assert canonical_code(language, f"<<A{piece * 40_000}|\n x")[0]
    assert canonical_code(language, f"{piece * 40_000}x")[0]


def test_an_answer_that_is_mostly_one_block_is_code():
    block = "```python\nprint(1)\nprint(2)\n```"
    assert only_code(f"Here:\n{block}\n") == ("python", "print(1)\nprint(2)\n")
    assert only_code(f"{block}\nand\n{block}") is None
    assert only_code(f"{block}\n```\n") == ("python", "print(1)\nprint(2)\n")
    assert only_code("```python\n" * 3) is None
    assert only_code("A long story. " * 20 + f"\n{block}") is None


def test_white_space_is_no_part_of_what_a_text_mostly_consists_of():
    assert only_code("```\nx = 1\n" + "\n" * 60 + "```\nThat is all there is to it.") is None
    assert only_code("```\nx = 1\n```" + "\n" * 60 + "So.") == ("", "x = 1\n")


@pytest.mark.parametrize("language", ["js", "sh", "css", "lua"])
def test_where_all_is_a_comment_the_comment_is_what_is_compared(language):
    marked = {"js": "// {}", "sh": "# {}", "css": "/* {} */", "lua": "-- {}"}[language]
    one, other = (canonical_code(language, marked.format(word)) for word in ("roof", "door"))
    assert one != other
    assert one[0] == marked.format("roof")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I cannot assist with this request", "refusal"),
        ("Unfortunately, I am unable to do that here.", "refusal"),
        ("I can't believe it is 12.", "text"),
        ("I can't help but notice that 17 is prime", "text"),
        ("I can\u2019t help noticing that this is the answer", "text"),
        ("I cannot provide legal advice, but the answer is 42", "text"),
        ("Sorry, I can't help with the first. However, the second is 42.", "text"),
        ("I can't answer in one file:\n```sh\nls\n```", "text"),
        ("I cannot provide advice.\nAnswer: 42", "text"),
        ("I can't find any function that provides this in utils.py.", "text"),
        ("I won't rename the class, because that does not help: 42 callers use it.", "text"),
        ("I can't see what in line 10 would help the compiler; it is line 20.", "text"),
        ("I can't see anything in line 10 that would help; the bug is in line 20.", "text"),
        ("I can't reproduce it on 3.11: a helper of the tests hides it.", "text"),
        ("I won't touch the class; its providers are tested elsewhere.", "text"),
        ("I cannot, in good conscience, fulfill this request.", "refusal"),
        ("I'm unable to be of assistance.", "refusal"),
        ("Sorry for the wait: it is 12.", "text"),
        ("I can't provide live figures. As of 2023 Berlin has 3.7 million people.", "text"),
        ("I cannot provide legal advice. " + "Write to the landlord first. " * 12, "text"),
        ("I cannot help with that. Ask a doctor or a nurse. " * 4, "refusal"),
    ],
)
def test_refusals_are_a_kind_of_their_own(text, kind):
    assert form_of(Candidate("v", text)).kind == kind


def test_long_texts_of_another_shape_are_another_structure():
    plain_text, listed = "word " * 60, "- word\n" * 60
    assert (
        form_of(Candidate("v", plain_text)).structure != form_of(Candidate("v", listed)).structure
    )
    assert form_of(Candidate("v", plain_text)).alike


def test_a_block_is_a_block_where_a_text_begins_with_it_too():
    block = "```py\nx = 1\n```"
    assert shape(f"{block}\nSo.") == shape(f"So:\n{block}") == (1, 0, 0)
    assert shape(f"{block}\nand\n{block}") == (2, 0, 0)


@pytest.mark.parametrize(
    ("code", "same"), [("x = 0x1for y", "x = 0x1f or y"), ('x = "\\d"', 'x = "\\\\d"')]
)
def test_what_python_warns_of_is_code_all_the_same_and_nobody_is_warned(code: str, same: str):
    one, other = (Candidate("v", f"```python\n{text}\n```") for text in (code, same))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        form = form_of(one)
    assert (form, form.weak) == (form_of(other), False)


def test_who_wants_code_has_bare_code_read_as_code():
    one, other = (Candidate("v", text) for text in ("x = 1  # one", "x=1"))
    assert form_of(one, "code") == form_of(other, "code")
    assert form_of(one, "code").structure == ("code",)
    assert form_of(one) != form_of(other)
    assert form_of(one, "medoid").structure[0] == "long"


def test_what_the_asker_wants_decides_how_a_text_is_read():
    text = "```json\n" + '{"a": 1}' + "\n```"
    assert form_of(Candidate("v", text), "json").key == canonical_json('{"a": 1}')
    assert form_of(Candidate("v", "long " * 100), "exact").structure == ("answer",)
    assert form_of(Candidate("v", "short"), "medoid").alike


def test_who_wants_the_likest_text_or_code_has_json_read_as_such():
    made = Candidate("v", '{"a": 1}')
    assert form_of(made, "medoid").alike
    assert form_of(made, "code").structure == ("code",)
