"""What every engine fills in where a request leaves its sampling open."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from swarm.types import SamplingParams

DEFAULTS: Mapping[str, float] = {
    "temperature": 0.8,
    "top_p": 0.95,
    "top_k": 40,
    "min_p": 0.05,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
}
"""llama.cpp's own defaults, for what neither the request nor the model's file says."""

REPETITION_WINDOW = 64
"""Tokens, prompt included, that the repetition penalty looks back on (llama.cpp's default)."""

PRESENCE_WINDOW = 4096
"""Generated tokens that the presence and frequency penalties look back on."""

SEEDS = 2**32 - 1
"""Seeds are below this: engines take 32 bits, and the highest value means a random seed to some."""

LEAST_TEMPERATURE = 1e-6
"""Below this temperature the likeliest token is taken: logits over much less leave the numbers of
32 bits, and what is drawn from those is noise."""


def temperature_of(params: SamplingParams) -> float:
    """The temperature to draw at; 0 where the likeliest token is taken. `params` are complete."""
    asked = params.temperature or 0.0
    return asked if asked >= LEAST_TEMPERATURE else 0.0


def bias_of(params: SamplingParams, ends: Callable[[], Iterable[int]]) -> dict[int, float]:
    """What is added to logits, by token: of the `ends` -inf, where they are to be ignored."""
    ignored = ends() if params.ignore_eos else ()
    return {**params.logit_bias, **dict.fromkeys(ignored, float("-inf"))}


def seed_of(params: SamplingParams, index: int) -> int:
    """The seed of a request's sequence `index`, counted on from the asked one, else a fresh one."""
    first = secrets.randbelow(SEEDS) if params.seed is None else params.seed
    return (first + index) % SEEDS


def with_defaults(params: SamplingParams, model: Mapping[str, float]) -> SamplingParams:
    """Fill what the request left open from the model's values, which are complete."""
    missing = {name: value for name, value in model.items() if getattr(params, name) is None}
    if "top_k" in missing:
        missing["top_k"] = int(missing["top_k"])
    return replace(params, **missing)  # pyright: ignore[reportArgumentType]
