"""The proxy for package managers: tunnels to what is listed, and to nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.errors import InvalidArguments
from tools.proxy import MOST_TUNNELS, AllowList, PackageProxy, parse_host_port


class House:
    """A server that says all it hears in capitals, and names that lead to it."""

    def __init__(self, proxy: PackageProxy, port: int, asked: list[str]) -> None:
        self.proxy = proxy
        self.port = port
        self.asked = asked

    async def opened(self, line: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(self.proxy.path)
        writer.write(line.format(port=self.port).encode())
        return reader, writer

    async def said(self, line: str) -> str:
        """All that the proxy says to this request."""
        reader, writer = await self.opened(line)
        async with asyncio.timeout(5):
            told = await reader.read()
        writer.close()
        await writer.wait_closed()
        return told.decode()


@contextlib.asynccontextmanager
async def loud() -> AsyncGenerator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1000):
                writer.write(chunk.upper())
            writer.write(b" THE END")
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


ADDRESSES = {
    "packages.example": ["127.0.0.1"],
    "inside.example": ["192.168.1.9"],
    "rebound.example": ["203.0.114.1", "127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "nowhere.example": [],
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ADDRESSES.get(host, [host])

    async with loud() as port:
        listed = [f"127.0.0.1:{port}", *(f"{name}:{port}" for name in ADDRESSES)]
        listed += ["inside.example", "rebound.example", "metadata.example", "mapped.example"]
        path = tmp_path / "proxy"
        async with PackageProxy(path, AllowList.of(listed), resolve=resolve) as proxy:
            yield House(proxy, port, asked)


END = "\r\n\r\n"


async def test_a_tunnel_leads_to_a_listed_host(house: House) -> None:
    line = f"CONNECT packages.example:{{port}} HTTP/1.1\r\nHost: x{END}hello"
    reader, writer = await house.opened(line)
    assert await reader.readuntil(END.encode()) == b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert await reader.readexactly(5) == b"HELLO"
    writer.write(b" there")
    writer.write_eof()
    assert await reader.read() == b" THERE THE END"
    writer.close()
    await writer.wait_closed()


REFUSED = [
    "CONNECT other.example:443",
    "CONNECT other.example:{port}",
    "CONNECT packages.example:443",
    "CONNECT packages.example:22",
    "CONNECT xpackages.example:{port}",
    "CONNECT packages.example.evil.example:{port}",
    "CONNECT packages.example.:{port}",
    "CONNECT packages.example",
    "CONNECT packages.example:",
    "CONNECT packages.example:0{port}",
    "CONNECT packages.example:+{port}",
    "CONNECT packages.example:99999",
    "CONNECT evil.example@packages.example:{port}",
    "CONNECT packages.example:{port}@evil.example",
    "CONNECT packages.example:{port}/../evil",
    "CONNECT packages.example:{port}#evil.example:1",
    "CONNECT packages_example:{port}",
    "CONNECT http://packages.example:{port}",
    "CONNECT packages.example:{port}\t",
    "CONNECT  packages.example:{port}",
    "CONNECT packages.example:{port}\0",
    "CONNECT 127.0.0.2:{port}",
    "CONNECT 127.1:{port}",
    "CONNECT 2130706433:{port}",
    "CONNECT 0x7f000001:{port}",
    "CONNECT 0177.0.0.1:{port}",
    "CONNECT localhost:{port}",
    "CONNECT [::1]:{port}",
    "CONNECT [::ffff:127.0.0.1]:{port}",
    "CONNECT 169.254.169.254:80",
    "CONNECT inside.example:443",
    "CONNECT rebound.example:443",
    "CONNECT metadata.example:443",
    "CONNECT mapped.example:443",
    "CONNECT :{port}",
    "connect packages.example:{port}",
    "GET http://packages.example:{port}/",
    "GET /",
    "POST packages.example:{port}",
]


@pytest.mark.parametrize("line", REFUSED)
async def test_no_other_form_leads_anywhere(house: House, line: str) -> None:
    told = await house.said(f"{line} HTTP/1.1\r\nHost: packages.example:{{port}}{END}hello")
    assert told.split()[1] in ("400", "403", "405"), told
    assert "HELLO" not in told
    assert set(house.asked) <= {
        f"{name}.example" for name in ("inside", "rebound", "metadata", "mapped")
    }


@pytest.mark.parametrize(
    "head",
    ["CONNECT packages.example:{port} HTTP/2.0\r\n\r\n", "\r\n\r\n", "é\r\n\r\n", "x" * 9000],
)
async def test_what_is_no_request_is_refused(house: House, head: str) -> None:
    assert (await house.said(head)).split()[1] in ("400", "405")


async def test_a_name_without_an_address_is_a_502(house: House) -> None:
    line = f"CONNECT nowhere.example:{{port}} HTTP/1.1{END}"
    assert (await house.said(line)).startswith("HTTP/1.1 502")


async def test_so_many_tunnels_are_open_at_once(house: House) -> None:
    line = f"CONNECT packages.example:{{port}} HTTP/1.1{END}"
    tunnels = [await house.opened(line) for _ in range(MOST_TUNNELS)]
    for reader, _ in tunnels:
        await reader.readuntil(END.encode())
    assert (await house.said(line)).startswith("HTTP/1.1 503")
    silent = [await house.opened("") for _ in range(MOST_TUNNELS)]
    reader, writer = await house.opened("")
    assert await reader.read() == b"", "more than twice as many are not even heard"
    writer.close()
    for _, writer in [*tunnels, *silent]:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("text", "host_port"),
    [
        ("packages.example", ("packages.example", 443)),
        ("Packages.Example:8443", ("packages.example", 8443)),
        ("192.168.1.9:8081", ("192.168.1.9", 8081)),
        ("[FE80::1]:1", ("fe80::1", 1)),
    ],
)
def test_an_entry_is_a_host_with_or_without_a_port(text: str, host_port: tuple[str, int]) -> None:
    assert parse_host_port(text, port=443) == host_port


@pytest.mark.parametrize(
    "text", ["", "*", "*.example", "https://a.example", "a b", "a:0", "a:99999", "1.2.3", "[x]"]
)
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(InvalidArguments):
        AllowList.of([text])


@given(st.text(max_size=40))
def test_whatever_is_asked_for_a_place_is_whole_or_refused(text: str) -> None:
    try:
        host, port = parse_host_port(text, port=None)
    except InvalidArguments:
        return
    assert f"{host}:{port}" == text.lower() or ":" in host or host.replace(".", "").isdigit()
    assert 0 < port < 65536
