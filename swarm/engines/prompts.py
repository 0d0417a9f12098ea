"""How long prompts may be, and whether an engine can run one, before anything is computed."""

from collections.abc import Callable, Sequence

from swarm.engines.base import ModelInfo
from swarm.errors import ContextOverflow, InvalidRequest
from swarm.types import Prompt

_COUNTED_BEYOND = 8192


def most_counted(context_tokens: int) -> int:
    """So many tokens of a text are counted: further ones only say again that it does not fit."""
    return context_tokens + _COUNTED_BEYOND


def overflow(tokens: int, context_tokens: int) -> ContextOverflow:
    """The error of a text with so many tokens, of which `most_counted` and some were counted."""
    return ContextOverflow(tokens, context_tokens, tokens > most_counted(context_tokens))


def checked_tokens(
    prompt: Prompt, info: ModelInfo, tokenize: Callable[[str], list[int]]
) -> list[int]:
    """The prompt's token ids. Raises InvalidRequest, or ContextOverflow with the figures."""
    text = prompt.text
    tokens = tokenize(text) if isinstance(text, str) else list(text)
    check_prompt(tokens, prompt.n, info)
    return tokens


def check_prompt(tokens: Sequence[int], n: int, info: ModelInfo) -> None:
    """Raise InvalidRequest, or ContextOverflow with the figures, for what cannot be generated."""
    if not info.generates:
        raise InvalidRequest(f"{info.name} makes embeddings only, no text", param="model")
    if not 1 <= n <= info.max_sequences:
        raise InvalidRequest(
            f"n is {n}; this node generates 1 to {info.max_sequences} at once", param="n"
        )
    if not tokens:
        raise InvalidRequest("the prompt is empty; it needs at least one token", param="prompt")
    if not all(0 <= token < info.vocabulary for token in tokens):
        message = f"token ids of this model are 0 to {info.vocabulary - 1}"
        raise InvalidRequest(message, param="prompt")
    if len(tokens) >= info.context_tokens:
        raise overflow(len(tokens), info.context_tokens)
