"""What a choice of models depends on: the machine, and what there is to choose from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hardware.snapshot import Snapshot
from swarm.models.card import Card, Format
from swarm.models.fit import FitOptions
from swarm.models.local import LocalModel


@dataclass(frozen=True, slots=True)
class Machine:
    """What a choice depends on: the hardware, the usual engine, the owner's options for each model.

    `options_of` gives these for an id, `formats` are those of models for which there is an engine.
    """

    snapshot: Snapshot
    engine_kind: str
    options_of: Callable[[str], FitOptions] = lambda _: FitOptions()
    formats: frozenset[Format] = frozenset({"gguf"})

    @property
    def format(self) -> Format:
        return "mlx" if self.engine_kind == "mlx" else "gguf"


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to choose from: the models folder's files, the catalogue's cards, and what of
    these was brought here earlier.
    """

    found: Sequence[LocalModel]
    cards: Sequence[Card]
    cached: Sequence[LocalModel] = ()
