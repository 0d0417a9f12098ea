"""Votes for tests: by hand, and drawn over mixed kinds, structures, weights and caps."""

from fractions import Fraction
from typing import get_args

from hypothesis import strategies as st

from swarm.consensus.canonical import Reading, form_of
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
    {"text": "", "tool_calls": (call("read", '{"path": "a'),), "finish": "length"},
    {"text": '{"a": 1, "b": [2]}'},
    {"text": '```json\n{"b": [2.0], "a": 1}\n```'},
    {"text": '{"a": 1, "b": [3', "finish": "length"},
    {"text": '{"a": 1, "b": [2', "finish": "length"},
    {"text": "```js\nfetch('https://a.org')\n```"},
    {"text": "```js\nfetch('https://b.org')\n```"},
    {"text": "```js\nfetch( 'https://b.org' ) // b\n```"},
    {"text": "```yaml\na:\n  b: 1\nc: 2\n```"},
    {"text": "```yaml\na:\n  b: 1\n  c: 2\n```"},
    {"text": "```yaml\na:\n  b: 1", "finish": "length"},
    {"text": "I cannot provide advice, but the answer is 12"},
    {"text": LONG.format("garden"), "finish": "length"},
)
READINGS: tuple[Reading, ...] = get_args(Reading)


def vote(voter: Voter, reading: Reading = "auto", **answer: object) -> Vote:
    candidate = Candidate(voter.id, **answer)  # pyright: ignore[reportArgumentType]
    return Vote(candidate, form_of(candidate, reading), voter)


def votes_of(*answers: dict[str, object]) -> list[Vote]:
    """One vote of weight 1 for each answer."""
    return [vote(Voter(f"v{at}"), **answer) for at, answer in enumerate(answers)]


@st.composite
def ballots(draw: st.DrawFn, least: int = 1, most: int = 9) -> list[Vote]:
    """Votes of several nodes and models, weighted and capped, all read in one way."""
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
    reading = draw(st.sampled_from(READINGS))
    return [vote(voter, reading, **draw(st.sampled_from(pool))) for voter in fair]
