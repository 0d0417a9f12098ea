"""Pages of the internet, and every address that is not on it: none is fetched."""

import asyncio
import dataclasses
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tools.addresses import is_near, is_public
from tools.errors import NotPermitted, ToolError, ToolFailed
from tools.fetcher import Fetcher, Page
from tools.tool import CallContext, Output
from tools.webfetch import WEBFETCH, WebfetchArguments, converted

PAGE = (
    "<html><head><title>T</title><script>bad()</script></head><body><h1>Head</h1>"
    "<p>One <b>two</b> <a href='/x'>three</a></p><pre>code()</pre></body></html>"
)

FORMS = [
    "http://127.0.0.1/",
    "http://127.0.0.1:17615/v1/models",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.255.255.254/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:c0a8:101::1]/",
    "http://[2001:0:7f00:1::80ff:fffe]/",
    "http://[2001:db8::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://[2606:4700::5efe:127.0.0.1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://192.0.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://inside.example/",
    "http://both.example/",
    "http://six.example/",
    "http://mapped.example/",
    "http://user@inside.example/",
    "http://public.example@127.0.0.1/",
    "http://user:word@public.example/",
    "http://127.0.0.1\\@public.example/",
    "http://public.example\t@127.0.0.1/",
    "http://127.0.0.1:80#@public.example/",
    "http:127.0.0.1/",
    "http:///127.0.0.1/",
    "//127.0.0.1/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stats",
    "data:text/html,x",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "http://",
    "http://[::1",
    "http://127.0.0.1:99999/",
    "",
]

NAMES = {
    "public.example": ["93.184.216.34"],
    "inside.example": ["192.168.1.1"],
    "both.example": ["93.184.216.34", "127.0.0.1"],
    "six.example": ["::1"],
    "mapped.example": ["::ffff:10.0.0.1"],
}


async def names(host: str, port: int) -> list[str]:
    """The names above; numbers as the system reads them, without asking anybody."""
    if host in NAMES:
        return NAMES[host]
    flags = 0 if host.rstrip(".").lower() == "localhost" else socket.AI_NUMERICHOST
    found = await asyncio.to_thread(
        socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, flags=flags
    )
    return [str(each[4][0]) for each in found]


def test_there_are_at_least_fifty_forms() -> None:
    assert len(FORMS) >= 50


@pytest.mark.parametrize("url", FORMS)
async def test_nothing_but_the_internet_is_fetched(url: str) -> None:
    connected: list[str] = []

    def permits(address: str) -> bool:
        if is_public(address):
            connected.append(address)
        return is_public(address)

    with pytest.raises(ToolError) as caught:
        await Fetcher(permits=permits, resolve=names).fetch(url, timeout_s=5)
    assert "answered" not in str(caught.value)
    assert set(connected) <= {"93.184.216.34"}  # one good address does not help a bad one


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


OWN = ("192.168.1.5", "93.184.216.34", "2606:4700:4700:17::5", "fe80::1")


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "::ffff:93.184.216.34", "2606:4700:4700:17::5", "2606:4700:4700:17:1:2:3:4"],
)
def test_a_public_address_of_the_house_is_near(address: str) -> None:
    assert is_near(address, OWN)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.35", "2606:4700:4700:18::5"])
def test_what_only_looks_like_the_house_is_not(address: str) -> None:
    assert not is_near(address, OWN)


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.1.1.1/8", "::g"])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@given(st.ip_addresses(v=4))
def test_no_dress_makes_a_private_address_public(address: object) -> None:
    """Whatever IPv4 address an IPv6 address stands for decides."""
    if is_public(str(address)):
        return
    high, low = divmod(int(address), 1 << 16)  # type: ignore[call-overload]
    for dress in ("::ffff:{}", "::{}", "64:ff9b::{}"):
        assert not is_public(dress.format(address))
    assert not is_public(f"2002:{high:x}:{low:x}::1")


Site = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture
async def site() -> AsyncIterator[tuple[str, Fetcher]]:
    """A real server on this machine, and a fetcher that may speak to it alone."""

    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text=PAGE, content_type="text/html")

    async def moved(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": request.query["to"]})

    async def round_again(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/round"})

    async def large(request: web.Request) -> web.StreamResponse:
        response = web.Response(text="x" * (6 << 20))
        response.enable_compression()
        return response

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async def image(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x89PNG", content_type="image/png")

    async def odd(request: web.Request) -> web.StreamResponse:
        told = f"text/plain; charset={request.query['charset']}"
        return web.Response(body="ä".encode(), headers={"Content-Type": told})

    app = web.Application()
    app.router.add_get("/page", page)
    app.router.add_get("/moved", moved)
    app.router.add_get("/large", large)
    app.router.add_get("/round", round_again)
    app.router.add_get("/silent", silent)
    app.router.add_get("/image", image)
    app.router.add_get("/odd", odd)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield base, Fetcher(permits=lambda address: address == "127.0.0.1", resolve=names)
    await runner.cleanup()


async def fetched(
    site: tuple[str, Fetcher], context: CallContext, path: str, **told: object
) -> Output:
    base, fetcher = site
    arguments = WebfetchArguments.model_validate({"url": f"{base}{path}", **told})
    return await WEBFETCH.run(arguments, dataclasses.replace(context, fetcher=fetcher))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("markdown", "# Head\n\nOne **two** [three](/x)\n\n```\ncode()\n```"),
        ("text", "T\nHead\nOne\ntwo\nthree\ncode()"),
        ("html", PAGE),
    ],
)
async def test_a_page_comes_in_the_form_that_is_asked_for(
    site: tuple[str, Fetcher], context: CallContext, form: str, text: str
) -> None:
    fetched_page = (await fetched(site, context, "/page", format=form)).text
    assert fetched_page.removeprefix("T\n\n") == text


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.2/",
        "http://localhost.inside/",
        "http://169.254.169.254/",
        "//192.168.1.1/",
        "http://[::1]/",
        "http://inside.example/",
        "http://2130706434/",
        "file:///etc/passwd",
        "http://a:b@127.0.0.1/",
        "gopher://127.0.0.1/",
    ],
)
async def test_a_redirect_leads_nowhere_else(
    site: tuple[str, Fetcher], context: CallContext, to: str
) -> None:
    with pytest.raises(ToolError):
        await fetched(site, context, f"/moved?to={to}")


async def test_a_redirect_within_is_followed_five_times(
    site: tuple[str, Fetcher], context: CallContext
) -> None:
    assert (await fetched(site, context, "/moved?to=/page")).metadata["url"].endswith("/page")
    with pytest.raises(ToolFailed, match="5 redirects"):
        await fetched(site, context, "/round")


async def test_a_name_is_resolved_once_and_its_address_kept(site: tuple[str, Fetcher]) -> None:
    """A second answer of the name server (rebinding) is never asked for."""
    asked: list[str] = []

    async def changing(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    fetcher = Fetcher(permits=lambda address: address == "127.0.0.1", resolve=changing)
    port = site[0].rpartition(":")[2]
    page = await fetcher.fetch(f"http://changes.example:{port}/page", timeout_s=10)
    assert (page.status, asked) == (200, ["changes.example"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/large", "more than 5 MiB"),
        ("/missing", "answered 404"),
        ("/image", "no text"),
        ("/silent", "within 0.2 s"),
    ],
)
async def test_what_cannot_be_read_is_named(
    site: tuple[str, Fetcher], context: CallContext, path: str, said: str
) -> None:
    with pytest.raises(ToolFailed, match=said):
        await fetched(site, context, path, timeout=0.2 if path == "/silent" else 30)


@pytest.mark.parametrize("charset", ["no", "punycode", "IDNA", "rot13", "utf-8"])
async def test_an_encoding_of_no_page_is_read_as_utf_8(
    site: tuple[str, Fetcher], context: CallContext, charset: str
) -> None:
    assert (await fetched(site, context, f"/odd?charset={charset}")).text == "ä"


async def test_a_page_of_endless_nesting_is_refused() -> None:
    page = Page("u", 200, "text/html", "<div>" * 5000)
    with pytest.raises(ToolFailed, match="nested too deeply"):
        await converted(page, "markdown", timeout_s=60)


async def test_a_page_that_takes_too_long_to_be_read_is_refused_and_its_reader_ended() -> None:
    page = Page("u", 200, "text/html", "<!--" * 200_000)
    with pytest.raises(ToolFailed, match=r"longer than 0.05 s"):
        await converted(page, "text", timeout_s=0.05)


async def test_who_leaves_a_page_however_often_waits_for_the_end_of_its_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: asyncio.Queue[Process] = asyncio.Queue()
    communicate = Process.communicate

    async def told(process: Process, page: bytes | None = None) -> tuple[bytes, bytes]:
        begun.put_nowait(process)
        return await communicate(process, page)

    monkeypatch.setattr(Process, "communicate", told)
    page = Page("u", 200, "text/html", "<!--" * 200_000)
    reading = asyncio.create_task(converted(page, "text", timeout_s=60))
    reader = await begun.get()
    reading.cancel()
    assert await begun.get() is reader  # it is being killed
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert reader.returncode is not None


async def test_without_a_grant_nothing_is_fetched(context: CallContext) -> None:
    with pytest.raises(NotPermitted, match="--allow-network"):
        await WEBFETCH.run(WebfetchArguments(url="http://public.example/"), context)
