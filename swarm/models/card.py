"""What is known of a model before its file is here: shape, files, sampling, licence, and by whom.

Cards are read from TOML, ours and the owner's; what stands in no public source is left out.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from mistakes import first_mistake
from swarm.errors import ConfigurationError
from swarm.models.memory import Shape

MemoryKind: TypeAlias = Literal["full", "sliding", "recurrent", "hybrid"]
Format: TypeAlias = Literal["gguf", "mlx"]
Purpose: TypeAlias = Literal["code", "chat", "completion"]

LARGEST_VOCABULARY = 262_144
"""What is assumed of a card that names no vocabulary: the largest in use (Gemma's)."""

MLX_GROUP_BITS = 0.5
"""mlx-lm quantises in groups of 64 with a scale and a bias of 16 bits: that much more a weight."""

MLX_KEPT_BITS = 16.0
"""What is not quantised stays in half precision."""


@dataclass(frozen=True, slots=True)
class Release:
    """One quantisation of a model as somebody published it.

    `quantisation` is the word of our ids (4bit), `name` the publisher's (Q4_K_M). The first of the
    `files` is the one to load; none means all of the repository, as for MLX. `size_bytes` is None
    where no source tells it.
    """

    quantisation: str
    name: str
    format: Format
    repository: str
    files: tuple[str, ...] = ()
    size_bytes: int | None = None
    revision: str | None = None

    @property
    def bits(self) -> int:
        """Bits of a weight, as the id says it."""
        return int(self.quantisation.removesuffix("bit"))


@dataclass(frozen=True, slots=True)
class Card:
    """One model of one size. `sources` are the public pages that the entry was checked against.

    `active_parameters` is smaller than `parameters` for mixtures of experts. What is None stands in
    no source; of the shape and the context the file's own header tells, once it is here. What is
    for completion goes on with texts, and was not trained to answer. `year` is when it came out.
    """

    family: str
    size: str
    parameters: int
    active_parameters: int
    context_tokens: int | None
    memory: MemoryKind
    shape: Shape | None
    releases: tuple[Release, ...]
    sources: tuple[str, ...]
    licence: str | None
    purpose: Purpose
    tool_calls: str | None
    sampling: Mapping[str, float]
    year: int | None = None

    @property
    def id(self) -> str:
        return f"{self.family}:{self.size}"

    def named(self, release: Release) -> str:
        """The full id of one release, such as `qwen2.5-coder:7b:4bit`."""
        return f"{self.id}:{release.quantisation}"

    def of(self, wanted: Format) -> tuple[Release, ...]:
        """The releases of a format, finest first."""
        fitting = [release for release in self.releases if release.format == wanted]
        return tuple(sorted(fitting, key=lambda release: -release.bits))

    def size_bytes(self, release: Release) -> int:
        """The release's size, estimated from bits and parameters where no source tells it."""
        if release.size_bytes is not None:
            return release.size_bytes
        bits = release.bits + MLX_GROUP_BITS if release.bits < 16 else MLX_KEPT_BITS
        return int(self.parameters * bits / 8)


def read_cards(path: Path) -> tuple[Card, ...]:
    """The cards of one TOML file. Raises ConfigurationError that names the file and the field."""
    try:
        family = _Family.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {first_mistake(error, '')}") from None
    return tuple(_card(family, model) for model in family.models)


def _card(family: "_Family", model: "_Model") -> Card:
    return Card(
        family=family.family,
        size=model.size,
        parameters=model.parameters,
        active_parameters=model.active_parameters or model.parameters,
        context_tokens=model.context_tokens,
        memory=model.memory,
        shape=model.shape.shape() if model.shape else None,
        releases=tuple(_release(release) for release in model.releases),
        sources=tuple(model.sources + family.sources),
        licence=model.licence or family.licence,
        purpose=model.purpose or family.purpose,
        tool_calls=family.tool_calls,
        sampling=model.sampling or family.sampling,
        year=model.year or family.year,
    )


def _release(release: "_Release") -> Release:
    return Release(
        release.quantisation,
        release.name or release.quantisation,
        release.format,
        release.repository,
        tuple(release.files),
        release.size_bytes,
        release.revision,
    )


_Word: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
_Repository: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Shape(_Strict):
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_width: int = Field(gt=0)
    value_width: int | None = Field(None, ge=0)
    attention_layers: int | None = Field(None, gt=0)
    state_values: int = Field(0, ge=0)
    vocabulary: int = Field(LARGEST_VOCABULARY, gt=0)

    def shape(self) -> Shape:
        widths = self.head_width + (
            self.head_width if self.value_width is None else self.value_width
        )
        return Shape(
            layers=self.layers,
            heads=self.heads,
            cached_values=(self.attention_layers or self.layers) * self.kv_heads * widths,
            vocabulary=self.vocabulary,
            state_values=self.state_values,
        )


class _Release(_Strict):
    quantisation: Annotated[str, StringConstraints(pattern=r"^\d+bit$")]
    name: str = ""
    format: Format
    repository: _Repository
    files: list[str] = Field(default_factory=list[str])
    size_bytes: int | None = Field(None, gt=0)
    revision: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None


class _Model(_Strict):
    size: _Word
    parameters: int = Field(gt=0)
    active_parameters: int | None = Field(None, gt=0)
    context_tokens: int | None = Field(None, ge=256)
    memory: MemoryKind = "full"
    shape: _Shape | None = None
    releases: list[_Release] = Field(min_length=1)
    sources: list[str] = Field(min_length=1)
    licence: str | None = None
    purpose: Purpose | None = None
    sampling: dict[str, float] | None = None
    year: int | None = Field(None, ge=2017)


class _Family(_Strict):
    family: _Word
    licence: str | None = None
    year: int | None = Field(None, ge=2017)
    purpose: Purpose = "chat"
    tool_calls: str | None = None
    sampling: dict[str, float] = Field(default_factory=dict[str, float])
    sources: list[str] = Field(default_factory=list[str])
    models: list[_Model] = Field(min_length=1)
