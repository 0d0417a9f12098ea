"""The compact form: what is cut, and what must never be."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.chat.arguments import checks_of
from swarm.chat.compact import (
    compact_system,
    compact_tool,
    compacted,
    first_sentence,
    our_words,
    read_words,
    shortened,
)
from swarm.errors import ConfigurationError
from swarm.types import Message, Question, SamplingParams, ToolSpec

WORDS = our_words()
OPENCODES = """\
You are opencode, an interactive CLI tool that helps users with software engineering tasks. Use \
the instructions below and the tools available to you to assist the user.

# Tone and style
You should be concise, direct, and to the point. When you run a non-trivial bash command, you \
should explain what the command does and why you are running it, to make sure the user understands \
what you are doing (this is especially important when you are running a command that will make \
changes to the user's system).
"""
SURROUNDINGS = """\
You are powered by the model named swarm. The exact model ID is swarm/swarm
Here is some useful information about the environment you are running in:
<env>
  Working directory: /home/u/p
</env>
Instructions from: /home/u/p/AGENTS.md
Always answer in French. You are free to choose.

Skills provide specialized instructions and workflows for specific tasks.
<available_skills>
  <skill>
    <name>deploy</name>
    <description>Use it to deploy. It is long.</description>
    <location>/x/y</location>
  </skill>
</available_skills>"""
CLIENTS = OPENCODES + SURROUNDINGS

TASK = ToolSpec(
    "task",
    "Launch an agent, e.g. one that looks. And much\nmore.\n\nAvailable agent types and tools:\n"
    "- explore: Fast. Use it.\n- general: All.",
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "description": {"type": "string", "description": "short"},
            "title": {"type": "array", "items": {"enum": ["description"], "title": "T"}},
            "count": {"type": "integer", "minimum": 0, "maximum": 9007199254740991},
        },
        "required": ["description"],
    },
)


def question(*messages: Message, tools: tuple[ToolSpec, ...] = ()) -> Question:
    return Question("swarm", messages, SamplingParams(), tools)


def test_the_instructions_are_short() -> None:
    """A token of a large vocabulary is a word or a mark, rarely less; counted in bench/."""
    assert len(WORDS.instructions.split()) <= 100
    assert len(WORDS.instructions) <= 500
    assert "URL" in WORDS.instructions


def test_a_clients_prose_goes_and_surroundings_and_the_users_instructions_stay() -> None:
    short = compact_system(CLIENTS, WORDS)
    assert short.startswith(WORDS.instructions.strip())
    assert "concise" not in short
    assert "You are powered by" not in short
    assert "  Working directory: /home/u/p" in short
    assert "Always answer in French. You are free to choose." in short
    assert "<name>deploy</name>" in short
    assert "Use it to deploy." in short
    assert "It is long" not in short


tags = st.sampled_from(
    [
        f"<{slash}{name}>"
        for name in ("location", "description", "skill", "name", "available_skills")
        for slash in ("", "/")
    ]
)


@given(st.lists(tags | st.sampled_from(["First. Second.", "curl ?city=", "\n", " "])))
def test_the_users_instructions_may_use_the_tags_of_a_skill(words: list[str]) -> None:
    """As a command with `<location>` does, or a whole skill that is quoted."""
    own = "".join(words)
    short = compact_system(CLIENTS.replace("Always answer in French.", own), WORDS)
    assert f"AGENTS.md\n{own} You are free to choose." in short
    assert "<description>Use it to deploy.</description>\n  </skill>" in short


@pytest.mark.parametrize("skills", ["", "Skills provide specialized instructions", "<skill>"])
def test_without_a_list_of_skills_nothing_but_the_prose_goes(skills: str) -> None:
    head, _, _ = CLIENTS.partition("Skills provide")
    own = "<available_skills> of <description>one. Two.</description>, <location>here</location>"
    assert compact_system(f"{head}{own}{skills}", WORDS).endswith(f"choose.\n\n{own}{skills}")


@pytest.mark.parametrize(
    "text",
    [
        "You are a pirate.",
        "",
        OPENCODES,
        f"You are opencode's release manager. Never push to main.\n{SURROUNDINGS}",
        f"Be brief.\n{SURROUNDINGS}",
        f"Be brief.\n\n# Tone and style\nAnswer in verse.\n{SURROUNDINGS}",
        SURROUNDINGS,
    ],
)
def test_a_system_prompt_that_is_not_known_stays_whole(text: str) -> None:
    assert compact_system(text, WORDS) == text


def test_the_users_own_lines_in_a_clients_prompt_stay() -> None:
    """As in a copy that they changed, or in a version that is not known yet."""
    changed = OPENCODES.replace("# Tone and style\n", "# Rules\n- No tests,\n\n  no merge.\n\n")
    short = compact_system(f"{changed}\nPush to a branch.\n{SURROUNDINGS}", WORDS)
    own = "# Rules\n- No tests,\n\n  no merge.\n\nPush to a branch.\nHere is"
    assert short.startswith(f"{WORDS.instructions.strip()}\n{own}")


lines = st.sampled_from(["Be brief.", "  - RULE-77", "# Tone and style", "", "You are opencode."])


@given(st.lists(lines | st.text("ab \t", max_size=200)), st.booleans())
def test_no_line_that_may_be_the_users_is_lost(own: list[str], below_the_clients: bool) -> None:
    prompt = "\n".join([*([OPENCODES] if below_the_clients else []), *own, SURROUNDINGS])
    short = compact_system(prompt, WORDS).splitlines()
    theirs = [line for line in own if line.strip() and line != "# Tone and style"]
    assert [line for line in short if line in theirs] == theirs


def test_a_tool_keeps_what_is_needed_to_call_it() -> None:
    short = compact_tool(TASK, WORDS)
    assert short.description == (
        "Launch an agent, e.g. one that looks. Available agent types: explore, general."
    )
    assert short.parameters == {
        "type": "object",
        "properties": {
            "description": {"type": "string"},
            "title": {"type": "array", "items": {"enum": ["description"]}},
            "count": {"type": "integer", "minimum": 0},
        },
        "required": ["description"],
    }


@pytest.mark.parametrize("word", ["dependentRequired", "dependencies"])
def test_a_property_that_is_called_as_a_remark_keeps_what_it_depends_on(word: str) -> None:
    schema = {"type": "object", word: {"title": ["card"], "card": ["title"]}}
    assert compact_tool(ToolSpec("f", "", schema), WORDS).parameters == schema


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Reads a file. Then more.", "Reads a file."),
        ("- Fast search\n- more", "Fast search"),
        ("  One line", "One line"),
        ("Reads v1.2 files! Now.", "Reads v1.2 files!"),
        ("", ""),
        ("\n\n", ""),
        ("word " * 100, ("word " * 32).strip()),
        ("读取文件。然后写入。", "读取文件。"),
        ("ファイルを読みます！次に書きます。", "ファイルを読みます！"),
        ("「はい。」と答えます。次。", "「はい。」と答えます。"),
        ("本当？！はい。", "本当？！"),
        ("读取文件，" * 100, "读取文件，" * 32),
        ("Read " + "读取文件，" * 100, "Read " + "读取文件，" * 31),
        ("read_" * 100, "read_" * 32),
    ],
)
def test_a_description_becomes_its_first_sentence(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_the_users_words_and_the_answers_stay_whole() -> None:
    asked = question(
        Message("system", CLIENTS),
        Message("user", CLIENTS),
        Message("assistant", CLIENTS),
        tools=(TASK,),
    )
    assert compacted(asked, WORDS).messages[1:] == asked.messages[1:]


def test_where_nothing_is_to_cut_the_question_is_the_same() -> None:
    asked = question(Message("system", "Be brief."), Message("user", "hi"))
    assert compacted(asked, WORDS) is asked


schemas = st.recursive(
    st.sampled_from(
        [
            {"type": "string", "description": "d"},
            {"type": "integer", "minimum": 1, "title": "t"},
            {"enum": ["a", {"description": "kept"}], "description": "d"},
            {"type": "boolean", "default": True, "examples": [True]},
        ]
    ),
    lambda inner: (
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "description": st.just("d"),
                "properties": st.dictionaries(
                    st.sampled_from(["description", "title", "examples", "x"]), inner, max_size=3
                ),
            }
        )
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner})
    ),
    max_leaves=6,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["description", "title", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(schemas, values)
def test_the_same_arguments_are_valid(schema: dict[str, Any], value: Any) -> None:
    tool = ToolSpec("t", "d", {"type": "object", "properties": {"v": schema}})
    short = compact_tool(tool, WORDS)
    full_check, short_check = (checks_of([each])["t"] for each in (tool, short))
    arguments = json.dumps({"v": value})
    assert full_check(arguments) == short_check(arguments)


def spoken(results: list[int]) -> tuple[list[Message], list[int]]:
    """A conversation with results of that many characters; a token is a character."""
    messages = [Message("user", "do it")]
    for number, length in enumerate(results):
        messages += [Message("assistant", "call"), Message("tool", f"{number % 10}" * length)]
    return messages, [len(message.content or "") for message in messages]


def test_old_results_are_cut_once_the_room_is_full_and_the_last_two_stay() -> None:
    messages, sizes = spoken([2000, 2000, 2000, 2000])
    short = shortened(messages, sizes, room_tokens=7000, words=WORDS)
    lengths = [len(m.content or "") for m in short if m.role == "tool"]
    assert lengths[:2] == [len("0" * 300 + WORDS.cut.replace("{characters}", "1700"))] * 2
    assert lengths[2:] == [2000, 2000]
    assert [m for m in short if m.role != "tool"] == [m for m in messages if m.role != "tool"]
    assert shortened(messages, sizes, room_tokens=9000, words=WORDS) == tuple(messages)


def test_results_that_came_together_are_cut_only_where_nothing_older_makes_room() -> None:
    earlier, _ = spoken([2000])
    together = [Message("tool", "0" * 1000, tool_call_id=str(at)) for at in range(4)]
    messages = [*earlier, Message("assistant", ""), *together]
    sizes = [len(message.content or "") for message in messages]

    def lengths(room_tokens: int) -> list[int]:
        short = shortened(messages, sizes, room_tokens=room_tokens, words=WORDS)
        return [len(m.content or "") for m in short if m.role == "tool"]

    cut = len("0" * 300 + WORDS.cut.replace("{characters}", "1700"))
    assert lengths(sum(sizes)) == [2000, *[1000] * 4]
    assert lengths(sum(sizes) - 1) == [cut, *[1000] * 4]
    assert lengths(sum(sizes) - 1700) == [cut, cut - 1, cut - 1, 1000, 1000]


@given(st.lists(st.integers(0, 3000), max_size=14), st.integers(500, 9000))
def test_a_longer_conversation_begins_alike_but_at_rare_points(
    results: list[int], room: int
) -> None:
    messages, sizes = spoken(results)
    forms = [
        shortened(messages[:end], sizes[:end], room_tokens=room, words=WORDS)
        for end in range(1, len(messages) + 1)
    ]
    changes = sum(later[: len(form)] != form for form, later in itertools.pairwise(forms))
    longest = max(results, default=0)
    if room > 3 * longest + 400 * len(results):
        assert changes <= 1 + sum(results) // max(1, room - 2 * longest - 400 * len(results))


OWNERS = "instructions = 'Be brief.'\ncut = '<{characters}>'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("instructions = 1", "mine.toml: instructions"),
        ("instructions = 'x'\ncut = 'no count'", "mine.toml: cut"),
        ("instructions = 'x'\ncut = '{characters}'\nother = 1", "mine.toml: other"),
        ("instructions = ", "mine.toml: "),
        (OWNERS + "[lists]\nbehind = ['skills', '']", r"mine.toml: lists.behind.1"),
        (OWNERS + "[[system]]\nkeeps_from = ['']\nlines = ''", "mine.toml: system.0.keeps_from.0"),
        (OWNERS + "[[system]]\nkeeps_from = ['a']\nbegins = ['']\nlines = ''", "begins.0"),
        ("instructions = " + "1" * 5000, "mine.toml: "),
    ],
)
def test_an_owners_file_is_checked(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_words(text, "mine.toml")


@pytest.mark.parametrize(
    ("cut", "mark"),
    [
        ("<{characters} of {file}>", "<1700 of {file}>"),
        ("<{characters} }>", "<1700 }>"),
        ("<{characters}{0}{{>", "<1700{0}{{>"),
        ("<{characters}, {characters}>", "<1700, 1700>"),
    ],
)
def test_an_owners_braces_are_words(cut: str, mark: str) -> None:
    words = read_words(f"instructions = 'x'\ncut = '{cut}'", "mine.toml")
    messages = [Message("tool", "x" * 2000)] * 3
    [first, *_] = shortened(messages, [500] * 3, room_tokens=1, words=words)
    assert first.content == f"{'x' * 200}{mark}{'x' * 100}"


def test_an_owners_words_are_taken() -> None:
    words = read_words(OWNERS, "mine.toml")
    assert compact_system(CLIENTS, words) == CLIENTS
    assert words.instructions == "Be brief."


def test_a_result_without_a_word_stays_as_it_is() -> None:
    """The old form `function` may have none."""
    empty = Message("function", None, name="list")
    messages = [Message("user", "go"), *[empty] * 3, *[Message("tool", "x" * 9000)] * 2]
    assert shortened(messages, [10] * 6, room_tokens=1, words=WORDS) == tuple(messages)


def test_a_result_is_cut_only_where_that_makes_it_shorter() -> None:
    def cut(length: int) -> str:
        messages = [Message("tool", "x" * length), *[Message("tool", "end")] * 2]
        [first, *_] = shortened(messages, [99] * 3, room_tokens=1, words=WORDS)
        return first.content or ""

    lengths = {length: len(cut(length)) for length in range(300, 900)}
    assert all(after <= before for before, after in lengths.items())
    assert lengths[300] == 300
    short = [before for before, after in lengths.items() if after < before]
    assert short == list(range(short[0], 900)), "from one length on all are cut"
    assert cut(899).startswith("x" * 200)
    assert cut(899).endswith("x" * 100)
