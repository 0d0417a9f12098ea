"""This node's place among others, as the owner's settings make it."""

from pathlib import Path

import pytest

from api.joining import engine_of, join_others
from settings import Settings, VoteSettings
from swarm.models.local import AnyModel, LocalModel, UpstreamModel
from swarm.pool import Pool, ServedModel
from tests.fakes import FakeEngine

FILE = LocalModel("small", Path("small.gguf"), 1)


@pytest.mark.parametrize(
    ("model", "engine"),
    [
        (FILE, "llama.cpp"),
        (LocalModel("folder", Path("folder"), 1, "mlx"), "MLX"),
        (UpstreamModel("far", "http://host:1/v1"), "upstream"),
    ],
)
def test_peers_are_told_what_runs_the_model(model: AnyModel, engine: str, tmp_path: Path) -> None:
    federation = join_others(
        Settings.model_validate({"state": tmp_path}),
        Pool([ServedModel(model.id, FakeEngine(), 0)]),
        version="1",
        hardware="a machine",
        engine=engine_of(model),
        files={},
        vote=VoteSettings,
        say=print,
    )
    assert federation.wishes.status("a" * 64, 1, 1, (), 0.0).engine == engine
