"""A model that takes the default one's place while that one answers."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hardware.snapshot import Snapshot
from swarm.engines.base import Delta
from swarm.engines.loading import Loading
from swarm.engines.resident import Planned, Resident
from swarm.errors import ConfigurationError, ModelLoadFailed, SwarmError
from swarm.models.fit import ModelSize, plan_for
from swarm.models.local import LocalModel
from swarm.models.memory import Shape
from swarm.models.room import Taken
from swarm.models.wanted import Moved, Unreachable, Wanted
from swarm.pool import Pool, ServedModel
from swarm.successor import Successor
from swarm.types import Prompt, SamplingParams
from tests.fakes import FakeEngine

GIB = 1 << 30
MACHINE = Snapshot("linux", "A Processor", 4, 4, frozenset(), 16 * GIB, 10 * GIB)
WANTED = Wanted("better:7b:4bit", "me/better", ("better.gguf",), size_bytes=100)


class Loadable(FakeEngine):
    failure: SwarmError | None = None

    async def start(self) -> None:
        if self.failure:
            raise self.failure


@dataclass
class Noted(FakeEngine):
    """Notes that it is loaded and unloaded; the load waits for a gate."""

    name: str = ""
    done: list[str] = field(default_factory=list[str])
    gate: asyncio.Event | None = None

    async def start(self) -> None:
        self.done.append(f"load {self.name}")
        if self.gate:
            await self.gate.wait()

    async def aclose(self) -> None:
        self.done.append(f"unload {self.name}")
        await super().aclose()


def resident(name: str, engine: Loadable) -> Resident:
    def make(taken: Taken) -> Planned:
        shape = Shape(8, 8, cached_values=4096, vocabulary=1_000)
        return Planned(engine, plan_for(ModelSize(name, GIB, shape, 4096), MACHINE, "cpu"))

    return Resident(name, make)


async def begun() -> Pool:
    small = resident("small", Loadable(words=["small", " talk"]))
    pool = Pool([ServedModel("small", small, 0)], loading=Loading([small]))
    await pool.loading.begin(["small"])
    return pool


def successor(
    folder: Path,
    *,
    copies: bool | OSError | None = None,
    refusal: SwarmError | None = None,
    failure: SwarmError | None = None,
    asked: list[str] | None = None,
    meanwhile: Callable[[], object] = int,
) -> Successor:
    """One whose file is brought at once; `copies`: whether a peer has it, None: there is none."""
    file = folder / "better.gguf"
    noted = [] if asked is None else asked

    async def copy(wanted: Wanted, moved: Moved) -> bool:
        noted.append("peer")
        if isinstance(copies, OSError):
            raise copies
        return bool(copies)

    async def download(wanted: Wanted, moved: Moved) -> Path:
        noted.append("hub")
        meanwhile()
        if refusal:
            raise refusal
        await asyncio.to_thread(file.write_bytes, bytes(100))
        moved(100)
        return file

    def make(model: LocalModel) -> Resident:
        assert (model.id, model.path) == (WANTED.id, file)
        engine = Loadable(words=["better", " talk"])
        engine.failure = failure
        return resident(model.id, engine)

    return Successor(
        WANTED, 100, copy=None if copies is None else copy, download=download, make=make
    )


async def test_it_becomes_the_default_and_the_first_stays_by_its_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pool = await begun()
    coming = successor(tmp_path)
    await coming.take_over(pool)
    assert coming.stage == "serving"
    assert coming.moved_bytes == 100
    assert pool.resolve("swarm").id == WANTED.id
    assert pool.resolve("small").id == "small"
    assert "better:7b:4bit is the default model now" in caplog.text
    assert "run `python main.py --opencode` there again" in caplog.text
    assert [offer.model for offer in pool.offers() if offer.default] == [WANTED.id]
    await pool.aclose()


async def test_who_asks_for_the_swarm_while_it_is_loaded_waits_for_it_and_not_for_the_first(
    tmp_path: Path,
) -> None:
    done: list[str] = []
    gate = asyncio.Event()

    def large(name: str, gate: asyncio.Event | None) -> Resident:
        """One of two that do not fit beside each other."""

        def make(taken: Taken) -> Planned:
            shape = Shape(8, 8, cached_values=4096, vocabulary=1_000)
            size = ModelSize(name, 4 * GIB, shape, 4096)
            engine = Noted(name=name, done=done, gate=gate)
            return Planned(engine, plan_for(size, MACHINE, "cpu", taken=taken))

        return Resident(name, make)

    first = large("first", None)
    pool = Pool([ServedModel("first", first, 0)], loading=Loading([first]))
    await pool.loading.begin(["first"])
    coming = successor(tmp_path)
    coming._make = lambda model: large(model.id, gate)
    taking_over = asyncio.create_task(coming.take_over(pool))

    async def ask() -> str:
        async with pool.held("swarm") as model:
            assert pool.status(model) == "loaded"
            return model.id

    async with asyncio.timeout(5):
        while not done or done[-1] != f"load {WANTED.id}":  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        asking = asyncio.create_task(ask())
        await asyncio.sleep(0.01)
        gate.set()
        assert await asking == WANTED.id
        await taking_over
    assert done == ["load first", "unload first", f"load {WANTED.id}"]
    await pool.aclose()


async def test_an_answer_that_runs_ends_on_the_model_that_it_began_with(tmp_path: Path) -> None:
    pool = await begun()
    before = pool.resolve("swarm")
    prompt = Prompt("hello", SamplingParams())
    async with aclosing(pool.generate(before, prompt)) as steps:
        said = await anext(steps)
        await successor(tmp_path).take_over(pool)
        said += [event for step in [s async for s in steps] for event in step]
    assert "".join(e.text for e in said if isinstance(e, Delta)) == "small talk"
    assert pool.resolve("swarm") is not before
    await pool.aclose()


@pytest.mark.parametrize(
    ("copies", "asked"),
    [(None, ["hub"]), (True, ["peer", "hub"]), (OSError("disk full"), ["peer", "hub"])],
)
async def test_a_peer_is_asked_before_the_hub(
    tmp_path: Path, copies: bool | OSError | None, asked: list[str]
) -> None:
    pool = await begun()
    noted: list[str] = []
    await successor(tmp_path, copies=copies, asked=noted).take_over(pool)
    assert noted == asked
    await pool.aclose()


@pytest.mark.parametrize(
    ("refusal", "failure"),
    [
        (Unreachable("better:7b:4bit is not here, and the hub cannot be reached"), None),
        (ConfigurationError("better:7b:4bit: 4.0 GiB are to be downloaded, but"), None),
        (None, ModelLoadFailed("better:7b:4bit is damaged")),
    ],
)
async def test_where_it_cannot_be_had_the_first_goes_on_and_why_is_said_once(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    refusal: SwarmError | None,
    failure: SwarmError | None,
) -> None:
    pool = await begun()
    coming = successor(tmp_path, refusal=refusal, failure=failure)
    await coming.take_over(pool)
    assert pool.resolve("swarm").id == "small"
    assert coming.stage == "failed"
    assert "better:7b:4bit" in (coming.why or "")
    said = [r for r in caplog.records if "small stays the default model" in r.getMessage()]
    assert len(said) == 1
    await pool.aclose()


async def test_while_it_is_on_its_way_its_stage_is_known(tmp_path: Path) -> None:
    pool = await begun()
    stages: list[str] = []
    coming = successor(tmp_path, meanwhile=lambda: stages.append(coming.stage))
    assert coming.stage == "waiting"
    await coming.take_over(pool)
    assert stages == ["downloading"]
    await pool.aclose()
