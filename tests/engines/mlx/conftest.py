from pathlib import Path

import pytest

from swarm.models.local import bundled_model


@pytest.fixture(scope="session")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as an MLX folder."""
    from scripts.mlx_folder import convert

    folder = tmp_path_factory.mktemp("mlx") / "swarm-nano"
    convert(bundled_model().path, folder)
    return folder
