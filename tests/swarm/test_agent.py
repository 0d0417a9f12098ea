"""The agent's loop, with steps and tools that go by script."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, cast

import pytest

from swarm.agent import TOLD_CHARACTERS, Bounds, Emit, ToolResult, worked
from swarm.answer import End, Part, Progress, Say
from swarm.chat.calls import Arguments
from swarm.chat.completion import Reasoning, Text
from swarm.chat.marks import PROGRESS, without_progress
from swarm.collect import Draft
from swarm.consensus.tally import Voter
from swarm.errors import ContextOverflow, EngineLost, GenerationFailed, SwarmError
from swarm.types import (
    FinishReason,
    Message,
    Question,
    SamplingParams,
    TokenLogprob,
    ToolCall,
    Verdict,
)

ASKED = Question("swarm", (Message("user", "make a"),), SamplingParams())
WIDE = Bounds(steps=9, time_s=60, tokens=1000)

Step = list[Part] | SwarmError


def verdict(winner: str, generated: int) -> Verdict:
    return Verdict("auto", "majority", winner, 3, 3, 0, 0, 1.0, 1.0, 9.0, generated, ())


def step(
    *said: str | ToolCall | Reasoning | Arguments, tokens: int = 5, reason: Any = None
) -> Step:
    """What a vote gives out; of texts and calls."""
    pieces = [Text(each) if isinstance(each, str) else each for each in said]
    calls = any(isinstance(each, ToolCall) for each in said)
    why: FinishReason = reason or ("tool_calls" if calls else "stop")
    draft = Draft(Voter("1"), prompt_tokens=10, cached_tokens=4, tokens=tokens)
    return [*(Say(0, each) for each in pieces), End(0, why, draft), verdict("1", 3 * tokens)]


def call(name: str, arguments: str = "{}") -> ToolCall:
    return ToolCall(f"call_{name}", name, arguments)


class Model:
    """Answers the steps in turn, the last one again and again; keeps what it was asked."""

    def __init__(self, *steps: Step, gate: asyncio.Event | None = None) -> None:
        self.steps = list(steps)
        self.asked: list[Question] = []
        self.left_s: list[float] = []
        self.gate = gate
        self.closed = 0

    async def __call__(self, question: Question, left_s: float) -> AsyncGenerator[list[Part]]:
        at = min(len(self.asked), len(self.steps) - 1)
        self.asked.append(question)
        self.left_s.append(left_s)
        now = self.steps[at]
        try:
            if isinstance(now, SwarmError):
                raise now
            for part in now:
                if self.gate is not None and not isinstance(part, Say):
                    await self.gate.wait()
                yield [part]
        finally:
            self.closed += 1


class Tools:
    """Every tool says its name; `hangs` never ends; `fails` fails."""

    def __init__(self, said: str = "") -> None:
        self.ran: list[str] = []
        self.cancelled: list[str] = []
        self.said = said

    async def __call__(self, call: ToolCall, emit: Emit) -> ToolResult:
        self.ran.append(call.name)
        if self.said:
            emit(self.said)
        if call.name == "hangs":
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.append(call.name)
        return ToolResult(f"{call.name} {call.arguments}", failed=call.name == "fails")


async def run(
    model: Model,
    tools: Callable[..., Any] | None = None,
    bounds: Bounds = WIDE,
    asked: Question = ASKED,
) -> list[Part]:
    parts = worked(asked, model, tools or Tools(), bounds)
    async with aclosing(parts):
        return [part async for some in parts for part in some]


def text(parts: list[Part]) -> str:
    return "".join(p.piece.text for p in parts if isinstance(p, Say) and isinstance(p.piece, Text))


def lines(parts: list[Part]) -> list[str]:
    return [part.line for part in parts if isinstance(part, Progress)]


def ending(parts: list[Part]) -> tuple[End, Verdict]:
    end, last = parts[-2:]
    assert isinstance(end, End)
    assert isinstance(last, Verdict)
    return end, last


async def test_without_a_call_the_first_step_is_the_answer() -> None:
    parts = await run(Model(step("Hello")))
    end, last = ending(parts)
    assert (text(parts), end.reason, len(last.steps), last.note) == ("Hello", "stop", 1, None)


async def test_log_probabilities_are_those_of_what_the_client_is_told() -> None:
    steps = step(call("read")), step("Done.")
    for each, token in zip(steps, ["<tool_call>", "Done."], strict=True):
        assert not isinstance(each, SwarmError)
        [end] = [part for part in each if isinstance(part, End)]
        end.draft.logprobs = [TokenLogprob(token, token.encode(), -0.5)]
    end, _ = ending(await run(Model(*steps)))
    assert [each.token for each in end.draft.logprobs] == ["Done."]
    assert end.draft.tokens == 10


async def test_the_model_reads_what_its_calls_gave_until_it_answers() -> None:
    model, tools = Model(step("I look.", call("read"), call("list")), step("Done.")), Tools()
    parts = await run(model, tools)
    assert tools.ran == ["read", "list"]
    assert text(parts) == "I look.\n\nDone."
    first, *grown = model.asked[1].messages
    assert first == ASKED.messages[0]
    assert grown == [
        Message("assistant", "I look.", None, (call("read"), call("list"))),
        Message("tool", "read {}", tool_call_id="call_read", name="read"),
        Message("tool", "list {}", tool_call_id="call_list", name="list"),
    ]


async def test_no_call_is_told_to_the_client_as_its_own() -> None:
    parts = await run(Model(step(call("read", '{"path": "a"}')), step("Done.")))
    pieces = [part.piece for part in parts if isinstance(part, Say)]
    assert pieces == [Text("Done.")]
    assert lines(parts) == ['read {"path": "a"}', "read ended"]


async def test_what_a_model_made_up_stays_in_one_line() -> None:
    parts = await run(Model(step(call("re\nad", '{"a": "%s"}' % ("x" * 999))), step("Done.")))
    begun, ended = lines(parts)
    assert begun.startswith('re ad {"a": "xxx')
    assert len(begun) < 170
    assert ended == "re ad ended"


async def test_arguments_that_come_in_pieces_are_put_together() -> None:
    tools = Tools()
    model = Model(step(call("read", '{"pa'), Arguments('th": 1}')), step("Done."))
    await run(model, tools)
    assert model.asked[1].messages[2].content == 'read {"path": 1}'


async def test_usage_and_the_verdict_tell_of_all_steps() -> None:
    model = Model(step(call("read"), tokens=7), step("Done.", tokens=2))
    end, last = ending(await run(model))
    draft = end.draft
    assert (draft.prompt_tokens, draft.cached_tokens, draft.tokens) == (20, 8, 9)
    assert [(each.calls, each.tokens, each.generated_tokens) for each in last.steps] == [
        (("read",), 7, 21),
        ((), 2, 6),
    ]
    assert last.generated_tokens == 6


async def test_a_tool_that_fails_is_told_to_the_model_and_the_work_goes_on() -> None:
    model = Model(step(call("fails")), step("I could not."))
    parts = await run(model)
    assert model.asked[1].messages[-1].content == "fails {}"
    assert lines(parts)[-1] == "fails failed: fails {}"
    assert ending(parts)[0].reason == "stop"


async def test_what_a_tool_says_is_told_line_by_line_and_bounded() -> None:
    parts = await run(Model(step(call("bash")), step("Done.")), Tools("one\ntwo\nthree"))
    assert lines(parts)[1:4] == ["| one", "| two", "| three"]
    parts = await run(Model(step(call("bash")), step("Done.")), Tools("x" * (TOLD_CHARACTERS + 7)))
    assert lines(parts)[2] == "| ... and 7 characters more"
    assert len(lines(parts)[1]) == TOLD_CHARACTERS + 2


async def test_every_line_that_a_tool_says_is_known_when_a_client_sends_it_back() -> None:
    said = "10%\r20%\x85I shall\u2028delete it\n"
    parts = await run(Model(step(call("bash")), step("Done.")), Tools(said))
    shown = "".join(f"{PROGRESS}{line}\n" for line in lines(parts))
    assert lines(parts)[1] == "| 10% 20% I shall delete it"
    assert without_progress(shown) == ""


async def test_a_line_of_the_course_never_hangs_on_a_thought() -> None:
    parts = await run(Model(step(Reasoning("I think"), call("read")), step("Done.")))
    thoughts = [
        p.piece.text for p in parts if isinstance(p, Say) and isinstance(p.piece, Reasoning)
    ]
    assert thoughts == ["I think", "\n"]


async def test_the_most_steps_end_it_with_a_closing() -> None:
    tools = Tools()
    parts = await run(Model(step("Again.", call("read"))), tools, Bounds(3, 60, 1000))
    end, last = ending(parts)
    assert (end.reason, len(last.steps), len(tools.ran)) == ("length", 3, 2)
    assert "3 steps are the most" in (last.note or "")
    assert text(parts).endswith(
        "\n\n[Stopped here: 3 steps are the most for one answer. Ask to go on.]"
    )


async def test_the_most_tokens_are_shared_by_all_steps() -> None:
    model = Model(step(call("read"), tokens=60))
    parts = await run(model, bounds=Bounds(9, 60, 100))
    assert [each.sampling.max_tokens for each in model.asked] == [100, 40]
    assert ending(parts)[0].reason == "length"
    assert "100 tokens are the most" in text(parts)


async def test_the_clients_own_limit_cuts_a_text_without_a_word() -> None:
    asked = Question("swarm", ASKED.messages, SamplingParams(max_tokens=5))
    model = Model(step("Once upon", reason="length"))
    parts = await run(model, asked=asked)
    assert model.asked[0].sampling.max_tokens == 5
    assert (text(parts), ending(parts)[0].reason) == ("Once upon", "length")


async def test_what_a_servers_filter_cut_is_told_so_and_none_of_its_calls_is_run() -> None:
    tools = Tools()
    parts = await run(Model(step("So: ", call("read", "{}"), reason="content_filter")), tools)
    assert (tools.ran, ending(parts)[0].reason) == ([], "content_filter")


async def test_a_call_that_was_cut_is_not_run() -> None:
    tools = Tools()
    parts = await run(Model(step(call("read", '{"pa'), reason="length")), tools)
    assert tools.ran == []
    assert "cut" in text(parts)


async def test_the_most_time_ends_a_tool_that_runs() -> None:
    tools = Tools()
    parts = await run(Model(step("I wait.", call("hangs"))), tools, Bounds(9, 0.05, 1000))
    assert tools.cancelled == ["hangs"]
    end, last = ending(parts)
    assert end.reason == "length"
    assert "0.05 s" in (last.note or "")


async def test_a_first_step_that_is_out_of_time_is_an_error() -> None:
    model = Model(step("Hello"), gate=asyncio.Event())
    with pytest.raises(GenerationFailed, match=r"no answer: it has worked for 0\.05 s"):
        await run(model, bounds=Bounds(9, 0.05, 1000))
    assert model.closed == 1


async def test_each_step_is_told_what_is_left_of_the_time() -> None:
    model = Model(step(call("read")), step("Done."))
    await run(model)
    first, second = model.left_s
    assert WIDE.time_s >= first > second > WIDE.time_s - 30


async def over(left_s: float) -> None:
    """Until the time that a step is told is over."""
    await asyncio.sleep(left_s)


async def test_a_step_that_its_time_cuts_is_told_as_far_as_it_came() -> None:
    async def ask(question: Question, left_s: float) -> AsyncGenerator[list[Part]]:
        await over(left_s)
        yield cast("list[Part]", step("Hel", reason="length"))

    parts = await run(cast("Model", ask), bounds=Bounds(9, 0.05, 1000))
    assert text(parts).startswith("Hel\n\n[Stopped here: it has worked for 0.05 s")
    assert ending(parts)[0].reason == "length"


async def test_a_later_step_that_has_nothing_in_time_ends_the_answer_with_a_closing() -> None:
    asked: list[Question] = []

    async def ask(question: Question, left_s: float) -> AsyncGenerator[list[Part]]:
        asked.append(question)
        if asked[1:]:
            await over(left_s)
            raise GenerationFailed("no worker has answered")
        yield cast("list[Part]", step("I look.", call("read")))

    parts = await run(cast("Model", ask), bounds=Bounds(9, 0.05, 1000))
    assert text(parts).startswith("I look.\n\n[Stopped here: it has worked for 0.05 s")


async def test_no_tool_is_begun_once_the_time_is_over() -> None:
    async def ask(question: Question, left_s: float) -> AsyncGenerator[list[Part]]:
        await over(left_s)
        yield cast("list[Part]", step("I look.", call("read")))

    tools = Tools()
    parts = await run(cast("Model", ask), tools, Bounds(9, 0.05, 1000))
    assert tools.ran == []
    assert ending(parts)[0].reason == "length"


async def test_a_full_context_ends_the_work_but_not_before_it_began() -> None:
    full = ContextOverflow(9, 8)
    parts = await run(Model(step("I look.", call("read")), full))
    assert ending(parts)[0].reason == "length"
    assert "filled the model's context" in text(parts)
    with pytest.raises(ContextOverflow):
        await run(Model(full))


async def test_a_step_that_fails_fails_the_answer() -> None:
    with pytest.raises(EngineLost):
        await run(Model(step(call("read")), EngineLost("gone")))


async def test_who_goes_away_ends_the_tool_and_the_step() -> None:
    tools, model = Tools("begun\n"), Model(step(call("hangs")))
    parts = worked(ASKED, model, tools, WIDE)
    async with aclosing(parts):
        async for some in parts:
            if Progress("| begun") in some:
                break
    assert tools.cancelled == ["hangs"]
    waiting = Model(step("Hello"), gate=asyncio.Event())
    parts = worked(ASKED, waiting, tools, WIDE)
    async with aclosing(parts):
        assert await anext(parts) == [Say(0, Text("Hello"))]
    assert waiting.closed == 1
