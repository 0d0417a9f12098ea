"""Reads the limits that a Linux container puts on cores and memory; every function is pure."""

from collections.abc import Iterator

# Version 1 writes "no limit" as the largest multiple of a page: anything near it is none.
_NO_LIMIT_BYTES = 1 << 60


def parse_membership(text: str) -> dict[str, str]:
    """/proc/self/cgroup as controller -> path; version 2's one hierarchy has the key ''."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def ancestors(path: str) -> Iterator[str]:
    """A group's path and every group above it, the root (an empty string) last."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        yield "/".join(parts[:length])


def parse_cpu_max(text: str) -> float | None:
    """Version 2's cpu.max as a number of cores; None: no limit, or not readable."""
    quota, _, period = text.strip().partition(" ")
    return parse_cfs(quota, period or "100000")


def parse_cfs(quota: str, period: str) -> float | None:
    """Version 1's cpu.cfs_quota_us and cpu.cfs_period_us as a number of cores."""
    if not (quota.strip().isdecimal() and period.strip().isdecimal()):
        return None
    cores = int(quota) / max(1, int(period))
    return cores or None


def parse_memory_limit(text: str) -> int | None:
    """memory.max or memory.limit_in_bytes in bytes; None: no limit, or not readable."""
    text = text.strip()
    if not text.isdecimal() or int(text) >= _NO_LIMIT_BYTES:
        return None
    return int(text)


def parse_memory_in_use(usage: str, stat: str) -> int | None:
    """Bytes in use that cannot be reclaimed: usage less the cached files that nobody reads."""
    if not usage.strip().isdecimal():
        return None
    fields = {
        name: value for name, _, value in (line.rpartition(" ") for line in stat.splitlines())
    }
    reclaimable = fields.get("total_inactive_file", fields.get("inactive_file", "0"))
    return max(0, int(usage) - (int(reclaimable) if reclaimable.isdecimal() else 0))
