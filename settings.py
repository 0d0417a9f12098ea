"""What the owner wants: one frozen Settings, flags over environment over TOML over defaults.

The one place that reads the environment, and settings from `swarm.toml`.
"""

import errno
import ipaddress
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
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
    SettingsError,
    TomlConfigSettingsSource,
)

from flags import (
    ENVIRONMENT_PREFIX,
    KEYS_VARIABLE,
    TOML_FILE,
    check_use,
    named_by_owner,
    no_setting,
    parse_flags,
)
from swarm.errors import ConfigurationError
from swarm.places import at_home, check_home, usual_state
from workspaces import WORKSPACES_FILE, worked_in

COMMANDS = ("approve", "remove")
"""What can be said to the node that runs here."""

Form: TypeAlias = Literal["auto", "full", "compact"]
KvType: TypeAlias = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]


def _at_home(path: Path) -> Path:
    """The path that a shell makes of one with a ~ at its beginning."""
    if "\0" in str(path):
        raise ValueError("a path has no NUL in it")
    return at_home(path)


HomePath: TypeAlias = Annotated[Path, AfterValidator(_at_home)]
Stamp: TypeAlias = tuple[int, int, int] | None
Weight: TypeAlias = Annotated[float, Field(gt=0, le=100)]


class VoteSettings(BaseModel):
    """The table `[vote]`: what the votes of models and peers weigh, how long the strongest is
    awaited, and with which models this node votes in its peers' answers (None: all).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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


class ModelSettings(BaseModel):
    """A table `[models."ID"]`: what holds for one model instead of the general settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ctx: int | None = Field(None, ge=256)
    gpu_layers: int | None = Field(None, ge=-1)
    workers: int | None = Field(None, ge=1, le=64)
    kv: KvType | None = None


class _TomlFile(TomlConfigSettingsSource):
    """The owner's file; its table `models` holds the models' own settings, and maybe the folder."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        if isinstance(values.get("models"), dict):
            tables: dict[str, Any] = dict(values.pop("models"))
            if "folder" in tables:
                values["models"] = tables.pop("folder")
            values["each_model"] = tables
        return values


class ToolSettings(BaseModel):
    """The table `[tools]`: folders beside the system's that commands may read, hosts that package
    managers may reach, how long commands may run (usually, package managers, at most if asked
    for), how much of an output is told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    readable: tuple[HomePath, ...] = ()
    package_hosts: tuple[str, ...] = ()
    usual_s: float = Field(default=30.0, gt=0)
    packages_s: float = Field(default=300.0, gt=0)
    longest_s: float = Field(default=600.0, gt=0, le=86_400)
    output_chars: int = Field(default=3000, ge=200, le=1_000_000)


class AgentLimits(BaseModel):
    """The table `[agent_limits]`: how far one answer of the node's own agent may go."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: int = Field(default=32, ge=1, le=1000)
    time_s: float = Field(default=1800.0, gt=0, le=86_400)
    tokens: int = Field(default=50_000, ge=1)


class Settings(BaseSettings):
    """Every choice of the owner; None leaves it to the program."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        toml_file=TOML_FILE,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
    )

    auto: bool = False
    detect: bool = False
    as_json: bool = False
    host: str = "127.0.0.1"
    port: int = Field(17615, ge=1, le=65535)
    model: Annotated[tuple[str, ...], NoDecode] = ()
    models: HomePath = Path("models")
    engine: str | None = None
    engine_key: SecretStr | None = None
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
    state: HomePath = Field(default_factory=usual_state)
    leave: bool = False
    new_code: bool = False
    show_code: bool = False
    diagnose: bool = False
    agent: bool = False
    agent_limits: AgentLimits = AgentLimits()
    tool_server: bool = False
    tool_host: str | None = None
    tool_port: int = Field(17616, ge=1, le=65535)
    tool_token: SecretStr | None = Field(None, min_length=1)
    workspace: HomePath | None = None
    allow_network: Literal["none", "packages", "all"] = "none"
    sandbox: bool = True
    tools: ToolSettings = ToolSettings()
    command: tuple[str, ...] = ()
    vote: VoteSettings = VoteSettings()
    each_model: Mapping[str, ModelSettings] = Field(default_factory=dict[str, ModelSettings])
    idle_unload_s: float | None = Field(None, gt=0)
    memory_limit_gib: float | None = Field(None, gt=0, le=1 << 20)
    explain: bool = False
    keys: Mapping[str, KeySettings] = Field(default_factory=dict[str, KeySettings])
    keyless: bool = False
    key: SecretStr | None = None
    opencode: str | None = None
    prompt: Form = "auto"
    prompt_file: HomePath | None = None
    debug: bool = False
    quiet: bool = False
    _named_outside: Path | None = PrivateAttr(None)

    @field_validator("model", "peer", "peer_interface", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """An environment variable holds several values with commas between them."""
        if not isinstance(value, str):
            return value
        return tuple(each.strip() for each in value.split(",") if each.strip())

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
        return init_settings, env_settings, _TomlFile(settings_cls)

    @property
    def remembered_in(self) -> Path:
        """Where the node keeps what a settings file must not hide from it: no file names it."""
        return self._named_outside or self.state

    def remembering_in(self, memory: Path) -> "Settings":
        """The same, with that folder as `remembered_in`."""
        same = self.model_copy()
        same._named_outside = memory  # noqa: SLF001 - of its own class
        return same

    def of_model(self, model_id: str) -> "Settings":
        """The settings as they hold for one model: its own table wins over all that is general."""
        own = self.each_model.get(model_id)
        return self.model_copy(update=own.model_dump(exclude_none=True)) if own else self


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from a command line without the program's name, and from around it.

    Raises ConfigurationError that names the setting. `--help` prints and exits.
    """
    flags = parse_flags(arguments)
    settings = _from_everywhere(flags).remembering_in(_outside_state(flags))
    if not settings.detect and not settings.explain:  # which remember nothing
        for folder in (settings.state, settings.remembered_in):
            check_home(folder, "name a folder with --state DIR")
    _check_origin(settings.remembered_in)
    _check_host(settings.host)
    for kv in (settings.kv, *(each.kv or settings.kv for each in settings.each_model.values())):
        if kv not in ("f32", "f16", "bf16") and not settings.flash_attn:
            raise ConfigurationError(f"--kv {kv} needs flash attention: no --no-flash-attn")
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
    if settings.keyless and settings.agent:
        raise ConfigurationError(
            "--keyless and --agent exclude each other: the whole network could run commands here"
        )
    check_use(flags, federation=settings.federation, tools=settings.tool_server or settings.agent)
    return settings


def _from_everywhere(flags: dict[str, Any]) -> Settings:
    """Flags, environment and file. Raises ConfigurationError."""
    try:
        return Settings(**flags)
    except ValidationError as error:
        # pydantic types the details as a TypedDict of unknown content
        details: Any = error.errors(include_url=False)[0]
        raise ConfigurationError(_wrong(details, flags)) from None
    except SettingsError as error:
        raise ConfigurationError(_no_json(error)) from None
    except ValueError as error:
        raise ConfigurationError(_no_toml(error)) from error
    except OSError as error:
        raise ConfigurationError(f"{TOML_FILE} cannot be read: {error.strerror}") from error
    except RecursionError:
        raise ConfigurationError(f"{TOML_FILE}: its values are nested too deep") from None


def _outside_state(flags: Mapping[str, Any]) -> Path:
    named = flags.get("state") or os.environ.get(f"{ENVIRONMENT_PREFIX}STATE")
    return _at_home(Path(named)) if named else usual_state()


def _check_origin(memory: Path) -> None:
    """A settings file beneath a folder in which tools worked may be a model's. Raises
    ConfigurationError.
    """
    try:  # resolve() of a link to itself differs with Python's version
        file = Path(os.path.realpath(TOML_FILE, strict=True))
    except FileNotFoundError:
        return
    except OSError as error:
        itself = error.errno == errno.ELOOP
        why = "is a link to itself" if itself else f"cannot be read: {error.strerror}"
        raise ConfigurationError(f"{TOML_FILE} {why}") from None
    known = memory / WORKSPACES_FILE
    try:
        roots = worked_in(memory)
    except OSError as error:
        raise ConfigurationError(f"{known} cannot be read: {error.strerror}") from None
    for root in roots:
        if file.is_relative_to(root):
            raise ConfigurationError(
                f"{file} lies where tools of this node could write it ({root}): start from another "
                f"folder, or, if it is yours, take that line out of {known}"
            )


def _check_host(host: str) -> None:
    """Raise ConfigurationError for a URL or a port in it: only an IPv6 address has colons."""
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        if "/" in host or ":" in host:
            raise ConfigurationError(
                f"--host {host}: name an address alone; the port is --port N"
            ) from None


def toml_stamp() -> Stamp:
    """What differs after any change of `swarm.toml`; None where there is no such file."""
    try:
        stat = Path(TOML_FILE).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


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


SECRET = frozenset(
    name
    for name, each in Settings.model_fields.items()
    if name == "keys" or SecretStr in get_args(each.annotation)
)
"""Settings whose values no message repeats."""


def _no_toml(error: ValueError) -> str:
    """tomllib does not say that `models` is a folder or the table that holds models' tables."""
    twice = ': a name is given twice (beside [models."ID"] the folder is `folder` in [models])'
    return f"{TOML_FILE}: {error}{twice if 'overwrite' in str(error) else ''}"


def _no_json(error: SettingsError) -> str:
    """pydantic-settings reads a variable whose setting is a table as JSON."""
    field = str(error).split('"')[1]
    return f"{ENVIRONMENT_PREFIX}{field.upper()}: not JSON; a table is easier in {TOML_FILE}"


def _wrong(details: Any, flags: Mapping[str, object]) -> str:
    name = str(details["loc"][0]) if details["loc"] else ""
    path = ".".join(map(str, details["loc"])).replace("each_model.", "models.", 1)
    told = named_by_owner(path)
    variable = ENVIRONMENT_PREFIX + name.upper()
    if details["type"] == "extra_forbidden":
        return f"{TOML_FILE}: {no_setting(path)}"
    source = TOML_FILE
    if name in flags:
        source = "the command line"
    elif variable in os.environ:
        source = variable
    wish = str(details["msg"]).replace("Input ", "")
    typed = "" if name in SECRET else f" {details['input']}"
    return f"{told}{typed} (from {source}): {wish[:1].lower()}{wish[1:]}"
