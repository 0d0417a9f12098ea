"""The keys of the client door: who shows one, what it may do, what it has used."""

import logging
import os
import secrets
import stat
import time
import tomllib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from api.generated import Generated
from api.limits import Meter
from guard import Refusal, holder
from private_files import STATE_ADVICE, make_private_folder, write_private
from settings import SECRET, TOML_FILE, KeySettings, Settings
from swarm.engines.base import Event, Recounted, Started
from swarm.errors import ConfigurationError, UnknownModel, in_words

logger = logging.getLogger(__name__)

MADE = "made"
"""The name of the key that a node makes for itself."""

ANYONE = "anyone"
"""Who speaks where there are no keys."""


@dataclass(slots=True)
class Caller:
    """Who speaks: the name of a key, the models that it may use (None: all), its meter."""

    name: str
    models: tuple[str, ...] | None
    meter: Meter
    clock: Callable[[], float]
    has_key: bool = True

    @property
    def may_run_tools(self) -> bool:
        """Whether it may have tools run: a key for some models is for no more than those."""
        return self.models is None

    def must_be_allowed(self, model: str) -> None:
        """Raise UnknownModel for an id that this key may not use: for it, it is not there."""
        if self.models is not None and model not in self.models:
            raise UnknownModel(model, self.models)

    def has_read(self, tokens: int) -> None:
        """Tokens that were read are the caller's; less than 0 takes some back."""
        self.meter.used(prompt_tokens=tokens, now_s=self.clock())

    def has_written(self, tokens: int) -> None:
        """Tokens that were generated are the caller's; less than 0 takes some back."""
        self.meter.used(completion_tokens=tokens, now_s=self.clock())

    async def counted(self, events: AsyncGenerator[list[Event]]) -> AsyncGenerator[list[Event]]:
        """The same events; their tokens, also of an answer that breaks off, are the caller's."""
        generated = Generated()
        async with aclosing(events):
            async for step in events:
                for event in step:
                    if isinstance(event, Started):
                        self.has_read(event.prompt_tokens)
                    elif isinstance(event, Recounted):
                        self.has_read(event.more_prompt)
                    elif more := generated.hear(event):
                        self.has_written(more)
                yield step


@dataclass(slots=True)
class Keyring:
    """The keys that hold now; none: everybody may enter. What a key has used outlives `hold`."""

    clock: Callable[[], float] = time.monotonic
    _keys: Mapping[str, KeySettings] = field(default_factory=dict[str, KeySettings])
    _meters: dict[str, Meter] = field(default_factory=dict[str, Meter])

    def hold(self, keys: Mapping[str, KeySettings]) -> None:
        """Take these keys in the place of all others."""
        self._keys = keys
        for name, key in keys.items():
            meter = self._meters.setdefault(name, Meter())
            meter.limit("requests", key.requests_per_minute, self.clock())
            meter.limit("tokens", key.tokens_per_minute, self.clock())

    def caller(self, authorizations: Sequence[str]) -> Caller | Refusal:
        """Who shows these Authorization headers. Without keys any placeholder is accepted."""
        if not self._keys:
            meter = self._meters.setdefault(ANYONE, Meter())
            return Caller(ANYONE, None, meter, self.clock, has_key=False)
        shown = {name: key.key.get_secret_value() for name, key in self._keys.items()}
        name = holder(authorizations, shown)
        if isinstance(name, Refusal):
            return name
        return Caller(name, self._keys[name].models, self._meters[name], self.clock)


@dataclass(frozen=True, slots=True)
class Found:
    """The keys of a door; `file` is for the one that the node made, `fresh` if just now."""

    keys: Mapping[str, KeySettings]
    file: Path | None = None
    fresh: bool = False

    def keep(self) -> None:
        """Write a key that was made just now to its file. Raises ConfigurationError.

        A start that fails before its key was shown keeps none: the next one shows another.
        """
        if self.fresh and self.file is not None:
            write_key(self.file, self.keys[MADE].key.get_secret_value())


def keys_of(settings: Settings, *, beyond: bool) -> Found:
    """The owner's keys; where there are none and the door is open to others, one that is made, and
    is yet to be kept.

    Raises ConfigurationError for a key file that cannot be used.
    """
    _check_mode(Path(TOML_FILE))
    if settings.keys or settings.keyless or not beyond:
        return Found(settings.keys)
    file = key_file(settings.state)
    known = read_key(file)
    key = known or f"sk-swarm-{secrets.token_urlsafe(24)}"
    made = KeySettings.model_validate({"key": key})
    return Found({MADE: made}, file, fresh=known is None)


def _check_mode(file: Path) -> None:
    """Say so where other users of this machine can read the owner's keys."""
    try:
        shared = os.name == "posix" and bool(stat.S_IMODE(file.stat().st_mode) & 0o077)
        if shared and SECRET.intersection(tomllib.loads(file.read_text("utf-8"))):
            logger.warning("%s holds keys and others can read it: chmod 600 %s", file, file)
    except (OSError, ValueError, RecursionError):
        return  # without a file there is nothing to say; a broken one was refused before


def key_file(state: Path) -> Path:
    """Where the key is that a node has made."""
    return state / "api-key"


def others_keys(state: Path) -> Path:
    """The folder of the keys of other nodes, one file each."""
    return state / "keys"


def kept_key_file(state: Path, address: str, port: int) -> Path:
    """Where the key of the node there is, which a person has named once."""
    return others_keys(state) / f"{address.replace(':', '_')}-{port}"


def read_key(file: Path) -> str | None:
    """The key in a file, None without one. Raises ConfigurationError for an unusable file."""
    advice = "let this user read it, or choose another folder with --state DIR"
    with in_words(f"{file} cannot be read", advice):
        try:
            key = file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            key = ""
    if not 8 <= len(key) <= 512 or not key.isprintable():
        raise ConfigurationError(f"{file} holds no key: delete it, and a new one is made")
    return key


def write_key(file: Path, key: str) -> None:
    """Keep a key in a file that only its owner can read. Raises ConfigurationError."""
    with in_words(f"{file} cannot be written", STATE_ADVICE):
        make_private_folder(file.parent)
        write_private(file, f"{key}\n".encode())


def own_key(settings: Settings) -> str | None:
    """The key to show to this machine's own node, if it asks for one."""
    if settings.key is not None:
        return settings.key.get_secret_value()
    for key in settings.keys.values():
        return key.key.get_secret_value()
    return read_key(key_file(settings.state))
