"""A node that works with tools for clients that have none: real model, real workspace.

The bundled model is small and draws its answers, so a task has some tries; files on disk say
whether it was done.
"""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from tests.e2e.nodes import ANSWER_S, RunningNode, events_of, running_node
from tests.e2e.opencode_client import Client
from tests.ports import free_port

pytestmark = pytest.mark.needs("bubblewrap")

NAMES = ("made.txt", "hello.txt", "new.txt", "a.txt", "todo.txt", "out.txt")
WRITE = (
    'Create a file named {name} with the text "hello world"',
    'Create {name} containing "hello world"',
    'Write the text "hello world" to the file {name}',
)
RUN = ("Run the command touch {name}", "Run `touch {name}`", "Execute touch {name}")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def workspace(shared: Path) -> Path:
    """Empty when a test begins."""
    clear(shared)
    return shared


def clear(folder: Path) -> None:
    """The folder itself stays: a node has it open."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(scope="module")
def node(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """Its answers end soon also where the model goes on and on."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "swarm.toml").write_text("[agent_limits]\nsteps = 8\n")
    with running_node(folder, "--agent", "--workspace", str(shared)) as running:
        yield running


def tried(
    wordings: tuple[str, ...], ask: Callable[[str], Any], done: Callable[[str, Any], bool]
) -> Any:
    """The first answer of a try that did it; each try has a file of its own."""
    seen: list[str] = []
    for at, name in enumerate(NAMES):
        said = ask(wordings[at % len(wordings)].format(name=name))
        if done(name, said):
            return said
        seen.append(str(said)[:500])
    raise AssertionError("the model fell short:\n" + "\n".join(seen))


def content(workspace: Path, name: str) -> str | None:
    file = workspace / name
    return file.read_text() if file.is_file() else None


def body(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "swarm", "messages": [{"role": "user", "content": text}], **fields}


@pytest.mark.needs("curl")
def test_curl_has_a_file_written_and_hears_of_it_as_it_happens(
    node: RunningNode, workspace: Path
) -> None:
    def ask(text: str) -> list[Any]:
        options = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 400}
        sent = json.dumps(body(text, **options))
        url = f"{node.base_url}/chat/completions"
        command = ["curl", "-sN", url, "-H", "Content-Type: application/json", "-d", sent]
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=True)
        assert done.stdout.endswith("data: [DONE]\n\n")
        return events_of(done.stdout)

    def done(name: str, events: list[Any]) -> bool:
        written = content(workspace, name) == "hello world"
        return written and events[-2]["choices"][0]["finish_reason"] == "stop"

    events = tried(WRITE, ask, done)
    *chunks, last = events
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert not any("tool_calls" in delta for delta in deltas)
    lines = "".join(delta.get("reasoning_content", "") for delta in deltas).splitlines()
    assert all(line.startswith("[swarm] ") for line in lines)
    assert any(line.startswith("[swarm] write {") for line in lines)
    assert "".join(delta.get("content") or "" for delta in deltas).strip()
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    steps = last["usage"]["swarm"]["steps"]
    assert len(steps) >= 2
    assert last["usage"]["completion_tokens"] == sum(step["tokens"] for step in steps)
    assert last["usage"]["swarm"]["asked"] > 1, "every step is put to the vote"
    assert "write, run by this node: done" in node.said()


@pytest.mark.parametrize("model", ["swarm", "swarm-fast"])
def test_the_sdk_has_a_command_run_and_an_answer(
    node: RunningNode, workspace: Path, model: str
) -> None:
    with node.sdk() as sdk:

        def ask(text: str) -> Any:
            clear(workspace)
            sent: Any = body(text)["messages"]
            return sdk.chat.completions.create(model=model, messages=sent)

        said = tried(RUN, ask, lambda name, _: content(workspace, name) == "")
    (choice,) = said.choices
    assert choice.finish_reason == "stop"
    assert choice.message.content
    assert choice.message.tool_calls is None
    assert "bash" in said.usage.swarm["steps"][0]["calls"]


def test_the_sdk_streams_the_same(node: RunningNode, workspace: Path) -> None:
    wordings = ('Change "old" to "new" in app.py', 'In app.py, replace "old" with "new"')
    with node.sdk() as sdk:

        def ask(text: str) -> Any:
            (workspace / "app.py").write_text('name = "old"\nprint(name)\n')
            with sdk.chat.completions.stream(
                model="swarm", messages=[{"role": "user", "content": text}]
            ) as stream:
                list(stream)
                return stream.get_final_completion()

        after = 'name = "new"\nprint(name)\n'
        said = tried(wordings, ask, lambda *_: content(workspace, "app.py") == after)
    assert said.choices[0].finish_reason == "stop"
    assert said.choices[0].message.content


def test_a_plain_question_needs_no_tool(node: RunningNode) -> None:
    status, text = node.post("/v1/chat/completions", body("Who are you?"))
    said = json.loads(text)
    assert status == 200
    assert "swarm-nano" in said["choices"][0]["message"]["content"]
    assert [step["calls"] for step in said["usage"]["swarm"]["steps"]] == [[]]


def test_a_client_with_tools_runs_them_itself(node: RunningNode, workspace: Path) -> None:
    schema = {"content": {"type": "string"}, "filePath": {"type": "string"}}
    parameters = {"type": "object", "properties": schema, "required": list(schema)}
    tool = {"type": "function", "function": {"name": "write", "parameters": parameters}}
    options = {"tools": [tool], "tool_choice": "required", "max_tokens": 400}

    def ask(text: str) -> Any:
        return json.loads(node.post("/v1/chat/completions", body(text, **options))[1])

    theirs = tuple(wording.replace("{name}", "theirs-{name}") for wording in WRITE)
    said = tried(theirs, ask, lambda _, said: said["choices"][0]["finish_reason"] == "tool_calls")
    assert said["usage"]["swarm"]["steps"] == []
    assert not list(workspace.glob("theirs-*"))


@pytest.mark.needs("opencode")
def test_opencode_is_left_alone_and_so_is_its_request_for_a_title(
    node: RunningNode, workspace: Path, tmp_path: Path
) -> None:
    before = node.said().count("the agent has answered")
    ran = Client.of(node, tmp_path / "client").run("Who are you?")
    assert not ran.errors, ran.errors
    assert ran.text
    assert node.metric('swarm_requests_total{route="chat_completions",status="200"}') >= 2
    assert node.said().count("the agent has answered") == before


@contextlib.contextmanager
def running_command(node: RunningNode, seconds: int) -> Iterator[openai.Stream[Any]]:
    """The stream of an answer whose command runs, and would for that many seconds."""
    asked = body(f"Run the command sleep {seconds}", model="swarm-fast", stream=True)
    with node.sdk() as sdk:
        for _ in NAMES:
            stream = sdk.chat.completions.create(**asked)
            for chunk in stream:
                said = getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
                if f"sleep {seconds}" in said:
                    node.wait_until(lambda: commands(node, seconds), 25)
                    yield stream
                    return
    raise AssertionError("the model fell short")


def commands(node: RunningNode, seconds: int) -> list[psutil.Process]:
    below = psutil.Process(node.process.pid).children(recursive=True)
    return [each for each in below if typed(each)[-1:] == [f"sleep {seconds}"]]


def typed(process: psutil.Process) -> list[str]:
    """Its command line; nothing where it has gone."""
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def test_who_goes_away_ends_the_command(node: RunningNode) -> None:
    with running_command(node, 29) as stream:
        stream.close()
        node.wait_until(lambda: "bash, run by this node: cancelled" in node.said(), 25)
        node.wait_until(lambda: not commands(node, 29), 25)


def test_a_node_that_ends_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with (
        running_node(tmp_path, "--agent", "--workspace", str(tmp_path / "work")) as node,
        running_command(node, 28) as stream,
    ):
        running = commands(node, 28)
        assert node.end() == 0
        assert not psutil.wait_procs(running, 25)[1]
        with pytest.raises(openai.APIError, match="this node is shutting down"):
            list(stream)


def test_a_bound_of_the_owner_ends_the_work_in_words(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "swarm.toml").write_text("[agent_limits]\nsteps = 1\n")
    flags = ("--agent", "--workspace", str(tmp_path / "work"))
    with running_node(tmp_path, *flags) as node:

        def ask(text: str) -> Any:
            return json.loads(node.post("/v1/chat/completions", body(text))[1])

        said = tried(WRITE, ask, lambda _, said: said["choices"][0]["finish_reason"] == "length")
    assert "1 steps are the most" in said["choices"][0]["message"]["content"]
    assert list((tmp_path / "work").iterdir()) == [], "what nobody would read is not run"


def test_the_tools_of_another_tool_server_are_used(tmp_path: Path) -> None:
    token = "a-token-of-mine"
    for name in ("server", "agent", "work"):
        (tmp_path / name).mkdir()
    for name in ("server", "agent"):
        (tmp_path / name / "swarm.toml").write_text(f'tool_token = "{token}"\n')
    port = free_port()
    serving = ("--tool-server", "--tool-port", str(port), "--workspace", str(tmp_path / "work"))
    url = f"http://127.0.0.1:{port}"
    with (
        running_node(tmp_path / "server", *serving) as server,
        running_node(tmp_path / "agent", "--agent", "--tool-host", url) as node,
    ):
        tried(
            WRITE,
            lambda text: node.post("/v1/chat/completions", body(text)),
            lambda name, _: content(tmp_path / "work", name) == "hello world",
        )
        assert f"write, run by {url}: done" in node.said()
        assert "tool write ran here" in server.said()
        assert token not in node.said() + server.said()
