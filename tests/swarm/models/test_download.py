"""Downloads, from a server that speaks the hub's protocol."""

import asyncio
import errno
import hashlib
import io
import logging
import math
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_asyncio
from aiohttp import web

from swarm.errors import ConfigurationError
from swarm.models.choose import named_models
from swarm.models.download import bring
from swarm.models.hub import Hub, copied_folder, hub_of
from swarm.models.local import BUNDLED_ID
from swarm.models.machine import Known, Machine
from swarm.models.wanted import Fetch, Moved, Unreachable, Wanted
from tests.swarm.models.hubs import COMMIT, DATA, WANTED, FakeHub, serving
from tests.swarm.models.test_choose import PC


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[tuple[FakeHub, str]]:
    hub = FakeHub()
    async with serving(hub) as endpoint:
        yield hub, endpoint


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library waits for seconds before it asks again."""
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda _: None))


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


@pytest.mark.parametrize("revision", [COMMIT, None])
async def test_of_what_is_here_the_hub_is_not_asked(
    fake: tuple[FakeHub, str], tmp_path: Path, revision: str | None
) -> None:
    server, endpoint = fake
    parts = ("a-00001-of-00002.gguf", "a-00002-of-00002.gguf")
    wanted = replace(WANTED, files=parts, revision=revision, size_bytes=None)
    path = await brought(Hub(tmp_path, endpoint), wanted)
    asked = len(server.tokens)
    server.refuse = 404, {"X-Error-Code": "EntryNotFound"}
    assert await brought(Hub(tmp_path, endpoint), wanted) == path
    assert len(server.tokens) == asked
    assert await brought(Hub(tmp_path, "http://127.0.0.1:1"), wanted) == path


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


async def test_a_question_that_breaks_off_is_asked_again(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    fake[0].cut = 1
    assert (await brought(Hub(tmp_path, fake[1]))).read_bytes() == DATA


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


def chunked_page() -> web.Response:
    page = web.Response(text="<html>log in</html>", content_type="text/html")
    page.enable_chunked_encoding()
    return page


@pytest.mark.parametrize(
    "page", [chunked_page, lambda: web.Response(text="log in", content_type="text/plain")]
)
async def test_a_page_in_the_place_of_a_file_costs_nothing_of_what_is_here(
    fake: tuple[FakeHub, str], tmp_path: Path, page: Callable[[], web.Response]
) -> None:
    server, endpoint = fake
    server.in_place = page
    with pytest.raises(Unreachable, match="is not the file"):
        await brought(Hub(tmp_path, endpoint))
    part = tmp_path / "models--me--mine" / "blobs" / f"{server.named_sum}.incomplete"
    assert part.read_bytes() == b""
    part.write_bytes(DATA[:1000])
    with pytest.raises(Unreachable, match="is not the file"):
        await brought(Hub(tmp_path, endpoint))
    assert part.read_bytes() == DATA[:1000]
    server.in_place = None
    assert (await brought(Hub(tmp_path, endpoint))).read_bytes() == DATA
    assert server.ranges == ["", "bytes=1000-", "bytes=1000-"]


async def test_a_server_that_knows_no_ranges_gives_the_whole_file(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    server.in_place = lambda: web.Response(body=DATA)
    blobs = tmp_path / "models--me--mine" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{server.named_sum}.incomplete").write_bytes(DATA[:1000])
    assert (await brought(Hub(tmp_path, endpoint))).read_bytes() == DATA


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


async def test_the_log_names_the_file_and_no_address_that_opens_it(
    fake: tuple[FakeHub, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(FakeHub()) as signed:
        fake[0].elsewhere = f"{signed.replace('127.0.0.1', 'localhost')}/blob?Signature=secret"
        await brought(Hub(tmp_path, fake[1]))
    (line,) = (each.getMessage() for each in caplog.records if "aiohttp" not in each.name)
    assert line.startswith("downloading mine-q4.gguf")
    assert capfd.readouterr().err == ""  # a bar is for who looks at a terminal


async def test_what_the_library_warns_of_is_told_once(
    fake: tuple[FakeHub, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = io.StringIO()
    logging.getLogger("huggingface_hub").addHandler(logging.StreamHandler(own))  # as it has one
    fake[0].refuse = 503, {}
    with pytest.raises(ConfigurationError):
        await brought(Hub(tmp_path, fake[1]))
    assert "HTTP Error 503" in caplog.text
    assert own.getvalue() == ""


async def test_of_a_repository_without_an_mlx_model_nothing_is_brought(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    wanted = replace(WANTED, id="hf:me/mine", files=(), size_bytes=None)
    for server.names, said in (
        (("config.json", "a-q4.gguf", "a-q8.gguf"), "hf:me/mine/a-q4.gguf, hf:me/mine/a-q8.gguf"),
        (("README.md", "config.json", "pytorch_model.bin"), "no MLX model"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            await brought(Hub(tmp_path, endpoint), wanted)
    assert server.tokens == []


async def test_a_slow_server_is_waited_for(fake: tuple[FakeHub, str], tmp_path: Path) -> None:
    server, endpoint = fake
    server.pause_s = 0.1
    assert (await brought(Hub(tmp_path, endpoint))).read_bytes() == DATA


async def test_a_wrong_checksum_is_thrown_away(fake: tuple[FakeHub, str], tmp_path: Path) -> None:
    server, endpoint = fake
    server.named_sum = "0" * 64
    with pytest.raises(Unreachable, match="not what the hub has"):
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
        (503, {}, "status 503"),
    ],
)
async def test_a_refusal_says_what_can_be_done(
    fake: tuple[FakeHub, str], tmp_path: Path, status: int, headers: dict[str, str], said: str
) -> None:
    server, endpoint = fake
    server.refuse = status, headers
    with pytest.raises(Unreachable, match=said):
        await brought(Hub(tmp_path, endpoint))


async def test_a_named_model_that_the_hub_refuses_is_left_out_and_told(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    fake[0].refuse = 403, {"X-Error-Code": "GatedRepo"}
    names, machine = [BUNDLED_ID, "hf:me/mine/mine-q4.gguf"], Machine(PC, "cpu")
    here = partial(bring, hub=Hub(tmp_path, fake[1]))
    choice = await asyncio.to_thread(named_models, names, Known((), ()), machine, here)
    assert [model.id for model in choice.models] == [BUNDLED_ID]
    assert "hf:me/mine/mine-q4.gguf: me/mine on" in choice.reason
    assert "asks for its licence to be accepted" in choice.reason


@pytest.mark.parametrize("only_for_files", [False, True])
@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "40"},
        {"RateLimit": '"api";r=0;t=40'},
    ],
)
async def test_a_start_does_not_wait_as_long_as_a_busy_hub_asks_for(
    fake: tuple[FakeHub, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
    only_for_files: bool,
) -> None:
    slept: list[float] = []
    sleeping = SimpleNamespace(sleep=slept.append)
    monkeypatch.setattr("huggingface_hub.utils._http.time", sleeping)
    if only_for_files:
        fake[0].in_place = lambda: web.Response(status=429, headers=headers)
    else:
        fake[0].refuse = 429, headers
    with pytest.raises(Unreachable, match="too many requests from here: try again in 40 s"):
        await brought(Hub(tmp_path, fake[1]))
    assert slept == []
    with pytest.raises(Unreachable, match="too many requests"):
        await brought(Hub(tmp_path, fake[1], wait_s=math.inf))
    assert slept[0] > 40


class BusyOnceAsked(FakeHub):
    """In trouble at first, and too busy when it is asked again."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.refuse = (429, {"Retry-After": "40"}) if self.tokens else (503, {})
        return await super().answer(request)


class BusyOnceBrought(FakeHub):
    """Too busy to say once more what it has given."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.refuse = (429, {"Retry-After": "40"}) if self.ranges else None
        return await super().answer(request)


@pytest.mark.parametrize("hub", [BusyOnceAsked, BusyOnceBrought])
async def test_a_start_does_not_wait_for_a_hub_that_becomes_busy(
    hub: type[FakeHub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    sleeping = SimpleNamespace(sleep=slept.append)
    monkeypatch.setattr("huggingface_hub.utils._http.time", sleeping)
    async with serving(hub()) as endpoint:
        with pytest.raises(Unreachable, match="too many requests from here: try again in 40 s"):
            await brought(Hub(tmp_path, endpoint))
    assert sum(slept) <= Hub(tmp_path).wait_s


async def test_no_room_on_the_disk_is_said_before_anything_comes(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    with pytest.raises(Unreachable, match="make room there"):
        await brought(Hub(tmp_path, endpoint, spare_bytes=1 << 60))
    assert server.ranges == []


@pytest.mark.parametrize("kind", ["parts", "repository"])
async def test_room_is_needed_for_all_files_together_less_what_is_here(
    fake: tuple[FakeHub, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    server, endpoint = fake
    server.names = ("a.json", "b.safetensors", "c.safetensors")
    files = server.names if kind == "parts" else ()
    wanted = replace(WANTED, files=files, size_bytes=None)
    free = SimpleNamespace(free=len(DATA) * 5 // 2)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    hub = Hub(tmp_path, endpoint, spare_bytes=0)
    with pytest.raises(Unreachable, match="make room there"):
        await brought(hub, wanted)
    assert server.ranges == []
    blobs = tmp_path / "models--me--mine" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{server.named_sum}.incomplete").write_bytes(DATA[: len(DATA) // 2])
    assert (await brought(hub, wanted)).exists()


async def test_what_is_here_under_another_name_needs_no_room(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    server, endpoint = fake
    await brought(Hub(tmp_path, endpoint))
    renamed = replace(WANTED, files=("renamed-q4.gguf",))
    assert (await brought(Hub(tmp_path, endpoint, spare_bytes=1 << 60), renamed)).exists()
    assert len(server.ranges) == 1


async def test_how_far_all_files_together_are_is_shown(
    fake: tuple[FakeHub, str], tmp_path: Path
) -> None:
    told: list[object] = []

    @contextmanager
    def show(title: str, total_bytes: int | None) -> Generator[Moved]:
        told.extend((title, total_bytes))
        yield told.append

    wanted = replace(WANTED, files=("a.gguf", "b.gguf"), size_bytes=None)
    hub = Hub(tmp_path, fake[1])
    await asyncio.to_thread(bring, wanted, hub, show=show)
    assert told[:2] == [WANTED.id, 2 * len(DATA)]
    assert told[-1] == len(DATA), "both have one content, which comes once"


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
