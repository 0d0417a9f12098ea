"""From what an owner or a client writes to one model: a file, a folder, an id, a place on the hub.

Never a silent substitute: what cannot be found is refused with what is known and what would fit.
"""

import difflib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from hardware.setting_up import setup_command
from hardware.snapshot import gib
from swarm.errors import ConfigurationError
from swarm.models.card import Card, Release
from swarm.models.fit import Plan, plan_for
from swarm.models.local import (
    BUNDLED_ID,
    LocalModel,
    bundled_model,
    described,
    mlx_model,
    part_names,
    printable_id,
)
from swarm.models.machine import Known, Machine
from swarm.models.releases import USUAL_BITS, best_release, size_of
from swarm.models.speed import COMFORT_TOKENS_PER_S
from swarm.models.wanted import Wanted
from swarm.places import at_home

HUB_PREFIX = "hf:"

_SHOWN = 6
"""An error shows at most this many names: more are of no use."""


Named: TypeAlias = LocalModel | Wanted


def find(name: str, known: Known, machine: Machine) -> Named:
    """The model of a name. Raises ConfigurationError with what is known and what would fit.

    In this order: the bundled model, a file or folder, `hf:owner/repo[/file]`, a file of the models
    folder by its id, an id of the catalogue.
    """
    if name == BUNDLED_ID:
        return bundled_model()
    if name.startswith(HUB_PREFIX):
        return on_hub(name)
    if (there := _at(name)) is not None:
        return there
    for model in known.found:
        if model.id == printable_id(name):
            return model
    if name.endswith(".gguf") or name.startswith((".", "~")) or Path(name).is_absolute():
        raise ConfigurationError(f"--model {name}: there is no such file")
    return in_catalogue(name, known, machine)


def _at(name: str) -> LocalModel | None:
    """The model at a path, None where there is nothing. Raises ConfigurationError."""
    try:
        path = at_home(Path(name))
        with suppress(FileNotFoundError, NotADirectoryError, ValueError):
            path.stat()  # Python 3.14's is_file does not tell what keeps it from looking
        if path.is_file():
            _check_first_part(name)
            return described(path)
        return mlx_model(path) if path.is_dir() else None
    except OSError as error:  # such as a folder that nobody may look into
        raise ConfigurationError(f"--model {name} cannot be read: {error.strerror}") from error


def on_hub(name: str) -> Wanted:
    """What `hf:owner/repo/file` and `hf:owner/repo`, an MLX repository, mean."""
    owner, _, rest = name.removeprefix(HUB_PREFIX).partition("/")
    repository, _, file = rest.partition("/")
    if not owner or not repository:
        raise ConfigurationError(
            f"--model {name}: write hf:owner/repository/file.gguf, or hf:owner/repository for MLX"
        )
    if file and not file.endswith(".gguf"):
        raise ConfigurationError(f"--model {name}: name a file that ends in .gguf")
    _check_first_part(name)
    return Wanted(name, f"{owner}/{repository}", part_names(file) if file else ())


def _check_first_part(name: str) -> None:
    first = part_names(name)[0]
    if first != name:
        raise ConfigurationError(f"--model {name}: name the first part: {first}")


def no_mlx() -> str:
    """What to do about an MLX model that nothing here can run."""
    command = setup_command(mlx="yes")
    return f"MLX is not installed here: `{command}` installs it where it can run"


def in_catalogue(name: str, known: Known, machine: Machine) -> Wanted:
    """The release that `family:size:quantisation` means; what is left out is chosen by fit."""
    family, _, rest = name.lower().partition(":")
    size, _, quantisation = rest.partition(":")
    cards = [card for card in known.cards if card.family == family]
    if not cards:
        raise ConfigurationError(_no_family(name, family, known))
    if size:
        cards = [_sized(name, size, cards)]
    if quantisation:
        return _exactly(name, quantisation, cards, machine)
    return _largest(name, cards, known, machine)


def wanted(card: Card, release: Release) -> Wanted:
    """A release of a card as files to bring here."""
    return Wanted(
        card.named(release),
        release.repository,
        release.files,
        release.revision,
        release.size_bytes,
        card.sampling,
        card.tool_calls,
    )


def what_fits(cards: Iterable[Card], machine: Machine) -> list[tuple[Card, Release, Plan]]:
    """Every card that fits in some quantisation; what loses little and runs well comes first."""
    fitting: list[tuple[Card, Release, Plan]] = []
    for card in cards:
        try:
            release, plan = best_release(
                card, machine.format, machine.snapshot, machine.engine_kind, machine.options_of
            )
        except ConfigurationError:
            continue
        fitting.append((card, release, plan))
    return sorted(fitting, key=_merit, reverse=True)


def _merit(each: tuple[Card, Release, Plan]) -> tuple[bool, bool, bool, int]:
    card, release, plan = each
    quick = plan.tokens_per_s[1] >= COMFORT_TOKENS_PER_S
    return release.bits >= USUAL_BITS, not plan.compromises, quick, card.parameters


def _sized(name: str, size: str, cards: Sequence[Card]) -> Card:
    for card in cards:
        if card.size == size:
            return card
    sizes = ", ".join(card.size for card in cards)
    raise ConfigurationError(
        f"--model {name}: {cards[0].family} has no size {size!r}; it has {sizes}"
    )


def _exactly(name: str, quantisation: str, cards: Sequence[Card], machine: Machine) -> Wanted:
    """The release of that quantisation; it must fit."""
    card = cards[0]
    there = card.of(machine.format)
    for release in there:
        if quantisation in (release.quantisation, release.name.lower()):
            size = size_of(card, release)
            options = machine.options_of(size.id)
            plan_for(size, machine.snapshot, machine.engine_kind, options)
            return wanted(card, release)
    have = ", ".join(release.quantisation for release in there) or f"no {machine.format} files"
    raise ConfigurationError(f"--model {name}: {card.id} has no {quantisation!r}; it has {have}")


def _largest(name: str, cards: Sequence[Card], known: Known, machine: Machine) -> Wanted:
    """The largest of the sizes that fits, in the quantisation that suits the machine."""
    fitting = what_fits(cards, machine)
    if fitting:
        card, release, _ = fitting[0]
        return wanted(card, release)
    smallest = min(cards, key=lambda card: card.parameters)
    try:
        best_release(
            smallest, machine.format, machine.snapshot, machine.engine_kind, machine.options_of
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"--model {name}: {error}; {_instead(known, machine)}") from error
    raise ConfigurationError(f"--model {name}: nothing of it fits; {_instead(known, machine)}")


def _no_family(name: str, family: str, known: Known) -> str:
    names = sorted({card.family for card in known.cards} | {model.id for model in known.found})
    close = difflib.get_close_matches(family, names, n=_SHOWN, cutoff=0.5)
    said = f"did you mean {' or '.join(close)}?" if close else f"there is {', '.join(names)}."
    return (
        f"--model {name}: there is no such model; {said} Otherwise give the path of a GGUF file, "
        "hf:owner/repository/file.gguf, or put the file into the models folder"
    )


def _instead(known: Known, machine: Machine) -> str:
    fitting = what_fits(known.cards, machine)[:_SHOWN]
    if not fitting:
        return f"of the catalogue nothing fits here; {BUNDLED_ID}, the bundled model, does"
    names = ", ".join(
        f"{card.named(release)} ({gib(card.size_bytes(release))})" for card, release, _ in fitting
    )
    return f"what would fit: {names}"
