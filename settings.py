"""What the owner wants: one frozen Settings, flags over environment over TOML over defaults.

The one place that reads the environment and `swarm.toml`.
"""

import argparse
import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeAlias

from platformdirs import user_state_path
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from swarm.errors import ConfigurationError

TOML_FILE = "swarm.toml"
ENVIRONMENT_PREFIX = "SWARM_"
KEYS_VARIABLE = "API_KEYS"

COMMANDS = ("approve", "remove")
"""What can be said to the node that runs here."""

Form: TypeAlias = Literal["auto", "full", "compact"]
KvType: TypeAlias = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]

_INSTEAD = {
    "--instances": "--workers",
    "--num-workers": "--workers",
    "--n-workers": "--workers",
    "--agents": "--workers",
    "--voters": "--workers",
    "--parallel": "--workers",
    "--n-gpu-layers": "--gpu-layers",
    "--ngl": "--gpu-layers",
    "-ngl": "--gpu-layers",
    "--ctx-size": "--ctx",
    "--context": "--ctx",
    "--context-size": "--ctx",
    "--n-ctx": "--ctx",
    "--n-threads": "--threads",
    "--cache-type-k": "--kv",
    "--model-path": "--model",
    "--models-dir": "--models",
    "--model-dir": "--models",
    "--api-port": "--port",
    "--bind": "--host",
    "--federated": "--federation",
    "--verbose": "--debug",
    "--silent": "--quiet",
}
"""Flags of such systems that people are used to, with ours of the same meaning."""


Weight: TypeAlias = Annotated[float, Field(gt=0, le=100)]


class VoteSettings(BaseModel):
    """The table `[vote]`: what the votes of models and peers weigh, how long the strongest is
    awaited, and with which models this node votes in its peers' answers (None: all).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Mapping[str, Weight] = Field(default_factory=dict[str, Weight])
    for_peers: tuple[str, ...] | None = None
    patience_s: float = Field(default=20.0, ge=0, le=600)


class KeySettings(BaseModel):
    """The table `[keys.NAME]`: a key that clients show, and what it may do (None: anything)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    key: SecretStr = Field(min_length=8, max_length=512)
    models: tuple[str, ...] | None = None
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _only_a_key(cls, value: object) -> object:
        """`NAME = "KEY"` is a key without limits."""
        return {"key": value} if isinstance(value, str) else value


class Settings(BaseSettings):
    """Every choice of the owner; None leaves it to the program."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, toml_file=TOML_FILE, frozen=True, extra="forbid"
    )

    auto: bool = False
    detect: bool = False
    as_json: bool = False
    host: str = "127.0.0.1"
    port: int = Field(17615, ge=1, le=65535)
    model: Annotated[tuple[str, ...], NoDecode] = ()
    models: Path = Path("models")
    ctx: int | None = Field(None, ge=256)
    gpu_layers: int | None = Field(None, ge=-1)
    workers: int | None = Field(None, ge=1, le=64)
    threads: int | None = Field(None, ge=1)
    kv: KvType = "f16"
    flash_attn: bool = True
    max_requests: int = Field(256, ge=1)
    federation: bool = True
    join: SecretStr | None = None
    open: bool = False
    peer: Annotated[tuple[str, ...], NoDecode] = ()
    peer_port: int = Field(17617, ge=1, le=65535)
    peer_interface: Annotated[tuple[str, ...], NoDecode] = ()
    state: Path = Field(default_factory=lambda: user_state_path("local-swarm", appauthor=False))
    leave: bool = False
    new_code: bool = False
    show_code: bool = False
    diagnose: bool = False
    command: tuple[str, ...] = ()
    vote: VoteSettings = VoteSettings()
    keys: Mapping[str, KeySettings] = Field(default_factory=dict[str, KeySettings])
    keyless: bool = False
    key: SecretStr | None = None
    opencode: str | None = None
    prompt: Form = "auto"
    prompt_file: Path | None = None
    debug: bool = False
    quiet: bool = False

    @field_validator("model", "peer", "peer_interface", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """An environment variable holds several values with commas between them."""
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags come first: they are what the class is called with."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from a command line without the program's name, and from around it.

    Raises ConfigurationError that names the setting. `--help` prints and exits.
    """
    flags = vars(_parser().parse_args(arguments))
    try:
        settings = Settings(**flags)
    except ValidationError as error:
        # pydantic types the details as a TypedDict of unknown content
        details: Any = error.errors(include_url=False)[0]
        raise ConfigurationError(_wrong(details, flags)) from None
    except ValueError as error:
        raise ConfigurationError(f"{TOML_FILE}: {error}") from error
    if settings.kv not in ("f32", "f16", "bf16") and not settings.flash_attn:
        raise ConfigurationError(f"--kv {settings.kv} needs flash attention: no --no-flash-attn")
    if settings.command and settings.command[0] not in COMMANDS:
        told = " or ".join(COMMANDS)
        raise ConfigurationError(f"there is no command {settings.command[0]!r}; there is {told}")
    if settings.as_json and not settings.detect:
        raise ConfigurationError("--json goes with --detect")
    if settings.debug and settings.quiet:
        raise ConfigurationError("--debug and --quiet exclude each other")
    settings = _with_listed_keys(settings)
    if settings.keyless and settings.keys:
        raise ConfigurationError("--keyless and keys exclude each other")
    return settings


def _with_listed_keys(settings: Settings) -> Settings:
    """The keys of the variable API_KEYS, with commas between them, where the file has none."""
    listed = [key.strip() for key in os.environ.get(KEYS_VARIABLE, "").split(",") if key.strip()]
    if settings.keys or not listed:
        return settings
    try:
        keys = {f"key-{at}": KeySettings(key=SecretStr(key)) for at, key in enumerate(listed, 1)}
    except ValidationError:
        raise ConfigurationError(f"{KEYS_VARIABLE}: a key has 8 to 512 characters") from None
    return settings.model_copy(update={"keys": keys})


def environment() -> Mapping[str, str]:
    """The environment that this program was started with."""
    return dict(os.environ)


def _wrong(details: Any, flags: Mapping[str, object]) -> str:
    name = str(details["loc"][0]) if details["loc"] else ""
    path = ".".join(map(str, details["loc"]))
    flag = path if "." in path else f"--{name.replace('_', '-')}"
    variable = ENVIRONMENT_PREFIX + name.upper()
    if details["type"] == "extra_forbidden":
        return f"{TOML_FILE}: there is no setting {path!r}"
    source = TOML_FILE
    if name in flags:
        source = "the command line"
    elif variable in os.environ:
        source = variable
    wish = str(details["msg"]).replace("Input ", "")
    if name in ("keys", "key"):  # what was typed may be a secret
        return f"{flag} (from {source}): {wish[:1].lower()}{wish[1:]}"
    return f"{flag} {details['input']} (from {source}): {wish[:1].lower()}{wish[1:]}"


def _ours(argument: str) -> str:
    """The same argument with our name of the flag."""
    flag, equals, value = argument.partition("=")
    return _INSTEAD.get(flag.replace("_", "-"), flag) + equals + value


class _Parser(argparse.ArgumentParser):
    """An argument parser that knows what people type instead of our flags."""

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message}\n{self.prog} --help lists the flags")

    def parse_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Sequence[str]
    ) -> argparse.Namespace:
        known, unknown = self.parse_known_args([_ours(argument) for argument in args])
        if unknown:
            self._refuse(unknown)
        return known

    def _refuse(self, unknown: Sequence[str]) -> NoReturn:
        first = unknown[0].split("=", 1)[0]
        if instead := self._similar(first):
            self.error(f"there is no {first}; did you mean {instead}?")
        self.error(f"unrecognized arguments: {' '.join(unknown)}")

    def _similar(self, flag: str) -> str | None:
        known = [option for action in self._actions for option in action.option_strings]
        matches = difflib.get_close_matches(flag, known, n=3, cutoff=0.75)
        # Letters are swapped more often than left out.
        return min(matches, key=lambda match: abs(len(match) - len(flag)), default=None)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="main.py",
        description="Serve a local model behind an OpenAI-compatible endpoint.",
        epilog=f"Every setting can also stand in the environment ({ENVIRONMENT_PREFIX}PORT=...) "
        f"or in {TOML_FILE} (port = ...); flags win over the environment, and that over the file.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "command",
        nargs="*",
        metavar="COMMAND",
        help="said to the node that runs here: `approve PIN`, `remove PEER`",
    )
    parser.add_argument(
        "--auto", action="store_true", help="never ask; this is also so without a terminal"
    )
    looking = parser.add_argument_group("only look")
    looking.add_argument("--detect", action="store_true", help="print this machine's hardware")
    looking.add_argument(
        "--json", dest="as_json", action="store_true", help="with --detect: for a program"
    )
    _add_model_flags(parser.add_argument_group("what to serve"))
    doors = parser.add_argument_group("where")
    doors.add_argument(
        "--host",
        metavar="ADDR",
        help="address to listen on (default 127.0.0.1); `lan`: this machine's in the house",
    )
    doors.add_argument("--port", metavar="N", help="port to listen on (default 17615)")
    doors.add_argument(
        "--keyless", action="store_true", help="let the whole network in without a key"
    )
    _add_client_flags(parser.add_argument_group("clients"))
    _add_peer_flags(parser.add_argument_group("other machines"))
    output = parser.add_argument_group("what to say")
    output.add_argument("--debug", action="store_true", help="log more, and speeds per request")
    output.add_argument("--quiet", action="store_true", help="log warnings and errors only")
    return parser


def _add_model_flags(group: Any) -> None:
    group.add_argument(
        "--model",
        action="append",
        metavar="FILE",
        help="a GGUF file to serve; repeat it for several, the first is the default",
    )
    group.add_argument(
        "--models", metavar="DIR", help="folder with GGUF files to choose from (default models/)"
    )
    group.add_argument("--ctx", metavar="N", help="context of one conversation, in tokens")
    group.add_argument(
        "--gpu-layers", metavar="N", help="layers on the accelerator; -1, the default, is all"
    )
    group.add_argument(
        "--workers",
        metavar="N",
        help="workers that vote on an answer (default 3, or 5 on larger machines)",
    )
    group.add_argument("--threads", metavar="N", help="processor threads of the engine")
    group.add_argument(
        "--kv", metavar="TYPE", help="type of the key-value cache: f16 (default), q8_0, q4_0, ..."
    )
    group.add_argument(
        "--flash-attn",
        action=argparse.BooleanOptionalAction,
        help="use flash attention (default: yes)",
    )


def _add_client_flags(group: Any) -> None:
    group.add_argument(
        "--opencode",
        nargs="?",
        const=".",
        metavar="DIR",
        help="write OpenCode's configuration for the node at --host and --port into DIR "
        "(default: here) or, with `global`, for all projects, and end",
    )
    form = group.add_mutually_exclusive_group()
    form.add_argument(
        "--prompt",
        metavar="FORM",
        help="how models read long tools and instructions: full, compact, or auto (default), "
        "which is compact where the context is small",
    )
    form.add_argument(
        "--use-opencode-tools",
        dest="prompt",
        action="store_const",
        const="full",
        help="the same as --prompt full",
    )
    group.add_argument("--key", metavar="KEY", help="with --opencode: the key of that node")


def _add_peer_flags(group: Any) -> None:
    either = group.add_mutually_exclusive_group()
    either.add_argument("--federation", action="store_true", help="look for peers (on already)")
    either.add_argument(
        "--no-federation", dest="federation", action="store_false", help="stay alone"
    )
    group.add_argument("--join", metavar="CODE", help="join the federation of this code")
    group.add_argument("--open", action="store_true", help="trust everybody on the network")
    group.add_argument(
        "--peer",
        action="append",
        metavar="HOST[:PORT]",
        help="a peer where multicast does not reach; repeat it for several",
    )
    group.add_argument("--peer-port", metavar="N", help="port for peers (default 17617)")
    group.add_argument(
        "--peer-interface",
        action="append",
        metavar="NAME",
        help="listen for peers on this interface, a VPN's for instance, instead of the LAN's",
    )
    group.add_argument(
        "--state", metavar="DIR", help="where this node keeps its key and federation"
    )
    group.add_argument(
        "--show-code", action="store_true", help="print the code for --join, and end"
    )
    group.add_argument("--new-code", action="store_true", help="make a new code, and end")
    group.add_argument("--leave", action="store_true", help="leave the federation, and end")
    group.add_argument(
        "--diagnose", action="store_true", help="say how the federation stands, and end"
    )
