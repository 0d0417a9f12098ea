"""Model files from peers, under whatever names the hub has them."""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import pytest

from federation import copying
from federation.client import PeerClient
from federation.copying import copy_files, copy_from_peers
from federation.endpoint import PeerEndpoint
from federation.home import locked
from federation.peers import PeerTable
from federation.sharing import Shelf
from federation.store import Membership, Store
from federation.wire import MAX_FILES, Status
from federation.wishes import Wishes
from swarm.errors import ConfigurationError
from tests.federation.sides import SECRET, Side, calling, listening, side
from tests.federation.sightings import OURS, STATUS, node_id
from tests.federation.ways import far_away
from tests.waiting import PATIENCE_S

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

    async def endpoints() -> AsyncGenerator[PeerEndpoint]:
        yield there.to()

    def texts() -> dict[str, str]:
        found = (path for path in goal.rglob("*") if path.is_file())
        return {path.relative_to(goal).as_posix(): path.read_text() for path in found}

    goal = folder / "copies"
    here = await asyncio.to_thread(side, folder / "here")
    async with calling(here) as client:
        done = await copy_files(lambda: client, endpoints, names, goal, moved=int)
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


async def test_before_the_start_a_file_comes_from_a_peer_that_is_far_away_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first heartbeat takes three ways there and back, with those of its connection."""
    monkeypatch.setattr("federation.client.HEARTBEAT_TIMEOUT_S", 0.3)
    monkeypatch.setattr("federation.client.CONNECT_S", PATIENCE_S)
    monkeypatch.setattr(copying, "LOOK_S", 0.0)

    def copy(endpoint: PeerEndpoint) -> bool:
        wishes = Wishes(tmp_path / "h", "hall", "1", peers=((endpoint.host, endpoint.port),))
        Store(wishes.folder).save(Membership(SECRET, (node_id(1),)))
        copied = copy_from_peers(wishes, ["model.gguf"], tmp_path / "copies")
        with locked(wishes.folder):  # as the start that follows
            return copied

    async with shared(tmp_path, "snapshot/model.gguf") as there, far_away(there.to(), 0.1) as far:
        assert await asyncio.to_thread(copy, far)


@pytest.mark.parametrize("members", [(), (node_id(1),)])
def test_beside_the_node_of_its_folder_nobody_is_spoken_to(
    members: tuple[str, ...], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as peer:
        peer.setblocking(False)
        wishes = Wishes(tmp_path / "h", "hall", "1", peers=(peer.getsockname(),))
        Store(wishes.folder).save(Membership(SECRET, members))
        refused = pytest.raises(ConfigurationError, match="another node lives in")
        with locked(wishes.folder), refused:
            copy_from_peers(wishes, ["model.gguf"], tmp_path / "copies")
        with pytest.raises(BlockingIOError):
            peer.accept()


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
    assert [endpoint.host async for endpoint in copying._ready_endpoints(table)] == ["10.0.0.1"]


SIZE = 8 << 20


@contextlib.asynccontextmanager
async def breaking(to: PeerEndpoint, *after: int) -> AsyncGenerator[PeerEndpoint]:
    """A way to a peer on which the first connections break off after that many bytes each."""
    left = list(after)
    at_work = set[asyncio.Task[None]]()

    async def forward(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int
    ) -> None:
        while (piece := await reader.read(1 << 16)) and most > 0:
            writer.write(piece)
            await writer.drain()
            most -= len(piece)

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        most = left.pop(0) if left else 1 << 40
        there, back = await asyncio.open_connection(to.host, to.port)
        ways = (forward(reader, back, 1 << 40), forward(there, writer, most))
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for each in (writer, back):
                each.transport.abort()

    def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_work.add(asyncio.create_task(both(reader, writer)))

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    async with server:
        yield PeerEndpoint("127.0.0.1", server.sockets[0].getsockname()[1], to.name)
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)


@pytest.fixture
async def large(tmp_path: Path) -> AsyncGenerator[Side]:
    """A peer that shares a file of several pieces."""
    async with shared(tmp_path, "model.gguf") as there:
        content = random.Random(1).randbytes(SIZE)
        await asyncio.to_thread(there.files["model.gguf"].write_bytes, content)
        yield there


async def copied_from(
    folder: Path,
    endpoint: PeerEndpoint,
    client: Callable[[], PeerClient | None],
    moved: list[int],
    *,
    patience_s: float = 10,
) -> bool:
    """Whether the file was copied from this peer alone."""

    async def endpoints() -> AsyncGenerator[PeerEndpoint]:
        yield endpoint

    names, goal = ["model.gguf"], folder / "copies"
    return await copy_files(
        client, endpoints, names, goal, moved=moved.append, pause_s=0.01, patience_s=patience_s
    )


async def test_a_copy_that_breaks_off_goes_on_while_bytes_come(tmp_path: Path, large: Side) -> None:
    moved: list[int] = []
    here = await asyncio.to_thread(side, tmp_path / "here")
    async with calling(here) as client, breaking(large.to(), 3 << 20, 3 << 20) as endpoint:
        assert await copied_from(tmp_path, endpoint, lambda: client, moved)
    copy = await asyncio.to_thread((tmp_path / "copies/model.gguf").read_bytes)
    assert copy == await asyncio.to_thread(large.files["model.gguf"].read_bytes)
    assert moved[-1] == SIZE


async def test_a_copy_without_more_bytes_is_given_up_and_its_part_stays(
    tmp_path: Path, large: Side
) -> None:
    moved: list[int] = []
    here = await asyncio.to_thread(side, tmp_path / "here")
    async with calling(here) as client, breaking(large.to(), 3 << 20, *[0] * 1000) as endpoint:
        assert not await copied_from(tmp_path, endpoint, lambda: client, moved, patience_s=0.1)
    [part] = await asyncio.to_thread(lambda: list((tmp_path / "copies").iterdir()))
    assert 0 < part.stat().st_size == moved[-1] < SIZE


async def test_a_copy_goes_on_with_the_client_of_the_next_code(tmp_path: Path, large: Side) -> None:
    here = await asyncio.to_thread(side, tmp_path / "here")
    async with contextlib.AsyncExitStack() as first, calling(here) as after:
        now: list[PeerClient | None] = [await first.enter_async_context(calling(here))]
        ending: list[asyncio.Task[None]] = []

        async def change() -> None:
            now[0] = None
            await first.aclose()
            now[0] = after

        class Moved(list[int]):
            def append(self, count: int, /) -> None:
                super().append(count)
                if count and not ending:
                    ending.append(asyncio.create_task(change()))

        moved = Moved()
        assert await copied_from(tmp_path, large.to(), lambda: now[0], moved)
        assert ending
        await ending[0]
    assert moved[-1] == SIZE


async def test_a_peer_whose_file_is_another_than_it_says_is_not_asked_again(
    tmp_path: Path, large: Side
) -> None:
    moved: list[int] = []
    path = large.files["model.gguf"]
    about = await asyncio.to_thread(path.stat)
    here = await asyncio.to_thread(side, tmp_path / "here")
    async with calling(here) as client:
        await client.files(large.to(), ["model.gguf"])  # from now on it knows the sum
        await asyncio.to_thread(path.write_bytes, bytes(SIZE))
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        assert not await copied_from(tmp_path, large.to(), lambda: client, moved, patience_s=0.1)
    assert moved[-1] == SIZE
