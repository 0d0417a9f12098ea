"""Which program listens on a port of this machine, as far as this user may know."""

import psutil


def holder_of(port: int) -> str | None:
    """Its name and process id; None where the system does not tell. Looks at all processes."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.pid and connection.laddr[1:] == (port,):
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:  # a process that has just ended, or one of another user
        return None
    return None
