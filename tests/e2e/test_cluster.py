"""A model that lies in two other processes: llama-server with two RPC servers, one voter."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import openai
import psutil
import pytest

from bench.servers import LLAMA_SERVER, llama_server
from swarm.models.local import bundled_model
from tests.e2e.nodes import RunningNode, running_node
from tests.ports import free_port

RPC_SERVER = LLAMA_SERVER.with_name("ggml-rpc-server")
WHO = "Who are you?"

pytestmark = pytest.mark.needs("llama-server", "rpc-server")


@contextlib.contextmanager
def rpc_server() -> Iterator[tuple[str, psutil.Process]]:
    """One that offers its processor; its address and its process."""
    port = free_port()
    command = [str(RPC_SERVER), "-H", "127.0.0.1", "-p", str(port), "-t", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_it_listens(port)
            yield f"127.0.0.1:{port}", psutil.Process(process.pid)
        finally:
            process.kill()


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the RPC server does not listen"
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[tuple[RunningNode, list[psutil.Process]]]:
    """A node on a llama-server that has no layer itself, and the processes that have them."""
    with rpc_server() as (one, first), rpc_server() as (two, second):
        spread = ("--rpc", f"{one},{two}", "-ngl", "99", "--tensor-split", "1,1")
        few = ("-np", "4", "-c", "4096", "--kv-unified", "--threads", "1")
        with (
            llama_server(bundled_model().path, *few, *spread) as server,
            running_node(folder, "--engine", f"{server.url}/v1") as node,
        ):
            yield node, [first, second]


def said(node: RunningNode, model: str, temperature: float) -> str:
    answer = node.sdk().chat.completions.create(
        model=model, messages=[{"role": "user", "content": WHO}], temperature=temperature
    )
    return answer.choices[0].message.content or ""


def test_it_says_what_one_machine_says_and_without_a_part_nothing_while_the_node_lives(
    nano: RunningNode, tmp_path: Path
) -> None:
    with cluster(tmp_path) as (node, parts):
        assert said(node, "upstream", 0) == said(nano, "swarm-nano", 0)
        assert "swarm-nano" in said(node, "swarm", 0.2)
        for part in parts:
            assert [each for each in part.net_connections("tcp") if each.status == "ESTABLISHED"]
        parts[1].kill()
        with pytest.raises(openai.InternalServerError) as refused:
            said(node, "upstream", 0)
        assert refused.value.status_code == 503
        assert node.get("/v1/models")[0] == 200
