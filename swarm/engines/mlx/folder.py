"""What the files of an MLX folder say of the model, beside its weights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from swarm.errors import ModelLoadFailed

SAMPLING_KEYS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""Names in generation_config.json that are ours too."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The documents of a folder; a missing one is empty."""

    path: Path
    config: Mapping[str, Any]
    generation: Mapping[str, Any]
    tokenizer_config: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    chat_template: str | None

    def shape(self, name: str) -> Any:
        """A value of the configuration, or of its part for text; None where neither has it."""
        inner: Mapping[str, Any] = self.config.get("text_config") or {}
        return self.config.get(name, inner.get(name))

    def special(self, name: str) -> str:
        """A special token written out, such as `bos_token`; empty where there is none."""
        token: Any = self.tokenizer_config.get(name) or ""
        return token if isinstance(token, str) else str(token["content"])

    @property
    def end_ids(self) -> frozenset[int]:
        """The ids that the configurations call ends of a generation."""
        found: set[int] = set()
        for ends in (self.shape("eos_token_id"), self.generation.get("eos_token_id")):
            found |= {ends} if isinstance(ends, int) else set(ends or ())
        return frozenset(found)

    @property
    def sampling(self) -> dict[str, float]:
        """The model's own defaults."""
        return {
            name: float(self.generation[name])
            for name in SAMPLING_KEYS
            if self.generation.get(name) is not None
        }


def read_folder(path: Path) -> Folder:
    """Read what there is. Raises ModelLoadFailed where a file is missing or damaged."""
    template = _document(path / "chat_template.json").get("chat_template")
    tokenizer_config = _document(path / "tokenizer_config.json")
    return Folder(
        path,
        config=_needed(path / "config.json"),
        generation=_document(path / "generation_config.json"),
        tokenizer_config=tokenizer_config,
        tokenizer=_needed(path / "tokenizer.json"),
        chat_template=_written_template(path)
        or _chosen_template(template or tokenizer_config.get("chat_template")),
    )


def _needed(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        raise ModelLoadFailed(f"{file.parent} is not a whole MLX model: it has no {file.name}")
    return _document(file)


def _document(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadFailed(f"{file} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ModelLoadFailed(f"{file} is not a JSON object")
    return cast("Mapping[str, Any]", document)


def _written_template(path: Path) -> str | None:
    file = path / "chat_template.jinja"
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _chosen_template(source: Any) -> str | None:
    """The template, or of several named ones the default."""
    if not isinstance(source, list):
        return source
    named = {one["name"]: one["template"] for one in cast("list[dict[str, str]]", source)}
    return named.get("default") or next(iter(named.values()), None)
