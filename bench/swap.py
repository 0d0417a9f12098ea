"""What it costs to ask for another model, and to start.

A node has room for one of two models of 0.5B with random weights and is asked for them in turn;
beside it the same file is loaded bare, in a process that has imported all it needs. Then a
node is started with the bundled model, from the command line to the first token of its answer.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from bench.figures import parser, spread, verdict
from bench.models import ROOT, random_model
from bench.servers import THREADS, Server, node
from swarm.engines.starting import ENGINE_ENVIRONMENT

CONTEXT_TOKENS = 4096
ROOM_GIB = "1.2"
"""More than one of them takes, less than both."""

SWAP_BAR_S = 0.5
START_BAR_S = 5.0
BUNDLED = ROOT / "swarm" / "models" / "bundled" / "swarm-nano.gguf"


def main() -> int:
    made = parser(__doc__, rounds=5)
    made.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    chosen = made.parse_args()
    if chosen.bare:
        print(bare(chosen.bare))
        return 0
    one, two = random_model(), random_model(seed=1)
    options = ("--model", str(two), "--ctx", str(CONTEXT_TOKENS), "--memory-limit-gib", ROOM_GIB)
    added: list[float] = []
    firsts: list[float] = []
    with node(one, *options) as server:
        for number in range(chosen.rounds):
            path = (two, one)[number % 2]
            alone = measured_bare(path)
            swapped = seconds_to(server, f"/v1/models/{path.stem}/load", {})
            back = (one, two)[number % 2]
            firsts.append(first_token_s(server, back.stem))
            seconds_to(server, f"/v1/models/{path.stem}/load", {})
            print(f"bare {alone:.2f} s, swap {swapped:.2f} s, first token {firsts[-1]:.2f} s")
            added.append(swapped - alone)
            check_swapped(server, loaded=path.stem, gone=back.stem)
    print(f"time that a swap adds to the load of the file, s: {spread(added)}")
    print(f"first token of a request that swaps, s: {spread(firsts)}")
    met = verdict("a swap - the load of the file", statistics.median(added), SWAP_BAR_S)
    starts = [start_s() for _ in range(chosen.rounds)]
    print(f"start to first token, bundled model, s: {spread(starts)}")
    return not (verdict("start to first token", statistics.median(starts), START_BAR_S) and met)


def bare(path: Path) -> float:
    """Seconds of loading a file into an engine that decodes, in this very process."""
    from swarm.engines.llama.engine import load  # noqa: PLC0415 - imported before the clock runs
    from swarm.engines.llama.options import LlamaOptions  # noqa: PLC0415

    options = LlamaOptions(path, CONTEXT_TOKENS, CONTEXT_TOKENS, gpu_layers=-1, threads=THREADS)
    began = time.perf_counter()
    load(options)
    return time.perf_counter() - began


def measured_bare(path: Path) -> float:
    command = [sys.executable, "-m", "bench.swap", "--bare", str(path)]
    environment = {**os.environ, **ENGINE_ENVIRONMENT}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return float(done.stdout)


def seconds_to(server: Server, path: str, body: object) -> float:
    """Seconds until a POST is answered."""
    began = time.perf_counter()
    with urllib.request.urlopen(asked(server, path, body), timeout=120) as answer:
        answer.read()
    return time.perf_counter() - began


def first_token_s(server: Server, model: str) -> float:
    """Seconds to the first text of a streamed answer."""
    body = {"model": f"{model}-fast", "stream": True, "max_tokens": 4}
    body["messages"] = [{"role": "user", "content": "hello"}]
    began = time.perf_counter()
    with urllib.request.urlopen(asked(server, "/v1/chat/completions", body), timeout=120) as answer:
        for line in answer:
            if line.startswith(b"data: {") and said(json.loads(line[6:])):
                seconds = time.perf_counter() - began
                answer.read()
                return seconds
    sys.exit("the stream ended without any text")


def check_swapped(server: Server, *, loaded: str, gone: str) -> None:
    """End where both models found room: then nothing was measured."""
    with urllib.request.urlopen(f"{server.url}/v1/models", timeout=30) as answer:
        status = {model["id"]: model["status"] for model in json.load(answer)["data"]}
    if (status[loaded], status[gone]) != ("loaded", "unloaded"):
        sys.exit(f"no swap: {status}")


def said(chunk: dict[str, list[dict[str, dict[str, str]]]]) -> str:
    return chunk["choices"][0]["delta"].get("content", "")


def asked(server: Server, path: str, body: object) -> urllib.request.Request:
    headers = {"Content-Type": "application/json"}
    return urllib.request.Request(server.url + path, json.dumps(body).encode(), headers)


def start_s() -> float:
    """Seconds from a command line to the first token of the bundled model."""
    began = time.perf_counter()
    with node(BUNDLED) as server:
        first_token_s(server, "swarm")
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
