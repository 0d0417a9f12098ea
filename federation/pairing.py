"""A machine that is alone is called by a member that was told its PIN, and joins.

`/pair/begin` proves the PIN both ways, `/pair/finish` hands the federation over, sealed.
"""

import asyncio
import errno
import hmac
import ipaddress
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel
from yarl import URL

from ending import beside
from federation.connections import Connection, works
from federation.pairing_messages import (
    BODY_BYTES,
    Begin,
    Begun,
    Finish,
    Finished,
    Handover,
    Message,
    Refused,
    check_version,
    decode,
    decode_begin,
    told_why,
)
from federation.pake import Channel, Side
from federation.pin import Pin
from federation.sockets import take
from federation.trust import OPEN_SECRET
from guard import ConnectionLimit, Door, bracketed, refusal
from swarm.connecting import system_words
from swarm.errors import (
    ConfigurationError,
    Overloaded,
    PeerRefused,
    PeerTimedOut,
    PeerUnreachable,
    ProtocolMismatch,
    UntrustedPeer,
)

logger = logging.getLogger(__name__)

_CONNECTIONS = 16
_PATIENCE_S = 10.0
_CONNECT_S = 2.0
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Joined:
    """What a machine was handed: the secret, those that the federation had before, and where the
    member `node_id` serves peers.
    """

    node_id: str
    secret: bytes = field(repr=False)
    past: tuple[bytes, ...] = field(repr=False)
    addresses: tuple[str, ...]
    port: int


@dataclass(frozen=True, slots=True)
class _Session:
    channel: Channel
    caller: str
    ends_s: float


class PairingDoor:
    """Listens on `addresses` while this machine is alone; an async context manager.

    `on_joined` is awaited before the caller is told of its success: store the membership there,
    and leave closing this door to another task. A connection lives for `patience_s` at most.
    """

    def __init__(
        self,
        node_id: str,
        pin: Pin,
        *,
        addresses: Sequence[str],
        on_joined: Callable[[Joined], Awaitable[None]],
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self.port = port
        self._node_id = node_id
        self._pin = pin
        self._addresses = addresses
        self._on_joined = on_joined
        self._clock = clock
        self._patience_s = patience_s
        self._sessions: dict[str, _Session] = {}
        self._places = ConnectionLimit(_CONNECTIONS)
        self._joined = False
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises OSError when no address can be listened on."""
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[_report, self._guard])
        app.router.add_post("/pair/begin", self._begin)
        app.router.add_post("/pair/finish", self._finish)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CONNECT_S)
        async with AsyncExitStack() as stack:
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            assert runner.server is not None
            await self._listen(runner.server, stack)
            closing = _close_slow(runner.server, self._patience_s)
            await stack.enter_async_context(beside(closing, "the pairing door's patience"))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _listen(self, server: web.Server, stack: AsyncExitStack) -> None:
        refused: list[str] = []
        codes: list[int | None] = []
        for address in self._addresses:
            try:
                taken = await take(
                    lambda: Connection(self._places, server()),
                    [address],
                    self.port,
                    backlog=_CONNECTIONS,
                )
                await taken.start()
            except OSError as error:
                refused.append(f"{address} port {self.port}: {error.strerror or error}")
                codes.append(error.errno)
                continue
            stack.callback(taken.close)
            self.port = taken.port
        if refused and len(refused) == len(self._addresses):
            code = errno.EADDRINUSE if errno.EADDRINUSE in codes else codes[0]
            raise OSError(code, "; ".join(refused))
        for reason in refused:
            logger.warning("pairing does not listen on %s", reason)

    async def _begin(self, request: web.Request) -> web.Response:
        begin = decode_begin(await request.read())
        works(self._places, request)
        self._still_alone()
        digits = self._pin.attempt(self._clock())
        if (rests_s := self._pin.rests_s(self._clock())) > 0:
            logger.warning("pairing: three tries; a new PIN is shown, usable in %.0f s", rests_s)
        side, channel = await asyncio.to_thread(self._exchange, digits, begin)
        session = secrets.token_hex(16)
        self._remember(session, _Session(channel, begin.node, self._clock() + self._patience_s))
        proof = channel.proof("begun")
        return _json(Begun(node=self._node_id, session=session, message=side.message, proof=proof))

    async def _finish(self, request: web.Request) -> web.Response:
        finish = decode(Finish, await request.read())
        works(self._places, request)
        session = self._sessions.pop(finish.session, None)
        if session is None or session.ends_s < self._clock():
            raise PeerRefused("no such pairing is going on; begin again", status=409)
        handover = decode(Handover, session.channel.open(finish.sealed))
        if handover.secret == OPEN_SECRET:
            raise PeerRefused("an open federation is entered by --open alone", status=403)
        self._still_alone()
        self._pin.succeeded()
        await self._join(session.caller, handover)
        return _json(Finished(proof=session.channel.proof("joined")))

    async def _join(self, caller: str, handover: Handover) -> None:
        joined = Joined(
            caller,
            handover.secret,
            tuple(handover.past),
            tuple(handover.addresses),
            handover.port,
        )
        self._joined = True  # at once, so that of two callers one wins
        try:
            await self._on_joined(joined)
        except BaseException:
            self._joined = False
            raise

    def _exchange(self, digits: str, begin: Begin) -> tuple[Side, Channel]:
        side = Side.door(digits)
        return side, side.finish(begin.message, caller=begin.node, door=self._node_id)

    def _remember(self, name: str, session: _Session) -> None:
        now_s = self._clock()
        self._sessions = {key: old for key, old in self._sessions.items() if old.ends_s >= now_s}
        self._sessions[name] = session

    def _still_alone(self) -> None:
        if self._joined:
            raise PeerRefused("this machine has joined a federation", status=409)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep web pages away."""
        refused = refusal(
            Door(self.port, tuple(_host(address) for address in self._addresses)),
            method=request.method,
            hosts=request.headers.getall("Host", []),
            origins=request.headers.getall("Origin", []),
            content_type=request.headers.get("Content-Type", ""),
        )
        if refused is None:
            return await handler(request)
        return _json(Refused(error=refused.message), status=refused.status)


async def _close_slow(server: web.Server, patience_s: float) -> None:
    """aiohttp waits for slow headers and bodies without end; here nobody has more to say."""
    since: dict[object, float] = {}
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(patience_s / 10)
        now_s = loop.time()
        since = {connection: since.get(connection, now_s) for connection in server.connections}
        for connection in server.connections:
            if now_s - since[connection] > patience_s:
                connection.force_close()


@web.middleware
async def _report(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ProtocolMismatch as error:
        return _json(Refused(error=str(error)), status=400)
    except UntrustedPeer as error:
        return _json(Refused(error=str(error)), status=403)
    except PeerRefused as error:
        return _json(Refused(error=str(error)), status=error.status)
    except Overloaded as error:
        headers = {"Retry-After": str(error.retry_after_s)}
        return _json(Refused(error=str(error)), status=429, headers=headers)


def _json(
    body: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        text=body.model_dump_json(), status=status, headers=headers, content_type=_JSON
    )


def _host(address: str) -> str:
    """An address as it stands in a URL, its zone left out: that is each machine's own name."""
    return bracketed(str(ipaddress.ip_address(address.partition("%")[0])))


async def approve(
    pin_digits: str,
    addresses: Sequence[str],
    port: int,
    *,
    node_id: str,
    secret: bytes,
    past: Sequence[bytes] = (),
    door_addresses: Sequence[str],
    door_port: int,
    timeout_s: float = _PATIENCE_S,
) -> str:
    """Make the machine that shows this PIN a member; its node id.

    `addresses` and `port`: its pairing door. `node_id`: ours; `past`: what
    the federation's secret was before; `door_addresses`, `door_port`: our
    peer door (an address with a zone means nothing elsewhere and stays out). `timeout_s` is for
    each of the two calls. Nothing is handed to a machine that has not proved the PIN; but each
    `approve` is one guess for whoever listens there, so call few.

    Raises PeerRefused (a wrong PIN has the status 403, a door that rests 429), PeerUnreachable,
    PeerTimedOut, ProtocolMismatch, ConfigurationError.
    """
    if secret == OPEN_SECRET:
        raise ConfigurationError("an open federation needs no PIN: start the other with --open")
    side = await asyncio.to_thread(Side.caller, pin_digits)
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
    async with aiohttp.ClientSession(
        timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    ) as http:
        begin = Begin(node=node_id, message=side.message)
        door, answer = await _call_any(http, addresses, port, begin)
        begun = decode(Begun, answer)
        channel = await asyncio.to_thread(
            side.finish, begun.message, caller=node_id, door=begun.node
        )
        if not hmac.compare_digest(begun.proof, channel.proof("begun")):
            raise PeerRefused("this PIN is not the one that the machine shows", status=403)
        here = [address for address in door_addresses if "%" not in address][:16]
        handover = Handover(secret=secret, past=list(past), addresses=here, port=door_port)
        sealed = channel.seal(handover.model_dump_json().encode())
        answer = await _call(
            http, door, port, "finish", Finish(session=begun.session, sealed=sealed)
        )
    if not hmac.compare_digest(decode(Finished, answer).proof, channel.proof("joined")):
        raise ProtocolMismatch("the machine gave no proof that it has joined")
    return begun.node


async def _call_any(
    http: aiohttp.ClientSession, addresses: Sequence[str], port: int, begin: Begin
) -> tuple[str, bytes]:
    """The first of `addresses` that can be reached, and its answer."""
    failed: list[str] = []
    for address in addresses:
        try:
            return address, await _call(http, address, port, "begin", begin)
        except PeerUnreachable as error:
            failed.append(str(error))
    raise PeerUnreachable("; ".join(failed) or "the machine announces no address")


async def _call(
    http: aiohttp.ClientSession, address: str, port: int, path: str, message: Message
) -> bytes:
    url = URL.build(scheme="http", host=address, port=port, path=f"/pair/{path}")
    headers = {"Host": f"{_host(address)}:{port}", "Content-Type": _JSON}
    body = message.model_dump_json().encode()
    try:
        async with http.post(url, data=body, headers=headers, allow_redirects=False) as response:
            answer = await _bounded(response)
            _check_status(response, answer)
            return answer
    except aiohttp.ConnectionTimeoutError:
        raise PeerUnreachable(f"{address}: no connection within {_CONNECT_S:.0f} s") from None
    except TimeoutError:
        raise PeerTimedOut(f"{address}: connected, and no answer in time") from None
    except aiohttp.ClientConnectionError as error:
        raise PeerUnreachable(f"{address}: {system_words(error)}") from error
    except aiohttp.ClientError as error:
        raise ProtocolMismatch(f"{address}: not HTTP as it should be") from error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > BODY_BYTES:
            raise ProtocolMismatch(f"the answer is longer than {BODY_BYTES} bytes")
    return body


def _check_status(response: aiohttp.ClientResponse, answer: bytes) -> None:
    if response.status == 200:
        return
    if response.status == 429:
        wait = response.headers.get("Retry-After", "")
        when = f"in {wait} s" if wait.isascii() and wait.isdigit() and len(wait) < 5 else "later"
        raise PeerRefused(
            f"too many wrong PINs were tried there; try its new one {when}", status=429
        )
    if response.status == 400:
        check_version(decode(Refused, answer).protocol)
    why = told_why(answer) or f"it answered with the status {response.status}"
    raise PeerRefused(f"the machine refused: {why}", status=response.status)
