import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from swarm.engines.mlx.options import MlxOptions
from swarm.engines.process import EngineProcess
from tests.parts.engines.contract import EngineContract, GrammarContract

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.needs("mlx")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(nano: Path) -> AsyncIterator[EngineProcess]:
    async with EngineProcess(
        factory="swarm.engines.mlx.engine:load",
        # MLX reads prompts slowly on a processor: a short context is soon full.
        options=MlxOptions(nano, context_tokens=512),
        name="swarm-nano",
        environment=dict(os.environ),
    ) as engine:
        yield engine


class TestMlxEngine(EngineContract, GrammarContract):
    """MLX, in its own process, on the bundled model."""
