"""A client of peers whose time is over."""

import ssl

import pytest

from federation.client import Door, PeerClient
from federation.wire import ProposeBody
from swarm.errors import PeerUnreachable
from swarm.types import Message, Question, SamplingParams


async def test_who_asks_through_a_client_of_an_old_code_is_told_so() -> None:
    question = Question("swarm", (Message("user", "hi"),), SamplingParams())
    body = ProposeBody(label="swarm", question=question, workers=1, remaining_s=5)
    context = ssl.create_default_context()
    async with PeerClient(context, context) as client:
        pass
    with pytest.raises(PeerUnreachable, match="code changed"):
        async for _ in client.propose(Door("127.0.0.1", 1), body, count=lambda _: None):
            pass
