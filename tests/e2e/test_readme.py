"""The lines that the README tells a newcomer to type, typed against a running node."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from settings import Settings, read_settings
from tests.e2e.nodes import RunningNode

README = Path(__file__).parents[2] / "README.md"
MAKEFILE = README.with_name("Makefile")


def blocks(language: str) -> list[str]:
    """The README's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def at(node: RunningNode, text: str) -> str:
    """The same lines for the port of a test's node."""
    port = str(Settings.model_fields["port"].default)
    assert port in text
    return text.replace(port, str(node.port))


@pytest.mark.needs("curl")
def test_the_curl_lines_answer(nano: RunningNode) -> None:
    [lines] = [block for block in blocks("sh") if "curl" in block]
    typed = subprocess.run(
        ["bash", "-e", "-c", at(nano, lines)], capture_output=True, text=True, check=True
    )
    health, answer = re.split(r"(?<=})\s*(?={)", typed.stdout, maxsplit=1)
    assert json.loads(health)["status"] == "ok"
    assert json.loads(answer)["choices"][0]["message"]["content"]


def test_the_sdk_lines_answer(nano: RunningNode) -> None:
    [lines] = [block for block in blocks("python") if "OpenAI" in block]
    typed = subprocess.run(
        [sys.executable, "-c", at(nano, lines)], capture_output=True, text=True, check=True
    )
    assert typed.stdout.strip()


def test_the_settings_of_the_file_are_taken(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "swarm.toml").write_text("\n".join(blocks("toml")))
    monkeypatch.chdir(tmp_path)
    settings = read_settings([])
    assert settings.vote.weights == {"big-model": 3, "small-model": 0.5}
    assert settings.keys["laptop"].requests_per_minute == 30
    assert settings.of_model("qwen2.5-coder:7b:4bit").ctx == 16_384
    assert settings.tools.longest_s == 900


def test_the_commands_of_the_quick_start_are_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE))
    readme = README.read_text(encoding="utf-8")
    named = set(re.findall(r"^make ([a-z]+)\b|`make ([a-z]+)", readme, re.MULTILINE))
    assert {a or b for a, b in named} <= targets
