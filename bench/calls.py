"""Tool calls of the bundled model through the endpoint: how many are valid, how many right.

Questions that its training never saw, each asked of one worker, of a vote of five, and of a vote
of five that asks again for a call where its text lacks one. A call is valid that parses and
satisfies its tool's schema; right is a turn whose calls are the wanted ones with all arguments,
or that calls nothing where nothing fits. Sampled with the model's own values, as for a client
that says nothing, or at `--temperature`. It is a small model: this shows the mechanism.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai

from bench.figures import parser, verdict
from bench.servers import Server, node
from swarm.chat.arguments import checks_of
from swarm.models.local import BUNDLED_PATH
from swarm.types import ToolSpec
from training.data import chat, made_up, opencode
from training.data.source import Conversation, Source

SLICES: dict[str, Callable[[Source], Conversation]] = {
    "OpenCode's tools": opencode.single,
    "made-up tools": made_up.single,
    "two calls at once": opencode.two_at_once,
    "no tool fits": chat.no_tool_fits,
}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "one worker": ("swarm-fast", {}),
    "five": ("swarm", {"voters": 5}),
    "five, asking again": ("swarm", {"voters": 5, "ask_again": True}),
}
RIGHT_ALONE, RIGHT_VOTED = 90, 95


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked, and the calls that should be made."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    wanted: list[tuple[str, Any]]


def main() -> int:
    options = parser(__doc__, rounds=1)
    options.add_argument("--questions", type=int, default=200, help="of each kind")
    options.add_argument("--temperature", type=float, help="instead of the model's own")
    chosen = options.parse_args()
    with node(chosen.model or BUNDLED_PATH) as server:
        counts = {
            (kind, way): asyncio.run(
                asked(server, turns(kind, chosen.questions), way, chosen.temperature)
            )
            for kind in SLICES
            for way in WAYS
        }
    print(
        "| questions | way | right | calls made | valid | asked again |\n|---|---|---|---|---|---|"
    )
    for (kind, way), count in counts.items():
        right = 100 * count["right"] / chosen.questions
        told = f"{count['calls']} | {count['valid']} | {count['again']}"
        print(f"| {kind} | {way} | {right:.1f} % | {told} |")
    return not all(judged(counts, chosen.questions))


def judged(counts: dict[tuple[str, str], Counter[str]], questions: int) -> list[bool]:
    made = sum((count for count in counts.values()), Counter[str]())
    share = 100 * made["valid"] / max(made["calls"], 1)
    met = [verdict("valid calls, %", share, 100, at_least=True)]
    for way, bar in (("one worker", RIGHT_ALONE), ("five", RIGHT_VOTED)):
        right = sum(counts[kind, way]["right"] for kind in SLICES if kind != "no tool fits")
        measured = 100 * right / (3 * questions)
        met.append(verdict(f"right calls, {way}, %", measured, bar, at_least=True))
    return met


def turns(kind: str, count: int) -> list[Turn]:
    """Assistant turns of held-out conversations: those that call, or where nothing fits all."""
    source = Source(f"calls {kind}", held_out=True)
    found: list[Turn] = []
    while len(found) < count:
        conversation = SLICES[kind](source)
        silent = conversation.facts.get("silent_turns", 0)
        for at, message in enumerate(conversation.messages):
            if message["role"] != "assistant":
                continue
            silent -= 1
            calls = message.get("tool_calls") or []
            if silent < 0 and (calls or kind == "no tool fits"):
                wanted = [(c["function"]["name"], c["function"]["arguments"]) for c in calls]
                before = as_sent(conversation.messages[:at])
                found.append(Turn(before, list(conversation.tools), wanted))
    return found[:count]


def as_sent(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages as a client sends them: calls with ids, arguments as text."""
    sent: list[dict[str, Any]] = []
    waiting: list[str] = []
    for at, message in enumerate(messages):
        changed = dict(message)
        if calls := message.get("tool_calls"):
            waiting = [f"call_{at}_{number}" for number in range(len(calls))]
            changed["tool_calls"] = [
                {
                    "id": name,
                    "type": "function",
                    "function": {
                        "name": call["function"]["name"],
                        "arguments": json.dumps(call["function"]["arguments"]),
                    },
                }
                for name, call in zip(waiting, calls, strict=True)
            ]
        if message["role"] == "tool":
            changed["tool_call_id"] = waiting.pop(0)
        sent.append(changed)
    return sent


async def asked(
    server: Server, questions: list[Turn], way: str, temperature: float | None
) -> Counter[str]:
    """Ask all, four at a time; what came of it, counted."""
    wished = {} if temperature is None else {"temperature": temperature}
    gate = asyncio.Semaphore(4)
    async with openai.AsyncOpenAI(
        base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=300
    ) as sdk:

        async def one(number: int, turn: Turn) -> Counter[str]:
            async with gate:
                return await answered(sdk, turn, way, {**wished, "seed": number})

        counts = await asyncio.gather(*(one(at, turn) for at, turn in enumerate(questions)))
    return sum(counts, Counter())


async def answered(
    sdk: openai.AsyncOpenAI, turn: Turn, way: str, sampling: dict[str, Any]
) -> Counter[str]:
    model, vote = WAYS[way]
    messages: Any = turn.messages
    tools: Any = turn.tools
    try:
        said = await sdk.chat.completions.create(
            model=model, messages=messages, tools=tools, max_tokens=400,
            extra_body={"swarm": vote}, **sampling,
        )  # fmt: skip
    except openai.InternalServerError:
        return Counter(failed=1)
    calls: Any = said.choices[0].message.tool_calls or []
    specs = [ToolSpec(t["function"]["name"], "", t["function"]["parameters"]) for t in turn.tools]
    checks = checks_of(specs)
    if said.choices[0].finish_reason == "length":
        calls = calls[:-1]
    valid = sum(checks[c.function.name](c.function.arguments) is None for c in calls)
    made = [(c.function.name, json.loads(c.function.arguments)) for c in calls]
    again = "asked again" in ((said.usage.swarm or {}).get("note") or "")  # type: ignore
    return Counter(right=made == turn.wanted, calls=len(calls), valid=valid, again=again)


if __name__ == "__main__":
    sys.exit(main())
