from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from swarm.engines.mlx.options import MlxOptions
from swarm.models.local import bundled_model


@pytest.fixture(scope="session")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as an MLX folder."""
    from scripts.mlx_folder import convert

    folder = tmp_path_factory.mktemp("mlx") / "swarm-nano"
    convert(bundled_model().path, folder)
    return folder


@pytest.fixture
def started(nano: Path) -> Iterator[Callable[..., Any]]:
    """Engines with the options that a test gives, closed at its end."""
    from swarm.engines.mlx.engine import load

    engines: list[Any] = []

    def start(folder: Path = nano, **options: Any) -> Any:
        engines.append(load(MlxOptions(folder, **options)))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()
