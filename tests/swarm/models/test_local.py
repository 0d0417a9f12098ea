"""Which model files are found, and which are not taken for models."""

from pathlib import Path

import pytest

from swarm.errors import ConfigurationError
from swarm.models.local import WORKING_BYTES, largest_that_fits, named_model, scan_models


def write(path: Path, size: int = 100, magic: bytes = b"GGUF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(magic.ljust(size, b"\0"))
    return path


def test_the_id_of_a_file_is_its_stem(tmp_path: Path) -> None:
    model = named_model(str(write(tmp_path / "qwen2.5-coder.Q4_K_M.gguf")))
    assert model.id == "qwen2.5-coder.Q4_K_M"
    assert model.size_bytes == 100


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hf:org/model", "not downloaded yet"),
        ("/nowhere/a.gguf", "no such file"),
        ("a.gguf", "no such file"),
        ("qwen:7b", "path of a GGUF file, or swarm-nano"),
    ],
)
def test_a_name_that_is_no_file_is_told_what_works(name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        named_model(name)


def test_a_folder_with_config_and_weights_is_an_mlx_model(tmp_path: Path) -> None:
    folder = write(tmp_path / "Llama-4bit" / "config.json").parent
    for part in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        write(folder / part, size=300)
    model = named_model(str(folder))
    assert (model.id, model.size_bytes, model.format) == ("Llama-4bit", 600, "mlx")


def test_another_folder_is_told_what_an_mlx_model_has(tmp_path: Path) -> None:
    write(tmp_path / "config.json")
    with pytest.raises(ConfigurationError, match="not an MLX model"):
        named_model(str(tmp_path))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a GGUF file"):
        named_model(str(write(tmp_path / "a.gguf", magic=b"PK")))


def test_a_folder_is_scanned_largest_first(tmp_path: Path) -> None:
    write(tmp_path / "small.gguf", 10)
    write(tmp_path / "deep" / "large.gguf", 1000)
    write(tmp_path / "split-00001-of-00002.gguf", 500)
    write(tmp_path / "split-00002-of-00002.gguf", 500)
    write(tmp_path / "mmproj-large.gguf", 5000)
    write(tmp_path / "damaged.gguf", 700, magic=b"\0")
    write(tmp_path / "notes.txt")
    (tmp_path / "broken-link.gguf").symlink_to(tmp_path / "gone")
    names = [model.id for model in scan_models(tmp_path)]
    assert names == ["large", "split-00001-of-00002", "small"]


def test_no_folder_is_no_model(tmp_path: Path) -> None:
    assert scan_models(tmp_path / "nowhere") == ()


def test_the_largest_that_fits_is_chosen(tmp_path: Path) -> None:
    small = write(tmp_path / "small.gguf", 10)
    write(tmp_path / "large.gguf", 1000)
    models = scan_models(tmp_path)
    best = largest_that_fits(models, WORKING_BYTES + 999)
    assert best is not None
    assert best.path == small
    assert largest_that_fits(models, WORKING_BYTES) is None
