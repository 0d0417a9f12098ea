"""What the owner's settings make of the tool server."""

import asyncio
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from psutil import Process

from api.listening import Listening, house_addresses
from api.tool_address import still_listening, tool_listening
from api.tool_door import Toolbox, follow, tools_of
from guard import LOOPBACK_NAMES, bracketed
from settings import TOML_FILE, Settings
from swarm.errors import ConfigurationError
from tests.federation.disk import no_room_on_disk
from tests.ports import free_port
from tests.waiting import until
from tools import bubblewrap, proxy, remote, server
from tools.errors import NotPermitted, ToolFailed
from workspaces import WORKSPACES_FILE

LOADED = (bubblewrap, proxy, remote, server)
"""Imported here, as importing blocks."""


def settings(tmp_path: Path, **told: object) -> Settings:
    (tmp_path / "work").mkdir(exist_ok=True)
    usual = {"tool_server": True, "tool_port": free_port(), "state": tmp_path / "state"}
    return Settings(**{**usual, "workspace": tmp_path / "work", **told})  # type: ignore[arg-type]


async def _nowhere() -> remote.ServerAccess:
    raise ToolFailed("there are no tools")


NO_TOOLS = remote.RemoteTools(_nowhere)


def test_settings_that_a_tool_could_make_are_known(tmp_path: Path) -> None:
    toolbox = Toolbox(NO_TOOLS, "this node", shared=True, workspace=tmp_path)
    assert toolbox.may_write(tmp_path / "deep" / TOML_FILE)
    assert not toolbox.may_write(tmp_path.parent / TOML_FILE)
    assert not Toolbox(NO_TOOLS, "elsewhere", shared=True).may_write(tmp_path / TOML_FILE)


@pytest.mark.parametrize(
    ("wanted", "host"),
    [
        (None, "127.0.0.1"),
        ("http://127.0.0.1:17616", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("http://[::1]:17616/", "::1"),
    ],
)
def test_the_address_is_loopback_unless_said_otherwise(wanted: str | None, host: str) -> None:
    assert tool_listening(wanted, 17616) == Listening((host,), host, LOOPBACK_NAMES, beyond=False)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not an address of this machine"):
        tool_listening("http://192.0.2.7:17616", 17616)


@pytest.mark.parametrize("wanted", ["http://[::1", "http://127.0.0.1:9999", "ftp://127.0.0.1"])
def test_an_address_that_cannot_be_meant_is_refused_with_what_would_be_right(wanted: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"--tool-host .*(http://HOST:17616|--tool-port 9999)"
    ):
        tool_listening(wanted, 17616)


def lan_address() -> str:
    found = house_addresses()
    if not found:
        pytest.skip("needs a LAN, which this machine lacks")
    return found[0]


def test_beyond_loopback_it_listens_there_too_and_knows_its_own_names() -> None:
    address = lan_address()
    for wanted in ("lan", f"http://{bracketed(address)}:17616"):
        where = tool_listening(wanted, 17616)
        assert where.beyond
        assert where.hosts == ("127.0.0.1", address)
        short = socket.gethostname().lower().partition(".")[0]
        assert {*LOOPBACK_NAMES, bracketed(address), short, f"{short}.local"} <= set(where.names)


async def test_without_the_flag_there_is_no_tool_server(tmp_path: Path) -> None:
    said: list[str] = []
    async with tools_of(settings(tmp_path, tool_server=False), None, said.append):
        assert said == []


@pytest.mark.needs("bubblewrap")
async def test_on_loopback_it_serves_this_machine(tmp_path: Path) -> None:
    said: list[str] = []
    chosen = settings(tmp_path)
    async with tools_of(chosen, None, said.append), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{chosen.tool_port}/v1/tools/execute"
        body = {"name": "bash", "arguments": {"command": "pwd"}}
        async with session.post(url, json=body) as answer:
            assert (await answer.json())["output"] == str(tmp_path / "work")
    assert "sandbox: bubblewrap, network: none" in said[0]
    assert "this machine only" in said[1]
    known = await asyncio.to_thread((chosen.state / WORKSPACES_FILE).read_text)
    assert known == f"{tmp_path / 'work'}\n"


async def test_on_another_loopback_address_it_is_called_by_that(tmp_path: Path) -> None:
    said: list[str] = []
    chosen = settings(tmp_path, tool_host="127.0.0.2", sandbox=False)
    async with tools_of(chosen, None, said.append), aiohttp.ClientSession() as http:
        url = f"http://127.0.0.2:{chosen.tool_port}/v1/tools"
        assert url in said[-1]
        assert await status(http, url) == 200
        assert await status(http, url, Host=f"evil.example:{chosen.tool_port}") == 403


async def refusal(chosen: Settings) -> str:
    with pytest.raises(ConfigurationError) as refused:
        async with tools_of(chosen, None, list[str]().append):
            pass
    return str(refused.value)


async def test_a_state_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    with no_room_on_disk():
        said = await refusal(chosen)
    assert said.startswith(f"--tool-server: where tools worked cannot be kept in {chosen.state}: ")
    assert "File too large; make room there" in said
    assert "--state DIR" in said


async def test_where_no_temporary_file_can_be_made_the_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    said = await refusal(settings(tmp_path))
    assert "no temporary files can be made: No such file or directory; name a folder" in said
    assert "TMPDIR" in said


@pytest.mark.needs("bubblewrap")
async def test_a_port_in_use_names_its_holder_and_the_flag(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chosen = settings(tmp_path, tool_port=taken.getsockname()[1])
        with pytest.raises(ConfigurationError) as refused:
            async with tools_of(chosen, None, list[str]().append):
                pass
    assert f"in use by {Process().name()} (process {os.getpid()})" in str(refused.value)
    assert "--tool-port N" in str(refused.value)


async def status(http: aiohttp.ClientSession, url: str, **headers: str) -> int:
    async with http.get(url, headers=headers) as answer:
        return answer.status


async def test_on_the_lan_a_token_is_made_and_asked_for(tmp_path: Path) -> None:
    said: list[str] = []
    address = lan_address()
    chosen = settings(tmp_path, tool_host="lan", sandbox=False)
    port = chosen.tool_port
    name = f"{socket.gethostname().partition('.')[0]}.local"
    async with tools_of(chosen, None, said.append), aiohttp.ClientSession() as http:
        file = tmp_path / "state/tool-token"
        token = f"Bearer {file.read_text().strip()}"
        for host in (bracketed(address), "127.0.0.1"):
            url = f"http://{host}:{port}/v1/tools"
            assert await status(http, url) == 401
            assert await status(http, url, Authorization=token) == 200
            named = {"Authorization": token, "Host": f"{name}:{port}"}
            assert await status(http, url, **named) == 200
            assert await status(http, url, **{**named, "Host": f"evil.example:{port}"}) == 403
    assert f"http://{bracketed(address)}:{port}/v1/tools" in said[-1]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() not in " ".join(said)


@pytest.mark.parametrize("kept", [b"\xff\xfe", b"short\n", b"\n"])
async def test_a_file_that_holds_no_token_is_refused_by_its_name(
    tmp_path: Path, kept: bytes
) -> None:
    lan_address()
    file = tmp_path / "state/tool-token"
    file.parent.mkdir()
    file.write_bytes(kept)
    with pytest.raises(ConfigurationError, match="tool-token"):
        async with tools_of(settings(tmp_path, tool_host="lan", sandbox=False), None, print):
            pass


ONE, OTHER = (Listening(("127.0.0.1", host), host, (), beyond=True) for host in ("1.1", "1.2"))


async def test_the_door_follows_the_machine_as_soon_as_it_can_be_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ways: list[Listening | Exception] = [
        ONE,
        ConfigurationError("none"),
        ConfigurationError("none"),
    ]
    ways += [OTHER, OTHER, OTHER]
    busy = [OSError("not yet")]
    moves: list[Listening] = []
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def look(before: Listening) -> Listening:
        if before == OTHER:
            loop.call_soon_threadsafe(arrived.set)
        way = ways.pop(0) if ways else OTHER
        if isinstance(way, Exception):
            raise way
        return way

    async def moved(where: Listening) -> None:
        if busy:
            raise busy.pop()
        moves.append(where)

    following = asyncio.create_task(follow(ONE, look, moved, every_s=0))
    async with asyncio.timeout(10):
        await arrived.wait()
    following.cancel()
    await asyncio.wait([following])
    assert moves == [OTHER]
    assert caplog.messages == [f"the tools stay at 1.1: {why}" for why in ("none", "not yet")]


def test_an_address_that_the_owner_has_named_is_not_left_for_another() -> None:
    gone = Listening(("127.0.0.1", "192.0.2.7"), "192.0.2.7", (), beyond=True)
    with pytest.raises(ConfigurationError, match="leave out the address"):
        still_listening("http://192.0.2.7:17616", gone)
    address = lan_address()
    assert still_listening("lan", gone).hosts == ("127.0.0.1", address)
    here = Listening(("127.0.0.1", address), address, (), beyond=True)
    assert still_listening("lan", here) is here


async def test_a_port_that_is_taken_on_one_address_is_left_on_the_other(tmp_path: Path) -> None:
    chosen = settings(tmp_path, tool_host="lan", sandbox=False)
    address = lan_address()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, chosen.tool_port), family=family):
        with pytest.raises(ConfigurationError, match="--tool-port N"):
            async with tools_of(chosen, None, lambda text: None):
                pass
        socket.create_server(("127.0.0.1", chosen.tool_port)).close()


async def test_commands_are_given_folders_by_their_real_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real/programs/bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "link"))
    chosen = settings(tmp_path, tools={"readable": [tmp_path / "link/programs"]}, sandbox=False)
    async with tools_of(chosen, None, lambda text: None) as toolbox:
        assert toolbox is not None
        told = await toolbox.tools.execute("bash", {"command": "echo $TMPDIR $HOME $PATH"})
    scratch, home, path = told.text.split()
    assert Path(scratch).parent == tmp_path / "real"
    assert home == f"{scratch}/home"
    named, real = (str(tmp_path / way / "programs/bin") for way in ("link", "real"))
    assert path.split(":")[:2] == [named, real]


@pytest.mark.needs("bubblewrap")
async def test_a_port_that_is_taken_names_the_flag(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    async with tools_of(chosen, None, lambda text: None):
        with pytest.raises(ConfigurationError, match="--tool-port N"):
            async with tools_of(chosen, None, lambda text: None):
                pass


def alone(tmp_path: Path, **told: object) -> Settings:
    """An agent without a tool server."""
    return settings(tmp_path, tool_server=False, agent=True, **told)


@pytest.mark.needs("bubblewrap")
async def test_an_agent_has_a_sandbox_of_its_own_and_no_door(tmp_path: Path) -> None:
    said: list[str] = []
    chosen = alone(tmp_path)
    async with tools_of(chosen, None, said.append) as toolbox, aiohttp.ClientSession() as session:
        assert toolbox is not None
        output = await toolbox.tools.execute("bash", {"command": "pwd"})
        assert (toolbox.name, output.text) == ("this node", str(tmp_path / "work"))
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"http://127.0.0.1:{chosen.tool_port}/v1/tools")
    assert any(line.startswith("  agent ") for line in said)


async def test_an_end_that_is_cancelled_leaves_no_folder_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    begun = asyncio.Event()
    boxes: list[Any] = []
    calls: list[asyncio.Task[object]] = []

    async def node() -> None:
        async with tools_of(alone(tmp_path, sandbox=False), None, print) as toolbox:
            assert toolbox is not None
            boxes.append(toolbox)
            command = {"command": "trap '' TERM; echo begun; while :; do sleep 0.05; done"}
            call = toolbox.tools.execute("bash", command, emit=lambda text: begun.set())
            calls.append(asyncio.create_task(call))
            await begun.wait()

    running = asyncio.create_task(node())
    await begun.wait()
    assert any(folder.iterdir())
    await until(lambda: boxes[0].tools._closed)
    running.cancel()
    await asyncio.wait([running, *calls])
    assert running.cancelled()
    assert calls[0].exception() is not None
    assert not any(folder.iterdir())


@pytest.mark.needs("bubblewrap")
async def test_an_agent_uses_the_tool_server_that_is_named(tmp_path: Path) -> None:
    serving = settings(tmp_path, tool_token="a-token-of-mine")
    url = f"127.0.0.1:{serving.tool_port}"
    asking = alone(tmp_path, tool_host=url, tool_token="a-token-of-mine")
    async with (
        tools_of(serving, None, lambda text: None),
        tools_of(asking, None, lambda text: None) as toolbox,
    ):
        assert toolbox is not None
        assert toolbox.name == f"http://{url}"
        await toolbox.tools.execute("write", {"filePath": "a", "content": "b"})
        assert "bash" in [each.name for each in await toolbox.tools.descriptions()]
    assert (tmp_path / "work/a").read_text() == "b"


async def test_tools_are_refused_where_their_system_calls_are_not(tmp_path: Path) -> None:
    for chosen, flag in ((settings(tmp_path), "--tool-server"), (alone(tmp_path), "--agent")):
        with pytest.raises(ConfigurationError, match=f"{flag}: tools run on Linux and macOS only"):
            async with tools_of(chosen, None, lambda text: None, system="nt"):
                pass


async def test_a_workspace_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--tool-server: the workspace"):
        async with tools_of(
            settings(tmp_path, workspace=tmp_path / "none"), None, lambda text: None
        ):
            pass
    with pytest.raises(ConfigurationError, match="--agent: the workspace"):
        async with tools_of(alone(tmp_path, workspace=tmp_path / "none"), None, lambda text: None):
            pass


async def test_a_workspace_that_is_a_link_to_itself_is_named(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(ConfigurationError, match=r"the workspace .*loop: "):
        async with tools_of(settings(tmp_path, workspace=loop), None, lambda text: None):
            pass


@pytest.mark.needs("bubblewrap")
async def test_package_managers_alone_may_have_the_network(tmp_path: Path) -> None:
    said: list[str] = []
    hosts = {"package_hosts": ["packages.example"]}
    chosen = settings(tmp_path, allow_network="packages", tools=hosts)
    async with tools_of(chosen, None, said.append) as toolbox:
        assert "network: packages" in said[0]
        assert toolbox is not None
        tools = toolbox.tools
        script = "exec 3<>/dev/tcp/127.0.0.1/3128; printf 'GET / HTTP/1.1\\r\\n\\r\\n' >&3; cat <&3"
        told = await tools.execute("bash", {"command": script})
        assert told.text.startswith("HTTP/1.1 405")
        with pytest.raises(NotPermitted):
            await tools.execute("webfetch", {"url": "http://packages.example/"})


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"sandbox": False}, "needs a sandbox"),
        ({}, "name the hosts"),
        ({"tools": {"package_hosts": ["https://x/"]}}, "is no host"),
    ],
)
async def test_what_the_proxy_cannot_keep_is_refused(
    tmp_path: Path, told: dict[str, object], why: str
) -> None:
    chosen = settings(tmp_path, allow_network="packages", **told)
    with pytest.raises(ConfigurationError, match=why):
        async with tools_of(chosen, None, lambda text: None):
            pass
