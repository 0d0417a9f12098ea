"""Which models are loaded: on request, in turn, and never at the cost of one that is used."""

import asyncio
import logging
from dataclasses import dataclass, field, replace

import pytest

from hardware.snapshot import Snapshot
from swarm.engines.base import Event, Finished, ModelInfo
from swarm.engines.loading import Loading
from swarm.engines.resident import Make, Planned, Resident
from swarm.errors import ConfigurationError, EngineNotReady, ModelLoadFailed, Overloaded
from swarm.models.fit import ModelSize, plan_for
from swarm.models.memory import Shape
from swarm.models.room import Taken
from swarm.pool import Pool, ServedModel
from swarm.types import Prompt, SamplingParams
from tests.fakes import INFO, FakeEngine
from tests.waiting import until

GIB = 1 << 30
MACHINE = Snapshot("linux", "A Processor", 4, 4, frozenset(), 16 * GIB, 10 * GIB)
"""7 GiB of it may be taken."""

SHAPE = Shape(8, 8, cached_values=4096, vocabulary=1_000)
PROMPT = Prompt("hello", SamplingParams())


@dataclass
class Slow(FakeEngine):
    """A FakeEngine that is loaded when it is let, or fails to load, and ends when it is let."""

    log: list[str] = field(default_factory=list[str])
    name: str = ""
    gate: asyncio.Event | None = None
    leaving: asyncio.Event | None = None
    failure: Exception | None = None

    async def start(self) -> None:
        self.log.append(f"load {self.name}")
        if self.gate:
            await self.gate.wait()
        if self.failure:
            raise self.failure

    async def aclose(self) -> None:
        self.log.append(f"unload {self.name}")
        if self.leaving:
            await self.leaving.wait()
        await super().aclose()


@dataclass
class House:
    """Models of given sizes on one machine, with what happened to them."""

    sizes: dict[str, float]
    idle_unload_s: float | None = None
    info: ModelInfo = INFO
    log: list[str] = field(default_factory=list[str])
    now_s: float = 0.0
    engines: dict[str, Slow] = field(default_factory=dict[str, Slow])
    gates: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])
    failures: dict[str, Exception] = field(default_factory=dict[str, Exception])

    def __post_init__(self) -> None:
        self.models = {
            name: Resident(name, self._maker(name, size), clock=self._clock)
            for name, size in self.sizes.items()
        }
        self.loading = Loading(
            list(self.models.values()), idle_unload_s=self.idle_unload_s, clock=self._clock
        )

    def _clock(self) -> float:
        self.now_s += 1
        return self.now_s

    def _maker(self, name: str, size_gib: float) -> Make:
        def make(taken: Taken) -> Planned:
            size = ModelSize(name, int(size_gib * GIB), SHAPE, 4096)
            plan = plan_for(size, MACHINE, "cpu", taken=taken)
            engine = Slow(
                model_info=self.info,
                log=self.log,
                name=name,
                gate=self.gates.get(name),
                failure=self.failures.get(name),
            )
            self.engines[name] = engine
            return Planned(engine, plan)

        return make

    def loaded(self) -> set[str]:
        return {name for name, model in self.models.items() if model.status == "loaded"}

    async def use(self, name: str) -> None:
        async with self.loading.held(name):
            pass


async def begun(sizes: dict[str, float], first: str, idle_unload_s: float | None = None) -> House:
    house = House(sizes, idle_unload_s)
    await house.loading.begin([first])
    return house


async def test_only_the_first_is_loaded_at_the_start_and_others_on_request() -> None:
    house = await begun({"a": 1, "b": 1}, "a")
    assert house.loaded() == {"a"}
    await house.use("b")
    assert house.loaded() == {"a", "b"}
    await house.use("b")
    assert house.log == ["load a", "load b"]
    await house.loading.aclose()


async def test_one_that_makes_embeddings_only_is_not_let_speak_to_measure_it() -> None:
    for generates in (True, False):
        house = House({"a": 1}, info=replace(INFO, generates=generates))
        await house.loading.begin(["a"])
        await until(lambda house=house: not house.loading._tasks)
        assert bool(house.engines["a"].prompts) is generates
        await house.loading.aclose()


async def test_before_the_first_is_loaded_nobody_waits() -> None:
    house = House({"a": 1})
    with pytest.raises(EngineNotReady, match="first model"):
        await house.use("a")


async def test_nor_for_another_model_while_the_first_is_loaded() -> None:
    house = House({"a": 1, "b": 1})
    house.gates["a"] = asyncio.Event()
    beginning = asyncio.create_task(house.loading.begin(["a", "b"]))
    await until(lambda: house.log == ["load a"])
    served = [ServedModel(name, model, 0) for name, model in house.models.items()]
    pool = Pool(served, loading=house.loading)
    with pytest.raises(EngineNotReady, match="first model"):
        async with asyncio.timeout(5), pool.held("b"):
            pass
    house.gates["a"].set()
    await beginning
    await house.loading.aclose()


async def test_one_that_does_not_fit_beside_the_loaded_takes_the_place_of_the_least_used() -> None:
    house = await begun({"a": 2, "b": 2, "c": 4}, "a")
    await house.use("b")
    await house.use("a")
    await house.use("c")
    assert house.log == ["load a", "load b", "unload b", "load c"]
    assert house.loaded() == {"a", "c"}
    await house.loading.aclose()


async def test_a_model_that_is_used_is_waited_for_and_newcomers_wait_behind() -> None:
    house = await begun({"a": 4, "b": 4}, "a")
    async with house.loading.held("a"):
        wants_b = asyncio.create_task(house.use("b"))
        await until(lambda: not house.loading._room_found.is_set())
        wants_a = asyncio.create_task(house.use("a"))
        await asyncio.sleep(0)
        assert house.log == ["load a"]
        assert not wants_a.done()
    await wants_b
    await wants_a
    assert house.log == ["load a", "unload a", "load b", "unload b", "load a"]
    await house.loading.aclose()


async def test_a_generation_keeps_its_model_without_being_asked() -> None:
    house = await begun({"a": 4, "b": 4}, "a")
    events = house.models["a"].generate(PROMPT)
    await anext(events)
    wants_b = asyncio.create_task(house.use("b"))
    await until(lambda: not house.loading._room_found.is_set())
    with pytest.raises(Overloaded, match="a is in use"):
        await house.loading.unload("a")
    rest = [step async for step in events]
    assert isinstance(rest[-1][0], Finished)
    await wants_b
    assert house.loaded() == {"b"}
    await house.loading.aclose()


async def test_all_who_ask_wait_for_one_load_which_outlives_the_first_of_them() -> None:
    house = await begun({"a": 1, "b": 1}, "a")
    house.gates["b"] = asyncio.Event()
    first, second = (asyncio.create_task(house.use("b")) for _ in range(2))
    await until(lambda: "load b" in house.log)
    assert house.models["b"].status == "loading"
    with pytest.raises(EngineNotReady, match="being loaded"):
        _ = house.models["b"].info
    first.cancel()
    house.gates["b"].set()
    await second
    assert house.log == ["load a", "load b"]
    await house.loading.aclose()


async def test_one_that_fits_nowhere_is_refused_and_nothing_is_unloaded_for_it() -> None:
    house = await begun({"a": 1, "huge": 40}, "a")
    with pytest.raises(ModelLoadFailed, match="huge is too large"):
        await house.use("huge")
    assert house.loaded() == {"a"}
    await house.loading.aclose()


async def test_a_load_that_fails_can_be_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    house = await begun({"a": 1, "b": 1}, "a")
    house.failures["b"] = ModelLoadFailed("damaged")
    with pytest.raises(ModelLoadFailed, match="damaged"):
        await house.use("b")
    assert "b is not loaded: damaged" in caplog.text
    del house.failures["b"]
    await house.use("b")
    assert house.loaded() == {"a", "b"}
    await house.loading.aclose()


async def test_the_idle_are_unloaded_and_the_used_are_not() -> None:
    house = House({"a": 1, "b": 1}, idle_unload_s=0.01)
    await house.loading.begin(["a"])
    async with house.loading.held("b"):
        await until(lambda: house.loaded() == {"b"})
    await until(lambda: house.loaded() == set())
    await house.use("a")
    assert house.log.count("load a") == 2
    await house.loading.aclose()


async def test_one_that_is_used_again_while_another_idle_one_is_unloaded_stays() -> None:
    house = House({"a": 1, "b": 1}, idle_unload_s=0.01)
    await house.loading.begin(["a"])
    async with house.loading.held("a"), house.loading.held("b"):
        house.engines["a"].leaving = asyncio.Event()
    await until(lambda: house.log[-1] == "unload a")
    async with house.loading.held("b"):
        house.engines["a"].leaving.set()
        await until(lambda: not house.loading._one_at_a_time.locked())
        assert house.loaded() == {"b"}
    await house.loading.aclose()


async def test_an_owner_unloads_what_nobody_uses() -> None:
    house = await begun({"a": 1}, "a")
    await house.loading.unload("a")
    await house.loading.unload("a")
    assert house.models["a"].status == "unloaded"
    with pytest.raises(EngineNotReady, match="a is not loaded"):
        _ = house.models["a"].info
    await house.loading.aclose()


@pytest.mark.parametrize("gone", [False, True], ids=["", "whose owner has gone"])
async def test_a_model_is_loaded_again_once_its_old_engine_has_ended(*, gone: bool) -> None:
    house = await begun({"a": 1}, "a")
    first = house.engines["a"]
    leaving = first.leaving = asyncio.Event()
    unloading = asyncio.create_task(house.loading.unload("a"))
    await until(lambda: house.log[-1] == "unload a")
    if gone:
        unloading.cancel()
        await asyncio.wait([unloading])
    using = asyncio.create_task(house.use("a"))
    await until(lambda: bool(house.models["a"].users))
    for _ in range(100):  # whatever could go on does
        await asyncio.sleep(0)
    await asyncio.to_thread(house.models["a"].make, Taken())
    assert house.log == ["load a", "unload a"]
    leaving.set()
    await using
    assert unloading.cancelled() is gone
    assert house.engines["a"].closed is False
    assert first.closed
    assert house.log == ["load a", "unload a", "load a"]
    await house.loading.aclose()


async def test_one_that_is_asked_for_while_its_unloading_waits_stays() -> None:
    house = await begun({"a": 1, "b": 1}, "a")
    house.gates["b"] = asyncio.Event()
    using_b = asyncio.create_task(house.use("b"))
    await until(lambda: "load b" in house.log)
    unloading = asyncio.create_task(house.loading.unload("a"))
    await asyncio.sleep(0)
    async with house.loading.held("a"):
        house.gates["b"].set()
        with pytest.raises(Overloaded, match="a is in use"):
            await unloading
    await using_b
    assert house.loaded() == {"a", "b"}
    await house.loading.aclose()


async def test_a_failure_of_the_first_load_is_the_node_s() -> None:
    house = House({"a": 40})
    with pytest.raises(ModelLoadFailed):
        await house.loading.begin(["a"])
    assert not house.loading.begun


async def test_models_that_do_not_come_and_go_are_always_there() -> None:
    loading = Loading()
    await loading.begin(["elsewhere"])
    async with loading.held("elsewhere"):
        assert loading.begun
    await loading.unload("elsewhere")


async def test_the_speed_is_measured_once_nobody_waits_and_told_beside_the_expected(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    words = [str(number) for number in range(10)]
    house = House({"a": 1})
    make = house.models["a"].make

    def wordy(taken: Taken) -> Planned:
        planned = make(taken)
        house.engines["a"].words = words
        return planned

    house.models["a"].make = wordy
    await house.loading.begin(["a"])
    await until(lambda: house.models["a"].measured_tokens_per_s is not None)
    assert house.models["a"].measured_tokens_per_s == pytest.approx(9 / 0.02)
    assert "a: 450 tokens/s measured for one stream, " in caplog.text
    assert house.models["a"].users == 0
    await house.loading.aclose()


async def test_a_model_on_another_server_is_not_asked_for_its_speed() -> None:
    engine = Slow()
    model = Resident("a", lambda _: Planned(engine, None))
    await model.start(Planned(engine, None))
    await model.warm_up()
    assert engine.prompts == []


async def test_a_model_that_refuses_to_be_warmed_up_is_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = Slow(error=Overloaded("busy"))
    plan = plan_for(ModelSize("a", GIB, SHAPE, 4096), MACHINE, "cpu")
    model = Resident("a", lambda _: Planned(engine, plan))
    await model.start(Planned(engine, plan))
    await model.warm_up()
    assert [each.getMessage() for each in caplog.records] == ["a could not be warmed up: busy"]


async def test_answers_that_share_the_engine_say_nothing_of_its_speed() -> None:
    engine = Slow(words=[str(number) for number in range(10)])
    plan = plan_for(ModelSize("a", GIB, SHAPE, 4096), MACHINE, "cpu")
    model = Resident("a", lambda _: Planned(engine, plan))
    await model.start(Planned(engine, plan))

    async def answer(prompt: Prompt) -> list[list[Event]]:
        return [step async for step in model.generate(prompt)]

    await answer(Prompt("hi", SamplingParams(), n=2))
    await asyncio.gather(answer(PROMPT), answer(PROMPT))
    assert model.measured_tokens_per_s is None
    await answer(PROMPT)
    assert model.measured_tokens_per_s == pytest.approx(450)


def test_what_does_not_fit_is_said_with_the_figures() -> None:
    with pytest.raises(ConfigurationError, match="too large"):
        House({"a": 40}).models["a"].make(Taken())
