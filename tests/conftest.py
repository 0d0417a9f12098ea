"""Guards around every test: nothing blocks the loop, nothing is left over; markers."""

import asyncio
import importlib.util
import inspect
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from blockbuster import blockbuster_ctx

OUR_MODULES = ["api", "federation", "hardware", "swarm"]

# What a test may need beyond the lock: name -> whether it is here.
LLAMA_SERVER = Path(__file__).parent.parent / "build" / "llama" / "bin" / "llama-server"
NEEDS = {
    "curl": lambda: shutil.which("curl") is not None,
    "llama-server": LLAMA_SERVER.exists,
    "mlx": lambda: importlib.util.find_spec("mlx_lm") is not None,
}

# multiprocessing keeps these for the whole run once anything used them.
KEPT_PROCESSES = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
GRACE_S = 3.0


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        missing = [name for name in marker.args if not NEEDS[name]()]
        if missing:
            pytest.skip(f"needs {', '.join(missing)}, which this machine lacks")


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
        with blockbuster_ctx(OUR_MODULES):
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
    return {child for child in psutil.Process().children(recursive=True) if _counts(child)}


def _counts(process: psutil.Process) -> bool:
    try:
        line = " ".join(process.cmdline())
        return process.status() != psutil.STATUS_ZOMBIE and not any(
            name in line for name in KEPT_PROCESSES
        )
    except psutil.NoSuchProcess:
        return False
