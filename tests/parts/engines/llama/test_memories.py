"""Models whose memory is not, or not only, full attention: voters, prefix cache, cancellation.

Whatever happened before, a greedy answer is the one that a lone context gives.
"""

import itertools
import logging
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import llama_cpp
import numpy as np
import pytest

from swarm.engines.base import Started
from swarm.engines.llama.bindings import Model, start_backend
from swarm.engines.llama.context import Context
from swarm.engines.llama.engine import LlamaEngine, load
from swarm.engines.text import TextStream
from swarm.engines.tokens import token_array
from swarm.models.header import read_header
from swarm.types import Prompt, SamplingParams
from tests.swarm.engines.llama.memories import FIRST_WORD, KINDS, VOCABULARY, WINDOW
from tests.swarm.engines.llama.options import options_for
from tests.swarm.engines.llama.test_engine import run

SAID = 24
# Takes the likeliest, and each sequence for itself: at temperature 0 all of a prompt are one.
GREEDY = SamplingParams(temperature=1, top_k=1, max_tokens=SAID)
CLEAR = 0.03
"""Logits that are farther apart than this are not confused by rounding."""

HOT = SamplingParams(temperature=1.5, seed=3, max_tokens=SAID)


@dataclass
class Case:
    """A model of one kind: an engine of it, and what it says alone."""

    engine: LlamaEngine
    path: Path

    def text(self, ids: list[int]) -> str:
        stream = TextStream()
        return "".join(stream.feed(self.engine._model.vocabulary.piece(i)).text for i in ids)

    def alone(self, prompt: tuple[int, ...]) -> str:
        return self.text(plainly(self.path, prompt)[0])

    def clear(self, count: int, start: int, before: tuple[int, ...] = ()) -> tuple[int, ...]:
        """A prompt, `count` words after those before, whose answer is no matter of rounding."""
        prompts = ((*before, *tokens(count, start=start + 97 * at)) for at in itertools.count())
        return next(prompt for prompt in prompts if plainly(self.path, prompt)[1] > CLEAR)


@pytest.fixture(scope="module", params=KINDS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("memories") / "model.gguf"
    KINDS[request.param](path)
    return path


@pytest.fixture
def case(path: Path) -> Iterator[Case]:
    engine = load(options_for(path, sequences=8, chunk_tokens=48))
    yield Case(engine, path)
    engine.close()


def tokens(count: int, *, start: int = 0) -> tuple[int, ...]:
    words = VOCABULARY - FIRST_WORD
    return tuple(FIRST_WORD + (start + 7 * i + i * i % 11) % words for i in range(count))


def plainly(path: Path, prompt: tuple[int, ...]) -> tuple[list[int], float]:
    """The greedy tokens of a context with one sequence, by llama.cpp's own calls.

    With them the least distance of a best logit to the next: rounding differs with the batch.
    """
    start_backend()
    model = Model(path, gpu_layers=0)
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = 1024, 512, 512
    parameters.n_threads = parameters.n_threads_batch = 1
    context = llama_cpp.llama_init_from_model(model.handle, parameters)
    said: list[int] = []
    least = math.inf
    fed = list(prompt)
    while len(said) < SAID:
        array = (llama_cpp.llama_token * len(fed))(*fed)
        assert llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(fed))) == 0
        pointer = llama_cpp.llama_get_logits_ith(context, -1)
        logits = np.ctypeslib.as_array(pointer, (VOCABULARY,))
        second, first = np.sort(logits)[-2:]
        least = min(least, float(first - second))
        said.append(int(np.argmax(logits)))
        fed = said[-1:]
    llama_cpp.llama_free(context)
    model.close()
    return said, least


@pytest.mark.parametrize("flash", [True, False])
def test_a_cache_takes_what_the_header_lets_expect(
    path: Path, caplog: pytest.LogCaptureFixture, flash: bool
) -> None:
    cells = 4096
    caplog.set_level(logging.DEBUG)
    start_backend()
    model = Model(path, gpu_layers=0)
    options = options_for(path, flash_attention=flash)
    context = Context(model, options, cells=cells, slots=8)
    said = re.findall(r" KV buffer size = +([\d.]+) MiB", caplog.text)
    expected = read_header(path).shape.cell_bytes("f16", flash=flash)
    assert sum(map(float, said)) * (1 << 20) / cells == pytest.approx(expected, abs=1)
    context.close()
    model.close()


def test_answers_beside_others_are_those_of_a_lone_context(case: Case) -> None:
    prompts = [case.clear(length, start=length) for length in (150, 90, 7)]
    expected = [case.alone(prompt) for prompt in prompts]
    assert len(set(expected)) == 3
    outcomes = run(case.engine, *(Prompt(prompt, GREEDY) for prompt in prompts))
    assert [outcome.texts[0] for outcome in outcomes] == expected


def test_the_models_are_such_that_an_earlier_token_matters(case: Case) -> None:
    before, after = tokens(50, start=1), tokens(WINDOW // 2, start=3)
    said = {case.alone((*before, FIRST_WORD + number, *after)) for number in (100, 200)}
    assert len(said) == 2


def test_voters_read_the_prompt_once_and_go_on_each_for_itself(case: Case) -> None:
    prompt = case.clear(100, start=0)
    (greedy,) = run(case.engine, Prompt(prompt, GREEDY, n=4))
    assert set(greedy.texts.values()) == {case.alone(prompt)}
    assert greedy.started == Started(100, 0)
    (hot,) = run(case.engine, Prompt(prompt, HOT, n=4))
    assert len(set(hot.texts.values())) == 4
    (again,) = run(case.engine, Prompt(prompt, GREEDY, n=4))
    assert set(again.texts.values()) == {case.alone(prompt)}


def test_the_next_turn_goes_on_from_the_last_and_says_the_same(case: Case) -> None:
    first = case.clear(120, start=1)
    said, _ = plainly(case.path, first)
    run(case.engine, Prompt(first, GREEDY, n=3))
    second = case.clear(20, start=5, before=(*first, *said))
    (outcome,) = run(case.engine, Prompt(second, GREEDY))
    assert outcome.started
    assert outcome.started.cached_tokens >= 120 + SAID - 1
    assert outcome.texts[0] == case.alone(second)


def test_a_turn_that_is_asked_for_again_goes_on_from_the_one_before(case: Case) -> None:
    first = case.clear(120, start=1)
    said, _ = plainly(case.path, first)
    run(case.engine, Prompt(first, GREEDY))
    second = case.clear(20, start=5, before=(*first, *said))
    run(case.engine, Prompt(second, GREEDY))
    (again,) = run(case.engine, Prompt(second, GREEDY))
    assert again.started
    assert again.started.cached_tokens >= 120
    assert again.texts[0] == case.alone(second)


def test_the_next_turn_may_go_on_with_an_answer_that_was_given_elsewhere(case: Case) -> None:
    first = case.clear(120, start=1)
    for _ in range(2):
        run(case.engine, Prompt(first, HOT, n=3))
    second = case.clear(30, start=6, before=first)
    (outcome,) = run(case.engine, Prompt(second, GREEDY, n=2))
    assert outcome.started == Started(150, 120)
    assert set(outcome.texts.values()) == {case.alone(second)}


def test_another_ending_of_a_known_beginning_is_not_confused(case: Case) -> None:
    beginning = tokens(100)
    run(case.engine, Prompt((*beginning, *tokens(30, start=2)), GREEDY, n=2))
    other = case.clear(40, start=9, before=beginning)
    (outcome,) = run(case.engine, Prompt(other, GREEDY))
    assert outcome.texts[0] == case.alone(other)
    (same,) = run(case.engine, Prompt(other, GREEDY))
    assert same.texts[0] == case.alone(other)


def test_a_cancelled_request_leaves_nothing_wrong_behind(case: Case) -> None:
    prompt = case.clear(140, start=4)
    for steps in (1, 2, 5):
        case.engine.submit(1, Prompt(prompt, HOT, n=3))
        for _ in range(steps):
            case.engine.step()
        case.engine.cancel(1)
        (outcome,) = run(case.engine, Prompt(prompt, GREEDY, n=2))
        assert set(outcome.texts.values()) == {case.alone(prompt)}
    assert case.engine.load().sequences == 0


def test_more_conversations_than_slots_push_each_other_out(case: Case) -> None:
    prompts = [case.clear(60, start=11 * number) for number in range(14)]
    expected = [case.alone(prompt) for prompt in prompts]
    for _ in range(2):
        outcomes = run(case.engine, *(Prompt(prompt, GREEDY, n=2) for prompt in prompts))
        assert [set(outcome.texts.values()) for outcome in outcomes] == [{e} for e in expected]


@pytest.fixture
def narrow(path: Path) -> Iterator[Case]:
    """An engine whose whole cache is one context: who comes takes the cells of who was there."""
    engine = load(options_for(path, sequences=8, context_tokens=1024, cells=1024, chunk_tokens=48))
    yield Case(engine, path)
    engine.close()


def evening(narrow: Case) -> tuple[int, ...]:
    """A conversation of two turns among others, that looked at its end only since; its tokens."""
    first = tokens(500, start=1)
    second = (*first, *plainly(narrow.path, first)[0], *tokens(3, start=77))
    ask = partial(run, narrow.engine)
    ask(Prompt(tokens(200, start=300), GREEDY))
    ask(Prompt(first, GREEDY))
    for count, start in ((300, 40), (250, 123), (150, 400), (100, 211), (60, 17)):
        ask(Prompt(tokens(count, start=start), GREEDY))
        ask(Prompt(second, GREEDY))
    return second


def test_a_branch_of_a_conversation_whose_cells_others_took_is_not_guessed(narrow: Case) -> None:
    before = evening(narrow)
    for length in (20, 100, 300, 450, 499):
        branch = narrow.clear(10, start=9, before=before[:length])
        (outcome,) = run(narrow.engine, Prompt(branch, GREEDY))
        assert outcome.texts[0] == narrow.alone(branch), length


def test_what_a_match_promises_is_in_the_cache(narrow: Case) -> None:
    before = evening(narrow)
    table, context = narrow.engine._cache._table, narrow.engine._context
    cuttable = narrow.engine.info.prefix_cuttable
    for length in range(1, len(before), 7):
        match = table.match(token_array(before[: length + 1]), cuttable=cuttable)
        if match and cuttable:
            first = llama_cpp.llama_memory_seq_pos_min(context._memory, match.slot.id)
            assert 0 <= first <= max(0, match.length - WINDOW + 1)


def test_a_window_is_whole_as_long_as_its_conversation_is_kept(narrow: Case) -> None:
    evening(narrow)
    memory, table = narrow.engine._context._memory, narrow.engine._cache._table
    if narrow.engine.info.prefix_cuttable:
        firsts = {llama_cpp.llama_memory_seq_pos_min(memory, slot.id) for slot in table.idle}
        assert firsts == {0}


def test_sequences_that_outgrow_the_cache_take_turns(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = options_for(path, sequences=4, context_tokens=256, cells=256, kv_type="f32")
    engine = load(options)
    case = Case(engine, path)
    prompts = [case.clear(100, start=start) for start in range(4)]
    outcomes = run(engine, *(Prompt(prompt, GREEDY) for prompt in prompts))
    assert [o.texts[0] for o in outcomes] == [case.alone(prompt) for prompt in prompts]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    engine.close()
