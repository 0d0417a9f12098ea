"""Checksums of the files that peers may copy."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from federation.sharing import Shelf
from tests.waiting import until

SPARSE = 64 << 30
"""Whole, it would take a minute or more."""


def shelf_of(path: Path, size_bytes: int) -> Shelf:
    path.touch()
    os.truncate(path, size_bytes)
    return Shelf(lambda: {"a.gguf": path})


async def test_a_file_is_summed_to_its_end_though_who_asked_has_left(tmp_path: Path) -> None:
    size = 40 << 20
    shelf = shelf_of(tmp_path / "a.gguf", size)
    asking = asyncio.create_task(shelf.offers(["a.gguf"]))
    await until(lambda: shelf._sums)
    (summing,) = shelf._sums.values()
    asking.cancel()
    await asyncio.wait([asking])
    assert not summing.cancelling()
    (offer,) = await shelf.offers(["a.gguf"])
    assert offer.sha256 == summing.result() == hashlib.sha256(bytes(size)).hexdigest()
    assert list(shelf._sums.values()) == [summing]


async def test_the_end_waits_for_no_large_file(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path / "a.gguf", SPARSE)
    asking = asyncio.create_task(shelf.offers(["a.gguf"]))
    await until(lambda: shelf._sums)
    async with asyncio.timeout(20):
        await shelf.aclose()
        await asyncio.wait([asking])
        await asyncio.get_running_loop().shutdown_default_executor()
    assert asking.cancelled()


async def test_a_file_that_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.mkdir()
    shelf = Shelf(lambda: {"a.gguf": path})
    with pytest.raises(OSError, match="directory"):
        await shelf.offers(["a.gguf"])
    await asyncio.to_thread(path.rmdir)
    await asyncio.to_thread(path.touch)
    (offer,) = await shelf.offers(["a.gguf"])
    assert offer.sha256 == hashlib.sha256().hexdigest()
