"""Fetches a page from the internet and from nowhere else.

A name is resolved once, every address of it is checked, and the connection goes to one of those;
a redirect is a new page to which all of that applies again.
"""

import asyncio
import codecs
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from tools.addresses import is_public
from tools.errors import NotPermitted, ToolFailed

MOST_BYTES = 5 << 20
_REDIRECTS = 5
_CHUNK = 1 << 16
_URL_CHARS = 2000
_MOVED = frozenset({301, 302, 303, 307, 308})
_NOT_OF_PAGES = frozenset({"punycode", "idna"})
"""Encodings that no page may name: Python's codecs for host names, whose time grows with the square
of the length."""

_HEADERS = {
    "User-Agent": "LocalSwarm-webfetch/1",
    "Accept": "text/html, text/markdown, text/plain, application/json, */*;q=0.1",
    "Accept-Language": "en, *;q=0.5",
}

Resolve = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Page:
    """What was fetched, from where in the end."""

    url: str
    status: int
    media_type: str
    text: str


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system knows them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Fetcher:
    """Fetches pages from addresses that are permitted: public ones, unless told otherwise."""

    def __init__(
        self, *, permits: Callable[[str], bool] = is_public, resolve: Resolve = resolve
    ) -> None:
        self._permits = permits
        self._resolver = _CheckedResolver(permits, resolve)

    async def fetch(self, address: str, *, timeout_s: float) -> Page:
        """Raises NotPermitted for what is not on the internet, ToolFailed for what fails."""
        url = _checked(address)
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            use_dns_cache=False,
            force_close=True,
            socket_factory=self._socket,
        )
        try:
            async with (
                asyncio.timeout(timeout_s),
                aiohttp.ClientSession(
                    connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=_HEADERS
                ) as session,
            ):
                for _ in range(_REDIRECTS + 1):
                    page = await _one(session, url)
                    if isinstance(page, Page):
                        return page
                    url = page
        except TimeoutError:
            raise ToolFailed(f"{url.host} did not answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ToolFailed(f"{url.host}: {error}") from error
        raise ToolFailed(f"more than {_REDIRECTS} redirects")

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The last gate: no socket is made for an address that is not permitted."""
        host = str(info[4][0])
        if not self._permits(host):
            raise NotPermitted(_not_public(host))
        return socket.socket(info[0], info[1], info[2])


class _CheckedResolver(AbstractResolver):
    """All addresses of a name, or a refusal if one of them is not permitted."""

    def __init__(self, permits: Callable[[str], bool], resolve: Resolve) -> None:
        self._permits = permits
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        try:
            addresses = await self._resolve(host, port)
        except UnicodeError as error:
            raise OSError(f"{host!r} is no host name") from error
        for address in addresses:
            if not self._permits(address):
                raise NotPermitted(_not_public(host))
        return [_result(host, port, address) for address in addresses]

    async def close(self) -> None:
        """It holds nothing."""


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=family,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )


async def _one(session: aiohttp.ClientSession, url: URL) -> Page | URL:
    """A page, or where it has gone."""
    async with session.get(url, allow_redirects=False) as answer:
        if answer.status in _MOVED and "Location" in answer.headers:
            return _checked(str(url.join(URL(answer.headers["Location"]))))
        content = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            content += chunk
            if len(content) > MOST_BYTES:
                raise ToolFailed(f"the page has more than {MOST_BYTES >> 20} MiB")
        if answer.status >= 400:
            raise ToolFailed(f"{url} answered {answer.status} {answer.reason}")
        text = _text(content, answer.charset or "utf-8")
        return Page(str(url), answer.status, answer.content_type, text)


def _text(content: bytearray, encoding: str) -> str:
    """What is encoded in a way that no page is counts as UTF-8."""
    try:
        known = codecs.lookup(encoding).name not in _NOT_OF_PAGES
        return content.decode(encoding if known else "utf-8", errors="replace")
    except LookupError:
        return content.decode(errors="replace")


def _checked(address: str) -> URL:
    """The URL, if its words are those of a page on the internet."""
    if len(address) > _URL_CHARS or any(ord(sign) < 33 or sign == "\\" for sign in address):
        raise ToolFailed(f"a URL has at most {_URL_CHARS} characters, no spaces or backslashes")
    try:
        url = URL(address)
        if url.scheme not in ("http", "https") or not url.host or url.port is None:
            raise ToolFailed(f"{address[:200]!r} is no http:// or https:// URL")
    except ValueError as error:
        raise ToolFailed(f"{address[:200]!r} is no URL: {error}") from error
    if url.user is not None or url.password is not None:
        raise NotPermitted("a URL with a user or a password in it is not fetched")
    return url.with_fragment(None)


def _not_public(host: str) -> str:
    return f"{host} is not on the internet; addresses of this network are not fetched"
