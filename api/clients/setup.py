"""`main.py --opencode`: asks a node what it serves and writes OpenCode's configuration for it."""

import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from api.clients.jsonc import parse
from api.clients.opencode import PLACEHOLDER, Endpoint, layered, merged
from api.keyring import kept_key_file, key_file, read_key, write_key
from api.listening import LAN, base_url, is_unspecified, lan_address
from api.own_node import NodeRefusedError, key_header, known_keys, no_node, told_by, with_a_key
from api.shell import environment_line
from private_files import replace_file
from settings import Settings
from swarm.errors import ConfigurationError, SwarmError

GLOBAL = "global"
_NAMES = ("opencode.json", "opencode.jsonc")
"""In a folder's files the later one counts."""
_PATIENCE_S = 10.0


def set_up_opencode(settings: Settings, environ: Mapping[str, str], platform: str) -> str:
    """Write the configuration that the settings ask for; what was done, for the person.

    `platform` decides the words for their shell.

    Raises ConfigurationError where no node answers or the file cannot be changed.
    """
    url = base_url(_address(settings.host), settings.port)
    keys = known_keys(settings, _address(settings.host))
    try:
        key, models = with_a_key(keys, lambda key: (key, served_models(url, key)))
    except NodeRefusedError as error:
        raise SwarmError(f"{url}: {error}") from None
    file = None if key is None else _kept(settings, key)
    reference = PLACEHOLDER if file is None else f"{{file:{file.as_posix()}}}"
    path = place(settings.opencode or ".", environ)
    endpoint = Endpoint(url, models, reference, settings.state.absolute())
    said = write(path, endpoint, read_before(path, environ))
    return "\n".join(
        [
            f"{path}: {len(said)} changes" if said else f"{path}: nothing to change",
            *(f"  {line}" for line in said),
            *(f"  model      {name}: context {tokens}" for name, tokens in models.items()),
            "  any client " + environment_line(platform, url, file or PLACEHOLDER),
        ]
    )


def write(path: Path, endpoint: Endpoint, others: Sequence[Path] = ()) -> list[str]:
    """Put the endpoint into a configuration file, made where there is none; what was done.

    `others` are the files that count where this one says nothing.
    """
    path = path.resolve()  # a link stays one
    below = layered(_read(other) for other in others if other.resolve() != path)
    try:
        old = path.read_bytes() if path.exists() else b""
        text, said = merged(old.decode(), endpoint, below)
        if text.encode() != old:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, text.encode())
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8: {error}; nothing was written") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}; nothing was written") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}") from None
    return said


def _read(path: Path) -> str:
    """The text of a configuration that is only looked at; raises where OpenCode fails too."""
    try:
        text = path.read_text("utf-8") if path.exists() else ""
        parse(text or "{}")
    except (OSError, UnicodeDecodeError, ConfigurationError) as error:
        raise ConfigurationError(f"{path}: {error}; nothing was written") from None
    return text


def place(where: str, environ: Mapping[str, str]) -> Path:
    """The file of a folder, or of all projects: of those that are there, what is read last."""
    if where == GLOBAL:
        folder = _global_folder(environ)
    else:
        folder = Path(where).expanduser().absolute()
        if not folder.is_dir():
            raise ConfigurationError(f"--opencode {where}: there is no such folder")
    there = [folder / name for name in _NAMES if (folder / name).exists()]
    return there[-1] if there else folder / "opencode.json"


def read_before(path: Path, environ: Mapping[str, str]) -> list[Path]:
    """The files that OpenCode merges before this one, in its order.

    Those of all projects, then those of each folder from the repository's root down to the project;
    from the disk's root down where there is no repository.
    """
    common = _global_folder(environ)
    files = [common / name for name in ("config.json", *_NAMES)]
    if path.parent != common:
        above = [path.parent, *path.parent.parents]
        root = next((at for at, each in enumerate(above) if (each / ".git").exists()), -1)
        files += [each / name for each in above[root::-1] for name in _NAMES]
    return files[: files.index(path)]


def _global_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "opencode"


def served_models(url: str, key: str | None) -> dict[str, int]:
    """The ids that OpenCode shall offer with their contexts, as the node at `url` tells them.

    The vote and one worker of the default model, and every other model that was loaded: of one
    that never was, nobody knows the context.
    """
    told = _models(url, key)
    known = {model["id"]: model for model in told if model.get("context_length")}
    if "swarm" not in known or "swarm-fast" not in known:
        raise ConfigurationError(
            f"the node at {url} has not loaded its model yet, or this key may not use it"
        )
    default = known["swarm"]["root"]
    return {
        name: int(model["context_length"])
        for name, model in known.items()
        if name in ("swarm", "swarm-fast") or model["root"] != default
    }


def _models(url: str, key: str | None) -> list[dict[str, Any]]:
    request = urllib.request.Request(f"{url}/models", headers=key_header(key))  # noqa: S310 - http
    where = f"at {url}"
    try:
        told = told_by(request, _PATIENCE_S, where=where)
        return [dict(model) for model in told["data"]]
    except (LookupError, TypeError, ValueError):
        raise no_node(where, "it names no models") from None


def _kept(settings: Settings, key: str) -> Path:
    """A file, readable by its owner only, that holds the key: the configuration names it."""
    own = key_file(settings.state)
    if read_key(own) == key:
        return own.absolute()
    file = kept_key_file(settings.state, _address(settings.host), settings.port)
    write_key(file, key)
    return file.absolute()


def _address(host: str) -> str:
    if host.lower() == LAN:
        return lan_address(f"--host {LAN}")
    return "127.0.0.1" if is_unspecified(host) else host
