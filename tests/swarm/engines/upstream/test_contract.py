from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bench.servers import llama_server
from swarm.engines.upstream.engine import UpstreamEngine
from swarm.models.local import bundled_model
from tests.swarm.engines.contract import EngineContract

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.needs("llama-server")]


@pytest.fixture(scope="module")
def url():
    with llama_server(bundled_model().path, "-np", "4", "--kv-unified", "-c", "2048") as server:
        yield f"{server.url}/v1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(url: str) -> AsyncIterator[UpstreamEngine]:
    async with UpstreamEngine(url) as engine:
        yield engine


class TestUpstreamEngine(EngineContract):
    """llama-server, of the llama.cpp that the engine is built from, on the bundled model."""
