"""In which form a model reads a question: as it came, or compact where its context is small."""

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar

from swarm.chat.compact import Words, compacted, our_words, shortened
from swarm.chat.template import ChatTemplate
from swarm.engines.base import Engine, Event, Finished, Started
from swarm.engines.prompts import most_counted
from swarm.errors import InvalidRequest
from swarm.estimate import estimated_tokens, may_fill
from swarm.types import Message, Question

logger = logging.getLogger(__name__)

Form: TypeAlias = Literal["auto", "full", "compact"]

_FIXED_SHARE = 3
"""What every request of a session repeats may fill a third of the context."""

_SURELY_COMPACT = 2
"""What fills half of the context by an estimate fills a third of it by any tokenizer."""

_PATIENCE_S = 20.0
"""How long a person should wait at most until that has been read."""

_MEASURED_TOKENS = 256
_MARKS_TOKENS = 8
"""About what a template writes around one message."""

_KNOWN = 256

KeptT = TypeVar("KeptT")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The form of all questions with one beginning, and the tokens of that in this form.

    Not `sure`: it was chosen before the model's speed was seen.
    """

    compact: bool
    fixed_tokens: int
    sure: bool = True


_Key: TypeAlias = tuple[str, int]
"""A model, and by its hash what questions have in common."""


class Forms:
    """Chooses the form once for all questions that begin alike, and says why in the log.

    What a session repeats in every request, its system prompt and its tools, is also what makes
    the choice: so it is the same for every turn, and the prefix cache holds. What was chosen before
    the model's speed was seen holds for the conversations that began then, and for no others.
    """

    def __init__(self, form: Form = "auto", words: Words | None = None) -> None:
        self.form = form
        self._words = words or our_words()
        self._chosen: OrderedDict[_Key, _Chosen] = OrderedDict()
        self._cut: OrderedDict[_Key, int] = OrderedDict()
        self._speeds: dict[str, float] = {}

    @property
    def agent_words(self) -> str:
        """What the node's own agent is told; ours where the owner's words say nothing of it."""
        return self._words.agent or our_words().agent or ""

    async def fit(
        self, question: Question, model_id: str, engine: Engine, template: ChatTemplate
    ) -> Question:
        """The question as the model shall read it. Raises EngineError, InvalidRequest."""
        if self.form == "full":
            return question
        compact = compacted(question, self._words)
        if compact is question:
            return question
        key, own_key = _keys(model_id, question)
        chosen = self._chosen_before(key, own_key, question)
        if chosen is None:
            chosen = await self._choose(question, compact, model_id, engine, template)
            _keep(self._chosen, key if chosen.sure else own_key, chosen)
        if not chosen.compact:
            return question
        return await self._shortened(compact, chosen, own_key, engine)

    def may_fill(self, question: Question, context_tokens: int) -> bool:
        """Whether the question may be too long for a model that is not loaded yet, with so long a
        context, in the form in which it would be read. Not for an event loop.
        """
        if not _may_fill(question, context_tokens):
            return False
        if self.form == "full":
            return True
        fixed = _text(replace(question, messages=_fixed(question)))
        if self.form == "auto" and estimated_tokens(fixed) * _SURELY_COMPACT <= context_tokens:
            return True
        return _may_fill(compacted(question, self._words), context_tokens)

    async def timed(
        self, model_id: str, events: AsyncGenerator[list[Event]]
    ) -> AsyncGenerator[list[Event]]:
        """The same events; how fast the model reads is learned from them."""
        read_tokens = 0
        async with aclosing(events):
            async for step in events:
                for event in step:
                    if isinstance(event, Started):
                        read_tokens = event.prompt_tokens - event.cached_tokens
                    elif isinstance(event, Finished) and event.prefill_s > 0:
                        if read_tokens >= _MEASURED_TOKENS:
                            self._speeds[model_id] = read_tokens / event.prefill_s
                        read_tokens = 0
                yield step

    def _chosen_before(self, key: _Key, own_key: _Key, question: Question) -> _Chosen | None:
        """What holds for this question. One that nobody has answered yet can begin anew."""
        is_new = len(question.messages) <= len(_fixed(question)) + 1
        if is_new and key[0] in self._speeds:
            self._chosen.pop(own_key, None)
        return self._chosen.get(own_key) or self._chosen.get(key)

    async def _choose(
        self,
        question: Question,
        compact: Question,
        model_id: str,
        engine: Engine,
        template: ChatTemplate,
    ) -> _Chosen:
        full_tokens = await _count(_beginning(question), engine, template)
        why = self._why_compact(full_tokens, model_id, engine.info.context_tokens)
        if why is None:
            return _Chosen(False, full_tokens, sure=model_id in self._speeds)
        tokens = await _count(_beginning(compact), engine, template)
        told = _told_of(full_tokens, tokens, most_counted(engine.info.context_tokens))
        logger.info("%s reads compact prompts here: %s (%s)", model_id, told, why)
        return _Chosen(compact=True, fixed_tokens=tokens)

    def _why_compact(self, tokens: int, model_id: str, context_tokens: int) -> str | None:
        if self.form == "compact":
            return "--prompt compact"
        if tokens > context_tokens // _FIXED_SHARE:
            return f"its context is {context_tokens}"
        speed = self._speeds.get(model_id)
        if speed and tokens / speed > _PATIENCE_S:
            return f"reading them would take {tokens / speed:.0f} s"
        return None

    async def _shortened(
        self, question: Question, chosen: _Chosen, own_key: _Key, engine: Engine
    ) -> Question:
        """The question with old results cut where the conversation has outgrown the context."""
        context = engine.info.context_tokens
        answer = min(question.sampling.max_tokens or context, context // 4)
        room = context - answer - chosen.fixed_tokens
        fixed = _fixed(question)
        spoken = question.messages[len(fixed) :]
        written = [_written(message) for message in spoken]
        if sum(len(text.encode()) + _MARKS_TOKENS for text in written) < room:
            return question  # a token is at least one byte
        sizes = [await _tokens(text, engine) + _MARKS_TOKENS for text in written]
        short = shortened(spoken, sizes, room_tokens=room, words=self._words)
        await self._tell_cuts(own_key, sizes, spoken, short, engine)
        return replace(question, messages=(*fixed, *short))

    async def _tell_cuts(
        self,
        own_key: _Key,
        sizes: Sequence[int],
        spoken: Sequence[Message],
        short: Sequence[Message],
        engine: Engine,
    ) -> None:
        """Say what was cut of a conversation, once until more of it is."""
        cut = [at for at, message in enumerate(short) if message is not spoken[at]]
        if not cut or self._cut.get(own_key) == len(cut):
            return
        _keep(self._cut, own_key, len(cut))
        after = list(sizes)
        for at in cut:
            after[at] = await _tokens(_written(short[at]), engine) + _MARKS_TOKENS
        logger.info(
            "%s: %d old results of tools are cut, the conversation's %d tokens become %d",
            own_key[0],
            len(cut),
            sum(sizes),
            sum(after),
        )


def _told_of(before: int, after: int, most: int) -> str:
    """What was cut of what every request repeats; so many tokens at most are counted."""
    if after >= before and before <= most:
        return f"nothing could be cut of the {before} tokens of tools and instructions"
    least_before, least_after = ("at least " * (tokens > most) for tokens in (before, after))
    return f"{least_before}{before} tokens of tools and instructions become {least_after}{after}"


def _keys(model_id: str, question: Question) -> tuple[_Key, _Key]:
    """What all questions with this beginning share, and what those of its conversation do."""
    fixed = _fixed(question)
    opening = question.messages[len(fixed) : len(fixed) + 1]
    return (
        (model_id, hash(repr((fixed, question.tools)))),
        (model_id, hash(repr((fixed, question.tools, opening)))),
    )


def _keep(known: "OrderedDict[_Key, KeptT]", key: _Key, value: KeptT) -> None:
    """Put in what is new, and forget what is oldest."""
    known[key] = value
    known.move_to_end(key)
    while len(known) > _KNOWN:
        known.popitem(last=False)


def _fixed(question: Question) -> tuple[Message, ...]:
    """The messages before the first of the user: those that a session repeats unchanged."""
    fixed: list[Message] = []
    for message in question.messages:
        if message.role not in ("system", "developer"):
            break
        fixed.append(message)
    return tuple(fixed)


def _beginning(question: Question) -> Question:
    return replace(question, messages=(*_fixed(question), Message("user", "")))


def _may_fill(question: Question, context_tokens: int) -> bool:
    marks_tokens = len(question.messages) * _MARKS_TOKENS
    return may_fill(_text(question), context_tokens - marks_tokens)


def _text(question: Question) -> str:
    """About what a template writes of a question."""
    tools = [
        tool.name + tool.description + json.dumps(dict(tool.parameters)) for tool in question.tools
    ]
    return "\n".join((*tools, *map(_written, question.messages)))


def _written(message: Message) -> str:
    calls = "".join(call.name + call.arguments for call in message.tool_calls)
    return (message.content or "") + (message.reasoning or "") + calls


async def _count(question: Question, engine: Engine, template: ChatTemplate) -> int:
    return await _tokens(await rendered(template, question), engine)


async def _tokens(text: str, engine: Engine) -> int:
    """Exact where the model's tokenizer can be asked, otherwise an estimate from above."""
    try:
        return len(await engine.tokenize(text))
    except InvalidRequest:
        return await asyncio.to_thread(estimated_tokens, text)


async def rendered(template: ChatTemplate, question: Question) -> str:
    """The text of a question by a model's template."""
    return await asyncio.to_thread(
        template.render, question.messages, question.tools, question.template_options
    )
