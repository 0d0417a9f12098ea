import re

from hypothesis import given, settings
from hypothesis import strategies as st

from training.data import opencode
from training.evaluate import WEIGHTS
from training.render import TEMPLATE_FILE, load_template, render, template_of
from training.tokenizer import CONTROL, GLUE, Tokenizer

TOKENIZER = Tokenizer.load()
READ = {
    "type": "function",
    "function": {
        "name": "read",
        "description": "Reads a file. Paths are absolute.",
        "parameters": {
            "type": "object",
            "properties": {
                "filePath": {"type": "string"},
                "limit": {"type": "number"},
                "mode": {"enum": ["text", "bytes"]},
            },
            "required": ["filePath"],
        },
    },
}


@settings(max_examples=200)
@given(st.text())
def test_any_text_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_control_and_glue_are_single_tokens():
    for token in (*CONTROL, *GLUE):
        assert len(TOKENIZER.encode(token)) == 1


def test_a_name_has_the_same_tokens_in_prose_and_inside_json():
    name = TOKENIZER.encode("castle")
    inside = TOKENIZER.encode('{"name": "castle"}')
    assert any(inside[i : i + len(name)] == name for i in range(len(inside)))


def test_tools_become_signatures():
    text = render(load_template(), [{"role": "user", "content": "hi"}], [READ], open_answer=True)
    assert 'Reads a file: read(filePath: string, limit?: number, mode?: "text"|"bytes")\n' in text
    assert text.startswith("<|im_start|>system\nTools:\nReads a file: read(")


def test_a_tool_without_a_description_is_described_by_its_name():
    tool = {"type": "function", "function": {"name": "open_garage-door"}}
    text = render(load_template(), [{"role": "user", "content": "hi"}], [tool], open_answer=True)
    assert "open garage door: open_garage-door()\n" in text


def test_a_call_is_written_in_the_canonical_form_whether_its_arguments_are_text_or_not():
    for arguments in ({"filePath": "/é"}, '{"filePath": "/é"}'):
        call = {"type": "function", "function": {"name": "read", "arguments": arguments}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        text = render(load_template(), [message], [], open_answer=False)
        assert '<tool_call>{"name": "read", "arguments": {"filePath": "/é"}}</tool_call>' in text


def tool(name: str, told: str):
    return {"type": "function", "function": {"name": name, "description": told}}


GARAGE = [
    tool("openGarage", "Opens the garage"),
    tool("closeGarage", "Closes the garage"),
    tool("find_book", "Finds a book"),
]


def nearest(*requests: str, tools=GARAGE) -> list[list[str]]:
    """The names of the tools that are repeated behind each request, the nearest first."""
    messages = [{"role": "user", "content": request} for request in requests]
    text = render(load_template(), messages, tools, open_answer=True)
    behind = text.split("<|im_start|>user\n")[1:]
    return [re.findall(r"(\w+)\(\)\n", part) for part in behind]


def test_tools_stand_in_front_and_the_nearest_behind_each_request():
    found = nearest("please close the Garage!", "hello", "a book about bees")
    assert found == [["closeGarage", "openGarage"], [], ["find_book"]]


def test_a_word_that_few_lines_have_counts_more():
    tools = [
        *GARAGE,
        tool("paint_garage", "Paints the garage"),
        tool("paint_book", "Paints a book"),
    ]
    assert nearest("the book in the garage", tools=tools) == [["find_book", "paint_book"]]


def test_the_second_nearest_is_shown_where_it_may_be_meant_too():
    assert nearest("open the garage and find a book")[0][0] == "find_book"
    assert len(nearest("open the garage and find a book")[0]) == 2
    assert nearest("find the book, then close it") == [["find_book", "closeGarage"]]


def test_endings_do_not_matter_and_little_words_say_nothing():
    assert nearest("opening this") == [["openGarage"]]
    assert nearest("the, a, and into") == [[]]


def test_tools_that_are_known_by_heart_are_not_repeated():
    assert nearest("reads this file", tools=[READ, *GARAGE]) == [[]]
    names = re.search(r"set by_heart = '([a-z ]+)'", TEMPLATE_FILE.read_text())
    assert names is not None
    assert set(names[1].split()) == set(opencode.TOOLS)


def test_without_tools_nothing_is_near():
    text = render(load_template(), [{"role": "user", "content": "hi"}], [], open_answer=True)
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_what_was_said_stays_where_it_was_when_the_conversation_goes_on():
    messages = [{"role": "user", "content": "find a book"}]
    before = render(load_template(), messages, GARAGE, open_answer=True)
    call = {"type": "function", "function": {"name": "find_book", "arguments": {}}}
    messages += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "Emma"},
        {"role": "user", "content": "open the garage"},
    ]
    after = render(load_template(), messages, GARAGE, open_answer=True)
    assert after.startswith(before)


def test_weights_carry_their_own_template():
    call = {"type": "function", "function": {"name": "read", "arguments": {"filePath": "a"}}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    text = render(template_of(WEIGHTS), messages, [READ], open_answer=False)
    assert "Reads a file: read(filePath: string, " in text
    assert '<tool_call>{"name": "read", "arguments": {"filePath": "a"}}</tool_call>' in text
