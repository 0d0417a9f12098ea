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
from swarm.engines.prompts import answer_tokens, most_counted
from swarm.errors import FixedOverflow, InvalidRequest
from swarm.estimate import SURELY_LONGER, estimated_tokens, may_fill
from swarm.types import Message, Question

logger = logging.getLogger(__name__)

Form: TypeAlias = Literal["auto", "full", "compact"]

_FIXED_SHARE = 3
"""What every request of a session repeats may fill at most this part, a third, of the context."""

_SURELY_COMPACT = 2
"""What fills half of the context by an estimate fills a third of it by any tokenizer."""

_PATIENCE_S = 20.0
"""How long a person should wait at most until what every request repeats has been read."""

_LEAST_TALK_TOKENS = 256
"""A short question and the summary of what was before it are about this long."""

_MEASURED_TOKENS = 256
_MARKS_TOKENS = 8
"""A template writes about this many tokens around one message."""

_KNOWN = 256

KeptT = TypeVar("KeptT")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The form of all questions with one beginning, and the tokens of that in this form.

    Not `sure`: it was chosen before the model's speed was seen, or for a speed that may change.
    Not `exact`: the tokens are an estimate.
    """

    compact: bool
    fixed_tokens: int
    exact: bool
    sure: bool = True

    def fills(self, context_tokens: int) -> bool:
        """Whether no conversation, however short, fits behind the beginning."""
        surely = 1 if self.exact else SURELY_LONGER
        return self.fixed_tokens >= surely * context_tokens


_Key: TypeAlias = tuple[str, int, int]
"""A model, its context as it is now, and by its hash what questions have in common."""


class Forms:
    """Chooses the form once for all questions that begin alike, and says why in the log.

    What a session repeats in every request, its system prompt and its tools, is also what makes
    the choice: so it is the same for every turn, and the prefix cache holds. What was chosen before
    the model's speed was seen, or because it was slow, holds for the conversations that began then,
    and for no others: what was busy once is not slow for ever.
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
        """The question as the model shall read it.

        Raises EngineError, InvalidRequest; FixedOverflow where there are tools, as an agent has
        them, and what it repeats leaves no room: there is nothing that it could compact.
        """
        question = _offered(question, engine)
        compact = question if self.form == "full" else compacted(question, self._words)
        if compact is question and not question.tools:
            return question
        context_tokens = engine.info.context_tokens
        key, own_key = _keys(model_id, context_tokens, question)
        chosen = self._chosen_before(key, own_key, question)
        if chosen is None:
            chosen = await self._choose(question, compact, model_id, engine, template)
            _keep(self._chosen, key if chosen.sure else own_key, chosen)
            if question.tools:
                _tell_of_no_room(model_id, chosen, context_tokens)
        if question.tools and chosen.fills(context_tokens):
            raise self._too_long(question, chosen, context_tokens)
        if not chosen.compact:
            return question
        return await self._shortened(compact, chosen, own_key, engine)

    def may_fill(self, question: Question, context_tokens: int) -> bool:
        """Whether the question may be too long for a model that is not loaded yet, with a context
        of that length, in the form in which it would be read. Not for an event loop.
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
        full_tokens, exact = await _count(_beginning(question), engine, template)
        if compact is question:
            return _Chosen(False, full_tokens, exact)
        sure = self._why_compact(full_tokens, engine.info.context_tokens)
        why = sure or self._why_slow(full_tokens, model_id)
        if why is None:
            return _Chosen(False, full_tokens, exact, sure=model_id in self._speeds)
        context_tokens = engine.info.context_tokens
        before = _figure(full_tokens, exact, context_tokens)
        not_all_counted = exact and full_tokens > most_counted(context_tokens)
        tokens, exact = await _count(_beginning(compact), engine, template)
        after = _figure(tokens, exact, context_tokens)
        told = _told_of(before, after, cut=not_all_counted or tokens < full_tokens)
        logger.info("%s reads compact prompts here: %s (%s)", model_id, told, why)
        return _Chosen(True, tokens, exact, sure=sure is not None)

    def _too_long(self, question: Question, chosen: _Chosen, context_tokens: int) -> FixedOverflow:
        at_least = chosen.exact and chosen.fixed_tokens > most_counted(context_tokens)
        may_cut = self.form == "full" and compacted(question, self._words) is not question
        return FixedOverflow(
            chosen.fixed_tokens, context_tokens, at_least, about=not chosen.exact, may_cut=may_cut
        )

    def _why_compact(self, tokens: int, context_tokens: int) -> str | None:
        if self.form == "compact":
            return "--prompt compact"
        if tokens > context_tokens // _FIXED_SHARE:
            return f"its context is {context_tokens}"
        return None

    def _why_slow(self, tokens: int, model_id: str) -> str | None:
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
        sizes = [(await _counted(text, engine))[0] + _MARKS_TOKENS for text in written]
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
            after[at] = (await _counted(_written(short[at]), engine))[0] + _MARKS_TOKENS
        logger.info(
            "%s: %d old results of tools are cut, the conversation's %d tokens become %d",
            own_key[0],
            len(cut),
            sum(sizes),
            sum(after),
        )


def _tell_of_no_room(model_id: str, chosen: _Chosen, context_tokens: int) -> None:
    """Warn of what a client cannot see: that it compacts in vain. A refusal tells it the rest."""
    talk_tokens = context_tokens - answer_tokens(context_tokens) - chosen.fixed_tokens
    if talk_tokens >= _LEAST_TALK_TOKENS or chosen.fills(context_tokens):
        return
    logger.warning(
        "%s: tools and instructions are %s tokens of its context of %d, which leaves too little "
        "beside an answer: a client that compacts its conversations, as OpenCode, may do so "
        "without end; shorten the instructions (AGENTS.md), offer fewer tools, or serve a model "
        "that reads more (--ctx, --model)",
        model_id,
        _figure(chosen.fixed_tokens, chosen.exact, context_tokens),
        context_tokens,
    )


def _told_of(before: str, after: str, *, cut: bool) -> str:
    """What was cut of what every request repeats."""
    if not cut:
        return f"nothing could be cut of the {before} tokens of tools and instructions"
    return f"{before} tokens of tools and instructions become {after}"


def _figure(tokens: int, exact: bool, context_tokens: int) -> str:
    """A number of tokens as it is told: an estimate, or a count, which ends at `most_counted`."""
    if not exact:
        return f"about {tokens}"
    return "at least " * (tokens > most_counted(context_tokens)) + str(tokens)


def _keys(model_id: str, context_tokens: int, question: Question) -> tuple[_Key, _Key]:
    """What all questions with this beginning share, and what those of its conversation do."""
    fixed = _fixed(question)
    opening = question.messages[len(fixed) : len(fixed) + 1]
    begun = hash(repr((fixed, question.tools)))  # the longest part: written out once
    own = hash((begun, repr(opening)))
    return (model_id, context_tokens, begun), (model_id, context_tokens, own)


def _keep(known: "OrderedDict[_Key, KeptT]", key: _Key, value: KeptT) -> None:
    """Put in what is new, and forget what is oldest."""
    known[key] = value
    known.move_to_end(key)
    while len(known) > _KNOWN:
        known.popitem(last=False)


def _offered(question: Question, engine: Engine) -> Question:
    """The question with the tools that are written out. No grammar holds others back, and to name
    some of several is what some servers do not know: so they get only those that may be called.
    """
    if engine.info.holds_grammars:
        return question
    return replace(question, tools=question.constraint.callable_of(question.tools))


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


async def _count(question: Question, engine: Engine, template: ChatTemplate) -> tuple[int, bool]:
    return await _counted(await rendered(template, question), engine)


async def _counted(text: str, engine: Engine) -> tuple[int, bool]:
    """Its tokens, and whether they are exact: not where a server writes the prompt again, and
    where the model's tokenizer cannot be asked they are an estimate from above.
    """
    try:
        return len(await engine.tokenize(text)), engine.info.reads_as_written
    except InvalidRequest:
        return await asyncio.to_thread(estimated_tokens, text), False


async def rendered(template: ChatTemplate, question: Question) -> str:
    """The text of a question by a model's template."""
    return await asyncio.to_thread(
        template.render, question.messages, question.tools, question.template_options
    )
