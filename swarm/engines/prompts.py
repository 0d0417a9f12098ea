"""How long prompts may be, and whether an engine can run one, before anything is computed."""

from collections.abc import Callable, Sequence

from swarm.engines.base import ModelInfo
from swarm.errors import ContextOverflow, InvalidRequest
from swarm.types import Prompt

_COUNTED_BEYOND = 8192
_MOST_ANSWER = 8192


def most_counted(context_tokens: int) -> int:
    """At most this many tokens of a text are counted: more only say again that it does not fit."""
    return context_tokens + _COUNTED_BEYOND


def answer_tokens(context_tokens: int) -> int:
    """The longest answer that a client should ask for; OpenCode compacts when the rest is full."""
    return min(_MOST_ANSWER, context_tokens // 4)


def overflow(tokens: int, context_tokens: int) -> ContextOverflow:
    """The error of a text with that many tokens, of which `most_counted` and some were counted."""
    return ContextOverflow(tokens, context_tokens, tokens > most_counted(context_tokens))


def check_request(prompt: Prompt, info: ModelInfo) -> None:
    """Raise InvalidRequest for what this model cannot do, as far as no tokenizer is needed."""
    if not info.generates:
        raise InvalidRequest(f"{info.name} makes embeddings only, no text", param="model")
    if not 1 <= prompt.n <= info.max_sequences:
        raise InvalidRequest(
            f"n is {prompt.n}; this node generates 1 to {info.max_sequences} at once", param="n"
        )
    if not isinstance(prompt.text, str):
        _check_ids(prompt.text, info)
    for token in prompt.sampling.logit_bias:
        if not 0 <= token < info.vocabulary:
            raise _no_token("logit_bias", token, info, param=f"logit_bias.{token}")


def checked_tokens(
    prompt: Prompt, info: ModelInfo, tokenize: Callable[[str], list[int]]
) -> list[int]:
    """The prompt's token ids. Raises InvalidRequest, or ContextOverflow with the figures."""
    check_request(prompt, info)
    text = prompt.text
    tokens = tokenize(text) if isinstance(text, str) else list(text)
    check_tokens(tokens, info)
    return tokens


def check_tokens(tokens: Sequence[int], info: ModelInfo) -> None:
    """Raise InvalidRequest, or ContextOverflow with the figures, for a prompt of such tokens."""
    if not tokens:
        raise InvalidRequest("the prompt is empty; it needs at least one token", param="prompt")
    _check_ids(tokens, info)
    if len(tokens) >= info.context_tokens:
        raise overflow(len(tokens), info.context_tokens)


def _check_ids(tokens: Sequence[int], info: ModelInfo) -> None:
    if tokens and not 0 <= min(tokens) <= max(tokens) < info.vocabulary:
        wrong = min(tokens) if min(tokens) < 0 else max(tokens)
        raise _no_token("the prompt", wrong, info, param="prompt")


def _no_token(what: str, token: int, info: ModelInfo, *, param: str) -> InvalidRequest:
    message = f"{what} names token {token}, but this model's are 0 to {info.vocabulary - 1}"
    return InvalidRequest(message, param=param)
