from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluate import WEIGHTS
from training.render import load_template, render, template_of
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
    assert text.startswith("<|im_start|>user\nhi<|im_end|>\n<|im_start|>system\nTools:\n")


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


def test_tools_stand_behind_the_last_request():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "read a.py"},
        {"role": "assistant", "content": "I will."},
    ]
    text = render(load_template(), messages, [READ], open_answer=False)
    assert text.count("Tools:") == 1
    assert text.index("read a.py") < text.index("Tools:") < text.index("I will.")


def test_without_a_request_tools_stand_behind_the_instructions():
    messages = [{"role": "developer", "content": "Be brief."}]
    text = render(load_template(), messages, [READ], open_answer=True)
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>system\nTools:\n")
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n")


def test_weights_carry_their_own_template():
    call = {"type": "function", "function": {"name": "read", "arguments": {"filePath": "a"}}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    text = render(template_of(WEIGHTS), messages, [READ], open_answer=False)
    assert "Reads a file: read(filePath: string, " in text
    assert '<tool_call>{"name": "read", "arguments": {"filePath": "a"}}</tool_call>' in text
