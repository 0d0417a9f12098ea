"""How often the bundled model is right, asked through an OpenAI-compatible endpoint.

    python main.py --auto --no-federation --model swarm-nano
    python -m training.evaluate http://127.0.0.1:17615/v1

Every question comes from the held-out side: phrasings, names, tools and values that training
never saw, in the form that the weights' own template gives it. Each assistant turn of a
conversation is generated after the true turns before it.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jinja2 import Template
from openai import OpenAI

from training.data import chat, far, json_objects, made_up, opencode, questions, sums
from training.data.source import Conversation, Source
from training.render import Message, render, template_of

SEED = 2026
WEIGHTS = Path(__file__).parents[1] / "swarm/models/bundled/swarm-nano.gguf"
CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
Generator = Callable[[Source], Conversation]
Judge = Callable[[str, Message], bool]


@dataclass(frozen=True)
class Turn:
    """A prompt, and what the assistant should say to it."""

    prompt: str
    wanted: Message


@dataclass(frozen=True)
class Slice:
    """Questions of one kind; `calls_only` leaves out turns that call nothing."""

    name: str
    make: Generator
    calls_only: bool = False


def easy_sums(source: Source) -> Conversation:
    """One- and two-digit sums without steps."""
    kind = source.one(sums.KINDS)
    question, answer = sums.task(source, kind, 1, 2, steps=False)
    return one_turn("sums-easy", question, answer)


def hard_sums(source: Source, digits: int, *, steps: bool) -> Conversation:
    """Additions and subtractions of numbers with that many digits."""
    kind = source.one(("plus", "minus"))
    question, answer = sums.task(source, kind, digits, digits, steps=steps)
    return one_turn("sums-hard", question, answer)


def one_turn(name: str, question: str, answer: str) -> Conversation:
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return Conversation(name, messages)


SLICES = (
    Slice("OpenCode's tools", opencode.single, calls_only=True),
    Slice("OpenCode's tools, two at once", opencode.two_at_once, calls_only=True),
    Slice("OpenCode's tools, loops", opencode.loop),
    Slice("edit after read", opencode.edit_after_read),
    Slice("made-up tools", made_up.single, calls_only=True),
    Slice("made-up tools, two at once", made_up.two_at_once, calls_only=True),
    Slice("no call where none fits", chat.no_tool_fits),
    Slice("chat", chat.talk),
    Slice("question about a text", questions.about_text),
    Slice("summary", questions.dialogue_summary),
    Slice("JSON to a schema", json_objects.objects),
    Slice("sums, easy", easy_sums),
    Slice("sums, with steps", sums.worked),
    Slice("look-up in a long prompt", far.pairs),
)


class Asker:
    """Sends raw prompts to the endpoint, several at a time."""

    def __init__(self, base_url: str, model: str, weights: Path, *, parallel: int) -> None:
        self.template = template_of(weights)
        self._client = OpenAI(base_url=base_url, api_key="none", max_retries=0)
        self._model = model
        self._pool = ThreadPoolExecutor(parallel)

    def texts(self, prompts: Iterable[str], *, temperature: float, n: int = 1) -> list[list[str]]:
        """`n` completions of each prompt, in order."""
        return list(self._pool.map(partial(self._ask, temperature=temperature, n=n), prompts))

    def _ask(self, prompt: str, *, temperature: float, n: int) -> list[str]:
        answer = self._client.completions.create(
            model=self._model,
            prompt=prompt,
            temperature=temperature,
            top_p=1.0,
            n=n,
            max_tokens=400,
            seed=SEED,
            extra_body={"top_k": 0, "min_p": 0.0},
        )
        return [choice.text for choice in answer.choices]


def turns(template: Template, conversation: Conversation, *, calls_only: bool) -> list[Turn]:
    """Every assistant turn with the prompt that should bring it about."""
    silent = conversation.facts.get("silent_turns", 0)
    found = []
    for at, message in enumerate(conversation.messages):
        if message["role"] != "assistant":
            continue
        if silent:
            silent -= 1
            continue
        if calls_only and not message.get("tool_calls"):
            continue
        before = conversation.messages[:at]
        found.append(Turn(render(template, before, conversation.tools, open_answer=True), message))
    return found


def right(text: str, wanted: Message) -> bool:
    """Whether a completion is the wanted turn: calls and JSON by value, text by its letters."""
    calls = wanted.get("tool_calls")
    if calls:
        return made_calls(text) == [
            {"name": c["function"]["name"], "arguments": c["function"]["arguments"]} for c in calls
        ]
    said, meant = text.strip(), wanted["content"].strip()
    return said == meant or (meant.startswith("{") and as_json(said) == as_json(meant))


def made_calls(text: str) -> list[object] | None:
    """The calls of a completion, None where one of them is not JSON."""
    calls = [as_json(body) for body in CALL.findall(text)]
    return None if None in calls else calls


def as_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, in percent."""
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return max(0.0, 100 * (middle - half)), min(100.0, 100 * (middle + half))


def row(name: str, hits: int, count: int) -> str:
    low, high = interval(hits, count)
    return f"| {name} | {100 * hits / count:.1f} % | {low:.0f} to {high:.0f} | {count} |"


def measure(asker: Asker, part: Slice, count: int, *, trained: bool = False) -> str:
    """One line of the table, at temperature 0.2; of what training asks where `trained`."""
    source = Source(f"{SEED} {part.name}", held_out=not trained)
    asked: list[Turn] = []
    while len(asked) < count:
        asked += turns(asker.template, part.make(source), calls_only=part.calls_only)
    answers = asker.texts((turn.prompt for turn in asked), temperature=0.2)
    hits = sum(right(texts[0], turn.wanted) for texts, turn in zip(answers, asked, strict=True))
    return row(part.name, hits, len(asked))


def measure_votes(
    asker: Asker, digits: int, count: int, *, steps: bool, samples: int = 15
) -> list[str]:
    """A single sample against the most frequent of several, at temperature 0.8."""
    source = Source(f"{SEED} hard {digits}", held_out=True)
    made = [hard_sums(source, digits, steps=steps) for _ in range(count)]
    asked = [turns(asker.template, conversation, calls_only=False)[0] for conversation in made]
    texts = asker.texts((turn.prompt for turn in asked), temperature=0.8, n=samples)
    answers = [[conclusion(text) for text in each] for each in texts]
    meant = [conclusion(turn.wanted["content"]) for turn in asked]
    told = f"sums of {digits} digits {'with' if steps else 'without'} steps"
    single = sum(t == m for texts, m in zip(answers, meant, strict=True) for t in texts)
    modes = [most_frequent(texts) for texts in answers]
    mode = sum(m == text for m, text in zip(meant, modes, strict=True))
    return [
        row(f"{told}, one sample at 0.8", single, count * samples),
        row(f"{told}, the most frequent of {samples}", mode, count),
    ]


def conclusion(text: str) -> str:
    """What an answer says behind its steps."""
    return text.rpartition("Answer:")[2].strip()


def most_frequent(texts: Sequence[str]) -> str:
    return Counter(texts).most_common(1)[0][0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base_url")
    parser.add_argument("--model", default="swarm-nano")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="whose template is used")
    parser.add_argument("--count", type=int, default=200, help="turns of each slice")
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument(
        "--trained", action="store_true", help="words, names and tools of training instead"
    )
    parser.add_argument("--only", default="", help="slices whose name contains this")
    options = parser.parse_args()
    asker = Asker(options.base_url, options.model, options.weights, parallel=options.parallel)
    print("| slice | right | 95 % interval | turns |\n|---|---|---|---|")
    for part in SLICES:
        if options.only in part.name:
            print(measure(asker, part, options.count, trained=options.trained), flush=True)
    for digits, steps in ((1, False), (2, False), (2, True), (3, False)):
        if options.only in "sums" and not options.trained:
            print("\n".join(measure_votes(asker, digits, options.count, steps=steps)), flush=True)


if __name__ == "__main__":
    main()
