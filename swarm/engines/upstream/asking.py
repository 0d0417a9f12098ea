"""A prompt as the bodies of requests to an upstream server. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from swarm.engines.sampling import LEAST_TEMPERATURE, seed_of
from swarm.engines.upstream.server import CHAT_MARK, Server
from swarm.types import Prompt, SamplingParams

Body: TypeAlias = dict[str, Any]

_NAMES = ("temperature", "top_p", "top_k", "min_p", "typical_p")
"""Fields of SamplingParams that go out under their own name, where they are set."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: the indices of each answer that the server draws, several if they are alike."""

    path: str
    body: Body
    drawn: Sequence[tuple[int, ...]]


def is_chat(prompt: Prompt) -> bool:
    """Whether the prompt is a conversation, for the server's own template."""
    return isinstance(prompt.text, str) and prompt.text.startswith(CHAT_MARK)


def asks(prompt: Prompt, server: Server, *, room_tokens: int | None) -> list[Ask]:
    """The requests that draw all sequences of a prompt. Raises InvalidRequest.

    A server that draws several answers itself reads the prompt once, which is worth more than
    the small differences in temperature that it cannot make; elsewhere each sequence is a
    request with its own, unless nobody has named one, neither the client nor the server. At 0 one
    answer is that of all sequences.
    `room_tokens` is what the context leaves, where that is known.
    """
    sampling = prompt.sampling
    base = server.temperature if sampling.temperature is None else sampling.temperature
    temperatures = () if base is None else prompt.temperatures or (base,) * prompt.n
    alike = bool(temperatures) and max(temperatures) < LEAST_TEMPERATURE
    answers = [tuple(range(prompt.n))] if alike else [(index,) for index in range(prompt.n)]
    made: list[Ask] = []
    for first in range(0, len(answers), server.per_request):
        drawn = answers[first : first + server.per_request]
        count = len(drawn)
        body: Body = {"model": server.model, "stream": True, **_said(prompt)}
        body |= {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
        body |= _sampling(sampling, first, chat=is_chat(prompt))
        body |= {} if count == 1 else {"n": count}
        if prompt.temperatures and count == 1 and base is not None:
            body["temperature"] = prompt.temperatures[first]
        most = room_tokens if sampling.max_tokens is None else sampling.max_tokens
        if most is not None:
            body["max_tokens"] = most if room_tokens is None else min(most, room_tokens)
        if server.template is not None:  # only llama-server tells its template
            body |= {"timings_per_token": True, "cache_prompt": True}
            body |= {} if is_chat(prompt) else {"preserved_tokens": list(server.marks)}
        made.append(Ask(_path(prompt), body, drawn))
    return made


def probe(server: Server) -> Ask:
    """A request for two answers of one token: two come back from a server that honours `n`."""
    sampling = SamplingParams(max_tokens=1)
    said = {"prompt": "a"} if server.template else _chat({"messages": [_HELLO]})
    body = {"model": server.model, "n": 2, "max_tokens": sampling.max_tokens, **said}
    return Ask("/completions" if server.template else "/chat/completions", body, [(0,), (1,)])


_HELLO = {"role": "user", "content": "a"}


def _path(prompt: Prompt) -> str:
    return "/chat/completions" if is_chat(prompt) else "/completions"


def _said(prompt: Prompt) -> Body:
    if isinstance(prompt.text, str) and is_chat(prompt):
        return _chat(json.loads(prompt.text.removeprefix(CHAT_MARK)))
    return {"prompt": prompt.text if isinstance(prompt.text, str) else list(prompt.text)}


def _chat(conversation: Mapping[str, Any]) -> Body:
    body: Body = {"messages": [_message(turn) for turn in conversation["messages"]]}
    if conversation.get("tools"):
        body["tools"] = conversation["tools"]
    for name in ("reasoning_effort", "tool_choice", "response_format"):
        if conversation.get(name) is not None:
            body[name] = conversation[name]
    if conversation.get("enable_thinking") is not None:
        body["chat_template_kwargs"] = {"enable_thinking": conversation["enable_thinking"]}
    return body


def _message(turn: Mapping[str, Any]) -> Body:
    """A turn with the arguments of its calls as text, as OpenAI's protocol has them."""
    calls = [_call(call) for call in turn.get("tool_calls") or ()]
    return {**turn, "tool_calls": calls} if calls else dict(turn)


def _call(call: Mapping[str, Any]) -> Body:
    function = dict(call["function"])
    if not isinstance(function["arguments"], str):
        function["arguments"] = json.dumps(function["arguments"], ensure_ascii=False)
    return {**call, "function": function}


def _sampling(params: SamplingParams, first: int, *, chat: bool) -> Body:
    """Only what was asked for: a server may refuse fields that it does not know."""
    body: Body = {
        name: getattr(params, name) for name in _NAMES if getattr(params, name) is not None
    }
    if params.repetition_penalty is not None:  # two servers, two names
        body |= dict.fromkeys(("repetition_penalty", "repeat_penalty"), params.repetition_penalty)
    optional: Body = {
        "presence_penalty": params.presence_penalty,
        "frequency_penalty": params.frequency_penalty,
        "logit_bias": {str(token): bias for token, bias in params.logit_bias.items()},
        "stop": list(params.stop),
        "ignore_eos": params.ignore_eos,
    }
    body |= {name: value for name, value in optional.items() if value}
    if params.seed is not None:
        body["seed"] = seed_of(params, first)
    if params.top_logprobs is not None:
        most = max(1, params.top_logprobs)  # to some servers 0 means none at all
        body |= {"logprobs": True, "top_logprobs": most} if chat else {"logprobs": most}
    return body
