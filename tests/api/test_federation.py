"""The federation's views and commands at the client door, and at the command line."""

import asyncio
import contextlib
import io
import re
import socket
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from api import commands
from api.app import make_app
from api.own_node import Node as OwnNode
from api.server import ClientServer
from federation.peers import PeerTable
from federation.store import Membership, Store
from federation.trust import decode_code, encode_code, new_secret
from federation.wire import Status
from guard import Door
from settings import Settings, read_settings
from swarm.errors import ConfigurationError, SwarmError
from swarm.pool import Pool, ServedModel
from tests.api.conftest import Node
from tests.fakes import FakeEngine
from tests.federation.sightings import OURS, STATUS, node_id
from tests.ports import free_port


async def test_a_node_without_a_federation_says_so(node: Node) -> None:
    async with node.http.get("/v1/federation/diagnostics") as answer:
        told = await answer.json()
    assert told["federation"] is None
    assert "--no-federation" in told["why"]
    assert told["models"][0]["model"] == "fake"
    async with node.http.get("/v1/federation/peers") as answer:
        assert await answer.json() == {"object": "list", "data": []}


async def test_the_last_verdicts_are_kept(node: Node) -> None:
    ask: Any = {"model": "swarm-fast", "messages": [{"role": "user", "content": "hi"}]}
    async with node.http.post("/v1/chat/completions", json=ask) as answer:
        assert answer.status == 200
    async with node.http.get("/v1/federation/diagnostics") as answer:
        [verdict] = (await answer.json())["verdicts"]
    assert verdict["decided_by"] == "only one"
    assert "Hello" not in str(verdict)


async def test_commands_need_a_federation(node: Node) -> None:
    for path in ("approve", "remove", "new-code", "leave"):
        async with node.http.post(f"/v1/federation/{path}", json={}) as answer:
            assert answer.status == 400


class Members:
    """A federation of which one member is off."""

    federation_id = OURS

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table = PeerTable[Status](node_id(0), OURS)
        self.table.heard(("10.0.0.1", 17617), node_id(1), STATUS, 0.0, name="kitchen")
        self.members = (node_id(1), node_id(4))
        self.removed: list[str | None] = []
        self.federation_id = OURS

    def peers(self) -> tuple[()]:
        return ()

    async def renew(self, without: str | None = None) -> tuple[str, ...]:
        self.removed.append(without)
        store = await asyncio.to_thread(Store, self.folder)
        await asyncio.to_thread(store.save, Membership(new_secret()))
        return ("attic",)


@contextlib.asynccontextmanager
async def door_of(members: Members) -> AsyncGenerator[int]:
    """The port of the client door of a node of it."""
    port, stands_in = free_port(), cast("Any", members)
    app = make_app(Pool([ServedModel("fake", FakeEngine(), 0)]), Door(port), federation=stands_in)
    async with ClientServer(hosts=("127.0.0.1",), port=port) as server, server.serving(app):
        yield port


@pytest.mark.parametrize(("word", "number"), [("kitchen", 1), (node_id(4)[:8], 4)])
async def test_any_member_can_be_removed(word: str, number: int, tmp_path: Path) -> None:
    members = Members(tmp_path)
    async with (
        door_of(members) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        async with http.post("/v1/federation/remove", json={"peer": word}) as answer:
            assert (answer.status, (await answer.json())["missed"]) == (200, ["attic"])
        async with http.post("/v1/federation/remove", json={"peer": "attic"}) as answer:
            assert (answer.status, "--new-code" in await answer.text()) == (400, True)
        told = await asyncio.to_thread(commands.new_code, running_on(port))
    assert members.removed == [node_id(number), None]
    assert "Not reached: attic; such a machine lives by the old code until" in told


async def test_a_new_code_is_shown_where_that_is_asked_for(tmp_path: Path) -> None:
    async with door_of(Members(tmp_path)) as port:
        flags = ["--new-code", "--port", str(port), "--state", str(tmp_path)]
        settings = read_settings([*flags, "--show-code"])
        shown = await asyncio.to_thread(commands.answered, settings, {})
        made = await asyncio.to_thread(lambda: Store(tmp_path).load())
        unshown = await asyncio.to_thread(commands.answered, read_settings(flags), {})
    assert made is not None
    assert encode_code(made.secret) in str(shown).splitlines()
    assert "--show-code` prints it" in str(unshown)


@pytest.mark.parametrize(
    "command", [commands.code, lambda folder: commands.leave(running_on(free_port()), folder)]
)
def test_a_folder_that_cannot_be_used_is_told_with_what_to_do(
    command: Callable[[Path], str], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("", "utf-8")
    with pytest.raises(ConfigurationError, match=r"cannot be used: .*; make room"):
        command(file / "state")


def running_on(port: int) -> OwnNode:
    return OwnNode(Settings(port=port))


async def test_a_command_for_no_node_says_how_to_start_one(node: Node) -> None:
    with pytest.raises(SwarmError, match="no-federation"):
        await asyncio.to_thread(commands.approve, running_on(node.port), "482 913")
    with pytest.raises(ConfigurationError, match=r"`python main\.py --auto`"):
        await asyncio.to_thread(commands.approve, running_on(9), "482 913")


def test_a_code_is_shown_as_a_line_to_type(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="start it once"):
        commands.code(tmp_path)
    secret = new_secret()
    Store(tmp_path).save(Membership(secret))
    last = commands.code(tmp_path).splitlines()[-1]
    assert decode_code(last.removeprefix("python main.py --auto --join ")) == secret


def test_a_code_is_shown_without_a_picture_where_that_cannot_be_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path).save(Membership(new_secret()))
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert len(commands.code(tmp_path).encode("ascii").splitlines()) == 2
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp437"))
    assert "\u2580" in commands.code(tmp_path)


def test_leaving_without_a_node_forgets_the_federation(tmp_path: Path) -> None:
    Store(tmp_path).save(Membership(new_secret(), ("a" * 64,)))
    said = commands.leave(running_on(9), tmp_path)
    assert "no node answers at http://127.0.0.1:9/v1; what this machine remembers" in said
    assert "--leave --host ADDRESS --port N" in said
    assert Store(tmp_path).load() is None


def refused_to_leave(node: OwnNode, folder: Path) -> str:
    """Why, and that the federation is remembered as it was."""
    membership = Membership(new_secret(), ("a" * 64,))
    Store(folder).save(membership)
    with pytest.raises(ConfigurationError) as refused:
        commands.leave(node, folder)
    assert Store(folder).load() == membership
    return str(refused.value)


def test_of_a_silent_node_nothing_is_forgotten(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        node = OwnNode(Settings.model_validate({"port": port}), patience_s=0.1)
        said = refused_to_leave(node, tmp_path)
    assert "timed out" in said
    assert "nothing was forgotten" in said


async def test_of_a_node_that_breaks_off_nothing_is_forgotten(tmp_path: Path) -> None:
    async def breaks_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(breaks_off, "127.0.0.1", 0) as server:
        said = await asyncio.to_thread(
            refused_to_leave, running_on(server.sockets[0].getsockname()[1]), tmp_path
        )
    assert "nothing was forgotten" in said


def test_a_command_line_that_starts_a_node_says_nothing_to_one(tmp_path: Path) -> None:
    assert commands.answered(read_settings(["--auto", "--state", str(tmp_path)]), {}) is None
    with pytest.raises(ConfigurationError, match=r"which peer\? `python main\.py remove PEER`"):
        commands.answered(read_settings(["remove"]), {})


DIAGNOSTICS: dict[str, Any] = {
    "node": {
        "id": "a" * 64,
        "name": "hall",
        "version": "1",
        "addresses": ["10.0.0.1"],
        "interfaces": ["lan0"],
    },
    "federation": {
        "id": "1" * 16,
        "open": False,
        "alone": False,
        "peer_port": 17617,
        "pairing_port": 0,
        "trouble": None,
    },
    "discovery": {
        "is_open": True,
        "heard_self_seconds_ago": 1.0,
        "heard_others_seconds_ago": 2.0,
        "flooded": False,
        "last_error": None,
        "sightings": [],
    },
    "peers": [],
}


def diagnosis(told: Any, system: str = "Linux") -> list[str]:
    return commands.diagnosis(told, system)


@pytest.mark.parametrize("unheard", ["heard_self_seconds_ago", "heard_others_seconds_ago"])
@pytest.mark.parametrize(
    ("system", "command"), [("Linux", "sudo ufw allow 17617/tcp"), ("Windows", "netsh advfirewall")]
)
def test_a_diagnosis_names_the_command_for_this_platform_s_firewall(
    unheard: str, system: str, command: str
) -> None:
    discovery = DIAGNOSTICS["discovery"] | {unheard: None}
    assert command in "\n".join(diagnosis(DIAGNOSTICS | {"discovery": discovery}, system))
    assert command not in "\n".join(diagnosis(DIAGNOSTICS, system))


def test_a_diagnosis_names_the_addresses_where_there_are_any() -> None:
    assert "addresses   10.0.0.1 on lan0" in diagnosis(DIAGNOSTICS)
    nowhere = DIAGNOSTICS["node"] | {"addresses": [], "interfaces": []}
    assert "addresses   none on a LAN" in diagnosis(DIAGNOSTICS | {"node": nowhere})


def test_a_diagnosis_names_each_trouble_with_advice() -> None:
    assert "none was seen yet" in "\n".join(diagnosis(DIAGNOSTICS))
    deaf = DIAGNOSTICS["discovery"] | {"heard_others_seconds_ago": None}
    assert "--peer HOST" in "\n".join(diagnosis(DIAGNOSTICS | {"discovery": deaf}))
    mute = DIAGNOSTICS["discovery"] | {"heard_self_seconds_ago": None}
    assert "UDP port 5353" in "\n".join(diagnosis(DIAGNOSTICS | {"discovery": mute}))


@pytest.mark.parametrize(
    ("own", "standing"),
    [
        ({"alone": True, "peer_port": 0, "pairing_port": 17618}, "can be approved .* port 17618"),
        ({"alone": True, "peer_port": 0}, "alone; it cannot be approved yet: no pairing door"),
        ({"peer_port": 0}, "peers cannot connect yet: no peer door is open"),
        ({"open": True, "peer_port": 0}, "peers cannot connect yet: no peer door is open"),
        ({"open": True}, "open: everybody"),
        ({}, "peers connect to port 17617"),
    ],
)
def test_a_diagnosis_tells_how_others_reach_this_node(own: dict[str, Any], standing: str) -> None:
    told = DIAGNOSTICS | {"federation": DIAGNOSTICS["federation"] | own}
    [line] = [line for line in diagnosis(told) if line.startswith("federation")]
    assert re.search(standing, line)


def test_a_diagnosis_tells_where_a_peer_stands_and_why() -> None:
    failing = {"step": "reachable", "reason": "no route", "seconds_ago": 1.0}
    peer = {
        "name": "kitchen",
        "state": "seen",
        "failing": failing,
        "node": "1a2b0000",
        "heard_seconds_ago": None,
        "left_out_s": 4.0,
        "clock_offset_s": 86400.0,
    }
    told = "\n".join(diagnosis(DIAGNOSTICS | {"peers": [peer]}))
    assert "kitchen is seen: reachable fails: no route" in told
    assert "86400 s off" in told
    assert "is not asked for 4 s" in told


LAPTOP: Any = {
    "name": "laptop",
    "node": "2b2d0000",
    "heard_seconds_ago": 1.0,
    "state": "ready",
    "failing": None,
    "left_out_s": 0.0,
    "clock_offset_s": None,
}


def test_a_diagnosis_tells_two_peers_of_one_name_apart() -> None:
    off = {"node": "8bcb0000", "state": "reachable"}
    unproved = {"node": "", "heard_seconds_ago": None, "state": "seen"}
    peers = [LAPTOP, LAPTOP | off, LAPTOP | {"name": "attic"}, LAPTOP | unproved]
    told = diagnosis(DIAGNOSTICS | {"peers": peers})
    for line in ("laptop-2b2d is ready", "laptop-8bcb is reachable", "attic is ready"):
        assert f"peer        {line}" in told
    assert "peer        laptop is seen" in told


def test_who_is_not_proved_yet_changes_no_name_in_a_diagnosis() -> None:
    announced = LAPTOP | {"node": "8bcb0000", "heard_seconds_ago": None, "state": "seen"}
    told = diagnosis(DIAGNOSTICS | {"peers": [LAPTOP, announced]})
    for line in ("laptop is ready", "laptop is seen"):
        assert f"peer        {line}" in told


def test_a_diagnosis_tells_what_is_on_its_way_and_why_it_does_not_come() -> None:
    coming: Any = {
        "model": "best:7b:4bit",
        "stage": "downloading",
        "bytes": 1,
        "of_bytes": 4,
        "why": None,
    }
    told = "\n".join(diagnosis(DIAGNOSTICS | {"successor": coming}))
    assert "best:7b:4bit: downloading, 25 % are here" in told
    failed = {"federation": None, "successor": coming | {"stage": "failed", "why": "no way"}}
    assert "best:7b:4bit is not served: no way" in "\n".join(diagnosis(failed))
    served = DIAGNOSTICS | {"successor": coming | {"stage": "serving"}}
    assert "best" not in "\n".join(diagnosis(served))
