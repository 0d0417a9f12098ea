import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from swarm.engines.process import EngineProcess
from swarm.models.local import bundled_model
from tests.parts.engines.contract import EngineContract, GrammarContract
from tests.swarm.engines.llama.options import options_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[EngineProcess]:
    async with EngineProcess(
        factory="swarm.engines.llama.engine:load",
        options=options_for(bundled_model().path),
        name="swarm-nano",
        environment=dict(os.environ),
    ) as engine:
        yield engine


class TestLlamaEngine(EngineContract, GrammarContract):
    """llama.cpp, in its own process, on the bundled model."""
