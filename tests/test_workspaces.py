"""The list of the folders in which tools have worked."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from settings import read_settings
from swarm.errors import ConfigurationError
from workspaces import WORKSPACES_FILE, remember, worked_in


@pytest.mark.skipif(os.name != "posix", reason="tools run on Linux and macOS only")
@pytest.mark.parametrize("name", [b"B\xfcro", "B\u00fcro\u2028\x85\x0bx".encode(), b" plain "])
def test_a_folder_is_found_again_whatever_its_name(
    name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, state = tmp_path / os.fsdecode(name), tmp_path / "state"
    try:
        root.mkdir()
    except OSError:  # macOS keeps names in UTF-8
        pytest.skip("needs a file system that takes any bytes")
    for _ in range(2):
        remember(tmp_path / "other", state)
        remember(root, state)
    assert worked_in(state) == [str(tmp_path / "other"), str(root)]
    monkeypatch.chdir(root)
    Path("swarm.toml").write_text("sandbox = false\n")
    with pytest.raises(ConfigurationError, match=f"take that line out of {state}"):
        read_settings(["--state", str(state)])


def test_a_line_that_a_person_has_added_counts(tmp_path: Path) -> None:
    assert worked_in(tmp_path) == []
    (tmp_path / WORKSPACES_FILE).write_text("/one\n\n/two")
    assert worked_in(tmp_path) == ["/one", "/two"]
    remember(Path("/three"), tmp_path)
    assert worked_in(tmp_path) == ["/one", "/two", "/three"]


def test_nodes_that_share_a_folder_lose_no_line_of_each_other(tmp_path: Path) -> None:
    roots = [Path(f"/work/{at}") for at in range(8)]
    together = Barrier(len(roots))

    def start(root: Path) -> None:
        together.wait()
        remember(root, tmp_path)

    with ThreadPoolExecutor(len(roots)) as nodes:
        list(nodes.map(start, roots))
    assert sorted(worked_in(tmp_path)) == [str(root) for root in roots]
