"""The bodies of OpenAI requests, checked by pydantic: types and bounds, field by field.

Fields that we do not know are ignored. A list ends at its first mistake: a million of them would
take seconds. What needs more than one field is in translate.py.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from swarm.proposer import LONGEST_S


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Part(_Body):
    """One part of a message's content; which types are served is decided in translate.py."""

    type: str
    text: str | None = None
    refusal: str | None = None


def _content_form(value: object) -> str | None:
    if isinstance(value, str):
        return "<text>"
    return "<parts>" if isinstance(value, list) else None


Content: TypeAlias = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[Part], Field(fail_fast=True), Tag("<parts>")],
    Discriminator(
        _content_form,
        custom_error_type="content_form",
        custom_error_message="should be a string or a list of content parts",
    ),
]


class CalledFunction(_Body):
    """The function part of a call in an assistant message."""

    name: str
    arguments: str


class CallBody(_Body):
    """A call that the assistant made earlier."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class MessageBody(_Body):
    """One message of a conversation. `function_call` and the role `function` are the old form."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: Annotated[list[CallBody], Field(fail_fast=True)] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = None


class FunctionBody(_Body):
    """A function that the model may call."""

    name: str = Field(min_length=1, max_length=256)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolBody(_Body):
    """A tool that the model may call."""

    type: Literal["function"]
    function: FunctionBody


class NamedFunction(_Body):
    """The name in a tool choice."""

    name: str


class NamedTool(_Body):
    """A tool choice that names one tool."""

    type: Literal["function"]
    function: NamedFunction


class ToolList(_Body):
    """The only tools that may be called of those that the model knows."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Field(min_length=1, fail_fast=True)]


class AllowedTools(_Body):
    """A tool choice that lists tools."""

    type: Literal["allowed_tools"]
    allowed_tools: ToolList


def _choice_form(value: object) -> str | None:
    if isinstance(value, str):
        return "<mode>"
    if not isinstance(value, dict):
        return None
    kind: object = value.get("type")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return "<listed>" if kind == "allowed_tools" else "<named>"


ToolChoice: TypeAlias = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("<mode>")]
    | Annotated[NamedTool, Tag("<named>")]
    | Annotated[AllowedTools, Tag("<listed>")],
    Discriminator(
        _choice_form,
        custom_error_type="choice_form",
        custom_error_message="should be 'none', 'auto', 'required' or an object with a function",
    ),
]


class SchemaBody(_Body):
    """The schema of a wished form; what it is called is for people."""

    name: str | None = None
    content: dict[str, Any] = Field(alias="schema")


class FormatBody(_Body):
    """The wished form of the answer. llama-server's clients say a schema beside `json_object`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaBody | None = None
    content: dict[str, Any] | None = Field(None, alias="schema")


class StreamOptions(_Body):
    """What a stream shall carry besides the answer."""

    include_usage: bool | None = None


def _stop_form(value: object) -> str | None:
    if isinstance(value, str):
        return "<one>"
    return "<many>" if isinstance(value, list) else None


StopString: TypeAlias = Annotated[str, Field(min_length=1, max_length=1024)]
Stop: TypeAlias = Annotated[
    Annotated[StopString, Tag("<one>")]
    | Annotated[list[StopString], Field(max_length=16, fail_fast=True), Tag("<many>")],
    Discriminator(
        _stop_form,
        custom_error_type="stop_form",
        custom_error_message="should be a string or a list of at most 16 strings",
    ),
]


class SamplingBody(_Body):
    """What both kinds of generation understand; the second half are common extensions."""

    model: str = Field(min_length=1)
    n: int | None = Field(None, ge=1, le=128)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Stop | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None

    top_k: int | None = Field(None, ge=-1, lt=2**31)
    min_p: float | None = Field(None, ge=0, le=1)
    typical_p: float | None = Field(None, gt=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    repeat_penalty: float | None = Field(None, gt=0, le=10)
    ignore_eos: bool | None = None


class VoteBody(_Body):
    """How the swarm shall answer; every field is a header too: `x-swarm-deadline-s`.

    These fields are ours alone, so one that we do not know is a slip and not another's extension.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    strategy: (
        Literal[
            "auto", "exact", "tools", "json", "code", "medoid", "first", "best", "leader", "judge"
        ]
        | None
    ) = None
    voters: int | None = Field(None, ge=1, le=256)
    decide: Literal["exact", "statistical", "all"] | None = None
    deadline_s: float | None = Field(None, gt=0, le=LONGEST_S)
    stream: Literal["decided", "leader"] | None = None
    ask_again: bool | None = None
    progress: bool | None = None
    agent: bool | None = None


NO_SUCH_WISH = f"there is no such field; there are {', '.join(VoteBody.model_fields)}"


class ChatBody(SamplingBody):
    """POST /v1/chat/completions."""

    messages: list[MessageBody] = Field(min_length=1, max_length=65_536, fail_fast=True)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: Annotated[list[ToolBody], Field(fail_fast=True)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: FormatBody | None = None
    reasoning_effort: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    swarm: VoteBody | None = None
    progress: bool | None = None
    modalities: Annotated[list[str], Field(fail_fast=True)] | None = None
    audio: Any = None
    functions: Any = None
    function_call: Any = None
    web_search_options: Any = None


def _prompt_form(value: object) -> str | None:
    if isinstance(value, str):
        return "<text>"
    if not isinstance(value, list) or not value:
        return None
    first: object = value[0]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(first, str):
        return "<texts>"
    return "<lists>" if isinstance(first, list) else "<tokens>"


TokenId: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
Tokens: TypeAlias = Annotated[list[TokenId], Field(min_length=1, fail_fast=True)]
_BY_FORM = Discriminator(
    _prompt_form,
    custom_error_type="prompt_form",
    custom_error_message="should be a string or token ids, or a list of several, not empty",
)
PromptForm: TypeAlias = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[list[str], Field(max_length=128, fail_fast=True), Tag("<texts>")]
    | Annotated[Tokens, Tag("<tokens>")]
    | Annotated[list[Tokens], Field(max_length=128, fail_fast=True), Tag("<lists>")],
    _BY_FORM,
]
EmbeddedForm: TypeAlias = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[list[str], Field(max_length=2048, fail_fast=True), Tag("<texts>")]
    | Annotated[Tokens, Tag("<tokens>")]
    | Annotated[list[Tokens], Field(max_length=2048, fail_fast=True), Tag("<lists>")],
    _BY_FORM,
]
"""The texts to embed, at most as many as OpenAI takes: they are computed one after the other."""


class EmbeddingBody(_Body):
    """POST /v1/embeddings."""

    model: str
    input: EmbeddedForm
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1)
    user: str | None = None


class CompletionBody(SamplingBody):
    """POST /v1/completions."""

    prompt: PromptForm
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = Field(None, ge=1, le=128)
