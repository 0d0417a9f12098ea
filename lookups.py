"""An event loop whose name look-ups hold up nobody.

The system looks names up in a thread that blocks, for many seconds where a nameserver says nothing.
Python's own loop takes threads that are joined before the program ends; those here are its own, and
end with it wherever they are.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

_NO_NAME = "it cannot be a machine's name"
_NO_THREAD = "the system allows no thread to look it up (ulimit -u, a container's pids limit)"

_Addresses: TypeAlias = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]]


def run(work: Coroutine[Any, Any, T]) -> T:
    """What the work gives back, as `asyncio.run` does, but no name look-up is waited for then."""
    with asyncio.Runner(loop_factory=_loop) as runner:
        return runner.run(work)


def _loop() -> asyncio.AbstractEventLoop:
    """The system's, in which all libraries look names up as it is done here."""
    loop = asyncio.new_event_loop()
    loop.getaddrinfo = _addresses
    return loop


async def _addresses(
    host: bytes | str | None,
    port: bytes | str | int | None,
    *,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> _Addresses:
    """Those of a name. Cancelled, the look-up goes on alone. Raises OSError, also for want of a
    thread, which the libraries that ask expect.
    """
    found: Future[_Addresses] = Future()
    found.set_running_or_notify_cancel()  # from now on only its thread says how it ends

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, family, type, proto, flags))
        except UnicodeError:  # Python's own way to say that a part of it is empty or too long
            found.set_exception(socket.gaierror(socket.EAI_NONAME, _NO_NAME))
        except (OSError, ValueError, OverflowError, TypeError, MemoryError) as error:
            found.set_exception(error)
        except BaseException as error:
            found.set_exception(error)  # whatever it is, nobody waits for ever
            raise

    try:
        threading.Thread(target=look_up, name="look-up", daemon=True).start()
    except RuntimeError as error:  # a new thread has no other reason not to begin
        raise socket.gaierror(socket.EAI_AGAIN, _NO_THREAD) from error
    return await asyncio.wrap_future(found)
