"""Who may speak to a door, form by form."""

import pytest

from guard import ConnectionLimit, Door, Refusal, bracketed, holder, refusal

DOOR = Door(17615)
JSON = "application/json"


def ask(
    *,
    method: str = "POST",
    hosts: tuple[str, ...] = ("localhost:17615",),
    origins: tuple[str, ...] = (),
    content_type: str = JSON,
    door: Door = DOOR,
) -> int | None:
    refused = refusal(door, method=method, hosts=hosts, origins=origins, content_type=content_type)
    return refused.status if refused else None


@pytest.mark.parametrize(
    "host",
    ["localhost:17615", "LOCALHOST:17615", "LocalHost:17615", "127.0.0.1:17615", "[::1]:17615"],
)
def test_our_own_names_may_enter(host: str) -> None:
    assert ask(hosts=(host,)) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "localhost:",
        "localhost:80",
        "localhost:017615",
        "localhost:17615:17615",
        "localhost:17616",
        "localhost.:17615",
        "localhost.evil.example:17615",
        "evil.example",
        "evil.example:17615",
        "evil-localhost:17615",
        "127.0.0.1",
        "127.0.0.1.nip.io:17615",
        "127.0.0.2:17615",
        "127.1:17615",
        "0.0.0.0:17615",
        "2130706433:17615",
        "0x7f000001:17615",
        "192.168.1.7:17615",
        "::1:17615",
        "[::1]",
        "[::1]:80",
        "[::ffff:127.0.0.1]:17615",
        "[::1%25lo]:17615",
        "user@localhost:17615",
        "localhost:17615/",
        "localhost:17615,evil.example",
        " localhost:17615",
        "localhost :17615",
        "local\u017fhost:17615",
        "*:17615",
        "null",
    ],
)
def test_every_other_host_is_refused(host: str) -> None:
    assert ask(hosts=(host,)) == 403


def test_a_request_without_a_host_is_refused() -> None:
    assert ask(hosts=()) == 403


def test_two_hosts_are_refused_even_if_both_are_ours() -> None:
    assert ask(hosts=("localhost:17615", "localhost:17615")) == 403


@pytest.mark.parametrize(
    "origin", ["http://localhost:17615", "HTTP://LOCALHOST:17615", "http://[::1]:17615"]
)
def test_pages_of_this_door_may_enter(origin: str) -> None:
    assert ask(origins=(origin,)) is None


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "*",
        "http://localhost",
        "http://localhost:3000",
        "https://localhost:17615",
        "http://evil.example",
        "http://evil.example:17615",
        "http://localhost:17615.evil.example",
        "http://localhost:17615/",
        "http://localhost:17615 http://evil.example",
        "file://",
        "chrome-extension://abcdef",
        "http://user@localhost:17615",
        "localhost:17615",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_other_origins_are_refused(origin: str, method: str) -> None:
    assert ask(origins=(origin,), method=method) == 403


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;",
    ],
)
def test_json_may_be_posted(content_type: str) -> None:
    assert ask(content_type=content_type) is None


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/plain; a=application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/json",
        "application/json, text/plain",
    ],
)
def test_anything_else_cannot_be_posted(content_type: str) -> None:
    assert ask(content_type=content_type) == 415


def test_reading_needs_no_content_type() -> None:
    assert ask(method="GET", content_type="") is None


def test_the_default_port_needs_no_number() -> None:
    assert ask(hosts=("localhost",), door=Door(80)) is None


EVERYWHERE = Door(17615, any_address=True)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("192.168.7.9", "192.168.7.9:17615"),
        ("::ffff:192.168.7.9", "192.168.7.9:17615"),
        ("2001:db8::9", "[2001:db8::9]:17615"),
        ("2001:0DB8:0::9", "[2001:DB8::9]:17615"),
        ("fe80::9%eth0", "[fe80::9]:17615"),
    ],
)
def test_a_door_on_every_address_is_called_by_the_one_that_was_reached(
    address: str, host: str
) -> None:
    door = EVERYWHERE.at(address)
    assert ask(hosts=(host,), origins=(f"http://{host}",), door=door) is None
    assert ask(door=door) is None
    assert ask(hosts=(host,), door=DOOR.at(address)) == 403
    assert ask(hosts=(host,), door=EVERYWHERE) == 403


@pytest.mark.parametrize("address", ["192.168.7.9", "::ffff:192.168.7.9", "2001:db8::9", "", "x"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example:17615",
        "192.168.7.9.nip.io:17615",
        "192.168.7.8:17615",
        "192.168.7.9:17616",
        "192.168.7.9",
        "0.0.0.0:17615",
        "[::]:17615",
        "2001:db8::9:17615",
        "[2001:db8::8]:17615",
        ":17615",
        "x:17615",
    ],
)
def test_such_a_door_has_no_other_name(address: str, host: str) -> None:
    assert ask(hosts=(host,), door=EVERYWHERE.at(address)) == 403


def test_a_refusal_names_what_would_be_right() -> None:
    refused = refusal(DOOR, method="GET", hosts=("evil",), origins=(), content_type="")
    assert refused is not None
    assert "localhost:17615" in refused.message


KEYS = {"phone": "sk-phone-1", "laptop": "sk-läptop"}


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("Bearer sk-phone-1", "phone"),
        ("bearer   sk-läptop", "laptop"),
        ("BEARER sk-phone-1 ", "phone"),
    ],
)
def test_a_key_is_known_by_its_name(shown: str, name: str) -> None:
    assert holder([shown], KEYS) == name


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        ([], "missing_api_key"),
        (["Bearer"], "missing_api_key"),
        (["Bearer "], "missing_api_key"),
        (["Basic sk-phone-1"], "missing_api_key"),
        (["sk-phone-1"], "missing_api_key"),
        (["Bearer sk-phone-1", "Bearer sk-phone-1"], "missing_api_key"),
        (["Bearer sk-phone-"], "invalid_api_key"),
        (["Bearer sk-phone-11"], "invalid_api_key"),
        (["Bearer phone"], "invalid_api_key"),
        (["Bearer SK-PHONE-1"], "invalid_api_key"),
        (["Bearer \udcff"], "invalid_api_key"),
    ],
)
def test_what_is_no_key_is_refused(shown: list[str], code: str) -> None:
    refused = holder(shown, KEYS)
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.code) == (401, code)
    assert not any(key in refused.message for key in KEYS.values())


def test_who_is_idle_longest_makes_room_for_one_more() -> None:
    cut: list[str] = []
    places = ConnectionLimit(3)
    for name in ("a", "b", "c"):
        assert places.take(name, lambda name=name: cut.append(name))
    places.works("a")
    places.works("b")
    places.rests("b")
    assert places.take("d", lambda: cut.append("d"))
    assert places.take("e", lambda: cut.append("e"))
    assert (cut, len(places)) == (["c", "b"], 3)


def test_who_works_is_never_cut() -> None:
    cut: list[str] = []
    places = ConnectionLimit(2)
    for name in ("a", "b"):
        places.take(name, lambda name=name: cut.append(name))
        places.works(name)
    assert not places.take("c", lambda: cut.append("c"))
    places.leave("a")
    assert places.take("c", lambda: cut.append("c"))
    places.rests("a")
    places.leave("c")
    assert (cut, len(places)) == ([], 1)


@pytest.mark.parametrize(
    ("address", "told"),
    [("::1", "[::1]"), ("fe80::5%2", "[fe80::5%2]"), ("192.0.2.7", "192.0.2.7"), ("den", "den")],
)
def test_only_an_address_of_ipv6_stands_in_brackets(address: str, told: str) -> None:
    assert bracketed(address) == told
