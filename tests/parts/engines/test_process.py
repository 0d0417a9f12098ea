import asyncio
import errno
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from swarm.engines.base import Delta, Embedding, Failed
from swarm.engines.messages import Start, Tokenize, encode_frame
from swarm.engines.process import EngineProcess
from swarm.errors import (
    EngineLost,
    EngineNotReady,
    GenerationFailed,
    InvalidRequest,
    ModelLoadFailed,
)
from swarm.types import Prompt, SamplingParams
from tests.waiting import PATIENCE_S, until

ENDLESS = Prompt("go", SamplingParams())


def engine(
    factory: str = "tests.swarm.engines.steppers:counter",
    options: object = None,
    patience_s: float = 60,
    embedding_s: float = 60,
    stop_s: float = 60,
):
    return EngineProcess(
        factory=factory,
        options=options,
        name="test",
        environment=dict(os.environ),
        patience_s=patience_s,
        embedding_s=embedding_s,
        stop_s=stop_s,
    )


def kill(process: EngineProcess) -> None:
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)


async def kill_while_generating(process: EngineProcess) -> None:
    killed = False
    async for events in process.generate(ENDLESS):
        if isinstance(events[0], Delta) and not killed:
            kill(process)
            killed = True


async def until_ready(process: EngineProcess, limit_s: float = 20) -> float:
    began = time.monotonic()
    while not process.ready:
        await asyncio.sleep(0.01)
        assert time.monotonic() - began < limit_s
    return time.monotonic() - began


async def test_a_killed_process_fails_its_requests_and_comes_back():
    async with engine() as process:
        killed = process.pid
        with pytest.raises(EngineLost, match="signal 9"):
            await kill_while_generating(process)
        await until_ready(process)
        assert process.pid not in (killed, None)
        assert await process.tokenize("abc") == [97, 98, 99]


async def test_a_process_that_hangs_is_killed_and_replaced():
    async with engine(patience_s=1) as process:
        hung = process.pid
        assert hung
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(EngineLost, match="signal 9"):
            await process.tokenize("abc")
        await until_ready(process)
        assert process.pid != hung


async def test_a_long_text_becomes_a_vector_however_slow_the_processor():
    async with engine(patience_s=1) as process:
        first = process.pid
        assert await process.embed("long") == Embedding((1, 0), 4)
        assert process.pid == first


async def test_a_long_text_that_nobody_waits_for_any_more_is_no_hang_either():
    async with engine(patience_s=1) as process:
        first = process.pid
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.embed("long"), 0.2)
        assert await process.tokenize("abc") == [97, 98, 99]
        assert process.pid == first


async def test_a_process_that_hangs_over_a_text_is_killed_in_the_end():
    async with engine(patience_s=1, embedding_s=2) as process:
        with pytest.raises(EngineLost, match="signal 9"):
            await process.embed("held")
        await until_ready(process)


async def test_a_process_that_owes_no_text_any_more_is_killed_as_soon_as_ever():
    async with engine(patience_s=1) as process:
        text = asyncio.create_task(process.embed("long"))
        await asyncio.sleep(0)
        kill(process)
        with pytest.raises(EngineLost, match="signal 9"):
            await text
        with pytest.raises(EngineNotReady):
            await process.embed("long")
        await until_ready(process)
        await process.embed("abc")
        with pytest.raises(InvalidRequest):
            await process.embed("")
        assert process.pid
        os.kill(process.pid, signal.SIGSTOP)
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(EngineLost, match="signal 9"):
                await process.tokenize("abc")


async def test_a_supervisor_that_fails_is_told_of_and_nobody_is_left_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def unreadable(body: bytes) -> None:
        raise ValueError("a frame that cannot be read")

    async with asyncio.timeout(PATIENCE_S), engine() as process:
        monkeypatch.setattr("swarm.engines.process.decode_body", unreadable)
        with pytest.raises(EngineLost, match="its supervisor has failed"):
            await process.load()
        with pytest.raises(EngineNotReady, match="is not started again: its supervisor has failed"):
            _ = process.info
    assert [each.levelname for each in caplog.records if each.exc_info] == ["ERROR"]


async def test_while_the_process_is_away_a_request_is_told_to_come_back():
    async with engine() as process:
        kill(process)
        await until(lambda: not process.ready)
        with pytest.raises(EngineNotReady):
            await anext(process.generate(ENDLESS))
        with pytest.raises(EngineNotReady, match="is being started"):
            _ = process.info
        await until_ready(process)
        assert process.info.name == "counter"


async def test_what_keeps_it_from_starting_again_is_told_to_all_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    model, missed = tmp_path / "model.gguf", tmp_path / "model.gguf.missed"
    model.touch()
    async with (
        asyncio.timeout(20),
        engine("tests.swarm.engines.steppers:unless_gone", str(model)) as process,
    ):
        model.unlink()
        kill(process)
        await until(lambda: missed.exists() and missed.read_text().count("once") >= 3)
        for ask in (process.load(), anext(process.generate(ENDLESS))):
            with pytest.raises(EngineNotReady, match=r"started again: .*model.gguf is not there"):
                await ask
        model.touch()
        await until_ready(process)
    # asyncio warns too, where a process that has just gone is killed
    ours = [each for each in caplog.records if each.name == "swarm.engines.process"]
    assert [each.getMessage() for each in ours if each.levelname == "WARNING"] == [
        f"the engine of test did not start: {model} is not there"
    ]


async def test_a_text_becomes_a_vector_or_an_error_of_the_process():
    async with engine() as process:
        assert await process.embed("abc") == Embedding((1, 0), 3)
        with pytest.raises(InvalidRequest, match="nothing to count"):
            await process.embed("")


async def test_a_text_that_nobody_waits_for_any_more_is_not_computed():
    async with asyncio.timeout(20), engine() as process:
        first, *texts = [asyncio.create_task(process.embed(text)) for text in ("held", *"abc")]
        await asyncio.sleep(0)
        for text in texts:
            text.cancel()
        await asyncio.wait(texts)
        await process.tokenize("go on")
        assert (await first).vector[0] == 1
        assert (await process.embed("abc")).vector[0] == 2


async def test_a_text_that_was_not_computed_is_not_owed_either():
    async with asyncio.timeout(20), engine(patience_s=1) as process:
        texts = [asyncio.create_task(process.embed(text)) for text in ("held", "abc")]
        await asyncio.sleep(0)
        texts[1].cancel()
        await process.tokenize("go on")
        await texts[0]
        assert process.pid
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(EngineLost, match="signal 9"):
            await process.tokenize("abc")


async def test_questions_and_streams_go_on_between_two_texts():
    async with (
        asyncio.timeout(20),
        engine() as process,
        aclosing(process.generate(ENDLESS)) as events,
    ):
        await anext(events)
        texts = [asyncio.create_task(process.embed(text)) for text in ("held", *"abc")]
        await asyncio.sleep(0)
        load = asyncio.create_task(process.load())
        await asyncio.sleep(0)
        await process.tokenize("go on")
        made = [each.vector for each in await asyncio.gather(*texts)]
        assert [texts for texts, _ in made] == [1, 2, 3, 4]
        assert len({steps for _, steps in made}) == 4
        assert (await load).cells_used <= 1


async def test_a_question_that_the_process_took_to_its_grave_fails():
    async with engine() as process:
        with pytest.raises(EngineLost, match="status 3"):
            await process.tokenize("die")


async def test_a_bug_over_a_question_ends_the_process_too():
    async with engine() as process:
        with pytest.raises(EngineLost, match="status 1"):
            await process.tokenize("wrong")


@pytest.mark.parametrize("error", [IndexError("a bug"), GenerationFailed("no memory")], ids=repr)
async def test_an_error_of_a_step_ends_the_process_and_is_in_the_log(
    error: Exception, capfd: pytest.CaptureFixture[str]
):
    async with engine("tests.swarm.engines.steppers:wrong", error) as process:
        with pytest.raises(EngineLost, match="status 1"):
            async for _ in process.generate(ENDLESS):
                pass
    logged = capfd.readouterr().err
    assert "CRITICAL engine: " in logged
    assert str(error) in logged
    assert "Fatal Python error" not in logged


async def test_streams_go_on_while_a_long_text_is_made_tokens():
    long = replace(ENDLESS, text="three steps long")
    async with (
        asyncio.timeout(20),
        engine() as process,
        aclosing(process.generate(ENDLESS)) as events,
        aclosing(process.generate(long)) as others,
    ):
        await anext(events)
        assert len(await process.tokenize("three steps long")) == 16
        await anext(others)


async def test_a_model_that_does_not_load_is_an_error_and_leaves_no_process():
    children = psutil.Process().children()
    with pytest.raises(ModelLoadFailed, match="of no use"):
        await engine("tests.swarm.engines.steppers:refusing").start()
    assert psutil.Process().children() == children


async def test_a_process_that_the_system_does_not_let_begin_is_a_model_that_does_not_load(
    monkeypatch: pytest.MonkeyPatch,
):
    asked: list[str] = []

    async def refused(module: str, _: object) -> None:
        asked.append(module)
        raise OSError(errno.EMFILE, "Too many open files")

    told = "the engine process of test cannot be begun: Too many open files"
    with monkeypatch.context() as patch:
        patch.setattr("swarm.engines.process.begun", refused)
        with pytest.raises(ModelLoadFailed, match=told):
            await engine().start()
    async with asyncio.timeout(20), engine() as process:
        with monkeypatch.context() as patch:
            patch.setattr("swarm.engines.process.begun", refused)
            kill(process)
            await until(lambda: len(asked) > 2)
            with pytest.raises(EngineNotReady, match=f"started again: {told}"):
                _ = process.info
        await until_ready(process)


async def test_a_process_that_dies_while_loading_says_how():
    with pytest.raises(ModelLoadFailed, match="signal 11"):
        await engine("tests.swarm.engines.steppers:crashing").start()


async def test_a_process_that_still_loads_is_ended_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    begun = tmp_path / "begun"
    process = engine("tests.swarm.engines.steppers:endless", str(begun))
    starting = asyncio.create_task(process.start())
    await until(begun.exists)
    pid = process.pid
    assert pid
    starting.cancel()
    async with asyncio.timeout(20):
        await asyncio.wait([starting])
    assert not psutil.pid_exists(pid)
    assert caplog.messages == []


async def test_a_bug_while_loading_ends_the_process_and_is_in_the_log(
    capfd: pytest.CaptureFixture[str],
):
    with pytest.raises(ModelLoadFailed, match="status 1"):
        await engine("tests.swarm.engines.steppers:broken").start()
    logged = capfd.readouterr().err
    assert "IndexError: a bug" in logged
    assert "Fatal Python error" not in logged


async def test_before_the_first_load_there_is_no_model():
    process = engine()
    with pytest.raises(EngineNotReady):
        _ = process.info
    with pytest.raises(EngineNotReady):
        await anext(process.generate(ENDLESS))


async def test_closing_ends_what_runs_and_the_process():
    process = engine()
    await process.start()
    pid = process.pid
    assert pid
    generation = process.generate(ENDLESS)
    await anext(generation)
    await process.aclose()
    with pytest.raises(EngineLost, match="stopped"):
        async for _ in generation:
            pass
    assert not psutil.pid_exists(pid)


async def stopped(process: EngineProcess) -> int:
    """The id of its process, which does not end by itself."""
    await process.start()
    assert process.pid
    os.kill(process.pid, signal.SIGSTOP)
    return process.pid


async def test_a_process_that_does_not_end_is_killed():
    async with asyncio.timeout(20):
        process = engine(stop_s=0.1)
        pid = await stopped(process)
        await process.aclose()
        assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("begun", [True, False], ids=["its end", "the end of its supervision"])
async def test_a_process_for_whose_end_nobody_waits_is_killed(*, begun: bool):
    async with asyncio.timeout(20):
        process = engine(stop_s=60 if begun else 0.1)
        pid = await stopped(process)
        closing = asyncio.create_task(process.aclose())
        await asyncio.sleep(0)
        while begun and process.pid:  # noqa: ASYNC110 - the state changes without an event
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        assert closing.cancelled()
        assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("share", [0, 0.5], ids=["between two frames", "within a frame"])
async def test_a_process_whose_node_is_gone_ends(share: float):
    begin = encode_frame(Start("tests.swarm.engines.steppers:counter", None, logging.WARNING))
    frame = encode_frame(Tokenize(1, "a" * 1000))
    await ends_with_its_node(begin + frame[: int(len(frame) * share)])


@pytest.mark.skipif(os.name == "nt", reason="there a model is loaded whole before stdin is read")
async def test_a_process_whose_node_is_gone_loads_no_longer(tmp_path: Path):
    begun = tmp_path / "begun"
    start = Start("tests.swarm.engines.steppers:endless", str(begun), logging.WARNING)
    await ends_with_its_node(encode_frame(start), begun.exists)


async def ends_with_its_node(told: bytes, leaves: Callable[[], object] = lambda: True) -> None:
    command = (sys.executable, "-m", "swarm.engines.child")
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*command, **pipes)
    assert process.stdin
    try:
        process.stdin.write(told)
        await until(leaves)
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_generation_ends_where_a_sequence_of_it_has_failed():
    async with engine("tests.swarm.engines.steppers:halving") as process:
        async with asyncio.timeout(20):
            steps = [events async for events in process.generate(replace(ENDLESS, n=2))]
        assert [event.index for event in steps[-1] if isinstance(event, Failed)] == [1]


async def test_a_library_that_prints_does_not_disturb_the_pipe():
    async with engine("tests.swarm.engines.steppers:talkative") as process:
        assert await process.tokenize("a") == [97]
