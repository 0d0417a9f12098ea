"""Which program listens on a port of this machine, as far as this user may know."""

from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from psutil._ntuples import pconn, sconn

_UNTOLD = (psutil.Error, OSError)
"""A process that has just ended or is another user's, and what no program of Android's may read."""


def holder_of(port: int) -> str | None:
    """Its name and process id; None where the system does not tell. Looks at all processes."""
    try:
        pid = _listener(port)
        return f"{psutil.Process(pid).name()} (process {pid})" if pid else None
    except _UNTOLD:
        return None


def _listener(port: int) -> int | None:
    try:
        found = (each.pid for each in psutil.net_connections("tcp") if _listens(each, port))
        return next(found, None)
    except _UNTOLD:  # macOS tells only root of all at once, and everybody of their own
        return next((each.pid for each in psutil.process_iter() if _has(each, port)), None)


def _has(process: psutil.Process, port: int) -> bool:
    try:
        return any(_listens(each, port) for each in process.net_connections("tcp"))
    except _UNTOLD:
        return False


def _listens(connection: "sconn | pconn", port: int) -> bool:
    return connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
