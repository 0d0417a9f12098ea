from pathlib import Path

import pytest

from bench.models import TINY, random_model
from swarm.engines.llama.describe import quantisation_of
from swarm.engines.llama.engine import load
from swarm.engines.sampling import DEFAULTS
from tests.swarm.engines.llama.options import options_for


def test_sampling_of_a_card_counts_where_the_file_has_none(tmp_path: Path) -> None:
    path = random_model(TINY, folder=tmp_path)
    engine = load(options_for(path, sampling={"temperature": 0.15, "top_k": 20.0}))
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
