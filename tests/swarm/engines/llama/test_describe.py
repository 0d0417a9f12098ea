from pathlib import Path

import pytest

from bench.models import TINY, random_model
from swarm.engines.llama.describe import fit_cache, quantisation_of
from swarm.engines.llama.engine import load
from swarm.engines.llama.options import LlamaOptions
from swarm.engines.sampling import DEFAULTS
from swarm.errors import ConfigurationError
from swarm.models.memory import CELLS_AT_LEAST, CONTEXT_TOKENS


def options(**changes) -> LlamaOptions:
    return LlamaOptions(Path("model.gguf"), **changes)


def test_a_small_model_gets_its_whole_context_and_room_for_many_streams():
    size = fit_cache(4096, 5_000, options())
    assert (size.context_tokens, size.cells) == (4096, CELLS_AT_LEAST)


def test_a_long_context_is_bounded_where_nobody_asks_for_more():
    assert fit_cache(131_072, 10_000, options()).context_tokens == CONTEXT_TOKENS


def test_little_memory_shortens_the_context():
    size = fit_cache(32_768, 100_000, options(memory_bytes=1_000_000_000))
    assert (size.context_tokens, size.cells) == (10_000, 10_000)


def test_the_owners_context_is_taken_at_its_word():
    assert fit_cache(4096, 5_000, options(context_tokens=8192)).context_tokens == 8192


def test_an_impossible_context_is_refused_with_the_figures():
    with pytest.raises(ConfigurationError, match=r"3\.3 GB .* 1\.0 GB .* at most 10000 tokens"):
        fit_cache(32_768, 100_000, options(context_tokens=32_768, memory_bytes=1_000_000_000))


def test_sampling_of_a_card_counts_where_the_file_has_none(tmp_path: Path) -> None:
    path = random_model(TINY, folder=tmp_path)
    engine = load(LlamaOptions(path, sampling={"temperature": 0.15, "top_k": 20.0}))
    assert engine.info.sampling == {**DEFAULTS, "temperature": 0.15, "top_k": 20.0}
    engine.close()


@pytest.mark.parametrize(
    ("theirs", "quantisation"),
    [
        ("llama ?B Q8_0", "Q8_0"),
        ("qwen2 7B Q4_K - Medium", "Q4_K - Medium"),
        ("llama4 17Bx16E (Scout) IQ3_S mix - 3.66 bpw", "IQ3_S mix - 3.66 bpw"),
        ("llama ?B (guessed) Q8_0", "Q8_0"),
    ],
)
def test_the_quantisation_is_all_that_follows_the_size(theirs: str, quantisation: str) -> None:
    assert quantisation_of(theirs) == quantisation
