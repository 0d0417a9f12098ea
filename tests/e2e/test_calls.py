"""Tool calls and JSON answers of the bundled model, as the openai SDK reads them."""

import json
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from tests.e2e.nodes import RunningNode

ASK: list[Any] = [{"role": "user", "content": "Read the file notes.txt"}]
HOT: Any = {"temperature": 2, "top_p": 1, "extra_body": {"top_k": 0, "min_p": 0}}


def tool(name: str, **properties: Any) -> Any:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


TEXT = {"type": "string", "maxLength": 20}
TOOLS = [
    tool("read", filePath=TEXT),
    tool("write", filePath=TEXT, content=TEXT),
    tool("count", mode={"enum": ["words", "lines"]}, most={"type": "integer", "maximum": 99}),
]
SCHEMAS = {each["function"]["name"]: each["function"]["parameters"] for each in TOOLS}


@pytest.fixture
def sdk(nano: RunningNode) -> Iterator[openai.OpenAI]:
    with nano.sdk() as client:
        yield client


def assert_valid(call: Any) -> None:
    schema = SCHEMAS[call.function.name]
    Draft202012Validator(schema).validate(json.loads(call.function.arguments))


@pytest.mark.parametrize("model", ["swarm-fast", "swarm"])
@pytest.mark.parametrize("choice", ["required", "count"])
def test_a_required_call_is_made_and_valid_at_any_temperature(
    sdk: openai.OpenAI, model: str, choice: str
) -> None:
    wish: Any = choice
    if choice != "required":
        wish = {"type": "function", "function": {"name": choice}}
    for seed in range(5):
        said = sdk.chat.completions.create(
            model=model, messages=ASK, tools=TOOLS, tool_choice=wish, seed=seed,
            parallel_tool_calls=False, max_tokens=300, **HOT,
        )  # fmt: skip
        (only,) = said.choices
        if only.finish_reason == "length":
            continue
        assert only.finish_reason == "tool_calls"
        (call,) = only.message.tool_calls or ()
        assert_valid(call)
        assert choice in ("required", call.function.name)  # type: ignore[union-attr]


def test_calls_of_one_answer_have_ids_of_their_own_and_stream_as_deltas(
    sdk: openai.OpenAI,
) -> None:
    seen: set[str] = set()
    for seed in range(4):
        with sdk.chat.completions.stream(
            model="swarm-fast", messages=ASK, tools=TOOLS, tool_choice="required", seed=seed,
            max_tokens=400, **HOT,
        ) as stream:  # fmt: skip
            list(stream)
            try:
                said = stream.get_final_completion()
            except openai.LengthFinishReasonError:
                continue
        calls = said.choices[0].message.tool_calls or []
        assert calls
        for call in calls:
            assert_valid(call)
            assert call.id not in seen
            seen.add(call.id)
    assert seen


def test_no_call_where_none_is_wanted(sdk: openai.OpenAI) -> None:
    said = sdk.chat.completions.create(
        model="swarm", messages=ASK, tools=TOOLS, tool_choice="none", temperature=0
    )
    assert said.choices[0].message.tool_calls is None
    assert said.choices[0].finish_reason == "stop"


WEATHER = (
    "Write a JSON object with the keys place, kind and degrees: "
    "place is Oslo, kind is rain, degrees is 12"
)


class Weather(BaseModel):
    """What is asked for."""

    place: str
    kind: Literal["sun", "rain"]
    degrees: int


@pytest.mark.parametrize("model", ["swarm-fast", "swarm"])
def test_an_answer_has_the_form_that_a_class_asks_for(sdk: openai.OpenAI, model: str) -> None:
    said = sdk.chat.completions.parse(
        model=model,
        messages=[{"role": "user", "content": WEATHER}],
        response_format=Weather,
        temperature=0.5,
        seed=1,
        max_tokens=200,
    )
    assert isinstance(said.choices[0].message.parsed, Weather)


def test_any_object_of_json(sdk: openai.OpenAI) -> None:
    said = sdk.chat.completions.create(
        model="swarm-fast",
        messages=[{"role": "user", "content": "Give me a JSON object with a name."}],
        response_format={"type": "json_object"},
        temperature=0,
        max_tokens=300,
    )
    if said.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(said.choices[0].message.content or ""), dict)


def test_arguments_that_no_grammar_can_hold_are_checked(sdk: openai.OpenAI) -> None:
    four = {1, 2, 3, 4}  # of two this model takes the first twice nearly always
    ids = {"type": "array", "items": {"enum": [*four]}, "minItems": 2, "uniqueItems": True}
    unique = tool("pick", ids={**ids, "maxItems": 2})
    seen = {"tool_calls": 0, "stop": 0}
    for seed in range(16):
        said = sdk.chat.completions.create(
            model="swarm-fast", messages=ASK, tools=[unique], tool_choice="required", seed=seed,
            parallel_tool_calls=False, max_tokens=200, **HOT,
        )  # fmt: skip
        (only,) = said.choices
        for call in only.message.tool_calls or ():
            found = json.loads(call.function.arguments)["ids"]  # type: ignore[union-attr]
            assert len(found) == len({*found} & four) == 2
        seen[only.finish_reason] = seen.get(only.finish_reason, 0) + 1
        assert bool(only.message.tool_calls) == (only.finish_reason == "tool_calls")
    assert seen["tool_calls"]
    assert seen["stop"]
