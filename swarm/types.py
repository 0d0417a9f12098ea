"""The values that flow through a swarm: frozen, free of I/O, the same on every path."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]
CUT: frozenset[FinishReason] = frozenset({"length", "content_filter"})
"""The reasons of answers that have ended although there would be more of them."""

DecidedBy: TypeAlias = Literal[
    "only one",
    "unanimous",
    "majority",
    "statistical",
    "quorum",
    "all",
    "first",
    "best",
    "leader",
    "judge",
    "deadline",
    "none valid",
]
Check: TypeAlias = Callable[[str], str | None]
"""What is wrong with the JSON text of a call's arguments, or of an answer, or None."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool that the model may call; `parameters` is its JSON schema.

    `strict`: its asker counts on it that no call breaks the schema.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call as a model made it; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `content` is text, parts are already joined."""

    role: str
    content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How one sequence picks its tokens. None: the model's own value, then the engine's.

    `max_tokens` None means until the context is full. `seed` None draws a fresh one.
    `top_logprobs` None reports no log probabilities, 0 only those of the chosen tokens.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict[int, float])
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an answer is held to, whichever model gives it and in whichever format.

    `must_call`: it is a tool call. `tools`: where some are named, no others may be called.
    `schema`: JSON text of the schema that an answer of text satisfies.
    """

    must_call: bool = False
    tools: tuple[str, ...] = ()
    schema: str | None = None

    def callable_of(self, offered: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
        """Those of the offered tools that may be called."""
        return tuple(tool for tool in offered if not self.tools or tool.name in self.tools)


@dataclass(frozen=True, slots=True)
class Grammar:
    """What a completion may be, for an engine: llguidance's dialect of Lark.

    `marks` are texts that may be tokens of their own; control tokens among them are shown. `lark`
    defines the terminal BEGIN, what a text may begin with; the engine adds PLAIN, such text
    without any mark, and for the i-th mark the rules `mark_<i>`, and `upto_<i>`: text, then it, the
    first of all marks. `until_<i>_<low>_<high>` is any text of that many characters, `inf` for no
    bound, then that mark, the first of its kind.
    """

    lark: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A conversation put to the swarm, before any model's template has made a prompt of it.

    `model` is the id as the client wrote it. `one_call`: calls after the first are dropped.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: SamplingParams
    tools: tuple[ToolSpec, ...] = ()
    template_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    one_call: bool = False
    constraint: Constraint = Constraint()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked, ready for an engine: text with special tokens, or token ids.

    `temperatures`, where given, are those of the `n` sequences; else all have `sampling`'s.
    """

    text: str | tuple[int, ...]
    sampling: SamplingParams
    n: int = 1
    temperatures: tuple[float, ...] = ()
    grammar: Grammar | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token's text and bytes with its natural log probability, and its best rivals'."""

    token: str
    utf8: bytes
    logprob: float
    top: tuple["TokenLogprob", ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One worker's completed answer, offered to the vote; never changed, never spliced.

    `voter` is unique within a request. `text` is without reasoning and calls. `stopped`: a stop
    string of the asker's cut it before it was what was asked for. `beside`: its engine itself tells
    its calls apart from the text.
    """

    voter: str
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    finish: FinishReason = "stop"
    tokens: int = 0
    seconds: float = 0.0
    stopped: bool = False
    beside: bool = False

    @property
    def cut(self) -> bool:
        """Whether there would be more of it."""
        return self.stopped or self.finish in CUT


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What became of one voter: `why` is said of those whose answer does not count."""

    voter: str
    model: str
    state: str
    tokens: int
    tokens_per_s: float
    weight: float = 1.0
    why: str | None = None


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step of an answer for which the node ran tools: how it was decided, what it called."""

    decided_by: DecidedBy
    winner: str
    support: float
    tokens: int
    generated_tokens: int
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The winner's numbers. `support` and `margin` are shares of all counted weight.

    `tokens_per_s` is the winner's tokens over the whole time, the vote included; `generated_tokens`
    are those of all voters, of a judge and of a worker that was asked again. `note` says what the
    asker should know, such as fewer voters. `steps` are those of the node's agent, the last one
    among them; other answers have none.
    """

    strategy: str
    decided_by: DecidedBy
    winner: str
    asked: int
    valid: int
    abstained: int
    cancelled: int
    support: float
    margin: float
    tokens_per_s: float
    generated_tokens: int
    workers: tuple[WorkerReport, ...]
    note: str | None = None
    steps: tuple[StepReport, ...] = ()
