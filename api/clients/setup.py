"""`main.py --opencode`: asks a node what it serves and writes OpenCode's configuration for it."""

import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from api.clients.jsonc import parse
from api.clients.opencode import PLACEHOLDER, Endpoint, Source, layered, merged
from api.keyring import kept_key_file, key_file, read_key, write_key
from api.listening import LAN, base_url, is_unspecified, lan_address
from api.own_node import NodeRefusedError, key_header, known_keys, no_node, told_by, with_a_key
from api.shell import environment_line
from private_files import replace_file
from settings import Settings
from swarm.errors import ConfigurationError, SwarmError
from swarm.places import at_home, check_home

GLOBAL = "global"
_NAMES = ("opencode.json", "opencode.jsonc")
"""The names of OpenCode's own files in a folder; where both are there, the later one counts."""
_FOLDER = ".opencode"
_CONTENT = "OPENCODE_CONFIG_CONTENT"
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
    said = write(path, endpoint, read_before(path, environ), told_after(path, environ))
    return "\n".join(
        [
            f"{path}: {len(said)} changes" if said else f"{path}: nothing to change",
            *(f"  {line}" for line in said),
            *(f"  model      {name}: context {tokens}" for name, tokens in models.items()),
            "  any client " + environment_line(platform, url, file or PLACEHOLDER),
        ]
    )


def write(
    path: Path, endpoint: Endpoint, others: Sequence[Path] = (), above: Sequence[Source] = ()
) -> list[str]:
    """Put the endpoint into a configuration file, made where there is none; what was done.

    `others` are the files that count where this one says nothing, `above` is what counts over it.
    """
    path = path.resolve()  # a link stays one
    below = layered(_read(other) for other in others if other.resolve() != path)
    try:
        old = path.read_bytes() if path.exists() else b""
        text, said = merged(old.decode(), endpoint, below, above)
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
        check_home(folder, "name a folder in XDG_CONFIG_HOME")
    else:
        folder = at_home(Path(where)).absolute()
        if not folder.is_dir():
            raise ConfigurationError(f"--opencode {where}: there is no such folder")
    there = [folder / name for name in _NAMES if (folder / name).exists()]
    return there[-1] if there else folder / "opencode.json"


def read_before(path: Path, environ: Mapping[str, str]) -> list[Path]:
    """The files that OpenCode merges before this one, in its order.

    Those of all projects, the one that its variable names, then those of each folder from the
    repository's root down to the project.
    """
    common = _global_folder(environ)
    files = [common / name for name in ("config.json", *_NAMES)]
    if path.parent != common:
        files += _named(environ)
        files += [folder / name for folder in reversed(_up(path.parent)) for name in _NAMES]
    return files[: files.index(path)]


def read_after(path: Path, environ: Mapping[str, str]) -> list[Path]:
    """The files that OpenCode merges after this one, in its order: what they say counts over it.

    Those in the folders of its name from the project up to the repository's root, so that the one
    above counts more, then in the person's home if they have one, then in the folder that its
    variable names. Of all projects none is known, so there the files of a project are left out.
    """
    if path.parent == _global_folder(environ):
        files, folders = _named(environ), list[Path]()
    else:
        files, folders = [], [folder / _FOLDER for folder in _up(path.parent)]
    if (home := at_home(Path("~/" + _FOLDER))).is_absolute():  # the system knows one
        folders.append(home)
    if named := environ.get("OPENCODE_CONFIG_DIR"):
        folders.append(Path(named).absolute())
    files += [folder / name for folder in dict.fromkeys(folders) for name in _NAMES]
    return files[files.index(path) + 1 :] if path in files else files


def told_after(path: Path, environ: Mapping[str, str]) -> list[Source]:
    """What counts over this file: what the files after it say, then OpenCode's variable."""
    files = [each for each in read_after(path, environ) if each.resolve() != path.resolve()]
    told = [(str(each), layered([_read(each)])) for each in files]
    try:
        content = layered([environ.get(_CONTENT, "")])
    except ConfigurationError as error:
        raise ConfigurationError(f"${_CONTENT}: {error}; nothing was written") from None
    return [*told, (f"${_CONTENT}", content)]


def _named(environ: Mapping[str, str]) -> list[Path]:
    named = environ.get("OPENCODE_CONFIG")
    return [Path(named).absolute()] if named else []


def _up(folder: Path) -> list[Path]:
    """The folder and those above it, up to the repository's root, else to the disk's."""
    above = [folder, *folder.parents]
    root = next((at for at, each in enumerate(above) if (each / ".git").exists()), len(above) - 1)
    return above[: root + 1]


def _global_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or at_home(Path("~/.config"))) / "opencode"


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
    state = settings.state.absolute()
    own = key_file(state)
    kept = kept_key_file(state, _address(settings.host), settings.port)
    file = own if read_key(own) == key else kept
    try:
        str(file).encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"{state}: its name is no UTF-8, so OpenCode's configuration cannot name a key there; "
            "choose another folder with --state DIR"
        ) from None
    if file == kept:
        write_key(kept, key)
    return file


def _address(host: str) -> str:
    if host.lower() == LAN:
        return lan_address(f"--host {LAN}")
    return "127.0.0.1" if is_unspecified(host) else host
