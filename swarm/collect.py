"""The votes of one request as they come in: what each voter has said, who counts, who still may.

`Poll` is told what happens and when; `collect` runs it against proposers until it is decided.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from swarm.arrivals import Arrival, Heard, at_once, next_arrival
from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import Reasoning, Text
from swarm.consensus.canonical import Reading, form_of
from swarm.consensus.score import Outstanding, Score
from swarm.consensus.stopping import Course, Decide, decided, wake_s
from swarm.consensus.tally import Vote, Voter
from swarm.consensus.validity import flaw, is_stopped
from swarm.deadline import within
from swarm.errors import GenerationFailed, SwarmError, to_tell
from swarm.fallback import as_given
from swarm.proposer import Began, Ended, Lost, News, Said
from swarm.types import Candidate, Check, DecidedBy, TokenLogprob, ToolCall

State: TypeAlias = Literal["waiting", "generating", "valid", "abstained", "failed", "cancelled"]
Piece: TypeAlias = Text | Reasoning | ToolCall | Arguments
"""A piece of an answer; arguments go on those of the last call."""

_TELLING_S = 0.005
"""No speed is told of a time shorter than this: steps that waited to be heard come all at once."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How the candidates of one request are read, judged and counted.

    `strategy` is what the asker named; the verdict repeats it, unless it is `auto`.
    `checks` say what is wrong with a call's arguments, by the tool's name; `schemas` are the
    tools' own, for their defaults. `may_be_wrong` are the tools of which a wrong call may be given
    where no answer is valid. `wanted` is what a response format asks of a text;
    `must_call`: a text is not an answer. `stops`: the asker named stop strings. `hurried`: an agent
    waits in its loop. `streamed`: text may go out before it is decided.
    """

    seed: str
    strategy: str = "auto"
    reading: Reading = "auto"
    decide: Decide = "exact"
    deadline_s: float = 300.0
    patience_s: float = 20.0
    hurried: bool = False
    checks: Mapping[str, Check] = field(default_factory=dict[str, Check])
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    may_be_wrong: frozenset[str] = frozenset()
    wanted: Check | None = None
    must_call: bool = False
    stops: bool = False
    streamed: bool = True

    @property
    def asks_form(self) -> bool:
        """Whether a call or a form was asked for."""
        return self.must_call or self.wanted is not None


@dataclass(slots=True)
class Draft:
    """What one voter has said so far, and what became of it."""

    voter: Voter
    state: State = "waiting"
    why: str | None = None
    text: str = ""
    reasoning: str = ""
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    arguments: list[str] = field(default_factory=list[str])
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    reasoning_tokens: int = 0
    calling: bool = False
    pieces: list[Piece] = field(default_factory=list[Piece])
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    began_s: float = 0.0
    heard_s: float = 0.0
    candidate: Candidate | None = None

    @property
    def open(self) -> bool:
        """Whether it may still vote."""
        return self.state in ("waiting", "generating")

    @property
    def tokens_per_s(self) -> float:
        """How fast it wrote; 0 where it was heard for too short a time to tell."""
        seconds = self.heard_s - self.began_s
        return self.tokens / seconds if seconds >= _TELLING_S else 0.0

    @property
    def cut_unsaid(self) -> bool:
        """Whether it was cut before a text or a call, as amid its reasoning."""
        cut = self.candidate is not None and self.candidate.cut
        return cut and not self.calls and not self.text.strip()

    def write(self, piece: Piece) -> None:
        """Add what it says next. A call's arguments are put together when it is over."""
        self.pieces.append(piece)
        match piece:
            case Text(text):
                self.text += text
            case Reasoning(text):
                self.reasoning += text
            case ToolCall():
                self.end_call()
                self.calls.append(piece)
            case Arguments(text):
                self.arguments.append(text)

    def end_call(self) -> None:
        """The last call is whole."""
        if self.arguments:
            last = self.calls[-1]
            self.calls[-1] = replace(last, arguments=last.arguments + "".join(self.arguments))
            self.arguments = []


class Poll:
    """The state of one vote. Knows no clock: every event comes with its time.

    No event looks at all voters, so that many cost no more for each than few do.
    """

    def __init__(
        self,
        voters: Sequence[Voter],
        rules: Rules,
        *,
        call_id: Callable[[], str],
    ) -> None:
        self.rules = rules
        self.drafts = {voter.id: Draft(voter) for voter in voters}
        self.score = Score(rules.seed)
        self.said = ""  # the text that has gone out: the answer begins with it
        self._outstanding = Outstanding(voters)
        self._silent = set(self.drafts)
        self._arrived_s: list[float] = []
        self.call_id = call_id

    @property
    def votes(self) -> list[Vote]:
        """The valid votes, in the order in which they came."""
        return self.score.votes

    @property
    def answered(self) -> int:
        """How many voters are not waited for any more."""
        return len(self.drafts) - len(self._outstanding)

    @property
    def all_speak(self) -> bool:
        """Whether there is text of every voter that may still win."""
        return not self._silent

    def hear(self, voter: str, news: News, now_s: float) -> None:
        """Take what happened to one voter's answer, unless it no longer matters."""
        draft = self.drafts[voter]
        if isinstance(news, Began):
            draft.prompt_tokens, draft.cached_tokens = news.prompt_tokens, news.cached_tokens
        if not draft.open:
            return
        draft.heard_s = now_s
        match news:
            case Began():
                if draft.state == "waiting":
                    draft.state, draft.began_s = "generating", now_s
            case Said():
                draft.tokens += news.tokens
                draft.reasoning_tokens += news.reasoning_tokens
                draft.logprobs += news.logprobs
                draft.calling = news.calling
                self._read(draft, news.pieces)
                if draft.text:
                    self._silent.discard(voter)
            case Ended():
                draft.tokens = news.tokens
                self._finish(draft, news, now_s)
            case Lost():
                self._end(draft, "failed", news.why)

    def take(
        self, arrival: Arrival, voters: Sequence[Sequence[str]], now_s: float
    ) -> SwarmError | None:
        """Take what a proposer says; the error that it, or a worker of it, ended with, if that
        cost answers.

        `voters` are those of each proposer. An error that is not ours is raised.
        """
        at, said = arrival
        if isinstance(said, SwarmError):
            return said if self.lose(voters[at], str(said)) else None
        if isinstance(said, BaseException):
            raise said
        failure: SwarmError | None = None
        for voter, news in said:
            if isinstance(news, Lost) and self.drafts[voter].open:
                failure = GenerationFailed(news.why)
            self.hear(voter, news, now_s)
        return failure

    def lose(self, voters: Sequence[str], why: str) -> bool:
        """Those of these voters that have not answered have failed: they abstain. Any of them?"""
        lost = [draft for voter in voters if (draft := self.drafts[voter]).open]
        for draft in lost:
            self._end(draft, "failed", why)
        return bool(lost)

    def close(self) -> None:
        """Nobody is waited for any more."""
        for draft in self.drafts.values():
            if draft.open:
                self._end(draft, "cancelled")

    def discount(self) -> None:
        """Nobody votes any more: weak votes beside whole ones are not counted, so they abstain."""
        if not self.score.whole:
            return
        for vote in self.score.votes:
            draft = self.drafts[vote.voter.id]
            if vote.form.weak and draft.state == "valid":
                draft.state = "abstained"
                cut = vote.candidate.cut
                draft.why = f"it {'is cut off' if cut else 'does not parse'}, and others are whole"

    def course(self, now_s: float) -> Course:
        """How far the vote has come, for the rules of stopping."""
        rules = self.rules
        return Course(
            self.score,
            self._arrived_s,
            self._outstanding,
            now_s=now_s,
            deadline_s=rules.deadline_s,
            patience_s=rules.patience_s,
            hurried=rules.hurried,
        )

    def called(self, call: Call) -> ToolCall:
        """The call with an id of its own."""
        return ToolCall(self.call_id(), call.name, call.arguments)

    def _read(self, draft: Draft, pieces: Sequence[Text | Reasoning | Call | Arguments]) -> None:
        for piece in pieces:
            if isinstance(piece, Call):
                draft.write(self.called(piece))
            elif draft.calls or not isinstance(piece, Arguments):  # a peer may lie
                draft.write(piece)

    def _finish(self, draft: Draft, end: Ended, now_s: float) -> None:
        draft.end_call()
        candidate = Candidate(
            draft.voter.id,
            draft.text,
            tuple(draft.calls),
            draft.reasoning,
            end.finish,
            end.tokens,
            now_s - draft.began_s,
            beside=end.beside,
        )
        rules = self.rules
        wanted, must_call = rules.wanted, rules.must_call
        if rules.stops and is_stopped(candidate, wanted=wanted, must_call=must_call):
            candidate = replace(candidate, stopped=True)
        draft.candidate = candidate
        why = flaw(candidate, tools=rules.checks, wanted=wanted, must_call=must_call)
        if why is not None:
            self._end(draft, "abstained", why)
            return
        self._end(draft, "valid")
        form = form_of(candidate, rules.reading, defaults=rules.schemas)
        self.score.add(Vote(candidate, form, draft.voter))
        if not form.weak:
            self._arrived_s.append(now_s)

    def admit_invalid(self) -> bool:
        """Where no answer is valid: let those vote whose answer can be given as one worker alone
        would give it. Whether anybody votes.

        Such is any text or call; where a call or a form was asked for, a call made wrongly. Where
        there is none, answers that say nothing vote: all of them, or, where a call or a form was
        asked for, those that were cut before they said anything. One that does not begin with what
        has gone out does not vote. Raises GenerationFailed where that leaves none.
        """
        rules = self.rules
        lost = [(draft, said) for draft in self.drafts.values() if (said := draft.candidate)]
        able = [(draft, given) for draft, said in lost if (given := self._as_given(said))]
        able = able or [
            (draft, said) for draft, said in lost if draft.cut_unsaid or not rules.asks_form
        ]
        for draft, given in able:
            if given.text.startswith(self.said):
                form = form_of(given, rules.reading, defaults=rules.schemas)
                self.score.add(Vote(given, form, draft.voter))
        if able and not self.votes:
            raise GenerationFailed("no worker could go on with the text that was already sent")
        return bool(self.votes)

    def _as_given(self, said: Candidate) -> Candidate | None:
        rules = self.rules
        called = said.tool_calls and all(call.name in rules.checks for call in said.tool_calls)
        if rules.must_call and not called:
            return None
        given = as_given(said, rules.checks, rules.may_be_wrong)
        if rules.wanted is None:
            return given
        return given if given and given.beside and given.tool_calls else None

    def too_late(self) -> GenerationFailed:
        """What is told where the time is over and nothing can be given."""
        answered = any(draft.candidate for draft in self.drafts.values())
        what = "gave a valid answer" if answered else "has answered"
        return GenerationFailed(f"no worker {what} {within(self.rules.deadline_s)}")

    def _end(self, draft: Draft, state: State, why: str | None = None) -> None:
        """The voter is not waited for any more."""
        draft.state, draft.why = state, why
        self._outstanding.remove(draft.voter.id)
        if state != "valid":
            self._silent.discard(draft.voter.id)


async def collect(
    poll: Poll,
    proposals: Sequence[AsyncGenerator[list[Heard]]],
    voters: Sequence[Sequence[str]],
    *,
    clock: Callable[[], float],
) -> AsyncGenerator[DecidedBy | None]:
    """Let all proposers answer at once; yields None after each change, then why it is decided.

    `voters` are the ids that each proposer answers for; a proposer that fails loses its own. All
    proposers are closed before the reason is given. Where no answer is valid, all that can be given
    is what `admit_invalid` lets in. If all have failed it raises what `to_tell` says; nothing is
    yielded before one proposer has taken it.
    """
    began, taken = clock(), False
    error: SwarmError = GenerationFailed("no worker gave a valid answer")
    async with at_once(proposals) as (queue, _):
        while True:
            now_s = clock() - began
            course = poll.course(now_s)
            if not poll.votes and not course.outstanding:
                reason = "none valid"
                break
            reason = decided(course, poll.rules.decide)
            if reason is not None:
                break
            arrival = await next_arrival(queue, wake_s(course) - now_s)
            if arrival is None:
                continue
            failure = poll.take(arrival, voters, clock() - began)
            error = to_tell(error, failure)
            taken = taken or failure is None
            if taken:
                yield None
    poll.close()
    poll.discount()
    if not poll.votes:
        if not poll.admit_invalid():
            raise poll.too_late() if reason == "deadline" else error
        reason = "none valid"
    yield reason
