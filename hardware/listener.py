"""Which program listens on a port of this machine or has a file open, as far as this user may
know.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from psutil._ntuples import pconn, sconn

_UNTOLD = (psutil.Error, OSError)
"""What is raised for a process that has just ended or is another user's, and for what no program of
Android's may read."""


def holder_of(port: int) -> str | None:
    """Its name and process id; None where the system does not tell. Looks at all processes."""
    try:
        pid = _listener(port)
        return f"{psutil.Process(pid).name()} (process {pid})" if pid else None
    except _UNTOLD:
        return None


def opener_of(file: Path) -> int | None:
    """The id of a process that has it open, but not this one; None where the system does not tell.
    Looks at all processes.
    """
    path = os.path.realpath(file)
    others = (each for each in psutil.process_iter() if each.pid != os.getpid())
    return next((each.pid for each in others if _opens(each, path)), None)


def _opens(process: psutil.Process, path: str) -> bool:
    try:
        return any(each.path == path for each in process.open_files())
    except _UNTOLD:
        return False


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
