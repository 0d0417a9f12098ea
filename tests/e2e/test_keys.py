"""A node that is open to the network: its key, its limits, and the commands on its own machine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from api.listening import LAN, base_url, lan_address
from swarm.errors import ConfigurationError
from tests.e2e.nodes import ROOT, RunningNode, running_node

HELLO: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


def lan() -> str:
    try:
        return lan_address("--host lan")
    except ConfigurationError:
        return ""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    folder = tmp_path_factory.mktemp("opened")
    host = LAN if lan() else "0.0.0.0"
    with running_node(folder, "--host", host, "--state", str(folder / "state")) as node:
        yield node


def key_of(node: RunningNode) -> str:
    return (node.output.parent / "state" / "api-key").read_text().strip()


def typed(node: RunningNode, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    state = ["--state", str(node.output.parent / "state"), "--port", str(node.port)]
    command = [sys.executable, str(ROOT / "main.py"), *flags, *state]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_made_key_is_shown_once_and_opens_the_door(opened: RunningNode) -> None:
    key = key_of(opened)
    assert opened.said().count(key) == 1
    address = lan() or "127.0.0.1"
    for host in {address, "127.0.0.1"}:
        url = base_url(host, opened.port)
        with openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=60) as sdk:
            with pytest.raises(openai.AuthenticationError):
                sdk.with_options(api_key="none").models.list()
            said = sdk.chat.completions.create(model="swarm-fast", messages=HELLO, max_tokens=4)
            assert said.choices


def test_metrics_and_diagnostics_stand_behind_the_key(opened: RunningNode) -> None:
    assert opened.get("/metrics")[0] == 401
    assert opened.get("/v1/federation/diagnostics")[0] == 401
    assert opened.get("/health")[0] == 200


def test_commands_on_this_machine_know_the_key(opened: RunningNode, tmp_path: Path) -> None:
    told = typed(opened, tmp_path, "--diagnose")
    assert told.returncode == 0, told.stderr
    assert "--no-federation" in told.stdout


def test_opencodes_configuration_refers_to_the_key(opened: RunningNode, tmp_path: Path) -> None:
    done = typed(opened, tmp_path, "--opencode")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "opencode.json").read_text()
    options = json.loads(text)["provider"]["swarm"]["options"]
    state = opened.output.parent / "state"
    assert options["apiKey"] == f"{{file:{state / 'api-key'}}}"
    assert key_of(opened) not in text + done.stdout


def test_the_configuration_of_another_machine_names_this_ones_address(
    opened: RunningNode, tmp_path: Path
) -> None:
    key = key_of(opened)
    elsewhere = ["--state", str(tmp_path / "elsewhere"), "--port", str(opened.port), "--key", key]
    host = LAN if lan() else "127.0.0.1"
    command = [sys.executable, str(ROOT / "main.py"), "--opencode", "--host", host, *elsewhere]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60, stdout=subprocess.DEVNULL)
    text = (tmp_path / "opencode.json").read_text()
    options = json.loads(text)["provider"]["swarm"]["options"]
    assert options["baseURL"] == base_url(lan() or "127.0.0.1", opened.port)
    assert (tmp_path / "elsewhere" / "keys").is_dir()
    assert key not in text


def test_a_changed_settings_file_ends_no_stream(tmp_path: Path, endless_model: Path) -> None:
    (tmp_path / "swarm.toml").write_text('[keys]\nold = "sk-old-12345"\n')
    with running_node(tmp_path, "--model", str(endless_model)) as node, node.sdk() as sdk:
        old = sdk.with_options(api_key="sk-old-12345")
        stream = old.chat.completions.create(
            model="swarm-fast", messages=HELLO, stream=True, max_tokens=4000
        )
        chunks = iter(stream)
        next(chunks)
        (tmp_path / "swarm.toml").write_text('[keys]\nnew = "sk-new-12345"\n')
        node.wait_until(lambda: "in force now" in node.said(), 60)
        with pytest.raises(openai.AuthenticationError):
            old.models.list()
        assert sdk.with_options(api_key="sk-new-12345").models.list().data
        assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "length"
