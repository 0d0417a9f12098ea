"""Several models on one node: listed, loaded on request, made room for, unloaded when idle."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.models import TINY, random_model
from tests.e2e.nodes import RunningNode, running_node

pytestmark = pytest.mark.e2e


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `models/` with two models, beside one that is named."""
    (tmp_path / "models").mkdir()
    for seed, name in enumerate(("one", "two")):
        made = random_model(TINY, folder=tmp_path / "made", seed=seed)
        shutil.copy(made, tmp_path / "models" / f"{name}.gguf")
    return tmp_path


@pytest.fixture
def node(folder: Path) -> Iterator[RunningNode]:
    """A node with room for one of the two at a time."""
    with running_node(folder, "--model", "one", "--memory-limit-gib", "0.15") as running:
        yield running


def statuses(node: RunningNode) -> dict[str, str]:
    listed = node.sdk().models.list()
    return {m.id: str(m.to_dict()["status"]) for m in listed if m.id in ("one", "two")}


def answered(node: RunningNode, model: str) -> int:
    said = node.sdk().chat.completions.create(
        model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=8, temperature=0
    )
    assert said.usage
    return said.usage.completion_tokens


def test_a_model_of_the_folder_takes_the_place_of_the_default_and_gives_it_back(
    node: RunningNode,
) -> None:
    assert "on request two" in node.said()
    assert statuses(node) == {"one": "loaded", "two": "unloaded"}
    assert answered(node, "two") == 8
    assert statuses(node) == {"one": "unloaded", "two": "loaded"}
    assert node.healthy()
    assert answered(node, "swarm") == 8
    assert statuses(node) == {"one": "loaded", "two": "unloaded"}
    assert "unloading two: for one, which needs its memory" in node.said()


def test_both_are_there_where_memory_allows_and_go_when_they_are_idle(folder: Path) -> None:
    (folder / "swarm.toml").write_text("[models.two]\nctx = 512\nworkers = 2\n")
    with running_node(folder, "--model", "one", "--idle-unload-s", "1") as node:
        assert answered(node, "two") == 8
        assert node.sdk().models.retrieve("two").to_dict()["context_length"] == 512
        node.wait_until(lambda: set(statuses(node).values()) == {"unloaded"}, 60)
        assert "tokens/s measured for one stream" in node.said()
        assert answered(node, "one") == 8
