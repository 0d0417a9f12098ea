"""The models that a node knows by name: our cards, and those that the owner adds."""

from pathlib import Path

from swarm.errors import ConfigurationError
from swarm.models.card import Card, read_cards
from swarm.places import may_look_into

FOLDER = Path(__file__).parent


def load_catalogue(own: Path | None = None) -> tuple[Card, ...]:
    """All cards, ours and those of the TOML files in `own`, which replace ours of the same id.

    Raises ConfigurationError for a file that cannot be read, or an id that stands twice in one
    folder.
    """
    cards = _unique(FOLDER)
    if own is not None and may_look_into(own):
        cards |= _unique(own)
    return tuple(sorted(cards.values(), key=lambda card: (card.family, card.parameters)))


def _unique(folder: Path) -> dict[str, Card]:
    cards: dict[str, Card] = {}
    for path in sorted(folder.glob("*.toml")):
        for card in read_cards(path):
            if card.id in cards:
                raise ConfigurationError(f"{path}: there is a second card of {card.id}")
            cards[card.id] = card
    return cards
