"""The training data's promises: reproducible by seed, evaluation apart from training."""

import json
from itertools import pairwise

import pytest

from training.data import far, opencode, sums
from training.data.acts import quoted
from training.data.feed import IGNORED, Encoder
from training.data.source import Source
from training.evaluate import interval, made_calls, right, turns
from training.render import load_template
from training.stages import MIX, STAGES
from training.tokenizer import Tokenizer

MAKERS = list(dict.fromkeys(maker for stage in STAGES for maker in stage.feed.mix))


@pytest.mark.parametrize("maker", MAKERS, ids=lambda m: f"{m.__module__}.{m.__name__}")
def test_the_same_seed_gives_the_same_conversations(maker):
    first, second = Source(11, held_out=False), Source(11, held_out=False)
    assert [maker(first) for _ in range(5)] == [maker(second) for _ in range(5)]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda m: f"{m.__module__}.{m.__name__}")
def test_every_conversation_has_something_to_learn_and_ends_with_the_assistant(maker):
    source, encode = Source(3, held_out=False), Encoder()
    for _ in range(5):
        conversation = maker(source)
        assert conversation.messages[-1]["role"] == "assistant"
        row = encode(conversation)
        assert len(row.ids) == len(row.targets)
        assert any(target != IGNORED for target in row.targets)


def test_words_of_the_evaluation_are_never_trained_on():
    trained, held_out = Source(0, held_out=False), Source(0, held_out=True)
    for name in ("things", "first_names", "surnames", "cities", "stems", "rare", "sentences"):
        assert not set(getattr(trained, name)) & set(getattr(held_out, name))


def test_training_shows_every_token_of_letters():
    source, tokenizer = Source(0, held_out=False), Tokenizer.load()
    shown = {token for _ in range(20_000) for token in tokenizer.encode(source.word())}
    missing = [piece for piece in source.pieces if tokenizer.ids[piece] not in shown]
    assert len(missing) < len(source.pieces) / 50


def test_phrasings_of_the_evaluation_are_never_trained_on():
    trained, held_out = Source(0, held_out=False), Source(0, held_out=True)
    seen = {trained.phrase(sums.PLUS) for _ in range(500)}
    kept = {held_out.phrase(sums.PLUS) for _ in range(500)}
    assert kept
    assert not seen & kept


def test_sums_of_the_evaluation_are_never_trained_on():
    trained = Source(1, held_out=False)
    held_out = Source(1, held_out=True)
    seen = {frozenset(sums.operands(trained, 2, 2)) for _ in range(3000)}
    kept = {frozenset(sums.operands(held_out, 2, 2)) for _ in range(3000)}
    assert not {pair for pair in seen & kept if max(pair) > 9}


def test_a_capital_never_changes_what_a_call_must_repeat():
    source = Source(6, held_out=False)
    for ask in ("todo.h: replace a with b", "~/notes.md please", "x1 to y"):
        assert {opencode.sentence(source, ask, block=True) for _ in range(50)} <= {
            ask,
            opencode.as_argument(ask),
        }
    assert {opencode.sentence(source, "read a.py", block=True)[0] for _ in range(50)} >= {"r", "R"}


def test_what_is_asked_to_be_edited_can_be_read_first():
    source = Source(7, held_out=False)
    for _ in range(200):
        source.brief = source.chance(0.5)
        names, _ = opencode.toolbox(source)
        assert "edit" not in names or "read" in names


def test_values_without_quotes_end_where_the_sentence_shows_it():
    source = Source(9, held_out=False)
    for text in ('"jfj": 4918,', "It is done.", "a b c d e", "x\n"):
        assert text not in {quoted(source, text) for _ in range(100)}
    assert "two words" in {quoted(source, "two words") for _ in range(100)}


def test_worked_sums_are_right():
    source = Source(4, held_out=False)
    for _ in range(50):
        a, b = sums.operands(source, 1, 6)
        a, b = max(a, b), min(a, b)
        assert sums.steps_of_sum(a, b).endswith(f"Answer: {a + b}")
        assert sums.steps_of_difference(a, b).endswith(f"Answer: {a - b}")


def test_long_prompts_are_long_and_their_answers_stand_in_them():
    source, encode = Source(5, held_out=False), Encoder()
    lengths = []
    for _ in range(10):
        conversation = far.pairs(source)
        text = conversation.messages[0]["content"]
        assert all(m["content"] in text for m in conversation.messages if m["role"] != "user")
        lengths.append(len(encode(conversation).ids))
    assert max(lengths) > 2000


def test_a_turn_is_judged_by_value_and_text_by_its_letters():
    call = {"name": "read", "arguments": {"filePath": "/a b"}}
    wanted = {"role": "assistant", "content": None, "tool_calls": [{"function": call}]}
    written = json.dumps(call, separators=(",", ":"))
    assert right(f"<tool_call>{written}</tool_call>", wanted)
    assert not right(f"<tool_call>{written[:-2]}</tool_call>", wanted)
    assert not right("I would read it.", wanted)
    assert right(' {"a":1}', {"content": '{"a": 1}'})
    assert right("Answer: 3", {"content": "Answer: 3"})
    assert not right("Answer: 4", {"content": "Answer: 3"})
    assert made_calls("<tool_call>{</tool_call>") is None


def test_every_assistant_turn_is_asked_after_the_true_turns_before_it():
    conversation = opencode.loop(Source(8, held_out=True))
    asked = turns(load_template(), conversation, calls_only=False)
    assistants = [m for m in conversation.messages if m["role"] == "assistant"]
    assert [turn.wanted for turn in asked] == assistants
    assert all(turn.prompt.endswith("<|im_start|>assistant\n") for turn in asked)
    assert all(b.prompt.startswith(a.prompt) for a, b in pairwise(asked))


def test_the_interval_holds_the_share():
    low, high = interval(90, 100)
    assert low < 90 < high
    assert interval(0, 10)[0] <= 0 < interval(0, 10)[1]


def test_the_mix_weighs_every_part():
    assert all(weight > 0 for weight in MIX.values())
