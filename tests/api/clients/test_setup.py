"""`main.py --opencode` against a door: the file, the key, the lines for the person."""

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from api.clients.jsonc import parse
from api.clients.setup import place, read_after, read_before, set_up_opencode
from api.keyring import write_key
from api.own_node import Node as OwnNode
from api.own_node import call, known_keys
from settings import KeySettings, Settings
from swarm.errors import ConfigurationError, SwarmError
from tests.api.conftest import NO_NODE, Node, StartNode, nobodys_door
from tests.fakes import FakeEngine
from tests.homeless import become_homeless

KEY = "sk-test-12345678"
ALONE = {"XDG_CONFIG_HOME": "/nowhere"}
"""No configuration for all projects."""


def settings(node: Node, folder: Path, **more: object) -> Settings:
    where = {"port": node.port, "opencode": str(folder), "state": folder / "state"}
    return Settings.model_validate({**where, **more})


def assert_private(file: Path, content: str) -> None:
    assert file.read_text() == content
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_the_file_says_what_the_node_serves(node: Node, tmp_path: Path) -> None:
    said = await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), ALONE, "Linux")
    written = json.loads((tmp_path / "opencode.json").read_text())
    swarm = written["provider"]["swarm"]
    assert swarm["options"]["baseURL"] == f"http://127.0.0.1:{node.port}/v1"
    assert swarm["options"]["apiKey"] == "none"
    assert {name: model["limit"] for name, model in swarm["models"].items()} == {
        "swarm": {"context": 4096, "output": 1024},
        "swarm-fast": {"context": 4096, "output": 1024},
    }
    assert f"export OPENAI_BASE_URL=http://127.0.0.1:{node.port}/v1" in said
    assert str(tmp_path / "opencode.json") in said


async def test_on_windows_the_line_to_copy_is_powershell_s(node: Node, tmp_path: Path) -> None:
    def said(**more: object) -> str:
        return set_up_opencode(settings(node, tmp_path, **more), ALONE, "Windows")

    url = f"http://127.0.0.1:{node.port}/v1"
    line = f'any client $env:OPENAI_BASE_URL="{url}"; $env:OPENAI_API_BASE="{url}"; '
    assert line + '$env:OPENAI_API_KEY="none"' in await asyncio.to_thread(said)
    assert "=(Get-Content -LiteralPath '" in await asyncio.to_thread(said, key=KEY)


async def test_a_proxy_of_the_environment_does_not_see_the_key(
    node: Node, tmp_path: Path, nobodys_proxy: None
) -> None:
    await asyncio.to_thread(set_up_opencode, settings(node, tmp_path, key=KEY), ALONE, "Linux")
    assert (tmp_path / "opencode.json").exists()


async def test_a_second_time_leaves_the_file_alone(node: Node, tmp_path: Path) -> None:
    await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), ALONE, "Linux")
    file = tmp_path / "opencode.json"
    file.chmod(0o640)
    before = file.stat()
    said = await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), ALONE, "Linux")
    assert "nothing to change" in said
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


async def test_the_file_that_is_there_is_edited_and_a_link_stays_one(
    node: Node, tmp_path: Path
) -> None:
    real = tmp_path / "dotfiles.jsonc"
    real.write_text('{\n  "theme": "x" // mine\n}\n')
    (tmp_path / "opencode.jsonc").symlink_to(real)
    await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), ALONE, "Linux")
    assert (tmp_path / "opencode.jsonc").is_symlink()
    assert '"theme": "x", // mine\n' in real.read_text()
    assert not (tmp_path / "opencode.json").exists()


async def test_a_broken_file_is_not_touched(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "opencode.json"
    file.write_text('{"model": ')
    with pytest.raises(ConfigurationError, match=r"line 1.*nothing was written"):
        await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), ALONE, "Linux")
    assert file.read_text() == '{"model": '


async def test_the_key_stands_in_a_file_of_its_owner_and_is_only_named(
    start_node: StartNode, tmp_path: Path
) -> None:
    keys = {"laptop": KeySettings.model_validate({"key": KEY})}
    async with start_node(FakeEngine(), keys=keys) as node:
        with pytest.raises(SwarmError, match="SWARM_KEY"):
            await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), ALONE, "Linux")
        said = await asyncio.to_thread(
            set_up_opencode, settings(node, tmp_path, key=KEY), ALONE, "Linux"
        )
    text = (tmp_path / "opencode.json").read_text()
    reference = json.loads(text)["provider"]["swarm"]["options"]["apiKey"]
    file = Path(reference.removeprefix("{file:").removesuffix("}"))
    assert_private(file, f"{KEY}\n")
    assert KEY not in said + text


async def test_no_key_is_kept_where_the_configuration_cannot_name_it(
    start_node: StartNode, tmp_path: Path
) -> None:
    keys = {"laptop": KeySettings.model_validate({"key": KEY})}
    state = tmp_path / os.fsdecode(b"B\xfcro")
    async with start_node(FakeEngine(), keys=keys) as node:
        chosen = settings(node, tmp_path, key=KEY, state=state)
        with pytest.raises(ConfigurationError, match=r"no UTF-8.*--state DIR"):
            await asyncio.to_thread(set_up_opencode, chosen, ALONE, "Linux")
    assert not await asyncio.to_thread(os.listdir, tmp_path)


async def test_a_second_node_gets_its_own_key(start_node: StartNode, tmp_path: Path) -> None:
    def reference() -> str:
        written = json.loads((tmp_path / "opencode.json").read_text())
        return written["provider"]["swarm"]["options"]["apiKey"]

    kept: list[str] = []
    for key in (KEY, f"{KEY}-of-b", None):
        keys = {} if key is None else {"laptop": KeySettings.model_validate({"key": key})}
        async with start_node(FakeEngine(), keys=keys) as node:
            chosen = settings(node, tmp_path, **({} if key is None else {"key": key}))
            await asyncio.to_thread(set_up_opencode, chosen, ALONE, "Linux")
        kept.append(await asyncio.to_thread(reference))
    a, b, none = kept
    assert_private(Path(a.removeprefix("{file:").removesuffix("}")), f"{KEY}\n")
    assert_private(Path(b.removeprefix("{file:").removesuffix("}")), f"{KEY}-of-b\n")
    assert none == "none"


async def test_this_machines_key_is_not_shown_to_another(tmp_path: Path) -> None:
    own = Settings.model_validate(
        {"state": tmp_path, "keys": {"a": KEY}, "host": "192.0.2.1", "opencode": "."}
    )
    assert known_keys(own, "192.0.2.1") == [None]
    assert known_keys(own, "127.0.0.1") == [KEY]


async def test_a_key_that_was_named_once_is_known_from_then_on(
    start_node: StartNode, tmp_path: Path
) -> None:
    keys = {"laptop": KeySettings.model_validate({"key": KEY})}
    async with start_node(FakeEngine(), keys=keys) as node:
        unnamed = settings(node, tmp_path)
        with pytest.raises(SwarmError, match="--key KEY or in SWARM_KEY"):
            await asyncio.to_thread(call, OwnNode(unnamed), "diagnostics")
        await asyncio.to_thread(set_up_opencode, settings(node, tmp_path, key=KEY), ALONE, "Linux")
        said = await asyncio.to_thread(set_up_opencode, unnamed, ALONE, "Linux")
        assert "nothing to change" in said
        assert await asyncio.to_thread(call, OwnNode(unnamed), "diagnostics")


async def test_a_kept_key_that_holds_no_more_does_not_hide_the_node_s_own(
    start_node: StartNode, tmp_path: Path
) -> None:
    keys = {"made": KeySettings.model_validate({"key": KEY})}
    async with start_node(FakeEngine(), keys=keys) as node:
        here = settings(node, tmp_path)
        before = here.state / "keys" / f"127.0.0.1-{node.port}"
        await asyncio.to_thread(write_key, before, "sk-of-before")
        await asyncio.to_thread(write_key, here.state / "api-key", KEY)
        assert await asyncio.to_thread(call, OwnNode(here), "diagnostics")
        said = await asyncio.to_thread(set_up_opencode, here, ALONE, "Linux")
    assert str(here.state / "api-key") in said


def test_without_a_node_the_person_is_told_how_to_start_one(tmp_path: Path) -> None:
    nowhere = Settings.model_validate({"port": 1, "opencode": str(tmp_path), "state": tmp_path})
    with pytest.raises(ConfigurationError, match=r"`python main\.py --auto`"):
        set_up_opencode(nowhere, ALONE, "Linux")
    assert not (tmp_path / "opencode.json").exists()


@pytest.mark.parametrize("answer", NO_NODE)
async def test_what_is_no_node_is_called_so(answer: bytes, tmp_path: Path) -> None:
    async with nobodys_door(answer) as port:
        there = {"port": port, "opencode": str(tmp_path), "state": tmp_path}
        with pytest.raises(SwarmError, match=f"what answers at .*{port}/v1 is no node of Local"):
            await asyncio.to_thread(set_up_opencode, Settings.model_validate(there), ALONE, "Linux")
    assert not (tmp_path / "opencode.json").exists()


def test_the_global_file_is_where_opencode_looks(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert place("global", environ) == tmp_path / "opencode" / "opencode.json"
    (tmp_path / "opencode").mkdir()
    (tmp_path / "opencode" / "opencode.jsonc").write_text("{}")
    assert place("global", environ).name == "opencode.jsonc"


def test_the_files_are_read_in_opencodes_order(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "all")}
    project = tmp_path / "repository" / "project"
    project.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    common = [
        tmp_path / "all/opencode" / each
        for each in ("config.json", "opencode.json", "opencode.jsonc")
    ]
    above = [tmp_path / "repository" / each for each in ("opencode.json", "opencode.jsonc")]
    here = [project / each for each in ("opencode.json", "opencode.jsonc")]
    assert read_before(here[1], environ) == [*common, *above, here[0]]
    assert read_before(common[1], environ) == common[:1]


def test_the_files_that_count_over_ours_are_those_that_opencode_reads_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = {
        "XDG_CONFIG_HOME": str(tmp_path / "all"),
        "OPENCODE_CONFIG_DIR": str(tmp_path / "mine"),
        "OPENCODE_CONFIG": str(tmp_path / "one.json"),
    }
    project = tmp_path / "repository" / "project"
    project.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    above = [project / ".opencode", tmp_path / "repository/.opencode"]
    common = [tmp_path / ".opencode", tmp_path / "mine"]
    names = ("opencode.json", "opencode.jsonc")
    files = [folder / name for folder in (*above, *common) for name in names]
    assert read_after(project / "opencode.json", environ) == files
    assert read_after(files[2], environ) == files[3:]
    over_all = [tmp_path / "one.json", *files[4:]]
    assert read_after(tmp_path / "all/opencode/opencode.json", environ) == over_all
    assert tmp_path / "one.json" in read_before(project / "opencode.json", environ)


async def test_what_counts_over_the_file_is_warned_of_and_stays(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".opencode").mkdir()
    over = tmp_path / ".opencode" / "opencode.json"
    over.write_text('{"model": "anthropic/best", "enabled_providers": ["anthropic"]}')
    before = over.read_text()
    content = '{"provider": {"swarm": {"options": {"baseURL": "http://x/v1"}}}}'
    environ = ALONE | {"OPENCODE_CONFIG_CONTENT": content}
    said = await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), environ, "Linux")
    assert f'WARNING    {over} says model = "anthropic/best", which counts over this' in said
    assert f'WARNING    {over} says enabled_providers = ["anthropic"], which' in said
    assert (
        "WARNING    $OPENCODE_CONFIG_CONTENT says provider.swarm.options.baseURL = "
        '"http://x/v1", which counts over this file' in said
    )
    assert said.count("WARNING") == 3
    assert over.read_text() == before
    environ["OPENCODE_CONFIG_CONTENT"] = "{"
    with pytest.raises(ConfigurationError, match=r"\$OPENCODE_CONFIG_CONTENT: line 1"):
        await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), environ, "Linux")


async def test_what_the_other_files_say_is_not_overridden(node: Node, tmp_path: Path) -> None:
    common = tmp_path / "all" / "opencode"
    common.mkdir(parents=True)
    (common / "config.json").write_text('{"enabled_providers": ["anthropic"]}')
    (tmp_path / "opencode.json").write_text('{"model": "anthropic/best"}')
    file = tmp_path / "opencode.jsonc"
    file.write_text("{} // mine\n")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "all")}
    said = await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), environ, "Linux")
    written = parse(file.read_text())
    assert "model" not in written
    assert "anthropic/best" in said
    assert written["enabled_providers"] == ["anthropic", "swarm"]
    (common / "config.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"config\.json: line 1.*nothing was written"):
        await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), environ, "Linux")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        place(str(tmp_path / "nowhere"), {})


def test_without_a_home_a_configuration_of_all_projects_has_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    become_homeless(monkeypatch)
    assert read_before(Path("/nowhere/opencode.json"), {})
    with pytest.raises(ConfigurationError, match="name a folder in XDG_CONFIG_HOME"):
        place("global", {})


@pytest.mark.parametrize("environ", [{}, ALONE])
async def test_without_a_home_the_file_of_a_project_is_written(
    environ: dict[str, str], node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become_homeless(monkeypatch)
    await asyncio.to_thread(set_up_opencode, settings(node, tmp_path), environ, "Linux")
    file = tmp_path / "opencode.json"
    assert file.exists()
    later = await asyncio.to_thread(read_after, file, environ)
    assert later
    assert all(each.is_absolute() for each in later)
