"""The models that a node can serve: the bundled one, named ones, those of a folder, upstream's."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from stat import S_ISREG
from typing import Literal, TypeAlias

from swarm.errors import ConfigurationError
from swarm.ids import is_taken
from swarm.models.card import Format
from swarm.models.header import other_than_model
from swarm.models.wanted import Wanted

logger = logging.getLogger(__name__)

BUNDLED_ID = "swarm-nano"
BUNDLED_PATH = Path(__file__).parent / "bundled" / f"{BUNDLED_ID}.gguf"

WEIGHTS = ".safetensors"
"""Ending of the files with an MLX model's weights."""

_MAGIC = b"GGUF"
_TAKEN = "%s cannot be asked for: %s means the default model of a node; rename it"
_PART = re.compile(r"(.*)-\d{5}-of-(\d{5})(\.gguf|\.safetensors)")
_HUB_REPOSITORY = re.compile(r"models--.+--(.+)")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A GGUF file, or the first of several parts, or the folder of an MLX model.

    Its id for clients is the stem of the file, the folder's name (in the hub's cache its
    repository's), both as far as they are printable, or what the owner asked for. `path` may be a
    link, whose name is the model's. `sampling` is what a card recommends, `tool_calls` how the
    model writes calls by its card; what the file itself says comes before both.
    """

    id: str
    path: Path
    size_bytes: int
    format: Format = "gguf"
    sampling: Mapping[str, float] = field(default_factory=dict[str, float])
    tool_calls: str | None = None


@dataclass(frozen=True, slots=True)
class UpstreamModel:
    """A model that another server runs: its id for clients, and `wanted`, the server's, if said."""

    id: str
    url: str
    wanted: str | None = None
    size_bytes: int = 0
    format: Literal["upstream"] = "upstream"


AnyModel: TypeAlias = LocalModel | UpstreamModel


def printable_id(name: str) -> str:
    """The name with `-` for each character that cannot be shown, and each byte that isn't UTF-8:
    ids stand in logs and metrics, and peers refuse such names.
    """
    return "".join(letter if letter.isprintable() else "-" for letter in name)


def upstream_models(url: str, names: Sequence[str]) -> tuple[UpstreamModel, ...]:
    """The models of an `--engine` address: those that are named, else the first it lists."""
    if not names:
        return (UpstreamModel("upstream", url),)
    return tuple(UpstreamModel(name, url, name) for name in dict.fromkeys(names))


def bundled_model() -> LocalModel:
    """The small model that comes with the program. Raises ConfigurationError if it is missing."""
    return described(BUNDLED_PATH)


def described(path: Path) -> LocalModel:
    """The model in a GGUF file. Raises ConfigurationError for a damaged or foreign one, for one of
    several parts that are not all here, and for a name that means the default model.
    """
    return _named_model(_gguf_model(path))


def _gguf_model(path: Path) -> LocalModel:
    try:
        return _whole_gguf_model(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def _whole_gguf_model(path: Path) -> LocalModel:
    if not S_ISREG(path.stat().st_mode):  # nobody may ever write into a pipe
        raise ConfigurationError(f"{path} is no file")
    if not _has_magic(path):
        raise ConfigurationError(f"{path} is not a GGUF file, or it is damaged")
    if other := other_than_model(path):
        raise ConfigurationError(f"{path} is no model, but {other}")
    place = _file_place(path)
    for part in parts_of(place):
        if not part.is_file():
            raise ConfigurationError(f"{path} is not whole: {part.name} is missing")
    return LocalModel(path.stem, place, size_bytes(place))


def _file_place(path: Path) -> Path:
    """The file from the root on. A link stays one, unless the parts lie beside what it leads to:
    that may be named by a hash, as in the hub's cache, and the engine finds parts by the name.
    """
    place, goal = path.parent.resolve() / path.name, path.resolve()
    names = part_names(place.name)
    beside = all(place.with_name(name).exists() for name in names)
    return place if beside and len(names) >= len(part_names(goal.name)) else goal


def mlx_model(folder: Path) -> LocalModel:
    """The MLX model in a folder. Raises ConfigurationError where there is none, and for a name that
    means the default model.
    """
    return _named_model(_mlx_model(folder))


def _mlx_model(folder: Path) -> LocalModel:
    try:
        return _whole_mlx_model(folder)
    except OSError as error:  # such as a link to what is gone
        raise ConfigurationError(f"{folder} cannot be read: {error.strerror}") from error


def _whole_mlx_model(folder: Path) -> LocalModel:
    weights = [path.stat().st_size for path in folder.glob(f"*{WEIGHTS}")]
    if not weights or not (folder / "config.json").is_file():
        raise ConfigurationError(
            f"{folder} holds no MLX model: that is a folder with config.json and *.safetensors; "
            "for a GGUF model name the file"
        )
    if missing := _listed_weights(folder) - {path.name for path in folder.glob(f"*{WEIGHTS}")}:
        raise ConfigurationError(f"{folder} is not whole: {min(missing)} is missing")
    place = _folder_place(folder)
    return LocalModel(_folder_name(place), place, sum(weights), "mlx")


def _folder_place(folder: Path) -> Path:
    """The folder from the root on; a link stays one, for its name is the owner's."""
    if folder.name in ("", ".."):
        return folder.resolve()
    return folder.parent.resolve() / folder.name


def _folder_name(folder: Path) -> str:
    """A folder's name. In the hub's cache that is a commit, and the repository above tells more."""
    snapshots = folder.parent
    repository = _HUB_REPOSITORY.fullmatch(snapshots.parent.name)
    return repository[1] if repository and snapshots.name == "snapshots" else folder.name


def _listed_weights(folder: Path) -> set[str]:
    """The files that the index of a model of several files names."""
    index = folder / f"model{WEIGHTS}.index.json"
    if not index.is_file():
        return set()
    try:
        told = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return set(map(str, told))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"{index} is damaged: {error}") from error


def brought_model(wanted: Wanted, path: Path) -> LocalModel:
    """What was wanted and is here now: a GGUF file, or the folder of an MLX model.

    Raises ConfigurationError for a folder without one.
    """
    found = _mlx_model(path) if path.is_dir() else LocalModel(wanted.id, path, size_bytes(path))
    return replace(found, id=wanted.id, sampling=wanted.sampling, tool_calls=wanted.tool_calls)


def scan_models(folder: Path) -> tuple[LocalModel, ...]:
    """The GGUF files and MLX folders in a folder and below, largest first; without a folder, none.

    Later parts of a split model, what isn't a model by itself, what is damaged or not whole, and
    what cannot be asked for by its name are left out.
    """
    models = [model for model in _gguf_models(folder) + _mlx_models(folder) if _is_askable(model)]
    return tuple(sorted(_with_printable_ids(models), key=lambda model: -model.size_bytes))


def _is_askable(model: LocalModel) -> bool:
    if is_taken(model.id):
        logger.warning(_TAKEN, model.path, model.id)
    return not is_taken(model.id)


def _named_model(model: LocalModel) -> LocalModel:
    if is_taken(model.id):
        raise ConfigurationError(_TAKEN % (model.path, model.id))
    return _with_printable_ids([model])[0]


def _with_printable_ids(models: Sequence[LocalModel]) -> list[LocalModel]:
    """The same; names that become alike by it get a number."""
    taken = {model.id for model in models if model.id.isprintable()}
    told: list[LocalModel] = []
    for model in models:
        if not model.id.isprintable():
            plain = printable_id(model.id)
            numbered = (f"{plain}-{number}" for number in count(2))
            free = next(name for name in chain([plain], numbered) if name not in taken)
            taken.add(free)
            model = replace(model, id=free)  # noqa: PLW2901 - the same model
        told.append(model)
    return told


def _gguf_models(folder: Path) -> list[LocalModel]:
    models: list[LocalModel] = []
    for path in sorted(folder.rglob("*.gguf")):
        if part_names(path.name)[0] != path.name:
            continue
        try:
            models.append(_gguf_model(path))
        except ConfigurationError as error:
            logger.debug("%s", error)
    return models


def _mlx_models(folder: Path) -> list[LocalModel]:
    models: list[LocalModel] = []
    for configuration in sorted(folder.rglob("config.json")):
        try:
            models.append(_mlx_model(configuration.parent))
        except ConfigurationError as error:
            logger.debug("%s", error)
    return models


def size_bytes(path: Path) -> int:
    """A file's size, or that of all parts of a split model."""
    return sum(part.stat().st_size for part in parts_of(path))


def parts_of(path: Path) -> list[Path]:
    """The file, or all parts of a split model of which it is the first, here or not."""
    return [path.with_name(name) for name in part_names(path.name)]


def part_names(name: str) -> tuple[str, ...]:
    """The name itself, or those of all parts where it is that of one of them."""
    split = _PART.fullmatch(name)
    if split is None:
        return (name,)
    count = max(1, int(split[2]))
    return tuple(f"{split[1]}-{part:05}-of-{split[2]}{split[3]}" for part in range(1, count + 1))


def _has_magic(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC
