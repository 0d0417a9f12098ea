"""Messages and tools to prompt text by the template that the weights file carries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATE_FILE = Path(__file__).with_name("template.jinja")
Message = dict[str, Any]
Tool = dict[str, Any]


def as_json(value: Any) -> str:
    """JSON as the model reads and writes it: python's separators, characters kept."""
    return json.dumps(value, ensure_ascii=False)


def compile_template(source: str) -> Template:
    """A sandboxed template with the settings that chat templates expect."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = as_json
    return environment.from_string(source)


def load_template() -> Template:
    """What the next weights are trained with."""
    return compile_template(TEMPLATE_FILE.read_text(encoding="utf-8"))


def template_of(weights: Path) -> Template:
    """What a GGUF file was trained with. Raises KeyError where it carries no template."""
    return compile_template(gguf.GGUFReader(weights).fields["tokenizer.chat_template"].contents())


def render(
    template: Template, messages: list[Message], tools: list[Tool], *, open_answer: bool
) -> str:
    """The prompt text; `open_answer` ends it with the start of an assistant turn."""
    return template.render(messages=messages, tools=tools, add_generation_prompt=open_answer)
