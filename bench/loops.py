"""A tool loop of five steps by the real OpenCode: a vote of five against one worker, in turn.

The bundled model plans nothing, so the commands stand in the request; a loop has succeeded when
every file that they make is there. The time is that of a step (an answer of the model, and the
call that it makes), for loops that fail are shorter; whole loops are compared where both did
all. Needs `npm ci` in tests/e2e/opencode.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from api.clients.opencode import PROVIDER
from bench.figures import alternate, median_ratio, must_have, parser, verdict
from tests.conftest import MEANS, OPENCODE
from tests.e2e.nodes import RunningNode, running_node
from tests.e2e.opencode_client import Client

VOTERS, STEPS, BAR = 5, 5, 2.0
ORDERS = [f"run touch {{{at}}}" for at in range(STEPS)]
FORMS = (
    "first {}, then {}, then {}, then {} and finally {}".format(*ORDERS),
    "Do these steps one after another:\n1. {}\n2. {}\n3. {}\n4. {}\n5. {}".format(*ORDERS),
    "Please {}. Then {}. Then {}. Then {}. Finally {}".format(*ORDERS),
)
NAMES = (
    "red blue green white black",
    "one two three four five",
    "north south east west middle",
    "apple pear plum grape lemon",
    "iron gold silver copper tin",
)


@dataclass(frozen=True, slots=True)
class Loop:
    """How long a loop took, its steps, and how many of its five files are there."""

    seconds: float
    steps: int
    files: int

    @property
    def succeeded(self) -> bool:
        return self.files == STEPS


def main() -> int:
    options = parser(__doc__, rounds=15)
    chosen = options.parse_args()
    must_have(OPENCODE.exists(), MEANS["opencode"])
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        model = ["--model", str(chosen.model)] if chosen.model else []
        with running_node(folder, "--workers", str(VOTERS), *model) as node:
            found = alternate(
                chosen.rounds,
                lambda at: looped(node, folder / f"vote-{at}", at, f"{PROVIDER}/swarm"),
                lambda at: looped(node, folder / f"one-{at}", at, f"{PROVIDER}/swarm-fast"),
            )
    return judge(found)


def looped(node: RunningNode, folder: Path, at: int, model: str) -> Loop:
    """One loop in a project and a home of its own."""
    folder.mkdir()
    client = Client.of(node, folder)
    client.configure(
        "provider", PROVIDER, "models", "swarm", "headers", value={"x-swarm-voters": str(VOTERS)}
    )
    names = [f"{name}.txt" for name in NAMES[at % len(NAMES)].split()]
    began = time.monotonic()
    ran = client.run("--model", model, FORMS[at % len(FORMS)].format(*names))
    seconds = time.monotonic() - began
    made = sum((client.project / name).is_file() for name in names)
    loop = Loop(seconds, len(ran.steps), made)
    print(f"{model}: {seconds:.1f} s, steps {loop.steps}, files {made}", flush=True)
    return loop


def judge(found: list[tuple[Loop, Loop]]) -> int:
    """Print the bars; the status says whether they are met."""
    steps = median_ratio(
        [
            (vote.seconds / max(1, vote.steps), one.seconds / max(1, one.steps))
            for vote, one in found
        ]
    )
    whole = [(v.seconds, o.seconds) for v, o in found if v.succeeded and o.succeeded]
    if whole:
        print(f"whole loops, {len(whole)} pairs in which both did all: {median_ratio(whole):.2f}")
    in_time = verdict("time of a step, a vote of five / one worker", steps, BAR)
    voted, alone = ([pair[side].files for pair in found] for side in (0, 1))
    done = [sum(count == STEPS for count in counts) for counts in (voted, alone)]
    means = [f"{statistics.mean(counts):.2f}" for counts in (voted, alone)]
    print(f"files made of {STEPS}, mean: {means[0]} by vote, {means[1]} by one worker")
    success = verdict("loops done whole, vote - one worker", done[0] - done[1], 0, at_least=True)
    print(f"of {len(found)}: {done[0]} by vote, {done[1]} by one worker")
    return not (in_time and success)


if __name__ == "__main__":
    sys.exit(main())
