"""Nodes of other federations: who can be approved, who was a member."""

from federation.advertisement import Advertisement, instance_name
from federation.pairing import Joined
from federation.sightings import Sighting
from federation.strangers import KEPT_S, MOVING_S, Strangers
from federation.trust import OPEN_SECRET, federation_id

OWN, OTHER = "a" * 64, "b" * 64
HOME, AWAY = "1" * 16, "2" * 16


def sighting(node: str = OTHER, federation: str = AWAY, pairing: int = 17617) -> Sighting:
    said = Advertisement.of(node, federation, pairing=pairing)
    return Sighting(f"kitchen-{node[:8]}", ("10.0.0.2",), 1, said)


def seen(*sightings: Sighting, now_s: float = 0.0) -> Strangers:
    strangers = Strangers()
    for one in sightings:
        strangers.sighted(one, federation=HOME, own=OWN, now_s=now_s)
    return strangers


def test_a_node_of_another_federation_is_a_stranger() -> None:
    met = sighting()
    strangers = seen(met)
    assert strangers.pairing() == [met]
    typed = strangers.to_type("482 913", "hall-aaaaaaaa")
    assert typed == "python main.py approve 482 913"
    assert strangers.invitation(typed) == (
        "found kitchen-bbbbbbbb (10.0.0.2); to become one, type there: "
        "python main.py approve 482 913"
    )


def test_who_handed_its_federation_over_is_met_in_it_by_its_name() -> None:
    handed = Joined(OTHER, bytes(16), (), ("10.0.0.2", "fd00::2"), 17617)
    named, unseen = seen(sighting()).joined(handed, HOME), seen().joined(handed, HOME)
    assert [met.addresses for met in named] == [("10.0.0.2",), ("fd00::2",)]
    assert {met.name for met in named} == {"kitchen-bbbbbbbb"}
    assert {met.name for met in unseen} == {instance_name("", OTHER)}
    said = Advertisement.of(OTHER, HOME, port=17617)
    assert {met.advertisement for met in (*named, *unseen)} == {said}


def test_where_several_may_show_a_pin_the_name_is_typed_too() -> None:
    strangers = seen(sighting(), sighting("c" * 64))
    assert (
        strangers.to_type("482 913", "hall-aaaaaaaa")
        == "python main.py approve 482 913 hall-aaaaaaaa"
    )


def test_members_and_the_node_itself_are_none() -> None:
    assert seen(sighting(federation=HOME), sighting(OWN)).to_type("1", "hall") is None


def test_nobody_is_sent_to_an_open_federation_with_a_pin() -> None:
    assert seen(sighting(federation=federation_id(OPEN_SECRET))).to_type("1", "hall") is None


def test_who_joins_or_says_goodbye_is_a_stranger_no_longer() -> None:
    strangers = seen(sighting(), sighting(federation=HOME))
    assert strangers.pairing() == []
    strangers = seen(sighting())
    strangers.gone("kitchen-bbbbbbbb")
    assert strangers.pairing() == []


def test_who_was_not_seen_for_long_is_forgotten() -> None:
    strangers = seen(sighting())
    later = sighting("c" * 64)
    strangers.sighted(later, federation=HOME, own=OWN, now_s=KEPT_S + 1)
    assert strangers.pairing() == [later]


def test_only_machines_that_show_a_pin_can_be_approved() -> None:
    assert seen(sighting(pairing=0)).pairing() == []


def test_who_still_lives_in_a_federation_of_the_past_is_found_by_its_open_door() -> None:
    said = Advertisement.of(OTHER, AWAY, port=17617)
    living = Sighting("attic-bbbbbbbb", ("10.0.0.3",), 17617, said)
    strangers = seen(living, sighting("c" * 64))
    assert strangers.living_in([AWAY]) == [living]
    assert strangers.living_in(["3" * 16]) == []


def test_a_member_that_lives_elsewhere_has_moved_on() -> None:
    strangers = seen(sighting())
    assert strangers.moved_on([OTHER], HOME, (), 0.0)
    assert not strangers.moved_on(["d" * 64], HOME, (), 0.0)


def test_nobody_is_left_behind_where_a_member_still_lives_here() -> None:
    strangers = seen(sighting(), sighting("c" * 64, HOME))
    assert not strangers.moved_on([OTHER, "c" * 64], HOME, (), 0.0)


def test_who_lives_by_a_code_of_the_past_is_late_and_has_not_moved_on() -> None:
    assert not seen(sighting()).moved_on([OTHER], HOME, [AWAY], 0.0)


def test_who_was_of_another_federation_and_is_of_this_one_now_has_not_moved_on() -> None:
    strangers = seen(sighting(), sighting(federation=HOME))
    assert not strangers.moved_on([OTHER], HOME, (), 0.0)


def test_what_a_new_member_announced_before_does_not_take_it_away() -> None:
    strangers = seen(sighting())
    strangers.expect(OTHER, 1.0)
    assert not strangers.moved_on([OTHER], HOME, (), 1.0)
    assert strangers.moved_on([OTHER], HOME, (), 1.0 + MOVING_S)


def test_what_is_known_of_many_is_bounded_and_the_latest_is_kept() -> None:
    strangers = seen(*(sighting(f"{at:016x}" * 4) for at in range(2000)))
    assert strangers.moved_on([f"{1999:016x}" * 4], HOME, (), 0.0)
    assert not strangers.moved_on([f"{0:016x}" * 4], HOME, (), 0.0)


def test_a_crowd_of_them_is_bounded() -> None:
    crowd = [sighting(f"{at:08x}" * 8) for at in range(200)]
    assert len(seen(*crowd).pairing()) == 64
