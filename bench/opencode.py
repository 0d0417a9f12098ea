"""OpenCode's first request in both forms, and how long its second step waits.

The first request is recorded from the real client and counted by o200k, in which the client's own
figures are; needs `npm ci` in tests/e2e/opencode. The steps have its shape (2,000 tokens of system
prompt, ten tools of 4,700) in words of the random model's vocabulary: one call, its result.

`--only lines` prints what `swarm/chat/compact.toml` has of the client's prompts.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from aiohttp import web

from api.clients.opencode import PROVIDER, Endpoint, configuration
from api.openai.body import parse_body
from api.openai.schema import ChatBody
from api.openai.translate import chat_ask
from bench.client import Timing, chat
from bench.figures import must_have, parser, spread, verdict
from bench.models import ROOT, random_model, text
from bench.servers import Server, node
from swarm.chat.compact import compacted, fingerprint, our_words
from swarm.types import Question, ToolSpec
from tests.conftest import MEANS, OPENCODE
from tests.e2e.opencode_client import Client
from tests.ports import free_port

SYSTEM_TOKENS, TOOL_TOKENS, TOOLS = 2_000, 470, 10
RESULT_TOKENS, NEW_TOKENS = 200, 24
PROMPTED = (
    *("swarm", "gpt-4", "gpt-5", "gpt-6", "gpt-codex", "gemini-2", "claude", "trinity", "kimi"),
    *("muse-spark", "muse-glimmer"),
)
"""Names of models: the client has a prompt of its own for each."""

STEP_BAR, COMPACT_BAR, INSTRUCTIONS_BAR = 0.10, 1_200, 125

_COUNT = """
const {getEncoding} = require("js-tiktoken");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text) => getEncoding("o200k_base").encode(text).length)));
"""


def main() -> int:
    options = parser(__doc__, rounds=3)
    options.add_argument("--only", choices=["tokens", "steps", "lines"])
    chosen = options.parse_args()
    if chosen.only == "lines":
        print(textwrap.fill(" ".join(sorted(lines())), 117))
        return 0
    met: list[bool] = []
    if chosen.only != "steps":
        met += tokens()
    if chosen.only != "tokens":
        with node(chosen.model or random_model(), "--prompt", "full") as ours:
            met.append(steps(ours, chosen.rounds))
    return not all(met)


def tokens() -> list[bool]:
    """The first request in both forms, without the words of the user."""
    must_have(OPENCODE.exists(), MEANS["opencode"])
    full = asyncio.run(first_request("Write hello to a.txt"))
    compact = compacted(full, our_words())
    counted = o200k([_written(full), _written(compact), our_words().instructions])
    print(f"first request: full {counted[0]} tokens, compact {counted[1]} (o200k)")
    return [
        verdict("compact form, without the user's words", counted[1], COMPACT_BAR),
        verdict("instructions of our own", counted[2], INSTRUCTIONS_BAR),
    ]


def lines() -> set[str]:
    """Fingerprints of all lines of the client's prompts before its surroundings."""
    must_have(OPENCODE.exists(), MEANS["opencode"])
    [client] = our_words().system
    found: set[str] = set()
    for model in PROMPTED:
        prompt = asyncio.run(first_request("Write hello to a.txt", model)).messages[0].content or ""
        prose = prompt.partition(client.keeps_from[0])[0].splitlines()
        told = (line for line in prose if line.strip() and not line.startswith(client.begins))
        found |= {fingerprint(line) for line in told}
    return found


async def first_request(prompt: str, model: str = "swarm") -> Question:
    """What the real client sends first with its tools, to a model that has this name."""
    received: asyncio.Queue[Question] = asyncio.Queue()

    async def answer(request: web.Request) -> web.Response:
        question = chat_ask(parse_body(ChatBody, await request.read()), request.headers).question
        if question.tools:
            received.put_nowait(question)
        said = {"index": 0, "delta": {"role": "assistant", "content": "Done."}}
        chunks: list[dict[str, Any]] = [said, {"index": 0, "delta": {}, "finish_reason": "stop"}]
        lines = [
            "data: " + json.dumps({"object": "chat.completion.chunk", "choices": [chunk]})
            for chunk in chunks
        ]
        body = "\n\n".join([*lines, "data: [DONE]", ""])
        return web.Response(text=body, content_type="text/event-stream")

    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        with tempfile.TemporaryDirectory() as name:
            await asyncio.to_thread(_run_client, Path(name), port, prompt, model)
        return received.get_nowait()
    finally:
        await runner.cleanup()


def _run_client(folder: Path, port: int, prompt: str, model: str) -> None:
    project, home = folder / "project", folder / "home"
    project.mkdir()
    home.mkdir()
    models = dict.fromkeys(("swarm", "swarm-fast", model), 32_768)
    endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", models, "none", folder)
    (project / "opencode.json").write_text(json.dumps(configuration(endpoint)))
    Client(project, home).run("--model", f"{PROVIDER}/{model}", prompt)


def _written(question: Question) -> str:
    """System prompt and tools as a client's JSON has them."""
    system = "\n".join(m.content or "" for m in question.messages if m.role == "system")
    tools = [_tool(tool) for tool in question.tools]
    return system + json.dumps(tools, separators=(",", ":"))


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def o200k(texts: list[str]) -> list[int]:
    """Tokens of each text by the vocabulary that is in the package."""
    done = subprocess.run(
        ["node", "-e", _COUNT],
        cwd=ROOT / "tests/e2e/opencode",
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def steps(server: Server, rounds: int) -> bool:
    """Two steps of a loop by one worker in each round, each round another session."""
    pairs = [asyncio.run(two_steps(server, number)) for number in range(rounds)]
    for first, second in pairs:
        reused = f"{second.cached_tokens} of {second.prompt_tokens}"
        print(f"first step {first.first_s:.2f} s, second {second.first_s:.3f} s, cached {reused}")
    print(f"first step: {spread([a.first_s for a, _ in pairs])} s")
    print(f"second step: {spread([b.first_s for _, b in pairs])} s")
    share = statistics.median(b.first_s / a.first_s for a, b in pairs)
    return verdict("time to first token, second step / first step", share, STEP_BAR)


async def two_steps(server: Server, number: int) -> tuple[Timing, Timing]:
    """A request with all tools, then the same with a call and its result."""
    tools = [
        _tool(
            ToolSpec(
                f"tool{at}",
                text(TOOL_TOKENS, seed=40_000 + 100 * number + at),
                {"type": "object", "properties": {"path": {"type": "string"}}},
            )
        )
        for at in range(TOOLS)
    ]
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": text(SYSTEM_TOKENS, seed=50_000 + number)},
        {"role": "user", "content": text(16, seed=60_000 + number)},
    ]
    first = await chat(server, messages, max_tokens=NEW_TOKENS, tools=tools)
    call = {"name": "tool1", "arguments": json.dumps({"path": "a"})}
    result = text(RESULT_TOKENS, seed=70_000 + number)
    messages += [
        {
            "role": "assistant",
            "content": first.text,
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]
    return first, await chat(server, messages, max_tokens=NEW_TOKENS, tools=tools)


if __name__ == "__main__":
    sys.exit(main())
