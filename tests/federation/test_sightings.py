import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.advertisement import encode_txt
from federation.sightings import LOG_SIZE, Allowance, Sighting, SightingLog, read_sighting
from hardware.interfaces import LanAddress
from tests.federation.sightings import advertisement, sighting


def test_the_same_thing_is_one_line_with_a_count() -> None:
    log = SightingLog()
    assert log.note(sighting(1), "other federation", "why", 10.0)
    assert not log.note(sighting(1), "other federation", "why", 20.0)
    (line,) = log.lines()
    assert (line.times, line.last_s) == (2, 20.0)
    assert line.addresses == sighting(1).addresses


def test_another_outcome_is_another_line_and_the_latest_comes_first() -> None:
    log = SightingLog()
    log.note(sighting(1), "other federation", "why", 10.0)
    log.note(sighting(1), "member", "", 20.0)
    assert [line.outcome for line in log.lines()] == ["member", "other federation"]


def test_the_log_is_bounded_and_keeps_what_was_seen_last() -> None:
    log = SightingLog()
    for number in range(1000):
        log.note(sighting(number), "member", "", float(number))
    assert len(log.lines()) == LOG_SIZE
    assert log.lines()[0].name == sighting(999).name


def test_an_allowance_lets_a_burst_through_and_then_so_many_a_second() -> None:
    allowance = Allowance(burst=3, per_s=2)
    assert [allowance.take(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [allowance.take(1.0) for _ in range(3)] == [True, True, False]
    assert [allowance.take(100.0) for _ in range(4)] == [True, True, True, False]


OWN = (
    LanAddress("eth0", 2, "192.168.1.5"),
    LanAddress("eth0", 2, "fe80::5"),
)


def read(*hosts: str, name: str | None = None, own: tuple[LanAddress, ...] = OWN) -> Sighting:
    said = advertisement(1)
    name = name or sighting(1).name
    return read_sighting(name, hosts, 17617, encode_txt(said), own=own)


def test_an_announcement_is_read_and_keeps_the_addresses_on_the_lan() -> None:
    seen = read("192.168.1.9", "8.8.8.8", "fe80::9%2", "nonsense")
    assert seen == Sighting(sighting(1).name, ("192.168.1.9", "fe80::9%2"), 17617, advertisement(1))


@pytest.mark.parametrize(
    "host",
    [
        *("8.8.8.8", "2001:4860::1", "127.0.0.1", "::1", "0.0.0.0", "224.0.0.251", "ff02::fb"),
        *("fe80::9", "fe80::9%7", "100.64.0.1", "kitchen.local", ""),
    ],
)
def test_nobody_can_make_this_node_knock_at_an_address_beyond_its_lan(host: str) -> None:
    seen = read(host)
    assert seen.addresses == ()
    assert seen.advertisement is None
    assert seen.problem == "none of its addresses is on this node's LAN"


def test_a_node_without_ipv6_keeps_no_ipv6_address() -> None:
    seen = read("fd00::9", "10.0.0.9", own=(LanAddress("eth0", 2, "10.0.0.5"),))
    assert seen.addresses == ("10.0.0.9",)


def test_a_node_on_an_interface_that_was_asked_for_believes_addresses_like_its_own() -> None:
    assert read("100.64.0.9", own=(LanAddress("tailscale0", 3, "100.64.0.5"),)).advertisement
    assert read("127.0.0.1", own=(LanAddress("lo", 1, "127.0.0.1"),)).advertisement


def test_what_cannot_be_read_keeps_its_problem_and_a_name_that_is_safe_to_show() -> None:
    seen = read("10.0.0.9", name="\x1b[31mkitchen\n" + "x" * 200)
    assert seen.advertisement is None
    assert seen.problem is not None
    assert seen.name.isprintable()
    assert len(seen.name) == 63


def test_at_most_eight_addresses_are_kept() -> None:
    assert len(read(*(f"10.0.0.{number}" for number in range(100))).addresses) == 8


@given(st.lists(st.text(max_size=45), max_size=10))
def test_whatever_stands_for_an_address_nothing_breaks(hosts: list[str]) -> None:
    assert len(read(*hosts).addresses) <= 8
