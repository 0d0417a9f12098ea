"""What the sequences of a prompt begin with: the same for every engine here."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from swarm.engines.base import ModelInfo
from swarm.engines.grammar import Bound, Grammars
from swarm.engines.sampling import with_defaults
from swarm.engines.telling import Pieces, Speech, Telling
from swarm.engines.text import TextStream
from swarm.types import Prompt, SamplingParams


@dataclass(frozen=True, slots=True)
class Beginning:
    """One sequence before its first token; `params` are complete, `limit` bounds its completion."""

    index: int
    params: SamplingParams
    bound: Bound | None
    speech: Speech
    limit: int


def beginnings(
    prompt: Prompt,
    info: ModelInfo,
    telling: Telling,
    *,
    pieces: Pieces,
    grammars: Callable[[], Grammars],
) -> list[Beginning]:
    """Every sequence of a checked prompt. Raises InvalidRequest where its grammar is none.

    `grammars` are made when the first prompt has one: half a second's work.
    """
    bound = None
    if prompt.grammar is not None:
        telling.shown = grammars().shown(prompt.grammar)
        bound = grammars().ready(prompt.grammar)
    room = info.context_tokens - telling.prompt_tokens
    most = prompt.sampling.max_tokens
    limit = room if most is None else max(1, min(room, most))
    complete = with_defaults(prompt.sampling, info.sampling)
    temperatures = prompt.temperatures or (complete.temperature,) * prompt.n
    return [
        Beginning(
            index,
            replace(complete, temperature=temperatures[index]),
            bound and bound.copy(),
            Speech(telling, index, pieces, TextStream(complete.stop)),
            limit,
        )
        for index in range(prompt.n)
    ]
