"""What the owner's settings make of this machine's models: plans, engines, and a pool of them."""

import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import psutil

from hardware.snapshot import Snapshot
from settings import Settings, VoteSettings
from swarm.chat.compact import read_words
from swarm.engines.loading import Loading
from swarm.engines.resident import Make, Planned, Resident
from swarm.engines.starting import UPSTREAM_WORKERS, make_engine
from swarm.errors import ConfigurationError
from swarm.forms import Forms
from swarm.models.bringing import brought
from swarm.models.choose import Choice, plan_of
from swarm.models.explain import explain_named
from swarm.models.fit import FitOptions, Plan
from swarm.models.hub import Hub, hub_of, in_cache, known_in
from swarm.models.local import AnyModel, LocalModel, parts_of
from swarm.models.machine import Known, Machine
from swarm.models.room import Taken
from swarm.models.wanted import Moved, Wanted
from swarm.pool import Pool, ServedModel
from swarm.successor import Copy, Successor
from swarm.workers import VoteWeights

logger = logging.getLogger(__name__)


def check_threads(settings: Settings, snapshot: Snapshot) -> None:
    """Raises ConfigurationError for more threads than cores."""
    most = max(psutil.cpu_count() or 1, snapshot.usable_cores)
    if settings.threads is not None and settings.threads > most:
        raise ConfigurationError(f"--threads {settings.threads}: this machine has {most} cores")


def fit_options(settings: Settings, model_id: str) -> FitOptions:
    """The owner's words for a model over the fit's; those of its own table over the general."""
    own = settings.of_model(model_id)
    limit = own.memory_limit_gib
    return FitOptions(
        context_tokens=own.ctx,
        gpu_layers=own.gpu_layers,
        workers=own.workers,
        kv_type=own.kv,
        flash=own.flash_attn,
        limit_bytes=None if limit is None else int(limit * (1 << 30)),
    )


def known_here(settings: Settings, machine: Machine, hub: Hub) -> Known:
    """What there is to choose from. Raises ConfigurationError where the owner names no folder."""
    if "models" in settings.model_fields_set:
        _check_folder(settings.models)
    return known_in(settings.models, machine.format, hub)


def _check_folder(folder: Path) -> None:
    try:
        with os.scandir(f"{folder}/."):
            return
    except (FileNotFoundError, NotADirectoryError):
        is_file = folder.exists()
        why = (
            f"that is a file; --model {folder} serves it" if is_file else "there is no such folder"
        )
    except OSError as error:
        why = f"it cannot be read: {error.strerror}"
    raise ConfigurationError(f"--models {folder}: {why}")


def plans_of(choice: Choice, machine: Machine) -> "list[Plan | None]":
    """How each of the named models would run alone, and then the better one. None: elsewhere."""
    plans = [
        plan_of(model, machine) if isinstance(model, LocalModel) else None
        for model in choice.models
    ]
    return [*plans, choice.better.plan] if choice.better else plans


def pool_of(
    choice: Choice, machine: Machine, settings: Settings, environment: Mapping[str, str]
) -> Pool:
    """The models of this node; the pool begins, loads and ends them."""
    now = int(time.time())
    models = (*choice.models, *choice.others)
    coming = [choice.better.wanted.id] if choice.better else []
    _tell_of_unused(settings, [*(model.id for model in models), *coming])
    residents = [resident_of(model, machine, settings, environment) for model in models]
    return Pool(
        [
            ServedModel(model.id, resident, now, _declared(model))
            for model, resident in zip(models, residents, strict=True)
        ],
        max_requests=settings.max_requests,
        usual_workers=settings.workers or UPSTREAM_WORKERS,
        weights=vote_weights(settings.vote),
        forms=forms_of(settings),
        loading=Loading(residents, idle_unload_s=settings.idle_unload_s),
    )


def vote_weights(vote: VoteSettings) -> VoteWeights:
    """What the owner's table says of votes."""
    weights = {name: Fraction(str(weight)) for name, weight in vote.weights.items()}
    return VoteWeights(weights, vote.patience_s)


def forms_of(settings: Settings) -> Forms:
    """In which form models read prompts. Raises ConfigurationError for a bad file of words."""
    file = settings.prompt_file
    if file is None:
        return Forms(settings.prompt)
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"prompt_file {file}: {error}") from None
    return Forms(settings.prompt, read_words(text, str(file)))


def _tell_of_unused(settings: Settings, ids: Sequence[str]) -> None:
    """A table of settings for a model that is not here holds for nothing."""
    for named in settings.each_model:
        if named not in ids:
            there = ", ".join(ids)
            logger.warning(
                '[models."%s"] holds for no model of this node; there is %s', named, there
            )


def resident_of(
    model: AnyModel, machine: Machine, settings: Settings, environment: Mapping[str, str]
) -> Resident:
    """A model of this node as the owner's settings want it, not loaded."""
    return Resident(model.id, _maker(model, machine, settings, environment))


def shared_files(models: Iterable[AnyModel]) -> dict[str, Path]:
    """What peers may copy of these models, by its name."""
    files = [model for model in models if isinstance(model, LocalModel) and model.format == "gguf"]
    return {part.name: part for model in files for part in parts_of(model.path)}


def successor_of(
    choice: Choice,
    machine: Machine,
    settings: Settings,
    environment: Mapping[str, str],
    files: dict[str, Path],
    copy: Copy | None,
) -> Successor | None:
    """What is to take the place of the bundled model; `copy` brings it from a peer.

    Once it is here, its files are among those that peers may copy.
    """
    if choice.better is None:
        return None
    hub = hub_of(environment)

    async def download(wanted: Wanted, moved: Moved) -> Path:
        return await brought(wanted, hub, moved, environment=environment)

    def make(model: LocalModel) -> Resident:
        files.update(shared_files([model]))
        return resident_of(model, machine, settings, environment)

    size_bytes = choice.better.plan.model.size_bytes
    return Successor(choice.better.wanted, size_bytes, copy=copy, download=download, make=make)


def loaded_at_start(choice: Choice, settings: Settings) -> list[str]:
    """The default model, and of those named with it what another server runs or the owner weighs.

    Weighed models vote beside the default one, which they could not on request.
    """
    first, *named = choice.models
    weighed = settings.vote.weights
    also = [m.id for m in named if m.id in weighed or not isinstance(m, LocalModel)]
    return [first.id, *also]


def _declared(model: AnyModel) -> str | None:
    return model.tool_calls if isinstance(model, LocalModel) else None


def fast_cores(snapshot: Snapshot) -> int:
    """Physical cores that may be used, without the slow ones of a mixed processor."""
    return min(snapshot.usable_cores, snapshot.performance_cores or snapshot.physical_cores)


def _maker(
    model: AnyModel, machine: Machine, settings: Settings, environment: Mapping[str, str]
) -> Make:
    own = settings.of_model(model.id)
    fast = fast_cores(machine.snapshot)

    def make(taken: Taken) -> Planned:
        plan = None
        if isinstance(model, LocalModel):
            plan = plan_of(model, machine, taken)
        engine = make_engine(model, plan, own, fast_cores=fast, environment=environment)
        return Planned(engine, plan)

    return make


def explained_by_name(
    settings: Settings, machine: Machine, environment: Mapping[str, str]
) -> list[str]:
    """How the models that are named would run here and why; nothing is brought for it."""
    hub = hub_of(environment)
    known = known_here(settings, machine, hub)
    return explain_named(settings.model, known, machine, partial(in_cache, cache=hub.cache))
