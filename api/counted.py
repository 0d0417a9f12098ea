"""A peer that answers for a key: the tokens of its answers are the caller's."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from api.generated import Generated
from api.keyring import Caller
from swarm.proposer import Began, Ended, Lost, News, Offer, Proposer, Said, Told
from swarm.types import Question


class CountedProposer:
    """The same proposer; what its workers read and write is counted as it is told."""

    def __init__(self, proposer: Proposer, caller: Caller) -> None:
        self._proposer = proposer
        self._caller = caller

    @property
    def node(self) -> str:
        """The node behind."""
        return self._proposer.node

    @property
    def name(self) -> str:
        """What people call it."""
        return self._proposer.name

    @property
    def names(self) -> tuple[str, ...]:
        """What its owner may call it."""
        return self._proposer.names

    @property
    def address(self) -> str:
        """Where it is."""
        return self._proposer.address

    def models(self) -> tuple[str, ...]:
        """The ids of its models."""
        return self._proposer.models()

    def offer(self, model: str) -> Offer | None:
        """What it would do for a model id now."""
        return self._proposer.offer(model)

    def won(self) -> None:
        """One of its workers' answers was given."""
        self._proposer.won()

    async def propose(
        self, question: Question, workers: int, *, remaining_s: float, live: bool
    ) -> AsyncGenerator[list[Told]]:
        """The same news. A prompt counts once, however many of its workers read it."""
        count = _Count(self._caller)
        told = self._proposer.propose(question, workers, remaining_s=remaining_s, live=live)
        async with aclosing(told) as steps:
            async for step in steps:
                for at, news in step:
                    count.add(at, news)
                yield step


class _Count:
    """The tokens of one proposal so far."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._prompt_tokens: dict[int, int] = {}
        self._generated = Generated()

    def add(self, at: int, news: News) -> None:
        """Count what is new."""
        match news:
            case Began():
                before = max(self._prompt_tokens.values(), default=0)
                self._prompt_tokens[at] = news.prompt_tokens
                self._caller.has_read(max(self._prompt_tokens.values()) - before)
            case Said():
                self._caller.has_written(self._generated.said(at, news.tokens))
            case Ended():
                self._caller.has_written(self._generated.ended(at, news.tokens))
            case Lost():
                pass
