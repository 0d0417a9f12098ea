"""What a newcomer gets: the bundled model behind the door, asked with the real openai SDK."""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nodes import ROOT, RunningNode, running_node

WHO: list[Any] = [{"role": "user", "content": "Who are you?"}]
READ: Any = {
    "type": "function",
    "function": {
        "name": "read",
        "description": "Read a file.",
        "parameters": {
            "type": "object",
            "properties": {"filePath": {"type": "string", "description": "path of the file"}},
            "required": ["filePath"],
        },
    },
}


def test_the_model_says_what_it_is(nano: RunningNode) -> None:
    said = nano.sdk().chat.completions.create(model="swarm", messages=WHO, temperature=0)
    assert said.model == "swarm-nano"
    assert said.choices[0].finish_reason == "stop"
    assert said.choices[0].message.content
    assert said.usage is not None
    assert said.usage.completion_tokens > 0


def test_a_stream_says_the_same_as_a_whole_answer(nano: RunningNode) -> None:
    sdk = nano.sdk()
    whole = sdk.chat.completions.create(model="swarm", messages=WHO, temperature=0)
    stream = sdk.chat.completions.create(
        model="swarm",
        messages=WHO,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks[:-1] if c.choices[0].finish_reason] == [
        "stop"
    ]
    assert chunks[-1].usage is not None
    assert len({chunk.id for chunk in chunks}) == 1


def test_texts_become_vectors(nano: RunningNode) -> None:
    texts = ["a blue house", "a blue house", "3 + 4 = 7"]
    made = [
        each.embedding for each in nano.sdk().embeddings.create(model="swarm", input=texts).data
    ]
    alike, other = (sum(a * b for a, b in zip(made[0], each, strict=True)) for each in made[1:])
    assert alike == pytest.approx(1, abs=1e-4)
    assert other < 0.99


def test_a_second_turn_is_read_from_the_cache(nano: RunningNode) -> None:
    long: list[Any] = [{"role": "user", "content": "Read this: " + "blue house " * 30}]
    sdk = nano.sdk()
    sdk.chat.completions.create(model="swarm", messages=long, max_tokens=4)
    again = sdk.chat.completions.create(model="swarm", messages=long, max_tokens=4)
    assert again.usage is not None
    assert again.usage.prompt_tokens_details is not None
    cached = again.usage.prompt_tokens_details.cached_tokens or 0
    assert cached > again.usage.prompt_tokens * 0.9


def test_several_choices_differ_by_their_seeds(nano: RunningNode) -> None:
    said = nano.sdk().chat.completions.create(
        model="swarm-fast",
        messages=WHO,
        n=8,
        temperature=2,
        top_p=1,
        max_tokens=20,
        seed=5,
        extra_body={"top_k": 0, "min_p": 0},
    )
    assert [choice.index for choice in said.choices] == list(range(8))
    assert len({choice.message.content for choice in said.choices}) > 1


def test_a_stop_string_ends_the_answer_and_is_not_in_it(nano: RunningNode) -> None:
    sdk = nano.sdk()
    whole = sdk.chat.completions.create(model="swarm", messages=WHO, temperature=0)
    text = whole.choices[0].message.content or ""
    stop = text[3:6]
    cut = sdk.chat.completions.create(model="swarm", messages=WHO, temperature=0, stop=[stop])
    assert cut.choices[0].message.content == text[: text.index(stop)]
    assert cut.choices[0].finish_reason == "stop"


def test_a_bias_makes_the_model_say_a_token(nano: RunningNode) -> None:
    said = nano.sdk().completions.create(
        model="swarm-nano", prompt="a", temperature=0, max_tokens=3, logit_bias={"70": 100}
    )
    text = said.choices[0].text
    assert text
    assert text == text[: len(text) // 3] * 3


def test_logprobs_cover_every_token(nano: RunningNode) -> None:
    said = nano.sdk().chat.completions.create(
        model="swarm", messages=WHO, temperature=0, logprobs=True, top_logprobs=3
    )
    logprobs = said.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert "".join(token.token for token in logprobs.content).startswith(
        said.choices[0].message.content or ""
    )
    for token in logprobs.content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].logprob >= token.top_logprobs[2].logprob


def test_a_tool_is_called(nano: RunningNode) -> None:
    said = nano.sdk().chat.completions.create(
        model="swarm",
        messages=[{"role": "user", "content": "Read the file notes.txt"}],
        tools=[READ],
        temperature=0,
    )
    (choice,) = said.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert call.function.name == "read"
    assert json.loads(call.function.arguments) == {"filePath": "notes.txt"}


def test_it_says_what_it_is(nano: RunningNode) -> None:
    said = nano.sdk().chat.completions.create(model="swarm", messages=WHO, temperature=0)
    assert "swarm-nano" in (said.choices[0].message.content or "")
    assert said.choices[0].finish_reason == "stop"


def test_a_streamed_call_is_the_same_call(nano: RunningNode) -> None:
    stream = nano.sdk().chat.completions.create(
        model="swarm",
        messages=[{"role": "user", "content": "Read the file notes.txt"}],
        tools=[READ],
        temperature=0,
        stream=True,
    )
    chunks = list(stream)
    streamed = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    said = nano.sdk().chat.completions.create(
        model="swarm",
        messages=[{"role": "user", "content": "Read the file notes.txt"}],
        tools=[READ],
        temperature=0,
    )
    assert said.choices[0].message.tool_calls is not None
    (whole,) = said.choices[0].message.tool_calls
    assert whole.type == "function"
    functions = [call.function for call in streamed if call.function is not None]
    assert len(functions) > 2
    assert functions[0].name == whole.function.name
    assert "".join(f.arguments or "" for f in functions) == whole.function.arguments


def test_the_lines_of_the_first_screen_work(nano: RunningNode) -> None:
    screen = nano.said()
    assert "swarm-nano is the small bundled model" in screen
    assert "--model NAME" in screen
    line = re.search(r"curl (http\S+) .*?-d '(\{.*?\})'$", screen, re.DOTALL | re.MULTILINE)
    assert line is not None
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(line.group(1), line.group(2).encode(), headers)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert json.load(answer)["choices"][0]["message"]["content"]
    assert f"export OPENAI_BASE_URL={nano.base_url} " in screen
    assert "python main.py --opencode " in screen


@pytest.mark.parametrize("text", [" " * (1 << 20), "7" * 33_113], ids=["spaces", "digits"])
def test_a_message_of_one_kind_of_character_costs_nobody_anything(
    nano: RunningNode, text: str
) -> None:
    engine = nano.engine()
    stream = nano.sdk().completions.create(
        model="swarm-fast",
        prompt="1, 2,",
        max_tokens=1000,
        stream=True,
        extra_body={"ignore_eos": True},
    )
    chunks = iter(stream)
    next(chunks)
    body = {"model": "swarm", "messages": [{"role": "user", "content": text}]}
    status, said = nano.post("/v1/chat/completions", body)
    error = json.loads(said)["error"]
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert error["n_prompt_tokens"] > error["n_ctx"]
    assert f"request (at least {error['n_prompt_tokens']} tokens) exceeds" in error["message"]
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "length"
    assert nano.engine() == engine


def test_the_line_for_opencode_writes_what_is_served(nano: RunningNode, tmp_path: Path) -> None:
    line = [sys.executable, str(ROOT / "main.py"), "--opencode", "--port", str(nano.port)]
    typed = subprocess.run(
        line, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert typed.returncode == 0, typed.stderr
    written = json.loads((tmp_path / "opencode.json").read_text())
    assert written["provider"]["swarm"]["options"]["baseURL"] == nano.base_url
    limit = written["provider"]["swarm"]["models"]["swarm"]["limit"]
    served = nano.sdk().models.retrieve("swarm").to_dict()["context_length"]
    assert limit["context"] == served
    assert limit["output"] * 4 <= limit["context"]


def test_a_second_start_answers_within_five_seconds(tmp_path: Path) -> None:
    """One of a few does, and a machine that imports the program slowly has more time."""

    def imported_s() -> float:
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "import main"], cwd=ROOT, check=True)
        return time.monotonic() - began

    def answered_s() -> float:
        began = time.monotonic()
        with running_node(tmp_path) as node:
            node.sdk().chat.completions.create(model="swarm", messages=WHO, max_tokens=4)
            return time.monotonic() - began

    bound_s = max(5, 12 * imported_s())  # a quiet machine needs three and a half times as long
    assert any(answered_s() < bound_s for _ in range(3))


def test_a_port_in_use_names_the_holder(nano: RunningNode, tmp_path: Path) -> None:
    with running_node(tmp_path, port=nano.port, wait=False) as second:
        assert second.process.wait(60) == 2
        assert f"process {nano.process.pid}" in second.said()
        assert "--port" in second.said()


@pytest.mark.parametrize("path", ["/health", "/metrics", "/v1/models", "/v1/models/swarm-nano"])
def test_what_can_be_read_is_there(nano: RunningNode, path: str) -> None:
    assert nano.get(path)[0] == 200


def test_workers_vote_and_the_verdict_is_told(nano: RunningNode) -> None:
    raw = nano.sdk().chat.completions.with_raw_response.create(
        model="swarm",
        messages=WHO,
        temperature=0.8,
        extra_body={"swarm": {"voters": 5, "decide": "all"}},
    )
    verdict: Any = raw.parse().usage.swarm  # type: ignore[union-attr]
    assert verdict["asked"] == verdict["valid"] + verdict["abstained"] == 5
    assert raw.headers["x-swarm-voters"] == "5"
    assert sum(worker["tokens"] for worker in verdict["workers"]) == verdict["generated_tokens"]


def test_a_voted_call_is_streamed_whole_and_once(nano: RunningNode) -> None:
    stream = nano.sdk().chat.completions.create(
        model="swarm",
        messages=[{"role": "user", "content": "Read the file notes.txt"}],
        tools=[READ],
        temperature=0.4,
        stream=True,
        extra_body={"swarm": {"voters": 5}, "progress": True},
    )
    chunks = list(stream)
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert [json.loads(c.function.arguments or "") for c in calls if c.function] == [
        {"filePath": "notes.txt"}
    ]
    told = [getattr(chunk.choices[0].delta, "reasoning_content", "") or "" for chunk in chunks]
    assert "of 5 workers have answered" in "".join(told)
    verdict: Any = chunks[-1].swarm  # type: ignore[attr-defined]
    assert verdict["decided_by"] in ("majority", "unanimous", "all")


def test_a_vote_streams_the_text_that_wins(nano: RunningNode) -> None:
    stream = nano.sdk().chat.completions.create(
        model="swarm",
        messages=[{"role": "user", "content": "What is 3 + 4?"}],
        temperature=0.6,
        stream=True,
        extra_body={"swarm": {"voters": 5, "decide": "all"}},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == "Answer: 7"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_leader_streams_what_it_generates(nano: RunningNode) -> None:
    stream = nano.sdk().chat.completions.create(
        model="swarm",
        messages=WHO,
        temperature=0.8,
        stream=True,
        extra_body={"swarm": {"strategy": "leader", "voters": 3}},
    )
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    verdict: Any = chunks[-1].swarm  # type: ignore[attr-defined]
    assert len(texts) > 3
    assert (verdict["strategy"], verdict["asked"]) == ("leader", 3)


def test_a_model_in_the_folder_models_is_served(endless_model: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(endless_model, tmp_path / "models" / "mine.gguf")
    with running_node(tmp_path) as node:
        said = node.sdk().completions.create(model="mine", prompt="hello", max_tokens=2)
        assert said.model == "mine"
        assert "the largest in models" in node.said()
