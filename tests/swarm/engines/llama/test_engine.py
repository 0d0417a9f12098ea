"""The engine in this process, on a tiny random model: what it shares and never mixes up."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from llama_cpp import ggml_abort_callback

from bench.models import Shape, random_model
from swarm.engines.base import Delta, Event, Finished, Started
from swarm.engines.llama import engine as engine_module
from swarm.engines.llama.engine import LlamaEngine, load
from swarm.engines.llama.options import LlamaOptions
from swarm.errors import ContextOverflow, InvalidRequest, ModelLoadFailed
from swarm.types import Grammar, Prompt, SamplingParams
from tests.swarm.engines.llama.options import options_for

TINY = Shape("random", 2, 64, 128, 2, 1, vocabulary=512, context_tokens=1024)
# Takes the likeliest, and each sequence for itself: at temperature 0 all of a prompt are one.
GREEDY = SamplingParams(temperature=1, top_k=1, max_tokens=24)

B = 3 + ord("b") - ord("!")
"""The token of the letter b: after three control tokens the printable bytes begin with `!`."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(TINY, folder=tmp_path_factory.mktemp("models"))


@pytest.fixture
def engine(tiny: Path) -> Iterator[LlamaEngine]:
    engine = load(options_for(tiny, sequences=16, chunk_tokens=64))
    yield engine
    engine.close()


@pytest.fixture
def narrow(tiny: Path) -> Iterator[LlamaEngine]:
    """An engine whose whole cache is one context of 512 tokens."""
    options = options_for(tiny, sequences=8, context_tokens=512, cells=512)
    engine = load(options)
    yield engine
    engine.close()


@dataclass
class Outcome:
    """What one request got, put together from its events."""

    texts: dict[int, str] = field(default_factory=dict)
    finished: dict[int, Finished] = field(default_factory=dict)
    started: Started | None = None
    steps: list[int] = field(default_factory=list)
    last_step: int = 0

    def take(self, event: Event, step: int) -> None:
        self.last_step = step
        match event:
            case Started():
                self.started = event
            case Delta(index, text):
                self.texts[index] = self.texts.get(index, "") + text
                self.steps.append(step)
            case Finished(index):
                self.finished[index] = event
            case _:
                pass


def run(engine: LlamaEngine, *prompts: Prompt, steps: int = 10_000) -> list[Outcome]:
    """Submit prompts together and step until all have ended, or that many times."""
    outcomes = {1000 + i: Outcome() for i in range(len(prompts))}
    for request_id, prompt in zip(outcomes, prompts, strict=True):
        engine.submit(request_id, prompt)
    step = 0
    while engine.busy and step < steps:
        for request_id, events in engine.step():
            for event in events:
                outcomes[request_id].take(event, step)
        step += 1
    return list(outcomes.values())


def tokens(count: int, *, start: int = 0) -> tuple[int, ...]:
    return tuple((start + 7 * i) % 500 for i in range(count))


def test_a_greedy_answer_is_the_same_alone_and_beside_others(engine):
    [alone] = run(engine, Prompt(tokens(100), GREEDY))
    together = run(engine, *(Prompt(tokens(100, start=s), GREEDY) for s in (0, 3, 5)))
    assert together[0].texts == alone.texts
    assert together[1].texts != alone.texts


def test_a_greedy_answer_is_the_same_from_a_warm_cache(engine):
    [cold] = run(engine, Prompt(tokens(200), GREEDY))
    [warm] = run(engine, Prompt(tokens(200), GREEDY))
    assert cold.started == Started(200, 0)
    assert warm.started == Started(200, 199)
    assert warm.texts == cold.texts


def test_the_next_turn_computes_only_what_is_new(engine):
    [first] = run(engine, Prompt(tokens(200), GREEDY))
    said = first.finished[0].completion_tokens
    [second] = run(engine, Prompt(tokens(200) + tokens(50, start=3), GREEDY))
    assert said == 24
    assert second.started == Started(250, 200)


def test_a_shared_beginning_is_computed_once_though_the_requests_come_together(engine):
    system = tokens(128)
    outcomes = run(engine, *(Prompt(system + tokens(20, start=s), GREEDY) for s in range(1, 5)))
    cached = sorted(o.started.cached_tokens for o in outcomes if o.started)
    assert cached[0] == 0
    assert all(count >= 127 for count in cached[1:])


@pytest.mark.parametrize("text", [" ", "7", "ba do "])
def test_a_text_far_beyond_the_context_is_refused_before_it_is_read_to_its_end(engine, text):
    with pytest.raises(ContextOverflow, match=r"at least \d+ tokens\) exceeds") as refused:
        engine.submit(1, Prompt(text * 400_000, GREEDY))
    assert refused.value.prompt_tokens < 20_000
    with pytest.raises(ContextOverflow, match="at least"):
        engine.embed(text * 400_000)
    assert engine.info.context_tokens < len(engine.tokenize(text * 400_000)) < 20_000


def test_a_text_that_is_a_little_too_long_is_counted_to_its_end(engine):
    with pytest.raises(ContextOverflow, match=r"request \(1501 tokens\)"):
        engine.submit(1, Prompt("7" * 1501, GREEDY))


def test_n_sequences_share_one_reading_of_the_prompt_and_differ_by_seed(engine):
    hot = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, min_p=0, seed=1)
    hot = replace(hot, max_tokens=12, ignore_eos=True)
    [outcome] = run(engine, Prompt(tokens(100), hot, n=8))
    assert set(outcome.finished) == set(range(8))
    assert len(set(outcome.texts.values())) == 8
    assert outcome.started == Started(100, 0)
    assert all(f.completion_tokens == 12 for f in outcome.finished.values())
    assert outcome.last_step == 100 // 64 + 11


def test_at_temperature_0_all_say_what_one_has_computed(engine):
    cold = SamplingParams(temperature=0, top_k=0, top_p=1.0, min_p=0, seed=1, max_tokens=12)
    cold = replace(cold, ignore_eos=True)
    [alone] = run(engine, Prompt(tokens(100), cold))
    mixed = Prompt(tokens(100), cold, n=4, temperatures=(0, 2, 0, 2))
    [outcome] = run(engine, mixed)
    assert outcome.texts[0] == outcome.texts[2] == alone.texts[0]
    assert len(set(outcome.texts.values())) == 3
    assert [outcome.finished[index].completion_tokens for index in range(4)] == [12] * 4
    engine.submit(1, mixed)
    running = 0
    while engine.busy:
        engine.step()
        running = max(running, engine.load().sequences)
    assert running == 3


def test_many_siblings_keep_nobody_else_out(engine):
    long = SamplingParams(temperature=1, max_tokens=200, ignore_eos=True)
    many, one = run(engine, Prompt(tokens(100), long, n=16), Prompt(tokens(90, start=2), GREEDY))
    assert one.last_step < 60
    assert set(many.finished) == set(range(16))


def test_the_same_seed_gives_the_same_text_from_a_cold_cache(tiny):
    hot = SamplingParams(temperature=1.2, seed=7, max_tokens=16)
    texts = []
    for _ in range(2):
        engine = load(options_for(tiny))
        texts.append(run(engine, Prompt(tokens(90), hot, n=3))[0].texts)
        engine.close()
    assert texts[0] == texts[1]


def test_the_highest_seed_draws_every_sequence_again(tiny):
    hot = SamplingParams(temperature=1.5, top_k=0, min_p=0, seed=2**32 - 2, max_tokens=12)
    texts = []
    for _ in range(2):
        engine = load(options_for(tiny))
        texts.append(run(engine, Prompt(tokens(90), hot, n=3))[0].texts)
        engine.close()
    assert texts[0] == texts[1]
    assert len(set(texts[0].values())) == 3


def test_a_cancelled_request_is_gone_before_the_next_step(engine):
    engine.submit(1, Prompt(tokens(500), GREEDY, n=4))
    engine.step()
    engine.cancel(1)
    assert not engine.busy
    assert engine.step() == []
    assert engine.load().sequences == 0


def test_cancelling_what_has_ended_or_never_was_does_nothing(engine):
    run(engine, Prompt(tokens(10), GREEDY))
    engine.cancel(1000)
    engine.cancel(4711)
    assert not engine.busy


def test_a_chunk_that_is_for_a_cancelled_request_is_cut_short(engine, monkeypatch):
    gone, other = Prompt("gone " * 150, GREEDY), Prompt("other", GREEDY)
    (alone,) = run(engine, other)
    interrupt_while_computing(engine, 7, monkeypatch)
    engine.submit(7, gone)
    assert engine.step() == []
    assert engine.step() == []  # nothing of the prompt has been read, however often it is tried
    monkeypatch.undo()
    engine.cancel(7)
    assert run(engine, other)[0].texts == alone.texts
    assert run(engine, gone)[0].finished


def test_a_chunk_that_serves_others_too_is_not_cut_short(engine, monkeypatch):
    engine.submit(7, Prompt("gone " * 150, GREEDY))
    engine.submit(8, Prompt("stay " * 150, GREEDY))
    interrupt_while_computing(engine, 7, monkeypatch)
    events = [events for _ in range(40) for events in engine.step()]
    assert {request_id for request_id, _ in events} == {7, 8}


def test_a_token_leaves_no_line_in_the_debug_log(engine, caplog):
    engine.submit(7, Prompt(tokens(10), replace(GREEDY, ignore_eos=True)))
    engine.step()
    engine.step()
    caplog.set_level("DEBUG")
    engine.step()
    assert caplog.text == ""


def interrupt_while_computing(engine: LlamaEngine, request_id: int, monkeypatch) -> None:
    """From now on a cancel of this request arrives in the middle of every computation."""
    context = engine._context

    def ask(_data: object) -> bool:
        engine.interrupt(request_id)
        return context._interrupted

    monkeypatch.setattr(context, "_asks_whether", ggml_abort_callback(ask))


def test_what_a_cancelled_request_had_read_serves_the_next(engine):
    engine.submit(1, Prompt(tokens(500), GREEDY))
    engine.step()
    engine.cancel(1)
    [outcome] = run(engine, Prompt(tokens(500), GREEDY))
    assert outcome.started == Started(500, 64)


def test_running_streams_go_on_in_every_step_while_a_long_prompt_is_read(engine):
    stream = replace(GREEDY, max_tokens=60)
    running, long = run(engine, Prompt(tokens(10), stream), Prompt(tokens(600, start=1), GREEDY))
    gaps = [b - a for a, b in zip(running.steps, running.steps[1:], strict=False)]
    assert max(gaps) == 1
    assert long.finished


def test_a_full_cache_forgets_what_was_idle_longest_and_goes_on(narrow):
    for start in range(6):
        [outcome] = run(narrow, Prompt(tokens(200, start=start), GREEDY))
        assert outcome.finished[0].completion_tokens == 24
    [outcome] = run(narrow, Prompt(tokens(200, start=0), GREEDY))
    assert outcome.started == Started(200, 0)
    [outcome] = run(narrow, Prompt(tokens(200, start=5), GREEDY))
    assert outcome.started
    assert outcome.started.cached_tokens == 199


def test_sequences_that_outgrow_the_cache_take_turns_and_lose_nothing(narrow):
    long = replace(GREEDY, max_tokens=200)
    alone = [run(narrow, Prompt(tokens(60, start=s), long))[0] for s in range(4)]
    together = run(narrow, *(Prompt(tokens(60, start=s), long) for s in range(4)))
    assert [o.finished[0].completion_tokens for o in together] == [200] * 4
    assert [o.texts for o in together] == [o.texts for o in alone]


def test_voters_that_outgrow_the_cache_all_finish(narrow):
    hot = SamplingParams(temperature=1.0, seed=3, max_tokens=150)
    [outcome] = run(narrow, Prompt(tokens(100), hot, n=6))
    assert {f.completion_tokens for f in outcome.finished.values()} == {150}


def test_the_end_of_the_context_ends_a_generation_with_length(narrow):
    [outcome] = run(narrow, Prompt(tokens(500), replace(GREEDY, max_tokens=None)))
    assert outcome.finished[0].reason == "length"
    assert outcome.finished[0].completion_tokens == 12


def test_a_prompt_as_long_as_the_context_is_refused_at_once(narrow):
    with pytest.raises(ContextOverflow, match="512 tokens"):
        narrow.submit(1, Prompt(tokens(512), GREEDY))
    assert not narrow.busy


@pytest.mark.parametrize(
    ("prompt", "words", "param"),
    [
        (Prompt("", GREEDY), "empty", "prompt"),
        (Prompt((1, 512), GREEDY), "0 to 511", "prompt"),
        (Prompt((1,), GREEDY, n=17), "1 to 16", "n"),
        (Prompt((1,), replace(GREEDY, logit_bias={999: 1.0})), "token 999", "logit_bias.999"),
        (Prompt((1,), GREEDY, grammar=Grammar("nonsense ::=")), "cannot be enforced", None),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(engine, prompt, words, param):
    with pytest.raises(InvalidRequest, match=words) as refused:
        engine.submit(1, prompt)
    assert refused.value.param == param
    assert not engine.busy


def test_a_bias_is_refused_before_anything_native_is_made(engine, monkeypatch):
    monkeypatch.delattr("llama_cpp.llama_sampler_chain_init")
    with pytest.raises(InvalidRequest, match="token 999"):
        engine.submit(1, Prompt((1,), replace(GREEDY, logit_bias={999: 1.0})))


def test_a_stop_string_ends_the_text_and_is_not_part_of_it(engine):
    [free] = run(engine, Prompt(tokens(50), GREEDY))
    text = free.texts[0]
    stop = text[7:9]
    [stopped] = run(engine, Prompt(tokens(50), replace(GREEDY, stop=(stop,))))
    assert stopped.texts[0] == text[: text.index(stop)]
    assert stopped.finished[0].reason == "stop"


def test_logprobs_come_with_their_text_and_add_up(engine):
    params = replace(GREEDY, max_tokens=3, top_logprobs=512)
    engine.submit(1, Prompt(tokens(20), params))
    entries = []
    while engine.busy:
        for _, events in engine.step():
            entries += [p for e in events if isinstance(e, Delta) for p in e.logprobs]
    assert len(entries) == 3
    for entry in entries:
        assert entry.logprob == entry.top[0].logprob
        assert sum(2.718281828**t.logprob for t in entry.top) == pytest.approx(1, abs=1e-3)


def test_a_bias_of_100_decides(engine):
    params = replace(GREEDY, max_tokens=5, logit_bias={B: 100.0})
    [outcome] = run(engine, Prompt(tokens(20), params))
    assert outcome.texts[0] == "b" * 5


@pytest.mark.parametrize("temperature", [1e-46, 1e-40, 1e-38, 1e-7])
def test_a_temperature_next_to_nothing_is_none(engine, temperature):
    loud = {B: 90.0, B + 1: 100.0, B + 2: 80.0}
    cold = SamplingParams(
        temperature=0, top_k=0, top_p=1.0, min_p=0, seed=1, max_tokens=5, logit_bias=loud
    )
    [outcome] = run(engine, Prompt(tokens(20), replace(cold, temperature=temperature), n=3))
    assert set(outcome.texts.values()) == {"c" * 5}


@pytest.mark.parametrize(
    "filtered", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}, {"typical_p": 1e-6}]
)
def test_a_filter_that_leaves_one_token_leaves_no_choice(engine, filtered):
    hot = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, min_p=0, seed=1, max_tokens=12)
    [free] = run(engine, Prompt(tokens(20), hot, n=3))
    assert len(set(free.texts.values())) == 3
    [outcome] = run(engine, Prompt(tokens(20), replace(hot, **filtered), n=3))
    assert len(set(outcome.texts.values())) == 1


def test_penalties_keep_a_token_from_coming_again(engine):
    biased = replace(GREEDY, max_tokens=2, logit_bias={B: 99.9, B + 1: 99.0})
    [outcome] = run(
        engine, Prompt(tokens(20), replace(biased, presence_penalty=2.0, frequency_penalty=2.0))
    )
    assert outcome.texts[0] == "bc"
    [outcome] = run(engine, Prompt((B,), replace(biased, max_tokens=1, repetition_penalty=2.0)))
    assert outcome.texts[0] == "c"


HOT = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, min_p=0, seed=5, max_tokens=20)
ANY = "BEGIN: /(?s:.*)/"


def test_a_grammar_bounds_what_each_sequence_says_and_ends_it(engine):
    grammar = Grammar(ANY + '\nstart: "y" /[0-9]{3}/')
    [bound, free] = run(
        engine,
        Prompt(tokens(20), HOT, n=4, grammar=grammar),
        Prompt(tokens(20), replace(HOT, ignore_eos=True)),
    )
    said = bound.texts.values()
    assert all(re.fullmatch("y[0-9]{3}", text) for text in said)
    assert len(set(said)) == 4
    assert {end.reason for end in bound.finished.values()} == {"stop"}
    assert len(free.texts[0]) > 4


def test_a_grammar_leaves_text_free_until_its_mark(engine):
    bias = {B: 99.0, B + 1: 99.0}  # of two letters every text soon holds the mark
    grammar = Grammar(ANY + '\nstart: PLAIN | upto_0 "!"', ("bcb",))
    [outcome] = run(
        engine, Prompt(tokens(20), replace(HOT, max_tokens=200, logit_bias=bias), grammar=grammar)
    )
    assert re.fullmatch("[bc]*?bcb!", outcome.texts[0])
    assert outcome.finished[0].reason == "stop"


def test_a_mark_that_is_a_control_token_is_shown_and_never_spelled(engine):
    grammar = Grammar(ANY + '\nstart: mark_0 "y"', ("<|im_start|>",))
    [outcome] = run(engine, Prompt(tokens(20), HOT, grammar=grammar))
    assert outcome.texts[0] == "<|im_start|>y"
    assert outcome.finished[0].completion_tokens == 2


def test_log_probabilities_are_the_models_own_under_a_grammar(engine):
    params = replace(GREEDY, max_tokens=1, top_logprobs=512)
    grammar = Grammar(ANY + '\nstart: "y"')
    engine.submit(1, Prompt(tokens(20), params, grammar=grammar))
    entries = []
    while engine.busy:
        for _, events in engine.step():
            entries += [p for e in events if isinstance(e, Delta) for p in e.logprobs]
    assert entries[0].token == "y"
    assert entries[0].logprob < -1
    assert sum(2.718281828**t.logprob for t in entries[0].top) == pytest.approx(1, abs=1e-3)


def test_a_memory_that_cannot_be_cut_is_computed_anew_and_says_the_same(tiny, monkeypatch):
    whole = load(options_for(tiny))
    [expected] = run(whole, Prompt(tokens(150), GREEDY))
    whole.close()
    described = engine_module.describe

    def uncuttable(*arguments, **named):
        return replace(described(*arguments, **named), prefix_cuttable=False)

    monkeypatch.setattr(engine_module, "describe", uncuttable)
    engine = load(options_for(tiny))
    run(engine, Prompt(tokens(150), GREEDY))
    [again] = run(engine, Prompt(tokens(150), GREEDY))
    assert again.started == Started(150, 0)
    assert again.texts == expected.texts
    engine.close()


def test_a_file_that_is_not_a_model_is_refused(tmp_path):
    with pytest.raises(ModelLoadFailed, match="no model file"):
        load(LlamaOptions(tmp_path / "missing.gguf", 512, 512, 0))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelLoadFailed, match="bad GGUF version"):
        load(LlamaOptions(broken, 512, 512, 0))


def test_the_model_describes_itself(engine):
    info = engine.info
    assert (info.name, info.architecture, info.vocabulary) == ("random", "llama", 512)
    assert info.context_tokens == info.trained_context_tokens == 1024
    assert info.chat_template
    assert info.eos_token == "<|im_end|>"
