"""Of machines that approve each other at the same moment, each ends in one federation."""

from dataclasses import replace

import pytest

from federation.approvals import Approvals, Invitation, meant
from federation.sightings import Sighting
from federation.trust import new_secret
from swarm.errors import PeerRefused
from tests.federation.sightings import advertisement, node_id

SMALL, LARGE = sorted([node_id(1), node_id(2)])
HALL, KITCHEN = "hall-1a2b3c4d", "kitchen-5e6f7a8b"
INVITATION = Invitation(new_secret(), (), (), 17617)


class Calls(Approvals):
    """Calls nobody: what it is called with while a call is out is `meanwhile`."""

    def __init__(self, node: str, caller: str) -> None:
        super().__init__(node)
        self._caller = caller
        self.refused = False

    async def _call(self, digits: str, met: Sighting, port: int, invitation: Invitation) -> str:
        try:
            self.begin_joining(self._caller)
        except PeerRefused:
            self.refused = True
        return met.name


def door(number: int) -> Sighting:
    return Sighting("kitchen", ("10.0.0.1",), 0, advertisement(number, port=0, pairing=9))


async def joined(node: str) -> None:
    """The new member's id is stored."""


@pytest.mark.parametrize(("own", "refuses"), [(SMALL, True), (LARGE, False)])
async def test_of_two_that_approve_each_other_the_smaller_id_stays(own: str, refuses: bool) -> None:
    other = LARGE if own == SMALL else SMALL
    number = 1 if other == node_id(1) else 2
    calls = Calls(own, caller=other)
    await calls.approve("123456", door(number), INVITATION, joined=joined)
    assert calls.refused is refuses


async def test_who_approves_one_machine_does_not_join_another() -> None:
    calls = Calls(LARGE, caller=SMALL)
    await calls.approve("123456", door(3), INVITATION, joined=joined)
    assert calls.refused


async def test_who_joins_approves_nobody_until_it_has_joined() -> None:
    approvals = Calls(SMALL, caller=LARGE)
    approvals.begin_joining(LARGE)
    with pytest.raises(PeerRefused, match="just now"):
        await approvals.approve("123456", door(3), INVITATION, joined=joined)
    approvals.end_joining()
    assert await approvals.approve("123456", door(3), INVITATION, joined=joined) == "kitchen"


def test_a_pin_that_nobody_shows_is_refused() -> None:
    with pytest.raises(PeerRefused, match="no machine that shows a PIN"):
        meant([], "")


def test_where_several_show_a_pin_the_one_that_is_named_is_called() -> None:
    doors = [replace(door(number), name=name) for number, name in ((1, HALL), (2, KITCHEN))]
    assert meant(doors, "kit").name == meant(doors, KITCHEN).name == KITCHEN
    assert meant(doors[:1], "").name == HALL
    with pytest.raises(PeerRefused, match=f"whose it is .* there is {HALL}, {KITCHEN}"):
        meant(doors, "")
    with pytest.raises(PeerRefused, match=f"named attic .* there is {HALL}, {KITCHEN}"):
        meant(doors, "attic")
