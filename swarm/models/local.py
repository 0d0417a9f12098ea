"""The models that a node can serve: the bundled one, named ones, those of a folder, upstream's."""

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from swarm.errors import ConfigurationError

BUNDLED_ID = "swarm-nano"
BUNDLED_PATH = Path(__file__).parent / "bundled" / f"{BUNDLED_ID}.gguf"

WORKING_BYTES = 512 << 20
"""Memory for the context and the engine itself, beside the weights: a cautious guess."""

_MAGIC = b"GGUF"
_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}$")
_FIRST_PART = re.compile(r"-00001(-of-\d{5})$")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A GGUF file, or the first of several parts, or an MLX folder.

    Its id for clients is the file's stem, or the folder's name.
    """

    id: str
    path: Path
    size_bytes: int
    format: Literal["gguf", "mlx"] = "gguf"

    def fits(self, memory_bytes: int) -> bool:
        """Whether weights and a working context fit into that much memory."""
        return self.size_bytes + WORKING_BYTES <= memory_bytes


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
    return _described(BUNDLED_PATH)


def named_model(name: str) -> LocalModel:
    """The model of a `--model` value. Raises ConfigurationError that says what works."""
    if name == BUNDLED_ID:
        return bundled_model()
    path = Path(name).expanduser()
    if path.is_dir():
        return _described_folder(path.resolve())
    if not path.is_file():
        raise ConfigurationError(_not_a_file(name))
    return _described(path)


def scan_models(folder: Path) -> tuple[LocalModel, ...]:
    """The GGUF models of a folder and below, largest first; no folder is no model.

    Later parts of a split model, projectors of other media and damaged files are left out.
    """
    found = [path for path in sorted(folder.rglob("*.gguf")) if _is_model(path)]
    models = [LocalModel(path.stem, path.resolve(), _size_bytes(path)) for path in found]
    return tuple(sorted(models, key=lambda model: -model.size_bytes))


def largest_that_fits(models: Sequence[LocalModel], memory_bytes: int) -> LocalModel | None:
    """The largest model for that much memory, if any."""
    fitting = [model for model in models if model.fits(memory_bytes)]
    return max(fitting, key=lambda model: model.size_bytes, default=None)


def _is_model(path: Path) -> bool:
    if _LATER_PART.search(path.stem) or path.stem.startswith("mmproj"):
        return False
    try:
        return _has_magic(path)
    except OSError:
        return False


def _described(path: Path) -> LocalModel:
    try:
        if not _has_magic(path):
            raise ConfigurationError(f"{path} is not a GGUF file, or it is damaged")
        return LocalModel(path.stem, path.resolve(), _size_bytes(path))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def _described_folder(path: Path) -> LocalModel:
    weights = list(path.glob("model*.safetensors"))
    if not weights or not (path / "config.json").is_file():
        raise ConfigurationError(
            f"{path} is a folder, but not an MLX model: that has config.json, tokenizer.json and "
            "model.safetensors; --models DIR looks for GGUF files in a folder"
        )
    size_bytes = sum(file.stat().st_size for file in weights)
    return LocalModel(path.name, path, size_bytes, "mlx")


def _size_bytes(path: Path) -> int:
    """The file's size, or that of all parts of a split model."""
    part = _FIRST_PART.search(path.stem)
    if part is None:
        return path.stat().st_size
    name = glob.escape(path.stem[: part.start()])
    return sum(p.stat().st_size for p in path.parent.glob(f"{name}-*{part[1]}.gguf"))


def _has_magic(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _not_a_file(name: str) -> str:
    if name.startswith("hf:"):
        return f"--model {name}: models are not downloaded yet; give the path of a GGUF file"
    if name.endswith(".gguf") or "/" in name:
        return f"--model {name}: there is no such file"
    return f"--model {name}: give the path of a GGUF file, or {BUNDLED_ID}, the bundled model"
