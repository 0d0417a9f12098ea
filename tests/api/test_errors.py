"""What a client is told when something is wrong: status, shape, and the field's name."""

import asyncio
import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from api.errors import error_object, status_of
from api.openai.body import parse_body
from api.openai.schema import ChatBody, CompletionBody, EmbeddingBody
from api.paths import path_hint
from swarm import errors
from swarm.errors import InvalidRequest
from swarm.proposer import most_bytes
from tests.api.conftest import Node, StartNode
from tests.fakes import INFO, FakeEngine

HELLO = [{"role": "user", "content": "hi"}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:"}}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "done"}

OLD_CALL = {"role": "assistant", "function_call": {"name": "a", "arguments": "{}"}}
OLD_RESULT = {"role": "function", "name": "a", "content": "done"}


def tool(name: str, parameters: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


NEVER = {"properties": {"b": {"enum": []}}, "required": ["b"]}
NOWHERE = {"properties": {"b": {"$ref": "#/$defs/c"}}}
VARIANTS = {
    "type": "object",
    "anyOf": [{"properties": {name: {}}, "required": [name]} for name in "ab"],
    "properties": {},
    "additionalProperties": False,
}
"""A union of variants, as OpenCode closes it."""
CHOSEN = {"type": "function", "function": {"name": "a"}}


def allowed(mode: str, *names: str) -> dict[str, Any]:
    listed = {"mode": mode, "tools": [tool(name) for name in names]}
    choice = {"type": "allowed_tools", "allowed_tools": listed}
    return {"tools": [tool("a"), tool("b")], "tool_choice": choice}


def wanted(schema: dict[str, Any]) -> dict[str, Any]:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    return {"response_format": form}


def beside(form: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"response_format": {"type": form, "schema": schema}}


async def post(node: Node, body: object, path: str = "/v1/chat/completions") -> tuple[int, Any]:
    async with node.http.post(path, json=body) as answer:
        said = await answer.json()
        assert set(said["error"]) >= {"message", "type", "param", "code"}
        return answer.status, said["error"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "user", "content": 4}]}, "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [*HELLO, {"role": "robot", "content": ""}]}, "messages[1].role"),
        ({"messages": [{"content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": ["a"]}]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function": {}}]}]},
            "messages[0].tool_calls[0].function.name",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": "a",
                        "tool_calls": [{"id": "1", "function": {"name": "a", "arguments": ""}}],
                    }
                ]
            },
            "messages[0].tool_calls",
        ),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"n": 0}, "n"),
        ({"n": 9}, "n"),
        ({"n": "2"}, "n"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"min_p": 2}, "min_p"),
        ({"top_k": -5}, "top_k"),
        ({"top_k": 2**32 + 1}, "top_k"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"stop": 7}, "stop"),
        ({"stop": ["a", ""]}, "stop[1]"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"seed": 2**63}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"logit_bias": {"hello": 1}}, "logit_bias.hello"),
        ({"logit_bias": {"5000": 1}}, "logit_bias.5000"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "required", "tools": []}, "tool_choice"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "a"}}, "tools": [tool("b")]},
            "tool_choice.function.name",
        ),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        (allowed("auto"), "tool_choice.allowed_tools.tools"),
        (allowed("none", "a"), "tool_choice.allowed_tools.mode"),
        (allowed("auto", "a", "c"), "tool_choice.allowed_tools.tools[1].function.name"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [tool("a"), tool("b"), tool("a")]}, "tools[2].function.name"),
        *(({"tools": [tool(f"a{sign}b")]}, "tools[0].function.name") for sign in " \n<>[{`\0"),
        ({"tools": [tool("a", {"type": "string"})]}, "tools[0].function.parameters.type"),
        ({"tools": [tool("a"), tool("b", {"type": "odd"})]}, "tools[1].function.parameters.type"),
        (
            {"tools": [tool("a", {"properties": {"b": {"type": "odd"}}})]},
            "tools[0].function.parameters",
        ),
        ({"tools": [tool("a", NOWHERE, strict=True)]}, "tools[0].function.parameters"),
        ({"tools": [tool("a", NEVER, strict=True)]}, "tools[0].function.parameters"),
        ({"tools": [tool("a", VARIANTS, strict=True)]}, "tools[0].function.parameters"),
        ({"tools": [tool("a", NEVER)], "tool_choice": CHOSEN}, "tools[0].function.parameters"),
        ({"tools": [tool("a", VARIANTS, strict="yes")]}, "tools[0].function.strict"),
        ({"tools": [tool("a", {"pattern": "(a"})]}, "tools[0].function.parameters"),
        ({"tools": [tool("a", {"$schema": []})]}, "tools[0].function.parameters"),
        ({"tools": [tool("a", {"$id": "http://[a"}, strict=True)]}, "tools[0].function.parameters"),
        ({"messages": [RESULT]}, "messages[0].tool_call_id"),
        (
            {"messages": [*HELLO, CALLED, RESULT, {**RESULT, "tool_call_id": "2"}]},
            "messages[3].tool_call_id",
        ),
        ({"messages": [RESULT, CALLED]}, "messages[0].tool_call_id"),
        ({"messages": [*HELLO, OLD_RESULT]}, "messages[1].name"),
        ({"messages": [OLD_CALL, OLD_RESULT, OLD_RESULT]}, "messages[2].name"),
        ({"messages": [OLD_CALL, {**OLD_RESULT, "name": "b"}]}, "messages[1].name"),
        ({"messages": [OLD_CALL | {"role": "user", "content": "a"}]}, "messages[0].function_call"),
        ({"messages": [{**OLD_CALL, "function_call": "auto"}]}, "messages[0].function_call"),
        ({"tool_choice": 3}, "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
        ),
        (wanted({"type": 7}), "response_format.json_schema.schema"),
        (wanted({"uniqueItems": True}), "response_format.json_schema.schema"),
        (wanted({"$ref": "http://elsewhere/schema"}), "response_format.json_schema.schema"),
        (wanted({"pattern": "(?=a)b"}), "response_format.json_schema.schema"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        (beside("text", {"type": "object"}), "response_format.schema"),
        (beside("json_object", {"type": 7}), "response_format.schema"),
        (beside("json_object", {"uniqueItems": True}), "response_format.schema"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy"}}, "audio"),
        ({"functions": []}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs.messages"),
        ({"chat_template_kwargs": {"namespace": 1}}, "chat_template_kwargs.namespace"),
        ({"chat_template_kwargs": {"raise_exception": 1}}, "chat_template_kwargs.raise_exception"),
    ],
)
async def test_a_wrong_field_is_named(node: Node, fields: dict[str, Any], param: str) -> None:
    status, error = await post(node, {"model": "swarm", "messages": HELLO, **fields})
    assert (status, error["param"]) == (400, param)
    assert error["type"] == "invalid_request_error"
    assert node.engine.running == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "text"}},
        {"tool_choice": "auto"},
        {"tool_choice": "none", "tools": [tool("a")]},
        {"tools": [tool("a", {"properties": {"b": {"pattern": "(?=a)b", "uniqueItems": True}}})]},
        {"tools": [tool("a", {"properties": {"b": {"pattern": r"^[\p{L}-\.]\u{61}$"}}})]},
        {"tools": [tool("a", {"$schema": "https://json-schema.org/draft-07/schema#"})]},
        {"tools": [tool("a", {"$schema": "http://[a"})]},
        {"tools": [tool("a", NOWHERE), tool("b", NEVER), tool("c", VARIANTS)]},
        {"tools": [tool("a", VARIANTS)], "tool_choice": CHOSEN},
        {"tools": [tool("a"), tool("b", NEVER)], "tool_choice": CHOSEN},
        {"messages": [*HELLO, CALLED, RESULT]},
        {"modalities": ["text"]},
        {"parallel_tool_calls": True},
        {"metadata": {"a": "b"}, "user": "me", "store": False, "service_tier": "auto"},
        {"prediction": {"type": "content", "content": "x"}, "verbosity": "low"},
        {"n": None, "stop": None, "temperature": None, "stream": None, "tools": None, "seed": None},
        {"messages": [*HELLO, {"role": "assistant", "content": None, "refusal": "no"}]},
        {"messages": [OLD_CALL, {**OLD_RESULT, "content": None}]},
        {"top_k": -1},
    ],
)
async def test_what_is_harmless_is_accepted(node: Node, fields: dict[str, Any]) -> None:
    body = {"model": "swarm", "messages": HELLO, **fields}
    async with node.http.post("/v1/chat/completions", json=body) as answer:
        assert answer.status == 200


async def test_a_wrong_tool_is_told_by_its_name(node: Node) -> None:
    wrong = tool("odd", {"properties": {"b": {"type": "odd"}}})
    _, error = await post(node, {"model": "swarm", "messages": HELLO, "tools": [tool("a"), wrong]})
    assert error["message"].startswith("the tool 'odd': tools[1].function.parameters is no JSON")


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b"null", b'"text"', b"\xff\xfe", b"[" * 9999])
async def test_a_body_that_is_not_a_json_object_is_refused(node: Node, raw: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    async with node.http.post("/v1/chat/completions", data=raw, headers=headers) as answer:
        assert answer.status == 400
        assert "JSON" in (await answer.json())["error"]["message"]


async def test_an_error_shows_no_kind_of_what_is_of_a_wrong_length(node: Node) -> None:
    _, error = await post(node, {"model": "swarm", "messages": []})
    assert error["message"] == "messages: should have at least 1 item, not 0"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"cut \ud83d", "cut \ufffd"),
        (r"\uDE00 cut", "\ufffd cut"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"whole \uD83D\uDE00", "whole \U0001f600"),
        (r"text \\ud83d", r"text \ud83d"),
        (r"\\\ud83d", "\\\ufffd"),
    ],
)
async def test_half_an_emoji_is_read_as_a_replacement_character(
    node: Node, written: str, read: str
) -> None:
    """JavaScript cuts strings between the halves, and its JSON then has one of them."""
    raw = f'{{"model": "swarm-fast", "messages": [{{"role": "user", "content": "{written}"}}]}}'
    headers = {"Content-Type": "application/json"}
    async with node.http.post("/v1/chat/completions", data=raw, headers=headers) as answer:
        assert answer.status == 200
    assert f"user\n{read}<" in str(node.engine.prompts[0].text)


def test_a_byte_order_mark_before_the_body_is_ignored() -> None:
    """As .NET and PowerShell write it."""
    raw = json.dumps({"model": "fake", "input": "a"})
    assert parse_body(EmbeddingBody, raw.encode("utf-8-sig")).input == "a"
    with pytest.raises(InvalidRequest, match="not JSON"):
        parse_body(EmbeddingBody, raw.encode("utf-16"))


async def test_a_missing_model_is_a_missing_field(node: Node) -> None:
    status, error = await post(node, {"messages": HELLO})
    assert (status, error["param"], error["message"]) == (400, "model", "model is required")


async def test_an_unknown_model_lists_what_there_is(node: Node) -> None:
    status, error = await post(node, {"model": "gpt-9", "messages": HELLO})
    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "swarm-fast, fake, fake-fast" in error["message"]


async def test_a_prompt_too_long_is_refused_in_the_form_that_clients_compact_on(
    node: Node,
) -> None:
    long = [{"role": "user", "content": "x" * 5000}]
    for stream in (False, True):
        status, error = await post(node, {"model": "swarm", "messages": long, "stream": stream})
        assert status == 400
        length = error["n_prompt_tokens"]
        assert error == {
            "message": f"request ({length} tokens) exceeds the available context size "
            "(4096 tokens). This model's maximum context length is 4096 tokens",
            "type": "exceed_context_size_error",
            "param": "messages",
            "code": "context_length_exceeded",
            "n_prompt_tokens": length,
            "n_ctx": 4096,
        }


async def test_before_the_model_is_loaded_clients_are_asked_to_wait(
    start_node: StartNode,
) -> None:
    engine = FakeEngine(model_info=errors.EngineNotReady("fake is being loaded", retry_after_s=3))
    async with start_node(engine) as node:
        body = {"model": "swarm", "messages": HELLO}
        async with node.http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "3"
        async with node.http.get("/health") as answer:
            assert answer.status == 503
            assert (await answer.json())["status"] == "loading"
        async with node.http.get("/v1/models") as answer:
            assert (await answer.json())["data"][0]["id"] == "swarm"
        engine.model_info = INFO
        async with node.http.get("/health") as answer:
            assert answer.status == 200
            assert (await answer.json())["status"] == "ok"


async def test_an_engine_that_failed_is_not_healthy(start_node: StartNode) -> None:
    engine = FakeEngine(model_info=errors.ModelLoadFailed("damaged"))
    async with start_node(engine) as node, node.http.get("/health") as answer:
        assert answer.status == 503
        assert await answer.json() == {"status": "failed", "detail": "damaged"}


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/completions", "/v1/completions"),
        ("/models", "/v1/models"),
        ("/models/swarm", "/v1/models/swarm"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/health", "/health"),
        ("/federation/diagnostics", "/v1/federation/diagnostics"),
        ("/federation/peers", "/v1/federation/peers"),
        ("/v1/responses", "/v1/chat/completions"),
        ("/responses", "/v1/chat/completions"),
        ("/v1/responses/resp_1", "/v1/chat/completions"),
        ("/v1/rerank", "/v1/chat/completions"),
        ("/api/chat", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
    ],
)
async def test_a_wrong_path_is_told_the_right_one(node: Node, path: str, right: str) -> None:
    status, error = await post(node, {}, path)
    assert (status, error["code"]) == (404, "path_not_found")
    assert right in error["message"]


def test_the_base_url_is_told_only_where_it_is_what_was_wrong() -> None:
    assert path_hint("/models").endswith("use /v1/models (the base URL ends with /v1)")
    for tail in ("health", "metrics"):
        assert path_hint(f"/v1/{tail}") == f"there is no /v1/{tail}: use /{tail}"


def test_no_path_is_suggested_for_nothing() -> None:
    assert "the client's chat-completions model" in path_hint("/v1/responses")
    assert "this server has" in path_hint("/nonsense")


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions/", "/v1//chat/completions", "//v1/chat/completions"]
)
async def test_slashes_too_many_work(node: Node, path: str) -> None:
    url = f"http://127.0.0.1:{node.port}{path}"
    body = {"model": "swarm", "messages": HELLO}
    async with node.http.post(url, json=body) as answer:
        assert answer.status == 200


async def test_a_wrong_method_is_told_the_right_one(node: Node) -> None:
    async with node.http.get("/v1/chat/completions") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"
        assert "takes POST" in (await answer.json())["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_who_may_not_speak_to_the_door_is_turned_away(
    node: Node, headers: dict[str, str], status: int
) -> None:
    async with node.http.post("/v1/chat/completions", data=b"{}", headers=headers) as answer:
        assert answer.status == status
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert (await answer.json())["error"]["type"] == "invalid_request_error"


async def test_a_key_is_accepted_though_none_is_needed(node: Node) -> None:
    headers = {"Authorization": "Bearer sk-anything"}
    async with node.http.get("/v1/models", headers=headers) as answer:
        assert answer.status == 200


async def test_a_body_larger_than_any_prompt_is_refused_unread(node: Node) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{node.port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {most_bytes(0) + 1}\r\n\r\n"
    writer.write(head.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    assert b"request_too_large" in await reader.readuntil(b"}}")
    writer.close()


async def test_a_chunked_body_is_bounded_too(node: Node) -> None:
    async def endless() -> Any:
        for _ in range(most_bytes(0) // 65_536 + 2):
            yield b" " * 65_536

    headers = {"Content-Type": "application/json"}
    async with node.http.post("/v1/chat/completions", data=endless(), headers=headers) as answer:
        assert answer.status == 413


async def test_a_bug_is_an_error_object_and_says_nothing_of_itself(
    start_node: StartNode, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> list[str]:
        raise ZeroDivisionError("secret")

    async with start_node(FakeEngine(answer=broken)) as node:
        status, error = await post(node, {"model": "swarm", "messages": HELLO})
    assert (status, error["message"]) == (500, "internal error")
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "words",
    [
        "exceeds the available context size",  # OpenCode's, as llama-server's
        "maximum context length is 8 tokens",
        "This model's maximum context length is",  # LiteLLM's, as OpenAI's and vLLM's
    ],
)
@pytest.mark.parametrize(
    "error", [errors.ContextOverflow(9, 8), errors.ContextOverflow(9, 8, True)]
)
def test_clients_know_an_overflow_by_its_words(words: str, error: errors.SwarmError) -> None:
    assert words in error_object(error)["error"]["message"]


OVERFLOWS = (
    "prompt is too long",
    "request_too_large",
    "input is too long for requested model",
    "exceeds the context window",
    r"exceeds (?:the )?(?:model'?s )?maximum context length",
    r"input token count.*exceeds the maximum",
    "tokens in request more than max tokens allowed",
    r"maximum prompt length is \d+",
    "reduce the length of the messages",
    r"maximum context length is \d+ tokens",
    "exceeds (?:the )?maximum allowed input length",
    "is longer than the model'?s context length",
    r"exceeds the limit of \d+",
    "exceeds the available context size",
    "greater than the context length",
    "context window exceeds limit",
    "exceeded model token limit",
    "context[_ ]length[_ ]exceeded",
    "request entity too large",
    r"context length is only \d+ tokens",
    "input length.*exceeds.*context length",
    "prompt too long",
    r"too large for model with \d+ maximum context length",
    "but the configured context size is",
    "model_context_window_exceeded",
    "too many tokens",
    "token limit exceeded",
)
"""By which OpenCode 1.18.33 knows that it has to compact."""


@pytest.mark.parametrize(
    "error",
    [
        errors.FixedOverflow(9, 8),
        errors.FixedOverflow(9, 8, True),
        errors.FixedOverflow(9, 8, about=True, may_cut=True),
    ],
)
def test_what_cannot_be_compacted_has_none_of_an_overflows_words(error: errors.SwarmError) -> None:
    told = error_object(error)["error"]
    assert status_of(error) == 400
    assert (told["type"], told["code"]) == ("invalid_request_error", None)
    assert not told.keys() & {"n_ctx", "n_prompt_tokens"}
    assert "AGENTS.md" in told["message"]
    assert not [words for words in OVERFLOWS if re.search(words, told["message"], re.IGNORECASE)]


LONG = "x" * 5_000


@pytest.mark.parametrize(
    ("messages", "tools", "code"),
    [
        ([{"role": "system", "content": LONG}, *HELLO], [tool("a")], None),
        ([*HELLO, {"role": "user", "content": LONG}], [tool("a")], "context_length_exceeded"),
        ([{"role": "system", "content": LONG}, *HELLO], [], "context_length_exceeded"),
    ],
)
@pytest.mark.parametrize("model", ["swarm", "swarm-fast"])
async def test_only_what_compacting_helps_is_an_overflow(
    node: Node, messages: Any, tools: Any, code: str | None, model: str, caplog: Any
) -> None:
    caplog.set_level("INFO")
    body = {"model": model, "messages": messages, "tools": tools, "stream": True}
    status, error = await post(node, body)
    assert (status, error["code"]) == (400, code)
    [refused] = [record.message for record in caplog.records if "refused (400)" in record.message]
    assert refused.endswith(error["message"])


PERMANENT = [
    errors.InvalidRequest("no"),
    errors.UnknownModel("a", ("b",)),
    errors.ContextOverflow(5, 4),
    errors.FixedOverflow(5, 4),
]


@pytest.mark.parametrize("error", PERMANENT)
def test_permanent_errors_do_not_make_clients_try_again(error: errors.SwarmError) -> None:
    assert 400 <= status_of(error) < 500
    message = error_object(error)["error"]["message"].lower()
    for word in ("rate limit", "overloaded", "server error", "try again"):
        assert word not in message


@pytest.mark.parametrize(
    "error",
    [
        errors.Overloaded("full"),
        errors.EngineNotReady("not yet"),
        errors.GenerationFailed("it died"),
        errors.ModelLoadFailed("damaged"),
        errors.SwarmError("?"),
    ],
)
def test_passing_errors_make_clients_try_again(error: errors.SwarmError) -> None:
    assert status_of(error) in (429, 500, 503)
    assert "context length" not in error_object(error)["error"]["message"]


MANY = 50_000
KEYS = tuple(map(str, range(MANY)))


@pytest.mark.parametrize(
    ("form", "fields", "named"),
    [
        (ChatBody, {"messages": [1] * MANY}, "messages[0]"),
        (
            ChatBody,
            {"messages": [{"role": "user", "content": [1] * MANY}]},
            "messages[0].content[0]",
        ),
        (
            ChatBody,
            {"messages": [{"role": "assistant", "tool_calls": [1] * MANY}]},
            "messages[0].tool_calls[0]",
        ),
        (ChatBody, {"messages": HELLO, "tools": [1] * MANY}, "tools[0]"),
        (ChatBody, {"messages": HELLO, "stop": [1] * MANY}, "stop[0]"),
        (ChatBody, {"messages": HELLO, "modalities": [1] * MANY}, "modalities[0]"),
        (CompletionBody, {"prompt": [-1] * MANY}, "prompt[0]"),
        (CompletionBody, {"prompt": [[1]] + [[-1]] * MANY}, "prompt"),
        (EmbeddingBody, {"input": ["a"] + [1] * MANY}, "input"),
        (
            ChatBody,
            {"messages": HELLO, "swarm": {str(k): 1 for k in range(MANY)}},
            "50000 mistakes",
        ),
        (
            ChatBody,
            {"messages": HELLO, "logit_bias": dict.fromkeys(KEYS, "x")},
            "50000 mistakes",
        ),
    ],
)
def test_a_body_of_many_mistakes_is_refused_by_its_first_or_by_their_number(
    form: Any, fields: Any, named: str
) -> None:
    raw = json.dumps({"model": "fake", **fields}).encode()
    with pytest.raises(InvalidRequest, match=re.escape(named)):
        parse_body(form, raw)
    with pytest.raises(ValidationError) as found:
        form.model_validate_json(raw)
    assert found.value.error_count() == (MANY if "mistakes" in named else 1)


def test_as_many_texts_are_embedded_at_once_as_openai_takes() -> None:
    body = EmbeddingBody.model_validate({"model": "fake", "input": ["a"] * 2048})
    assert len(body.input) == 2048
    with pytest.raises(ValidationError):
        EmbeddingBody.model_validate({"model": "fake", "input": ["a"] * 2049})
