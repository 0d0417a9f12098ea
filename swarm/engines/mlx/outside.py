"""The MLX engine as a node starts it, in a process of its own; imports nothing of MLX."""

from collections.abc import Mapping
from importlib.util import find_spec

from swarm.engines.mlx.options import SEQUENCES, MlxOptions
from swarm.engines.process import EngineProcess
from swarm.errors import ConfigurationError
from swarm.models.local import LocalModel

FACTORY = "swarm.engines.mlx.engine:load"


def mlx_engine(
    model: LocalModel,
    *,
    context_tokens: int | None,
    memory_bytes: int,
    workers: int | None,
    environment: Mapping[str, str],
) -> EngineProcess:
    """The engine of an MLX folder, not yet started.

    Raises ConfigurationError, with the command that mends it, where there is no MLX.
    """
    if find_spec("mlx_lm") is None:
        raise ConfigurationError(
            f"{model.id} is an MLX model, and MLX is not installed here: `make setup MLX=yes` "
            "installs it"
        )
    options = MlxOptions(
        model.path, context_tokens, memory_bytes, sequences=max(workers or 0, SEQUENCES)
    )
    return EngineProcess(factory=FACTORY, options=options, name=model.id, environment=environment)
