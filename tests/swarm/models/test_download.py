"""Downloads, from a server that speaks the hub's protocol."""

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from swarm.errors import ConfigurationError
from swarm.models.download import bring
from swarm.models.hub import Hub, copied_folder, hub_of
from swarm.models.wanted import Fetch, Unreachable, Wanted
from tests.swarm.models.hubs import DATA, WANTED, FakeHub, serving


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[tuple[FakeHub, str]]:
    hub = FakeHub()
    async with serving(hub) as endpoint:
        yield hub, endpoint


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


async def test_what_another_start_has_begun_is_gone_on_with(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    blobs = tmp_path / "models--me--mine" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{server.named_sum}.incomplete").write_bytes(DATA[:1000])
    path = await brought(Hub(tmp_path, endpoint))
    assert path.read_bytes() == DATA
    assert server.ranges == ["bytes=1000-"]
    assert [blob.name for blob in blobs.iterdir()] == [server.named_sum]


async def test_what_was_begun_and_is_longer_than_the_file_is_begun_anew(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    blobs = tmp_path / "models--me--mine" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{server.named_sum}.incomplete").write_bytes(DATA + b"more")
    assert (await brought(Hub(tmp_path, endpoint))).read_bytes() == DATA
    assert server.ranges == [""]
    assert [blob.name for blob in blobs.iterdir()] == [server.named_sum]


async def test_a_repository_is_brought_without_what_lies_beside_the_model(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    server.names = ("README.md", "a/b.json", "config.json", "model.safetensors", "other.gguf")
    wanted = replace(WANTED, files=(), size_bytes=None)
    folder = await brought(Hub(tmp_path, endpoint), wanted)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}
    server.refuse = 418, {}
    assert await brought(Hub(tmp_path, endpoint), wanted) == folder


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


async def test_a_file_that_plain_http_does_not_bring_comes_as_the_library_brings_it(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    assert (await brought(Hub(tmp_path, endpoint, plain_bytes=9))).read_bytes() == DATA
    server.named_sum = "0" * 64
    with pytest.raises(ConfigurationError, match="not what the hub has"):
        await brought(Hub(tmp_path / "other", endpoint, plain_bytes=9))
    assert not big_files(tmp_path / "other")


# What the library says of the disk of this machine is no part of it.
@pytest.mark.filterwarnings("ignore:Not enough free disk space:UserWarning")
@pytest.mark.parametrize("plain_bytes", [50 * 10**9, 1 << 60])
async def test_a_file_that_no_protocol_brings_is_told(
    fake: tuple[FakeHub, str], tmp_path: Path, plain_bytes: int
) -> None:
    server, endpoint = fake
    server.told_bytes = 60 * 10**9
    with pytest.raises(ConfigurationError, match="too large"):
        await brought(Hub(tmp_path, endpoint, spare_bytes=-(1 << 60), plain_bytes=plain_bytes))


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


async def test_a_copy_that_is_thrown_away_leaves_the_others_of_its_repository(
    tmp_path: Path,
) -> None:
    folder = copied_folder(WANTED, tmp_path)
    folder.mkdir(parents=True)
    (folder / WANTED.files[0]).write_bytes(b"short")
    (folder / "finer.gguf").write_bytes(b"good")
    with pytest.raises(Unreachable):
        await brought(Hub(tmp_path, offline=True))
    assert [path.name for path in folder.iterdir()] == ["finer.gguf"]


async def test_a_copy_that_fails_on_this_side_is_told_and_the_hub_is_asked(
    fake: tuple[FakeHub, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: Wanted, __: Path) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = await brought(Hub(tmp_path, fake[1]), from_peer=full)
    assert path.read_bytes() == DATA
    assert "no copy from a peer: [Errno 28] No space left on device" in caplog.text


async def test_a_hub_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(Unreachable, match="cannot be reached"):
            await brought(Hub(tmp_path, endpoint, patience_s=0.1))
        gone.set()


async def test_of_several_files_from_a_peer_all_must_be_here(tmp_path: Path) -> None:
    both = replace(WANTED, files=("a-00001-of-00002.gguf", "a-00002-of-00002.gguf"))
    folder = copied_folder(both, tmp_path)
    folder.mkdir(parents=True)
    (folder / both.files[0]).write_bytes(DATA[:100])
    with pytest.raises(Unreachable):
        await brought(Hub(tmp_path, offline=True), both)
    (folder / both.files[1]).write_bytes(DATA[100:])
    assert await brought(Hub(tmp_path, offline=True), both) == folder / both.files[0]


def test_the_hub_is_the_one_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("kept\n")
    hub = hub_of({"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://mirror", "HF_HUB_OFFLINE": "1"})
    assert hub == Hub(tmp_path / "hub", "http://mirror", "kept", offline=True)
    assert hub_of({"HF_HUB_CACHE": "/c", "HF_TOKEN": "t"}).token == "t"
