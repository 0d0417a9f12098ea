"""A server that speaks the hub's protocol, for downloads."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from swarm.models.wanted import Wanted

COMMIT = "c" * 40
DATA = bytes(range(256)) * 4096  # a MiB
WANTED = Wanted("mine:1b:4bit", "me/mine", ("mine-q4.gguf",), COMMIT, len(DATA))


@dataclass
class FakeHub:
    """One file of one repository; `refuse` is a status, `break_after` bytes of the first answer.

    `names`: of all files of a repository, which are alike. `told_bytes`: their length, where that
    is not told as it is. `elsewhere`: the address to which each file's leads. So many requests for
    files are `cut` off without an answer. Another answer than a file's content: `in_place`.
    """

    refuse: tuple[int, dict[str, str]] | None = None
    break_after: int | None = None
    pause_s: float = 0.0
    named_sum: str = hashlib.sha256(DATA).hexdigest()
    data: bytes = DATA
    told_bytes: int | None = None
    names: tuple[str, ...] = ()
    elsewhere: str | None = None
    cut: int = 0
    in_place: Callable[[], web.Response] | None = None
    ranges: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            return web.Response()
        if request.path.startswith("/api/models/"):
            siblings = [{"rfilename": name} for name in self.names]
            return web.json_response({"id": "me/mine", "sha": COMMIT, "siblings": siblings})
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.cut:
            self.cut -= 1
            assert request.transport is not None
            request.transport.abort()
        if self.refuse:
            return web.Response(status=self.refuse[0], headers=self.refuse[1], text="no")
        head = {"X-Repo-Commit": COMMIT, "ETag": f'"{self.named_sum}"', "Accept-Ranges": "bytes"}
        if self.elsewhere:
            linked = {"X-Linked-Etag": head["ETag"], "X-Linked-Size": str(len(self.data))}
            return web.Response(status=302, headers=head | linked | {"Location": self.elsewhere})
        if request.method == "HEAD":
            return web.Response(
                headers=head | {"Content-Length": str(self.told_bytes or len(self.data))}
            )
        return await self._send(request, head)

    async def _send(self, request: web.Request, head: dict[str, str]) -> web.StreamResponse:
        asked = request.headers.get("Range", "")
        self.ranges.append(asked)
        if self.in_place:
            return self.in_place()
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


@asynccontextmanager
async def serving(hub: FakeHub) -> AsyncIterator[str]:
    """The endpoint of the hub, while the block runs."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hub.answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")
