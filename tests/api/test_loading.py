"""Models that are loaded when a client asks for them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import openai
import pytest

from api.app import make_app
from api.clients.setup import served_models
from api.context import PEERS
from api.server import ClientServer
from guard import Door
from hardware.snapshot import Snapshot
from swarm.chat.completion import Text
from swarm.engines.loading import Loading
from swarm.engines.resident import Planned, Resident
from swarm.errors import EngineNotReady, ModelLoadFailed, Overloaded
from swarm.forms import Forms
from swarm.models.fit import ModelSize, plan_for
from swarm.models.memory import Shape
from swarm.models.room import Taken
from swarm.pool import Pool, ServedModel
from swarm.propose import OwnProposer
from swarm.proposer import Began, Ended, Offer, Proposer, Said, Told
from swarm.types import Message, Question, SamplingParams
from tests.api.conftest import client_of
from tests.fakes import FakeEngine
from tests.ports import free_port

GIB = 1 << 30
MACHINE = Snapshot("linux", "A Processor", 4, 4, frozenset(), 16 * GIB, 10 * GIB)
HELLO: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


@dataclass
class Opened(FakeEngine):
    """A FakeEngine whose load waits for a gate."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None

    async def start(self) -> None:
        await self.gate.wait()
        self.closed = False
        if self.failure:
            raise self.failure


@dataclass
class House:
    """A door before two models, `first` and `org/second`."""

    pool: Pool
    loading: Loading
    gates: dict[str, asyncio.Event]
    engines: dict[str, Opened]
    http: aiohttp.ClientSession
    sdk: openai.AsyncOpenAI

    async def statuses(self) -> dict[str, str]:
        models = [model async for model in self.sdk.models.list()]
        return {model.id: str(model.to_dict()["status"]) for model in models}

    async def ask(self, model: str = "org/second") -> str | None:
        said = await self.sdk.chat.completions.create(model=model, messages=HELLO)
        return said.choices[0].message.content


@contextlib.asynccontextmanager
async def opened(pulse_s: float = 0.02, peers: tuple[Proposer, ...] = ()) -> AsyncIterator[House]:
    engines = {name: Opened() for name in ("first", "org/second")}

    def resident(name: str) -> Resident:
        def make(taken: Taken) -> Planned:
            size = ModelSize(name, GIB, Shape(8, 8, 4096, 1_000), 4096)
            return Planned(engines[name], plan_for(size, MACHINE, "cpu", taken=taken))

        return Resident(name, make)

    residents = [resident(name) for name in engines]
    loading = Loading(residents)
    forms = await asyncio.to_thread(Forms)
    served = [ServedModel(each.id, each, 0) for each in residents]
    pool = Pool(served, loading=loading, forms=forms)
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    app = make_app(pool, Door(port), pulse_s=pulse_s)
    app[PEERS] = lambda: peers
    async with (
        ClientServer(hosts=("127.0.0.1",), port=port) as server,
        server.serving(app),
        aiohttp.ClientSession(base) as http,
        client_of(base) as sdk,
    ):
        gates = {name: engine.gate for name, engine in engines.items()}
        yield House(pool, loading, gates, engines, http, sdk)
    await pool.aclose()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened() as running:
        running.gates["first"].set()
        await running.loading.begin(["first"])
        yield running


async def test_before_the_first_model_is_loaded_everything_is_503_with_retry_after() -> None:
    async with opened() as house:
        for model in ("swarm", "org/second"):
            with pytest.raises(openai.InternalServerError) as caught:
                await house.ask(model)
            assert caught.value.status_code == 503
            assert int(caught.value.response.headers["Retry-After"]) >= 1
        async with house.http.get("/health") as answer:
            assert answer.status == 503


async def test_what_is_loaded_and_what_can_be_is_listed(house: House) -> None:
    assert await house.statuses() == {
        "swarm": "loaded",
        "swarm-fast": "loaded",
        "first": "loaded",
        "first-fast": "loaded",
        "org/second": "unloaded",
        "org/second-fast": "unloaded",
    }
    one = (await house.sdk.models.retrieve("first")).to_dict()
    assert one["tokens_per_s"] == {"expected": [pytest.approx(14.9, 0.1), 59.6], "measured": None}
    async with house.http.get("/v1/federation/diagnostics") as answer:
        (told,) = (await answer.json())["models"]
    assert (told["model"], told["tokens_per_s"]) == ("first", one["tokens_per_s"])
    assert "context_length" not in (await house.sdk.models.retrieve("org/second")).to_dict()


@pytest.mark.parametrize("name", ["org/second", "org/second-fast"])
async def test_a_stream_hears_comments_while_its_model_is_loaded(house: House, name: str) -> None:
    body = {"model": name, "stream": True, "messages": HELLO}
    async with house.http.post("/v1/chat/completions", json=body) as answer:
        assert answer.status == 200
        early = await answer.content.readline()
        assert early == b": keep-alive\n"
        await answer.content.readuntil(b": keep-alive\n\n")
        assert (await house.statuses())["org/second"] == "loading"
        house.gates["org/second"].set()
        rest = (await answer.text()).splitlines()
    assert rest[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line[6:]) for line in rest if line.startswith("data: {")]
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(deltas) == "Hello there."
    assert (await house.statuses())["org/second"] == "loaded"


async def test_a_whole_answer_waits(house: House) -> None:
    asking = asyncio.create_task(house.ask())
    await asyncio.sleep(0.02)
    assert not asking.done()
    house.gates["org/second"].set()
    assert await asking == "Hello there."


async def test_completions_wait_as_well(house: House) -> None:
    house.gates["org/second"].set()
    stream = await house.sdk.completions.create(model="org/second", prompt="hi", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "Hello there."


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("chat/completions", {"messages": [{"role": "user", "content": "word " * 5000}]}),
        ("completions", {"prompt": "word " * 5000}),
        ("completions", {"prompt": [7] * 5000}),
    ],
)
async def test_a_stream_that_is_too_long_for_a_model_not_yet_loaded_is_refused_as_a_status(
    house: House, path: str, asked: dict[str, object]
) -> None:
    house.gates["org/second"].set()
    body = {"model": "org/second", "stream": True, **asked}
    async with house.http.post(f"/v1/{path}", json=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "context_length_exceeded"
    assert (await house.statuses())["org/second"] == "loaded"


async def test_a_load_that_fails_is_an_event_of_the_stream_and_a_status_elsewhere(
    house: House,
) -> None:
    house.engines["org/second"].failure = ModelLoadFailed("damaged")
    house.gates["org/second"].set()
    with pytest.raises(openai.InternalServerError, match="damaged"):
        await house.ask()
    stream = await house.sdk.chat.completions.create(
        model="org/second", messages=HELLO, stream=True
    )
    with pytest.raises(openai.APIError, match="damaged"):
        async for _ in stream:
            pass


async def test_a_mistake_of_the_request_is_an_event_of_a_stream_that_waited(house: House) -> None:
    house.gates["org/second"].set()
    with pytest.raises(openai.APIError, match="at most 8 workers"):
        async for _ in await house.sdk.chat.completions.create(
            model="org/second", messages=HELLO, stream=True, extra_body={"swarm": {"voters": 9}}
        ):
            pass


async def test_models_are_loaded_and_unloaded_by_command(house: House) -> None:
    house.gates["org/second"].set()
    async with house.http.post("/v1/models/org/second/load", json={}) as answer:
        assert (await answer.json())["status"] == "loaded"
    async with house.http.post("/v1/models/first/unload", json={}) as answer:
        assert (await answer.json())["status"] == "unloaded"
    assert (await house.statuses())["swarm"] == "unloaded"
    async with house.http.get("/health") as answer:
        assert (answer.status, (await answer.json())["models"]) == (200, ["org/second"])
    async with house.http.get("/metrics") as answer:
        text = await answer.text()
        assert 'model="org/second"' in text
        assert 'model="first"' not in text
    assert await house.ask("swarm") == "Hello there."
    async with house.http.post("/v1/models/nobody/load", json={}) as answer:
        assert answer.status == 404


async def test_a_model_that_is_unloaded_still_tells_what_it_told(house: House) -> None:
    before = (await house.sdk.models.retrieve("swarm")).to_dict()
    await house.loading.unload("first")
    after = (await house.sdk.models.retrieve("swarm")).to_dict()
    del before["tokens_per_s"]
    assert after == {**before, "status": "unloaded"}
    url = str(house.sdk.base_url).rstrip("/")
    contexts = await asyncio.to_thread(served_models, url, None)
    assert contexts == {"swarm": 4096, "swarm-fast": 4096}


async def test_a_model_whose_engine_starts_again_is_loading_and_says_why(house: House) -> None:
    house.engines["first"].model_info = EngineNotReady("started again: no such file")
    assert (await house.statuses())["first"] == "loading"
    assert house.pool.offers() == ()
    async with house.http.get("/health") as answer:
        told = await answer.json()
        assert (answer.status, told["detail"]) == (503, "started again: no such file")
    for stream in (False, True):
        body = {"model": "swarm", "stream": stream, "messages": HELLO}
        async with house.http.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 503
            assert (await answer.json())["error"]["message"] == "started again: no such file"
    async with house.http.post("/v1/models/first/load", json={}) as answer:
        assert answer.status == 503
    async with house.http.post("/v1/models/first/unload", json={}) as answer:
        assert (await answer.json())["status"] == "unloaded"


async def test_a_peer_answers_while_the_engine_here_starts_again() -> None:
    async with opened(peers=(Peer(),)) as house:
        house.gates["first"].set()
        await house.loading.begin(["first"])
        house.engines["first"].model_info = EngineNotReady("started again")
        for name in ("swarm", "swarm-fast"):
            assert await house.ask(name) == "elsewhere"


async def test_a_model_that_answers_is_not_unloaded(house: House) -> None:
    house.engines["first"].step_s = 0.05
    asking = asyncio.create_task(house.ask("swarm"))
    async with asyncio.timeout(5):
        first = house.loading.resident("first")
        # The request, and its generation.
        while not (first and first.users > 1):  # noqa: ASYNC110 - nobody else needs an event
            await asyncio.sleep(0.001)
    async with house.http.post("/v1/models/first/unload", json={}) as answer:
        assert (answer.status, answer.headers.get("Retry-After")) == (429, "2")
        assert "in use" in (await answer.json())["error"]["message"]
    assert await asking == "Hello there."


class Peer:
    """Another node that has every model ready and says one word."""

    node = name = address = "peer"
    names = (name,)

    def models(self) -> tuple[str, ...]:
        return ("org/second",)

    def offer(self, model: str) -> Offer | None:
        return Offer("org/second", usual=1, free=1, most=1)

    def won(self) -> None: ...

    async def propose(
        self, question: Question, workers: int, *, remaining_s: float, live: bool
    ) -> AsyncGenerator[list[Told]]:
        yield [(0, Began(1, 0)), (0, Said((Text("elsewhere"),), tokens=1)), (0, Ended("stop", 1))]


async def test_what_a_peer_has_ready_is_not_loaded_here() -> None:
    async with opened(peers=(Peer(),)) as house:
        house.gates["first"].set()
        await house.loading.begin(["first"])
        assert await house.ask("org/second") == "elsewhere"
        assert (await house.statuses())["org/second"] == "unloaded"
        async with house.http.get("/v1/usage") as answer:
            used = await answer.json()
        assert (used["prompt_tokens"], used["completion_tokens"]) == (1, 1)
        house.gates["org/second"].set()
        said = await house.sdk.completions.create(model="org/second", prompt="hi")
        assert said.choices[0].text == "Hello there."


async def test_a_peer_that_asks_for_what_was_unloaded_is_told_to_come_back(house: House) -> None:
    question = Question("org/second", (Message("user", "hi"),), SamplingParams())
    told = OwnProposer(house.pool).propose(question, 1, remaining_s=5, live=True)
    with pytest.raises(Overloaded, match="not loaded here any more"):
        await anext(told)
