"""A checked body to what the swarm is asked; what cannot be honoured is InvalidRequest.

Pure, but for a warning of a tool whose schema cannot be kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

from api.openai.constraint import constraint_of, offered_tools, with_results
from api.openai.schema import (
    NO_SUCH_WISH,
    ChatBody,
    CompletionBody,
    MessageBody,
    Part,
    SamplingBody,
    VoteBody,
)
from swarm.chat.marks import without_progress, without_progress_told_again
from swarm.chat.template import RESERVED
from swarm.engines.sampling import SEEDS
from swarm.errors import InvalidRequest
from swarm.types import Message, Question, SamplingParams, ToolCall

Prompts: TypeAlias = str | list[str] | list[int] | list[list[int]]
"""One or several texts, or lists of token ids."""

VOTE_HEADER = "x-swarm-"
_DECIDE_THEMSELVES = ("first", "best", "judge", "leader")


@dataclass(frozen=True, slots=True)
class ChatAsk:
    """What a chat request asks for. `calls_itself`: the client runs tools, or wants none called."""

    question: Question
    vote: VoteBody
    n: int = 1
    stream: bool = False
    include_usage: bool = False
    calls_itself: bool = False

    @property
    def model(self) -> str:
        """The id that is asked."""
        return self.question.model


@dataclass(frozen=True, slots=True)
class CompletionAsk:
    """What a plain completion request asks for: every prompt is completed `n` times.

    `paths` are the places of the prompts in the request.
    """

    model: str
    prompts: tuple[str | tuple[int, ...], ...]
    paths: tuple[str, ...]
    sampling: SamplingParams
    n: int = 1
    stream: bool = False
    include_usage: bool = False


def chat_ask(body: ChatBody, headers: Mapping[str, str]) -> ChatAsk:
    """A chat body as a ChatAsk. `parallel_tool_calls: false` keeps the first call only.

    What the body does not say of the vote may stand in `headers`.
    """
    _refuse_chat_fields(body)
    if body.top_logprobs and not body.logprobs:
        raise InvalidRequest("top_logprobs needs logprobs: true", param="top_logprobs")
    limit = (
        body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
    )
    top = (body.top_logprobs or 0) if body.logprobs else None
    messages = with_results([_message(message, at) for at, message in enumerate(body.messages)])
    tools = offered_tools(body)
    question = Question(
        model=body.model,
        messages=messages,
        sampling=_sampling(body, max_tokens=limit, top_logprobs=top),
        tools=tools,
        constraint=constraint_of(body, tools),
        template_options=_template_options(body),
        one_call=body.parallel_tool_calls is False,
    )
    return ChatAsk(
        question,
        vote_body(body, headers),
        n=body.n or 1,
        stream=bool(body.stream),
        include_usage=_include_usage(body),
        calls_itself=_calls_itself(body, messages),
    )


def completion_ask(body: CompletionBody) -> CompletionAsk:
    """A completion body as a CompletionAsk."""
    if body.echo:
        raise InvalidRequest("echo is not served; the prompt is not repeated", param="echo")
    if body.suffix:
        raise InvalidRequest(
            "suffix is not served; text is only completed at its end", param="suffix"
        )
    n = body.n or 1
    if body.best_of is not None and body.best_of != n:
        raise InvalidRequest(f"best_of can only be n, which is {n}", param="best_of")
    return CompletionAsk(
        model=body.model,
        prompts=prompts_of(body.prompt),
        paths=paths_of("prompt", body.prompt),
        sampling=_sampling(
            body,
            max_tokens=16 if body.max_tokens is None else body.max_tokens,
            top_logprobs=body.logprobs,
        ),
        n=n,
        stream=bool(body.stream),
        include_usage=_include_usage(body),
    )


def vote_body(body: ChatBody, headers: Mapping[str, str]) -> VoteBody:
    """What the request says of the vote. Raises InvalidRequest that lists the right values."""
    said = body.swarm.model_dump(exclude_none=True) if body.swarm else {}
    if body.progress is not None:
        said.setdefault("progress", body.progress)
    named = {
        name.lower().removeprefix(VOTE_HEADER).replace("-", "_"): value
        for name, value in headers.items()
        if name.lower().startswith(VOTE_HEADER)
    }
    if unknown := named.keys() - VoteBody.model_fields:
        field_name = f"swarm.{min(unknown)}"
        raise InvalidRequest(f"{field_name}: {NO_SUCH_WISH}", param=field_name)
    try:
        vote = VoteBody.model_validate({**named, **said}, strict=False)
    except ValidationError as error:
        # pydantic types the details as a TypedDict of unknown content
        first: Any = error.errors(include_url=False)[0]
        field_name = f"swarm.{first['loc'][0]}"
        wish = str(first["msg"]).replace("Input ", "")
        message = f"{field_name} is {first['input']!r}: it {wish}"
        raise InvalidRequest(message, param=field_name) from None
    _must_agree(vote)
    return vote


def _must_agree(vote: VoteBody) -> None:
    """Raises InvalidRequest for wishes of which one would silently win over the other."""
    if vote.stream == "leader" and vote.strategy not in (None, "auto", "leader"):
        raise InvalidRequest(
            f'swarm.stream: "leader" gives one worker\'s answer as it comes, which strategy '
            f'"{vote.strategy}" cannot choose; leave one of them out',
            param="swarm.stream",
        )
    if vote.stream == "decided" and vote.strategy == "leader":
        raise InvalidRequest(
            'swarm.stream: strategy "leader" streams before anything is decided; leave it out, '
            'or say "leader"',
            param="swarm.stream",
        )
    chosen = "leader" if vote.stream == "leader" else vote.strategy
    if vote.decide and chosen in _DECIDE_THEMSELVES:
        raise InvalidRequest(
            f'swarm.decide: "{chosen}" says itself when it is decided; leave it out',
            param="swarm.decide",
        )


def paths_of(name: str, prompt: Prompts) -> tuple[str, ...]:
    """The places of these prompts in a request that has them under this name."""
    if isinstance(prompt, str) or isinstance(prompt[0], int):
        return (name,)
    return tuple(f"{name}[{at}]" for at in range(len(prompt)))


def prompts_of(prompt: Prompts) -> tuple[str | tuple[int, ...], ...]:
    """These prompts, one or several, as several."""
    if isinstance(prompt, str):
        return (prompt,)
    texts = [item for item in prompt if isinstance(item, str)]
    lists = [tuple(item) for item in prompt if isinstance(item, list)]
    tokens = tuple(item for item in prompt if isinstance(item, int))
    return (tokens,) if tokens else (*texts, *lists)


def _calls_itself(body: ChatBody, messages: Sequence[Message]) -> bool:
    called = any(message.tool_calls or message.role == "tool" for message in messages)
    return bool(body.tools) or body.tool_choice == "none" or called


def _refuse_chat_fields(body: ChatBody) -> None:
    reasons = {
        "audio": "audio answers are not served",
        "functions": "functions is the old form; send tools",
        "function_call": "function_call is the old form; send tool_choice",
        "web_search_options": "web search is not served",
    }
    for name, reason in reasons.items():
        if getattr(body, name) is not None:
            raise InvalidRequest(reason, param=name)
    if any(kind != "text" for kind in body.modalities or ()):
        raise InvalidRequest("modalities can only be ['text'] here", param="modalities")


def _message(body: MessageBody, at: int) -> Message:
    path = f"messages[{at}]"
    if body.content is None and body.role not in ("assistant", "function"):
        raise InvalidRequest(
            f"{path}.content is required for the role {body.role!r}", param=f"{path}.content"
        )
    if body.role == "tool" and body.tool_call_id is None:
        raise InvalidRequest(f"{path}.tool_call_id is required", param=f"{path}.tool_call_id")
    content = _content(body, path)
    if content and body.role == "user":
        content = without_progress_told_again(content)
    return Message(
        role=body.role,
        content=content,
        reasoning=without_progress(body.reasoning_content or body.reasoning or "") or None,
        tool_calls=_calls(body, path),
        tool_call_id=body.tool_call_id,
        name=body.name,
    )


def _calls(body: MessageBody, path: str) -> tuple[ToolCall, ...]:
    """The calls; the old form has one without an id, which is made up."""
    calls = [
        ToolCall(call.id, call.function.name, call.function.arguments)
        for call in body.tool_calls or ()
    ]
    if old := body.function_call:
        calls = calls or [ToolCall(f"{path}.function_call", old.name, old.arguments)]
    if calls and body.role != "assistant":
        field_name = f"{path}.{'tool_calls' if body.tool_calls else 'function_call'}"
        raise InvalidRequest(f"{field_name} is for assistants only", param=field_name)
    return tuple(calls)


def _content(body: MessageBody, path: str) -> str | None:
    if isinstance(body.content, list):
        parts = [_part(part, f"{path}.content[{at}]") for at, part in enumerate(body.content)]
        return "\n".join(parts)  # as llama.cpp does: the last word of one is not the next one's
    return body.refusal if body.content is None else body.content


def _part(part: Part, path: str) -> str:
    if part.type == "refusal" and part.refusal is not None:
        return part.refusal
    if part.type != "text":
        message = f"{path}.type is {part.type!r}; this model reads only 'text'"
        raise InvalidRequest(message, param=f"{path}.type")
    if part.text is None:
        raise InvalidRequest(f"{path}.text is required", param=f"{path}.text")
    return part.text


def _template_options(body: ChatBody) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if body.reasoning_effort is not None:
        options["reasoning_effort"] = body.reasoning_effort
    if body.reasoning_effort == "none":
        options["enable_thinking"] = False
    for name, value in (body.chat_template_kwargs or {}).items():
        if name in RESERVED:
            path = f"chat_template_kwargs.{name}"
            raise InvalidRequest(f"{path} is set by the server", param=path)
        options[name] = value
    return options


def _sampling(
    body: SamplingBody, *, max_tokens: int | None, top_logprobs: int | None
) -> SamplingParams:
    repetition = (
        body.repetition_penalty if body.repetition_penalty is not None else body.repeat_penalty
    )
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return SamplingParams(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=None if body.top_k is None else max(0, body.top_k),
        min_p=body.min_p,
        typical_p=body.typical_p,
        repetition_penalty=repetition,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        logit_bias=_logit_bias(body.logit_bias or {}),
        seed=None if body.seed is None else body.seed % SEEDS,
        max_tokens=max_tokens,
        stop=stop,
        ignore_eos=bool(body.ignore_eos),
        top_logprobs=top_logprobs,
    )


def _logit_bias(biases: Mapping[str, float]) -> dict[int, float]:
    for token in biases:
        if not (token.isascii() and token.isdigit() and len(token) <= 9):
            path = f"logit_bias.{token[:40]}"
            raise InvalidRequest(f"{path}: the keys should be token ids", param=path)
    return {int(token): bias for token, bias in biases.items()}


def _include_usage(body: SamplingBody) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)
