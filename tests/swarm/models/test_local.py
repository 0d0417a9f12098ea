"""Which model files are found, and which are not taken for models."""

from pathlib import Path

import pytest

from swarm.errors import ConfigurationError
from swarm.models.local import described, mlx_model, scan_models


def write(path: Path, size: int = 100, magic: bytes = b"GGUF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(magic.ljust(size, b"\0"))
    return path


def test_the_id_of_a_file_is_its_stem(tmp_path: Path) -> None:
    model = described(write(tmp_path / "qwen2.5-coder.Q4_K_M.gguf"))
    assert model.id == "qwen2.5-coder.Q4_K_M"
    assert model.size_bytes == 100


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a GGUF file"):
        described(write(tmp_path / "a.gguf", magic=b"PK"))


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


def test_a_folder_with_weights_and_a_configuration_is_an_mlx_model(tmp_path: Path) -> None:
    folder = tmp_path / "mine-4bit"
    write(folder / "model-1.safetensors", 300)
    with pytest.raises(ConfigurationError, match="holds no MLX model"):
        mlx_model(folder)
    write(folder / "config.json")
    model = mlx_model(folder)
    assert (model.id, model.size_bytes, model.format) == ("mine-4bit", 300, "mlx")


def test_mlx_folders_are_found_in_the_folder_if_they_are_whole(tmp_path: Path) -> None:
    for name in ("whole", "deep/other", "part"):
        write(tmp_path / name / "config.json")
        write(tmp_path / name / "model.safetensors", 300)
    (tmp_path / "part" / "model.safetensors.index.json").write_text("[]")
    write(tmp_path / "no-weights" / "config.json")
    write(tmp_path / "a.gguf", 200)
    assert [model.id for model in scan_models(tmp_path)] == ["other", "whole", "a"]


def test_links_to_weights_that_are_gone_make_no_model(tmp_path: Path) -> None:
    """As a cache leaves them whose large files were deleted for room."""
    write(tmp_path / "mlx" / "config.json")
    (tmp_path / "mlx" / "model.safetensors").symlink_to(tmp_path / "gone")
    write(tmp_path / "split-00001-of-00002.gguf", 500)
    (tmp_path / "split-00002-of-00002.gguf").symlink_to(tmp_path / "gone")
    write(tmp_path / "a.gguf")
    assert [model.id for model in scan_models(tmp_path)] == ["a"]
    with pytest.raises(ConfigurationError, match="mlx cannot be read: No such file"):
        mlx_model(tmp_path / "mlx")
