"""What fits: how a model runs on a machine, where its layers lie, how long its context is. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hardware.setting_up import setup_command
from hardware.snapshot import Snapshot, gib
from swarm.errors import ConfigurationError
from swarm.models.card import Card, Format, Release
from swarm.models.memory import (
    BATCH_TOKENS,
    CONTEXT_TOKENS,
    Footprint,
    Shape,
    footprint,
    scratch_bytes,
    usual_cache,
)
from swarm.models.place import Place, Taken, place_for
from swarm.models.speed import COMFORT_TOKENS_PER_S, expected_tokens_per_s
from swarm.workers import usual_workers

CACHE_BYTES = 256 << 20, 8 << 30
"""Least and most that a key-value cache gets where the owner names no context."""

LEAST_CONTEXT = 4096
"""A model that cannot have so much, or what it was trained with, is not said to fit."""

USUAL_BITS = 4
"""Coarser ones lose much and are taken only where nothing else fits."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The owner's words; None leaves it to the fit. `limit_bytes`: as `place_for` has it."""

    context_tokens: int | None = None
    gpu_layers: int | None = None
    workers: int | None = None
    kv_type: str = "f16"
    flash: bool = True
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Weights:
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

    weights: Weights
    context_tokens: int
    cells: int
    kv_type: str
    workers: int
    layers: int
    gpu_layers: tuple[int, ...]
    host: Footprint
    device_bytes: int
    cache_bytes: int
    place: Place
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
        cache = self.cache_bytes if self.weights.shape is None else 0
        layers = max(sum(self.gpu_layers), 1)
        devices = () if self.place.unified else self.gpu_layers
        return Taken(
            self.host.total_bytes + cache,
            tuple(self.device_bytes * count // layers for count in devices),
        )

    def as_good_as(self, other: "Plan") -> bool:
        """Whether as many layers lie on devices, and the context is as long."""
        on_devices = sum(self.gpu_layers) >= sum(other.gpu_layers)
        return on_devices and self.context_tokens >= other.context_tokens


def plan_for(
    weights: Weights,
    snapshot: Snapshot,
    engine_kind: str,
    wishes: Wishes | None = None,
    taken: Taken = Taken(),  # noqa: B008 - frozen
) -> Plan:
    """How these weights run on that machine beside what others have taken of it.

    Raises ConfigurationError with the figures.

    A context that is refused is the owner's; one that nobody named is cut, which the plan says.
    """
    wishes = wishes or Wishes()
    place = place_for(snapshot, engine_kind, taken=taken, limit_bytes=wishes.limit_bytes)
    shape = weights.shape or Shape(1, 1, 0, 0)
    on_devices = _layers_on_devices(weights, shape, place, wishes)
    cells, context = _cache(weights, shape, place, wishes, on_devices)
    share = sum(on_devices) / (shape.layers + 1)
    whole = footprint(shape, weights.size_bytes, cells, kv_type=wishes.kv_type, flash=wishes.flash)
    part = _host_part(place, share)
    host = replace(
        whole,
        weights_bytes=int(whole.weights_bytes * part),
        cache_bytes=int(whole.cache_bytes * part),
    )
    plan = Plan(
        weights=weights,
        context_tokens=context,
        cells=cells,
        kv_type=wishes.kv_type,
        workers=wishes.workers
        or usual_workers(snapshot.usable_cores, accelerated=bool(place.kinds)),
        layers=shape.layers,
        gpu_layers=on_devices,
        host=host,
        device_bytes=0 if part == 1 else _device_bytes(weights, shape, cells, wishes, on_devices),
        cache_bytes=whole.cache_bytes if weights.shape else _left_for_cache(place, host),
        place=place,
        tokens_per_s=expected_tokens_per_s(
            weights.size_bytes * weights.active_share, place.kinds, share, snapshot.usable_cores
        ),
    )
    compromises = _compromises(plan, wishes)
    idle = _idle_device(snapshot, engine_kind)
    return replace(plan, warnings=(*idle, *compromises), compromises=compromises)


def best_release(
    card: Card,
    kind: Format,
    snapshot: Snapshot,
    engine_kind: str,
    wishes_of: Callable[[str], Wishes] = lambda _: Wishes(),
) -> tuple[Release, Plan]:
    """The quantisation of a card that suits a machine best, and how it runs there.

    The finest that is fast enough and needs no compromise, else the first of four bits or more
    that fits, else the finest that fits. Raises ConfigurationError where none does.
    """
    fitting: list[tuple[Release, Plan]] = []
    refusals: list[str] = []
    for release in card.of(kind):
        try:
            wishes = wishes_of(card.named(release))
            plan = plan_for(weights_of(card, release), snapshot, engine_kind, wishes)
        except ConfigurationError as error:
            refusals.append(f"{release.quantisation}: {error}")
        else:
            fitting.append((release, plan))
    if not fitting:
        raise ConfigurationError("; ".join(refusals) or f"{card.id} has no {kind} files")
    usual = [each for each in fitting if each[0].bits >= USUAL_BITS]
    good = [each for each in usual if _needs_no_compromise(each[1])]
    if good:
        return good[0]
    return usual[-1] if usual else fitting[0]


def weights_of(card: Card, release: Release) -> Weights:
    """A release that may not be here yet, as the fit sees it."""
    return Weights(
        card.named(release),
        card.size_bytes(release),
        card.shape,
        card.context_tokens,
        card.active_parameters / card.parameters,
    )


def _layers_on_devices(
    weights: Weights, shape: Shape, place: Place, wishes: Wishes
) -> tuple[int, ...]:
    """Layers on each device: the owner's number, or all that fit with the least context."""
    asked = wishes.gpu_layers
    count = shape.layers + 1
    if place.unified:
        return (count if asked in (None, -1) else min(asked or 0, count),)
    if not place.devices:
        return ()
    cells = wishes.context_tokens or min(weights.trained_tokens or LEAST_CONTEXT, LEAST_CONTEXT)
    each, room = _layer_and_room(weights, shape, cells, place, wishes)
    most = tuple(int(free // each) for free in room)
    if asked is not None and asked >= 0:
        count = min(asked, count)
        if count > sum(most):
            raise ConfigurationError(
                f"--gpu-layers {asked}: {count} layers of {weights.id} take {gib(count * each)}, "
                f"but {gib(sum(room))} are free for them: at most {sum(most)}"
            )
    return _split(min(count, sum(most)), most, room)


def _layer_and_room(
    weights: Weights, shape: Shape, cells: int, place: Place, wishes: Wishes
) -> tuple[float, tuple[int, ...]]:
    """Bytes of one layer with its cache, and what each device has for layers."""
    taken = _footprint_on_device(weights, shape, cells, wishes)
    each = (taken.weights_bytes + taken.cache_bytes) / (shape.layers + 1)
    compute, scratch = _compute_on_device(shape, wishes)
    return max(each, 1.0), tuple(max(0, free - compute - cells * scratch) for free in place.devices)


def _split(count: int, most: tuple[int, ...], room: tuple[int, ...]) -> tuple[int, ...]:
    """Spread layers over devices by their free memory, as llama.cpp does."""
    if not sum(room):
        return tuple(0 for _ in room)
    parts = [
        min(int(count * free / sum(room)), limit) for free, limit in zip(room, most, strict=True)
    ]
    for index in sorted(range(len(parts)), key=lambda i: parts[i] - most[i]):
        more = min(count - sum(parts), most[index] - parts[index])
        parts[index] += more
    return tuple(parts)


def _cache(
    weights: Weights, shape: Shape, place: Place, wishes: Wishes, on_devices: tuple[int, ...]
) -> tuple[int, int]:
    """Cells of the cache and the context of one sequence."""
    trained = weights.trained_tokens or CONTEXT_TOKENS
    affordable = _affordable_cells(weights, shape, place, wishes, on_devices)
    cell = shape.cell_bytes(wishes.kv_type, flash=wishes.flash)
    asked = wishes.context_tokens
    if asked is not None and asked > affordable:
        longest = _longest_context(weights, shape, place, wishes, asked)
        raise ConfigurationError(
            f"--ctx {asked}: the cache of {weights.id} would take {gib(asked * cell)} beside "
            f"{gib(weights.size_bytes)} of weights; there is room for at most {longest} "
            "tokens, more with a smaller --kv type"
            if longest
            else _too_large(weights, shape, place)
        )
    if asked is not None:
        return asked, asked
    if affordable < min(trained, LEAST_CONTEXT):
        raise ConfigurationError(_too_large(weights, shape, place))
    most = CACHE_BYTES[1] // cell if weights.shape else affordable
    usual = usual_cache(trained, min(affordable, max(most, LEAST_CONTEXT)))
    return usual.cells, usual.context_tokens


def _affordable_cells(
    weights: Weights, shape: Shape, place: Place, wishes: Wishes, on_devices: tuple[int, ...]
) -> int:
    """Cells that fit beside the weights where their layers lie, by the place that is tightest."""
    share = sum(on_devices) / (shape.layers + 1)
    cell = shape.cell_bytes(wishes.kv_type, flash=wishes.flash) if weights.shape else 1
    fixed = footprint(shape, 0, 0, kv_type=wishes.kv_type, flash=wishes.flash)
    states = fixed.cache_bytes  # without a cell that is all of it
    layers, free = weights.size_bytes + states, place.host_bytes - (fixed.total_bytes - states)
    compute, scratch = _compute_on_device(shape, wishes)
    part = _host_part(place, share)
    left = [_cells(free, layers * part, cell * part + scratch)]
    if share and not place.unified:
        used = [free for free, on in zip(place.devices, on_devices, strict=True) if on]
        free = sum(used) - compute * len(used)
        left.append(_cells(free, layers * share, cell * share + scratch * len(used)))
    return min(left)


def _longest_context(
    weights: Weights, shape: Shape, place: Place, wishes: Wishes, refused: int
) -> int:
    """The longest that is taken where one is refused: a shorter one leaves more layers on devices,
    and so more room beside them.
    """
    taken = 0
    while refused - taken > 1:
        tokens = (taken + refused) // 2
        shorter = replace(wishes, context_tokens=tokens)
        on_devices = _layers_on_devices(weights, shape, place, shorter)
        if tokens > _affordable_cells(weights, shape, place, shorter, on_devices):
            refused = tokens
        else:
            taken = tokens
    return taken


def _left_for_cache(place: Place, host: Footprint) -> int:
    """What a cache gets of which only its engine knows how much a token takes."""
    return min(max(place.host_bytes - host.total_bytes, CACHE_BYTES[0]), CACHE_BYTES[1])


def _host_part(place: Place, share: float) -> float:
    """Of the layers what lies in the machine's own memory; `share` of them is on devices."""
    return 1.0 if place.unified else 1 - share


def _cells(free_bytes: int, layers_bytes: float, each_bytes: float) -> int:
    """Cells that fit into what the layers that lie there leave free, weights and states."""
    if not layers_bytes:
        return 1 << 40 if free_bytes >= 0 else -1
    return int((free_bytes - layers_bytes) // each_bytes)


def _footprint_on_device(weights: Weights, shape: Shape, cells: int, wishes: Wishes) -> Footprint:
    kv_type, flash = wishes.kv_type, wishes.flash
    size = weights.size_bytes
    return footprint(shape, size, cells, kv_type=kv_type, flash=flash, rows=BATCH_TOKENS)


def _compute_on_device(shape: Shape, wishes: Wishes) -> tuple[int, int]:
    """What computing takes of each device at the most: by itself, and for each cell."""
    by_itself = footprint(shape, 0, 0, rows=BATCH_TOKENS).compute_bytes
    return by_itself, scratch_bytes(shape, flash=wishes.flash)


def _device_bytes(
    weights: Weights, shape: Shape, cells: int, wishes: Wishes, on_devices: tuple[int, ...]
) -> int:
    share = sum(on_devices) / (shape.layers + 1)
    if not share:
        return 0
    taken = _footprint_on_device(weights, shape, cells, wishes)
    used = sum(1 for layers in on_devices if layers)
    return int((taken.weights_bytes + taken.cache_bytes) * share) + taken.compute_bytes * used


def _needs_no_compromise(plan: Plan) -> bool:
    return not plan.compromises and plan.tokens_per_s[0] >= COMFORT_TOKENS_PER_S


def _idle_device(snapshot: Snapshot, engine_kind: str) -> tuple[str, ...]:
    if engine_kind != "cpu" or not snapshot.accelerators:
        return ()
    device = snapshot.accelerators[0]
    said = (
        f"runs on the processor although there is {device.name}: the engine was built without it; "
        f"`{setup_command(snapshot.platform, engine=device.kind)}` builds one that uses it"
    )
    return (said,)


def _compromises(plan: Plan, wishes: Wishes) -> tuple[str, ...]:
    said: list[str] = []
    if plan.place.kinds and not plan.offloaded and wishes.gpu_layers is None:
        left = plan.layers + 1 - sum(plan.gpu_layers)
        said.append(
            f"{left} of {plan.layers + 1} layers run on the processor, which is much slower: "
            f"{gib(plan.weights.size_bytes)} of weights do not fit into "
            f"{gib(sum(plan.place.devices))} of device memory"
        )
    trained = plan.weights.trained_tokens or CONTEXT_TOKENS
    if wishes.context_tokens is None and plan.context_tokens < min(trained, CONTEXT_TOKENS):
        said.append(
            f"the context is cut to {plan.context_tokens} of {min(trained, CONTEXT_TOKENS)} "
            "tokens, for there is no memory for more; a smaller --kv type or model helps"
        )
    if wishes.context_tokens is not None and wishes.context_tokens > trained:
        said.append(
            f"--ctx {wishes.context_tokens} is beyond the {trained} tokens that {plan.weights.id} "
            "was trained for: what it says there may be nonsense"
        )
    return tuple(said)


def _too_large(weights: Weights, shape: Shape, place: Place) -> str:
    needed = footprint(shape, weights.size_bytes, LEAST_CONTEXT).total_bytes
    message = (
        f"{weights.id} is too large for this machine: {gib(weights.size_bytes)} of weights, "
        f"{gib(needed)} with all that it needs at the least, but {gib(place.host_bytes)} of memory"
    )
    if place.devices:
        message += f" and {gib(sum(place.devices))} of device memory"
    return (
        f"{message} may be taken ({gib(place.available_bytes)} are free, and the rest is left to "
        "what else runs here; beyond that it would swap)"
    )
