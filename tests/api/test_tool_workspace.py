"""The folder that tools work in."""

from pathlib import Path

import pytest

from api.tool_workspace import project_around, workspace_root
from settings import TOML_FILE
from swarm.errors import ConfigurationError


def test_the_workspace_is_the_project_around(tmp_path: Path) -> None:
    (tmp_path / "project/.git").mkdir(parents=True)
    (tmp_path / "project/deep/down").mkdir(parents=True)
    assert project_around(tmp_path / "project/deep/down") == tmp_path / "project"


def test_a_workspace_never_holds_the_nodes_keys(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "state", Path("/")):
        with pytest.raises(ConfigurationError, match="keys"):
            workspace_root(root, tmp_path / "state")
    assert workspace_root(tmp_path / "work", tmp_path / "state") == tmp_path / "work"


def test_a_workspace_never_holds_the_nodes_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work/deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work/deep")
    assert workspace_root(tmp_path / "work", tmp_path / "state") == tmp_path / "work"
    Path(TOML_FILE).write_text("")
    for wanted in (tmp_path / "work", None):
        with pytest.raises(ConfigurationError, match=TOML_FILE):
            workspace_root(wanted, tmp_path / "state")


def test_a_workspace_has_no_line_break_in_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"two\\nlines': a line break"):
        workspace_root(tmp_path / "two\nlines", tmp_path / "state")


def test_the_program_is_a_workspace_only_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Path(__file__).parents[2]
    monkeypatch.chdir(program / "docs")
    with pytest.raises(ConfigurationError, match="--workspace DIR"):
        workspace_root(None, tmp_path / "state")
    assert workspace_root(program / "docs", tmp_path / "state") == program / "docs"
