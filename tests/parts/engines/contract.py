"""What any engine must do, whatever computes behind it: subclass and provide `engine`.

Written for the bundled model; nothing here knows which engine runs it.
"""

import asyncio
import json
import re
import time
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import pytest

from swarm.engines.base import Accepted, Delta, Engine, Failed, Finished, Started
from swarm.errors import ContextOverflow, InvalidRequest
from swarm.types import Grammar, Prompt, SamplingParams, TokenLogprob
from tests.waiting import PATIENCE_S

GREEDY = SamplingParams(temperature=0, max_tokens=16)
ENDLESS = SamplingParams(temperature=1, ignore_eos=True, seed=1)


@dataclass
class Answer:
    """Everything that one generation said."""

    accepted: Accepted | None = None
    started: Started | None = None
    texts: dict[int, str] = field(default_factory=dict)
    finished: dict[int, Finished] = field(default_factory=dict)
    failed: dict[int, Failed] = field(default_factory=dict)
    logprobs: list[TokenLogprob] = field(default_factory=list)


async def ask(engine: Engine, prompt: Prompt) -> Answer:
    answer = Answer()
    async for events in engine.generate(prompt):
        for event in events:
            match event:
                case Accepted():
                    answer.accepted = event
                case Started():
                    answer.started = event
                case Delta(index, text, tokens, logprobs, reasoning, calls):
                    assert text or reasoning or calls or tokens
                    assert index not in answer.finished
                    answer.texts[index] = answer.texts.get(index, "") + text
                    answer.logprobs += logprobs
                case Finished(index):
                    assert index not in answer.finished
                    answer.finished[index] = event
                case Failed(index):
                    assert index not in answer.finished
                    answer.failed[index] = event
    return answer


async def until_idle(engine: Engine) -> None:
    while (await engine.load()).sequences:  # noqa: ASYNC110 - the engine has no event for it
        await asyncio.sleep(0.01)


def chat(question: str) -> str:
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


class EngineContract:
    """The contract; each method is one sentence of it."""

    async def test_a_generation_is_accepted_started_and_finished(self, engine: Engine):
        answer = await ask(engine, Prompt(chat("Who are you?"), GREEDY))
        assert answer.accepted
        assert answer.started
        assert answer.accepted.prompt_tokens == answer.started.prompt_tokens > 4
        assert answer.texts[0]
        assert answer.finished[0].completion_tokens > 0

    async def test_temperature_0_says_the_same_every_time(self, engine: Engine):
        prompt = Prompt(chat("What can you do?"), GREEDY)
        assert (await ask(engine, prompt)).texts == (await ask(engine, prompt)).texts

    async def test_at_temperature_0_all_sequences_say_the_same(self, engine: Engine):
        answer = await ask(engine, Prompt(chat("What can you do?"), GREEDY, n=3))
        assert set(answer.finished) == {0, 1, 2}
        assert len(set(answer.texts.values())) == 1

    async def test_n_sequences_are_numbered_and_all_finish(self, engine: Engine):
        params = SamplingParams(temperature=1.0, seed=3, max_tokens=8)
        answer = await ask(engine, Prompt(chat("Say hello."), params, n=4))
        assert set(answer.finished) == {0, 1, 2, 3}

    async def test_different_seeds_differ(self, engine: Engine):
        params = SamplingParams(
            temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, seed=3, max_tokens=24, ignore_eos=True
        )
        answer = await ask(engine, Prompt(chat("Say hello."), params, n=4))
        assert len(set(answer.texts.values())) > 1

    async def test_max_tokens_ends_with_length(self, engine: Engine):
        params = SamplingParams(temperature=1, ignore_eos=True, max_tokens=5)
        answer = await ask(engine, Prompt("a b c", params))
        assert answer.finished[0].reason == "length"
        assert answer.finished[0].completion_tokens == 5

    async def test_the_end_of_the_context_ends_with_length(self, engine: Engine):
        word = await engine.tokenize("a")
        room = engine.info.context_tokens
        prompt = Prompt(tuple(word[-1:] * (room - 8)), SamplingParams(ignore_eos=True))
        answer = await ask(engine, prompt)
        assert answer.finished[0].reason == "length"
        assert answer.finished[0].completion_tokens == 8

    async def test_a_prompt_beyond_the_context_is_refused_before_anything_is_said(
        self, engine: Engine
    ):
        word = await engine.tokenize("a")
        room = engine.info.context_tokens
        with pytest.raises(ContextOverflow) as refused:
            await ask(engine, Prompt(tuple(word[-1:] * room), GREEDY))
        assert refused.value.prompt_tokens == refused.value.context_tokens == room

    async def test_a_stop_string_is_never_shown(self, engine: Engine):
        whole = await ask(engine, Prompt(chat("Who are you?"), GREEDY))
        text = whole.texts[0]
        stop = text[len(text) // 2 :][:2]
        params = SamplingParams(temperature=0, max_tokens=16, stop=(stop,))
        answer = await ask(engine, Prompt(chat("Who are you?"), params))
        assert answer.texts.get(0, "") == text[: text.index(stop)]
        assert answer.finished[0].reason == "stop"

    async def test_logprobs_end_where_a_stop_string_ends_the_text(self, engine: Engine):
        params = SamplingParams(temperature=0, max_tokens=16, top_logprobs=0)
        whole = await ask(engine, Prompt(chat("Who are you?"), params))
        stop = "".join(entry.token for entry in whole.logprobs[4:7])
        answer = await ask(engine, Prompt(chat("Who are you?"), replace(params, stop=(stop,))))
        tokens = [entry.token for entry in answer.logprobs]
        assert "".join(tokens).startswith(answer.texts[0])
        assert len("".join(tokens[:-1])) < len(answer.texts[0])

    async def test_logprobs_are_there_for_every_token_when_asked_for(self, engine: Engine):
        params = SamplingParams(temperature=0, max_tokens=6, top_logprobs=3)
        answer = await ask(engine, Prompt(chat("Who are you?"), params))
        assert len(answer.logprobs) == answer.finished[0].completion_tokens
        assert all(len(entry.top) == 3 and entry.logprob <= 0 for entry in answer.logprobs)
        assert "".join(entry.token for entry in answer.logprobs) == answer.texts[0]

    async def test_a_repeated_prompt_is_read_from_the_cache(self, engine: Engine):
        prompt = Prompt(chat("Count from one to ten, please, and then stop."), GREEDY)
        await ask(engine, prompt)
        again = await ask(engine, prompt)
        assert again.started
        assert again.started.cached_tokens == again.started.prompt_tokens - 1

    async def test_a_bias_forces_and_forbids(self, engine: Engine):
        token = (await engine.tokenize("a"))[-1]
        forced = SamplingParams(temperature=0, max_tokens=3, logit_bias={token: 100.0})
        assert (await ask(engine, Prompt("x", forced))).texts[0].count("a") == 3

    async def test_a_closed_generation_frees_its_sequences_within_a_second(self, engine: Engine):
        """In one of a few tries: a busy neighbour lengthens some."""

        async def freed_s() -> float:
            async with aclosing(engine.generate(Prompt(chat("Go on."), ENDLESS, n=4))) as events:
                async for step in events:
                    if any(isinstance(event, Delta) for event in step):
                        break
            began = time.monotonic()
            async with asyncio.timeout(PATIENCE_S):
                await until_idle(engine)
            return time.monotonic() - began

        assert min([await freed_s(), await freed_s(), await freed_s()]) < 1

    async def test_many_at_once_each_get_their_own_answer(self, engine: Engine):
        questions = [f"Repeat the number {n}." for n in range(12)]
        alone = [await ask(engine, Prompt(chat(q), GREEDY)) for q in questions[:3]]
        together = await asyncio.gather(*(ask(engine, Prompt(chat(q), GREEDY)) for q in questions))
        assert [a.texts for a in together[:3]] == [a.texts for a in alone]
        assert all(a.finished for a in together)

    async def test_what_cannot_be_done_is_refused_by_name(self, engine: Engine):
        with pytest.raises(InvalidRequest):
            await ask(engine, Prompt("", GREEDY))
        with pytest.raises(InvalidRequest):
            await ask(engine, Prompt("a", GREEDY, n=engine.info.max_sequences + 1))

    async def test_text_survives_the_tokenizer(self, engine: Engine):
        text = "naïve 🦙 漢字\n\tif x: {'a': 1}"
        assert len(await engine.tokenize(text)) >= 10


ANY = "BEGIN: /(?s:.*)/\n"
HOT = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, seed=5, max_tokens=24)


class GrammarContract:
    """What an engine must do besides, if it says that it holds grammars."""

    async def test_it_says_that_it_holds_them(self, engine: Engine):
        assert engine.info.holds_grammars

    async def test_a_grammar_bounds_what_each_sequence_says_and_ends_it(self, engine: Engine):
        grammar = Grammar(ANY + 'start: "y" /[0-9]{6}/')
        bound, free = await asyncio.gather(
            ask(engine, Prompt(chat("Say hello."), HOT, n=4, grammar=grammar)),
            ask(engine, Prompt(chat("Say hello."), HOT)),
        )
        assert all(re.fullmatch("y[0-9]{6}", text) for text in bound.texts.values())
        assert len(set(bound.texts.values())) > 1
        assert {end.reason for end in bound.finished.values()} == {"stop"}
        assert not re.fullmatch("y[0-9]{6}", free.texts[0])

    async def test_the_end_is_allowed_only_where_the_grammar_may_end(self, engine: Engine):
        grammar = Grammar(ANY + "start: /[a-z]{3,5}/")
        answer = await ask(engine, Prompt(chat("Say hello."), HOT, n=4, grammar=grammar))
        assert all(re.fullmatch("[a-z]{3,5}", text) for text in answer.texts.values())

    async def test_text_is_free_until_a_mark(self, engine: Engine):
        letters = [(await engine.tokenize(letter))[-1] for letter in "bc"]
        bias = dict.fromkeys(letters, 99.0)  # of two letters every text soon holds the mark
        params = replace(HOT, temperature=5.0, logit_bias=bias, max_tokens=200)
        grammar = Grammar(ANY + 'start: PLAIN | upto_0 "!"', ("bcb",))
        answer = await ask(engine, Prompt(chat("Go on."), params, grammar=grammar))
        assert re.fullmatch("[bc]*?bcb!", answer.texts[0])
        assert answer.finished[0].reason == "stop"

    async def test_a_mark_that_is_a_control_token_is_shown(self, engine: Engine):
        grammar = Grammar(ANY + 'start: mark_0 "y"', ("<|im_start|>",))
        answer = await ask(engine, Prompt(chat("Go on."), HOT, grammar=grammar))
        assert answer.texts[0] == "<|im_start|>y"
        assert answer.finished[0].completion_tokens == 2

    async def test_a_schema_is_kept_to(self, engine: Engine):
        schema = (
            '{"type": "object", "properties": {"a": {"type": "integer"}, '
            '"b": {"enum": ["x", "y"]}}, "required": ["a", "b"], "additionalProperties": false}'
        )
        grammar = Grammar(ANY + f"start: %json {schema}")
        params = replace(HOT, max_tokens=120)
        answer = await ask(engine, Prompt(chat("Write JSON."), params, n=3, grammar=grammar))
        assert all(text.lstrip().startswith("{") for text in answer.texts.values())
        for index, end in answer.finished.items():
            if end.reason == "stop":
                value = json.loads(answer.texts[index])
                assert isinstance(value["a"], int)
                assert value["b"] in ("x", "y")

    async def test_log_probabilities_are_the_models_own_under_a_grammar(self, engine: Engine):
        params = SamplingParams(temperature=0, max_tokens=1, top_logprobs=3)
        grammar = Grammar(ANY + 'start: "y"')
        answer = await ask(engine, Prompt(chat("Who are you?"), params, grammar=grammar))
        [entry] = answer.logprobs
        assert entry.token == "y"
        assert entry.token not in {rival.token for rival in entry.top}

    async def test_what_is_no_grammar_is_refused(self, engine: Engine):
        with pytest.raises(InvalidRequest, match="cannot be enforced"):
            await ask(engine, Prompt("a", GREEDY, grammar=Grammar("nonsense ::=")))
