"""Which models of the catalogue are in the hub's cache already; nobody is asked."""

import shutil
from pathlib import Path

import pytest

from swarm.errors import ConfigurationError
from swarm.models.card import Card, Format
from swarm.models.catalogue import load_catalogue
from swarm.models.find import wanted
from swarm.models.hub import (
    Hub,
    check_cache,
    copied_folder,
    downloaded,
    hub_of,
    known_in,
    repository_folder,
)
from swarm.models.local import BUNDLED_PATH
from swarm.models.wanted import Wanted
from tests.closed import without_privileges
from tests.homeless import become_homeless

CODER = next(card for card in load_catalogue() if card.id == "qwen2.5-coder:7b")


def release(kind: Format, card: Card = CODER) -> Wanted:
    return wanted(card, card.of(kind)[0])


def snapshot(each: Wanted, cache: Path) -> Path:
    repository = cache / f"models--{each.repository.replace('/', '--')}"
    if each.revision:
        return repository / "snapshots" / each.revision
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c" * 40)
    return repository / "snapshots" / ("c" * 40)


def filled(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"GGUF")


def test_without_a_cache_nothing_is_there(tmp_path: Path) -> None:
    assert downloaded([CODER], "gguf", Hub(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("place", [snapshot, copied_folder])
def test_a_release_with_all_its_files_is_there(tmp_path: Path, place: object) -> None:
    each = release("gguf")
    folder = snapshot(each, tmp_path) if place is snapshot else copied_folder(each, tmp_path)
    filled(folder, *each.files)
    (model,) = downloaded([CODER], "gguf", Hub(tmp_path))
    assert (model.id, model.path, model.sampling) == (
        each.id,
        folder / each.files[0],
        each.sampling,
    )


def test_a_part_of_a_release_is_not(tmp_path: Path) -> None:
    each = next(
        found
        for card in load_catalogue()
        for one in card.of("gguf")
        if len((found := wanted(card, one)).files) > 1
    )
    filled(snapshot(each, tmp_path), each.files[0])
    assert downloaded(load_catalogue(), "gguf", Hub(tmp_path)) == []


def test_an_mlx_folder_is_there_whatever_else_of_its_repository_broke_off(tmp_path: Path) -> None:
    each = release("mlx")
    folder = snapshot(each, tmp_path)
    filled(folder, "config.json", "model.safetensors")
    (model,) = downloaded([CODER], "mlx", Hub(tmp_path))
    assert (model.id, model.format) == (each.id, "mlx")
    filled(folder.parent.parent, "blobs/abc.incomplete")  # such as of another version
    assert downloaded([CODER], "mlx", Hub(tmp_path)) == [model]


def test_an_mlx_folder_of_which_a_numbered_part_is_missing_is_not_there(tmp_path: Path) -> None:
    folder = snapshot(release("mlx"), tmp_path)  # its index may be what is still on its way
    filled(folder, "config.json", "model-00001-of-00002.safetensors")
    assert downloaded([CODER], "mlx", Hub(tmp_path)) == []
    filled(folder, "model-00002-of-00002.safetensors")
    assert len(downloaded([CODER], "mlx", Hub(tmp_path))) == 1


def test_an_mlx_folder_without_all_of_its_weights_is_not_there(tmp_path: Path) -> None:
    each = release("mlx")
    folder = snapshot(each, tmp_path)
    filled(folder, "config.json", "model-1.safetensors")
    listed = '{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    (folder / "model.safetensors.index.json").write_text(listed)
    assert downloaded([CODER], "mlx", Hub(tmp_path)) == []
    filled(folder, "model-2.safetensors")
    assert len(downloaded([CODER], "mlx", Hub(tmp_path))) == 1


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", " "])
def test_a_token_has_no_end_of_a_line(tmp_path: Path, end: str) -> None:
    assert hub_of({"HF_HOME": str(tmp_path), "HF_TOKEN": f"hf_x{end}"}).token == "hf_x"
    (tmp_path / "token").write_text(f"kept{end}")
    assert hub_of({"HF_HOME": str(tmp_path), "HF_TOKEN": end}).token == "kept"


def test_the_cache_is_where_the_hub_s_library_has_it() -> None:
    caches = {"XDG_CACHE_HOME": "/caches"}
    assert hub_of(caches).cache == Path("/caches/huggingface/hub")
    assert hub_of(caches | {"HF_HOME": "/home"}).cache == Path("/home/hub")
    assert hub_of(caches | {"HF_HUB_CACHE": "/hub"}).cache == Path("/hub")
    own = Path.home() / ".cache" / "huggingface" / "hub"
    assert hub_of({}).cache == hub_of({"XDG_CACHE_HOME": ""}).cache == own


def test_without_a_home_nothing_is_in_the_cache_and_nothing_is_kept_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    become_homeless(monkeypatch)
    for environ in ({}, {"XDG_CACHE_HOME": "~nobody-at-all/caches"}, {"HF_HOME": "~/hf"}):
        hub = hub_of(environ)
        assert downloaded([CODER], "gguf", hub) == []
        with pytest.raises(ConfigurationError, match="name a folder for models in HF_HOME"):
            check_cache(hub.cache)
    check_cache(hub_of({"HF_HOME": "/hf"}).cache)


@pytest.mark.parametrize("closed", ["", "repository", "refs", "snapshots"])
def test_what_this_user_may_not_look_into_is_not_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, closed: str
) -> None:
    each = release("gguf")
    filled(snapshot(each, tmp_path), *each.files)
    repository = repository_folder(each, tmp_path)
    (repository / "refs").mkdir(exist_ok=True)
    folder = {"": tmp_path, "repository": repository}.get(closed, repository / closed)
    folder.chmod(0)
    with without_privileges():
        found = downloaded([CODER], "gguf", Hub(tmp_path))
    folder.chmod(0o755)
    assert len(found) == (closed == "refs" and each.revision is not None)
    told = [f"may not look into {folder} (Permission denied)" in line for line in caplog.messages]
    assert told == ([True] if closed in ("", "repository") else [])


def test_a_repository_of_weights_that_this_user_may_not_look_into_is_told_of_once(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    each = release("mlx")
    snapshot(each, tmp_path).mkdir(parents=True)
    repository = repository_folder(each, tmp_path)
    repository.chmod(0)
    with without_privileges():
        assert downloaded([CODER], "mlx", Hub(tmp_path)) == []
    repository.chmod(0o755)
    assert ["may not look into" in line for line in caplog.messages] == [True]


def test_a_models_folder_that_this_user_may_not_look_into_is_told_of_once(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shutil.copy(BUNDLED_PATH, tmp_path / "mine.gguf")
    (tmp_path / "cards").mkdir()
    tmp_path.chmod(0)
    with without_privileges():
        known = known_in(tmp_path, "gguf", Hub(tmp_path / "nowhere"))
    tmp_path.chmod(0o755)
    assert known.found == ()
    assert known.cards == load_catalogue()
    assert [line for line in caplog.messages if "cards" in line] == []
    assert f"may not look into {tmp_path} " in caplog.messages[0]
