"""Which short answers are the same, and what is marked as one: hard cases by hand."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.consensus.plain import final_answer, plain


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12", "12.0"),
        ("1,000", "1e3"),
        ("-0", "0"),
        ("007", "7"),
        ("The answer is  **42**.", "the answer is **42**"),
        ("\u201cYes\u201d", "yes"),
        ("Cafe\u0301", "caf\u00e9"),
        ("3.50 euros", "3.5 Euros"),
        ("$.50", "**0.5**"),
        ("'**`Paris`**.'", "paris"),
        ("(B)", "B."),
        ("(B) Paris", "B) Paris."),
        ("$$ 42 $$", r"\( 42 \)"),
        ("$18", "18"),
        ("Oui\u00a0!", "oui"),
        ("Really?!", "really"),
        ("`git add -A`.", "Git add -A"),
        ("-7", "**-7**"),
        (r"\dfrac{1}{2}", "1/2"),
        (r"-\tfrac12", r"\(-\frac{1}{2}\)"),
        (r"\frac34", "3/4"),
        (r"\text{(B)}", "B"),
        (r"\mathbf{7}", "7"),
        (r"42\text{ km}", r"42\,\text{km}"),
        (r"\$18", "$18.00"),
        (r"50\%", "50 %"),
        ("1{,}234", "1,234"),
        (r"\left(3, 5\right)", "(3, 5)"),
        ("\u22127", "-7"),
        ("It\u2019s the \u201ccore\u201d", 'It\'s the "core".'),
        ("\u00ab\u00a0Paris\u00a0\u00bb", "\u201eParis\u201c"),
        ("\uff08B\uff09", "(b)"),
        ("\u5df4\u9ece\u3002", "**\u5df4\u9ece**"),
        ("The capital is **Canberra**.", "the capital is *Canberra.*"),
        ("It is in `src/main.py`.", "It is in src/main.py"),
        ("It is (B).", "It is **B**"),
    ],
)
def test_the_same_said_differently(one, other):
    assert plain(one) == plain(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.0.0", "1.0"),
        ("v2", "2"),
        ("12", "21"),
        ("yes", "no"),
        ("10", "1"),
        ("3,4", "34"),
        (".5", "5"),
        ("$.50", "$50"),
        (".env", "env"),
        ("*", "?"),
        ("O(n!)", "O(n)"),
        ("`O(n!)`", "`O(n)`"),
        ("5!", "5"),
        ("rm -rf *", "rm -rf"),
        ("cd ..", "cd"),
        ("git add .", "git add"),
        ("../x", "/x"),
        ("./x", "/x"),
        ("__init__", "init"),
        ("_x", "x"),
        ("A*", "A"),
        ("`*.*`", "`.`"),
        ("*.py", ".py"),
        ("`char *`", "`char`"),
        ("`int?`", "`int`"),
        ("`^a.*$`", "`^a`"),
        ("$name", "name"),
        ("`$name`", "name"),
        ("6'", '6"'),
        ("f'", "f"),
        ("(1) or (2)", "1) or (2"),
        ("02139", "2139"),
        ("in 02139", "in 2139"),
        ("2**3", "23"),
        ("2**3 or 3**2", "23 or 32"),
        ("2 * 3 * 4", "2 3 4"),
        ("ls a* b*", "ls a b"),
        ("char *a, *b", "char a, b"),
        ("2\u00b2", "22"),
        (r"\$name", "$name"),
        (r"\frac{1}{2x}", "1/2x"),
        (r"\frac12x", "1/2x"),
        ("O (n)", "O n"),
        ("git branch -D old", "git branch -d old"),
        ("`ls -R`", "`ls -r`"),
        ("?", ""),
        ("3.10.0", "3.1.0"),
        ("10.0.1", "10.1"),
        ("use 3.10.0.", "use 3.1.0."),
        (str(2**100), str(2**100 + 1)),
        ("0." + 40 * "3", "0." + 41 * "3"),
        ("1e999999999", "1e999999998"),
    ],
)
def test_different_things_stay_different(one, other):
    assert plain(one) != plain(other)


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "*",
        "**",
        "!",
        ".",
        "a.",
        "a!",
        "' ",
        "$",
        "\u201c",
        "-a",
        "*a",
        "*a ",
        " *",
        r"\frac",
        r"\text{",
        r"\frac1",
        "`",
        "`a",
        "{,}1",
    ],
)
def test_marks_around_cost_no_more_than_their_length(piece):
    hostile = piece * 40_000
    assert plain(hostile)
    assert plain(f"{hostile}x{hostile[::-1]}")


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(0, 9))
def test_a_number_is_the_same_with_more_noughts(number, noughts):
    written = format(number, "f") if abs(number.adjusted()) < 100 else str(number)
    longer = written if "E" in written else written + "." * ("." not in written) + "0" * noughts
    assert plain(written) == plain(longer) == plain(str(number))


@given(st.integers(), st.integers(1, 9), st.integers(0, 60))
def test_different_numbers_stay_different(number, more, places):
    one, other = Decimal(number), Decimal(number + more)
    assert plain(f"{one}") != plain(f"{other}")
    assert plain(f"{one}e-{places}") != plain(f"{other}e-{places}")


VERSIONS = st.lists(st.integers(0, 1000), min_size=3, max_size=4)


@given(VERSIONS, VERSIONS)
def test_versions_and_addresses_are_equal_only_to_themselves(one, other):
    written = [plain(".".join(map(str, each))) for each in (one, other)]
    assert (written[0] == written[1]) == (one == other)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3 + 4 = 7\nAnswer: 7", "7"),
        ("Answer: 5, no.\n**Final answer:** 6", "6"),
        ("so \\boxed{12} it is", "12"),
        ("<answer>\nParis</answer>", "paris"),
        ("<answer>I try again: <answer>4</answer>", "4"),
        (r"so it is $\boxed{\frac{1}{2}}$.", "1/2"),
        (r"First \boxed{\sqrt{\frac{x}{4}}}, then \boxed{3}", "\\sqrt{x/4}\n3"),
        (r"\boxed{{} it is, or \boxed{{4}{5}}", "{4}{5}"),
        (r"\boxed{} is empty", None),
        ("There is no mark here", None),
        ("**Answer:**\n\n42", "42"),
        ("**Answer:** **42**", "42"),
        ("**Answer: 42**\nfor all", "42"),
        ("*Answer*: x", "x"),
        ("Six of seven.\n\n**Final Answer:**\n42 chairs\nSo.", "42 chairs"),
        ("**Answer:**\n\n- Rome\n- Oslo", None),
        ("Answer:\n1. Rome\n2. Oslo", None),
        ("**Answer:**\n```sh\nls\n```", None),
        ("Answer: ```sh\nls\n```", None),
        ("Answer: The causes are:\n1. the disk", None),
        ("Answer: 4\nAnswer: **The causes are:**\n- the disk", None),
        ("Answer: ***", None),
        ("Answer:", None),
        ("1.\nAnswer: 12\n2.\nAnswer: 5", "12\n5"),
        ("Answer: 12\n\nAnswer: 12.0", "12"),
        (r"$x=\boxed{-2}$ or $x=\boxed{3}$", "-2\n3"),
        ("Answer: 5\nAnswer: 7\nFinal answer: 6", "6"),
        ("Answer: 5\nso \\boxed{6}", "6"),
        ("Final answer: \\boxed{6}", "6"),
        ("**Final answer:**\n\n$\\boxed{6}$", "6"),
        ("\\boxed{6}\n\nAnswer: 6 chairs", "6"),
        ("<answer>\nAnswer: 6</answer>", "answer: 6"),
        ("As in\n```py\nanswer = ask()\n```\nand so on", None),
        ("As in\n~~~\nAnswer: {a}\n~~~\n\nAnswer: 6", "6"),
        ("As in\n```\nAnswer: 6", "6"),
        ("1. Run:\n   ```\n   Answer: 5\n   ```\nDone", None),
        ("Final answer: 3\nand so it is \\boxed{4}", "3\n4"),
        ("Six rows of seven. So the answer is 42.", "42"),
        ("Six rows.\n\n**Six of seven. Therefore, the final answer is 42.**", "42"),
        ("The correct answer is (B).", "b"),
        ("**The correct answer is B) Paris**", "b) paris"),
        ("9 * 2 = 18\n#### 18", "18"),
        ("9 * 2 = 18\n#### $1,800", "1800"),
        ("6 mal 7\n\n**Antwort:** 42", "42"),
        ("6 fois 7\n\nR\u00e9ponse\u00a0: 42", "42"),
        ("6 x 7\nRespuesta: 42", "42"),
        ("6 x 7\n**\u7b54\u6848\uff1a42**\u3002", "42"),
        ("Final Answer: The final answer is $42$. I hope it is correct.", "42"),
        ("The final answer is $\\boxed{42}$.", "42"),
        ("Answer: 12\n\nSo the answer is 5.", "12\n5"),
        ("So the answer is 42.\nThat is all.", None),
        ("If the answer is yes, restart it.", None),
        ("Ask what the answer is again", None),
        ("So the answer is " + "long " * 40, None),
        ("Thus:\n#### 3 ways", None),
        ("#### 18\nand on", None),
    ],
)
def test_a_marked_final_answer_is_found(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize("piece", ["{", "{a", "{{a}", r"\boxed{", r"\boxed{a", "a", "<answer>"])
def test_a_mark_that_is_never_closed_is_no_answer(piece):
    assert final_answer(r"\boxed{" + piece * 20_000) is None


@pytest.mark.parametrize(
    "piece",
    [
        "Answer:\n",
        "Answer:\n\n",
        "Answer",
        "*",
        "**Answer:",
        "```\n",
        "`",
        "~",
        "\n> ",
        ". the ",
        "####",
        "#### 1",
        ". Answer is ",
    ],
)
def test_marks_without_end_cost_no_more_than_their_length(piece):
    assert final_answer(f"Answer:{piece * 40_000}") != ""
    assert final_answer(f"{piece * 40_000}x") != ""
