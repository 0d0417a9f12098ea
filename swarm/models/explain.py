"""A plan in words, for `--explain`."""

from collections.abc import Callable, Sequence

from hardware.snapshot import gib
from swarm.models.choose import NAMED, plan_by_card, plan_of, refuse_same_names
from swarm.models.find import find
from swarm.models.fit import Plan
from swarm.models.local import LocalModel
from swarm.models.machine import Known, Machine
from swarm.models.memory import Footprint
from swarm.models.wanted import Wanted


def explain(plan: Plan) -> list[str]:
    """Why a model runs as it does: where it lies, what it takes, what to expect."""
    slow, fast = plan.tokens_per_s
    lines = [
        f"{plan.model.id}: {gib(plan.model.size_bytes)} of weights, {_where(plan)}",
        f"context {plan.context_tokens} tokens, {plan.cells} for all streams, as {plan.kv_type}",
        f"{plan.workers} workers share one copy of the weights and one reading of the prompt",
        f"memory {_parts(plan.host)}",
    ]
    if plan.device_bytes:
        lines.append(f"device memory {gib(plan.device_bytes)} of {gib(sum(plan.room.devices))}")
    lines.append(
        f"of {gib(plan.room.available_bytes)} free memory "
        f"{gib(plan.room.available_bytes - plan.host.total_bytes)} is left to what else runs here"
    )
    if not plan.model.shape:
        lines.append(
            "the cache is not in these figures: its size is in the file, which is not here"
        )
    lines.append(f"expected {slow:.0f} to {fast:.0f} tokens/s for one stream")
    return lines + [f"WARNING: {warning}" for warning in plan.warnings]


def explain_named(
    names: Sequence[str],
    known: Known,
    machine: Machine,
    cached: Callable[[Wanted], LocalModel | None],
) -> list[str]:
    """How those of `--model` would run. `cached` finds what was brought earlier; nothing else is
    brought for it: of what is not here the card tells, and without one the file alone would.

    Raises ConfigurationError.
    """
    named = [find(name, known, machine) for name in names]
    models = [each if isinstance(each, LocalModel) else cached(each) or each for each in named]
    refuse_same_names([model.id for model in models])
    lines = [f"chosen: {NAMED}"]
    for model in models:
        if isinstance(model, LocalModel):
            lines += explain(plan_of(model, machine))
        elif plan := plan_by_card(model, known, machine):
            lines += [f"{model.id} is not here; what follows is from its card", *explain(plan)]
        else:
            lines.append(f"{model.id} is not here; its plan needs the file")
    return lines


def _where(plan: Plan) -> str:
    if plan.room.unified:
        return f"on the {plan.room.accelerators[0].kind} device, in the machine's own memory"
    if not sum(plan.gpu_layers):
        return "on the processor"
    if plan.offloaded and len(plan.gpu_layers) == 1:
        return f"all {plan.layers} layers on the {plan.room.accelerators[0].kind} device"
    parts = ", ".join(f"{layers} on device {at}" for at, layers in enumerate(plan.gpu_layers))
    rest = plan.layers + 1 - sum(plan.gpu_layers)
    return f"layers: {parts}" + (f", {rest} on the processor" if rest else "")


def _parts(taken: Footprint) -> str:
    return (
        f"{gib(taken.total_bytes)}: weights {gib(taken.weights_bytes)}, cache "
        f"{gib(taken.cache_bytes)}, computation {gib(taken.compute_bytes)}, process "
        f"{gib(taken.process_bytes)}"
    )
