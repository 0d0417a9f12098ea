"""Where the door listens, which key it asks for, and what the person is told."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_state_path

from api import listening as listening_module
from api import shell
from api.entrance import Entrance
from api.keyring import own_key, read_key
from api.listening import Listening, lan_address, listening
from api.tool_address import tool_listening
from api.welcome import KEYLESS_WARNING, connect_lines, endpoint_lines, start_warning
from hardware.interfaces import Interface
from settings import Settings
from swarm.errors import ConfigurationError
from tests.api.conftest import Node, StartNode
from tests.fakes import FakeEngine

HOME = {
    "lo": Interface(1, ("127.0.0.1", "::1"), loopback=True),
    "tun0": Interface(2, ("10.8.0.2",)),
    "eth0": Interface(3, ("192.168.7.5", "fe80::5")),
}

USUAL_STATE = user_state_path("local-swarm", appauthor=False)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening_module, "read_interfaces", lambda: HOME)
    monkeypatch.setattr(listening_module.socket, "gethostname", lambda: "Den.example")


def entrance(tmp_path: Path, **settings: object) -> Entrance:
    """As that of a node that starts."""
    opened = Entrance.of(Settings.model_validate({"state": tmp_path / "state", **settings}))
    opened.found.keep()
    return opened


@pytest.mark.parametrize(
    ("host", "name"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.9", "127.0.0.9"), ("::1", "[::1]")]
)
def test_on_loopback_the_door_is_for_this_machine(host: str, name: str) -> None:
    where = listening(host)
    assert (where.hosts, where.beyond) == ((host,), False)
    assert name in where.names
    assert "192.168.7.5" not in where.names


def test_lan_is_the_private_address_and_loopback_stays_open() -> None:
    where = listening("lan")
    assert where.hosts == ("127.0.0.1", "192.168.7.5")
    assert where.base_url(17615) == "http://192.168.7.5:17615/v1"
    assert where.beyond
    assert {"192.168.7.5", "127.0.0.1", "den.local", "den"} <= set(where.names)


@pytest.mark.parametrize(("host", "hosts"), [("0.0.0.0", ("0.0.0.0",)), ("::", ("0.0.0.0", "::"))])
def test_every_address_is_a_name_of_a_door_that_listens_on_all(
    host: str, hosts: tuple[str, ...]
) -> None:
    where = listening(host)
    assert where.hosts == hosts
    assert {"192.168.7.5", "10.8.0.2", "[fe80::5]", "localhost"} <= set(where.names)
    assert where.address == "192.168.7.5"
    assert where.beyond


@pytest.mark.parametrize(
    ("host", "any_address"),
    [("0.0.0.0", True), ("::", True), ("lan", False), ("127.0.0.1", False), ("10.8.0.2", False)],
)
def test_only_such_a_door_is_called_by_any_address(
    host: str, any_address: bool, tmp_path: Path
) -> None:
    assert entrance(tmp_path, host=host).door.any_address is any_address


@pytest.mark.parametrize(
    ("host", "beyond"),
    [("0.0.0.0", True), ("lan", True), ("10.8.0.2", True)]
    + [(host, False) for host in ("127.0.0.1", "localhost", "127.0.0.2", "0:0:0:0:0:0:0:1")],
)
def test_the_door_knows_whether_other_machines_reach_it(
    host: str, beyond: bool, tmp_path: Path
) -> None:
    assert entrance(tmp_path, host=host).door.beyond is beyond


def test_without_a_network_lan_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening_module, "read_interfaces", lambda: {"lo": HOME["lo"]})
    with pytest.raises(ConfigurationError, match="no address on a private network"):
        lan_address("--host lan")


def test_an_address_that_needs_a_zone_is_none_to_be_called_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = {"eth0": Interface(3, ("fe80::5",))}
    monkeypatch.setattr(listening_module, "read_interfaces", lambda: alone)
    for flag, asked in (("--host lan", listening), ("--tool-host", tool_listening_at)):
        with pytest.raises(ConfigurationError, match=f"{flag}: .* no address on a private network"):
            asked("lan")
    with pytest.raises(ConfigurationError, match="not an address of this machine, which has none"):
        tool_listening_at("http://[fe80::5]")
    assert listening("0.0.0.0").address == "127.0.0.1"


def tool_listening_at(wanted: str) -> Listening:
    return tool_listening(wanted, 17616)


def test_beyond_this_machine_a_key_is_made_stored_and_shown_once(tmp_path: Path) -> None:
    first = entrance(tmp_path, host="lan")
    file = tmp_path / "state" / "api-key"
    key = read_key(file)
    assert key is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"  key        {key}" in endpoint_lines(first)
    assert "http://192.168.7.5:17615/v1" in "\n".join(endpoint_lines(first))
    again = entrance(tmp_path, host="lan")
    assert read_key(file) == key
    told = "\n".join(endpoint_lines(again)) + connect_lines(again, "Linux x86_64", USUAL_STATE)
    assert key not in told
    assert str(file) in told
    assert key not in repr(first) + repr(again)


def test_commands_on_this_machine_show_the_made_key(tmp_path: Path) -> None:
    entrance(tmp_path, host="lan")
    here = Settings.model_validate({"state": tmp_path / "state"})
    assert own_key(here) == read_key(tmp_path / "state" / "api-key")


def test_a_persons_own_key_is_asked_for_and_none_is_made(tmp_path: Path) -> None:
    found = entrance(tmp_path, host="lan", keys={"mine": "sk-mine-12345"}).found
    assert list(found.keys) == ["mine"]
    assert not (tmp_path / "state" / "api-key").exists()


def test_keyless_is_said_loudly(tmp_path: Path) -> None:
    opened = entrance(tmp_path, host="lan", keyless=True)
    assert not opened.found.keys
    assert "WITHOUT A KEY" in "\n".join(endpoint_lines(opened))


def test_the_log_says_where_a_made_key_is_and_never_the_key(tmp_path: Path) -> None:
    first = entrance(tmp_path, host="lan")
    file = tmp_path / "state" / "api-key"
    warning = start_warning(first)
    assert warning is not None
    assert str(file) in warning
    assert (read_key(file) or "") not in warning
    assert start_warning(entrance(tmp_path, host="lan")) is None
    assert start_warning(entrance(tmp_path, host="lan", keys={"mine": "sk-mine-12345"})) is None


def test_the_log_says_at_every_start_that_no_key_is_needed(tmp_path: Path) -> None:
    assert start_warning(entrance(tmp_path, host="lan", keyless=True)) == KEYLESS_WARNING
    assert start_warning(entrance(tmp_path, keyless=True)) is None
    assert start_warning(entrance(tmp_path)) is None


def test_on_loopback_no_key_is_made(tmp_path: Path) -> None:
    told = entrance(tmp_path)
    assert not told.found.keys
    assert not (tmp_path / "state").exists()
    assert "OPENAI_API_KEY=none" in connect_lines(told, "Linux x86_64", USUAL_STATE)


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "state" / "api-key"
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(ConfigurationError, match="api-key"):
        entrance(tmp_path, host="lan")
    file.write_text("short")
    with pytest.raises(ConfigurationError, match="holds no key"):
        entrance(tmp_path, host="lan")


@pytest.mark.parametrize("text", ['[keys]\nphone = "sk-phone-1234"\n', 'tool_token = "sk-phone"\n'])
def test_a_settings_file_with_keys_that_others_can_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "swarm.toml"
    file.write_text(text)
    file.chmod(0o644)
    entrance(tmp_path)
    assert "chmod 600 swarm.toml" in caplog.text
    assert "sk-phone" not in caplog.text
    caplog.clear()
    file.chmod(0o600)
    entrance(tmp_path)
    assert not caplog.text


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        ({}, ""),
        ({"host": "localhost"}, ""),
        ({"host": "lan", "keyless": True}, ""),
        ({"port": 9999}, " --port 9999"),
        ({"host": "127.0.0.2", "port": 9999}, " --host 127.0.0.2 --port 9999"),
        ({"host": "::1"}, " --host ::1"),
    ],
)
def test_the_line_for_opencode_finds_the_node(
    tmp_path: Path, settings: dict[str, object], flags: str
) -> None:
    here = f"python main.py --opencode{flags}   ("
    assert here in connect_lines(entrance(tmp_path, **settings), "Linux", USUAL_STATE)


def test_the_line_for_opencode_names_an_unusual_state_folder(tmp_path: Path) -> None:
    told = connect_lines(entrance(tmp_path), "Linux", tmp_path / "my state")
    assert f"--opencode --state '{tmp_path}/my state'   (" in told
    told = connect_lines(entrance(tmp_path), "Windows AMD64", Path("O'Brien"))
    assert "--opencode --state 'O''Brien'   (" in told


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash, which this machine lacks")
@pytest.mark.parametrize("program", ["sh", "bash"])
@pytest.mark.parametrize(
    "name", [b"B\xfcro", b"it's \\ \xfc\xe97 %s $HOME\xff", "B\u00fcro 'x'".encode(), b""]
)
def test_a_name_of_any_bytes_is_the_same_in_a_shell(program: str, name: bytes) -> None:
    word = shell.quoted("Linux", os.fsdecode(name))
    assert word.isprintable()
    assert subprocess.check_output([program, "-c", f"printf %s {word}"]) == name


def test_brackets_of_an_address_are_no_pattern_to_a_shell(tmp_path: Path) -> None:
    told = connect_lines(entrance(tmp_path, host="::1"), "Linux x86_64", USUAL_STATE)
    url = "http://[::1]:17615/v1"
    assert f"export OPENAI_BASE_URL='{url}' OPENAI_API_BASE='{url}' OPENAI_API_KEY=" in told
    assert f"curl '{url}/chat/completions' -H" in told


def test_on_windows_the_lines_to_copy_are_powershell_s(tmp_path: Path) -> None:
    told = connect_lines(entrance(tmp_path), "Windows AMD64", USUAL_STATE)
    url = "http://127.0.0.1:17615/v1"
    assert f'any client $env:OPENAI_BASE_URL="{url}"; $env:OPENAI_API_BASE="{url}"; ' in told
    assert '; $env:OPENAI_API_KEY="none"\n' in told
    assert "export" not in told
    [asking] = [line for line in told.splitlines() if "curl" in line]
    body, rest = asking.removeprefix("  curl       '").split("' | ")
    assert json.loads(body)["model"] == "swarm"
    head = '-H "Content-Type: application/json"'
    assert rest == f'curl.exe {url}/chat/completions {head} -d "@-"'


def test_on_windows_a_made_key_is_read_from_its_file(tmp_path: Path) -> None:
    home = tmp_path / "O'Brien [1]"
    told = connect_lines(entrance(home, host="lan"), "Windows AMD64", USUAL_STATE)
    file = str(home / "state" / "api-key").replace("'", "''")
    assert f"; $env:OPENAI_API_KEY=(Get-Content -LiteralPath '{file}')\n" in told
    assert '-H "Authorization: Bearer $env:OPENAI_API_KEY" -d "@-"' in told


@pytest.mark.parametrize("hosts", [("0.0.0.0",), ("::1",)])
async def test_an_address_that_came_after_the_start_is_a_name_of_a_door_on_all(
    hosts: tuple[str], start_node: StartNode
) -> None:
    here = "[::1]" if hosts == ("::1",) else "127.0.0.1"
    at_start: Any = {"hosts": hosts, "names": ("localhost",)}

    async def status(node: Node, name: str) -> int:
        headers = {"Host": f"{name}:{node.port}"}
        async with node.http.get(f"http://{here}:{node.port}/health", headers=headers) as answer:
            return answer.status

    async with start_node(FakeEngine(), **at_start, any_address=True) as node:
        assert await status(node, here) == 200
        assert await status(node, "evil.example") == 403
        assert await status(node, "192.168.7.9") == 403
    async with start_node(FakeEngine(), **at_start) as node:
        assert await status(node, here) == 403
