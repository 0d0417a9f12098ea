"""Every error that the swarm raises on purpose; nothing here knows of HTTP.

SwarmError
├── ConfigurationError      the owner asked for something that cannot be
├── RequestError            the request is at fault; asking again unchanged is useless
│   ├── InvalidRequest      a field is wrong; `param` names it
│   ├── UnknownModel        no such model; `known` lists what there is
│   └── ContextOverflow     the prompt is longer than the model's context
│       └── FixedOverflow   so is what every request of its session repeats
├── EngineError             this node is at fault
│   ├── ModelLoadFailed     the model's file cannot be loaded
│   ├── GenerationFailed    the engine refused or broke off in the middle of its work
│   │   └── EngineLost      its process died or was ended; another one comes
│   └── EngineNotReady      it cannot answer yet or no longer: it loads, or ends
├── PeerError               another node is at fault, or the way to it
│   ├── PeerUnreachable     no connection
│   ├── PeerTimedOut        no connection in time, or silent for too long
│   │   └── PeerLate        not silent, but not done when the question's time was over
│   ├── PeerRefused         it answered with an error
│   ├── ProtocolMismatch    it speaks another version, or nonsense
│   └── UntrustedPeer       it could not prove that it belongs to this federation
├── ToolsUnavailable        the tools that the node's agent works with cannot be reached
└── Overloaded              too much at once; `retry_after_s` says when to come back

Of this tree, beside what raises them:

ConfigurationError
├── Unreachable             swarm/models/wanted.py: a model is not here and cannot be had
├── NoNodeError             api/own_node.py: nobody answers where a node is asked
└── SilentNodeError         api/own_node.py: something listens there and says nothing
GenerationFailed
└── KeyRefused              swarm/engines/upstream/hearing.py: the server wants another key
SwarmError
└── NodeRefusedError        api/own_node.py: what a node says of a request that it refuses
    └── KeyRefusedError     api/own_node.py: it wants a key, or another one
"""

from collections.abc import Generator
from contextlib import contextmanager

_SERVER_AT_FAULT = 500
"""HTTP's statuses from here on are no fault of the request."""


class SwarmError(Exception):
    """Anything that goes wrong in a way that we foresaw."""


class ConfigurationError(SwarmError):
    """A flag, a setting or the machine makes it impossible to start as asked."""


class RequestError(SwarmError):
    """The request itself cannot be served."""


class InvalidRequest(RequestError):
    """One field of the request is wrong; `param` is its path, such as `messages[0].role`."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class UnknownModel(RequestError):
    """The model id is not served here."""

    def __init__(self, model: str, known: tuple[str, ...]) -> None:
        super().__init__(f"the model {model!r} does not exist here; there is {', '.join(known)}")
        self.model = model
        self.known = known


class ContextOverflow(RequestError):
    """The prompt does not fit the model's context; known before anything is generated.

    `at_least`: it was counted only so far, and may be longer. `param` is the request's field that
    it was made of, where that is not its messages.
    """

    def __init__(self, prompt_tokens: int, context_tokens: int, at_least: bool = False) -> None:
        super().__init__(prompt_tokens, context_tokens, at_least)
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens
        self.param = "messages"
        self.at_least = at_least

    def __str__(self) -> str:
        """In the words of llama-server and of OpenAI, by which clients know it."""
        told, context = "at least " * self.at_least, self.context_tokens
        return (
            f"request ({told}{self.prompt_tokens} tokens) exceeds the available context size "
            f"({context} tokens). This model's maximum context length is {context} tokens"
        )


class FixedOverflow(ContextOverflow):
    """What a client repeats in every request of a session does not fit by itself.

    It is told in other words: a client that knows an overflow by them compacts its conversation
    and asks again, which would never end. `about`: its tokens are an estimate. `may_cut`: the
    model is given it in full, as its owner wants it, and would read less of it in the compact form.
    """

    def __init__(
        self,
        prompt_tokens: int,
        context_tokens: int,
        at_least: bool = False,
        *,
        about: bool = False,
        may_cut: bool = False,
    ) -> None:
        super().__init__(prompt_tokens, context_tokens, at_least)
        self.about = about
        self.may_cut = may_cut

    def __str__(self) -> str:
        told = "about " if self.about else "at least " * self.at_least
        cut = "; with --prompt auto it reads less of them" * self.may_cut
        return (
            "the instructions and tools that every request repeats are "
            f"{told}{self.prompt_tokens} tokens, and the model reads {self.context_tokens} here: "
            "shorten the instructions (AGENTS.md), offer fewer tools, or serve a model that reads "
            f"more (--ctx, --model){cut}"
        )


class EngineError(SwarmError):
    """The engine could not do its work."""


class ModelLoadFailed(EngineError):
    """The model's file is missing, damaged or too large for this machine."""


class GenerationFailed(EngineError):
    """The engine failed during a generation."""


class EngineLost(GenerationFailed):
    """The engine's process is gone; `retry_after_s` is an estimate in seconds."""

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineNotReady(EngineError):
    """The engine is loading its model; `retry_after_s` is an estimate in seconds."""

    def __init__(self, message: str, *, retry_after_s: int = 2) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ToolsUnavailable(SwarmError):
    """The tool server that runs the agent's tools does not answer."""


class Overloaded(SwarmError):
    """The queue is full; `retry_after_s` is an estimate in seconds."""

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PeerError(SwarmError):
    """Another node could not do its part; the request goes on without it."""


class PeerUnreachable(PeerError):
    """No connection to the peer, or it broke off."""


class PeerTimedOut(PeerError):
    """The peer did not answer in time."""


class PeerLate(PeerTimedOut):
    """The peer lived all the while; the time that the question had was too short for it."""


class PeerRefused(PeerError):
    """The peer answered with an error; `status` is HTTP's."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ProtocolMismatch(PeerError):
    """The peer speaks another version of the protocol, or what it says is not of it."""


class UntrustedPeer(PeerError):
    """TLS failed: the other side is not of this federation, or not who it should be."""


def to_tell(error: SwarmError, failure: SwarmError | None) -> SwarmError:
    """What is told where all fail: the request's own fault, else that somebody is only busy, else
    what passes, else that a model is too small for what is repeated, else the last failure.
    """
    if failure is None:
        return error
    rank, other = _rank(error), _rank(failure)
    if rank == other:
        return error if isinstance(error, RequestError | Overloaded) else failure
    return error if rank > other else failure


def _rank(error: SwarmError) -> int:
    """What is told before others, in any order that they come in, has the higher one."""
    match error:
        case FixedOverflow():
            return 1  # not the request's fault where another model, which reads more, may answer
        case RequestError():
            return 4
        case Overloaded():
            return 3
        case EngineNotReady() | EngineLost() | PeerUnreachable() | PeerTimedOut():
            return 2
        case PeerRefused(status=status) if status >= _SERVER_AT_FAULT:
            return 2
        case _:
            return 0


@contextmanager
def in_words(what: str, advice: str) -> Generator[None]:
    """What the system refuses in the block, in words. Raises ConfigurationError."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{what}: {error.strerror or error}; {advice}") from error
