"""A whole node but for its engine, which takes a fixed time for every answer: `STEADY_S` seconds.

Started like main.py. Several on one machine do not slow each other down, as models would.
"""

import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from api.app import make_app
from api.entrance import Entrance
from api.joining import join_others
from api.metrics import Metrics
from api.server import ClientServer
from bench.models import CHAT_TEMPLATE
from main import VERSION
from settings import Settings, read_settings
from swarm.pool import Pool, ServedModel
from tests.fakes import INFO, FakeEngine

WORKERS = 3


async def serve(settings: Settings, answer_s: float) -> None:
    """Serve until a signal."""
    info = replace(INFO, max_sequences=64, chat_template=CHAT_TEMPLATE)
    engine = FakeEngine(words=("Answer: 12",), model_info=info, prefill_s=answer_s)
    pool = Pool([ServedModel("steady", engine, int(time.time()))], usual_workers=WORKERS)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    entrance, metrics = Entrance.of(settings), Metrics()
    async with (
        ClientServer(hosts=entrance.where.hosts, port=settings.port) as server,
        AsyncExitStack() as stack,
    ):
        federation = join_others(
            settings,
            pool,
            version=VERSION,
            hardware="",
            engine="",
            files={},
            vote=lambda: settings.vote,
            metrics=metrics,
            say=print,
        )
        await stack.enter_async_context(federation)
        app = make_app(
            pool,
            entrance.door,
            federation=federation,
            keyring=entrance.keyring,
            metrics=metrics,
        )
        await stack.enter_async_context(server.serving(app))
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(read_settings(sys.argv[1:]), float(os.environ["STEADY_S"])))
