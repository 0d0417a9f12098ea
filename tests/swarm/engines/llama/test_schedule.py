from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swarm.engines.llama.schedule import prompt_shares, stream_shares


@dataclass(eq=False)
class Waiting:
    """As much of a Sequence as a plan looks at."""

    pending: int
    decoding: bool = False
    slot: Any = True


def plan(sequences, chunk=512):
    return prompt_shares(sequences, chunk)


def test_every_stream_gets_one_token():
    streams = [Waiting(1, decoding=True) for _ in range(8)]
    assert stream_shares([Waiting(10_000), *streams]) == [(stream, 1) for stream in streams]


def test_a_prompt_alone_gets_the_whole_chunk():
    prompt = Waiting(10_000)
    assert plan([prompt]) == [(prompt, 512)]


def test_a_short_prompt_is_read_beside_a_long_one_and_leaves_it_the_rest():
    long, short = Waiting(10_000), Waiting(40)
    assert dict(plan([long, short])) == {short: 40, long: 472}


def test_two_long_prompts_share_evenly():
    a, b = Waiting(9_000), Waiting(10_000)
    assert dict(plan([a, b])) == {a: 256, b: 256}


def test_of_many_prompts_the_oldest_gets_half_and_the_one_nearest_its_end_the_rest():
    oldest, middle, near = Waiting(9_000), Waiting(5_000), Waiting(300)
    assert dict(plan([oldest, middle, near])) == {oldest: 256, near: 256}


def test_prompts_of_one_length_finish_one_after_the_other():
    first, *others = (Waiting(600) for _ in range(3))
    assert dict(plan([first, *others]))[first] == 256
    first.pending = 100
    assert dict(plan([first, *others])) == {first: 100, others[0]: 412}


def test_streams_take_nothing_of_the_chunk():
    assert plan([Waiting(1, decoding=True)]) == []


@given(st.lists(st.integers(1, 2_000), max_size=40), st.integers(16, 512))
def test_a_chunk_is_never_too_large_and_as_full_as_the_prompts_allow(prompts, chunk):
    sequences = [Waiting(n) for n in prompts]
    shares = plan(sequences, chunk)
    assert sum(count for _, count in shares) == min(chunk, sum(prompts))
    assert all(0 < count <= sequence.pending for sequence, count in shares)
    assert len({id(sequence) for sequence, _ in shares}) == len(shares)
