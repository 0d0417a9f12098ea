from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bench.servers import llama_server
from swarm.engines.upstream.engine import UpstreamEngine
from swarm.models.local import bundled_model
from tests.parts.engines.contract import EngineContract

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.needs("llama-server")]


@pytest.fixture
def url():
    """A server for each test: one that has cancelled requests behind it now and then refuses the
    next with several answers ("Invalid input batch")."""
    with llama_server(
        bundled_model().path, "-np", "4", "--kv-unified", "--threads", "1", "-c", "2048"
    ) as server:
        yield f"{server.url}/v1"


@pytest_asyncio.fixture(loop_scope="module")
async def engine(url: str) -> AsyncIterator[UpstreamEngine]:
    async with UpstreamEngine(url) as engine:
        yield engine


class TestUpstreamEngine(EngineContract):
    """llama-server, of the llama.cpp that the engine is built from, on the bundled model."""
