"""Cards: what is read, what is refused, and what ours must have."""

from pathlib import Path

import pytest

from swarm.errors import ConfigurationError
from swarm.models.card import Card, read_cards
from swarm.models.catalogue import load_catalogue

CARDS = load_catalogue()
BY_ID = {card.id: card for card in CARDS}

OWN = """
family = "mine"
licence = "mit"
[[models]]
size = "1b"
parameters = 1_000_000_000
sources = ["https://example.org/mine"]
[[models.releases]]
quantisation = "4bit"
format = "mlx"
repository = "me/mine-4bit"
"""


def quantisations(card: Card, kind: str) -> list[str]:
    return [release.quantisation for release in card.releases if release.format == kind]


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("model", "kind", "there_are"),
    [
        ("qwen2.5-coder:7b", "gguf", ["2bit", "3bit", "4bit", "5bit", "6bit", "8bit"]),
        ("qwen2.5-coder:7b", "mlx", ["4bit", "6bit", "8bit"]),
        ("qwen2.5-coder:1.5b", "mlx", ["4bit"]),
        ("qwen2.5-coder:32b", "mlx", ["4bit", "8bit"]),
        ("qwen3:14b", "gguf", ["4bit", "5bit", "6bit", "8bit"]),
        ("gpt-oss:20b", "gguf", ["4bit"]),
        ("glm-4.7-flash:30b-a3b", "mlx", ["4bit", "5bit", "6bit", "8bit"]),
        ("codellama:13b", "gguf", ["3bit", "4bit"]),
        ("starcoder2:7b", "mlx", []),
    ],
)
def test_the_quantisations_that_exist_differ_by_family(
    model: str, kind: str, there_are: list[str]
) -> None:
    assert quantisations(BY_ID[model], kind) == there_are


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_every_entry_names_what_it_was_checked_against(card: Card) -> None:
    assert all(source.startswith("https://") for source in card.sources)
    for release in card.releases:
        own = f"https://huggingface.co/{release.repository}"
        assert any(source.startswith(own) for source in card.sources)


@pytest.mark.parametrize(
    ("model", "recurrent"), [("qwen3-coder:next", 36), ("qwen3.6:35b-a3b", 30)]
)
def test_the_states_of_a_hybrid_are_those_that_its_header_will_tell(
    model: str, recurrent: int
) -> None:
    """Layers with 16 heads of keys and 32 of values, 128 wide, and a convolution over 4 tokens."""
    keys, values, width = 16, 32, 128
    state = 3 * (values * width + 2 * keys * width) + values * width * width
    shape = BY_ID[model].shape
    assert shape
    assert shape.state_values == recurrent * state


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_sizes_are_those_of_the_bits(card: Card) -> None:
    """A slip of a digit would show: a weight takes its bits and, in small models, a few more."""
    for release in card.releases:
        bits = card.size_bytes(release) * 8 / card.parameters
        assert release.bits * 0.9 < bits < release.bits * 1.5 + 4, release


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_gguf_release_names_its_file_and_no_id_stands_twice(card: Card) -> None:
    ids = [(release.format, release.quantisation) for release in card.releases]
    assert len(set(ids)) == len(ids)
    for release in card.releases:
        assert bool(release.files) == (release.format == "gguf")
        assert all(name.endswith(".gguf") for name in release.files)


def test_the_cache_of_a_known_model_is_what_its_publisher_says() -> None:
    """2 x 28 layers x 4 heads x 128 values of two bytes: 56 KiB a token."""
    shape = BY_ID["qwen2.5-coder:7b"].shape
    assert shape is not None
    assert shape.cell_bytes("f16") == 57_344
    assert shape.cell_bytes("q8_0") == 57_344 * 8.5 / 16


def test_hybrids_cache_their_attention_layers_only_and_latent_attention_its_latent() -> None:
    hybrid, latent = BY_ID["qwen3.6:35b-a3b"].shape, BY_ID["glm-4.7-flash:30b-a3b"].shape
    assert hybrid is not None
    assert hybrid.cached_values == 10 * 2 * 512
    assert latent is not None
    assert latent.cached_values == 47 * 576


def test_the_owner_adds_and_replaces_cards(tmp_path: Path) -> None:
    replaced = OWN.replace('"mine"', '"qwen3"').replace('"1b"', '"8b"')
    write(tmp_path, OWN)
    write(tmp_path, replaced, "q.toml")
    ids = {card.id: card for card in load_catalogue(tmp_path)}
    assert len(ids) == len(CARDS) + 1
    assert ids["qwen3:8b"].parameters == 1_000_000_000
    assert ids["mine:1b"].size_bytes(ids["mine:1b"].releases[0]) == 562_500_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('licence = "mit"', 'license = "mit"'), "mine.toml: license: Extra inputs"),
        (('size = "1b"', 'size = "1b"\nlayers = 3'), "models.0.layers: Extra inputs"),
        (('"4bit"', '"Q4_K_M"'), "quantisation"),
        (('"me/mine-4bit"', '"mine"'), "repository"),
        (("1_000_000_000", "0"), "parameters"),
    ],
)
def test_a_wrong_card_is_refused_by_its_field(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_cards(write(tmp_path, OWN.replace(*change)))


def test_two_cards_of_one_id_are_refused(tmp_path: Path) -> None:
    write(tmp_path, OWN)
    write(tmp_path, OWN, "other.toml")
    with pytest.raises(ConfigurationError, match="second card of mine:1b"):
        load_catalogue(tmp_path)
