"""Which models a node serves: those that are named, else the best that is here and fits.

Where nothing is, the bundled one answers until the catalogue's best for this machine is brought.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hardware.snapshot import gib
from swarm.errors import ConfigurationError
from swarm.models.card import Card, Release
from swarm.models.find import find, no_mlx, wanted, what_fits
from swarm.models.fit import ModelSize, Plan, plan_for
from swarm.models.header import Header, read_header
from swarm.models.local import (
    BUNDLED_ID,
    AnyModel,
    LocalModel,
    brought_model,
    bundled_model,
)
from swarm.models.machine import Known, Machine
from swarm.models.releases import USUAL_BITS, size_of
from swarm.models.room import Taken
from swarm.models.speed import COMFORT_TOKENS_PER_S
from swarm.models.wanted import Bring, Unreachable, Wanted

NAMED = "named with --model"
"""Why a model is served that its owner wants."""


@dataclass(frozen=True, slots=True)
class Better:
    """A model that is not here and would run well on this machine, and how."""

    wanted: Wanted
    plan: Plan

    def __str__(self) -> str:
        return f"{self.wanted.id} ({gib(self.plan.model.size_bytes)})"


@dataclass(frozen=True, slots=True)
class Choice:
    """What this node will serve: the first model is the default; why, in words.

    `others` are here too, and are loaded when somebody asks for them, as are all but the first.
    `better` is to be brought while the first answers, and takes its place then.
    """

    models: tuple[AnyModel, ...]
    reason: str
    others: tuple[LocalModel, ...] = ()
    better: Better | None = None

    def with_others(self, here: Iterable[LocalModel], machine: Machine) -> "Choice":
        """The same beside all else that is here and has an engine.

        Of models with one id or file, also by a link, the first counts.
        """
        known = {model.id: model for model in self.models}
        paths = {model.path.resolve() for model in self.models if isinstance(model, LocalModel)}
        others: list[LocalModel] = []
        for model in here:
            runs = model.format in machine.formats
            if runs and model.id not in known and model.path.resolve() not in paths:
                known[model.id] = model
                paths.add(model.path.resolve())
                others.append(model)
        return replace(self, others=tuple(others))


def named_models(names: Sequence[str], known: Known, machine: Machine, bring: Bring) -> Choice:
    """Those of `--model` that are here or can be brought; without any, the bundled one.

    Raises ConfigurationError.
    """
    models: list[LocalModel] = []
    missing: list[str] = []
    for name in names:
        try:
            models.append(_here(name, known, machine, bring))
        except Unreachable as error:
            missing.append(str(error))
    why = "; ".join(missing)
    if not models:
        return Choice((bundled_model(),), f"the small bundled model, because {why}")
    refuse_same_names([model.id for model in models])
    return Choice(tuple(models), f"{NAMED}, without what is missing: {why}" if why else NAMED)


def refuse_same_names(ids: Sequence[str]) -> None:
    """Raises ConfigurationError where two of the named models would answer to one id."""
    if len(set(ids)) < len(ids):
        raise ConfigurationError(f"--model: two files have the same name: {', '.join(ids)}")


def recommended(known: Known, machine: Machine, *, folder: str) -> Choice:
    """The largest model of the folder that fits, those of the usual engine first; else the best
    that was brought here earlier; otherwise the bundled one.

    Only of models that generate: one for embeddings as the default would refuse every chat.
    """
    usual_first = sorted(known.found, key=lambda model: model.format != machine.format)
    for model in usual_first:
        if _may_lead(model, machine):
            reason = f"the largest in {folder} that fits into this machine's memory"
            return Choice((model,), reason)
    for model in _best_first(known):
        if _may_lead(model, machine):
            reason = "of those that were brought here earlier, the best that fits"
            return Choice((model,), reason)
    reason = "the small bundled model"
    if known.found:
        reason += f", as no model in {folder} generates text and fits into this machine's memory"
    return Choice((bundled_model(),), reason)


def best_to_bring(known: Known, machine: Machine) -> Better | None:
    """The catalogue's best coding model that runs well here, if one does.

    One whose card says how it calls tools, before the others: the newest of those that are at
    least half as large as the largest, for a large model of years ago is behind a new one.
    """
    coding = [card for card in known.cards if card.purpose == "code"]
    able = [each for each in what_fits(coding, machine) if _runs_well(each[2])]
    able = [each for each in able if each[0].tool_calls] or able
    able = [each for each in able if each[1].bits >= USUAL_BITS] or able
    if not able:
        return None
    least = max(card.parameters for card, _, _ in able) / 2
    large = (each for each in able if each[0].parameters >= least)
    card, release, plan = max(large, key=_newest)
    return Better(wanted(card, release), plan)


def _runs_well(plan: Plan) -> bool:
    """Without a shape nobody knows what the context takes, and so what is left of it."""
    quick = plan.tokens_per_s[1] >= COMFORT_TOKENS_PER_S
    return quick and not plan.compromises and plan.model.shape is not None


def _newest(each: tuple[Card, Release, Plan]) -> tuple[int, int]:
    card = each[0]
    return card.year or 0, card.parameters


def until_here(choice: Choice, better: Better | None, *, why_not: str | None) -> Choice:
    """The bundled model until a better one is here; `why_not` says why none can be brought."""
    if better is None:
        return choice
    if why_not is not None:
        return replace(choice, reason=f"{choice.reason}; {better} would run well here, {why_not}")
    reason = (
        f"{choice.reason}, until {better} is here: the catalogue's best coding model that runs "
        f"well on this machine; --model {BUNDLED_ID} stays with the small one"
    )
    return replace(choice, reason=reason, better=better)


def plan_of(
    model: LocalModel,
    machine: Machine,
    taken: Taken = Taken(),  # noqa: B008 - frozen
) -> Plan:
    """How a model that is here will run beside others. Raises ConfigurationError with the figures.

    Reads the file's header.
    """
    return _planned(model, _header(model), machine, taken)


def plan_by_card(named: Wanted, known: Known, machine: Machine) -> Plan | None:
    """How a release of the catalogue would run that is not here; None for what no card describes.

    Raises ConfigurationError with the figures.
    """
    for card in known.cards:
        for release in card.of(machine.format):
            if wanted(card, release) == named:
                size = size_of(card, release)
                options = machine.options_of(size.id)
                return plan_for(size, machine.snapshot, machine.engine_kind, options)
    return None


def _header(model: LocalModel) -> Header | None:
    """What the file says of itself; an MLX folder's engine alone reads its own."""
    return None if model.format == "mlx" else read_header(model.path)


def _planned(model: LocalModel, header: Header | None, machine: Machine, taken: Taken) -> Plan:
    kind = "mlx" if model.format == "mlx" else machine.engine_kind
    options = machine.options_of(model.id)
    return plan_for(_size_by_header(model, header), machine.snapshot, kind, options, taken)


def _size_by_header(model: LocalModel, header: Header | None) -> ModelSize:
    if header is None:
        return ModelSize(model.id, model.size_bytes, None, None)
    return ModelSize(
        model.id, model.size_bytes, header.shape, header.context_tokens, header.active_share
    )


def _here(name: str, known: Known, machine: Machine, bring: Bring) -> LocalModel:
    found = find(name, known, machine)
    if isinstance(found, LocalModel):
        return found
    if not found.files and "mlx" not in machine.formats:
        raise ConfigurationError(
            f"--model {name}: without a file this is an MLX model, and {no_mlx()}; "
            f"for GGUF name a file: hf:{found.repository}/FILE.gguf"
        )
    return brought_model(found, bring(found))


def _best_first(known: Known) -> list[LocalModel]:
    """What was brought here earlier, models for code before others, the larger first."""
    code = {card.id for card in known.cards if card.purpose == "code"}

    def merit(model: LocalModel) -> tuple[bool, int]:
        return model.id.rpartition(":")[0] in code, model.size_bytes

    return sorted(known.cached, key=merit, reverse=True)


def _may_lead(model: LocalModel, machine: Machine) -> bool:
    """Whether the model generates and fits. The header is read once: it holds the vocabulary."""
    if model.format not in machine.formats:
        return False
    try:
        header = _header(model)
        _planned(model, header, machine, Taken())
    except ConfigurationError:
        return False
    return header is None or header.generates
