"""Records answers of the bundled model for the tests of the vote: `python -m tests.data.record`.

Nine workers of a real node answer a few questions of each kind; the answers stand in
`generations.json`, by the strategy that reads them.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.samples import Asker
from bench.servers import node
from bench.slices import OTHERS, Question, Slice, with_steps
from swarm.models.local import BUNDLED_PATH
from swarm.types import Candidate
from training.data import questions
from training.data.source import Source

FILE = Path(__file__).with_name("generations.json")
WORKERS = 9


def main() -> None:
    _, objects, calls, _ = OTHERS
    slices = {
        "exact": with_steps(2),
        "tools": calls,
        "json": objects,
        "medoid": Slice("texts", summary, 1.0, "medoid"),
    }
    with node(BUNDLED_PATH) as server:
        asker = Asker(server)
        found = {kind: recorded(asker, part) for kind, part in slices.items()}
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def recorded(asker: Asker, part: Slice) -> list[dict[str, Any]]:
    """Four questions with nine answers each."""
    asked = part.questions(4, seed="recorded")
    drawn = asker.sampled(part, asked, temperature=part.temperature, samples=WORKERS)
    return [
        {
            "asked": one.question.messages[-1]["content"],
            "tools": [tool["function"] for tool in one.question.tools],
            "answers": [told(answer) for answer in one.answers],
        }
        for one in drawn
    ]


def told(answer: Candidate) -> dict[str, Any]:
    """What a vote needs of an answer."""
    fields = asdict(answer)
    return {name: fields[name] for name in ("voter", "text", "tool_calls", "finish")}


def summary(source: Source) -> Question:
    """A dialogue to be summed up in free words."""
    turns = questions.dialogue_summary(source).messages
    at = next(at for at, turn in enumerate(turns) if turn["role"] == "assistant")
    return Question(turns[:at], [], Candidate("", turns[at]["content"]))


if __name__ == "__main__":
    main()
