"""A thousand random tools and a model with random weights: what it calls by itself is valid."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from jsonschema.validators import validator_for

from bench.models import Shape, random_model
from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import CompletionParser
from swarm.chat.formats.format import Format
from swarm.chat.formats.table import FORMATS
from swarm.chat.grammar import grammar_of, unenforced
from swarm.engines.base import Delta, Finished
from swarm.engines.llama.engine import LlamaEngine, load
from swarm.types import Constraint, FinishReason, Prompt, SamplingParams, ToolSpec
from tests.schemas import Schema, parameters
from tests.swarm.engines.llama.options import options_for

TINY = Shape("random", 2, 64, 128, 2, 1, vocabulary=512, context_tokens=1024)
HOT = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, min_p=0, max_tokens=600)
NAMES = st.sampled_from(["read", "büro", "a_b", "a.b-c"])
SCHEMAS = 1000
EACH = math.ceil(SCHEMAS / len(FORMATS))
"""This many schemas are tried with a call in each format; those that are refused do not count."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaEngine]:
    folder = tmp_path_factory.mktemp("models")
    engine = load(options_for(random_model(TINY, folder=folder)))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def seen() -> Counter[str]:
    return Counter()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_every_call_that_ends_by_itself_is_valid(
    engine: LlamaEngine, seen: Counter[str], form: Format
) -> None:
    @settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(parameters(), NAMES, st.integers(0, 2**31))
    def one(schema: Schema, name: str, seed: int) -> None:
        try:
            left = unenforced(schema) or not form.holds(ToolSpec(name, "", schema))
        except ValueError:
            reject()  # a 400: no call is asked for
        outcome = called(engine, form, ToolSpec(name, "", schema), seed)
        if outcome is None:
            seen["cut"] += 1
            return
        assert outcome[0] == name
        problem = next(validator_for(schema)(schema).iter_errors(json.loads(outcome[1])), None)
        seen["valid" if problem is None else "checked after"] += 1
        assert problem is None or left, (schema, outcome[1])

    one()
    print(form.name, dict(seen))
    assert seen.total() >= EACH
    # Random thoughts are often cut before the call begins.
    assert seen["valid"] > seen.total() / (10 if form.own_reasoning else 4)
    seen.clear()


def called(engine: LlamaEngine, form: Format, tool: ToolSpec, seed: int) -> tuple[str, str] | None:
    """Name and arguments of the one call, None if it was cut."""
    wish = Constraint(must_call=True)
    grammar = grammar_of(form, [tool], wish, one_call=True, thinking="never")
    sampling = replace(HOT, seed=seed)
    engine.submit(1, Prompt((5, 6, 7), sampling, grammar=grammar))
    parser = CompletionParser(form.parser([tool]), own_reasoning=form.own_reasoning)
    pieces: list[object] = []
    reason: FinishReason = "length"
    while engine.busy:
        for _, events in engine.step():
            for event in events:
                if isinstance(event, Delta):
                    pieces += parser.feed(event.text)
                if isinstance(event, Finished):
                    reason = event.reason
    rest, told = parser.finish(reason)
    pieces += rest
    if reason != "stop":
        return None
    if told == "length":  # where its marks cannot hold a name, the call that has it is told as cut
        assert not form.holds(tool)
        return None
    (call,) = [piece for piece in pieces if isinstance(piece, Call)]
    more = "".join(piece.text for piece in pieces if isinstance(piece, Arguments))
    return call.name, call.arguments + more
