"""The models that a node can serve: the bundled one, named ones, those of a folder, upstream's."""

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from swarm.errors import ConfigurationError
from swarm.models.card import Format

BUNDLED_ID = "swarm-nano"
BUNDLED_PATH = Path(__file__).parent / "bundled" / f"{BUNDLED_ID}.gguf"

_MAGIC = b"GGUF"
_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}$")
_FIRST_PART = re.compile(r"-00001(-of-\d{5})$")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A GGUF file, or the first of several parts, or the folder of an MLX model.

    Its id for clients is the stem of the file, the folder's name, or what the owner asked for.
    `sampling` is what a card recommends; what the file itself says comes before it.
    """

    id: str
    path: Path
    size_bytes: int
    format: Format = "gguf"
    sampling: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class UpstreamModel:
    """A model that another server runs: its id for clients, and `wanted`, the server's, if said."""

    id: str
    url: str
    wanted: str | None = None
    size_bytes: int = 0
    format: Literal["upstream"] = "upstream"


AnyModel: TypeAlias = LocalModel | UpstreamModel


def upstream_models(url: str, names: Sequence[str]) -> tuple[UpstreamModel, ...]:
    """The models of an `--engine` address: those that are named, else the first it lists."""
    if not names:
        return (UpstreamModel("upstream", url),)
    return tuple(UpstreamModel(name, url, name) for name in dict.fromkeys(names))


def bundled_model() -> LocalModel:
    """The small model that comes with the program. Raises ConfigurationError if it is missing."""
    return described(BUNDLED_PATH)


def described(path: Path) -> LocalModel:
    """The model in a GGUF file. Raises ConfigurationError for a damaged or foreign one."""
    try:
        if not _has_magic(path):
            raise ConfigurationError(f"{path} is not a GGUF file, or it is damaged")
        return LocalModel(path.stem, path.resolve(), size_bytes(path))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def mlx_model(folder: Path) -> LocalModel:
    """The MLX model in a folder. Raises ConfigurationError where there is none."""
    weights = [path.stat().st_size for path in folder.glob("*.safetensors")]
    if not weights or not (folder / "config.json").is_file():
        raise ConfigurationError(
            f"{folder} holds no MLX model: that is a folder with config.json and *.safetensors; "
            "for a GGUF model name the file"
        )
    return LocalModel(folder.resolve().name, folder.resolve(), sum(weights), "mlx")


def scan_models(folder: Path) -> tuple[LocalModel, ...]:
    """The GGUF models of a folder and below, largest first; no folder is no model.

    Later parts of a split model, projectors of other media and damaged files are left out.
    """
    found = [path for path in sorted(folder.rglob("*.gguf")) if _is_model(path)]
    models = [LocalModel(path.stem, path.resolve(), size_bytes(path)) for path in found]
    return tuple(sorted(models, key=lambda model: -model.size_bytes))


def _is_model(path: Path) -> bool:
    if _LATER_PART.search(path.stem) or path.stem.startswith("mmproj"):
        return False
    try:
        return _has_magic(path)
    except OSError:
        return False


def size_bytes(path: Path) -> int:
    """A file's size, or that of all parts of a split model."""
    part = _FIRST_PART.search(path.stem)
    if part is None:
        return path.stat().st_size
    name = glob.escape(path.stem[: part.start()])
    return sum(p.stat().st_size for p in path.parent.glob(f"{name}-*{part[1]}.gguf"))


def _has_magic(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC
