"""What a request wishes of its vote, in the body and in headers."""

from typing import Any

import openai
import pytest

from tests.api.conftest import StartNode
from tests.api.voters import HELLO, Voters


async def test_headers_say_what_the_body_does_not(start_node: StartNode) -> None:
    engine = Voters("a", "b", "c", "d")
    async with start_node(engine, usual_workers=3) as node:
        await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8,
            extra_headers={"x-swarm-voters": "2", "x-swarm-decide": "all"},
        )  # fmt: skip
    assert engine.prompts[0].n == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deadline_s", "-1"),
        ("ask_again", "maybe"),
        ("voters", "many"),
        ("strategy", "guess"),
        ("voter", "3"),
    ],
)
async def test_every_wish_has_a_header(start_node: StartNode, name: str, value: str) -> None:
    header = f"X-Swarm-{name.replace('_', '-').title()}"
    async with start_node(Voters("a"), usual_workers=3) as node:
        with pytest.raises(openai.BadRequestError, match=f"swarm.{name}"):
            await node.sdk.chat.completions.create(
                model="swarm", messages=HELLO, extra_headers={header: value}
            )


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"strategy": "guess"}, "swarm.strategy"),
        ({"voters": 0}, "swarm.voters"),
        ({"voter": 3}, "swarm.voter: there is no such field; there are strategy, voters"),
        ({"voters": 99}, "at most 8"),
        ({"deadline_s": -1}, "swarm.deadline_s"),
        ({"strategy": "leader"}, "leader gives one answer, not 2"),
        ({"strategy": "first"}, "first gives one answer, not 2"),
        ({"stream": "leader", "strategy": "medoid"}, 'which strategy "medoid" cannot choose'),
        ({"stream": "decided", "strategy": "leader"}, "swarm.stream"),
        ({"decide": "exact", "strategy": "best"}, 'swarm.decide: "best" says itself'),
        ({"decide": "all", "stream": "leader"}, 'swarm.decide: "leader" says itself'),
    ],
)
async def test_wrong_wishes_are_refused(start_node: StartNode, wish: Any, said: str) -> None:
    async with start_node(Voters("a"), usual_workers=3) as node:
        with pytest.raises(openai.BadRequestError, match=said):
            await node.sdk.chat.completions.create(
                model="swarm", messages=HELLO, n=2, extra_body={"swarm": wish}
            )
