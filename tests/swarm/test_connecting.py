"""A person reads what the system says, not what a library makes of it."""

import asyncio
import errno
import os
import socket

import aiohttp
import pytest

from swarm.connecting import system_words

REFUSED = os.strerror(errno.ECONNREFUSED)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_closed_port_is_told_in_the_system_s_words(host: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get(f"http://{host}:{port}/")
        assert system_words(caught.value) == REFUSED
        with pytest.raises(ConnectionRefusedError) as plain:
            await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port), 5)
        assert system_words(plain.value) == REFUSED


def test_a_name_that_nobody_has_keeps_the_resolver_s_words() -> None:
    assert system_words(socket.gaierror(-2, "Name or service not known")) == (
        "Name or service not known"
    )


def test_an_error_without_the_system_s_words_has_its_own_or_its_name() -> None:
    assert system_words(TimeoutError("timed out")) == "timed out"
    assert system_words(OSError("Multiple exceptions: many")) == "Multiple exceptions: many"
    assert system_words(aiohttp.ServerDisconnectedError()) == "Server disconnected"
    assert system_words(ConnectionResetError()) == "ConnectionResetError"
