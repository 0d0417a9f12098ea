"""Conversations as clients really send them, to the templates of real models.

The templates are those that llama.cpp keeps for its own tests; its source is here once the engine
was built.
"""

import logging
import re
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from swarm.chat.probing import needed_rewritings
from swarm.chat.template import ChatTemplate
from swarm.chat.turns import TurnDict, with_text_arguments
from swarm.types import Message, ToolCall, ToolSpec

BUILD = Path(__file__).parents[3] / "build"
FOLDER = "llama_cpp_python-*/vendor/llama.cpp/models/templates"
FOREIGN = ("fireworks-ai-llama-3-firefunction-v2", "llama-cpp-deepseek-r1")
"""One wants its tools under another name, one writes as JSON what Jinja in Python cannot."""

TEMPLATES = {
    path.stem: path for path in sorted(BUILD.glob(f"{FOLDER}/*.jinja")) if path.stem not in FOREIGN
}

PATH = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOLS = [ToolSpec("read", "Read a file.", PATH), ToolSpec("list", "List a folder.", PATH)]


def said(role: str, word: str, reasoning: str | None = None) -> Message:
    return Message(role, word, reasoning=reasoning)  # type: ignore[arg-type]


def called(*names: str) -> Message:
    calls = (ToolCall(f"call_{name}", name, f'{{"path": "word-{name}-path"}}') for name in names)
    return Message("assistant", None, tool_calls=tuple(calls))


def result(name: str) -> Message:
    return Message("tool", f"word-{name}-result", tool_call_id=f"call_{name}")


RULED, ASKED, URGED = (
    said("system", "word-rule"),
    said("user", "word-ask"),
    said("user", "word-urge"),
)
ANSWERED = said("assistant", "word-answer")

SHAPES: dict[str, Sequence[Message]] = {
    "a question": [RULED, ASKED],
    "a title, which OpenCode asks for in two turns": [RULED, ASKED, URGED],
    "two system messages": [RULED, said("system", "word-plugin"), ASKED],
    "a system message amid the conversation": [
        RULED,
        ASKED,
        ANSWERED,
        said("system", "word-late"),
        URGED,
    ],
    "a system message at the end": [RULED, ASKED, ANSWERED, said("system", "word-late")],
    "an answer that was cut and went on": [ASKED, ANSWERED, said("assistant", "word-rest"), URGED],
    "a result": [RULED, ASKED, called("read"), result("read")],
    "a loop that the user cut short": [ASKED, called("read"), result("read"), URGED],
    "two calls at once": [ASKED, called("read", "list"), result("read"), result("list")],
    "two calls, then the user": [
        ASKED,
        called("read", "list"),
        result("read"),
        result("list"),
        URGED,
    ],
}


@cache
def template(name: str) -> ChatTemplate:
    return ChatTemplate(TEMPLATES[name].read_text("utf-8"))


def test_there_are_templates_to_try() -> None:
    if not TEMPLATES:
        pytest.skip(f"the source of llama.cpp, with its templates, is not in {BUILD}: make setup")
    assert len(TEMPLATES) > 50


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_client_says_is_in_the_prompt(name: str) -> None:
    for shape, messages in SHAPES.items():
        tools = TOOLS if any(message.tool_calls for message in messages) else ()
        text = template(name).render(messages, tools)
        words = re.findall(r"word-[a-z-]+", repr(messages))
        assert [word for word in words if word not in text] == [], shape


@pytest.mark.parametrize("name", ["openai-gpt-oss-120b", "Qwen3.5-4B", "GLM-4.6"])
def test_what_was_thought_before_a_call_is_read_until_the_loop_ends(name: str) -> None:
    thought = called("read")
    thought = Message("assistant", "", reasoning="word-thought", tool_calls=thought.tool_calls)
    assert "word-thought" in template(name).render([ASKED, thought, result("read")], TOOLS)


def test_the_second_call_of_gpt_oss_stands_before_its_own_result() -> None:
    text = template("openai-gpt-oss-120b").render(SHAPES["two calls at once"], TOOLS)
    order = ["word-read-path", "word-read-result", "word-list-path", "word-list-result"]
    assert sorted(order, key=text.index) == order


def test_a_template_that_forgets_the_assistants_turn_is_helped() -> None:
    gemma = template("google-gemma-4-31B-it")
    beside = Message("assistant", "word-look", tool_calls=called("read").tool_calls)
    text = gemma.render([ASKED, beside, result("read")], TOOLS)
    assert text.endswith("word-look<turn|>\n<|turn>model\n<|channel>thought\n<channel|>")
    text = gemma.render([ASKED, beside, result("read")], TOOLS, {"enable_thinking": True})
    assert text.endswith("word-look<turn|>\n<|turn>model\n")
    text = gemma.render([ASKED, called("read"), result("read")], TOOLS)
    assert text.endswith("<tool_response|>")  # the model goes on in its own turn


def test_a_model_whose_way_of_calling_is_unknown_is_told_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    unknown = ChatTemplate(TEMPLATES["LFM2-8B-A1B"].read_text("utf-8"))
    assert "own way of writing calls is not known here" in caplog.text
    text = unknown.render([ASKED], TOOLS)
    assert "You may call these tools:" in text
    assert unknown.call_format.name == "canonical"


def text_arguments_only(turns: Sequence[TurnDict]) -> str | None:
    """A template that joins the arguments of calls to a text."""
    calls = [call for turn in turns for call in turn.get("tool_calls", ())]
    if any(not isinstance(call["function"]["arguments"], str) for call in calls):
        return None
    return str(turns)


def test_a_machine_that_stands_still_spoils_no_template() -> None:
    def still(turns: Sequence[TurnDict]) -> str | None:
        time.sleep(0.02)
        return text_arguments_only(turns)

    assert with_text_arguments in needed_rewritings(still, budget_s=0.1)


def test_a_template_that_computes_for_long_is_probed_no_further() -> None:
    assert needed_rewritings(text_arguments_only, budget_s=-1) == ()
