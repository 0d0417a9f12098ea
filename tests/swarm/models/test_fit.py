"""Where a model's layers lie, how long its context is, and what is said of it."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.snapshot import Accelerator, Snapshot
from swarm.errors import ConfigurationError
from swarm.models.explain import explain
from swarm.models.fit import FitOptions, ModelSize, Plan, plan_for
from swarm.models.memory import Shape
from swarm.models.room import Taken

GIB = 1 << 30
SHAPE = Shape(
    28, 28, cached_values=28 * 4 * 256, vocabulary=152_064, width=3584, feed_forward=18_944
)
SEVEN = ModelSize("seven", int(4.4 * GIB), SHAPE, 32_768)
SMALL = ModelSize("small", GIB // 2, replace(SHAPE, layers=24, cached_values=6144), 32_768)
HUGE = ModelSize("huge", 40 * GIB, replace(SHAPE, layers=80, cached_values=80 * 2048), 131_072)
PC = Snapshot("linux", "A Processor", 8, 8, frozenset(), 32 * GIB, 24 * GIB)
OLD = replace(PC, memory_total_bytes=4 * GIB, memory_available_bytes=2 * GIB, usable_cores=2)
CARD = Accelerator("cuda", "Card", 24 * GIB, 22 * GIB)
LITTLE = Accelerator("cuda", "Little", 4 * GIB, 4 * GIB)
MAC = replace(PC, accelerators=(Accelerator("metal", "Chip", 32 * GIB, None, unified=True),))


def with_cards(*cards: Accelerator) -> Snapshot:
    return replace(PC, accelerators=cards)


def taken(plan: Plan) -> int:
    return plan.host.total_bytes + plan.device_bytes


def test_a_card_that_holds_it_all_gets_it_all() -> None:
    plan = plan_for(SEVEN, with_cards(CARD), "cuda")
    assert plan.offloaded
    assert plan.gpu_layers == (29,)
    assert plan.context_tokens == 32_768
    assert plan.warnings == ()
    assert plan.host.weights_bytes == 0
    assert 4.4 * GIB < plan.device_bytes < 22 * GIB


def test_running_states_lie_where_their_layers_do() -> None:
    states = replace(SEVEN, shape=replace(SHAPE, state_values=6 * GIB // 4 // 68))
    small = replace(with_cards(CARD), memory_available_bytes=4 * GIB)
    assert plan_for(states, small, "cuda").offloaded
    tight = replace(CARD, memory_free_bytes=int(12.2 * GIB))
    plan = plan_for(states, with_cards(tight), "cuda")
    assert 6 * GIB < plan.device_bytes <= sum(plan.room.devices)


def test_layers_are_spread_over_cards_by_their_free_memory() -> None:
    plan = plan_for(SEVEN, with_cards(CARD, LITTLE), "cuda")
    assert sum(plan.gpu_layers) == 29
    assert plan.gpu_layers[0] > plan.gpu_layers[1] * 3


def test_a_little_card_gets_some_layers_and_the_rest_is_said_loudly() -> None:
    plan = plan_for(SEVEN, with_cards(LITTLE), "cuda")
    assert 0 < sum(plan.gpu_layers) < 29
    assert "run on the processor, which is much slower" in plan.warnings[0]
    assert plan.device_bytes <= 4 * GIB
    assert any(line.startswith("WARNING") for line in explain(plan))


def test_a_card_that_the_engine_cannot_use_is_said_loudly() -> None:
    plan = plan_for(SEVEN, with_cards(CARD), "cpu")
    assert plan.gpu_layers == ()
    assert "although there is Card" in plan.warnings[0]
    assert "make setup ENGINE=cuda" in plan.warnings[0]


def test_memory_that_is_shared_is_counted_once() -> None:
    plan = plan_for(SEVEN, MAC, "metal")
    assert plan.offloaded
    assert (plan.device_bytes, plan.taken.device_bytes) == (0, ())
    assert plan.host.weights_bytes == SEVEN.size_bytes
    second = plan_for(SMALL, MAC, "metal", taken=plan.taken)
    assert second.room.host_bytes < plan.room.host_bytes - SEVEN.size_bytes
    with pytest.raises(ConfigurationError, match="too large"):
        plan_for(HUGE, MAC, "metal")


@pytest.mark.parametrize(("weights_gib", "cache_gib"), [(5, 8), (14, 2.7), (16.6, 0.25)])
def test_a_cache_of_unknown_size_gets_what_the_weights_leave(
    weights_gib: float, cache_gib: float
) -> None:
    folder = ModelSize("folder", int(weights_gib * GIB), None, None)
    plan = plan_for(folder, MAC, "mlx")
    assert plan.cache_bytes == pytest.approx(cache_gib * GIB, rel=0.02)
    assert plan.taken.host_bytes == plan.host.total_bytes + plan.cache_bytes


def test_what_is_too_large_is_refused_with_the_figures() -> None:
    with pytest.raises(ConfigurationError, match=r"40.0 GiB of weights, .* but 16.8 GiB of memory"):
        plan_for(HUGE, PC, "cpu")


def test_a_context_that_must_be_cut_is_said_loudly() -> None:
    greedy = replace(SEVEN, size_bytes=int(0.2 * GIB))
    plan = plan_for(greedy, OLD, "cpu")
    assert 4096 <= plan.context_tokens < 32_768
    assert "the context is cut to" in plan.warnings[0]


def test_the_owner_s_context_counts_or_is_refused() -> None:
    plan = plan_for(SMALL, PC, "cpu", FitOptions(context_tokens=8192, workers=7, kv_type="q8_0"))
    assert (plan.context_tokens, plan.cells, plan.workers) == (8192, 8192, 7)
    with pytest.raises(ConfigurationError, match=r"--ctx 9000000: .* room for at most \d+ tokens"):
        plan_for(SMALL, PC, "cpu", FitOptions(context_tokens=9_000_000))


LARGE = ModelSize("large", 20 * GIB, replace(SHAPE, layers=60, cached_values=60 * 2048), 131_072)
HALF = with_cards(replace(CARD, memory_free_bytes=int(11.5 * GIB)))


@pytest.mark.parametrize(
    "snapshot", [HALF, with_cards(LITTLE, LITTLE, LITTLE), with_cards(CARD, LITTLE)]
)
def test_of_a_context_that_is_refused_the_longest_that_is_taken_is_told(snapshot: Snapshot) -> None:
    for refused in (200_000, 9_000_000):
        with pytest.raises(ConfigurationError, match="room for at most") as caught:
            plan_for(LARGE, snapshot, "cuda", FitOptions(context_tokens=refused))
        longest = int(str(caught.value).split("at most ")[1].split()[0])
        for tokens in (1024, longest // 2, longest):
            plan_for(LARGE, snapshot, "cuda", FitOptions(context_tokens=tokens))
        with pytest.raises(ConfigurationError, match=f"room for at most {longest} tokens"):
            plan_for(LARGE, snapshot, "cuda", FitOptions(context_tokens=longest + 1))


def test_no_context_that_is_shorter_than_one_that_is_taken_is_refused() -> None:
    for tokens in range(256, 24_576, 256):
        plan_for(LARGE, HALF, "cuda", FitOptions(context_tokens=tokens))


def test_where_no_context_has_room_the_model_is_too_large() -> None:
    with pytest.raises(ConfigurationError, match="huge is too large"):
        plan_for(HUGE, PC, "cpu", FitOptions(context_tokens=8192))


def test_what_is_too_large_needs_more_than_there_is() -> None:
    def refused(free_bytes: int) -> str:
        machine = replace(PC, memory_available_bytes=free_bytes)
        try:
            plan_for(SEVEN, machine, "cpu", FitOptions(flash=False))
        except ConfigurationError as error:
            return str(error)
        return ""

    told = [refused(free_bytes) for free_bytes in range(6 * GIB, 8 * GIB, GIB // 32)]
    last = [each for each in told if each][-1]
    needed, had = (float(figure) for figure in re.findall(r"([\d.]+) GiB (?:with|of mem)", last))
    assert needed > had
    assert told[-1] == ""


def test_a_context_beyond_training_is_warned_of() -> None:
    plan = plan_for(SMALL, PC, "cpu", FitOptions(context_tokens=40_000))
    assert "beyond the 32768 tokens" in plan.warnings[0]


def test_the_owner_s_layers_count_or_are_refused() -> None:
    assert plan_for(SEVEN, with_cards(CARD), "cuda", FitOptions(gpu_layers=10)).gpu_layers == (10,)
    assert plan_for(SEVEN, with_cards(CARD), "cuda", FitOptions(gpu_layers=0)).gpu_layers == ()
    with pytest.raises(ConfigurationError, match=r"--gpu-layers 29: .* at most \d+"):
        plan_for(SEVEN, with_cards(LITTLE), "cuda", FitOptions(gpu_layers=29))


def test_a_second_model_has_what_the_first_leaves() -> None:
    machine = replace(OLD, memory_available_bytes=4 * GIB)
    alone = plan_for(SMALL, machine, "cpu")
    beside = plan_for(SMALL, machine, "cpu", taken=alone.taken)
    assert beside.room.host_bytes == alone.room.host_bytes - alone.host.total_bytes
    assert beside.cells <= alone.cells
    with pytest.raises(ConfigurationError, match="too large"):
        plan_for(SMALL, machine, "cpu", taken=Taken(int(2.5 * GIB)))


def test_a_card_s_memory_is_taken_too() -> None:
    first = plan_for(SEVEN, with_cards(CARD, LITTLE), "cuda")
    assert sum(first.taken.device_bytes) == pytest.approx(first.device_bytes, abs=2)
    second = plan_for(SEVEN, with_cards(CARD, LITTLE), "cuda", taken=first.taken)
    assert sum(second.room.devices) == sum(first.room.devices) - sum(first.taken.device_bytes)
    crowded = plan_for(SEVEN, with_cards(CARD), "cuda", taken=Taken(0, (20 * GIB,)))
    assert not crowded.as_good_as(first)
    assert second.as_good_as(second)


def test_the_owner_s_limit_bounds_every_memory() -> None:
    limit = FitOptions(limit_bytes=6 * GIB)
    assert plan_for(SEVEN, with_cards(CARD), "cuda", limit).room.devices == (6 * GIB,)
    assert plan_for(SEVEN, PC, "cpu", limit).room.host_bytes == 6 * GIB
    with pytest.raises(ConfigurationError, match=r"6\.0 GiB of memory may be taken"):
        plan_for(HUGE, PC, "cpu", limit)


def test_what_lets_a_model_have_no_more_is_told() -> None:
    def refused(machine: Snapshot, kind: str, limit_gib: float | None = None) -> str:
        limit = None if limit_gib is None else int(limit_gib * GIB)
        with pytest.raises(ConfigurationError, match="huge is too large") as caught:
            plan_for(HUGE, machine, kind, FitOptions(limit_bytes=limit))
        return str(caught.value)

    shared = replace(MAC.accelerators[0], memory_limit_bytes=8 * GIB)
    for said, why in (
        (refused(PC, "cpu", 0.05), "--memory-limit-gib lets all models together have no more"),
        (refused(with_cards(CARD), "cuda", 20), "--memory-limit-gib"),
        (refused(replace(PC, accelerators=(shared,)), "metal"), "lets Chip have no more"),
        (refused(PC, "cpu"), "left to what else runs here"),
        (refused(PC, "cpu", 30), "left to what else runs here"),
        (refused(replace(PC, accelerators=(shared,)), "metal", 9), "lets Chip have no more"),
    ):
        assert why in said
        assert said.count("left to what else runs here") == (why == "left to what else runs here")


def test_the_limit_of_a_shared_gpu_does_not_bound_what_is_kept_off_it() -> None:
    shared = replace(MAC.accelerators[0], memory_limit_bytes=2 * GIB)
    mac = replace(MAC, accelerators=(shared,))
    with pytest.raises(ConfigurationError, match="lets Chip have no more"):
        plan_for(SEVEN, mac, "metal")
    kept_off = plan_for(SEVEN, mac, "metal", FitOptions(gpu_layers=0))
    on_processor = plan_for(SEVEN, mac, "cpu")
    assert kept_off.room.host_bytes == on_processor.room.host_bytes
    assert kept_off.host == on_processor.host
    assert "on the processor" in explain(kept_off)[0]


@pytest.mark.parametrize("flash", [True, False])
def test_the_scores_of_all_heads_need_room_without_flash_attention(flash: bool) -> None:
    options = FitOptions(flash=flash)
    on_card = plan_for(SEVEN, with_cards(replace(CARD, memory_free_bytes=8 * GIB)), "cuda", options)
    assert on_card.device_bytes <= sum(on_card.room.devices)
    beside = plan_for(SEVEN, replace(PC, memory_available_bytes=10 * GIB), "cpu", options)
    assert beside.host.total_bytes <= beside.room.host_bytes


def test_a_mixture_is_expected_to_be_faster_than_its_size() -> None:
    dense = plan_for(SEVEN, PC, "cpu").tokens_per_s
    mixture = plan_for(replace(SEVEN, active_share=0.1), PC, "cpu").tokens_per_s
    assert mixture[0] == pytest.approx(dense[0] * 10)


def test_the_words_name_every_part() -> None:
    said = "\n".join(explain(plan_for(SEVEN, with_cards(CARD), "cuda")))
    for part in ("4.4 GiB of weights", "all 28 layers", "context 32768", "tokens/s", "is left"):
        assert part in said


@given(
    st.integers(1, 200).map(lambda tenths: tenths * GIB // 10),
    st.integers(1, 640).map(lambda tenths: tenths * GIB // 10),
    st.lists(st.integers(0, 48), max_size=3),
)
def test_a_plan_never_takes_more_than_there_is(size: int, available: int, cards: list[int]) -> None:
    devices = tuple(Accelerator("cuda", "c", 48 * GIB, free * GIB) for free in cards)
    machine = replace(PC, memory_available_bytes=available, accelerators=devices)
    try:
        plan = plan_for(replace(SEVEN, size_bytes=size), machine, "cuda")
    except ConfigurationError:
        return
    assert plan.host.total_bytes <= 0.72 * available
    assert plan.device_bytes <= sum(cards) * GIB
    assert sum(plan.gpu_layers) <= 29
