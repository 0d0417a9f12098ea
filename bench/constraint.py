"""What a grammar costs while it holds: time per step of sequences with one and without.

The engine's own context and samplers in this process, ten tools with OpenCode's arguments. Twice:
in text before a call, where nearly every token is allowed, and in a required call, at first in
what the tool prescribes and then in its string. Each row of logits is sampled by both kinds of
sampler; their time is that of the thread, the step's the shortest tenth, so that other processes
matter little.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from swarm.engines.starting import ENGINE_ENVIRONMENT

os.environ.update(ENGINE_ENVIRONMENT)  # libgomp reads it once, when it is loaded

from bench.figures import parser, percentile, verdict
from bench.models import random_model, text
from bench.step import opened
from swarm.chat.formats.canonical import CANONICAL
from swarm.chat.grammar import grammar_of
from swarm.engines.llama.context import Context
from swarm.engines.llama.describe import DEFAULTS
from swarm.engines.llama.sampler import Sampler
from swarm.engines.sampling import with_defaults
from swarm.types import Constraint, Grammar, SamplingParams, ToolSpec

BAR = 1.05
WIDTHS = (1, 4)
STEPS = 64
ARGUMENTS = {
    "bash": "command timeout? workdir?",
    "edit": "filePath oldString newString",
    "glob": "pattern path?",
    "grep": "pattern path? include?",
    "read": "filePath offset? limit?",
    "skill": "name",
    "task": "description prompt",
    "todowrite": "todos",
    "webfetch": "url format? timeout?",
    "write": "content filePath",
}


def main() -> int:
    chosen = parser(__doc__, rounds=3).parse_args()
    context = opened(chosen.model or random_model())
    began = time.perf_counter()
    grammars = context.model.vocabulary.grammars
    print(f"vocabulary made ready for grammars: {1e3 * (time.perf_counter() - began):.0f} ms")
    began = time.perf_counter()
    grammars.ready(held("call"))
    print(f"a grammar of {len(ARGUMENTS)} tools: {1e3 * (time.perf_counter() - began):.1f} ms")
    met = [compared(context, where, width, chosen.rounds) for where in KINDS for width in WIDTHS]
    return not all(met)


def compared(context: Context, where: str, width: int, rounds: int) -> bool:
    runs = [generated(context, where, width, seed) for seed in range(rounds)]
    step = percentile([run.step_s for each in runs for run in each], 0.1)
    free = width * statistics.fmean(run.free_s for each in runs for run in each)
    bound = width * statistics.fmean(run.bound_s for each in runs for run in each)
    more_us = 1e6 * (bound - free) / width
    what = f"{width} in a {where}: step {1e3 * step:.1f} ms, {more_us:.0f} us more a token, ratio"
    return verdict(what, (step + bound) / (step + free), BAR)


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds of a step's computation, and of one token's sampling without and with a grammar."""

    step_s: float
    free_s: float
    bound_s: float


def generated(context: Context, where: str, width: int, seed: int) -> list[Step]:
    """Some steps of `width` sequences, which go on with what the grammar lets them say."""
    vocabulary = context.model.vocabulary
    prompt = vocabulary.tokenize(text(64, seed=seed))
    params = with_defaults(SamplingParams(seed=seed), DEFAULTS)
    beginning = vocabulary.grammars.ready(held(where))
    bound = [
        Sampler(vocabulary, params, prompt=prompt, index=at, bound=beginning.copy())
        for at in range(width)
    ]
    free = Sampler(vocabulary, params, prompt=prompt, index=0)
    pending = [prompt] * width
    steps: list[Step] = []
    for at in range(STEPS):
        context.batch.clear()
        start = 0 if at == 0 else len(prompt) + at - 1
        rows = [
            context.batch.add(tokens, slot=slot, start=start, want_logits=True)
            for slot, tokens in enumerate(pending)
        ]
        began = time.perf_counter()
        context.decode()
        context.logits(rows[0])[0]  # waits for the computation
        step_s = time.perf_counter() - began
        free_s = timed(lambda rows=rows: [free.sample(context, row) for row in rows])[0]
        bound_s, said = timed(
            lambda rows=rows: [s.sample(context, row) for s, row in zip(bound, rows, strict=True)]
        )
        pending = [[token] for token in said]
        if at:
            steps.append(Step(step_s, free_s / width, bound_s / width))
    for sampler in (*bound, free):
        sampler.close()
    for slot in range(width):
        context.clear(slot)
    return steps


def timed(act: Callable[[], list[int]]) -> tuple[float, list[int]]:
    """Seconds of this thread, and what it got."""
    began = time.thread_time()
    got = act()
    return time.thread_time() - began, got


KINDS = {"text": Constraint(), "call": Constraint(must_call=True)}


def held(where: str) -> Grammar:
    grammar = grammar_of(CANONICAL, TOOLS, KINDS[where], one_call=True, thinking="never")
    if grammar is None:
        raise ValueError("tools make a grammar")
    return grammar


def _tool(name: str, arguments: str) -> ToolSpec:
    names = arguments.split()
    schema = {
        "type": "object",
        "properties": {each.rstrip("?"): {"type": "string"} for each in names},
        "required": [each for each in names if not each.endswith("?")],
    }
    return ToolSpec(name, "", schema)


TOOLS = [_tool(name, arguments) for name, arguments in ARGUMENTS.items()]


if __name__ == "__main__":
    sys.exit(main())
