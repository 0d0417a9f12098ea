"""Votes for tests: by hand, and drawn over mixed kinds, structures, weights and caps."""

from fractions import Fraction

from hypothesis import strategies as st

from swarm.consensus.canonical import form_of
from swarm.consensus.tally import Vote, Voter, capped
from swarm.types import Candidate, ToolCall

LONG = "The {} of the house is described on many lines here. " + 9 * "All belongs to it. "


def call(name: str, arguments: str) -> ToolCall:
    return ToolCall("id", name, arguments)


ANSWERS = (
    {"text": "Answer: 12"},
    {"text": "so it is 12.0\nAnswer: 12.0"},
    {"text": "Answer: 13"},
    {"text": "14"},
    {"text": LONG.format("garden")},
    {"text": LONG.format("gardens")},
    {"text": LONG.format("roof")},
    {"text": "```python\nx = 1  # one\n```"},
    {"text": "```python\nx=1\n```"},
    {"text": "```python\nx =\n```"},
    {"text": "I'm sorry, but I can't help with that."},
    {"text": "cut off", "finish": "length"},
    {"text": "", "tool_calls": (call("read", '{"path": "a", "lines": 1}'),)},
    {"text": "", "tool_calls": (call("read", '{"lines": 1.0, "path": "a"}'),)},
    {"text": "", "tool_calls": (call("read", '{"path": "b"}'),)},
    {"text": "", "tool_calls": (call("write", '{"path": "a"}'),)},
    {"text": "", "tool_calls": (call("read", '{"path": "a"}'), call("read", '{"path": "b"}'))},
)


def vote(voter: Voter, **answer: object) -> Vote:
    candidate = Candidate(voter.id, **answer)  # pyright: ignore[reportArgumentType]
    return Vote(candidate, form_of(candidate), voter)


def votes_of(*answers: dict[str, object]) -> list[Vote]:
    """One vote of weight 1 for each answer."""
    return [vote(Voter(f"v{at}"), **answer) for at, answer in enumerate(answers)]


@st.composite
def ballots(draw: st.DrawFn, least: int = 1, most: int = 9) -> list[Vote]:
    """Votes of several nodes and models, weighted and capped."""
    size = draw(st.integers(least, most))
    voters = [
        Voter(
            f"v{at}",
            node=draw(st.sampled_from("abc")),
            model=draw(st.sampled_from("xy")),
            weight=Fraction(draw(st.integers(1, 12)), 4),
        )
        for at in range(size)
    ]
    cap = Fraction(draw(st.integers(1, 20)), 2)
    fair = capped(voters, cap, lambda voter: voter.node)
    pool = draw(st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=5))
    return [vote(voter, **draw(st.sampled_from(pool))) for voter in fair]
