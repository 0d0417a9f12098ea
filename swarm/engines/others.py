"""Engines beside llama.cpp, as a node starts them; imports of them only what is needed to start."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Protocol, TypeAlias

from swarm.engines.mlx.options import SEQUENCES, MlxOptions
from swarm.engines.process import EngineProcess
from swarm.engines.upstream.engine import UpstreamEngine
from swarm.errors import ConfigurationError
from swarm.models.local import LocalModel, UpstreamModel

AnyEngine: TypeAlias = EngineProcess | UpstreamEngine

MLX_FACTORY = "swarm.engines.mlx.engine:load"


class Secret(Protocol):
    """A value that shows itself only to who asks for it."""

    def get_secret_value(self) -> str: ...


class Wishes(Protocol):
    """What these engines ask of the owner's settings."""

    @property
    def ctx(self) -> int | None: ...
    @property
    def workers(self) -> int | None: ...
    @property
    def gpu_layers(self) -> int | None: ...
    @property
    def kv(self) -> str: ...
    @property
    def engine_key(self) -> Secret | None: ...


def other_engine(
    model: LocalModel | UpstreamModel,
    wishes: Wishes,
    memory_bytes: int,
    environment: Mapping[str, str],
) -> AnyEngine:
    """The engine of an MLX folder or of an upstream server's model, not yet started.

    Raises ConfigurationError where that cannot be, with what would mend it.
    """
    if wishes.gpu_layers is not None or wishes.kv != "f16":
        raise ConfigurationError(f"--gpu-layers and --kv are for GGUF files, not for {model.id}")
    if isinstance(model, UpstreamModel):
        key = wishes.engine_key.get_secret_value() if wishes.engine_key else None
        return UpstreamEngine(model.url, model=model.wanted, key=key, context_tokens=wishes.ctx)
    if find_spec("mlx_lm") is None:
        raise ConfigurationError(
            f"{model.id} is an MLX model, and MLX is not installed here: `make setup MLX=yes` "
            "installs it"
        )
    sequences = max(wishes.workers or 0, SEQUENCES)
    options = MlxOptions(model.path, wishes.ctx, memory_bytes, sequences)
    return EngineProcess(
        factory=MLX_FACTORY, options=options, name=model.id, environment=environment
    )
