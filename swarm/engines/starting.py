"""The engine of each kind of model, as a node starts it; imports only what is needed to start."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Protocol, TypeAlias

from swarm.engines.llama.options import LlamaOptions, Share
from swarm.engines.mlx.options import SEQUENCES, MlxOptions
from swarm.engines.process import EngineProcess
from swarm.engines.upstream.engine import UpstreamEngine
from swarm.errors import ConfigurationError
from swarm.models.card import Format
from swarm.models.find import no_mlx
from swarm.models.fit import Plan
from swarm.models.local import AnyModel, LocalModel, UpstreamModel

AnyEngine: TypeAlias = EngineProcess | UpstreamEngine

LLAMA_FACTORY = "swarm.engines.llama.engine:load"
MLX_FACTORY = "swarm.engines.mlx.engine:load"


ENGINE_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
"""OpenMP's threads spin for some microseconds, then sleep: never spinning costs a third of the
speed, libgomp's 300,000 rounds are ruin beside a busy neighbour (docs/decisions/0009). What the
owner has set wins."""

UPSTREAM_WORKERS = 3
"""The workers of a model that another server runs: nobody here knows what it affords."""

_TINY_BYTES = 64 << 20


class Secret(Protocol):
    """A value that shows itself only to who asks for it."""

    def get_secret_value(self) -> str: ...


class EngineOptions(Protocol):
    """What engines ask of the owner's settings."""

    @property
    def threads(self) -> int | None: ...
    @property
    def flash_attn(self) -> bool: ...
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


def formats() -> frozenset[Format]:
    """Of models for which there is an engine in this installation."""
    return frozenset({"gguf", "mlx"}) if mlx_installed() else frozenset({"gguf"})


def mlx_installed() -> bool:
    """Whether MLX folders can be served: it is an extra."""
    return find_spec("mlx_lm") is not None


def usual_engine(build_kind: str, asked: EngineOptions) -> str:
    """What runs a model that is there in several formats: on Metal that is MLX.

    Where the owner wants what only llama.cpp has, it is that.
    """
    for_gguf = asked.gpu_layers is not None or asked.kv != "f16"
    return "mlx" if build_kind == "metal" and mlx_installed() and not for_gguf else build_kind


def without_engine(models: Iterable[LocalModel]) -> list[str]:
    """What the first screen says of models that are here and cannot be served."""
    names = [model.id for model in models if model.format not in formats()]
    if not names:
        return []
    return [f"not served: {', '.join(names)}; {no_mlx()}"]


def make_engine(
    model: AnyModel,
    plan: Plan | None,
    asked: EngineOptions,
    *,
    fast_cores: int,
    environment: Mapping[str, str],
) -> AnyEngine:
    """The engine of a model as planned, not yet started; an upstream server's has no plan.

    Raises ConfigurationError where that cannot be, with what would mend it.
    """
    chosen = {**ENGINE_ENVIRONMENT, **environment}
    if plan is None or model.format != "gguf":
        return _other(model, asked, plan.cache_bytes if plan else 0, chosen)
    options = llama_options(model, plan, asked, fast_cores=fast_cores)
    return EngineProcess(factory=LLAMA_FACTORY, options=options, name=model.id, environment=chosen)


def llama_options(
    model: LocalModel, plan: Plan, asked: EngineOptions, *, fast_cores: int
) -> LlamaOptions:
    """What llama.cpp is told of a plan and of the owner's options."""
    return LlamaOptions(
        path=model.path,
        context_tokens=plan.context_tokens,
        cells=plan.cells,
        gpu_layers=-1 if plan.offloaded else sum(plan.gpu_layers),
        split=_split(plan),
        threads=asked.threads or threads_of(model, fast_cores),
        kv_type=plan.kv_type,
        flash_attention=asked.flash_attn,
        sampling=model.sampling,
    )


def _split(plan: Plan) -> tuple[Share, ...]:
    """The planned layers of each device where there are several."""
    shares = zip(plan.gpu_layers, plan.room.free, strict=False)
    return tuple(Share(*each) for each in shares) if len(plan.gpu_layers) > 1 else ()


def threads_of(model: LocalModel, fast_cores: int) -> int:
    """The fast cores; but a tiny model's threads would mostly wait for each other.

    Beside one busy process a tiny model ran 24 times as fast with one thread as with two.
    """
    return 1 if model.size_bytes < _TINY_BYTES else max(1, fast_cores)


def _other(
    model: AnyModel, asked: EngineOptions, memory_bytes: int, environment: Mapping[str, str]
) -> AnyEngine:
    if asked.gpu_layers is not None or asked.kv != "f16":
        raise ConfigurationError(f"--gpu-layers and --kv are for GGUF files, not for {model.id}")
    if isinstance(model, UpstreamModel):
        key = asked.engine_key.get_secret_value() if asked.engine_key else None
        return UpstreamEngine(model.url, model=model.wanted, key=key, context_tokens=asked.ctx)
    if not mlx_installed():
        raise ConfigurationError(f"{model.id}: it is an MLX model, and {no_mlx()}")
    sequences = max(asked.workers or 0, SEQUENCES)
    options = MlxOptions(model.path, asked.ctx, memory_bytes, sequences)
    return EngineProcess(
        factory=MLX_FACTORY, options=options, name=model.id, environment=environment
    )
