"""Guards around every test: nothing blocks the loop, nothing is left over; markers."""

import asyncio
import functools
import importlib.util
import inspect
import os
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from swarm.chat.compact import our_words
from tools import landlock

# A busy machine is no fault of a test.
settings.register_profile("no timing", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no timing")

OUR_MODULES = ["api", "federation", "hardware", "swarm", "tools"]

# What tests/e2e/hosts.py does, in small.
_NAMESPACES = """
name=swarm-needs-$$
ip netns add $name
trap 'ip netns del $name' EXIT
ip -n $name link add lan0 type bridge
ip -n $name link add port1 type veth peer name cable1
tc -n $name qdisc add dev port1 root tbf rate 1mbit burst 16kb latency 50ms
nsenter --net=/run/netns/$name unshare --uts --mount mount -t sysfs sysfs /sys
"""
_NFTABLES = """
nft 'add table bridge t; add chain bridge t c { type filter hook forward priority 0; }
     add rule bridge t c iifname port1 numgen random mod 100 < 5 drop'
"""


def _has(program: str) -> bool:
    return shutil.which(program) is not None


@functools.cache
def _works(*command: str) -> bool:
    """Whether anybody may run this here."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@functools.cache
def _runs(*command: str) -> bool:
    """Whether root may run this here."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


# What a test may need beyond the lock: name -> whether it is here.
LLAMA_SERVER = Path(__file__).parent.parent / "build" / "llama" / "bin" / "llama-server"
OPENCODE = Path(__file__).parent / "e2e/opencode/node_modules/.bin/opencode"

NEEDS = {
    "curl": lambda: _has("curl"),
    "openssl": lambda: _has("openssl"),
    "namespaces": lambda: _runs("sh", "-ec", _NAMESPACES),
    "bubblewrap": lambda: _works("bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"),
    "npm": lambda: shutil.which("npm") is not None,
    "landlock": lambda: landlock.version() >= landlock.LEAST_VERSION,
    "nftables": lambda: _runs("unshare", "--net", "sh", "-ec", _NFTABLES),
    "llama-server": LLAMA_SERVER.exists,
    "rpc-server": LLAMA_SERVER.with_name("ggml-rpc-server").exists,
    "mlx": lambda: importlib.util.find_spec("mlx_lm") is not None,
    "opencode": OPENCODE.exists,
    "opencode-sdk": lambda: (OPENCODE.parents[1] / "@opencode-ai/sdk").exists() and _has("node"),
    "js-tiktoken": lambda: (OPENCODE.parents[1] / "js-tiktoken").exists() and _has("node"),
}
_NPM = "`npm ci` in tests/e2e/opencode"
MEANS = {
    "namespaces": "Linux, root and iproute2",
    "nftables": "Linux, root and nftables",
    "landlock": "Linux 6.7 with Landlock",
    "opencode": f"OpenCode ({_NPM})",
    "opencode-sdk": f"Node.js and OpenCode's SDK ({_NPM})",
    "js-tiktoken": f"Node.js and js-tiktoken ({_NPM})",
}

our_words()  # read from a file once, as a node does before its loop begins

# multiprocessing keeps these for the whole run once anything used them.
KEPT_PROCESSES = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
GRACE_S = 15.0
"""Only a test that leaves something over waits for its end."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        missing = [name for name in marker.args if not NEEDS[name]()]
        if missing:
            named = " and ".join(MEANS.get(name, name) for name in missing)
            pytest.skip(f"needs {named}, which this machine lacks")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """CI has everything: a skip there hides a test, so it fails."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """No thread and no child process outlives its test."""
    threads, processes = _threads(), _processes()
    yield
    deadline = time.monotonic() + GRACE_S
    while (left := (_threads() - threads, _processes() - processes)) != (set(), set()):
        if time.monotonic() > deadline:
            pytest.fail(f"left over: threads {left[0]}, processes {left[1]}")
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def guarded_loop(nothing_left_over: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """In a test of coroutines: our code never blocks the loop, and no task is left in it."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("no_task_left")
        with blockbuster_ctx(OUR_MODULES) as guard:
            # Held in a moment by whichever thread enters a file for the first time.
            guard.functions["threading.Lock.acquire"].can_block_in(
                "coverage/collector.py", "lock_data"
            )
            yield
    else:
        yield


@pytest_asyncio.fixture
async def no_task_left() -> AsyncIterator[None]:
    yield
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE_S)
    left = [task for task in tasks if not task.done()]
    assert not left, f"tasks left over: {left}"


def _threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def _processes() -> set[psutil.Process]:
    if not _has_child():
        return set()
    return {child for child in psutil.Process().children(recursive=True) if _counts(child)}


def _has_child() -> bool:
    """Whether this process has any: a question that needs no look at all processes."""
    if not hasattr(os, "waitid"):
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _counts(process: psutil.Process) -> bool:
    try:
        line = " ".join(process.cmdline())
        return process.status() != psutil.STATUS_ZOMBIE and not any(
            name in line for name in KEPT_PROCESSES
        )
    except psutil.NoSuchProcess:
        return False
