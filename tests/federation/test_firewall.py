"""The command that opens a firewall names both ports."""

import pytest

from federation.firewall import firewall_lines


@pytest.mark.parametrize("platform", ["Linux x86_64", "Windows AMD64", "plan9"])
def test_both_ports_are_named(platform: str) -> None:
    told = " ".join(firewall_lines(platform, 20000))
    assert "20000" in told
    assert "5353" in told or "mdns" in told


def test_on_a_mac_the_system_asks() -> None:
    assert "allow" in firewall_lines("Darwin arm64", 17617)[0]
