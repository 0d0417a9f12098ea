"""Which form a model reads: chosen by what a session repeats, once, and said in the log."""

import logging
import re
from contextlib import nullcontext
from dataclasses import replace

import pytest

from swarm.chat.compact import our_words
from swarm.chat.template import ChatTemplate
from swarm.engines.base import Finished, Started
from swarm.errors import FixedOverflow, InvalidRequest
from swarm.forms import Form, Forms
from swarm.types import Constraint, Message, Question, SamplingParams, ToolSpec
from tests.fakes import INFO, FakeEngine

TEMPLATE = ChatTemplate("{{ messages | tojson }}{{ tools | tojson }}", tool_calls="canonical")
TOOL = ToolSpec("read", "Reads a file. " + "And more. " * 50, {"type": "object"})
RULE = (
    "Only use emojis if the user explicitly requests it. "
    "Avoid using emojis in all communication unless asked."
)
"""One of OpenCode's."""
SYSTEM = f"{RULE}\n" * 4 + "<env>here</env>"


def question(*more: Message, **changes: object) -> Question:
    messages = (Message("system", SYSTEM), Message("user", "hi"), *more)
    return replace(Question("m", messages, SamplingParams(), (TOOL,)), **changes)


def engine(context_tokens: int) -> FakeEngine:
    return FakeEngine(model_info=replace(INFO, context_tokens=context_tokens))


async def fit(forms: Forms, asked: Question, context_tokens: int) -> Question:
    return await forms.fit(asked, "m", engine(context_tokens), TEMPLATE)


async def test_a_small_context_reads_the_compact_form(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    forms = Forms()
    small = await fit(forms, question(), 2_500)
    assert small.tools[0].description == "Reads a file."
    assert RULE not in (small.messages[0].content or "")
    assert small.messages[1] == Message("user", "hi")
    assert await fit(Forms(), question(), 9_000) == question()
    assert "its context is 2500" in caplog.text


async def told(caplog: pytest.LogCaptureFixture, asked: Question, context_tokens: int) -> str:
    caplog.set_level(logging.INFO)
    await fit(Forms(), asked, context_tokens)
    return caplog.text


async def test_the_log_says_how_much_was_cut(caplog: pytest.LogCaptureFixture) -> None:
    said = await told(caplog, question(), 2_500)
    assert re.search(r"here: \d+ tokens of tools and instructions become \d+ \(", said)


async def test_the_log_says_where_nothing_could_be_cut(caplog: pytest.LogCaptureFixture) -> None:
    class Alike(FakeEngine):
        async def tokenize(self, text: str) -> list[int]:
            return [1] * 900

    caplog.set_level(logging.INFO)
    small = Alike(model_info=replace(INFO, context_tokens=2_000))
    await Forms().fit(question(), "m", small, TEMPLATE)
    assert "nothing could be cut of the 900 tokens of tools and instructions" in caplog.text


async def test_the_log_tells_an_estimate_of_what_was_cut_as_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class CountsWhatIsShort(FakeEngine):
        async def tokenize(self, text: str) -> list[int]:
            if len(text) > 1_000:
                raise InvalidRequest("the server does not count so long a text")
            return [1] * 200

    caplog.set_level(logging.INFO)
    small = CountsWhatIsShort(model_info=replace(INFO, context_tokens=2_000))
    await Forms("compact").fit(question(), "m", small, TEMPLATE)
    assert re.search(r"here: about \d+ tokens of tools and instructions become 200 \(", caplog.text)


async def test_the_log_says_where_the_count_ended_early(caplog: pytest.LogCaptureFixture) -> None:
    long = question(
        messages=(Message("system", SYSTEM + "My word. " * 2000), Message("user", "hi"))
    )
    with pytest.raises(FixedOverflow, match="at least"):
        await told(caplog, long, 2_500)
    said = caplog.text
    assert re.search(r"at least \d+ tokens of tools and instructions become at least \d+", said)


async def test_the_form_is_chosen_once_for_all_that_begin_alike(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    forms = Forms()
    first = await fit(forms, question(), 2_500)
    later = question(Message("assistant", "well"), Message("user", "more " * 90))
    assert (await fit(forms, later, 2_500)).messages[:2] == first.messages
    assert caplog.text.count("compact") == 1


async def test_another_context_is_another_choice() -> None:
    """A server that comes back may have one."""
    forms = Forms()
    assert await fit(forms, question(), 9_000) == question()
    assert (await fit(forms, question(), 2_500)).tools[0].description == "Reads a file."
    assert await fit(forms, question(), 9_000) == question()


async def test_the_owners_word_wins() -> None:
    assert await fit(Forms("full"), question(), 2_500) == question()
    assert (await fit(Forms("compact"), question(), 90_000)).tools[0].description == "Reads a file."


async def test_a_slow_reader_gets_the_compact_form() -> None:
    async def read(seconds: float):
        yield [Started(1000, 0)]
        yield [Finished(0, "stop", 1, seconds, 0.0)]

    forms = Forms()
    async for _ in forms.timed("m", read(1.0)):
        pass
    assert await fit(forms, question(), 9_000) == question()
    async for _ in forms.timed("m", read(100.0)):
        pass
    other = question(tools=(TOOL, replace(TOOL, name="other")))
    assert (await fit(forms, other, 9_000)).tools[0].description == "Reads a file."
    assert await fit(forms, question(), 9_000) == question(), "a session keeps its form"


async def read_in(forms: Forms, seconds: float, waited_s: float = 0.0) -> None:
    async def read():
        yield [Started(1000, 0)]
        yield [Finished(0, "stop", 1, seconds, 0.0, waited_s)]

    async for _ in forms.timed("m", read()):
        pass


def begun(opening: str, *more: Message) -> Question:
    return question(messages=(Message("system", SYSTEM), Message("user", opening), *more))


async def test_a_form_chosen_before_the_speed_was_seen_holds_for_its_conversation_only() -> None:
    forms = Forms()
    first = begun("one")
    assert await fit(forms, first, 9_000) == first
    await read_in(forms, 100.0)
    new = begun("two")
    assert (await fit(forms, new, 9_000)).tools[0].description == "Reads a file."
    later = begun("one", Message("assistant", "well"), Message("user", "go on"))
    assert await fit(forms, later, 9_000) == later, "a conversation keeps its form"
    new_later = begun("two", Message("assistant", "well"), Message("user", "go on"))
    assert (await fit(forms, new_later, 9_000)).tools[0].description == "Reads a file."


async def test_waiting_is_no_slow_reading() -> None:
    forms = Forms()
    await read_in(forms, 0.0, waited_s=100.0)
    assert await fit(forms, begun("one"), 9_000) == begun("one")


async def test_what_was_slow_once_may_be_fast_later() -> None:
    forms = Forms()
    await read_in(forms, 100.0)
    small = await fit(forms, begun("one"), 9_000)
    assert small.tools[0].description == "Reads a file."
    await read_in(forms, 1.0)
    assert await fit(forms, begun("two"), 9_000) == begun("two")
    later = begun("one", Message("assistant", "well"), Message("user", "go on"))
    kept = await fit(forms, later, 9_000)
    assert kept.messages[:2] == small.messages, "a conversation keeps its form"


async def test_the_same_first_words_are_a_new_conversation_until_they_are_answered() -> None:
    forms = Forms()
    assert await fit(forms, begun("one"), 9_000) == begun("one")
    await read_in(forms, 100.0)
    assert (await fit(forms, begun("one"), 9_000)).tools[0].description == "Reads a file."
    later = begun("one", Message("assistant", "well"))
    assert (await fit(forms, later, 9_000)).tools[0].description == "Reads a file."


async def test_a_choice_that_no_speed_would_change_is_kept() -> None:
    class Counting(FakeEngine):
        counted = 0

        async def tokenize(self, text: str) -> list[int]:
            self.counted += 1
            return await super().tokenize(text)

    forms = Forms()
    small = Counting(model_info=replace(INFO, context_tokens=2_500))
    await forms.fit(begun("one"), "m", small, TEMPLATE)
    assert small.counted
    small.counted = 0
    await forms.fit(begun("two"), "m", small, TEMPLATE)
    assert not small.counted


async def test_old_results_are_cut_where_the_conversation_outgrows_the_context() -> None:
    turns = [
        message
        for number in range(6)
        for message in (Message("assistant", "call"), Message("tool", f"{number}" * 1000))
    ]
    whole = question(*turns)
    assert (await fit(Forms("compact"), whole, 20_000)).messages[1:] == whole.messages[1:]
    cut = (await fit(Forms("compact"), whole, 6_000)).messages
    lengths = [len(message.content or "") for message in cut if message.role == "tool"]
    assert lengths[0] < 400
    assert lengths[-2:] == [1000, 1000]
    assert "characters cut" in our_words().cut


async def test_the_log_says_what_was_cut_when_that_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def turns(count: int) -> list[Message]:
        return [
            message
            for number in range(count)
            for message in (Message("assistant", "call"), Message("tool", f"{number}" * 1000))
        ]

    caplog.set_level(logging.INFO)
    forms = Forms("compact")
    said: list[str] = []
    for count in (1, 4, 4, 5, 6):
        caplog.clear()
        await fit(forms, question(*turns(count)), 6_000)
        said.append(" ".join(r.message for r in caplog.records if "old results" in r.message))
    assert said[0] == said[2] == said[3] == ""
    assert said[1].startswith("m: 2 old results of tools are cut, the conversation's 4")
    assert said[4].startswith("m: 4 old results of tools are cut")
    before, after = (int(word) for word in said[1].split() if word.isdigit() and int(word) > 99)
    assert after < before - 2 * 600


class Uncounting(FakeEngine):
    async def tokenize(self, text: str) -> list[int]:
        raise InvalidRequest("this server has no /tokenize")


async def test_a_server_that_cannot_count_is_estimated() -> None:
    upstream = Uncounting(model_info=replace(INFO, context_tokens=800))
    fitted = await Forms().fit(question(), "m", upstream, TEMPLATE)
    assert fitted.tools[0].description == "Reads a file."


def test_whether_a_question_may_fill_a_context_is_known_before_its_model_is_there() -> None:
    forms = Forms()
    assert not forms.may_fill(question(), 9_000)
    assert not forms.may_fill(question(), 400), "it would be read in the compact form"
    assert Forms("full").may_fill(question(), 400)
    assert forms.may_fill(question(), 40)
    long = question(Message("assistant", "well"), Message("user", "word " * 900))
    assert forms.may_fill(long, 1_000)
    assert forms.may_fill(question(*[Message("user", "a")] * 200), 1_500), "marks are tokens too"


BARE = ToolSpec("now", "", {"type": "object"})
"""Of which nothing can be cut."""


def instructed(size: int, tools: tuple[ToolSpec, ...] = (BARE,)) -> Question:
    """Instructions of about that many characters, which are tokens of the fake engine."""
    return question(messages=(Message("system", "x" * size), Message("user", "hi")), tools=tools)


@pytest.mark.parametrize("form", ["auto", "full", "compact"])
@pytest.mark.parametrize("tools", [(BARE,), (TOOL,)])
async def test_instructions_and_tools_that_fill_the_context_are_refused(
    form: Form, tools: tuple[ToolSpec, ...]
) -> None:
    forms = Forms(form)
    for _ in range(2):
        with pytest.raises(FixedOverflow, match=r"AGENTS\.md") as refused:
            await fit(forms, instructed(4_000, tools), 4_000)
        assert 4_000 < refused.value.prompt_tokens < 5_000
    assert (await fit(forms, instructed(4_000, ()), 4_000)).messages[0].content == "x" * 4_000


SERVED = {"chat_template": "own", "constraint_template": "for the server"}
"""Of a server that holds no grammars, and reads a prompt as it was written."""
ONE_OF_TWO = {"tools": (BARE, TOOL), "constraint": Constraint(must_call=True, tools=("now",))}


@pytest.mark.parametrize(("templates", "offered"), [({}, (BARE, TOOL)), (SERVED, (BARE,))])
@pytest.mark.parametrize("form", ["auto", "full", "compact"])
async def test_a_server_is_offered_only_the_tools_that_may_be_called(
    form: Form, templates: dict[str, str], offered: tuple[ToolSpec, ...]
) -> None:
    served = FakeEngine(model_info=replace(INFO, context_tokens=9_000, **templates))
    fitted = await Forms(form).fit(question(**ONE_OF_TWO), "m", served, TEMPLATE)
    assert [tool.name for tool in fitted.tools] == [tool.name for tool in offered]


@pytest.mark.parametrize("form", ["auto", "full", "compact"])
async def test_tools_that_are_not_written_fill_no_context(form: Form) -> None:
    huge = replace(TOOL, parameters={"type": "object", "required": ["x" * 4_000]})
    tools = {**ONE_OF_TWO, "tools": (BARE, huge)}
    served = FakeEngine(model_info=replace(INFO, context_tokens=4_000, **SERVED))
    forms = Forms(form)
    fitted = await forms.fit(question(**tools), "m", served, TEMPLATE)
    assert fitted.tools == (BARE,)
    with pytest.raises(FixedOverflow):
        await forms.fit(question(tools=(BARE, huge)), "m", served, TEMPLATE)
    with pytest.raises(FixedOverflow):
        await fit(forms, question(**tools), 4_000)


async def test_a_long_conversation_is_no_matter_of_what_is_repeated() -> None:
    long = question(Message("assistant", "well"), Message("user", "more " * 900))
    assert (await fit(Forms(), long, 4_000)).messages[-1] == long.messages[-1]


@pytest.mark.parametrize("counts", [True, False])
async def test_what_was_only_estimated_is_refused_where_no_tokenizer_would_take_less(
    counts: bool,
) -> None:
    """A server that writes prompts itself may count, but not what it will read."""

    class Server(FakeEngine):
        async def tokenize(self, text: str) -> list[int]:
            if counts:
                return [1] * len(text.split())
            raise InvalidRequest("this server has no /tokenize")

    templates = {"chat_template": "own", "constraint_template": "own"}
    upstream = Server(model_info=replace(INFO, context_tokens=400, **templates))
    words = Message("system", "one word and more " * 100)
    few = question(messages=(words, Message("user", "hi")))
    assert (await Forms().fit(few, "m", upstream, TEMPLATE)).messages[0] == words
    many = question(messages=(*[words] * 9, Message("user", "hi")))
    with pytest.raises(FixedOverflow):
        await Forms().fit(many, "m", upstream, TEMPLATE)


async def test_an_estimate_is_told_as_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = Uncounting(model_info=replace(INFO, context_tokens=2_800))
    for words, tool in ((6_000, TOOL), (700, TOOL), (700, BARE)):
        asked = question(messages=(Message("system", "A word. " * words),), tools=(tool,))
        with pytest.raises(FixedOverflow) if words > 700 else nullcontext() as refused:
            await Forms("compact").fit(asked, "m", server, TEMPLATE)
        if refused:
            assert re.search(r"repeats are about \d{5} tokens", str(refused.value))
    told = caplog.text
    assert re.search(r"about \d{5} tokens of tools and instructions become about \d{5} ", told)
    assert re.search(r"tools and instructions are about \d{4} tokens of its context", told)
    assert "at least" not in told


@pytest.mark.parametrize(
    ("form", "tool", "told"),
    [("full", TOOL, True), ("full", BARE, False), ("auto", TOOL, False), ("compact", TOOL, False)],
)
async def test_the_compact_form_is_named_where_it_would_be_shorter(
    form: Form, tool: ToolSpec, told: bool
) -> None:
    with pytest.raises(FixedOverflow) as refused:
        await fit(Forms(form), instructed(4_000, (tool,)), 4_000)
    assert ("--prompt auto" in str(refused.value)) == told


async def warned(caplog: pytest.LogCaptureFixture, asked: Question) -> int:
    """How many warnings two turns of a conversation in a context of 4,000 give."""
    caplog.clear()
    forms = Forms()
    for more in ((), (Message("assistant", "well"), Message("user", "go on"))):
        await fit(forms, replace(asked, messages=(*asked.messages, *more)), 4_000)
    return sum(record.levelno == logging.WARNING for record in caplog.records)


async def test_where_only_compaction_has_room_the_log_warns_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await warned(caplog, instructed(2_900)) == 1
    assert "tokens of its context of 4000" in caplog.text
    assert await warned(caplog, instructed(2_400)) == 0
    assert await warned(caplog, instructed(2_900, ())) == 0
