from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swarm.engines.llama.schedule import plan_step


@dataclass(eq=False)
class Waiting:
    """As much of a Sequence as a plan looks at."""

    pending: int
    decoding: bool = False
    slot: Any = True


def plan(sequences, chunk=512, batch=576):
    return plan_step(sequences, chunk_tokens=chunk, batch_tokens=batch)


def test_every_stream_gets_its_token_in_every_step():
    streams = [Waiting(1, decoding=True) for _ in range(8)]
    shares = plan([Waiting(10_000), *streams])
    assert all((stream, 1) in shares for stream in streams)


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


def test_what_has_no_slot_waits():
    assert plan([Waiting(5, slot=None)]) == []


@given(
    st.lists(st.integers(1, 2_000), max_size=40),
    st.integers(0, 64),
    st.integers(16, 512),
)
def test_a_batch_is_never_too_large_and_never_empty_while_there_is_work(prompts, streams, chunk):
    sequences = [Waiting(n) for n in prompts] + [Waiting(1, decoding=True)] * streams
    batch = chunk + 64
    shares = plan(sequences, chunk, batch)
    assert sum(count for _, count in shares) <= batch
    assert all(0 < count <= sequence.pending for sequence, count in shares)
    assert bool(shares) == bool(sequences)
