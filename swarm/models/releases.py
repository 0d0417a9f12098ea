"""Which release of a card suits a machine: each is tried by the fit. Pure."""

from collections.abc import Callable

from hardware.snapshot import Snapshot
from swarm.errors import ConfigurationError
from swarm.models.card import Card, Format, Release
from swarm.models.fit import FitOptions, ModelSize, Plan, plan_for
from swarm.models.speed import COMFORT_TOKENS_PER_S

USUAL_BITS = 4
"""Quantisations with fewer bits lose much and are taken only where nothing else fits."""


def best_release(
    card: Card,
    kind: Format,
    snapshot: Snapshot,
    engine_kind: str,
    options_of: Callable[[str], FitOptions] = lambda _: FitOptions(),
) -> tuple[Release, Plan]:
    """The quantisation of a card that suits a machine best, and how it runs there.

    The finest that is fast enough and needs no compromise, else the coarsest of four bits or
    more that fits, else the finest that fits. Raises ConfigurationError where none does.
    """
    fitting: list[tuple[Release, Plan]] = []
    refusals: list[str] = []
    for release in card.of(kind):
        try:
            options = options_of(card.named(release))
            plan = plan_for(size_of(card, release), snapshot, engine_kind, options)
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


def size_of(card: Card, release: Release) -> ModelSize:
    """A release that may not be here yet, as the fit sees it."""
    return ModelSize(
        card.named(release),
        card.size_bytes(release),
        card.shape,
        card.context_tokens,
        card.active_parameters / card.parameters,
    )


def _needs_no_compromise(plan: Plan) -> bool:
    return not plan.compromises and plan.tokens_per_s[0] >= COMFORT_TOKENS_PER_S
