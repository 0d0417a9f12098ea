"""What fits: how a model runs on a machine, where its layers lie, how long its context is. Pure."""

from dataclasses import dataclass, replace
from functools import cached_property

from hardware.setting_up import setup_command
from hardware.snapshot import Snapshot, gib
from swarm.errors import ConfigurationError
from swarm.models.memory import (
    BATCH_TOKENS,
    CONTEXT_TOKENS,
    STREAMS,
    Footprint,
    Shape,
    footprint,
    scratch_bytes,
    usual_cache,
)
from swarm.models.room import MemoryRoom, Taken, room_for
from swarm.models.speed import expected_tokens_per_s
from swarm.workers import usual_workers

CACHE_BYTES = 256 << 20, 8 << 30
"""Least and most that a key-value cache gets where the owner names no context."""

LEAST_CONTEXT = 4096
"""A model fits only if it can have a context of this many tokens, or of what it was trained with.
"""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """The owner's words; None leaves it to the fit. `limit_bytes`: as `room_for` has it."""

    context_tokens: int | None = None
    gpu_layers: int | None = None
    workers: int | None = None
    kv_type: str = "f16"
    flash: bool = True
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ModelSize:
    """A model as the fit sees it: a file that is here, or a release of a card.

    `active_share` of the weights is read for a token. Without a shape only the weights are known.
    """

    id: str
    size_bytes: int
    shape: Shape | None
    trained_tokens: int | None
    active_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How one model runs. `gpu_layers` are those on each device, the output counted as one more.

    `host` is memory of the machine itself, what a device shares with it included; `device_bytes`
    that of all devices which have their own. `tokens_per_s` is what one stream may expect, from
    and to. `warnings` are said before it starts; of these `compromises` tell what the model does
    not get on this machine with this engine.
    """

    model: ModelSize
    context_tokens: int
    cells: int
    kv_type: str
    workers: int
    layers: int
    gpu_layers: tuple[int, ...]
    host: Footprint
    device_bytes: int
    cache_bytes: int
    room: MemoryRoom
    tokens_per_s: tuple[float, float]
    warnings: tuple[str, ...] = ()
    compromises: tuple[str, ...] = ()

    @property
    def offloaded(self) -> bool:
        """Whether every layer lies on a device."""
        return sum(self.gpu_layers) > self.layers

    @property
    def taken(self) -> Taken:
        """The memory that others must do without. A cache of unknown shape is taken as planned."""
        cache = self.cache_bytes if self.model.shape is None else 0
        layers = max(sum(self.gpu_layers), 1)
        devices = () if self.room.unified else self.gpu_layers
        return Taken(
            self.host.total_bytes + cache,
            tuple(self.device_bytes * count // layers for count in devices),
        )

    def as_good_as(self, other: "Plan") -> bool:
        """Whether as many layers lie on devices, and the context is as long."""
        on_devices = sum(self.gpu_layers) >= sum(other.gpu_layers)
        return on_devices and self.context_tokens >= other.context_tokens


def plan_for(
    model: ModelSize,
    snapshot: Snapshot,
    engine_kind: str,
    options: FitOptions | None = None,
    taken: Taken = Taken(),  # noqa: B008 - frozen
) -> Plan:
    """How this model runs on that machine beside what others have taken of it.

    Raises ConfigurationError with the figures.

    A context that is refused is the owner's; one that nobody named is cut, which the plan says.
    """
    options = options or FitOptions()
    kind = "cpu" if options.gpu_layers == 0 else engine_kind  # what no layer is on bounds nothing
    room = room_for(snapshot, kind, taken=taken, limit_bytes=options.limit_bytes)
    fit = _Fit(model, model.shape or Shape(1, 1, 0, 0), room, options)
    cells, context = fit.cache()
    whole = fit.footprint(model.size_bytes, cells)
    part = fit.host_part
    host = replace(
        whole,
        weights_bytes=int(whole.weights_bytes * part),
        cache_bytes=int(whole.cache_bytes * part),
    )
    plan = Plan(
        model=model,
        context_tokens=context,
        cells=cells,
        kv_type=options.kv_type,
        workers=options.workers
        or usual_workers(snapshot.usable_cores, accelerated=bool(room.accelerators)),
        layers=fit.shape.layers,
        gpu_layers=fit.on_devices,
        host=host,
        device_bytes=0 if part == 1 else fit.device_bytes(cells),
        cache_bytes=whole.cache_bytes if model.shape else _left_for_cache(room, host),
        room=room,
        tokens_per_s=expected_tokens_per_s(
            model.size_bytes * model.active_share,
            room.accelerators,
            fit.share,
            snapshot.usable_cores,
        ),
    )
    compromises = _compromises(plan, options)
    idle = _idle_device(snapshot, engine_kind)
    return replace(plan, warnings=(*idle, *compromises), compromises=compromises)


@dataclass(frozen=True)  # a cached property needs a __dict__
class _Fit:
    """A model, its shape or what stands for one, the memory for it, the owner's options."""

    model: ModelSize
    shape: Shape
    room: MemoryRoom
    options: FitOptions

    @property
    def cell_bytes(self) -> int:
        return self.shape.cell_bytes(self.options.kv_type, flash=self.options.flash)

    def footprint(self, weights_bytes: int, cells: int, rows: int = STREAMS) -> Footprint:
        kv_type, flash = self.options.kv_type, self.options.flash
        return footprint(self.shape, weights_bytes, cells, kv_type=kv_type, flash=flash, rows=rows)

    @cached_property
    def on_devices(self) -> tuple[int, ...]:
        """Layers on each device: the owner's number, or all that fit with the least context.

        Raises ConfigurationError.
        """
        asked = self.options.gpu_layers
        count = self.shape.layers + 1
        if self.room.unified:
            return (count if asked in (None, -1) else min(asked or 0, count),)
        if not self.room.devices:
            return ()
        least = min(self.model.trained_tokens or LEAST_CONTEXT, LEAST_CONTEXT)
        each, spare = self._layer_and_spare(self.options.context_tokens or least)
        most = tuple(int(free // each) for free in spare)
        if asked is not None and asked >= 0:
            count = min(asked, count)
            if count > sum(most):
                raise ConfigurationError(
                    f"--gpu-layers {asked}: {count} layers of {self.model.id} take "
                    f"{gib(count * each)}, but {gib(sum(spare))} are free for them: "
                    f"at most {sum(most)}"
                )
        return _split(min(count, sum(most)), most, spare)

    @property
    def share(self) -> float:
        """Of the layers those that lie on devices."""
        return sum(self.on_devices) / (self.shape.layers + 1)

    @property
    def host_part(self) -> float:
        """Of the layers what lies in the machine's own memory."""
        return 1.0 if self.room.unified else 1 - self.share

    def cache(self) -> tuple[int, int]:
        """Cells of the cache and the context of one sequence. Raises ConfigurationError."""
        trained = self.model.trained_tokens or CONTEXT_TOKENS
        affordable = self.affordable_cells()
        asked = self.options.context_tokens
        if asked is not None and asked > affordable:
            longest = self._longest_context(asked)
            raise ConfigurationError(
                f"--ctx {asked}: the cache of {self.model.id} would take "
                f"{gib(asked * self.cell_bytes)} beside {gib(self.model.size_bytes)} of "
                f"weights; there is room for at most {longest} tokens, more with a smaller "
                "--kv type"
                if longest
                else self._too_large()
            )
        if asked is not None:
            return asked, asked
        if affordable < min(trained, LEAST_CONTEXT):
            raise ConfigurationError(self._too_large())
        most = CACHE_BYTES[1] // self.cell_bytes if self.model.shape else affordable
        usual = usual_cache(trained, min(affordable, max(most, LEAST_CONTEXT)))
        return usual.cells, usual.context_tokens

    def device_bytes(self, cells: int) -> int:
        if not self.share:
            return 0
        taken = self.footprint(self.model.size_bytes, cells, BATCH_TOKENS)
        used = sum(1 for layers in self.on_devices if layers)
        layers_bytes = int((taken.weights_bytes + taken.cache_bytes) * self.share)
        return layers_bytes + taken.compute_bytes * used

    def _layer_and_spare(self, cells: int) -> tuple[float, tuple[int, ...]]:
        """Bytes of one layer with its cache, and what each device has for layers."""
        taken = self.footprint(self.model.size_bytes, cells, BATCH_TOKENS)
        each = (taken.weights_bytes + taken.cache_bytes) / (self.shape.layers + 1)
        compute, scratch = self._compute_on_device()
        spare = (max(0, free - compute - cells * scratch) for free in self.room.devices)
        return max(each, 1.0), tuple(spare)

    def affordable_cells(self) -> int:
        """Cells that fit beside the weights where their layers lie, by what is tightest."""
        share, cell, room = self.share, self.cell_bytes, self.room
        fixed = self.footprint(0, 0)
        states = fixed.cache_bytes  # without a cell that is all of it
        layers = self.model.size_bytes + states
        free = room.host_bytes - (fixed.total_bytes - states)
        compute, scratch = self._compute_on_device()
        part = self.host_part
        left = [_cells(free, layers * part, cell * part + scratch)]
        if share and not room.unified:
            used = [free for free, on in zip(room.devices, self.on_devices, strict=True) if on]
            free = sum(used) - compute * len(used)
            left.append(_cells(free, layers * share, cell * share + scratch * len(used)))
        return min(left)

    def _longest_context(self, refused: int) -> int:
        """The longest that is taken where one is refused: a shorter one leaves more layers on
        devices, and so more room beside them.
        """
        taken = 0
        while refused - taken > 1:
            tokens = (taken + refused) // 2
            shorter = replace(self, options=replace(self.options, context_tokens=tokens))
            if tokens > shorter.affordable_cells():
                refused = tokens
            else:
                taken = tokens
        return taken

    def _compute_on_device(self) -> tuple[int, int]:
        """What computing takes of each device at the most: by itself, and for each cell."""
        by_itself = self.footprint(0, 0, BATCH_TOKENS).compute_bytes
        return by_itself, scratch_bytes(self.shape, flash=self.options.flash)

    def _too_large(self) -> str:
        model, room = self.model, self.room
        needed = self.footprint(model.size_bytes, LEAST_CONTEXT).total_bytes
        message = (
            f"{model.id} is too large for this machine: {gib(model.size_bytes)} of weights, "
            f"{gib(needed)} with all that it needs at the least, "
            f"but {gib(room.host_bytes)} of memory"
        )
        if room.devices:
            message += f" and {gib(sum(room.devices))} of device memory"
        return f"{message} may be taken ({gib(room.available_bytes)} are free, and {room.why})"


def _split(count: int, most: tuple[int, ...], spare: tuple[int, ...]) -> tuple[int, ...]:
    """Spread layers over devices by their free memory, to each at most what it has room for."""
    if not sum(spare):
        return tuple(0 for _ in spare)
    parts = [
        min(int(count * free / sum(spare)), limit) for free, limit in zip(spare, most, strict=True)
    ]
    for index in sorted(range(len(parts)), key=lambda i: parts[i] - most[i]):
        more = min(count - sum(parts), most[index] - parts[index])
        parts[index] += more
    return tuple(parts)


def _left_for_cache(room: MemoryRoom, host: Footprint) -> int:
    """What a cache gets of which only its engine knows how much a token takes."""
    return min(max(room.host_bytes - host.total_bytes, CACHE_BYTES[0]), CACHE_BYTES[1])


def _cells(free_bytes: int, layers_bytes: float, each_bytes: float) -> int:
    """Cells that fit into what the layers that lie there leave free, weights and states."""
    if not layers_bytes:
        return 1 << 40 if free_bytes >= 0 else -1
    return int((free_bytes - layers_bytes) // each_bytes)


def _idle_device(snapshot: Snapshot, engine_kind: str) -> tuple[str, ...]:
    if engine_kind != "cpu" or not snapshot.accelerators:
        return ()
    device = snapshot.accelerators[0]
    said = (
        f"runs on the processor although there is {device.name}: the engine was built without it; "
        f"`{setup_command(snapshot.platform, engine=device.kind)}` builds one that uses it"
    )
    return (said,)


def _compromises(plan: Plan, options: FitOptions) -> tuple[str, ...]:
    said: list[str] = []
    if plan.room.accelerators and not plan.offloaded and options.gpu_layers is None:
        left = plan.layers + 1 - sum(plan.gpu_layers)
        said.append(
            f"{left} of {plan.layers + 1} layers run on the processor, which is much slower: "
            f"{gib(plan.model.size_bytes)} of weights do not fit into "
            f"{gib(sum(plan.room.devices))} of device memory"
        )
    trained = plan.model.trained_tokens or CONTEXT_TOKENS
    if options.context_tokens is None and plan.context_tokens < min(trained, CONTEXT_TOKENS):
        said.append(
            f"the context is cut to {plan.context_tokens} of {min(trained, CONTEXT_TOKENS)} "
            "tokens, for there is no memory for more; a smaller --kv type or model helps"
        )
    if options.context_tokens is not None and options.context_tokens > trained:
        said.append(
            f"--ctx {options.context_tokens} is beyond the {trained} tokens that "
            f"{plan.model.id} was trained for: what it says there may be nonsense"
        )
    return tuple(said)
