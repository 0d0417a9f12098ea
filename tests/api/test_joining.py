"""This node's place among others, as the owner's settings make it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from api.joining import engine_of, join_others
from api.metrics import Metrics
from federation.federation import Federation
from settings import Settings, VoteSettings
from swarm.errors import Overloaded
from swarm.models.local import AnyModel, LocalModel, UpstreamModel
from swarm.pool import Pool, ServedModel
from swarm.types import Message, Question, SamplingParams
from tests.fakes import FakeEngine

FILE = LocalModel("small", Path("small.gguf"), 1)


def joined(
    state: Path,
    *,
    hardware: str = "",
    engine: str = "MLX",
    vote: Callable[[], VoteSettings] = VoteSettings,
    metrics: Metrics | None = None,
) -> Federation:
    """The place among others of a node with one model, `nano`."""
    return join_others(
        Settings.model_validate({"state": state}),
        Pool([ServedModel("nano", FakeEngine(), 0)]),
        version="1",
        hardware=hardware,
        engine=engine,
        files={},
        vote=vote,
        metrics=metrics or Metrics(),
        say=print,
    )


@pytest.mark.parametrize(
    ("model", "engine"),
    [
        (FILE, "llama.cpp"),
        (LocalModel("folder", Path("folder"), 1, "mlx"), "MLX"),
        (UpstreamModel("far", "http://host:1/v1"), "upstream"),
    ],
)
def test_peers_are_told_what_runs_the_model(model: AnyModel, engine: str, tmp_path: Path) -> None:
    federation = joined(tmp_path, hardware="a machine", engine=engine_of(model))
    assert federation.wishes.status("a" * 64, 1, 1, (), 0.0).engine == engine


def test_what_peers_cannot_read_of_a_machine_is_cut(tmp_path: Path) -> None:
    federation = joined(tmp_path, hardware="a\u00a0machine" + " with a card" * 100)
    status = federation.wishes.status("a" * 64, 1, 1, (), 0.0)
    assert status.hardware.startswith("a machine with a card")
    assert len(status.hardware) == 512


async def test_what_this_node_answers_to_peers_is_counted(tmp_path: Path) -> None:
    metrics = Metrics()
    federation = joined(tmp_path, metrics=metrics)
    question = Question("nano", (Message("user", "hi"),), SamplingParams())
    async for _ in federation._answers.propose(question, 2, remaining_s=5, live=True):
        pass
    text = metrics.exposition().decode()
    assert "swarm_generated_tokens_total 6.0" in text
    assert "swarm_time_to_first_token_seconds_count 1.0" in text
    assert "swarm_requests_running 0.0" in text


@pytest.mark.parametrize("asked", ["nano", "nano-fast", "swarm", "auto"])
async def test_what_is_not_for_peers_answers_none_however_it_is_asked(
    asked: str, tmp_path: Path
) -> None:
    votes = [VoteSettings()]
    federation = joined(tmp_path, vote=lambda: votes[0])
    question = Question(asked, (Message("user", "hi"),), SamplingParams())

    async def answer() -> None:
        async for _ in federation._answers.propose(question, 1, remaining_s=5, live=True):
            pass

    await answer()
    votes[0] = VoteSettings(for_peers=("another",))
    with pytest.raises(Overloaded, match=f"does not vote with {asked}"):
        await answer()
