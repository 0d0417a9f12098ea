"""What a node asks of its peers, over mutual TLS: how they are, and their answers.

A peer is its node id: the name in the certificate that TLS itself checks before a byte is sent.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from io import BytesIO
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from federation.background import Background
from federation.endpoint import PeerEndpoint
from federation.metrics import Traffic
from federation.refusals import broken_off
from federation.statuses import NOT_KNOWN, Statuses, ToldLast
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
from printable import printable
from swarm.connecting import causes, system_words
from swarm.errors import (
    PeerError,
    PeerRefused,
    PeerTimedOut,
    PeerUnreachable,
    ProtocolMismatch,
    UntrustedPeer,
)
from swarm.proposer import Ended, Lost, Told

HEARTBEAT_TIMEOUT_S = 1.0
"""A peer has this long to answer a heartbeat, where its death has to be noticed."""

CONNECT_S = 2.0
SILENCE_S = 5.0
"""A peer that generates writes at least an empty line in a fraction of this."""

KEPT_S = 2.0
"""A connection that was idle for longer is not used again, but by heartbeats: its way may have
changed meanwhile, of which nobody is told, and whoever asks on it waits until the silence is over.
"""

_BEATING_KEPT_S = 30.0
_REST_S = 1.0

FILE_SILENCE_S = 60.0
"""A peer that gives a file may say nothing for this long, while its disk or its network sleeps."""

CHECKSUM_S = 120.0
"""A peer has this long to offer files: it computes a large file's checksum first if it never did.
"""

_UNREAD = ("Accept", "Accept-Encoding", "User-Agent")
"""Headers that no heartbeat carries, because nobody reads them."""

_JSON = {"Content-Type": "application/json"}
_ERROR_BYTES = 4096
_LINE_BYTES = 4 << 20
_OVER = "the federation's code changed just now"


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
        self._beating: aiohttp.ClientSession | None = None
        """Heartbeats keep connections of their own, which no vote holds or breaks off."""
        self._statuses = Statuses()
        self._told = ToldLast()
        self._beside = Background()

    async def __aenter__(self) -> Self:
        self._reading = set[aiohttp.ClientResponse]()
        self._session, self._beating = _session(KEPT_S), _session(_BEATING_KEPT_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            for response in self._reading:  # aiohttp would leave their readers waiting for ever
                response.content.set_exception(aiohttp.ClientConnectionError(_OVER))
            await self._session.close()
        if self._beating is not None:
            await self._beating.close()
        await self._beside.end()

    async def heartbeat(self, endpoint: PeerEndpoint, own: Status) -> Status:
        """Tell a peer how this node is; learn how it is. Raises PeerError.

        Peers whose id is known are told only what has changed since they were last told. What is
        late goes on a while: far away a new connection takes longer than an answer on a kept one,
        and the next heartbeat finds it.
        """
        async with _answered_within("a heartbeat", HEARTBEAT_TIMEOUT_S):
            return await self.first_heartbeat(endpoint, own)

    async def first_heartbeat(self, endpoint: PeerEndpoint, own: Status) -> Status:
        """The same where there may be no next one: a peer has the time of a new connection too."""
        answer = await self._beside.whole(self._outcome(endpoint, own))
        if isinstance(answer, PeerError):
            raise answer
        return answer

    async def _outcome(self, endpoint: PeerEndpoint, own: Status) -> Status | PeerError:
        """How a heartbeat ends, which nobody may wait for any more."""
        try:
            async with _answered_within("a heartbeat", CONNECT_S + HEARTBEAT_TIMEOUT_S):
                try:
                    return await self._beat(endpoint, own)
                except PeerRefused as error:
                    if error.status != NOT_KNOWN or not self._told.forget(endpoint.name or ""):
                        raise
                    return await self._beat(endpoint, own)
        except PeerError as error:
            return error
        except asyncio.CancelledError:  # by the end of this client, and by nobody else
            return PeerUnreachable(_OVER)

    async def _beat(self, endpoint: PeerEndpoint, own: Status) -> Status:
        name = endpoint.name or ""
        path = f"/peer/heartbeat?holds={self._statuses.held(name)}"
        said = encode_body(self._told.next(name, own))
        async with self._request("POST", endpoint, path, said, session=self._beating) as response:
            answer = decode_heartbeat(await _bounded(response, STATUS_BYTES))
        if not name:
            return Statuses().read(name, answer)
        self._told.keep(name, own)
        return self._statuses.read(name, answer)

    async def hand_secret(self, endpoint: PeerEndpoint, secret: NewSecret) -> None:
        """Give a member the federation's next secret. Raises PeerError."""
        async with (
            _answered_within("the new secret", SILENCE_S),
            self._request("POST", endpoint, "/peer/secret", encode_body(secret)) as response,
        ):
            await _bounded(response, STATUS_BYTES)

    async def tool_key(self, endpoint: PeerEndpoint) -> ToolKey:
        """Where a peer's tool server is, and its token. Raises PeerError."""
        async with (
            _answered_within("the question for tools", SILENCE_S),
            self._request("GET", endpoint, "/peer/tool-key", headers={}) as response,
        ):
            return decode_tool_key(await _bounded(response, STATUS_BYTES))

    async def tell_over(self, endpoint: PeerEndpoint, federation: str) -> None:
        """Tell a node that the code by which it is called here is over. Raises PeerError."""
        async with (
            _answered_within("that the code is over", SILENCE_S),
            self._request(
                "POST", endpoint, "/peer/over", encode_body(CodeOver(federation=federation))
            ) as response,
        ):
            await _bounded(response, STATUS_BYTES)

    async def files(self, endpoint: PeerEndpoint, names: Sequence[str]) -> tuple[FileOffer, ...]:
        """Those of these model files, at most MAX_FILES, that a peer has. Raises PeerError."""
        body = encode_body(FilesBody(names=tuple(names)))
        async with (
            _answered_within("the question for files", CHECKSUM_S),
            self._request("POST", endpoint, "/peer/files", body, silence_s=CHECKSUM_S) as response,
            self._broken_off_at_exit(response),
        ):
            return decode_files_answer(await _bounded(response, STATUS_BYTES)).files

    async def file(
        self, endpoint: PeerEndpoint, name: str, *, offset: int
    ) -> AsyncGenerator[bytes]:
        """The bytes of a file from `offset` on. Raises PeerError."""
        path = f"/peer/files/{quote(name, safe='')}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with (
            self._request(
                "GET", endpoint, path, headers=headers, silence_s=FILE_SILENCE_S
            ) as response,
            self._broken_off_at_exit(response),
        ):
            async for piece in response.content.iter_chunked(1 << 20):
                yield piece

    async def propose(
        self, endpoint: PeerEndpoint, body: ProposeBody, *, most_bytes: int, moved: Traffic
    ) -> AsyncGenerator[list[Told]]:
        """A peer's answer as it comes; first nothing, when the peer has taken the question. What
        it refuses later is an error amid its answer. `most_bytes` is the longest question that the
        peer reads, `moved` is told the bytes. Raises PeerError.
        """
        raw = encode_body(body)
        if len(raw) > most_bytes:
            raise PeerRefused(f"its context is too short for {len(raw)} bytes", status=413)
        request = self._request("POST", endpoint, "/peer/propose", BytesIO(raw), moved=moved)
        writing = body.workers
        async with AsyncExitStack() as call:
            response = await call.enter_async_context(request)
            await call.enter_async_context(self._broken_off_at_exit(response))
            try:
                yield []
                async with aclosing(_lines(response, moved)) as lines:
                    async for told in lines:
                        line = decode_line(told)
                        match line:
                            case DoneLine():
                                await _read_to_its_end(response)
                                return
                            case FailedLine(why=why, status=status):
                                raise broken_off(why, status)
                            case _:
                                if not 0 <= line.at < body.workers:
                                    raise ProtocolMismatch(f"it has no worker {line.at}")
                                writing -= isinstance(line.news, Ended | Lost)
                                yield [(line.at, line.news)]
                raise PeerUnreachable("its answer broke off")
            except (GeneratorExit, asyncio.CancelledError):
                if not writing:  # whoever asked has left with the last word
                    self._beside.start(_leave_at_its_end(response, call.pop_all()))
                raise

    @asynccontextmanager
    async def _broken_off_at_exit(self, response: aiohttp.ClientResponse) -> AsyncGenerator[None]:
        """Whoever reads this learns when the client is left."""
        self._reading.add(response)
        try:
            yield
        finally:
            self._reading.discard(response)

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        endpoint: PeerEndpoint,
        path: str,
        body: bytes | BytesIO | None = None,
        *,
        headers: Mapping[str, str] = _JSON,
        silence_s: float | None = None,
        moved: Traffic | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """A response with status 200 or 206. Raises PeerError for everything else."""
        session = session or self._session
        if session is None:
            raise RuntimeError("a client is entered before it is used")
        if session.closed:
            raise PeerUnreachable(_OVER)
        silence_s = silence_s or self._silence_s
        try:
            async with session.request(
                method,
                endpoint.url(path),
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_S, sock_read=silence_s
                ),
                ssl=self._named if endpoint.name else self._context,
                server_hostname=endpoint.name,
                allow_redirects=False,
                trace_request_ctx=moved,
            ) as response:
                if response.status not in (200, 206):
                    raise await _refusal(response)
                yield response
        except aiohttp.ConnectionTimeoutError as error:
            raise PeerTimedOut(f"no connection within {CONNECT_S:.0f} s") from error
        except TimeoutError as error:  # aiohttp's is a ClientError too
            raise PeerTimedOut(f"it said nothing for {silence_s:.0f} s") from error
        except aiohttp.ClientError as error:
            raise _as_peer_error(error) from error


@asynccontextmanager
async def _answered_within(what: str, seconds: float) -> AsyncGenerator[None]:
    """A peer has this long. Raises PeerTimedOut, which says what was waited for."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise PeerTimedOut(f"{what} was not answered within {seconds:.0f} s") from error


def _session(kept_s: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=kept_s, ttl_dns_cache=10),
        auto_decompress=False,
        skip_auto_headers=_UNREAD,
        trace_configs=[_counting()],
    )


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


async def _leave_at_its_end(response: aiohttp.ClientResponse, call: AsyncExitStack) -> None:
    """Leave the call when its answer is at its end."""
    with suppress(PeerError):
        async with call:
            await _read_to_its_end(response)


async def _read_to_its_end(response: aiohttp.ClientResponse) -> None:
    """Of an answer whose news are told: its connection is kept then. One whose end does not come
    has told them none the less, and is closed.
    """
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_REST_S):
            while not response.content.at_eof():
                await response.content.readany()


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
    tls = [cause for cause in causes(error) if isinstance(cause, ssl.SSLError)]
    if tls:
        # aiohttp's own errors are SSLErrors without a reason of their own
        reason = next((cause.reason for cause in tls if getattr(cause, "reason", None)), None)
        if reason == "WRONG_VERSION_NUMBER":
            return PeerUnreachable("what answers there is no peer door")
        return UntrustedPeer(f"TLS failed: {reason or tls[0]}")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return PeerUnreachable("it closed the connection, as a node of another federation does")
    return PeerUnreachable(system_words(error))
