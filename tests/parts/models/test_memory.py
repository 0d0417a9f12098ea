"""Memory of a real engine's process, against what is predicted."""

from pathlib import Path

from bench.memory import error
from bench.models import Shape


def test_a_real_engine_takes_what_was_predicted(tmp_path: Path) -> None:
    shape = Shape("small", 8, 512, 2048, 8, 8, 16_384)
    assert error(shape, 16_384, folder=tmp_path) < 0.1
