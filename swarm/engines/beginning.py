"""What the sequences of a prompt begin with: the same for every engine here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from swarm.engines.base import ModelInfo
from swarm.engines.grammar import Bound, Grammars
from swarm.engines.sampling import temperature_of, with_defaults
from swarm.engines.telling import Pieces, Speech, Telling
from swarm.engines.text import TextStream
from swarm.types import Prompt, SamplingParams


@dataclass(frozen=True, slots=True)
class Beginning:
    """A sequence before its first token: that of `indices`, which all say the same.

    `params` are complete, `limit` bounds its completion.
    """

    indices: tuple[int, ...]
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
    """What is to be computed for a checked prompt: one sequence for all at temperature 0, which
    draw nothing, and one for each of the others. Raises InvalidRequest where its grammar is none.

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
    each = [replace(complete, temperature=temperature) for temperature in temperatures]
    return [
        Beginning(
            indices,
            each[indices[0]],
            bound and bound.copy(),
            Speech(telling, indices, pieces, TextStream(complete.stop)),
            limit,
        )
        for indices in _alike(each)
    ]


def _alike(each: Sequence[SamplingParams]) -> list[tuple[int, ...]]:
    """The sequences by what they will say, as far as that is sure."""
    sure = tuple(index for index, params in enumerate(each) if not temperature_of(params))
    drawn = [(index,) for index, params in enumerate(each) if temperature_of(params)]
    return sorted([sure, *drawn] if sure else drawn)
