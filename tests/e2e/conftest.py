"""Nodes that several tests share: one with the bundled model, one that never stops by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.models import HALF_B, TINY, random_model
from tests.e2e.nodes import RunningNode, running_node

E2E = Path(__file__).parent
PATIENCE_S = 600
"""A test has this long where it says nothing of it; only one that hangs needs it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(E2E):
            item.add_marker("e2e")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(PATIENCE_S))


@pytest.fixture(scope="session")
def endless_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: it talks until it is stopped."""
    return random_model(TINY, folder=tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def half_billion_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shape of a real small model, with random weights; about 500 MB."""
    return random_model(HALF_B, folder=tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def endless(endless_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    folder = tmp_path_factory.mktemp("endless")
    with running_node(folder, "--model", str(endless_model)) as node:
        yield node


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """The node that a newcomer gets."""
    with running_node(tmp_path_factory.mktemp("nano")) as node:
        yield node
