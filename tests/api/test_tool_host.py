"""What `--tool-host` means without a tool server here."""

from pathlib import Path

import pytest

from api.tool_address import parse_tool_host
from api.tool_host import remote_tools
from settings import Settings
from swarm.errors import ConfigurationError
from tools.errors import ToolFailed


def settings(tmp_path: Path, tool_host: str, **told: object) -> Settings:
    return Settings(tool_host=tool_host, state=tmp_path, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("http://192.168.1.5:17616", ("192.168.1.5", 17616)),
        ("http://192.168.1.5/", ("192.168.1.5", 17700)),
        ("192.168.1.5:1", ("192.168.1.5", 1)),
        ("kitchen.local", ("kitchen.local", 17700)),
        ("http://[fe80::1]:17616", ("fe80::1", 17616)),
    ],
)
def test_an_address_is_a_url_or_less_of_it(wanted: str, place: tuple[str, int]) -> None:
    assert parse_tool_host(wanted, 17700) == place


@pytest.mark.parametrize(
    "wanted",
    ["https://a:1", "http://", "http://a:x", "http://me:pass@a:1", "http://a:1/mcp", "ftp://a", ""],
)
def test_what_is_none_is_told(wanted: str) -> None:
    with pytest.raises(ConfigurationError, match="it should be http://HOST:17616"):
        parse_tool_host(wanted, 17616)


async def test_alone_the_token_is_the_owner_s(tmp_path: Path) -> None:
    told: list[str] = []
    chosen = settings(tmp_path, "http://192.0.2.7:1")
    remote, _ = await remote_tools(chosen, None, told.append)
    async with remote as tools:
        with pytest.raises(ToolFailed, match="SWARM_TOOL_TOKEN"):
            await tools.descriptions()
    assert told == ["  tools      those of http://192.0.2.7:1"]


async def test_a_server_that_is_not_there_is_told_to_who_calls(tmp_path: Path) -> None:
    chosen = settings(tmp_path, "http://127.0.0.1:9")
    remote, url = await remote_tools(chosen, None, lambda text: None)
    assert url == "http://127.0.0.1:9"
    async with remote as tools:
        with pytest.raises(ToolFailed, match="the tool server http://127"):
            await tools.execute("read", {"filePath": "x"})
