"""Model files from peers, under whatever names the hub has them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from federation import copying
from federation.client import Door
from federation.copying import copy_files
from federation.peers import PeerTable
from federation.sharing import Shelf
from federation.wire import MAX_FILES, Status
from tests.federation.sightings import OURS, STATUS, node_id
from tests.federation.test_door import Side, calling, listening, side

PARTS = [f"x-{at:05}.gguf" for at in range(MAX_FILES + 1)]


@contextlib.asynccontextmanager
async def shared(folder: Path, *names: str) -> AsyncGenerator[Side]:
    """A peer that shares files at these paths of its own, each with a text of its own."""

    def made() -> Side:
        there = side(folder / "there")
        for name in names:
            path = folder / "there" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"the words of {name}")
            there.files[path.name] = path
        return there

    async with listening(await asyncio.to_thread(made)) as there:
        yield there


async def copied(folder: Path, there: Side, names: Sequence[str]) -> dict[str, str] | None:
    """What was copied, by its path in the folder; None where it was not."""

    async def doors() -> AsyncGenerator[Door]:
        yield there.to()

    def texts() -> dict[str, str]:
        found = (path for path in goal.rglob("*") if path.is_file())
        return {path.relative_to(goal).as_posix(): path.read_text() for path in found}

    goal = folder / "copies"
    here = await asyncio.to_thread(side, folder / "here")
    async with calling(here) as client:
        done = await copy_files(client, doors(), names, goal, moved=int)
    return await asyncio.to_thread(texts) if done else None


@pytest.mark.parametrize(
    "name",
    [
        "model.gguf",
        "UD-Q4_K_XL/X-00001-of-00002.gguf",
        "a/b/model.gguf",
        "a model (v2) +tools.gguf",
        "a=b,c@d~e.gguf",
        "an 8 bit/model+.gguf",
    ],
)
async def test_a_file_is_copied_to_its_place_in_the_repository(name: str, tmp_path: Path) -> None:
    async with shared(tmp_path, f"snapshot/{name}") as there:
        assert await copied(tmp_path, there, [name]) == {name: f"the words of snapshot/{name}"}


async def test_a_file_of_that_name_in_another_folder_is_another_file(tmp_path: Path) -> None:
    async with shared(tmp_path, "Q8_0/model.gguf") as there:
        assert await copied(tmp_path, there, ["Q4_0/model.gguf"]) is None


async def test_a_model_may_have_more_parts_than_one_question_names(tmp_path: Path) -> None:
    async with shared(tmp_path, *PARTS) as there:
        assert set(await copied(tmp_path, there, PARTS) or ()) == set(PARTS)


async def test_of_many_parts_each_must_be_there(tmp_path: Path) -> None:
    async with shared(tmp_path, *PARTS[:-1]) as there:
        assert await copied(tmp_path, there, PARTS) is None


@pytest.mark.parametrize(
    "name",
    [
        "../model.gguf",
        "/model.gguf",
        "a/../../model.gguf",
        "a//model.gguf",
        "a\\model.gguf",
        ".a/model.gguf",
        "C:/model.gguf",
        "mod\u00e8l.gguf",
        "model.gguf\n",
        "m" * 257,
    ],
)
async def test_no_peer_is_asked_for_a_path_that_may_lead_elsewhere(
    name: str, tmp_path: Path
) -> None:
    async with shared(tmp_path, "model.gguf") as there:
        assert await copied(tmp_path, there, [name]) is None


@pytest.mark.parametrize("name", [".", "..", "/", "there/", "copies/../there/model.gguf"])
def test_nothing_is_shared_under_a_path_that_leads_up(name: str, tmp_path: Path) -> None:
    shelf = Shelf(lambda: {"model.gguf": tmp_path / "there" / "model.gguf"})
    assert shelf.path(name) is None
    assert shelf.path("there/model.gguf") == shelf.path("model.gguf") is not None


async def test_a_peer_whose_last_heartbeat_failed_is_asked_where_it_answered_before() -> None:
    table = PeerTable[Status](node_id(0), OURS)
    for host in ("10.0.0.2", "10.0.0.1"):
        table.heard((host, 17617), node_id(1), STATUS, 0.0)
    table.failed(node_id(1), "reachable", "no answer within 1 s", 1.5)
    assert [door.host async for door in copying._ready_doors(table)] == ["10.0.0.1"]
