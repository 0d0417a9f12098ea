"""Completions as models write them, in every format, however they are cut; and what is spelled."""

import itertools
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import CompletionParser, Text
from swarm.chat.formats.format import Format
from swarm.chat.formats.table import FORMATS, format_of
from swarm.chat.grammar import grammar_of
from swarm.chat.reasoning import Reasoning
from swarm.models.card import Card
from swarm.models.catalogue import load_catalogue
from swarm.types import Constraint, ToolSpec
from tests.lexicon import Lexicon

FOLDER = Path(__file__).parent / "outputs"


@dataclass
class Case:
    """A completion and what it says."""

    form: Format
    tools: list[ToolSpec]
    source: str
    output: str
    text: str = ""
    reasoning: str = ""
    reasoning_opened: bool = False
    calls: list[tuple[str, str]] = field(default_factory=list)


def tool(name: str, strings: list[str]) -> ToolSpec:
    properties = {key: {"type": "string"} for key in strings}
    return ToolSpec(name, "", {"type": "object", "properties": properties})


def cases() -> list[Case]:
    found: list[Case] = []
    for file in sorted(FOLDER.glob("*.toml")):
        said = tomllib.loads(file.read_text())
        tools = [tool(name, keys) for name, keys in said.get("tools", {}).items()]
        found += [Case(FORMATS[file.stem], tools, **case) for case in said["case"]]
    return found


CASES = cases()


def value_of(arguments: str) -> Any:
    """What arguments say; those that are no JSON are compared letter by letter."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def read(case: Case, parts: list[str]) -> dict[str, Any]:
    parser = CompletionParser(
        case.form.parser(case.tools),
        reasoning_opened=case.reasoning_opened,
        own_reasoning=case.form.own_reasoning,
    )
    pieces = [piece for part in parts for piece in parser.feed(part)] + parser.finish("stop")[0]
    said: dict[str, Any] = {"text": "", "reasoning": "", "calls": []}
    for piece in pieces:
        match piece:
            case Text(text):
                said["text"] += text
            case Reasoning(text):
                said["reasoning"] += text
            case Call(name, arguments):
                said["calls"].append([name, arguments])
            case Arguments(text):
                said["calls"][-1][1] += text
    said["calls"] = [[name, value_of(arguments)] for name, arguments in said["calls"]]
    return said | {key: said[key].strip() for key in ("text", "reasoning")}


@pytest.mark.parametrize("case", CASES, ids=[f"{c.form.name}-{n}" for n, c in enumerate(CASES)])
def test_what_models_write_is_read_however_it_is_cut(case: Case) -> None:
    expected = {
        "text": case.text,
        "reasoning": case.reasoning,
        "calls": [[name, value_of(arguments)] for name, arguments in case.calls],
    }
    assert read(case, [case.output]) == expected
    assert read(case, list(case.output)) == expected


@settings(max_examples=60)
@given(st.sampled_from(CASES), st.lists(st.integers(0, 400), max_size=12))
def test_the_chunking_does_not_matter(case: Case, cuts: list[int]) -> None:
    places = sorted({0, *(cut for cut in cuts if cut < len(case.output)), len(case.output)})
    parts = [case.output[a:b] for a, b in itertools.pairwise(places)]
    assert read(case, parts) == read(case, [case.output])


LONG = "x" * 1100
CALLED = '{"name": "a", "parameters": {}}'


@pytest.mark.parametrize(
    ("form", "output"),
    [
        ("llama3", '{"name": "a\\q", "parameters": {}}'),
        ("llama3", '<|python_tag|>{"name": "a\nb", "parameters": {}}'),
        ("mistral", '[TOOL_CALLS] [{"name": "a\\q", "arguments": {}}]'),
    ],
)
def test_a_name_that_is_no_json_makes_no_call(form: str, output: str) -> None:
    case = Case(FORMATS[form], [], "", output)
    assert read(case, [output]) == {"text": output, "reasoning": "", "calls": []}
    assert read(case, list(output)) == read(case, [output])


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (f'{{"{LONG} <|python_tag|>{CALLED}', f'{{"{LONG}'),
        (f"<|python_tag|>{LONG} <|python_tag|>{CALLED}", f"<|python_tag|>{LONG}"),
    ],
    ids=["an object", "the tag and words"],
)
def test_what_is_too_long_for_a_calls_head_is_text_however_it_is_cut(
    output: str, text: str
) -> None:
    case = Case(FORMATS["llama3"], [], "", output)
    for parts in ([output], list(output)):
        assert read(case, parts) == {"text": text, "reasoning": "", "calls": [["a", {}]]}


def test_a_call_behind_words_with_braces_is_found_however_it_is_cut() -> None:
    output = f"{CALLED} as {{this}} {LONG}; {CALLED}"
    case = Case(FORMATS["llama3"], [], "", output)
    for parts in ([output], list(output)):
        assert read(case, parts) == {"text": "", "reasoning": "", "calls": [["a", {}]] * 2}


READ = ToolSpec(
    "read",
    "",
    {
        "type": "object",
        "properties": {"path": {"type": "string"}, "lines": {"type": "integer"}},
        "required": ["path"],
    },
)
SPELLED = {
    "canonical": '<tool_call>\n{"name": "read", "arguments": {"path": "a", "lines": 3}}\n'
    "</tool_call>",
    "qwen3-coder": "<tool_call>\n<function=read>\n<parameter=path>\na\n</parameter>\n"
    "<parameter=lines>\n3\n</parameter>\n</function>\n</tool_call>",
    "glm": "<tool_call>read\n<arg_key>path</arg_key>\n<arg_value>a</arg_value>\n"
    "<arg_key>lines</arg_key>\n<arg_value>3</arg_value>\n</tool_call>",
    "llama3": '{"name": "read", "parameters": {"path": "a", "lines": 3}}',
    "mistral": '[TOOL_CALLS] [{"name": "read", "arguments": {"path": "a", "lines": 3}}]',
    "mistral-args": '[TOOL_CALLS]read[ARGS]{"path": "a", "lines": 3}',
    "harmony": "<|channel|>commentary to=functions.read <|constrain|>json<|message|>"
    '{"path": "a", "lines": 3}',
    "gemma4": '<|tool_call>call:read{lines:3,path:<|"|>a<|"|>}<tool_call|>',
    "deepseek-v3": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>read\n"
    "```json\n"
    '{"path": "a", "lines": 3}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "deepseek-v31": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>read<｜tool▁sep｜>"
    '{"path": "a", "lines": 3}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
}
CONTROL = ("<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|constrain|>", "[TOOL_CALLS]",
           "[ARGS]", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>",
           "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>", "<|channel>", "<channel|>",
           "<|tool_call>", "<tool_call|>", '<|"|>')  # fmt: skip


@pytest.mark.parametrize("control", [(), CONTROL], ids=["letters", "tokens"])
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_formats_own_spelling_is_allowed_and_read(form: Format, control: tuple[str, ...]) -> None:
    lexicon = Lexicon(control)
    for must_call in (True, False):
        grammar = grammar_of(
            form, [READ], Constraint(must_call=must_call), one_call=False, thinking="never"
        )
        assert grammar is not None
        assert lexicon.read(grammar, SPELLED[form.name]) == "whole"
        wrong = SPELLED[form.name].replace("3", "x")
        assert lexicon.read(grammar, wrong).startswith("not after")
    case = Case(form, [READ], "", SPELLED[form.name])
    assert read(case, [case.output])["calls"] == [["read", {"path": "a", "lines": 3}]]


WRITE = ToolSpec(
    "write",
    "",
    {
        "type": "object",
        "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
        "required": ["path", "content"],
    },
)


WRITTEN = {
    "</parameter>": "<tool_call>\n<function=write>\n<parameter=path>\na\n</parameter>\n"
    "<parameter=content>\n{}\n</parameter>\n</function>\n</tool_call>",
    "</arg_value>": "<tool_call>write\n<arg_key>path</arg_key>\n<arg_value>a</arg_value>\n"
    "<arg_key>content</arg_key>\n<arg_value>{}</arg_value>\n</tool_call>",
}


@pytest.mark.parametrize(
    ("form", "close"), [("qwen3-coder", "</parameter>"), ("glm", "</arg_value>")]
)
def test_what_ends_a_value_cannot_be_written_within_it(form: str, close: str) -> None:
    grammar = grammar_of(FORMATS[form], [WRITE], Constraint(), one_call=False, thinking="never")
    assert grammar is not None
    output = WRITTEN[close]
    for value in ("", "plain", "\n", f"{close[:-1]} >", f"{close[:-1]}\n", close[1:]):
        written = output.replace("{}", value)
        assert Lexicon().read(grammar, written) == "whole"
        said = read(Case(FORMATS[form], [WRITE], "", written), [written])
        assert said["calls"] == [["write", {"path": "a", "content": value}]]
    for value in (f"Close it with {close} here.", f"{close}{close}", f"\n{close}\nno key"):
        assert Lexicon().read(grammar, output.replace("{}", value)).startswith("not after")


EDIT = ToolSpec(
    "write",
    "",
    {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "content": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["path", "content"],
    },
)


@pytest.mark.parametrize(
    ("form", "close"), [("qwen3-coder", "</parameter>"), ("glm", "</arg_value>")]
)
def test_what_ends_a_value_may_stand_in_the_strings_of_one_that_is_json(
    form: str, close: str
) -> None:
    grammar = grammar_of(FORMATS[form], [EDIT], Constraint(), one_call=False, thinking="never")
    assert grammar is not None
    for value in (["plain"], [f"Close it with {close} here.", close], [f'"{close}\\"', close * 2]):
        written = WRITTEN[close].replace("{}", json.dumps(value))
        assert Lexicon().read(grammar, written) == "whole"
        case = Case(FORMATS[form], [EDIT], "", written)
        for parts in ([written], list(written)):
            assert read(case, parts)["calls"] == [["write", {"path": "a", "content": value}]]


@pytest.mark.parametrize(
    ("form", "close"), [("qwen3-coder", "</parameter>"), ("glm", "</arg_value>")]
)
def test_a_value_that_is_no_json_ends_at_the_first_mark(form: str, close: str) -> None:
    for value in ('["no end', "no JSON", 'say "a'):
        one = WRITTEN[close].replace("{}", value)
        for written in (one, f"{one}\n{one}", f"{one} {close}"):
            case = Case(FORMATS[form], [EDIT], "", written)
            for parts in ([written], list(written)):
                calls = read(case, parts)["calls"]
                assert calls[0] == ["write", {"path": "a", "content": value}]
                assert len(calls) == written.count("<tool_call>")


@pytest.mark.parametrize(
    ("form", "close"), [("qwen3-coder", "</parameter>"), ("glm", "</arg_value>")]
)
def test_a_value_whose_pattern_no_grammar_reads_can_be_written_as_json(
    form: str, close: str
) -> None:
    content = {"type": "string", "pattern": "^(?!x)"}
    tool = ToolSpec("write", "", {"properties": {"path": {"type": "string"}, "content": content}})
    grammar = grammar_of(FORMATS[form], [tool], Constraint(), one_call=False, thinking="never")
    assert grammar is not None
    written = WRITTEN[close].replace("{}", '"12"')
    assert Lexicon().read(grammar, written) == "whole"
    said = read(Case(FORMATS[form], [tool], "", written), [written])
    assert said["calls"] == [["write", {"path": "a", "content": "12"}]]
    assert Lexicon().read(grammar, WRITTEN[close].replace("{}", "12")).startswith("not after")


OPEN_SCHEMAS: list[dict[str, Any]] = [
    {"type": "object"},
    {"additionalProperties": {"type": ["string", "array"]}},
    {"anyOf": [{"required": ["content"]}, {"required": ["url"]}]},
    {"$ref": "#/$defs/file", "$defs": {"file": EDIT.parameters}},
    {"properties": {"path": {"type": "string"}}, "required": ["path", "content"]},
    {"properties": {"pat": {"type": "string"}}, "additionalProperties": True},
]


@pytest.mark.parametrize("schema", OPEN_SCHEMAS)
@pytest.mark.parametrize(
    ("form", "close"), [("qwen3-coder", "</parameter>"), ("glm", "</arg_value>")]
)
def test_what_a_schema_leaves_open_can_be_written_as_json(
    form: str, close: str, schema: dict[str, Any]
) -> None:
    tool = ToolSpec("write", "", schema)
    grammar = grammar_of(FORMATS[form], [tool], Constraint(), one_call=False, thinking="never")
    assert grammar is not None
    path = "a" if "path" in schema.get("properties", ()) else '"a"'
    written = WRITTEN[close].replace("\na\n", f"\n{path}\n").replace(">a<", f">{path}<")
    written = written.replace("{}", '["b"]')
    assert Lexicon().read(grammar, written) == "whole"
    said = read(Case(FORMATS[form], [tool], "", written), list(written))
    assert said["calls"] == [["write", {"path": "a", "content": ["b"]}]]


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_plain_words_are_allowed_where_a_call_is_not_required(form: Format) -> None:
    grammar = grammar_of(form, [READ], Constraint(), one_call=False, thinking="never")
    assert grammar is not None
    words = "Hello, a < b and {c}."
    if form.name == "harmony":
        words = f"<|channel|>final<|message|>{words}"
    assert Lexicon().read(grammar, words) == "whole"
    case = Case(form, [READ], "", words)
    assert read(case, list(words))["text"].endswith("Hello, a < b and {c}.")


ONE = '"name": "read", "arguments": {"path": "a"}'
DEEP = "<｜tool▁call▁begin｜>{}<｜tool▁call▁end｜>"
ROWS = {  # what begins the calls, one of them, what stands between two, what ends them
    "canonical": ("", f"<tool_call>{{{ONE}}}</tool_call>", "\n", ""),
    "mistral": ("[TOOL_CALLS][", f"{{{ONE}}}", ", ", "]"),
    "mistral-args": ("", '[TOOL_CALLS]read[ARGS]{"path": "a"}', "", ""),
    "llama3": ("", f"{{{ONE}}}".replace("arguments", "parameters"), "; ", ""),
    "deepseek-v3": (
        "<｜tool▁calls▁begin｜>",
        DEEP.replace("{}", 'function<｜tool▁sep｜>read\n```json\n{"path": "a"}\n```'),
        "\n",
        "<｜tool▁calls▁end｜>",
    ),
    "deepseek-v31": (
        "<｜tool▁calls▁begin｜>",
        DEEP.replace("{}", 'read<｜tool▁sep｜>{"path": "a"}'),
        "",
        "<｜tool▁calls▁end｜>",
    ),
    "qwen3-coder": (
        "",
        "<tool_call>\n<function=read>\n<parameter=path>\na\n</parameter>\n</function>\n</tool_call>",
        "\n",
        "",
    ),
    "glm": (
        "",
        "<tool_call>read\n<arg_key>path</arg_key>\n<arg_value>a</arg_value>\n</tool_call>",
        "\n",
        "",
    ),
}


@pytest.mark.parametrize("form", ROWS)
def test_where_one_call_is_wanted_no_second_can_be_written(form: str) -> None:
    begins, call, between, ends = ROWS[form]
    one, two = f"{begins}{call}{ends}", f"{begins}{call}{between}{call}{ends}"
    told: dict[bool, list[bool]] = {}
    for one_call in (False, True):
        grammar = grammar_of(
            FORMATS[form], [READ], Constraint(), one_call=one_call, thinking="never"
        )
        assert grammar is not None
        told[one_call] = [Lexicon().read(grammar, text) == "whole" for text in (one, two)]
    assert told == {False: [True, True], True: [True, False]}


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{ '<tool_call>\\n{\"name\": ' }}", "canonical"),
        ("{{ '<tool_call>\\n<function=' }} <parameter=x>", "qwen3-coder"),
        ("{{ '<tool_call>' }}<arg_key>{{ k }}</arg_key>", "glm"),
        ("<|start_header_id|> {{ '\"parameters\": ' }}", "llama3"),
        ("{{ '[TOOL_CALLS] [' }}", "mistral"),
        ("{{ '[TOOL_CALLS]' }}{{ '[ARGS]' }}", "mistral-args"),
        ("{{ '<|channel|>final<|message|>' }}", "harmony"),
        ("{{ '<|tool_call>call:' + name + '{' }}{{ '}<tool_call|>' }}", "gemma4"),
        ("{{ tool['type'] + '<｜tool▁sep｜>' + '\\n```json' }}", "deepseek-v3"),
        ("{{ name + '<｜tool▁sep｜>' + arguments }}", "deepseek-v31"),
    ],
)
def test_a_template_says_which_format_its_model_writes(template: str, name: str) -> None:
    found = format_of(template)
    assert found
    assert found.name == name


UNREAD = {"functools"}
"""Formats of the catalogue's cards that nobody here reads yet: such models get our own words."""


@pytest.mark.parametrize(
    ("template", "declared", "name"),
    [
        ("{{ tools }}<tool_call>", "mistral", "canonical"),
        ("{{ tools }}", "mistral", "mistral"),
        ("{{ tools }}", "hermes", "canonical"),
        ("{{ tools }}", "functools", None),
        ("{{ '<|im_start|>' }}", None, None),
    ],
)
def test_what_a_template_spells_out_comes_before_what_a_card_declares(
    template: str, declared: str | None, name: str | None
) -> None:
    found = format_of(template, declared=declared)
    assert (found and found.name) == name


@pytest.mark.parametrize("card", load_catalogue(), ids=lambda card: card.id)
def test_every_card_declares_a_format_that_is_known(card: Card) -> None:
    if card.tool_calls is not None and card.tool_calls not in UNREAD:
        written = format_of("{{ tools }}", declared=card.tool_calls)
        assert written
        assert written.name == card.tool_calls.replace("hermes", "canonical")
