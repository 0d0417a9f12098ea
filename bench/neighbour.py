"""Decode speed beside a process that keeps one core busy: our node against llama-server.

A slowdown is the speed alone through the speed beside the neighbour; with two threads on two
cores and fair shares, about 1.5 to 2 is what there is to lose. `--policies` compares the ways
in which OpenMP's threads of our engine can wait instead.
"""

import asyncio
import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from bench.client import streamed
from bench.figures import alternate, parser, spread, verdict
from bench.models import random_model, text
from bench.servers import Server, llama_server, node

PROMPT_TOKENS = 64
NEW_TOKENS = 64
BAR = 1.0
POLICIES: Mapping[str, Mapping[str, str]] = {
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "active": {"OMP_WAIT_POLICY": "active"},
    **{
        f"spin {count}": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": str(count)}
        for count in (100, 300, 1_000, 10_000, 100_000)
    },
}
"""Names for tables, and the environment; GOMP_SPINCOUNT wins over the policy."""


def main() -> int:
    options = parser(__doc__, rounds=5)
    options.add_argument("--policies", action="store_true", help="only our engine's settings")
    chosen = options.parse_args()
    model = chosen.model or random_model()
    if chosen.policies:
        for name, environment in POLICIES.items():
            with node(model, environment=environment) as server:
                slowdown(server, chosen.rounds, label=name)
        return 0
    with node(model) as ours, llama_server(model, "-np", "1", "-c", "4096") as peer:
        pairs = alternate(
            chosen.rounds, lambda i: quiet_and_busy(ours, i), lambda i: quiet_and_busy(peer, i)
        )
    mine = report(ours.name, [a for a, _ in pairs])
    its = report(peer.name, [b for _, b in pairs])
    return not verdict("slowdown of node / llama-server", mine / its, BAR)


def slowdown(server: Server, rounds: int, *, label: str) -> float:
    return report(label, [quiet_and_busy(server, number) for number in range(rounds)])


def report(label: str, speeds: Sequence[tuple[float, float]]) -> float:
    lost = statistics.median(quiet / busy for quiet, busy in speeds)
    quiet, busy = zip(*speeds, strict=True)
    print(f"{label}: alone {spread(quiet)}, beside a neighbour {spread(busy)} tokens/s, ", end="")
    print(f"slowdown {lost:.2f}", flush=True)
    return lost


def quiet_and_busy(server: Server, number: int) -> tuple[float, float]:
    """Tokens per second alone, and beside the neighbour."""
    speed(server, number)  # wakes the server up
    quiet = speed(server, number)
    with neighbour():
        return quiet, speed(server, number)


def speed(server: Server, number: int) -> float:
    prompt = text(PROMPT_TOKENS, seed=60_000 + number)
    return asyncio.run(streamed(server, prompt, max_tokens=NEW_TOKENS)).decode_speed


@contextlib.contextmanager
def neighbour() -> Iterator[None]:
    """A process of ordinary priority that never waits."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
