"""Downloads, from a server that speaks the hub's protocol."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from swarm.errors import ConfigurationError
from swarm.models.download import bring
from swarm.models.hub import Hub, hub_of
from swarm.models.wanted import Fetch, Unreachable, Wanted

COMMIT = "c" * 40
DATA = bytes(range(256)) * 4096  # a MiB
WANTED = Wanted("mine:1b:4bit", "me/mine", ("mine-q4.gguf",), COMMIT, len(DATA))


@dataclass
class FakeHub:
    """One file of one repository; `refuse` is a status, `break_after` bytes of the first answer."""

    refuse: tuple[int, dict[str, str]] | None = None
    break_after: int | None = None
    pause_s: float = 0.0
    named_sum: str = hashlib.sha256(DATA).hexdigest()
    data: bytes = DATA
    ranges: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            return web.Response()
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.refuse:
            return web.Response(status=self.refuse[0], headers=self.refuse[1], text="no")
        head = {"X-Repo-Commit": COMMIT, "ETag": f'"{self.named_sum}"', "Accept-Ranges": "bytes"}
        if request.method == "HEAD":
            return web.Response(headers=head | {"Content-Length": str(len(self.data))})
        return await self._send(request, head)

    async def _send(self, request: web.Request, head: dict[str, str]) -> web.StreamResponse:
        asked = request.headers.get("Range", "")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        response = web.StreamResponse(status=206 if asked else 200, headers=head)
        end = len(self.data)
        response.content_length = end - start
        if asked:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{end}"
        await response.prepare(request)
        if self.break_after is not None:
            end, self.break_after = self.break_after, None
        for at in range(start, end, 1 << 18):
            await asyncio.sleep(self.pause_s)
            await response.write(self.data[at : min(end, at + (1 << 18))])
        if end < len(self.data):
            assert request.transport is not None
            request.transport.abort()
        return response


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[tuple[FakeHub, str]]:
    hub = FakeHub()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hub.answer)
    async with TestServer(app) as server:
        yield hub, str(server.make_url("")).rstrip("/")


def big_files(folder: Path, *, at_least: int = 100_000) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if path.stat().st_size >= at_least and path.suffix != ".lock"]


async def brought(hub: Hub, wanted: Wanted = WANTED, **more: Fetch) -> Path:
    return await asyncio.to_thread(bring, wanted, hub, **more)


async def test_a_file_is_downloaded_once_and_then_comes_from_the_cache(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    hub = Hub(tmp_path, endpoint, token="secret")
    path = await brought(hub)
    assert path.read_bytes() == DATA
    assert server.tokens[0] == "Bearer secret"
    assert await brought(replace(hub, offline=True)) == path
    assert await brought(hub) == path
    assert len(server.ranges) == 1


async def test_without_a_token_none_is_sent(fake: tuple[FakeHub, str], tmp_path: Path) -> None:
    server, endpoint = fake
    await brought(Hub(tmp_path, endpoint))
    assert set(server.tokens) == {""}


async def test_an_interrupted_download_goes_on_where_it_was(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    server.data = DATA * 12
    server.named_sum = hashlib.sha256(server.data).hexdigest()
    server.break_after = 11 << 20
    assert (await brought(Hub(tmp_path, endpoint))).read_bytes() == server.data
    assert server.ranges == ["", f"bytes={10 << 20}-"]


async def test_a_slow_server_is_waited_for(fake: tuple[FakeHub, str], tmp_path: Path) -> None:
    server, endpoint = fake
    server.pause_s = 0.1
    assert (await brought(Hub(tmp_path, endpoint))).read_bytes() == DATA


async def test_a_wrong_checksum_is_thrown_away(fake: tuple[FakeHub, str], tmp_path: Path) -> None:
    server, endpoint = fake
    server.named_sum = "0" * 64
    with pytest.raises(ConfigurationError, match="not what the hub has"):
        await brought(Hub(tmp_path, endpoint))
    assert not big_files(tmp_path)


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "HF_TOKEN"),
        (401, {"X-Error-Code": "RepoNotFound"}, "no me/mine"),
        (403, {"X-Error-Code": "GatedRepo"}, "licence to be accepted"),
        (404, {"X-Error-Code": "EntryNotFound"}, "no file mine-q4.gguf"),
        (404, {"X-Error-Code": "RepoNotFound"}, "no me/mine"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "revision cccc"),
        (429, {"Retry-After": "0"}, "too many requests"),
        (418, {}, "status 418"),
    ],
)
async def test_a_refusal_says_what_can_be_done(
    fake: tuple[FakeHub, str], tmp_path: Path, status: int, headers: dict[str, str], said: str
) -> None:
    server, endpoint = fake
    server.refuse = status, headers
    with pytest.raises(ConfigurationError, match=said):
        await brought(Hub(tmp_path, endpoint))


async def test_no_room_on_the_disk_is_said_before_anything_comes(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    with pytest.raises(ConfigurationError, match="make room there"):
        await brought(Hub(tmp_path, endpoint, spare_bytes=1 << 60))
    assert server.ranges == []


async def test_without_a_way_to_the_hub_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="offline mode is on"):
        await brought(Hub(tmp_path, offline=True))
    with pytest.raises(Unreachable, match="cannot be reached"):
        await brought(Hub(tmp_path, "http://127.0.0.1:1"))


async def test_a_peer_is_asked_first(tmp_path: Path) -> None:
    def copy(wanted: Wanted, folder: Path) -> bool:
        folder.mkdir(parents=True)
        (folder / wanted.files[0]).write_bytes(DATA)
        return True

    hub = Hub(tmp_path, offline=True)
    path = await brought(hub, from_peer=copy)
    assert path.read_bytes() == DATA
    assert await brought(hub) == path


async def test_a_peer_s_copy_of_another_size_is_thrown_away(tmp_path: Path) -> None:
    def copy(wanted: Wanted, folder: Path) -> bool:
        folder.mkdir(parents=True)
        (folder / wanted.files[0]).write_bytes(b"short")
        return True

    with pytest.raises(Unreachable):
        await brought(Hub(tmp_path, offline=True), from_peer=copy)
    assert not big_files(tmp_path, at_least=1)


def test_the_hub_is_the_one_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("kept\n")
    hub = hub_of({"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://mirror", "HF_HUB_OFFLINE": "1"})
    assert hub == Hub(tmp_path / "hub", "http://mirror", "kept", offline=True)
    assert hub_of({"HF_HUB_CACHE": "/c", "HF_TOKEN": "t"}).token == "t"
