"""A node that serves an MLX folder, asked as any other."""

from collections.abc import Iterator

import pytest

from swarm.models.local import bundled_model
from tests.e2e.nodes import RunningNode, running_node

pytestmark = pytest.mark.needs("mlx")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    from scripts.mlx_folder import convert

    home = tmp_path_factory.mktemp("mlx")
    convert(bundled_model().path, home / "nano-mlx")
    with running_node(home, "--model", str(home / "nano-mlx")) as node:
        yield node


def test_a_folder_answers_by_its_name_and_votes(node: RunningNode) -> None:
    for model, tokens in (("nano-mlx-fast", 0), ("swarm", 1)):
        said = node.sdk().chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "Who are you?"}],
            temperature=0.2 * tokens,
        )
        assert said.model == "nano-mlx"
        assert "swarm-nano" in (said.choices[0].message.content or "")


def test_a_client_that_leaves_frees_its_sequences(node: RunningNode) -> None:
    stream = node.sdk().completions.create(
        model="nano-mlx", prompt="a", max_tokens=400, stream=True, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    stream.close()
    node.wait_until(lambda: node.metric("swarm_engine_sequences") == 0, 30)
