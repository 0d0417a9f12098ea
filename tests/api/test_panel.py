"""Places of workers: held from the moment at which a request is seated until it is answered."""

import asyncio
from typing import Any

import pytest

from swarm.errors import EngineLost
from tests.api.conftest import Node, StartNode
from tests.fakes import FakeEngine

HELLO: list[Any] = [{"role": "user", "content": "hi"}]
ENDLESS = ["word "] * 100_000


async def ask(node: Node, **fields: Any) -> tuple[int, str | None, Any]:
    body = {"model": "swarm", "messages": HELLO, "temperature": 0.8, **fields}
    async with node.http.post("/v1/chat/completions", json=body) as answer:
        return answer.status, answer.headers.get("Retry-After"), await answer.json()


def free(node: Node) -> int:
    return node.pool.free_sequences(node.pool.models[0])


async def all_free(node: Node) -> None:
    async with asyncio.timeout(5):
        while free(node) < 8 or node.engine.running:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.005)


async def test_a_burst_shrinks_down_to_one_worker_each_and_says_so(start_node: StartNode) -> None:
    async with start_node(FakeEngine(step_s=0.1), usual_workers=5) as node:
        answers = await asyncio.gather(*(ask(node) for _ in range(6)))
        assert free(node) == 8
    assert {status for status, _, _ in answers} == {200}
    told = [said["usage"]["swarm"] for _, _, said in answers]
    assert sorted(verdict["asked"] for verdict in told) == [1, 1, 1, 1, 3, 5]
    notes = {verdict["asked"]: verdict["note"] for verdict in told}
    assert notes == {
        5: None,
        3: "3 of 5 workers: the node is busy",
        1: "1 of 5 workers: the node is busy",
    }


async def test_of_a_burst_that_asks_for_voters_those_that_do_not_fit_are_told_to_come_back(
    start_node: StartNode,
) -> None:
    async with start_node(FakeEngine(step_s=0.1), usual_workers=5) as node:
        answers = await asyncio.gather(*(ask(node, swarm={"voters": 5}) for _ in range(6)))
        assert free(node) == 8
    assert sorted(status for status, _, _ in answers) == [200, 429, 429, 429, 429, 429]
    assert {after for status, after, _ in answers if status == 429} == {"2"}


async def test_samples_of_one_worker_have_a_place_each(start_node: StartNode) -> None:
    async with start_node(FakeEngine(words=ENDLESS, step_s=0.01), usual_workers=5) as node:
        asking = asyncio.create_task(ask(node, model="swarm-fast", n=6))
        async with asyncio.timeout(2):
            while free(node) == 8:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0)
            assert (free(node), node.engine.prompts) == (2, [])
            while not node.engine.running:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.005)
        assert free(node) == 2
        asking.cancel()
        await all_free(node)


@pytest.mark.parametrize("wishes", [{}, {"voters": 4}, {"strategy": "leader"}, {"voters": 1}])
@pytest.mark.parametrize("stream", [False, True])
async def test_clients_that_leave_at_any_time_leave_no_place_behind(
    start_node: StartNode, wishes: Any, stream: bool
) -> None:
    async with start_node(FakeEngine(words=ENDLESS, step_s=0.001), usual_workers=3) as node:
        for wait_s in (0.0, 0.001, 0.003, 0.01, 0.03):
            asking = [asyncio.create_task(ask(node, stream=stream, swarm=wishes)) for _ in range(3)]
            await asyncio.sleep(wait_s)
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            await all_free(node)


@pytest.mark.parametrize("wishes", [{}, {"strategy": "leader"}, {"voters": 1}])
async def test_what_fails_or_is_refused_leaves_no_place_behind(
    start_node: StartNode, wishes: Any
) -> None:
    async with start_node(FakeEngine(error=EngineLost("gone")), usual_workers=3) as node:
        assert (await ask(node, swarm=wishes))[0] >= 500
        assert (await ask(node, swarm=wishes, logit_bias={"999999": 1}))[0] == 400
        assert (await ask(node, messages=[{"role": "user", "content": "x" * 9_000}]))[0] >= 400
        assert free(node) == 8


async def test_cancelled_voters_of_a_leader_give_their_places_back_before_it_ends(
    start_node: StartNode,
) -> None:
    async with start_node(FakeEngine(words=ENDLESS, step_s=0.001), usual_workers=5) as node:
        asking = asyncio.create_task(ask(node, swarm={"strategy": "leader"}))
        async with asyncio.timeout(2):
            while free(node) != 3:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0)
            while free(node) != 7:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.005)
        asking.cancel()
        await all_free(node)
