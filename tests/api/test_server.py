"""The port of the client door, taken before anybody is served there."""

import contextlib
import errno
import os
import socket

import aiohttp
import pytest
from aiohttp import web

from api.server import ClientServer
from swarm.errors import ConfigurationError
from tests.ports import free_port


async def status_at(port: int) -> int:
    url = f"http://127.0.0.1:{port}/"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status


async def test_clients_are_refused_until_they_are_served() -> None:
    port = free_port()
    async with ClientServer(hosts=("127.0.0.1",), port=port) as server:
        with pytest.raises(aiohttp.ClientConnectorError):
            await status_at(port)
        async with server.serving(web.Application()):
            assert await status_at(port) == 404
        with pytest.raises(aiohttp.ClientConnectorError):
            await status_at(port)


async def test_of_two_that_take_a_port_at_once_one_serves() -> None:
    port = free_port()
    one, other = [ClientServer(hosts=("127.0.0.1",), port=port) for _ in range(2)]
    refused = pytest.raises(ConfigurationError, match=f"port {port} of 127.0.0.1 is in use by .*")
    async with one, contextlib.AsyncExitStack() as stack:
        with refused as told:  # by some systems now, by others when the first one listens
            await stack.enter_async_context(other)
            await stack.enter_async_context(one.serving(web.Application()))
            await stack.enter_async_context(other.serving(web.Application()))
    assert "choose another with --port N" in str(told.value)


@pytest.mark.parametrize("hosts", [("192.0.2.7",), ("127.0.0.1", "192.0.2.7")])
async def test_a_host_that_this_machine_has_not_is_refused_beside_another_too(
    hosts: tuple[str, ...],
) -> None:
    port = free_port()
    words = f"cannot listen on 192.0.2.7 port {port}: {os.strerror(errno.EADDRNOTAVAIL)}"
    with pytest.raises(ConfigurationError) as told:
        await ClientServer(hosts=hosts, port=port).__aenter__()
    assert str(told.value) == words
    socket.create_server(("127.0.0.1", port)).close()  # nothing is held any more


async def test_a_name_is_served_at_those_of_its_addresses_that_are_here_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = socket.getaddrinfo

    def find(host: str, *more: int) -> object:
        if host == "kitchen":
            return [*system("192.0.2.7", *more), *system("127.0.0.1", *more)]
        return system(host, *more)

    monkeypatch.setattr(socket, "getaddrinfo", find)
    port = free_port()
    async with (
        ClientServer(hosts=("127.0.0.1", "kitchen"), port=port) as server,
        server.serving(web.Application()),
    ):
        assert await status_at(port) == 404
