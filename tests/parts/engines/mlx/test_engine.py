"""The engine in this process on the bundled model: what mlx-lm's batches share and never mix up."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from swarm.engines.base import Delta, Event, Finished, Started
from swarm.engines.text import TextStream
from swarm.errors import ConfigurationError, InvalidRequest, ModelLoadFailed
from swarm.models.header import read_header
from swarm.models.local import bundled_model
from swarm.types import Grammar, Prompt, SamplingParams, TokenLogprob

pytestmark = pytest.mark.needs("mlx")

# Takes the likeliest, and each sequence for itself: at temperature 0 all of a prompt are one.
GREEDY = SamplingParams(temperature=1, top_k=1, max_tokens=12, ignore_eos=True)
HOT = SamplingParams(
    temperature=1.5, top_k=0, top_p=1.0, min_p=0, seed=1, max_tokens=8, ignore_eos=True
)
LAYERS = read_header(bundled_model().path).shape.layers
TOKEN_BYTES = LAYERS * 2 * 256 * 4
"""What a token takes in the cache of the bundled model: keys and values of all layers."""

QUESTIONS = (
    "Who are you?",
    "What can you do?",
    "Say hello.",
    "Repeat the number 7.",
    "What is 45 - 18?",
    "Please repeat: the castle is red.",
    "Write JSON with the key name and value Ada.",
)


@dataclass
class Outcome:
    """What one request got, put together from its events."""

    texts: dict[int, str] = field(default_factory=dict)
    finished: dict[int, Finished] = field(default_factory=dict)
    started: Started | None = None
    logprobs: list[TokenLogprob] = field(default_factory=list)

    def take(self, event: Event) -> None:
        match event:
            case Started():
                assert self.started is None
                self.started = event
            case Delta(index, text, _, logprobs):
                self.texts[index] = self.texts.get(index, "") + text
                self.logprobs += logprobs
            case Finished(index):
                self.finished[index] = event
            case _:
                pass


def run(engine: Any, *prompts: Prompt, watch: Callable[[], None] = lambda: None) -> list[Outcome]:
    """Submit prompts together and step until all have ended; `watch` is called after each step."""
    outcomes = {1000 + i: Outcome() for i in range(len(prompts))}
    for request_id, prompt in zip(outcomes, prompts, strict=True):
        engine.submit(request_id, prompt)
    while engine.busy:
        for request_id, events in engine.step():
            for event in events:
                outcomes[request_id].take(event)
        watch()
    return list(outcomes.values())


def chat(question: str) -> str:
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


def tokens(count: int, *, start: int = 0) -> tuple[int, ...]:
    return tuple(20 + (start + 7 * i) % 900 for i in range(count))


@pytest.fixture(scope="module")
def theirs() -> Iterator[Any]:
    """The same model by llama.cpp."""
    from swarm.engines.llama.engine import load
    from swarm.models.local import bundled_model
    from tests.swarm.engines.llama.options import options_for

    engine = load(options_for(bundled_model().path))
    yield engine
    engine.close()


@pytest.fixture
def engine(started):
    return started()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_greedy_answer_is_llama_cpps_up_to_the_first_near_tie(engine, theirs, question):
    params = replace(GREEDY, ignore_eos=False, top_logprobs=4)
    [[our], [other]] = [run(each, Prompt(chat(question), params)) for each in (engine, theirs)]
    assert our.logprobs
    for one, two in zip(our.logprobs, other.logprobs, strict=False):
        if one.token != two.token:
            # llama.cpp rounds activations to eight bits, MLX does not: only that may decide.
            rival = next(rival for rival in two.top if rival.token == one.token)
            assert two.logprob - rival.logprob < 0.4
            return
        assert one.logprob == pytest.approx(two.logprob, abs=0.4)
    assert our.texts == other.texts


def test_a_greedy_answer_is_the_same_alone_and_beside_others(engine):
    [alone] = run(engine, Prompt(tokens(70), GREEDY))
    together = run(engine, *(Prompt(tokens(70, start=s), GREEDY) for s in (0, 3, 5)))
    assert together[0].texts == alone.texts
    assert together[1].texts != alone.texts


def test_the_next_turn_computes_only_what_is_new(engine):
    prompt = Prompt(tokens(60), GREEDY)
    [first] = run(engine, prompt)
    [again] = run(engine, prompt)
    [other] = run(engine, Prompt(tokens(60) + tokens(20, start=3), GREEDY))
    assert first.started == Started(60, 0)
    assert again.started == Started(60, 59)
    assert other.started == Started(80, 60)
    assert again.texts == first.texts


def test_n_sequences_share_one_reading_of_the_prompt_and_differ_by_seed(engine):
    [outcome] = run(engine, Prompt(tokens(80), HOT, n=6))
    assert set(outcome.finished) == set(range(6))
    assert len(set(outcome.texts.values())) == 6
    assert outcome.started == Started(80, 0)
    assert all(f.completion_tokens == 8 for f in outcome.finished.values())


def test_a_voter_says_what_it_would_say_alone(engine):
    [together] = run(engine, Prompt(tokens(40), HOT, n=3))
    [alone] = run(engine, Prompt(tokens(40), replace(HOT, seed=3)))
    assert together.texts[2] == alone.texts[0]


def test_a_cancelled_request_is_gone_and_what_it_had_read_serves_the_next(started):
    engine = started(chunk_tokens=64)
    engine.submit(1, Prompt(tokens(200), GREEDY, n=4))
    engine.step()
    engine.cancel(1)
    engine.cancel(4711)
    assert not engine.busy
    assert engine.load().sequences == 0
    [outcome] = run(engine, Prompt(tokens(200), GREEDY))
    assert outcome.started == Started(200, 64)


def test_voters_that_are_not_needed_any_more_leave_while_others_go_on(engine):
    [alone] = run(engine, Prompt(tokens(30), GREEDY))
    engine.submit(1, Prompt(tokens(50, start=1), HOT, n=4))
    engine.submit(2, Prompt(tokens(30), GREEDY))
    outcome = Outcome()
    for step in range(100):
        if step == 4:
            engine.cancel(1)
        for request_id, events in engine.step():
            for event in events if request_id == 2 else []:
                outcome.take(event)
    assert outcome.texts == alone.texts


def test_sequences_that_outgrow_the_memory_take_turns_and_lose_nothing(started):
    prompt = Prompt(tokens(190), replace(GREEDY, max_tokens=80))
    [alone] = run(started(), prompt)
    engine = started(memory_bytes=600 * TOKEN_BYTES)  # two sequences of 256 tokens, not of 512
    sequences: list[int] = []
    outcomes = run(engine, prompt, prompt, watch=lambda: sequences.append(engine.load().sequences))
    assert [outcome.texts for outcome in outcomes] == [alone.texts] * 2
    assert max(sequences) == 2
    assert sequences.count(1) > 10  # one of them stepped back before its end


def test_a_sequence_that_stepped_back_goes_on_where_it_was_in_its_grammar(started):
    grammar = Grammar("BEGIN: /(?s:.*)/\nstart: /([0-9] ){39}[0-9]/")
    prompt = Prompt(tokens(190), replace(HOT, max_tokens=200, ignore_eos=False), grammar=grammar)
    [alone] = run(started(), prompt)
    engine = started(memory_bytes=600 * TOKEN_BYTES)
    sequences: list[int] = []
    outcomes = run(engine, prompt, prompt, watch=lambda: sequences.append(engine.load().sequences))
    assert re.fullmatch("([0-9] ){39}[0-9]", alone.texts[0])
    assert [outcome.texts for outcome in outcomes] == [alone.texts] * 2
    assert sequences.count(1) > 1  # one of them stepped back before its end


def test_voters_that_do_not_fit_beside_each_other_answer_one_after_the_other(started):
    prompt = Prompt(tokens(100), replace(GREEDY, max_tokens=6), n=3)
    [outcome] = run(started(memory_bytes=300 * TOKEN_BYTES), prompt)
    assert set(outcome.finished) == {0, 1, 2}
    assert len(set(outcome.texts.values())) == 1
    assert all(finished.completion_tokens == 6 for finished in outcome.finished.values())


def test_more_requests_than_places_wait_their_turn(started):
    engine = started(sequences=4)
    for request_id in range(3):
        engine.submit(request_id, Prompt(tokens(10, start=request_id), GREEDY, n=3))
    engine.step()
    load = engine.load()
    assert (load.running, load.waiting, load.sequences) == (1, 2, 3)
    ended = {
        request_id
        for _ in range(80)
        for request_id, events in engine.step()
        if any(isinstance(event, Finished) for event in events)
    }
    assert ended == {0, 1, 2}


def test_a_stop_string_ends_the_text_and_is_not_part_of_it(engine):
    [free] = run(engine, Prompt(chat("Who are you?"), GREEDY))
    text = free.texts[0]
    stop = text[7:9]
    [stopped] = run(engine, Prompt(chat("Who are you?"), replace(GREEDY, stop=(stop,))))
    assert stopped.texts[0] == text[: text.index(stop)]
    assert stopped.finished[0].reason == "stop"


def test_logprobs_are_the_models_own_whatever_bends_the_choice(engine):
    wanted = replace(GREEDY, max_tokens=3, top_logprobs=1024)
    [free] = run(engine, Prompt(chat("Say hello."), wanted))
    token = engine.tokenize("x")[0]
    [bent] = run(engine, Prompt(chat("Say hello."), replace(wanted, logit_bias={token: 100.0})))
    assert bent.texts[0] == "xxx"
    assert bent.logprobs[0].top[0] == free.logprobs[0].top[0]
    for entry in (*free.logprobs, *bent.logprobs):
        assert sum(2.718281828**rival.logprob for rival in entry.top) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("penalty", "at"),
    [
        ({"repetition_penalty": 1.5}, 0),
        ({"presence_penalty": 2.0}, 1),
        ({"frequency_penalty": 2.0}, 1),
    ],
    ids=str,
)
def test_logprobs_are_the_models_own_before_a_penalty_alone(engine, penalty, at):
    wanted = replace(GREEDY, max_tokens=2, top_logprobs=4, ignore_eos=False)
    [free] = run(engine, Prompt(chat("Say hello."), wanted))
    [bent] = run(engine, Prompt(chat("Say hello."), replace(wanted, **penalty)))
    assert bent.logprobs[at].top == free.logprobs[at].top


def test_penalties_keep_a_token_from_coming_again(engine):
    b = engine.tokenize("b")[0]
    biased = replace(GREEDY, max_tokens=2, logit_bias={b: 300.0, b + 1: 250.0})
    penalised = replace(biased, presence_penalty=60.0, frequency_penalty=60.0)
    [outcome] = run(engine, Prompt(tokens(20), penalised))
    assert outcome.texts[0] == "bc"
    [outcome] = run(engine, Prompt((b,), replace(biased, max_tokens=1, repetition_penalty=2.0)))
    assert outcome.texts[0] == "c"


@pytest.mark.parametrize("temperature", [1e-46, 1e-40, 1e-38, 1e-7])
def test_a_temperature_next_to_nothing_is_none(engine, temperature):
    [greedy] = run(engine, Prompt(tokens(20), replace(HOT, temperature=0)))
    [outcome] = run(engine, Prompt(tokens(20), replace(HOT, temperature=temperature), n=3))
    assert set(outcome.texts.values()) == {greedy.texts[0]}


@pytest.mark.parametrize(
    "filtered", [{"top_k": 1}, {"top_p": 1e-6}, {"top_p": 0.0}, {"min_p": 1.0}, {"typical_p": 1e-6}]
)
def test_a_filter_that_leaves_one_token_leaves_no_choice(engine, filtered):
    params = replace(HOT, **filtered)
    [outcome] = run(engine, Prompt(tokens(20), params, n=3))
    assert len(set(outcome.texts.values())) == 1


def test_typical_sampling_keeps_what_surprises_as_expected():
    import mlx.core as mx

    from swarm.engines.mlx.sampler import typical

    probabilities = mx.array([[0.5, 0.25, 0.125, 0.125]])
    kept = typical(mx.log(probabilities), 0.3)
    # The entropy is 1.75 bits: the second token (2 bits) is nearest, then the first (1 bit).
    assert mx.isfinite(kept).tolist() == [[True, True, False, False]]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (Prompt("", GREEDY), "empty"),
        (Prompt((1, 1024), GREEDY), "0 to 1023"),
        (Prompt((1,), GREEDY, n=33), "1 to 32"),
        (Prompt((1,), replace(GREEDY, logit_bias={9999: 1.0})), "token 9999"),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(engine, prompt, words):
    with pytest.raises(InvalidRequest, match=words):
        engine.submit(1, prompt)
    assert not engine.busy


def test_a_context_that_does_not_fit_is_refused_with_the_figures(started):
    with pytest.raises(ConfigurationError, match=f"at most {10_000_000 // TOKEN_BYTES} tokens"):
        started(memory_bytes=10_000_000, context_tokens=4096)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("tokenizer.json", None, "no tokenizer.json"),
        ("config.json", "{", "cannot be read"),
        ("config.json", '{"model_type": "nonsense"}', "nonsense not supported"),
        ("model.safetensors", "damaged", "cannot be loaded"),
    ],
)
def test_a_folder_that_is_not_a_model_is_refused(started, nano, tmp_path, file, content, words):
    broken = tmp_path / "broken"
    shutil.copytree(nano, broken)
    (broken / file).unlink()
    if content is not None:
        (broken / file).write_text(content)
    with pytest.raises(ModelLoadFailed, match=words):
        started(broken)


def test_the_model_describes_itself(engine):
    info = engine.info
    assert (info.name, info.architecture, info.vocabulary) == ("swarm-nano", "llama", 1024)
    assert info.description == "llama 7.0M 8-bit"
    assert info.context_tokens == info.trained_context_tokens == 4096
    assert info.chat_template
    assert info.eos_token == "<|im_end|>"
    assert info.sampling["temperature"] == pytest.approx(0.2)


@pytest.fixture(params=["sliding window", "recurrent", "hybrid"])
def other_memory(request, nano, tmp_path) -> Path:
    """A model whose memory is not, or not only, full attention."""
    shutil.copytree(nano, tmp_path / "model")
    {"sliding window": window, "recurrent": mamba, "hybrid": hybrid}[request.param](
        tmp_path / "model"
    )
    return tmp_path / "model"


def window(folder: Path) -> None:
    """The bundled model, every second layer of which sees 32 tokens only."""
    config = json.loads((folder / "config.json").read_text())
    kinds = (["full_attention", "sliding_attention"] * LAYERS)[:LAYERS]
    config |= {"layer_types": kinds, "sliding_window": 32}
    (folder / "config.json").write_text(json.dumps(config))


def test_a_prompt_within_a_window_that_its_answer_leaves_is_read_once(started, nano, tmp_path):
    shutil.copytree(nano, tmp_path / "model")
    window(tmp_path / "model")
    engine = started(tmp_path / "model")
    prompt = Prompt(tokens(28), GREEDY)
    [first] = run(engine, prompt)
    [again] = run(engine, prompt)
    assert again.started == Started(28, 27)
    assert again.texts == first.texts


END = 2
"""The token that ends a turn of the bundled model."""
SIZES = {"vocab_size": 1024, "hidden_size": 32, "num_hidden_layers": 2, "eos_token_id": END}


def mamba(folder: Path) -> None:
    write_random(
        folder,
        SIZES
        | {"model_type": "mamba", "intermediate_size": 64, "state_size": 8, "conv_kernel": 4}
        | {"use_bias": False, "use_conv_bias": True, "time_step_rank": 4},
    )


def hybrid(folder: Path) -> None:
    write_random(
        folder,
        SIZES
        | {"model_type": "lfm2", "num_attention_heads": 4, "num_key_value_heads": 2}
        | {"max_position_embeddings": 4096, "norm_eps": 1e-5, "conv_bias": False, "conv_L_cache": 3}
        | {"block_dim": 32, "block_ff_dim": 64, "block_multiple_of": 8, "full_attn_idxs": [1]}
        | {"block_ffn_dim_multiplier": 1.0, "block_auto_adjust_ff_dim": False, "rope_theta": 1e4},
    )


def write_random(folder: Path, config: dict[str, Any]) -> None:
    """Weights by seed, loud enough that the tokens before make a difference."""
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.utils import _get_classes

    network, arguments = _get_classes(config)
    mx.random.seed(5)
    parameters = dict(tree_flatten(network(arguments.from_dict(config)).parameters()))
    loud = {
        n: a + 0.3 * mx.random.normal(a.shape) if a.ndim > 1 else a for n, a in parameters.items()
    }
    mx.save_safetensors(str(folder / "model.safetensors"), loud)
    (folder / "config.json").write_text(json.dumps(config))


def plainly(folder: Path, prompt: tuple[int, ...], count: int) -> list[int]:
    """The tokens of mlx-lm's own single generation, without the one that ends a turn."""
    import mlx.core as mx
    from mlx_lm.generate import generate_step
    from mlx_lm.utils import load_model

    model, _ = load_model(folder)
    end = mx.arange(1024) == END

    def endless(_: Any, logits: Any) -> Any:
        return mx.where(end, -mx.inf, logits)

    steps = generate_step(mx.array(prompt), model, max_tokens=count, logits_processors=[endless])
    return [int(token) for token, _ in steps]


def test_other_memories_say_what_they_say_alone(started, other_memory):
    engine = started(other_memory, chunk_tokens=32)
    lengths = (50, 90, 7)
    prompts = [tokens(length, start=length) for length in lengths]
    plain = [text(engine, plainly(other_memory, prompt, 12)) for prompt in prompts]
    assert len(set(plain)) == 3

    def answers(n: int) -> list[set[str]]:
        outcomes = run(engine, *(Prompt(prompt, GREEDY, n=n) for prompt in prompts))
        return [set(outcome.texts.values()) for outcome in outcomes]

    expected = [{said} for said in plain]
    assert answers(1) == expected
    assert answers(3) == expected  # now from the cache
    engine.submit(1, Prompt(tokens(90, start=4), HOT, n=2))
    engine.step()
    engine.cancel(1)
    assert answers(2) == expected


def text(engine: Any, ids: list[int]) -> str:
    stream = TextStream()
    return "".join(stream.feed(engine._model.vocabulary.piece(token)).text for token in ids)
