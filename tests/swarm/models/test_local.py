"""Which model files are found, and which are not taken for models."""

import os
import struct
import sys
from pathlib import Path

import pytest

from swarm.errors import ConfigurationError
from swarm.models.local import described, mlx_model, parts_of, scan_models

ANY_BYTES = pytest.mark.skipif(sys.platform == "darwin", reason="its file names are UTF-8")


def write(path: Path, size: int = 100, magic: bytes = b"GGUF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(magic.ljust(size, b"\0"))
    return path


def test_the_id_of_a_file_is_its_stem(tmp_path: Path) -> None:
    model = described(write(tmp_path / "qwen2.5-coder.Q4_K_M.gguf"))
    assert model.id == "qwen2.5-coder.Q4_K_M"
    assert model.size_bytes == 100


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"my\xc2\xa0model", "my-model"),
        pytest.param(b"caf\xe9", "caf-", marks=ANY_BYTES),
        (b"two\nlines", "two-lines"),
        ("modèl 7B (größer)".encode(), "modèl 7B (größer)"),
    ],
)
def test_an_id_is_printable_and_the_path_as_it_is(tmp_path: Path, name: bytes, told: str) -> None:
    file = write(tmp_path / os.fsdecode(name + b".gguf"))
    model = described(file)
    assert (model.id, model.path) == (told, file)
    folder = tmp_path / os.fsdecode(name)
    write(folder / "model.safetensors")
    write(folder / "config.json")
    assert (mlx_model(folder).id, mlx_model(folder).path) == (told, folder)


@ANY_BYTES
def test_ids_that_become_alike_by_being_printable_are_told_apart(tmp_path: Path) -> None:
    for name in (b"caf\xe8", b"caf\xe9", b"caf-", b"caf"):
        write(tmp_path / os.fsdecode(name + b".gguf"))
    assert {os.fsencode(model.path.name): model.id for model in scan_models(tmp_path)} == {
        b"caf\xe8.gguf": "caf--2",
        b"caf\xe9.gguf": "caf--3",
        b"caf-.gguf": "caf-",
        b"caf.gguf": "caf",
    }


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a GGUF file"):
        described(write(tmp_path / "a.gguf", magic=b"PK"))


def test_a_folder_is_scanned_largest_first(tmp_path: Path) -> None:
    write(tmp_path / "small.gguf", 10)
    write(tmp_path / "deep" / "large.gguf", 1000)
    write(tmp_path / "split-00001-of-00002.gguf", 500)
    write(tmp_path / "split-00002-of-00002.gguf", 500)
    write(tmp_path / "damaged.gguf", 700, magic=b"\0")
    write(tmp_path / "notes.txt")
    (tmp_path / "broken-link.gguf").symlink_to(tmp_path / "gone")
    names = [model.id for model in scan_models(tmp_path)]
    assert names == ["large", "split-00001-of-00002", "small"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"general.architecture": "llama", "general.type": "adapter"}, "an adapter"),
        ({"general.type": "imatrix"}, "an importance matrix"),
        ({"general.architecture": "clip", "general.type": "mmproj"}, "a projector"),
        ({"general.architecture": "clip"}, "a projector"),
    ],
)
def test_what_says_that_it_is_no_model_is_none(
    tmp_path: Path, told: dict[str, str], said: str
) -> None:
    path = tmp_path / "mine.gguf"
    pairs = b"".join(text(key) + struct.pack("<I", 8) + text(told[key]) for key in told)
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 0, len(told)) + pairs)
    assert scan_models(tmp_path) == ()
    with pytest.raises(ConfigurationError, match=rf"mine\.gguf is no model, but {said}"):
        described(path)


@pytest.mark.parametrize("key", ["general.type", "general.architecture"])
def test_a_kind_that_is_no_word_says_nothing(tmp_path: Path, key: str) -> None:
    path = tmp_path / "odd.gguf"
    two_numbers = struct.pack("<IIQII", 9, 4, 2, 1, 2)
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + text(key) + two_numbers)
    assert [model.id for model in scan_models(tmp_path)] == ["odd"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows knows no pipes with a name")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "folder.gguf").mkdir()
    write(tmp_path / "a.gguf")
    assert [model.id for model in scan_models(tmp_path)] == ["a"]
    with pytest.raises(ConfigurationError, match=r"pipe\.gguf is no file"):
        described(tmp_path / "pipe.gguf")


@pytest.mark.parametrize("index", ["[" * 100_000, '{"weight_map": {"a": 1, "b": "c"}}'])
def test_an_odd_index_makes_no_model(tmp_path: Path, index: str) -> None:
    write(tmp_path / "mine" / "config.json")
    write(tmp_path / "mine" / "model.safetensors")
    (tmp_path / "mine" / "model.safetensors.index.json").write_text(index)
    assert scan_models(tmp_path) == ()


def text(told: str) -> bytes:
    return struct.pack("<Q", len(told)) + told.encode()


@pytest.mark.parametrize("name", ["swarm", "auto", "swarm-fast"])
def test_a_name_that_means_the_default_model_is_refused(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path / f"{name}.gguf")
    write(tmp_path / "mlx" / name / "model.safetensors")
    write(tmp_path / "mlx" / name / "config.json")
    write(tmp_path / "swarm-of-mine.gguf")
    assert [model.id for model in scan_models(tmp_path)] == ["swarm-of-mine"]
    for path in (file, tmp_path / "mlx" / name):
        assert f"{path} cannot be asked for: {name} means the default model" in caplog.text
    with pytest.raises(ConfigurationError, match="cannot be asked for"):
        described(file)
    with pytest.raises(ConfigurationError, match="cannot be asked for"):
        mlx_model(tmp_path / "mlx" / name)


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


def in_hubs_cache(repository: Path, *names: str) -> Path:
    """A snapshot as the hub's library keeps it: links to files that are named by their hashes."""
    snapshot = repository / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    for number, name in enumerate(names):
        blob = write(repository / "blobs" / f"{number:064}")
        (snapshot / name).symlink_to(blob)
    return snapshot


def test_a_split_model_behind_links_keeps_its_name_and_its_parts(tmp_path: Path) -> None:
    names = [f"mine-q4-0000{part}-of-00003.gguf" for part in (1, 2, 3)]
    snapshot = in_hubs_cache(tmp_path / "models--me--mine", *names)
    for model in (described(snapshot / names[0]), *scan_models(snapshot)):
        assert model.path == snapshot / names[0]
        assert [part.name for part in parts_of(model.path)] == names
        assert model.size_bytes == 300


@pytest.mark.parametrize("name", ["mine-00001-of-00002.gguf", "mine.gguf"])
def test_a_link_to_the_first_part_alone_leads_to_where_the_others_are(
    tmp_path: Path, name: str
) -> None:
    write(tmp_path / "disk" / "mine-00002-of-00002.gguf", 200)
    first = write(tmp_path / "disk" / "mine-00001-of-00002.gguf", 100)
    link = tmp_path / "models" / name
    link.parent.mkdir()
    link.symlink_to(first)
    for model in (described(link), *scan_models(link.parent)):
        assert (model.path, model.size_bytes) == (first, 300)


def test_a_snapshot_of_an_mlx_model_is_named_by_its_repository(tmp_path: Path) -> None:
    files = "config.json", "model.safetensors"
    snapshot = in_hubs_cache(tmp_path / "models--mlx-community--mine-4bit", *files)
    assert mlx_model(snapshot).id == "mine-4bit"
    link = tmp_path / "as-i-call-it"
    link.symlink_to(snapshot)
    model = mlx_model(link)
    assert (model.id, model.path) == ("as-i-call-it", link)


def test_the_folder_that_one_is_in_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "mine" / "config.json")
    write(tmp_path / "mine" / "model.safetensors")
    (tmp_path / "mine" / "below").mkdir()
    monkeypatch.chdir(tmp_path / "mine" / "below")
    assert mlx_model(Path("..")).id == "mine"
    monkeypatch.chdir(tmp_path / "mine")
    assert mlx_model(Path()).id == "mine"


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


def test_a_split_model_of_which_a_part_is_missing_is_none(tmp_path: Path) -> None:
    first = write(tmp_path / "big-00001-of-00003.gguf", 500)
    write(tmp_path / "big-00003-of-00003.gguf", 500)
    write(tmp_path / "big-coder-00002-of-00003.gguf", 500)
    write(tmp_path / "a.gguf")
    assert [model.id for model in scan_models(tmp_path)] == ["a"]
    with pytest.raises(ConfigurationError, match=r"not whole: big-00002-of-00003\.gguf is missing"):
        described(first)


def test_parts_of_another_model_are_not_counted(tmp_path: Path) -> None:
    for name in ("qwen", "qwen-coder"):
        for part in (1, 2):
            write(tmp_path / f"{name}-0000{part}-of-00002.gguf")
    found = {model.id: model.size_bytes for model in scan_models(tmp_path)}
    assert found == {"qwen-00001-of-00002": 200, "qwen-coder-00001-of-00002": 200}
