"""Short heartbeats stand for long ones, and never for other ones."""

import pytest

from federation.peers import TABLE_SIZE
from federation.statuses import NOT_KNOWN, Sayable, Statuses, digest, told_to
from federation.wire import STATUS_BYTES, Same, Status, decode_heartbeat, encode_body
from swarm.errors import PeerRefused, ProtocolMismatch
from swarm.proposer import Offer


def status(clock_s: float = 1.0, free: int = 8) -> Status:
    return Status(
        version="1",
        node="a" * 64,
        name="kitchen",
        epoch=1,
        clock_s=clock_s,
        port=17617,
        models=(Offer("nano", 3, free, 8),),
        hardware="two cores and a good deal of memory",
    )


def test_the_clock_alone_is_no_news():
    assert digest(status(1.0)) == digest(status(2.0)) != digest(status(1.0, free=7))


def test_who_holds_a_status_is_told_that_it_is_the_same():
    assert told_to(digest(status()), status(2.0)) == Same(same=digest(status()), clock_s=2.0)
    assert told_to(digest(status()), status(2.0, free=7)) == status(2.0, free=7)
    assert told_to("", status()) == status()


def test_the_same_is_read_as_the_last_whole_one_with_its_own_clock():
    statuses = Statuses()
    assert statuses.held("kitchen") == ""
    assert statuses.read("kitchen", status(1.0)) == status(1.0)
    assert statuses.held("kitchen") == digest(status())
    short = told_to(statuses.held("kitchen"), status(5.0))
    assert statuses.read("kitchen", short) == status(5.0)


def test_the_same_as_what_is_not_known_is_refused():
    statuses = Statuses()
    statuses.read("kitchen", status(free=7))
    short = told_to(digest(status()), status())
    for node in ("hall", "kitchen"):
        with pytest.raises(PeerRefused) as refused:
            statuses.read(node, short)
        assert refused.value.status == NOT_KNOWN


def test_only_the_latest_are_kept():
    statuses = Statuses()
    for at in range(TABLE_SIZE + 10):
        statuses.read(f"node{at}", status())
    held = [at for at in range(TABLE_SIZE + 10) if statuses.held(f"node{at}")]
    assert held == list(range(10, TABLE_SIZE + 10))


def test_both_are_read_from_the_wire_and_the_short_one_is_short():
    short = told_to(digest(status()), status())
    for said in (status(), short):
        assert decode_heartbeat(encode_body(said)) == said
    assert len(encode_body(short)) < 80
    for wrong in (b'{"protocol":3,"same":"x","clock_s":1}', b'{"protocol":3,"same":7}'):
        with pytest.raises(ProtocolMismatch):
            decode_heartbeat(wrong)


def offer(model: str) -> Offer:
    return Offer(model, 3, 8, 8)


def test_a_model_of_which_the_wire_cannot_tell_is_left_out_and_named_once(
    caplog: pytest.LogCaptureFixture,
):
    sayable = Sayable()
    for _ in range(3):
        said = sayable.of(
            [offer("my\u00a0model"), offer("nano"), offer("x" * 257), offer("\udce9")]
        )
        assert said == (offer("nano"),)
    [line] = caplog.messages
    assert "'my\\xa0model'" in line
    assert line.isprintable()


@pytest.mark.parametrize("model", ["{}", "{}" + "\u6f22" * 240, "{}" + '"' * 240])
def test_of_more_models_than_a_status_holds_the_first_are_told(
    model: str, caplog: pytest.LogCaptureFixture
):
    many = [offer(model.format(number)) for number in range(300)]
    said = Sayable().of(many)
    assert 50 < len(said) <= 256
    assert said == tuple(many[: len(said)])
    whole = status().model_copy(update={"models": said, "hardware": "\u6f22" * 512})
    assert len(encode_body(whole)) <= STATUS_BYTES
    assert decode_heartbeat(encode_body(whole)) == whole
    assert len(caplog.messages) == 1
