"""Which layers of a plan llama.cpp is told to put on which GPU."""

import ctypes
from bisect import bisect_right
from collections import Counter
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import llama_cpp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.models import TINY, random_model
from hardware.snapshot import Accelerator, Snapshot
from settings import read_settings
from swarm.engines.llama.bindings import model_parameters
from swarm.engines.llama.devices import by_free_memory, layers_by_device
from swarm.engines.llama.engine import load
from swarm.engines.llama.options import LlamaOptions, Share
from swarm.engines.starting import llama_options
from swarm.models.fit import FitOptions, ModelSize, Plan, plan_for
from swarm.models.local import LocalModel
from swarm.models.memory import Shape
from swarm.models.room import Taken
from tests.swarm.engines.llama.options import options_for

GIB = 1 << 30
PC = Snapshot("linux", "A Processor", 8, 8, frozenset(), 64 * GIB, 48 * GIB)
SHAPE = Shape(48, 32, cached_values=24_576, vocabulary=152_064, width=4096, feed_forward=11_008)
CARDS = (
    Accelerator("cuda", "A6000", 48 * GIB, 47 * GIB),
    Accelerator("cuda", "A6000", 48 * GIB, int(1.2 * GIB)),
)


def plan_on(*cards: Accelerator) -> Plan:
    size = ModelSize("large", 30 * GIB, SHAPE, 32_768)
    return plan_for(size, replace(PC, accelerators=cards), "cuda")


def options_of(plan: Plan) -> LlamaOptions:
    model = LocalModel("large", Path("large.gguf"), 30 * GIB)
    return llama_options(model, plan, read_settings([]), fast_cores=2)


def single(number: float) -> float:
    """As C's float has it."""
    return ctypes.c_float(number).value


def spread(split: list[float], count: int) -> list[int]:
    """The layers of each device by llama.cpp's rule (llama_model::load_tensors).

    By free memory alone a full card would get a layer: of [47.0, 1.2] the 49 layers go [48, 1].
    """
    sums = list(accumulate(split))
    ends = [single(each / sums[-1]) for each in sums]
    devices = Counter(bisect_right(ends, single(at / count)) for at in range(count))
    return [devices[device] for device in range(len(split))]


def test_the_engine_is_told_the_planned_layers_of_each_card() -> None:
    plan = plan_on(*CARDS)
    assert plan.gpu_layers == (49, 0)
    assert [share.layers for share in options_of(plan).split] == [49, 0]
    assert [share.layers for share in options_of(plan_on(*CARDS[::-1])).split] == [0, 49]


def test_a_single_card_and_none_need_no_split() -> None:
    assert options_of(plan_on(CARDS[0])).split == ()
    assert options_of(plan_on()).split == ()


def test_the_parameters_of_the_model_carry_the_split() -> None:
    parameters = model_parameters(-1, [49, 0])
    count = llama_cpp.llama_max_devices()
    assert parameters.tensor_split[:count] == [49, 0] + [0] * (count - 2)
    assert not model_parameters(-1, []).tensor_split


@given(st.lists(st.integers(0, 130), min_size=2, max_size=8).filter(any))
def test_llama_cpp_makes_of_the_split_what_was_planned(layers: list[int]) -> None:
    parameters = model_parameters(sum(layers), layers)
    assert spread(parameters.tensor_split[: len(layers)], sum(layers)) == layers


@pytest.mark.parametrize(
    ("free_gib", "layers"), [((47, 1), [49, 0]), ((1, 47), [0, 49]), ((20, 20), [49, 0])]
)
def test_the_order_of_the_cards_is_that_of_llama_cpp(
    free_gib: tuple[int, int], layers: list[int]
) -> None:
    planned = Share(49, 47 * GIB), Share(0, GIB)
    assert by_free_memory(planned, [each * GIB for each in free_gib]) == layers


def test_a_limit_does_not_change_which_card_is_which() -> None:
    large, small = (Accelerator("cuda", "Card", each * GIB, each * GIB) for each in (24, 16))
    plan = plan_for(
        ModelSize("large", 14 * GIB, SHAPE, 32_768),
        replace(PC, accelerators=(large, small)),
        "cuda",
        FitOptions(limit_bytes=12 * GIB),
        Taken(0, (4 * GIB, 0)),
    )
    assert plan.gpu_layers[0] < plan.gpu_layers[1]
    told = by_free_memory(options_of(plan).split, [20 * GIB, 16 * GIB])
    assert told == list(plan.gpu_layers)


def test_where_other_cards_are_found_than_planned_with_llama_cpp_spreads(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    planned = tuple(Share(each, GIB) for each in (9, 9, 9, 9, 9, 9, 9))
    assert layers_by_device(()) == []
    assert not caplog.records
    assert layers_by_device(planned) == []
    assert "where 7 were planned with" in caplog.text
    load(options_for(random_model(TINY, folder=tmp_path), split=planned)).close()
