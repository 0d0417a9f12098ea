"""Opens a path beneath a directory descriptor, so that whatever its names become, none leads out.

The kernel's own rule (openat2 with RESOLVE_BENEATH, Linux 5.6) where there, else the same rule step
by step: no component is followed by the kernel, symbolic links are read and walked, `..` goes back
along descriptors that are already held.
"""

import contextlib
import ctypes
import errno
import functools
import os
import stat
import struct
from collections import deque

_OPENAT2 = 437  # the same number on every architecture that Python runs on
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08
_RACES = 32
"""How often the kernel may say that a rename came between (EAGAIN)."""

_LINKS = 40  # as many as the kernel follows
_SEARCH = getattr(os, "O_PATH", os.O_RDONLY)


def open_beneath(folder: int, path: str, flags: int) -> int:
    """A descriptor of `path` beneath the directory `folder`, closed on exec.

    `path` is relative, and nothing is made. Raises OSError: EXDEV where the path leads
    out of the folder, by `..`, an absolute symbolic link or /proc's magic ones; ELOOP after 40
    links; else what open(2) says.
    """
    if has_openat2():
        return by_kernel(folder, path, flags)
    return by_steps(folder, path, flags)


@functools.cache
def has_openat2() -> bool:
    """Whether this kernel has the call, and nothing forbids it."""
    if not hasattr(os, "O_PATH"):
        return False
    folder = os.open("/", os.O_PATH | os.O_DIRECTORY)
    try:
        os.close(by_kernel(folder, ".", os.O_PATH | os.O_DIRECTORY))
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def by_kernel(folder: int, path: str, flags: int) -> int:
    """As `open_beneath`, by openat2."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    code = errno.EAGAIN
    for _ in range(_RACES):
        descriptor = _libc().syscall(
            _OPENAT2, folder, os.fsencode(path), how, ctypes.c_size_t(len(how))
        )
        if descriptor >= 0:
            return descriptor
        code = ctypes.get_errno()
        if code not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(code, os.strerror(code), path)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def by_steps(folder: int, path: str, flags: int) -> int:
    """As `open_beneath`, on kernels without openat2."""
    if path.startswith("/"):
        raise _leads_out(path)
    left = deque(part for part in path.split("/") if part not in ("", "."))
    links = 0
    with contextlib.ExitStack() as held:
        trail = [folder]
        while left:
            name = left.popleft()
            if name == "..":
                if len(trail) == 1:
                    raise _leads_out(path)
                trail.pop()
                continue
            target = _link(trail[-1], name, flags, is_last=not left)
            if target is None and not left:
                return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=trail[-1])
            if target is None:
                trail.append(_step(trail[-1], name))
                held.callback(os.close, trail[-1])
                continue
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                raise _leads_out(path)
            left.extendleft(reversed([p for p in target.split("/") if p not in ("", ".")]))
        return os.open(".", flags | os.O_CLOEXEC, dir_fd=trail[-1])


def _link(folder: int, name: str, flags: int, *, is_last: bool) -> str | None:
    """Where the symbolic link leads; None where it is none, or is not to be followed."""
    if is_last and flags & os.O_NOFOLLOW:
        return None
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def _step(folder: int, name: str) -> int:
    """One component down. A link that was swapped in since isn't a directory, so it is refused."""
    descriptor = os.open(
        name, _SEARCH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
    )
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    return descriptor


def _leads_out(path: str) -> OSError:
    return OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
