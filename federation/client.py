"""What a node asks of its peers, over mutual TLS: how they are, and their answers.

A peer is its node id: the name in the certificate that TLS itself checks before a byte is sent.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol, Self
from urllib.parse import quote

import aiohttp

from federation.certificates import NODE_ID_HEX, certified_name
from federation.peers import TABLE_SIZE
from federation.refusals import broken_off
from federation.statuses import NOT_KNOWN, Statuses, digest, told_to
from federation.wire import (
    ANSWER_BYTES,
    STATUS_BYTES,
    CodeOver,
    DoneLine,
    FailedLine,
    FileOffer,
    FilesBody,
    NewSecret,
    ProposeBody,
    Status,
    ToolKey,
    decode_files_answer,
    decode_heartbeat,
    decode_line,
    decode_tool_key,
    encode_body,
)
from guard import bracketed
from printable import printable
from swarm.connecting import system_words
from swarm.errors import (
    PeerError,
    PeerRefused,
    PeerTimedOut,
    PeerUnreachable,
    ProtocolMismatch,
    UntrustedPeer,
)
from swarm.proposer import Told

HEARTBEAT_TIMEOUT_S = 1.0
"""A peer has so long to answer a heartbeat."""

CONNECT_S = 2.0
SILENCE_S = 5.0
"""A peer that generates writes at least an empty line in a fraction of this."""

FILE_SILENCE_S = 60.0
"""A peer that gives a file says nothing while its disk or its network sleeps."""

CHECKSUM_S = 120.0
"""A peer that has never told a large file's checksum computes it first."""

_UNREAD = ("Accept", "Accept-Encoding", "User-Agent")
"""What nobody reads is not said in every heartbeat."""

_ERROR_BYTES = 4096
_LINE_BYTES = 4 << 20
_OVER = "the federation's code changed just now"


@dataclass(frozen=True, slots=True)
class Door:
    """Where a peer listens. `name` is what its certificate must carry, None before it is known."""

    host: str
    port: int
    name: str | None = None

    def url(self, path: str) -> str:
        return f"https://{bracketed(self.host)}:{self.port}{path}"


class Traffic(Protocol):
    """Is told the bytes of a call, as they come and go."""

    def __call__(self, *, bytes_in: int = 0, bytes_out: int = 0) -> None: ...


def door_name(node_id: str) -> str | None:
    """The name in the certificate of a node, None unless its whole id is known."""
    return certified_name(node_id) if len(node_id) == NODE_ID_HEX else None


class PeerClient:
    """Calls to the peer doors of one federation, on connections that are kept alive."""

    def __init__(
        self,
        context: ssl.SSLContext,
        named_context: ssl.SSLContext,
        *,
        silence_s: float = SILENCE_S,
    ) -> None:
        """`named_context` checks the name of the certificate, `context` only whose it is."""
        self._context = context
        self._named = named_context
        self._silence_s = silence_s
        self._session: aiohttp.ClientSession | None = None
        self._statuses = Statuses()
        self._told: dict[str, str] = {}
        """By the names of the latest 256 peers: the digest of what each was told last."""

    async def __aenter__(self) -> Self:
        self._reading = set[aiohttp.ClientResponse]()
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30, ttl_dns_cache=10)
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            skip_auto_headers=_UNREAD,
            trace_configs=[_counting()],
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            for response in self._reading:  # aiohttp would leave their readers waiting for ever
                response.content.set_exception(aiohttp.ClientConnectionError(_OVER))
            await self._session.close()

    async def heartbeat(self, door: Door, own: Status) -> Status:
        """Tell a peer how this node is; learn how it is. Raises PeerError.

        Peers whose id is known are told only what has changed since they were last told.
        """
        async with _answered_within("a heartbeat", HEARTBEAT_TIMEOUT_S):
            try:
                return await self._beat(door, own)
            except PeerRefused as error:
                if error.status != NOT_KNOWN or not self._told.pop(door.name or "", ""):
                    raise
                return await self._beat(door, own)

    async def _beat(self, door: Door, own: Status) -> Status:
        name = door.name or ""
        said = told_to(self._told.get(name, ""), own)
        path = f"/peer/heartbeat?holds={self._statuses.held(name)}"
        async with self._post(door, path, encode_body(said)) as response:
            answer = decode_heartbeat(await _bounded(response, STATUS_BYTES))
        if not name:
            return Statuses().read(name, answer)
        self._told.pop(name, None)
        while len(self._told) >= TABLE_SIZE:
            del self._told[next(iter(self._told))]
        self._told[name] = digest(own)
        return self._statuses.read(name, answer)

    async def hand_secret(self, door: Door, secret: NewSecret) -> None:
        """Give a member the federation's next secret. Raises PeerError."""
        async with (
            _answered_within("the new secret", SILENCE_S),
            self._post(door, "/peer/secret", encode_body(secret)) as response,
        ):
            await _bounded(response, STATUS_BYTES)

    async def tool_key(self, door: Door) -> ToolKey:
        """Where a peer's tool server is, and its token. Raises PeerError."""
        async with (
            _answered_within("the question for tools", SILENCE_S),
            self._request("GET", door, "/peer/tool-key", headers={}) as response,
        ):
            return decode_tool_key(await _bounded(response, STATUS_BYTES))

    async def tell_over(self, door: Door, federation: str) -> None:
        """Tell a node that the code by which it is called here is over. Raises PeerError."""
        async with (
            _answered_within("that the code is over", SILENCE_S),
            self._post(
                door, "/peer/over", encode_body(CodeOver(federation=federation))
            ) as response,
        ):
            await _bounded(response, STATUS_BYTES)

    async def files(self, door: Door, names: Sequence[str]) -> tuple[FileOffer, ...]:
        """Those of these model files, at most MAX_FILES, that a peer has. Raises PeerError."""
        body = encode_body(FilesBody(names=tuple(names)))
        async with (
            _answered_within("the question for files", CHECKSUM_S),
            self._post(door, "/peer/files", body, silence_s=CHECKSUM_S) as response,
            self._broken_off_at_exit(response),
        ):
            return decode_files_answer(await _bounded(response, STATUS_BYTES)).files

    async def file(self, door: Door, name: str, *, offset: int) -> AsyncGenerator[bytes]:
        """The bytes of a file from `offset` on. Raises PeerError."""
        path = f"/peer/files/{quote(name, safe='')}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with (
            self._request("GET", door, path, headers=headers, silence_s=FILE_SILENCE_S) as response,
            self._broken_off_at_exit(response),
        ):
            async for piece in response.content.iter_chunked(1 << 20):
                yield piece

    async def propose(
        self, door: Door, body: ProposeBody, *, most_bytes: int, moved: Traffic
    ) -> AsyncGenerator[list[Told]]:
        """A peer's answer as it comes; first nothing, when the peer has taken the question. What
        it refuses later is an error amid its answer. `most_bytes` is the longest question that the
        peer reads, `moved` is told the bytes. Raises PeerError.
        """
        raw = encode_body(body)
        if len(raw) > most_bytes:
            raise PeerRefused(f"its context is too short for {len(raw)} bytes", status=413)
        async with (
            self._post(door, "/peer/propose", BytesIO(raw), moved=moved) as response,
            self._broken_off_at_exit(response),
        ):
            yield []
            async with aclosing(_lines(response, moved)) as lines:
                async for told in lines:
                    line = decode_line(told)
                    match line:
                        case DoneLine():
                            return
                        case FailedLine(why=why, status=status):
                            raise broken_off(why, status)
                        case _:
                            if not 0 <= line.at < body.workers:
                                raise ProtocolMismatch(f"it has no worker {line.at}")
                            yield [(line.at, line.news)]
            raise PeerUnreachable("its answer broke off")

    @asynccontextmanager
    async def _broken_off_at_exit(self, response: aiohttp.ClientResponse) -> AsyncGenerator[None]:
        """Whoever reads this learns when the client is left."""
        self._reading.add(response)
        try:
            yield
        finally:
            self._reading.discard(response)

    @asynccontextmanager
    async def _post(
        self,
        door: Door,
        path: str,
        body: bytes | BytesIO,
        *,
        silence_s: float | None = None,
        moved: Traffic | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        headers = {"Content-Type": "application/json"}
        async with self._request(
            "POST", door, path, headers=headers, body=body, silence_s=silence_s, moved=moved
        ) as response:
            yield response

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        door: Door,
        path: str,
        *,
        headers: dict[str, str],
        body: bytes | BytesIO | None = None,
        silence_s: float | None = None,
        moved: Traffic | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """A response with status 200 or 206. Raises PeerError for everything else."""
        if self._session is None:
            raise RuntimeError("a client is entered before it is used")
        if self._session.closed:
            raise PeerUnreachable(_OVER)
        silence_s = silence_s or self._silence_s
        try:
            async with self._session.request(
                method,
                door.url(path),
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_S, sock_read=silence_s
                ),
                ssl=self._named if door.name else self._context,
                server_hostname=door.name,
                allow_redirects=False,
                trace_request_ctx=moved,
            ) as response:
                if response.status not in (200, 206):
                    raise await _refusal(response)
                yield response
        except aiohttp.ClientError as error:
            raise _as_peer_error(error) from error
        except TimeoutError as error:
            raise PeerTimedOut(f"it said nothing for {silence_s:.0f} s") from error


@asynccontextmanager
async def _answered_within(what: str, seconds: float) -> AsyncGenerator[None]:
    """A peer has so long. Raises PeerTimedOut, which says what was waited for."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise PeerTimedOut(f"{what} was not answered within {seconds:.0f} s") from error


def _counting() -> aiohttp.TraceConfig:
    """Tells a call's `Traffic` what is handed to the connection."""

    async def sent(
        _: aiohttp.ClientSession, context: Any, piece: aiohttp.TraceRequestChunkSentParams
    ) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx(bytes_out=len(piece.chunk))

    counting = aiohttp.TraceConfig()
    counting.on_request_chunk_sent.append(sent)
    return counting


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body. Raises ProtocolMismatch when it is longer than `limit` bytes."""
    raw = bytearray()
    async for piece in response.content.iter_any():
        raw += piece
        if len(raw) > limit:
            raise ProtocolMismatch(f"its answer is longer than {limit} bytes")
    return bytes(raw)


async def _lines(response: aiohttp.ClientResponse, moved: Traffic) -> AsyncGenerator[bytes]:
    """Lines that are not empty, before they are parsed; bounded one by one and together."""
    held = bytearray()
    total = 0
    async for piece in response.content.iter_any():
        total += len(piece)
        moved(bytes_in=len(piece))
        held += piece
        if total > ANSWER_BYTES or len(held) > _LINE_BYTES:
            raise ProtocolMismatch("its answer is too long")
        *whole, rest = held.split(b"\n")
        held = bytearray(rest)
        for line in whole:
            if line.strip():
                yield bytes(line)


async def _refusal(response: aiohttp.ClientResponse) -> PeerError:
    """The error of a response that is not 200, in the peer's own words, shortened."""
    raw = await _bounded(response, _ERROR_BYTES)
    told = printable(raw.decode(errors="replace"))[:200]
    return PeerRefused(told or f"it answered {response.status}", status=response.status)


def _as_peer_error(error: aiohttp.ClientError) -> PeerError:
    """What went wrong on the way, told apart as far as it can be."""
    tls = [cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)]
    if tls:
        # aiohttp's own errors are SSLErrors without a reason of their own
        reason = next((cause.reason for cause in tls if getattr(cause, "reason", None)), None)
        if reason == "WRONG_VERSION_NUMBER":
            return PeerUnreachable("what answers there is no peer door")
        return UntrustedPeer(f"TLS failed: {reason or tls[0]}")
    if isinstance(error, aiohttp.ServerTimeoutError):
        return PeerTimedOut(printable(str(error)))
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return PeerUnreachable("it closed the connection, as a node of another federation does")
    return PeerUnreachable(system_words(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies behind it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__ or getattr(cause, "os_error", None)
